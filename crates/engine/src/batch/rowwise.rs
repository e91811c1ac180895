//! Operators that turn each batch into another by itself: prediction, window assignment, and the elements of arrays.
//!
//! The same [`Rowwise`] runs inside DataFusion (through [`RowwiseExec`]) and inside a streaming job.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::ExecutionPlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use tidegate_ml::Explanations;

use crate::Error;
use crate::batch::unnest::Unnest;
use crate::batch::window::{Assigned, milliseconds};
use crate::catalog::bad_rows::BadRows;
use crate::plan::node::{LoadedModel, PredictNode, Same};
use crate::plan::window::Windows;
use tidegate_training::batch_of;

/// Adds columns to a batch, row by row: what comes out for a row depends on that row alone.
#[derive(Debug, Clone)]
pub(crate) enum Rowwise {
    /// Adds the model's predictions, and what explains them if that was asked for.
    Predict {
        function: &'static str,
        model: Same<LoadedModel>,
        explanations: Option<Same<Explanations>>,
        args: Vec<Arc<dyn PhysicalExpr>>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        bad_rows: BadRows,
    },
    /// Adds `window_start`, `window_end`, `window_time`; a row comes once for each of its windows.
    Window { time: Arc<dyn PhysicalExpr>, windows: Windows },
    /// A row comes once for each of its elements.
    Unnest(Unnest),
}

impl Rowwise {
    /// `columns` are those of [`PredictNode::columns`].
    pub(crate) fn predict(node: &PredictNode, mut columns: Vec<Arc<dyn PhysicalExpr>>, bad_rows: BadRows) -> Self {
        let keys = columns.split_off(node.args.len().min(columns.len()));
        let (model, explanations) = (node.model.clone(), node.explanations.clone());
        Self::Predict { function: node.function(), model, explanations, args: columns, keys, bad_rows }
    }

    /// The batch with the added columns, under the given schema.
    pub(crate) fn apply(&self, batch: &RecordBatch, schema: &SchemaRef) -> crate::Result<RecordBatch> {
        match self {
            Self::Predict { function, model, explanations, args, keys, bad_rows } => {
                let by = Predictor { function, model: &model.0, explanations: explanations.as_ref().map(|by| &*by.0) };
                let (batch, predictions) = by.predict(args, keys, bad_rows, batch)?;
                let columns = batch.columns().iter().chain(predictions.columns()).cloned().collect();
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
            }
            Self::Window { time, windows } => {
                let time = time.evaluate(batch)?.into_array(batch.num_rows())?;
                let mut assigned = Assigned::default();
                for (row, time) in milliseconds(&time)?.iter().enumerate() {
                    // A row without a time is in no window.
                    for (start, end) in time.into_iter().flat_map(|time| windows.of(time)) {
                        assigned.push(row, start, end);
                    }
                }
                assigned.apply(batch, schema)
            }
            Self::Unnest(unnest) => unnest.apply(batch, schema),
        }
    }
}

/// A model that predicts, and what explains its predictions if that was asked for.
struct Predictor<'a> {
    function: &'static str,
    model: &'a LoadedModel,
    explanations: Option<&'a Explanations>,
}

impl Predictor<'_> {
    /// The predictions, and the rows that they are of: those that the model takes.
    fn predict(
        &self,
        args: &[Arc<dyn PhysicalExpr>],
        keys: &[Arc<dyn PhysicalExpr>],
        bad_rows: &BadRows,
        batch: &RecordBatch,
    ) -> crate::Result<(RecordBatch, RecordBatch)> {
        let Self { function, model, explanations } = *self;
        let failed = |error| Error::Internal(format!("{function} with MODEL {}: {error}", model.reference));
        let inputs = model_inputs(args, batch)?;
        let predict = |batch: &RecordBatch, inputs: &RecordBatch| match (&model.keyed, explanations) {
            (None, None) => Ok(model.model.predict(inputs)),
            (None, Some(explanations)) => Ok(model.model.explain(explanations, inputs)),
            (Some(keyed), _) => {
                let rows = batch.num_rows();
                let keys = keys.iter().map(|key| key.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
                Ok::<_, Error>(keyed.predict(inputs, &keys))
            }
        };
        let fault = match predict(batch, &inputs)? {
            Ok(predictions) => return Ok((batch.clone(), predictions)),
            Err(tidegate_ml::Error::Data(fault)) => fault,
            Err(other) => return Err(failed(other)),
        };
        let place = format!("a row of the input of {function} with MODEL {}", model.reference);
        if bad_rows.stop_the_job() {
            return Err(bad_rows.error(&place, batch, &fault));
        }
        let faults = model.model.check(&inputs).map_err(failed)?;
        let batch = bad_rows.pass_over(batch, &faults, |_| place.clone())?;
        let predictions = predict(&batch, &model_inputs(args, &batch)?)?.map_err(failed)?;
        Ok((batch, predictions))
    }
}

fn model_inputs(args: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> crate::Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = args.iter().map(|arg| arg.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = (1..=columns.len()).map(|i| format!("argument {i}")).collect();
    Ok(batch_of(names.iter().map(String::as_str), columns, rows)?)
}

/// A [`Rowwise`] inside DataFusion.
#[derive(Debug)]
pub(crate) struct RowwiseExec {
    name: &'static str,
    rowwise: Rowwise,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl RowwiseExec {
    pub(crate) fn new(name: &'static str, rowwise: Rowwise, input: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { name, rowwise, input, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for RowwiseExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

impl ExecutionPlan for RowwiseExec {
    fn name(&self) -> &str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// It does keep the order, but does not tell of which columns its output is then sorted by: saying so would have a sort
    /// of the output moved below it, and then be missed.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(Self::new(self.name, self.rowwise.clone(), input, Arc::clone(&self.schema))))
            }
            _ => internal_err!("{} has one input", self.name),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let expressions: Vec<&Arc<dyn PhysicalExpr>> = match &self.rowwise {
            Rowwise::Predict { args, keys, .. } => args.iter().chain(keys).collect(),
            Rowwise::Window { time, .. } => vec![time],
            Rowwise::Unnest(_) => Vec::new(),
        };
        for expression in expressions {
            if let TreeNodeRecursion::Stop = visit(expression)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (rowwise, schema) = (self.rowwise.clone(), Arc::clone(&self.schema));
        let input = self.input.execute(partition, context)?;
        let output = input.map(move |batch| Ok(rowwise.apply(&batch?, &schema)?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), output)))
    }
}
