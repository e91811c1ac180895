//! `UNNEST`: a row for each element of an array, or each entry of a map.
//!
//! ```text
//!  t CROSS JOIN UNNEST(t.tags) AS u (tag)         LEFT JOIN … ON TRUE keeps rows without elements, with NULLs
//!
//!  Unnest                                          t's columns, then the elements
//!    Projection: t's columns, t.tags AS $unnest    so that the arrays are not copied for each of their elements
//! ```
//! It begins as the elements of one row, with the columns of what stands before it as outer references, and joins with that
//! once the whole FROM is known.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, Result, ScalarValue, TableReference, internal_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, Extension, Filter, Join, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};
use tidegate_sql::{Diagnostic, Span};

use super::relation::refused;

/// The column that holds what is expanded.
const COLLECTION: &str = "$unnest";

/// Rows, each once for each element of one of its columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UnnestNode {
    /// The rows, with the arrays or maps in a column of their own.
    pub input: LogicalPlan,
    pub collection: Expr,
    /// Whether the place of the element follows it.
    pub ordinality: bool,
    /// Whether rows without elements are kept, with NULLs.
    pub outer: bool,
    /// The columns of the elements.
    added: Vec<(Option<TableReference>, FieldRef)>,
    span: Span,
    pub schema: DFSchemaRef,
}

impl UnnestNode {
    /// The elements of what an expression gives for each row of the input.
    pub(crate) fn try_new(
        input: LogicalPlan,
        collection: Expr,
        elements: Vec<Field>,
        ordinality: bool,
        span: Span,
    ) -> Result<Self> {
        let added = elements.into_iter().map(|field| (None, Arc::new(field))).collect();
        Self::of(input, collection, added, ordinality, false, span)
    }

    fn of(
        input: LogicalPlan,
        collection: Expr,
        added: Vec<(Option<TableReference>, FieldRef)>,
        ordinality: bool,
        outer: bool,
        span: Span,
    ) -> Result<Self> {
        let own = input.schema().columns().into_iter().map(Expr::Column);
        let columns: Vec<Expr> = own.chain([collection.alias(COLLECTION)]).collect();
        let input = LogicalPlanBuilder::from(input).project(columns)?.build()?;
        let collection = Expr::Column(Column::new_unqualified(COLLECTION));
        let schema = Arc::clone(input.schema());
        Self { input, collection, ordinality, outer, added, span, schema }.with_schema()
    }

    fn with_schema(self) -> Result<Self> {
        let taken = self.place()?;
        let own = self.input.schema().iter().enumerate().filter(|(place, _)| *place != taken);
        let own = own.map(|(_, (table, field))| (table.cloned(), Arc::clone(field)));
        let fields = own.chain(self.added.iter().cloned()).collect();
        let metadata = self.input.schema().metadata().clone();
        Ok(Self { schema: Arc::new(DFSchema::new_with_metadata(fields, metadata)?), ..self })
    }

    /// The place of the arrays or maps among the columns of the input.
    pub(crate) fn place(&self) -> Result<usize> {
        match &self.collection {
            Expr::Column(column) => self.input.schema().index_of_column(column),
            other => internal_err!("{other} is not a column"),
        }
    }

    /// The column of the input that a column of the output is.
    pub(crate) fn origin(&self, column: usize) -> Option<usize> {
        let taken = self.place().ok()?;
        let own = self.input.schema().fields().len() - 1;
        (column < own).then_some(column + usize::from(column >= taken))
    }
}

/// The columns that the elements of a type come in; `None` for what has no elements.
pub(crate) fn elements(data_type: &DataType, ordinality: bool) -> Option<Vec<Field>> {
    let mut fields = match data_type {
        DataType::List(element) => match element.data_type() {
            DataType::Struct(fields) => fields.iter().map(|field| field.as_ref().clone()).collect(),
            scalar => vec![Field::new("EXPR$0", scalar.clone(), true)],
        },
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let named = fields.iter().zip(["KEY", "VALUE"]);
                named.map(|(field, name)| Field::new(name, field.data_type().clone(), true)).collect()
            }
            _ => return None,
        },
        _ => return None,
    };
    if ordinality {
        fields.push(Field::new("ORDINALITY", DataType::Int32, true));
    }
    Some(fields.into_iter().map(|field| field.with_nullable(true)).collect())
}

/// Turns each join with the elements of a column into those elements.
///
/// # Errors
/// What is wrong with one, at its place.
pub(crate) fn join_elements(plan: LogicalPlan) -> Result<LogicalPlan> {
    let joined = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = &node else { return Ok(Transformed::no(node)) };
        match elements_below(&join.right) {
            Some(unnest) => Ok(Transformed::yes(joined(join, unnest)?)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(joined.data)
}

/// The elements that one side of a join is, below names.
fn elements_below(plan: &LogicalPlan) -> Option<&UnnestNode> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => elements_below(&alias.input),
        LogicalPlan::Subquery(subquery) => elements_below(&subquery.subquery),
        LogicalPlan::Projection(projection) => {
            let renames = projection.expr.iter().all(|expr| {
                let expr = if let Expr::Alias(alias) = expr { &alias.expr } else { expr };
                matches!(expr, Expr::Column(_))
            });
            elements_below(&projection.input).filter(|_| renames)
        }
        LogicalPlan::Extension(extension) => {
            extension.node.as_any().downcast_ref::<UnnestNode>().filter(|unnest| unnest.is_of_one_row())
        }
        _ => None,
    }
}

impl UnnestNode {
    /// Whether it stands by itself: its input has no columns but the collection.
    fn is_of_one_row(&self) -> bool {
        matches!(&self.input, LogicalPlan::Projection(p) if matches!(p.input.as_ref(), LogicalPlan::EmptyRelation(_)))
    }

    /// What is expanded, over the columns of what stands before it.
    fn expression(&self) -> Result<Expr> {
        let LogicalPlan::Projection(projection) = &self.input else { return internal_err!("UNNEST has a projection") };
        let Some(Expr::Alias(collection)) = projection.expr.last() else {
            return internal_err!("UNNEST has a collection");
        };
        let resolved = collection.expr.as_ref().clone().transform(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            other => Ok(Transformed::no(other)),
        });
        Ok(resolved?.data)
    }
}

fn joined(join: &Join, unnest: &UnnestNode) -> Result<LogicalPlan> {
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let is_true = |expr: &Expr| matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
    let condition = conjunction(equal.chain(join.filter.clone().filter(|filter| !is_true(filter))));
    let outer = match (join.join_type, &condition) {
        (JoinType::Inner, _) => false,
        (JoinType::Left, None) => true,
        (JoinType::Left, Some(_)) => {
            let message = "a LEFT JOIN with UNNEST takes no condition: every element belongs to its row";
            return Err(refused(Diagnostic::new(unnest.span, message).with_help("write ON TRUE")));
        }
        (other, _) => {
            let message = format!("a {other} JOIN with UNNEST is not supported");
            let help = "write CROSS JOIN UNNEST(…), or LEFT JOIN UNNEST(…) ON TRUE";
            return Err(refused(Diagnostic::new(unnest.span, message).with_help(help)));
        }
    };
    // The names that the elements have on this side of the join.
    let added = join.right.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
    let left = join.left.as_ref().clone();
    let node = UnnestNode::of(left, unnest.expression()?, added, unnest.ordinality, outer, unnest.span)?;
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    Ok(match condition {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?),
        None => plan,
    })
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "UNNEST"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.collection.clone()]
    }

    /// Only filters on the elements have to stay above.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.added.iter().map(|(_, field)| field.name().clone()).collect()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut needed: Vec<usize> = output_columns.iter().filter_map(|column| self.origin(*column)).collect();
        needed.push(self.place().ok()?);
        needed.sort_unstable();
        Some(vec![needed])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UNNEST: {}", self.collection)?;
        f.write_str(if self.outer { " or NULL" } else { "" })?;
        f.write_str(if self.ordinality { " with ordinality" } else { "" })
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self { input: inputs.remove(0), collection: exprs.remove(0), ..self.clone() }.with_schema()
    }
}
