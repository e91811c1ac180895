//! Deduplication: Flink's `ROW_NUMBER() … = 1`, and `SELECT DISTINCT`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ExprSchema, ScalarValue};
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, LogicalPlan, Operator, Window, WindowFunctionDefinition,
};

use super::Compiler;
use super::expression::{has_subquery, physical, physical_all};
use super::over::{event_time_order, rowtime_column, window_function};
use crate::Result;
use crate::plan::attribute::{Rowtime, delay_ms};
use crate::stream::dataflow::Output;
use crate::stream::deduplicate::{Distinct, FirstRow};
use crate::stream::identity::{self, Description, expression, expressions};
use crate::stream::stateless;

impl Compiler<'_> {
    /// A filter that keeps the first row of each key, if it is one.
    pub(super) fn lower_first_row(&mut self, plan: &LogicalPlan, filter: &Filter) -> Result<Option<Output>> {
        let Some(window) = window_below(&filter.input) else { return Ok(None) };
        let Some(params) = row_number(window) else { return Ok(None) };
        let is_number = |column: &Column| is_number(column, &filter.input);
        let conditions = split_conjunction(&filter.predicate);
        let Some(place) = conditions.iter().position(|condition| is_one(condition, &is_number)) else {
            return Ok(None);
        };
        let schema = window.input.schema();
        let Some(order) = event_time_order(params, schema) else {
            let descends = matches!(params.order_by.as_slice(), [sort] if !sort.asc && rowtime_column(&sort.expr, schema).is_some());
            return match descends {
                true => self
                    .elsewhere(
                        plan,
                        "the last row of each key, which ROW_NUMBER() OVER (… DESC) = 1 asks for,",
                        "keep the first row with ORDER BY the event time ASC, or take LAST_VALUE or MAX by window: \
                         GROUP BY window_start, window_end and the key; a last row that is replaced needs updates",
                    )
                    .map(Some),
                false => Ok(None),
            };
        };
        let input = self.lower(&window.input)?;
        let operator = FirstRow::new(
            order.rowtime,
            physical_all(order.partition, schema)?,
            self.setting.state_ttl_ms,
            schema.as_arrow(),
            Arc::clone(window.schema.inner()),
        )?;
        let description = Description::new("ROW_NUMBER() = 1")
            .on("keys", expressions(order.partition))
            .on("time", schema.field(order.rowtime.column).name())
            .on("rows of", identity::columns(schema.as_arrow()));
        let first = self.dataflow.add_described(Box::new(operator), description, &[input]);
        let output = self.lower_above(&filter.input, first)?;
        let others = conditions.iter().enumerate().filter(|(i, _)| *i != place).map(|(_, other)| (*other).clone());
        Ok(Some(match conjunction(others) {
            Some(others) => {
                let predicate = physical(&others, filter.input.schema())?;
                let description = Description::stateless("WHERE", expression(&others));
                self.dataflow.add_described(Box::new(stateless::Filter { predicate }), description, &[output])
            }
            None => output,
        }))
    }

    /// The projections between a filter and the window below it, over what the window gives.
    fn lower_above(&mut self, plan: &LogicalPlan, window: Output) -> Result<Output> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.lower_above(&alias.input, window),
            LogicalPlan::Projection(projection) => {
                let input = self.lower_above(&projection.input, window)?;
                let columns = physical_all(&projection.expr, projection.input.schema())?;
                let schema = Arc::clone(projection.schema.inner());
                let description = Description::stateless("SELECT", expressions(&projection.expr));
                Ok(self.dataflow.add_described(Box::new(stateless::Project { columns, schema }), description, &[input]))
            }
            _ => Ok(window),
        }
    }

    /// `SELECT DISTINCT`, which is a `GROUP BY` of all columns without aggregates.
    pub(super) fn lower_distinct(&mut self, plan: &LogicalPlan, aggregate: &Aggregate) -> Result<Output> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return self.elsewhere(
                plan,
                "GROUP BY of several sets",
                "select the DISTINCT rows of each, with UNION ALL",
            );
        }
        let schema = aggregate.input.schema();
        let rowtime = aggregate.group_expr.iter().enumerate().find_map(|(place, expr)| match expr {
            Expr::Column(column) => {
                let delay_ms = delay_ms(schema.field_from_column(column).ok()?)?;
                Some(Rowtime { column: place, delay_ms })
            }
            _ => None,
        });
        if self.setting.state_ttl_ms.is_some() && rowtime.is_none() {
            return self.elsewhere(
                plan,
                "DISTINCT without the event time, under 'table.exec.state.ttl',",
                "select the column of WATERMARK FOR, too, or keep the first row of each key: ROW_NUMBER() OVER (PARTITION BY \
                 … ORDER BY the event time) = 1",
            );
        }
        let input = self.lower(&aggregate.input)?;
        let columns = physical_all(&aggregate.group_expr, schema)?;
        let output = Arc::clone(aggregate.schema.inner());
        let operator = Distinct::new(columns, rowtime, self.setting.state_ttl_ms, schema.as_arrow(), output)?;
        let description = Description::new("DISTINCT").on("rows of", identity::columns(aggregate.schema.as_arrow()));
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
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
fn bare(expr: &Expr) -> &Expr {
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

/// Whether a condition says that a column is 1, whatever its type.
fn is_one(condition: &Expr, is_number: &dyn Fn(&Column) -> bool) -> bool {
    let is_column = |expr: &Expr| matches!(bare(expr), Expr::Column(column) if is_number(column));
    let is_whole = |expr: &Expr, number: i64| match expr {
        Expr::Literal(value, _) => {
            matches!(value.cast_to(&DataType::Int64), Ok(ScalarValue::Int64(Some(found))) if found == number)
        }
        _ => false,
    };
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return false };
    match op {
        Operator::Eq => is_column(left) && is_whole(right, 1) || is_column(right) && is_whole(left, 1),
        Operator::LtEq => is_column(left) && is_whole(right, 1),
        Operator::Lt => is_column(left) && is_whole(right, 2),
        _ => false,
    }
}
