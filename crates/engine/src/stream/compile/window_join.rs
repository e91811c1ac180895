//! Joins of the rows that are in one window.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};

use super::Compiler;
use super::expression::physical;
use super::join::residual;
use crate::Result;
use crate::plan::attribute::{WindowEdge, no_mark, window_edge};
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expression};
use crate::stream::window_join::{Kind, WindowJoin, WindowedInput};

/// Which rows of both sides are in one window.
pub(super) struct SameWindow {
    kind: Kind,
    /// The columns `window_start` of both sides, and `window_end`.
    starts: (usize, usize),
    ends: (usize, usize),
}

/// What the condition of a join says about windows, if it says that both sides are in one: equalities of their starts and of
/// their ends.
pub(super) fn same_window(join: &Join) -> Option<SameWindow> {
    let edges = |edge| {
        let columns = |(left, right): &(Expr, Expr)| {
            Some((edge_column(left, join.left.schema(), edge)?, edge_column(right, join.right.schema(), edge)?))
        };
        join.on.iter().find_map(columns)
    };
    let kind = Kind::of(join.join_type, join.null_aware)?;
    // In `NOT IN` a NULL in the value is one thing, and in what else has to be equal another.
    if kind == Kind::NotIn && (join.on.len() != 3 || join.filter.is_some()) {
        return None;
    }
    Some(SameWindow { kind, starts: edges(WindowEdge::Start)?, ends: edges(WindowEdge::End)? })
}

/// The place of a column that is this edge of a window.
fn edge_column(expr: &Expr, schema: &DFSchema, edge: WindowEdge) -> Option<usize> {
    match expr {
        Expr::Column(column) => {
            let place = schema.maybe_index_of_column(column)?;
            (window_edge(schema.field(place)) == Some(edge)).then_some(place)
        }
        Expr::Alias(alias) => edge_column(&alias.expr, schema, edge),
        _ => None,
    }
}

impl Compiler<'_> {
    pub(super) fn lower_window_join(&mut self, join: &Join, same: &SameWindow) -> Result<Output> {
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (left, right) in &join.on {
            let edges = |edge| {
                Some((edge_column(left, join.left.schema(), edge)?, edge_column(right, join.right.schema(), edge)?))
            };
            if edges(WindowEdge::Start) != Some(same.starts) && edges(WindowEdge::End) != Some(same.ends) {
                left_keys.push(physical(left, join.left.schema())?);
                right_keys.push(physical(right, join.right.schema())?);
            }
        }
        let input = |plan: &LogicalPlan, start, end, keys| {
            let schema = Arc::clone(plan.schema().inner());
            WindowedInput { schema, start, end, keys }
        };
        // A half join has only the left side's columns; its condition is over both.
        let both = join.left.schema().join(join.right.schema())?;
        let on = join.on.iter().map(|(left, right)| format!("{} = {}", expression(left), expression(right)));
        let description = Description::new("the window join")
            .on("kind", format!("{:?}", same.kind))
            .on("keys", on.collect::<Vec<_>>().join(", "))
            .on("left rows of", columns(join.left.schema().as_arrow()))
            .on("right rows of", columns(join.right.schema().as_arrow()));
        let operator = WindowJoin::new(
            input(&join.left, same.starts.0, same.ends.0, left_keys),
            input(&join.right, same.starts.1, same.ends.1, right_keys),
            residual(&both, join.left.schema(), join.filter.clone())?,
            same.kind,
            Arc::clone(join.schema.inner()),
            Arc::clone(&self.setting.threads),
        );
        let inputs = [self.lower(&join.left)?, self.lower(&join.right)?];
        Ok(self.dataflow.add_described(Box::new(operator), description, &inputs))
    }
}

/// The join, with the marks taken off the columns of a side whose rows may be left out: there a window or a time may be NULL.
pub(super) fn with_marks(join: &Join, same: &SameWindow, plan: LogicalPlan) -> Result<LogicalPlan> {
    let Kind::Pairs { left: keeps_left, right: keeps_right } = same.kind else { return Ok(plan) };
    let own = join.left.schema().fields().len();
    let taken_off = |place: usize, field: &Field| {
        let may_be_null = if place < own { keeps_right } else { keeps_left };
        may_be_null && window_edge(field).is_some()
    };
    let fields = join.schema.fields();
    if !fields.iter().enumerate().any(|(place, field)| taken_off(place, field)) {
        return Ok(plan);
    }
    let columns = join.schema.columns().into_iter().enumerate().map(|(place, column)| {
        if !taken_off(place, &fields[place]) {
            return Expr::Column(column);
        }
        let (relation, name) = (column.relation.clone(), column.name.clone());
        Expr::Column(column).alias_qualified_with_metadata(relation, name, Some(no_mark()))
    });
    Ok(LogicalPlan::Projection(Projection::try_new(columns.collect(), Arc::new(plan))?))
}
