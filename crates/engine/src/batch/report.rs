//! ML_EVALUATE, ML_CONFUSION_MATRIX and ML_ROC_CURVE inside DataFusion: all rows in, one small batch out.

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
use tidegate_ml::Task;
use tidegate_ml::metric::{Report, ReportKind};

use crate::Error;

/// A report over all rows.
#[derive(Debug)]
pub(crate) struct ReportExec {
    pub kind: ReportKind,
    pub task: Task,
    pub classes: Vec<String>,
    pub input: Arc<dyn ExecutionPlan>,
    /// The label, the prediction, and the probability if there is one.
    pub columns: Vec<Arc<dyn PhysicalExpr>>,
    pub schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ReportExec {
    pub(crate) fn new(
        kind: ReportKind,
        task: Task,
        classes: Vec<String>,
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
        Self { kind, task, classes, input, columns, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ReportExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportExec: {:?}", self.kind)
    }
}

impl ExecutionPlan for ReportExec {
    fn name(&self) -> &str {
        "ReportExec"
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
                self.kind,
                self.task,
                self.classes.clone(),
                input,
                self.columns.clone(),
                Arc::clone(&self.schema),
            ))),
            _ => internal_err!("a report has one input"),
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
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        let predicted = self.columns[1].data_type(&self.input.schema())?;
        let report = Report::new(self.kind, self.task, self.classes.clone(), &predicted);
        let mut report = report.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        let taken = async move {
            while let Some(batch) = input.next().await {
                let batch = batch?;
                let columns = columns
                    .iter()
                    .map(|column| column.evaluate(&batch)?.into_array(batch.num_rows()))
                    .collect::<Result<Vec<_>>>()?;
                let [label, predicted, probability @ ..] = columns.as_slice() else {
                    return internal_err!("a report has a label and a prediction");
                };
                report.update(label, predicted, probability.first()).map_err(bad_rows)?;
            }
            // What is planned is the same but for names that only Arrow sees.
            let finished = report.finish().map_err(|error| DataFusionError::Internal(error.to_string()))?;
            Ok(RecordBatch::try_new(schema, finished.columns().to_vec())?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(taken))))
    }
}

fn bad_rows(error: tidegate_ml::Error) -> DataFusionError {
    Error::Data(error.to_string()).into()
}
