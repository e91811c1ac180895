//! Deduplication: Flink's `ROW_NUMBER() … = 1`, and `SELECT DISTINCT`.

use std::sync::Arc;

use datafusion::common::ExprSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Aggregate, Expr, Filter, LogicalPlan};

use super::Compiler;
use super::expression::{physical, physical_all};
use super::over::{event_time_order, rowtime_column};
use crate::Result;
use crate::plan::attribute::{Rowtime, delay_ms};
use crate::plan::row_number::FirstRows;
use crate::stream::dataflow::Output;
use crate::stream::deduplicate::{Distinct, FirstRow};
use crate::stream::identity::{self, Description, expression, expressions};
use crate::stream::stateless;

impl Compiler<'_> {
    /// A filter that keeps the first rows of each window, or the first row of each key, if it is one.
    pub(super) fn lower_first_rows(&mut self, plan: &LogicalPlan, filter: &Filter) -> Result<Option<Output>> {
        let Some(first) = FirstRows::of(filter) else { return Ok(None) };
        let output = match self.lower_window_top_n(&first)? {
            Some(output) => output,
            None if first.count == 1 => match self.lower_first_row(&first)? {
                Some(output) => output,
                None if descends(&first) => return self
                    .elsewhere(
                        plan,
                        "the last row of each key, which ROW_NUMBER() OVER (… DESC) = 1 asks for,",
                        "keep the first row with ORDER BY the event time ASC, or the last row of each window: PARTITION BY \
                         window_start, window_end and the key; a last row that is replaced needs updates",
                    )
                    .map(Some),
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        let output = self.lower_above(&filter.input, output)?;
        Ok(Some(match conjunction(first.others.into_iter().cloned()) {
            Some(others) => {
                let predicate = physical(&others, filter.input.schema())?;
                let description = Description::stateless("WHERE", expression(&others));
                self.dataflow.add_described(Box::new(stateless::Filter { predicate }), description, &[output])
            }
            None => output,
        }))
    }

    /// The first row of each key by event time.
    fn lower_first_row(&mut self, first: &FirstRows<'_>) -> Result<Option<Output>> {
        let FirstRows { window, params, .. } = first;
        let schema = window.input.schema();
        let Some(order) = event_time_order(params, schema) else { return Ok(None) };
        let input = self.lower(&self.merged(&window.input, order.rowtime.column)?)?;
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
        Ok(Some(self.dataflow.add_described(Box::new(operator), description, &[input])))
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
        let time = rowtime.and_then(|rowtime| rowtime_column(aggregate.group_expr.get(rowtime.column)?, schema));
        let input = match time.filter(|_| self.setting.state_ttl_ms.is_some()) {
            Some(time) => self.lower(&self.merged(&aggregate.input, time.column)?)?,
            None => self.lower(&aggregate.input)?,
        };
        let columns = physical_all(&aggregate.group_expr, schema)?;
        let output = Arc::clone(aggregate.schema.inner());
        let operator = Distinct::new(columns, rowtime, self.setting.state_ttl_ms, schema.as_arrow(), output)?;
        let description = Description::new("DISTINCT").on("rows of", identity::columns(aggregate.schema.as_arrow()));
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }
}

/// Whether rows are numbered from the last one by event time.
fn descends(first: &FirstRows<'_>) -> bool {
    let schema = first.window.input.schema();
    matches!(first.params.order_by.as_slice(), [sort] if !sort.asc && rowtime_column(&sort.expr, schema).is_some())
}
