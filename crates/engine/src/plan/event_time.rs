//! Which columns of a plan are event times, and edges of windows.
//!
//! The marks are field metadata ([`super::attribute`]), which DataFusion hands on with a column; but also with what is computed
//! from one (a CAST, `LAG(ts)`), and over the inputs of a UNION only where they agree. So:
//!
//! | column | is |
//! |---|---|
//! | taken as it is, under any name | what it was |
//! | computed | neither, as in Flink |
//! | of a UNION of event times | an event time, with the greatest of their delays |
//!
//! Nothing is marked by putting another node into the plan: the schemas of these nodes are changed as they are.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::attribute::{delay_ms, has_mark, is_marked, ordinary, with_rowtime};

/// Corrects the marks of a plan that was put together from the query's text.
pub(crate) fn with_marks(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut changed = false;
    let corrected = plan.transform_up_with_subqueries(|node| {
        let node = match &node {
            // A UNION of inputs of different types is not yet one that could be derived anew.
            LogicalPlan::Union(_) => node,
            _ if changed => node.recompute_schema()?,
            _ => node,
        };
        let before = Arc::clone(node.schema());
        let node = marked(node)?;
        changed |= !Arc::ptr_eq(&before, node.schema());
        Ok(if changed { Transformed::yes(node) } else { Transformed::no(node) })
    })?;
    Ok(corrected.data)
}

/// A node with its marks corrected, where those of its inputs are correct.
pub(crate) fn marked(node: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match node {
        LogicalPlan::Projection(mut projection) => {
            let computed = |place: usize| projection.expr.get(place).is_none_or(is_computed);
            if let Some(schema) = without_marks(&projection.schema, &computed)? {
                projection.schema = schema;
            }
            LogicalPlan::Projection(projection)
        }
        LogicalPlan::Window(mut window) => {
            let own = window.input.schema().fields().len();
            if let Some(schema) = without_marks(&window.schema, &|place| place >= own)? {
                window.schema = schema;
            }
            LogicalPlan::Window(window)
        }
        LogicalPlan::Aggregate(mut aggregate) => {
            let computed = |place: usize| aggregate.group_expr.get(place).is_none_or(is_computed);
            let sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
            if let Some(schema) = without_marks(&aggregate.schema, &|place| sets || computed(place))? {
                aggregate.schema = schema;
            }
            LogicalPlan::Aggregate(aggregate)
        }
        LogicalPlan::Union(mut union) => {
            let merged = |place: usize, field: &FieldRef| {
                let inputs = union.inputs.iter().map(|input| input.schema().fields().get(place));
                let delays: Option<Vec<i64>> = inputs.map(|field| delay_ms(field?)).collect();
                let greatest = delays.and_then(|delays| delays.into_iter().max());
                greatest
                    .filter(|greatest| delay_ms(field) != Some(*greatest))
                    .map(|greatest| with_rowtime(field.as_ref().clone(), greatest))
            };
            if let Some(schema) = changed(&union.schema, &merged)? {
                union.schema = schema;
            }
            LogicalPlan::Union(union)
        }
        other => other,
    })
}

/// Whether an expression is more than a column under a name, and does not say itself what it means to time.
fn is_computed(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => false,
        Expr::Alias(alias) if alias.metadata.as_ref().is_some_and(|metadata| has_mark(metadata.inner())) => false,
        Expr::Alias(alias) => is_computed(&alias.expr),
        _ => true,
    }
}

/// The schema with computed columns as ordinary ones; `None`: it is right.
fn without_marks(schema: &DFSchema, computed: &dyn Fn(usize) -> bool) -> Result<Option<DFSchemaRef>> {
    changed(schema, &|place, field| (is_marked(field) && computed(place)).then(|| ordinary(field.as_ref().clone())))
}

/// The schema with some fields changed; `None`: none is.
fn changed(schema: &DFSchema, change: &dyn Fn(usize, &FieldRef) -> Option<Field>) -> Result<Option<DFSchemaRef>> {
    let changes: Vec<Option<Field>> = schema.fields().iter().enumerate().map(|(place, f)| change(place, f)).collect();
    if changes.iter().all(Option::is_none) {
        return Ok(None);
    }
    let fields: Vec<(Option<TableReference>, FieldRef)> = schema
        .iter()
        .zip(changes)
        .map(|((table, field), change)| (table.cloned(), change.map_or_else(|| Arc::clone(field), Arc::new)))
        .collect();
    let marked = DFSchema::new_with_metadata(fields, schema.metadata().clone())?;
    Ok(Some(Arc::new(marked.with_functional_dependencies(schema.functional_dependencies().clone())?)))
}
