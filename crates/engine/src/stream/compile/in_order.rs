//! What an operator that goes by event time needs below it: late rows left out, and inputs of a UNION put into one order.
//!
//! ```text
//!  Filter, Projection, UNNEST, ML_PREDICT,    stay above: the rows that they take out or multiply have moved the watermark
//!  a lookup join
//!    Merge                                    in place of a UNION
//!      IN_TIME                                of each of its inputs
//! ```

use std::sync::Arc;

use datafusion::logical_expr::{Expr, Extension, LogicalPlan, Projection};

use super::Compiler;
use super::expression::has_subquery;
use super::time_bound::time_bound;
use crate::plan::attribute::{Rowtime, delay_ms};
use crate::plan::event_time::marked;
use crate::plan::node::{InTimeNode, MergeNode, PredictNode};
use crate::plan::row_number::FirstRows;
use crate::plan::temporal::TemporalJoinNode;
use crate::plan::unnest::UnnestNode;
use crate::stream::join::Side;
use crate::{Error, Result};

/// What becomes of the rows below everything that only takes them apart.
enum Leaf<'a> {
    /// Late ones are left out, under this name in the report.
    InTime(&'a str),
    /// They stay as they are.
    AsItIs,
}

impl Compiler<'_> {
    /// The plan with late rows left out by an event time of its columns.
    pub(super) fn in_time(&self, plan: &LogicalPlan, column: usize, name: &str) -> Result<LogicalPlan> {
        self.below(plan, column, &Leaf::InTime(name))
    }

    /// The plan with its rows in one order, where they come together in a UNION; else as it is.
    pub(super) fn merged(&self, plan: &LogicalPlan, column: usize) -> Result<LogicalPlan> {
        self.below(plan, column, &Leaf::AsItIs)
    }

    fn below(&self, plan: &LogicalPlan, column: usize, leaf: &Leaf<'_>) -> Result<LogicalPlan> {
        let over = |input: &LogicalPlan, column| {
            let input = self.below(input, column, leaf)?;
            Ok(marked(plan.with_new_exprs(plan.expressions(), vec![input])?)?)
        };
        match plan {
            LogicalPlan::SubqueryAlias(alias) => return over(&alias.input, column),
            LogicalPlan::Filter(filter)
                if !has_subquery(std::slice::from_ref(&filter.predicate)) && FirstRows::of(filter).is_none() =>
            {
                return over(&filter.input, column);
            }
            LogicalPlan::Projection(projection) if !has_subquery(&projection.expr) => {
                if is_in_order(&projection.input) {
                    return Ok(plan.clone());
                }
                if let Some(below) = origin(projection, column) {
                    return over(&projection.input, below);
                }
            }
            LogicalPlan::Union(union) => {
                let name = match leaf {
                    Leaf::InTime(name) => name,
                    Leaf::AsItIs => "UNION, an input",
                };
                let inputs =
                    union.inputs.iter().map(|input| self.in_time(input, column, name)).collect::<Result<_>>()?;
                let node = Arc::new(MergeNode { inputs, time: column, schema: Arc::clone(&union.schema) });
                return Ok(LogicalPlan::Extension(Extension { node }));
            }
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(predict) = node.downcast_ref::<PredictNode>() {
                    return over(&predict.input, column);
                }
                if let Some(unnest) = node.downcast_ref::<UnnestNode>()
                    && let Some(below) = unnest.origin(column)
                {
                    return over(&unnest.input, below);
                }
            }
            LogicalPlan::Join(join) => {
                let own = join.left.schema().fields().len();
                let (left, right) = (join.left.as_ref(), join.right.as_ref());
                let inputs = match self.looked_up(join)? {
                    Some(Side::Right) if column < own => Some(vec![self.below(left, column, leaf)?, right.clone()]),
                    Some(Side::Left) if column >= own => {
                        Some(vec![left.clone(), self.below(right, column - own, leaf)?])
                    }
                    _ => None,
                };
                if let Some(inputs) = inputs {
                    return Ok(plan.with_new_exprs(plan.expressions(), inputs)?);
                }
            }
            _ => {}
        }
        let Leaf::InTime(name) = leaf else { return Ok(plan.clone()) };
        if is_in_order(plan) {
            return Ok(plan.clone());
        }
        let field = plan.schema().field(column);
        let Some(delay_ms) = delay_ms(field) else {
            return Err(Error::Internal(format!("'{}' is not an event time", field.name())));
        };
        let rowtime = Rowtime { column, delay_ms };
        let node = InTimeNode { input: plan.clone(), rowtime, name: name.to_string() };
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

/// Whether a plan is an interval or a temporal join, which bring no row below the watermark that they pass on.
fn is_in_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => time_bound(join).is_some(),
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<TemporalJoinNode>(),
        _ => false,
    }
}

/// The column of a projection's input that one of its columns is, as it is, if that is an event time, too.
fn origin(projection: &Projection, column: usize) -> Option<usize> {
    let mut expr = projection.expr.get(column)?;
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    let Expr::Column(below) = expr else { return None };
    let schema = projection.input.schema();
    let below = schema.maybe_index_of_column(below)?;
    delay_ms(schema.field(below)).map(|_| below)
}
