//! Aggregates by HOP windows, from slices: see [`crate::stream::aggregate::hop`].

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::{Column, ExprSchema};
use datafusion::logical_expr::{self, Expr, LogicalPlan};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;

use super::Compiler;
use super::expression::{physical, physical_all};
use crate::Result;
use crate::plan::attribute::window_edge;
use crate::plan::window::{WindowFunction, WindowNode};
use crate::stream::aggregate::Aggregate;
use crate::stream::aggregate::hop::{GroupColumn, HopAggregate};
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, expressions};
use crate::stream::stateless::Project;

/// Aggregates of which what was taken from a part of the rows can be merged without a trace.
const MERGEABLE: [&str; 5] = ["count", "sum", "min", "max", "avg"];

/// The HOP windows that an aggregate can be merged for from their slices: if it is by them, and what lies between only picks
/// columns.
pub(super) fn sliceable<'a>(
    aggregate: &'a logical_expr::Aggregate,
    functions: &[Aggregate],
) -> Option<(&'a WindowNode, i64)> {
    let mut plan = aggregate.input.as_ref();
    let window = loop {
        plan = match plan {
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Projection(projection) if projection.expr.iter().all(|expr| picked(expr).is_some()) => {
                &projection.input
            }
            LogicalPlan::Extension(extension) => break extension.node.as_any().downcast_ref::<WindowNode>()?,
            _ => return None,
        };
    };
    let schema = aggregate.input.schema();
    let reads_edge = |expr: &Expr| {
        expr.column_refs().iter().any(|column| schema.field_from_column(column).is_ok_and(|f| window_edge(f).is_some()))
    };
    let mergeable = |aggregate: &Aggregate| {
        let function = &aggregate.function;
        MERGEABLE.contains(&function.fun().name()) && !function.is_distinct() && function.order_bys().is_empty()
    };
    let fits = window.windows.function == WindowFunction::Hop
        && window.windows.a_row_max() > 1
        && !functions.is_empty()
        && functions.iter().all(mergeable)
        && !aggregate.aggr_expr.iter().any(reads_edge)
        && aggregate.group_expr.iter().all(|expr| picked(expr).is_some() || !reads_edge(expr))
        && !aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
    Some((window, window.delay_ms?)).filter(|_| fits)
}

/// The column that an expression is, if it is no more than that.
fn picked(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => picked(&alias.expr),
        _ => None,
    }
}

impl Compiler<'_> {
    /// An aggregate by HOP windows, from slices.
    pub(super) fn lower_hop_aggregate(
        &mut self,
        aggregate: &logical_expr::Aggregate,
        window: &WindowNode,
        delay_ms: i64,
        aggregates: Vec<Aggregate>,
    ) -> Result<Output> {
        let (input, edges) = self.lower_slices(&aggregate.input, window, delay_ms)?;
        let schema = aggregate.input.schema();
        let edge = |expr: &Expr| window_edge(schema.field_from_column(picked(expr)?).ok()?);
        let group = |expr: &Expr| match edge(expr) {
            Some(edge) => Ok(GroupColumn::Edge(edge)),
            None => Ok(GroupColumn::Key(physical(expr, schema)?)),
        };
        let operator = HopAggregate::new(
            aggregate.group_expr.iter().map(group).collect::<Result<_>>()?,
            edges,
            window.windows,
            aggregates,
            Arc::clone(aggregate.schema.inner()),
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        );
        let description = self.grouping("GROUP BY of overlapping windows", aggregate);
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }

    /// The rows that a plan picks columns of, with the edges of their slices; and where these are.
    fn lower_slices(
        &mut self,
        plan: &LogicalPlan,
        window: &WindowNode,
        delay_ms: i64,
    ) -> Result<(Output, (usize, usize))> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.lower_slices(&alias.input, window, delay_ms),
            LogicalPlan::Projection(projection) => {
                let (input, (start, end)) = self.lower_slices(&projection.input, window, delay_ms)?;
                let mut columns = physical_all(&projection.expr, projection.input.schema())?;
                let mut fields = projection.schema.inner().fields().to_vec();
                // The edges go on behind the columns that are picked.
                let place = columns.len();
                let own = window.input.schema().fields().len();
                for (edge, name) in [(start, "slice_start"), (end, "slice_end")] {
                    columns.push(Arc::new(PhysicalColumn::new(name, edge)));
                    fields.push(Arc::new(Field::new(name, window.schema.field(own).data_type().clone(), true)));
                }
                let schema = Arc::new(Schema::new(fields));
                let description = Description::stateless("SELECT", expressions(&projection.expr));
                let operator = Box::new(Project { columns, schema });
                Ok((self.dataflow.add_described(operator, description, &[input]), (place, place + 1)))
            }
            _ => {
                let (operator, description) = self.assigner(window, delay_ms, None)?;
                let input = self.lower_timed(&window.input, &window.time)?;
                let own = window.input.schema().fields().len();
                let operator = Box::new(operator.sliced());
                Ok((self.dataflow.add_described(operator, description, &[input]), (own, own + 1)))
            }
        }
    }
}
