//! Windows, and aggregates by window.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{self, Expr, LogicalPlan};
use datafusion::physical_expr::aggregate::{LoweredAggregate, LoweredAggregateBuilder};

use super::Compiler;
use super::expression::{physical, physical_all};
use super::slices::sliceable;
use super::visit::{stage_table, visit};
use crate::Result;
use crate::plan::attribute::{WindowEdge, window_edge};
use crate::plan::window::{SessionNode, WindowFunction, WindowNode};
use crate::stream::aggregate::{Aggregate, WindowAggregate};
use crate::stream::dataflow::Output;
use crate::stream::lateness::{Lateness, Origin};
use crate::stream::session::Sessions;
use crate::stream::window::AssignWindows;

const EVENT_TIME_WANTED: &str =
    "take the column that CREATE TABLE declares a WATERMARK FOR, or window_time where the rows come out of a window";

impl Compiler<'_> {
    /// TUMBLE, HOP or CUMULATE.
    pub(super) fn lower_window(&mut self, plan: &LogicalPlan, window: &WindowNode) -> Result<Output> {
        let Some(delay_ms) = window.delay_ms else {
            let construct = match window.windows.function {
                WindowFunction::Tumble => "TUMBLE over a column that is not an event time",
                WindowFunction::Hop => "HOP over a column that is not an event time",
                WindowFunction::Cumulate => "CUMULATE over a column that is not an event time",
            };
            return self.elsewhere(plan, construct, EVENT_TIME_WANTED);
        };
        let input = self.lower(&window.input)?;
        let operator = assigner(window, delay_ms)?;
        Ok(self.dataflow.add_operator(Box::new(operator), &[input]))
    }

    /// SESSION.
    pub(super) fn lower_session(&mut self, plan: &LogicalPlan, session: &SessionNode) -> Result<Output> {
        let Some(delay_ms) = session.delay_ms else {
            return self.elsewhere(plan, "SESSION over a column that is not an event time", EVENT_TIME_WANTED);
        };
        let input = self.lower(&session.input)?;
        let schema = session.input.schema();
        let operator = Sessions::new(
            physical(&session.time, schema)?,
            physical_all(&session.keys, schema)?,
            session.gap_ms,
            Lateness::new(origin(&session.time, schema, delay_ms)),
            Arc::clone(schema.inner()),
            Arc::clone(session.schema.inner()),
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        )?;
        Ok(self.dataflow.add_operator(Box::new(operator), &[input]))
    }

    /// `GROUP BY`, which has to have the end of a window among its columns.
    pub(super) fn lower_aggregate(
        &mut self,
        plan: &LogicalPlan,
        aggregate: &logical_expr::Aggregate,
    ) -> Result<Output> {
        let schema = aggregate.input.schema();
        match aggregate.group_expr.iter().position(|expr| is_edge(expr, schema, WindowEdge::End)) {
            Some(end) => self.lower_window_aggregate(aggregate, Some(end)),
            None if self.aggregates_at_the_end(plan, aggregate)? => self.lower_window_aggregate(aggregate, None),
            None if aggregate.aggr_expr.is_empty() => self.lower_distinct(plan, aggregate),
            None => self.elsewhere(
                plan,
                "GROUP BY without a window",
                "group by window_start, window_end of TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))",
            ),
        }
    }

    /// Whether an aggregate without a window can be taken as the stream runs, and given when it has ended.
    fn aggregates_at_the_end(&self, plan: &LogicalPlan, aggregate: &logical_expr::Aggregate) -> Result<bool> {
        let mut streams = false;
        visit(plan, &mut |node| {
            streams |= stage_table(node).is_some();
            Ok(())
        })?;
        let ordered = aggregate.aggr_expr.iter().any(|expr| {
            let is_ordered = |e: &Expr| Ok(matches!(e, Expr::AggregateFunction(f) if !f.params.order_by.is_empty()));
            expr.exists(is_ordered).unwrap_or(true)
        });
        // One group that is there without any row, or grouping sets: DataFusion knows how.
        let plain = !aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
        Ok(streams && !ordered && plain && self.unbounded_below(plan)?.is_none())
    }

    fn lower_window_aggregate(
        &mut self,
        aggregate: &logical_expr::Aggregate,
        window_end: Option<usize>,
    ) -> Result<Output> {
        let schema = aggregate.input.schema();
        let aggregates = aggregate
            .aggr_expr
            .iter()
            .map(|expr| {
                let properties = ExecutionProps::new();
                let planning = PhysicalPlanningContext::default();
                let LoweredAggregate { aggregate, filter, .. } =
                    LoweredAggregateBuilder::new(expr, schema, schema.as_arrow(), &properties, &planning).build()?;
                Ok(Aggregate { function: aggregate, filter })
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some((window, delay_ms)) = sliceable(aggregate, &aggregates) {
            return self.lower_hop_aggregate(aggregate, window, delay_ms, aggregates);
        }
        let input = self.lower(&aggregate.input)?;
        let groups = physical_all(&aggregate.group_expr, schema)?;
        let output: SchemaRef = Arc::clone(aggregate.schema.inner());
        let operator = WindowAggregate::new(
            groups,
            window_end,
            aggregates,
            output,
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        );
        Ok(self.dataflow.add_operator(Box::new(operator), &[input]))
    }
}

/// What gives rows their windows, by an event time of this delay.
pub(super) fn assigner(window: &WindowNode, delay_ms: i64) -> Result<AssignWindows> {
    let schema = window.input.schema();
    let time = physical(&window.time, schema)?;
    let lateness = Lateness::new(origin(&window.time, schema, delay_ms));
    Ok(AssignWindows::new(time, window.windows, lateness, Arc::clone(window.schema.inner())))
}

/// Whether a column is this edge of a window.
fn is_edge(expr: &Expr, schema: &DFSchema, edge: WindowEdge) -> bool {
    match expr {
        Expr::Column(column) => schema.field_from_column(column).is_ok_and(|field| window_edge(field) == Some(edge)),
        Expr::Alias(alias) => is_edge(&alias.expr, schema, edge),
        _ => false,
    }
}

/// Where the watermark of a window over this event time comes from.
fn origin(time: &Expr, schema: &DFSchema, delay_ms: i64) -> Origin {
    match is_edge(time, schema, WindowEdge::Last) {
        true => Origin::Input,
        false => Origin::Rows { delay_ms },
    }
}
