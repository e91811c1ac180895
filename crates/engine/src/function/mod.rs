//! Functions that the engine adds to DataFusion's.

mod feature;
pub(crate) mod final_result;
mod metric;
mod time;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFunctionDefinition};
use datafusion::prelude::SessionContext;
use tidegate_ml::metric::FADING_METRICS;

use crate::Result;
pub(crate) use metric::metric_function;

/// Whether a function is a metric whose old rows fade.
fn fades(name: &str) -> bool {
    FADING_METRICS.iter().any(|metric| metric.name.eq_ignore_ascii_case(name))
}

/// Whether a plan has aggregates that depend on the order of rows: metrics whose old rows fade.
pub(crate) fn depends_on_order(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            found |= expr.exists(|expr| {
                Ok(match expr {
                    Expr::AggregateFunction(function) => fades(function.func.name()),
                    Expr::WindowFunction(function) => match &function.fun {
                        WindowFunctionDefinition::AggregateUDF(function) => fades(function.name()),
                        WindowFunctionDefinition::WindowUDF(_) => false,
                    },
                    _ => false,
                })
            })?;
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A function in a plan that Flink does not have, by its SQL name.
pub(crate) fn unknown_to_flink(plan: &LogicalPlan) -> Result<Option<&'static str>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(function) = expr {
                    found = found.or(feature::feature_name(function.name()));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Registers all of them.
pub(crate) fn register(context: &SessionContext) {
    for function in metric::metric_functions() {
        context.register_udaf(function);
    }
    context.register_udaf(final_result::function());
    for function in time::time_functions().into_iter().chain(feature::feature_functions()) {
        context.register_udf(function);
    }
}
