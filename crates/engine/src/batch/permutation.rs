//! ML_PERMUTATION_IMPORTANCE inside DataFusion: all rows in, a row an input out.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use tidegate_ml::model::{PermutationImportance, PermutationSettings};
use tidegate_training::batch_of;

use crate::Error;
use crate::plan::node::{LoadedModel, Same};

/// Importance of inputs over all rows.
#[derive(Debug)]
pub(crate) struct PermutationExec {
    model: Same<LoadedModel>,
    settings: PermutationSettings,
    input: Arc<dyn ExecutionPlan>,
    /// The model's inputs, then the label.
    columns: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PermutationExec {
    pub(crate) fn new(
        model: Same<LoadedModel>,
        settings: PermutationSettings,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { model, settings, input, columns, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for PermutationExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermutationExec: {}", self.model.0.reference)
    }
}

impl ExecutionPlan for PermutationExec {
    fn name(&self) -> &str {
        "PermutationExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(
                self.model.clone(),
                self.settings.clone(),
                input,
                self.columns.clone(),
                Arc::clone(&self.schema),
            ))),
            _ => internal_err!("importance has one input"),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for column in &self.columns {
            if let TreeNodeRecursion::Stop = visit(column)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, context)?;
        let (model, columns, schema) = (self.model.clone(), self.columns.clone(), Arc::clone(&self.schema));
        let failed = move |error: tidegate_ml::Error| DataFusionError::from(Error::Data(error.to_string()));
        let mut importance = PermutationImportance::new(&model.0.model, self.settings.clone()).map_err(failed)?;
        let measured = async move {
            while let Some(batch) = input.next().await {
                let batch = batch?;
                let rows = batch.num_rows();
                let columns = columns
                    .iter()
                    .map(|column| column.evaluate(&batch)?.into_array(rows))
                    .collect::<Result<Vec<_>>>()?;
                let inputs = &model.0.model.spec().inputs;
                let names = inputs.iter().map(|input| input.name.as_str()).chain(["label"]);
                let rows = batch_of(names, columns, rows).map_err(Error::from)?;
                importance.update(&model.0.model, &rows).map_err(failed)?;
            }
            let found = importance.finish(&model.0.model).map_err(failed)?;
            Ok(RecordBatch::try_new(schema, found.columns().to_vec())?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(measured))))
    }
}
