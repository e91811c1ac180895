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
use super::visit::{stage_table, visit};
use crate::Result;
use crate::plan::attribute::{WindowEdge, window_edge};
use crate::plan::node::WindowNode;
use crate::stream::aggregate::{Aggregate, WindowAggregate};
use crate::stream::dataflow::Output;
use crate::stream::tumble::Tumble;

impl Compiler<'_> {
    /// A window function of the FROM clause.
    pub(super) fn lower_window(&mut self, plan: &LogicalPlan, window: &WindowNode) -> Result<Output> {
        let Some(delay_ms) = window.delay_ms else {
            return self.elsewhere(
                plan,
                "TUMBLE over a column that is not an event time",
                "declare WATERMARK FOR the time column in CREATE TABLE",
            );
        };
        let input = self.lower(&window.input)?;
        let time = physical(&window.time, window.input.schema())?;
        let schema = Arc::clone(window.schema.inner());
        let tumble = Tumble::new(time, window.size_ms, window.offset_ms, delay_ms, schema);
        Ok(self.dataflow.add_operator(Box::new(tumble), &[input]))
    }

    /// `GROUP BY`, which has to have the end of a window among its columns.
    pub(super) fn lower_aggregate(
        &mut self,
        plan: &LogicalPlan,
        aggregate: &logical_expr::Aggregate,
    ) -> Result<Output> {
        let schema = aggregate.input.schema();
        match aggregate.group_expr.iter().position(|expr| is_window_end(expr, schema)) {
            Some(end) => self.lower_window_aggregate(aggregate, Some(end)),
            None if self.aggregates_at_the_end(plan, aggregate)? => self.lower_window_aggregate(aggregate, None),
            None if aggregate.aggr_expr.is_empty() => {
                self.elsewhere(plan, "DISTINCT, or GROUP BY without a window,", "group by a window")
            }
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
        let input = self.lower(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let groups = physical_all(&aggregate.group_expr, schema)?;
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

/// Whether a group column is the end of a window.
fn is_window_end(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Column(column) => {
            schema.field_from_column(column).is_ok_and(|field| window_edge(field) == Some(WindowEdge::End))
        }
        Expr::Alias(alias) => is_window_end(&alias.expr, schema),
        _ => false,
    }
}
