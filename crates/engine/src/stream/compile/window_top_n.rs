//! The first rows of windows: Flink's window Top-N, and with one row its window deduplication.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::ExprSchemable;

use super::Compiler;
use super::expression::physical_all;
use super::window::is_edge;
use crate::Result;
use crate::plan::attribute::WindowEdge;
use crate::plan::row_number::FirstRows;
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expression, expressions};
use crate::stream::window_top_n::{First, WindowTopN};

impl Compiler<'_> {
    /// What a filter keeps of each window, if it is of windows.
    pub(super) fn lower_window_top_n(&mut self, first: &FirstRows<'_>) -> Result<Option<Output>> {
        let schema = first.window.input.schema();
        let partition = &first.params.partition_by;
        let Some(window_end) = partition.iter().position(|expr| is_edge(expr, schema, WindowEdge::End)) else {
            return Ok(None);
        };
        if first.params.order_by.is_empty() {
            return Ok(None);
        }
        let types = partition.iter().map(|expr| Ok(SortField::new(expr.get_type(schema)?)));
        let partition_rows = RowConverter::new(types.collect::<Result<_>>()?)?;
        let sorts: Vec<_> = first.params.order_by.iter().map(|sort| sort.expr.clone()).collect();
        let fields = first.params.order_by.iter().map(|sort| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            Ok(SortField::new_with_options(sort.expr.get_type(schema)?, options))
        });
        let sort_rows = RowConverter::new(fields.collect::<Result<_>>()?)?;
        let by_time = matches!(first.params.order_by.as_slice(), [sort] if !sort.asc
            && matches!(sort.expr.get_type(schema)?, DataType::Timestamp(_, _)));
        let operator = First {
            partition: physical_all(partition, schema)?,
            window_end,
            partition_rows,
            sort: physical_all(&sorts, schema)?,
            sort_rows,
            count: usize::try_from(first.count).unwrap_or(usize::MAX),
            last_of_equals: first.count == 1 && by_time,
        };
        let input = self.lower(&first.window.input)?;
        let operator = WindowTopN::new(operator, Arc::clone(schema.inner()), Arc::clone(first.window.schema.inner()));
        let sorted = first.params.order_by.iter().map(|sort| {
            let direction = if sort.asc { "ASC" } else { "DESC" };
            let nulls = if sort.nulls_first { "FIRST" } else { "LAST" };
            format!("{} {direction} NULLS {nulls}", expression(&sort.expr))
        });
        let description = Description::new("window top-N")
            .on("keys", expressions(partition))
            .on("order", sorted.collect::<Vec<_>>().join(", "))
            .on("rows of each", first.count)
            .on("rows of", columns(schema.as_arrow()));
        Ok(Some(self.dataflow.add_described(Box::new(operator), description, &[input])))
    }
}
