//! `UNNEST(…)` in FROM.

use datafusion::common::{DFSchema, Result, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{ExprSchemable, LogicalPlanBuilder};
use tidegate_sql::sqlparser::ast::{Spanned, TableFactor};
use tidegate_sql::{Diagnostic, Position, Span};

use super::{extension, refused};
use crate::plan::unnest::{UnnestNode, elements};
use crate::types::sql_type;

/// Plans the elements of an array or a map. Columns of what stands before it in FROM are outer references so far.
pub(super) fn plan(relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
    let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = relation else {
        return Ok(RelationPlanning::Original(Box::new(relation)));
    };
    let span = array_exprs.first().and_then(|expr| Span::from_parser(expr.span())).unwrap_or(Span::at(Position::START));
    let [collection] =
        <[_; 1]>::try_from(array_exprs).map_err(|_| refused(Diagnostic::new(span, "UNNEST takes one array or map")))?;
    let nothing = DFSchema::empty();
    let unknown = |written: &str, error: DataFusionError| match error.find_root() {
        DataFusionError::SchemaError(inner, _) if matches!(inner.as_ref(), SchemaError::FieldNotFound { .. }) => {
            let message = format!("UNNEST: there is no column {written} in what stands before it");
            refused(Diagnostic::new(span, message).with_help("name a column of the tables on its left in FROM"))
        }
        _ => error,
    };
    let written = collection.to_string();
    let collection =
        context.sql_expr_to_logical_expr(collection, &nothing).map_err(|error| unknown(&written, error))?;
    let data_type = collection.get_type(&nothing).map_err(|error| unknown(&written, error))?;
    let Some(elements) = elements(&data_type, with_ordinality) else {
        let message = format!("UNNEST takes an ARRAY or a MAP; this is {}", sql_type(&data_type));
        return Err(refused(Diagnostic::new(span, message)));
    };
    let row = LogicalPlanBuilder::empty(true).build()?;
    let node = UnnestNode::try_new(row, collection, elements, with_ordinality, span)?;
    Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(extension(node), alias))))
}
