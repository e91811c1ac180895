//! Running a plan on DataFusion from code that is not async.

use std::future::Future;
use std::sync::Arc;

use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;

use crate::function::depends_on_order;
use crate::{Error, Result};

/// A session of DataFusion and the threads it runs on.
#[derive(Clone)]
pub(crate) struct Execution {
    pub context: SessionContext,
    runtime: Arc<Runtime>,
}

impl Execution {
    pub(crate) fn new(context: SessionContext, runtime: Arc<Runtime>) -> Self {
        Self { context, runtime }
    }

    /// Waits for a future. Must not be called from one.
    pub(crate) fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(future)
    }

    /// The same session with other settings.
    pub(crate) fn with_partitions(&self, partitions: usize) -> Self {
        let mut state: SessionState = self.context.state();
        state.config_mut().options_mut().execution.target_partitions = partitions;
        Self { context: SessionContext::new_with_state(state), runtime: Arc::clone(&self.runtime) }
    }

    /// Analyses and optimises a plan.
    pub(crate) fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        Ok(self.context.state().optimize(plan)?)
    }

    /// Plans how to run a plan, optimising it first. Where results depend on the order of rows, that is the order of one thread.
    pub(crate) async fn physical(&self, plan: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let one = if depends_on_order(&plan)? { Some(self.with_partitions(1)) } else { None };
        let execution = one.as_ref().unwrap_or(self);
        Ok(execution.context.state().create_physical_plan(&plan).await?)
    }

    /// Runs a plan. The rows come as one stream.
    pub(crate) async fn stream(&self, plan: LogicalPlan) -> Result<SendableRecordBatchStream> {
        let physical = self.physical(plan).await?;
        execute_stream(physical, self.context.task_ctx()).map_err(Error::from)
    }
}
