//! Expressions, from logical to physical.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::Result;

/// Whether any of them holds a subquery.
pub(crate) fn has_subquery(exprs: &[Expr]) -> bool {
    exprs.iter().any(|expr| {
        let subquery = |e: &Expr| {
            Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)))
        };
        expr.exists(subquery).unwrap_or(true)
    })
}

/// An expression over the columns of a schema.
pub(super) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?)
}

/// Several of them.
pub(super) fn physical_all(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    exprs.iter().map(|expr| physical(expr, schema)).collect()
}

/// The column at a place.
pub(super) fn column(schema: &Schema, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(place).name(), place))
}
