//! ML_FEATURE_SCORES inside DataFusion: all rows in, a row a column out.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
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
use tidegate_ml::LabelKind;
use tidegate_ml::selection::FeatureScores;

use crate::Error;
use crate::plan::feature_scores::FeatureScoresNode;

/// How columns are scored.
#[derive(Debug, Clone)]
struct Scoring {
    method: String,
    bins: u32,
    kind: LabelKind,
    /// The columns that are scored, then the label if there is one.
    columns: Vec<Arc<dyn PhysicalExpr>>,
    names: Vec<String>,
}

/// Scores of columns over all rows.
#[derive(Debug)]
pub(crate) struct FeatureScoresExec {
    scoring: Scoring,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl FeatureScoresExec {
    pub(crate) fn new(
        node: &FeatureScoresNode,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    ) -> Self {
        let names = node.columns.iter().map(|column| match column {
            datafusion::logical_expr::Expr::Column(column) => column.name.clone(),
            other => other.to_string(),
        });
        let (method, bins, kind) = (node.method.clone(), node.bins, node.kind);
        Self::of(Scoring { method, bins, kind, columns, names: names.collect() }, input, schema)
    }

    fn of(scoring: Scoring, input: Arc<dyn ExecutionPlan>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { scoring, input, schema, properties: Arc::new(properties) }
    }
}

impl Scoring {
    /// Scores of no rows yet, over rows of this schema.
    fn begin(&self, schema: &Schema) -> Result<FeatureScores> {
        let labels = usize::from(self.kind != LabelKind::None);
        let scored = self.columns.iter().zip(&self.names).take(self.columns.len() - labels);
        let field =
            |(column, name): (&Arc<dyn PhysicalExpr>, &String)| Ok(Field::new(name, column.data_type(schema)?, true));
        let fields = scored.map(field).collect::<Result<Vec<_>>>()?;
        FeatureScores::new(&self.method, &Schema::new(fields), self.kind, self.bins).map_err(bad_rows)
    }

    /// The columns of [`FeatureScores::update`].
    fn columns_of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = self
            .columns
            .iter()
            .map(|column| column.evaluate(batch)?.into_array(batch.num_rows()))
            .collect::<Result<Vec<ArrayRef>>>()?;
        if let (Some(label), Some(data_type)) = (columns.last_mut(), self.kind.data_type()) {
            *label = cast(label, &data_type)?;
        }
        let fields =
            columns.iter().zip(&self.names).map(|(column, name)| Field::new(name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

impl DisplayAs for FeatureScoresExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeatureScoresExec: {}", self.scoring.method)
    }
}

impl ExecutionPlan for FeatureScoresExec {
    fn name(&self) -> &str {
        "FeatureScoresExec"
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
            (Some(input), true) => Ok(Arc::new(Self::of(self.scoring.clone(), input, Arc::clone(&self.schema)))),
            _ => internal_err!("ML_FEATURE_SCORES has one input"),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for column in &self.scoring.columns {
            if let TreeNodeRecursion::Stop = visit(column)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut scores = self.scoring.begin(&self.input.schema())?;
        let mut input = self.input.execute(partition, context)?;
        let (scoring, schema) = (self.scoring.clone(), Arc::clone(&self.schema));
        let taken = async move {
            while let Some(batch) = input.next().await {
                scores.update(&scoring.columns_of(&batch?)?).map_err(bad_rows)?;
            }
            let finished = scores.finish().map_err(|error| DataFusionError::Internal(error.to_string()))?;
            Ok(RecordBatch::try_new(schema, finished.columns().to_vec())?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(taken))))
    }
}

fn bad_rows(error: tidegate_ml::Error) -> DataFusionError {
    Error::Data(error.to_string()).into()
}
