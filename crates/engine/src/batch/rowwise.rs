//! Operators that turn each batch into another by itself: prediction and window assignment.
//!
//! The same [`Rowwise`] runs inside DataFusion (through [`RowwiseExec`]) and inside a streaming job.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimestampMillisecondType};
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

use crate::Error;
use crate::catalog::bad_rows::BadRows;
use crate::plan::node::{LoadedModel, PredictNode, Same, WindowNode};
use crate::stream::train::batch_of;

/// Adds columns to a batch, looking at nothing but that batch.
#[derive(Debug, Clone)]
pub(crate) enum Rowwise {
    /// Adds the model's predictions.
    Predict { model: Same<LoadedModel>, args: Vec<Arc<dyn PhysicalExpr>>, bad_rows: BadRows },
    /// Adds `window_start`, `window_end`, `window_time`.
    Tumble { time: Arc<dyn PhysicalExpr>, size_ms: i64, offset_ms: i64 },
}

impl Rowwise {
    pub(crate) fn predict(node: &PredictNode, args: Vec<Arc<dyn PhysicalExpr>>, bad_rows: BadRows) -> Self {
        Self::Predict { model: node.model.clone(), args, bad_rows }
    }

    pub(crate) fn tumble(node: &WindowNode, time: Arc<dyn PhysicalExpr>) -> Self {
        Self::Tumble { time, size_ms: node.size_ms, offset_ms: node.offset_ms }
    }

    /// The batch with the added columns, under the given schema.
    pub(crate) fn apply(&self, batch: &RecordBatch, schema: &SchemaRef) -> crate::Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let mut rows = batch.num_rows();
        match self {
            Self::Predict { model, args, bad_rows } => {
                let (batch, predictions) = predict(&model.0, args, bad_rows, batch)?;
                rows = batch.num_rows();
                columns = batch.columns().iter().chain(predictions.columns()).cloned().collect();
            }
            Self::Tumble { time, size_ms, offset_ms } => {
                let time = time.evaluate(batch)?.into_array(batch.num_rows())?;
                columns.extend(tumble(&time, *size_ms, *offset_ms)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }
}

/// The predictions, and the rows that they are of: those that the model takes.
fn predict(
    model: &LoadedModel,
    args: &[Arc<dyn PhysicalExpr>],
    bad_rows: &BadRows,
    batch: &RecordBatch,
) -> crate::Result<(RecordBatch, RecordBatch)> {
    let failed = |error| Error::Internal(format!("ML_PREDICT with MODEL {}: {error}", model.reference));
    let inputs = model_inputs(args, batch)?;
    let fault = match model.model.predict(&inputs) {
        Ok(predictions) => return Ok((batch.clone(), predictions)),
        Err(tidegate_ml::Error::Data(fault)) => fault,
        Err(other) => return Err(failed(other)),
    };
    let place = format!("a row of the input of ML_PREDICT with MODEL {}", model.reference);
    if bad_rows.stop_the_job() {
        return Err(bad_rows.error(&place, batch, &fault));
    }
    let faults = model.model.check(&inputs).map_err(failed)?;
    let batch = bad_rows.pass_over(batch, &faults, |_| place.clone())?;
    let predictions = model.model.predict(&model_inputs(args, &batch)?).map_err(failed)?;
    Ok((batch, predictions))
}

fn model_inputs(args: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> crate::Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = args.iter().map(|arg| arg.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = (1..=columns.len()).map(|i| format!("argument {i}")).collect();
    batch_of(names.iter().map(String::as_str), columns, rows)
}

/// The start, end and last moment of the window of each time; NULL times have none.
pub(crate) fn tumble(time: &ArrayRef, size_ms: i64, offset_ms: i64) -> crate::Result<[ArrayRef; 3]> {
    let zoned = time.data_type().clone();
    let milliseconds = cast(time, &DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None))?;
    let milliseconds = milliseconds.as_primitive::<TimestampMillisecondType>();
    let start = milliseconds.unary::<_, TimestampMillisecondType>(|t| window_start(t, size_ms, offset_ms));
    let end: PrimitiveArray<TimestampMillisecondType> = start.unary(|t| t.saturating_add(size_ms));
    let last: PrimitiveArray<TimestampMillisecondType> = end.unary(|t| t.saturating_sub(1));
    let back = |array: PrimitiveArray<TimestampMillisecondType>| cast(&(Arc::new(array) as ArrayRef), &zoned);
    Ok([back(start)?, back(end)?, back(last)?])
}

/// The start of the window that `time` falls into, all in milliseconds.
pub(crate) fn window_start(time: i64, size: i64, offset: i64) -> i64 {
    time.saturating_sub(time.saturating_sub(offset).rem_euclid(size))
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
            Rowwise::Predict { args, .. } => args.iter().collect(),
            Rowwise::Tumble { time, .. } => vec![time],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_multiples_of_their_size_also_before_1970() {
        assert_eq!(window_start(0, 10, 0), 0);
        assert_eq!(window_start(19, 10, 0), 10);
        assert_eq!(window_start(-1, 10, 0), -10);
        assert_eq!(window_start(19, 10, 3), 13);
        assert_eq!(window_start(12, 10, 3), 3);
    }
}
