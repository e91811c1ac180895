//! Filters on the number of a row: `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) <= N`.
//!
//! ```text
//!  Filter: number <= 3 AND …           the pattern of deduplication and of Top-N, which never numbers all rows
//!    Projection, SubqueryAlias, …      columns taken as they are, under any name
//!      Window: row_number()            alone
//! ```

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator, Window, WindowFunctionDefinition};

use crate::stream::compile::has_subquery;

/// What a filter keeps of each partition of the rows below it.
pub(crate) struct FirstRows<'a> {
    /// The window that numbers the rows, below projections at the most.
    pub window: &'a Window,
    /// How it numbers them.
    pub params: &'a WindowFunctionParams,
    /// So many of the first ones are kept.
    pub count: u64,
    /// The other conditions of the filter.
    pub others: Vec<&'a Expr>,
}

impl<'a> FirstRows<'a> {
    /// What a filter keeps, if it is one on the number of a row.
    pub(crate) fn of(filter: &'a Filter) -> Option<Self> {
        let window = window_below(&filter.input)?;
        let params = row_number(window)?;
        let conditions = split_conjunction(&filter.predicate);
        let place_and_count = conditions.iter().enumerate().find_map(|(place, condition)| {
            let count = limit(condition, &|column| is_number(column, &filter.input))?;
            Some((place, count))
        });
        let (place, count) = place_and_count?;
        let others = conditions.into_iter().enumerate().filter(|(i, _)| *i != place).map(|(_, other)| other);
        Some(Self { window, params, count, others: others.collect() })
    }
}

/// The window function that an expression is.
pub(crate) fn window_function(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => window_function(&alias.expr),
        _ => None,
    }
}

/// The window that a plan only takes columns of.
fn window_below(plan: &LogicalPlan) -> Option<&Window> {
    match plan {
        LogicalPlan::Window(window) => Some(window),
        LogicalPlan::SubqueryAlias(alias) => window_below(&alias.input),
        LogicalPlan::Projection(projection) if !has_subquery(&projection.expr) => window_below(&projection.input),
        _ => None,
    }
}

/// Whether a column of a plan is what the window below it computes.
fn is_number(column: &Column, plan: &LogicalPlan) -> bool {
    let Some(place) = plan.schema().maybe_index_of_column(column) else { return false };
    match plan {
        LogicalPlan::Window(window) => place == window.input.schema().fields().len(),
        LogicalPlan::SubqueryAlias(alias) => {
            is_number(&Column::from(alias.input.schema().qualified_field(place)), &alias.input)
        }
        LogicalPlan::Projection(projection) => match bare(&projection.expr[place]) {
            Expr::Column(column) => is_number(column, &projection.input),
            _ => false,
        },
        _ => false,
    }
}

/// An expression without its alias and casts.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::Cast(cast) => bare(&cast.expr),
        other => other,
    }
}

/// The ROW_NUMBER that is the only function of a window.
fn row_number(window: &Window) -> Option<&WindowFunctionParams> {
    let [expr] = window.window_expr.as_slice() else { return None };
    let function = window_function(expr)?;
    match &function.fun {
        WindowFunctionDefinition::WindowUDF(window) if window.name() == "row_number" => Some(&function.params),
        _ => None,
    }
}

/// Up to which number a condition lets a row pass, whatever the number's type.
fn limit(condition: &Expr, is_number: &dyn Fn(&Column) -> bool) -> Option<u64> {
    let is_column = |expr: &Expr| matches!(bare(expr), Expr::Column(column) if is_number(column));
    let whole = |expr: &Expr| match bare(expr) {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) => u64::try_from(number).ok(),
            _ => None,
        },
        _ => None,
    };
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let (op, number) = match (is_column(left), is_column(right)) {
        (true, false) => (*op, whole(right)?),
        (false, true) => (op.swap()?, whole(left)?),
        _ => return None,
    };
    match op {
        Operator::Eq => (number == 1).then_some(1),
        Operator::LtEq => Some(number),
        Operator::Lt => number.checked_sub(1),
        _ => None,
    }
}
