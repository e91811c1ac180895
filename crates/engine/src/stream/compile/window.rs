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
use super::over::rowtime_column;
use super::slices::sliceable;
use super::visit::{stage_table, visit};
use crate::Result;
use crate::plan::attribute::{WindowEdge, window_edge};
use crate::plan::window::{SessionNode, WindowFunction, WindowNode, Windows};
use crate::stream::aggregate::{Aggregate, Emission, WindowAggregate};
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expression, expressions, span};
use crate::stream::lateness::{Lateness, Origin};
use crate::stream::session::Sessions;
use crate::stream::window::AssignWindows;
use crate::types::sql_type;

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
        let early_ms = self.early_ms.take();
        let (operator, description) = self.assigner(window, delay_ms, early_ms)?;
        let input = self.lower_timed(&window.input, &window.time)?;
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }

    /// What gives rows their windows, by an event time of this delay.
    pub(super) fn assigner(
        &self,
        window: &WindowNode,
        delay_ms: i64,
        early_ms: Option<i64>,
    ) -> Result<(AssignWindows, Description)> {
        let schema = window.input.schema();
        let time = physical(&window.time, schema)?;
        let lateness = Lateness::new(self.origin(&window.time, schema, delay_ms));
        let output = Arc::clone(window.schema.inner());
        let operator = AssignWindows::new(time, window.windows, lateness, output, early_ms);
        let Windows { function, step_ms, size_ms, offset_ms } = window.windows;
        let mut description = Description::window(function.name())
            .on("time", expression(&window.time))
            .on("size", span(size_ms))
            .on("offset", span(offset_ms));
        if function != WindowFunction::Tumble {
            description = description.on("step", span(step_ms));
        }
        Ok((operator, description))
    }

    /// SESSION.
    pub(super) fn lower_session(&mut self, plan: &LogicalPlan, session: &SessionNode) -> Result<Output> {
        let Some(delay_ms) = session.delay_ms else {
            return self.elsewhere(plan, "SESSION over a column that is not an event time", EVENT_TIME_WANTED);
        };
        let input = self.lower_timed(&session.input, &session.time)?;
        let schema = session.input.schema();
        let operator = Sessions::new(
            physical(&session.time, schema)?,
            physical_all(&session.keys, schema)?,
            session.gap_ms,
            Lateness::new(self.origin(&session.time, schema, delay_ms)),
            Arc::clone(schema.inner()),
            Arc::clone(session.schema.inner()),
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        )?;
        let description = Description::window("SESSION")
            .on("gap", span(session.gap_ms))
            .on("keys", expressions(&session.keys))
            .on("time", expression(&session.time))
            .on("rows of", columns(schema.as_arrow()))
            .on("'execution.shards'", self.setting.shards);
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }

    /// The rows of windows by a time. Those of other windows come before the watermark passes them, whatever their order.
    pub(super) fn lower_timed(&mut self, input: &LogicalPlan, time: &Expr) -> Result<Output> {
        match rowtime_column(time, input.schema()) {
            Some(rowtime) if !is_edge(time, input.schema(), WindowEdge::Last) => {
                self.lower(&self.merged(input, rowtime.column)?)
            }
            _ => self.lower(input),
        }
    }

    /// Where the watermark of a window over this event time comes from. Windows held open longer are windows whose watermark is
    /// further behind.
    fn origin(&self, time: &Expr, schema: &DFSchema, delay_ms: i64) -> Origin {
        match is_edge(time, schema, WindowEdge::Last) {
            true => Origin::Input,
            false => Origin::Rows { delay_ms: delay_ms.saturating_add(self.setting.allowed_lateness_ms) },
        }
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
        let window = window_end.and_then(|_| window_below(&aggregate.input));
        let early_ms = self.setting.early_ms.filter(|_| self.straight && matches!(window, Some(Below::Grid)));
        self.straight = false;
        self.early_ms = early_ms;
        let schema = aggregate.input.schema();
        let aggregates = aggregate
            .aggr_expr
            .iter()
            .map(|expr| {
                let properties = ExecutionProps::new();
                let planning = PhysicalPlanningContext::default();
                let LoweredAggregate { aggregate, filter, .. } =
                    LoweredAggregateBuilder::new(expr, schema, schema.as_arrow(), &properties, &planning).build()?;
                // Refuses wrong parameters before any row has come.
                aggregate.create_accumulator()?;
                Ok(Aggregate { function: aggregate, filter })
            })
            .collect::<Result<Vec<_>>>()?;
        if early_ms.is_none()
            && let Some((window, delay_ms)) = sliceable(aggregate, &aggregates)
        {
            return self.lower_hop_aggregate(aggregate, window, delay_ms, aggregates);
        }
        let input = self.lower(&aggregate.input)?;
        let emission = Emission { window_end, sessions: matches!(window, Some(Below::Sessions)), early_ms };
        let groups = physical_all(&aggregate.group_expr, schema)?;
        let output: SchemaRef = Arc::clone(aggregate.schema.inner());
        let operator = WindowAggregate::new(
            groups,
            emission,
            aggregates,
            Arc::clone(&output),
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        );
        let description = self.grouping("GROUP BY", aggregate);
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }

    /// What the state of an aggregate rests on.
    pub(super) fn grouping(&self, kind: &str, aggregate: &logical_expr::Aggregate) -> Description {
        let keys = aggregate.group_expr.iter().zip(aggregate.schema.fields());
        let keys: Vec<String> =
            keys.map(|(expr, field)| format!("{} {}", expression(expr), sql_type(field.data_type()))).collect();
        Description::new(kind)
            .on("keys", keys.join(", "))
            .on("aggregates", expressions(&aggregate.aggr_expr))
            .on("'execution.shards'", self.setting.shards)
    }
}

/// Whether a column is this edge of a window.
pub(super) fn is_edge(expr: &Expr, schema: &DFSchema, edge: WindowEdge) -> bool {
    match expr {
        Expr::Column(column) => schema.field_from_column(column).is_ok_and(|field| window_edge(field) == Some(edge)),
        Expr::Alias(alias) => is_edge(&alias.expr, schema, edge),
        _ => false,
    }
}

/// The windows that an aggregate is over.
enum Below {
    /// TUMBLE, HOP or CUMULATE over the event time of rows.
    Grid,
    Sessions,
}

/// The windows below filters and projections.
fn window_below(plan: &LogicalPlan) -> Option<Below> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => window_below(&alias.input),
        LogicalPlan::Projection(projection) => window_below(&projection.input),
        LogicalPlan::Filter(filter) => window_below(&filter.input),
        LogicalPlan::Extension(extension) => {
            let node = extension.node.as_any();
            if node.is::<SessionNode>() {
                return Some(Below::Sessions);
            }
            let window = node.downcast_ref::<WindowNode>()?;
            let of_rows = window.delay_ms.is_some() && !is_edge(&window.time, window.input.schema(), WindowEdge::Last);
            of_rows.then_some(Below::Grid)
        }
        _ => None,
    }
}
