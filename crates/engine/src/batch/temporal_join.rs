//! The temporal join inside DataFusion: all versions are read, then rows are joined with them as they come.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ExecutionPlanProperties};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, Partitioning,
    PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, TryStreamExt};

use crate::stream::temporal_join::{Probe, Versions};

/// A temporal join over all rows.
pub(crate) struct TemporalJoinExec {
    probe: Arc<Probe>,
    /// Without rows; taken when it runs.
    versions: Arc<Mutex<Option<Versions>>>,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl TemporalJoinExec {
    pub(crate) fn new(
        probe: Probe,
        versions: Versions,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let versions = Arc::new(Mutex::new(Some(versions)));
        Self::over(Arc::new(probe), versions, left, right)
    }

    fn over(
        probe: Arc<Probe>,
        versions: Arc<Mutex<Option<Versions>>>,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let schema = Arc::clone(&probe.schema);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { probe, versions, left, right, schema, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for TemporalJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporalJoinExec").field("left", &self.left).field("right", &self.right).finish_non_exhaustive()
    }
}

impl DisplayAs for TemporalJoinExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TEMPORAL_JOIN")
    }
}

impl ExecutionPlan for TemporalJoinExec {
    fn name(&self) -> &str {
        "TEMPORAL_JOIN"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::SinglePartition])
    }

    /// See RowwiseExec: it does of the left side, but the output is not said to be sorted.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) {
            Ok([left, right]) => {
                Ok(Arc::new(Self::over(Arc::clone(&self.probe), Arc::clone(&self.versions), left, right)))
            }
            Err(_) => internal_err!("TEMPORAL_JOIN has two inputs"),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in &self.probe.by.keys {
            if let TreeNodeRecursion::Stop = visit(expression)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(mut versions) = self.versions.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return internal_err!("TEMPORAL_JOIN runs once");
        };
        debug_assert_eq!(self.left.output_partitioning().partition_count(), 1);
        let memory = MemoryConsumer::new("TEMPORAL_JOIN").register(context.memory_pool());
        let mut right = self.right.execute(partition, Arc::clone(&context))?;
        let left = self.left.execute(partition, context)?;
        let probe = Arc::clone(&self.probe);
        let joined = async move {
            while let Some(batch) = right.try_next().await? {
                versions.add(batch)?;
                memory.try_resize(versions.bytes())?;
            }
            let joined = left.map(move |batch| {
                // The memory is given back with the versions.
                let _ = &memory;
                Ok(probe.join(&versions, &batch?)?)
            });
            Ok::<_, DataFusionError>(joined)
        };
        let output = futures::stream::once(joined).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), output)))
    }
}
