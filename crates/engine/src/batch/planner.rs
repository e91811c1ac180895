//! Plan nodes of our own to execution plans.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::permutation::PermutationExec;
use super::report::ReportExec;
use super::rowwise::{Rowwise, RowwiseExec};
use super::session::SessionExec;
use super::temporal_join::TemporalJoinExec;
use super::unnest::Unnest;
use crate::batch::feature_scores::FeatureScoresExec;
use crate::catalog::bad_rows::BadRows;
use crate::plan::feature_scores::FeatureScoresNode;
use crate::plan::node::{PredictNode, ReportNode, TrainNode};
use crate::plan::permutation::PermutationNode;
use crate::plan::temporal::TemporalJoinNode;
use crate::plan::unnest::UnnestNode;
use crate::plan::window::{SessionNode, WindowNode};
use crate::stream::compile::temporal_join::sides;

/// DataFusion's planner with our nodes.
#[derive(Debug)]
pub(crate) struct TidegatePlanner;

#[async_trait]
impl QueryPlanner for TidegatePlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(NodePlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

struct NodePlanner;

#[async_trait]
impl ExtensionPlanner for NodePlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(train) = node.as_any().downcast_ref::<TrainNode>() {
            return plan_err!("ML_TRAIN of model {} cannot run inside this query", train.model.0.name);
        }
        if let Some(join) = node.as_any().downcast_ref::<TemporalJoinNode>() {
            let [left, right] = physical_inputs else { return internal_err!("{} has two inputs", node.name()) };
            let (probe, versions) = sides(join, None, 1, None)?;
            return Ok(Some(Arc::new(TemporalJoinExec::new(probe, versions, Arc::clone(left), Arc::clone(right)))));
        }
        let ([logical], [physical]) = (logical_inputs, physical_inputs) else {
            return internal_err!("{} has one input", node.name());
        };
        let column = |expr: &Expr| planner.create_physical_expr(expr, logical.schema(), session, context);
        let columns = |exprs: &[Expr]| exprs.iter().map(column).collect::<Result<Vec<Arc<dyn PhysicalExpr>>>>();
        let schema = Arc::clone(node.schema().inner());
        let input = Arc::clone(physical);
        if let Some(predict) = node.as_any().downcast_ref::<PredictNode>() {
            let tables = crate::stream::compile::tables(&predict.input)?;
            let rowwise = Rowwise::predict(predict, columns(&predict.columns())?, BadRows::from(tables));
            return Ok(Some(Arc::new(RowwiseExec::new(predict.function(), rowwise, input, schema))));
        }
        if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
            let rowwise = Rowwise::Window { time: column(&window.time)?, windows: window.windows };
            return Ok(Some(Arc::new(RowwiseExec::new(window.windows.function.name(), rowwise, input, schema))));
        }
        if let Some(unnest) = node.as_any().downcast_ref::<UnnestNode>() {
            let UnnestNode { ordinality, outer, .. } = *unnest;
            let rowwise = Rowwise::Unnest(Unnest { collection: unnest.place()?, ordinality, outer });
            return Ok(Some(Arc::new(RowwiseExec::new("UNNEST", rowwise, input, schema))));
        }
        if let Some(session) = node.as_any().downcast_ref::<SessionNode>() {
            let (time, keys) = (column(&session.time)?, columns(&session.keys)?);
            return Ok(Some(Arc::new(SessionExec::new(time, keys, session.gap_ms, input, schema))));
        }
        if let Some(report) = node.as_any().downcast_ref::<ReportNode>() {
            let columns = columns(&node.expressions())?;
            let exec = ReportExec::new(report.kind, report.task, report.classes.clone(), input, columns, schema);
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(scores) = node.as_any().downcast_ref::<FeatureScoresNode>() {
            let exec = FeatureScoresExec::new(scores, input, columns(&scores.columns)?, schema);
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(importance) = node.as_any().downcast_ref::<PermutationNode>() {
            let (model, settings) = (importance.model.clone(), importance.settings.clone());
            let columns = columns(&importance.columns)?;
            return Ok(Some(Arc::new(PermutationExec::new(model, settings, input, columns, schema))));
        }
        Ok(None)
    }
}
