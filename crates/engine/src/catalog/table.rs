//! A declared table, as DataFusion sees it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use tidegate_connectors::{ColumnFilter, CompareOp, ScanRequest, Table};

use super::monitor::{SourceMonitor, storage};
use crate::batch::scan::ScanExec;

/// A table of a connector.
#[derive(Debug)]
pub(crate) struct ConnectorTable {
    pub name: String,
    /// The physical columns; the event time is marked in its field's metadata.
    pub schema: SchemaRef,
    /// The event time, if it is a computed column.
    pub computed_time: Option<ComputedTime>,
    /// The columns of its PRIMARY KEY. It is not enforced: each row is the version of its key from its event time on.
    pub primary_key: Vec<usize>,
    pub table: Arc<dyn Table>,
    pub monitor: Arc<SourceMonitor>,
}

/// An event time that is computed from a table's columns.
#[derive(Debug)]
pub(crate) struct ComputedTime {
    /// Over the physical columns.
    pub time: Arc<dyn PhysicalExpr>,
    /// The watermark is the greatest time so far less this, in milliseconds.
    pub delay_ms: i64,
}

impl ConnectorTable {
    /// What tells the data that a job read from other data: the name, the rows, and a hash of what the connector knows of
    /// it without reading it. `None` if the job did not read this table.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let report = self.monitor.report(&self.name)?;
        let hash = self.table.scan(&ScanRequest::default()).and_then(|scan| scan.fingerprint());
        let hash = hash.map_or(String::new(), |hash| format!(", {hash:016x}"));
        Some(format!("{}: {} rows{hash}", report.table, report.rows))
    }

    /// The filters of a query that the connector can make use of.
    pub(crate) fn column_filters(&self, filters: &[Expr]) -> Vec<ColumnFilter> {
        filters.iter().filter_map(|expr| self.column_filter(expr)).collect()
    }

    fn column_filter(&self, expr: &Expr) -> Option<ColumnFilter> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
        let (column, op, literal) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
            _ => return None,
        };
        let op = match op {
            Operator::Eq => CompareOp::Eq,
            Operator::NotEq => CompareOp::NotEq,
            Operator::Lt => CompareOp::Lt,
            Operator::LtEq => CompareOp::LtEq,
            Operator::Gt => CompareOp::Gt,
            Operator::GtEq => CompareOp::GtEq,
            _ => return None,
        };
        let index = self.schema.index_of(&column.name).ok()?;
        let value: ScalarValue = literal.cast_to(self.schema.field(index).data_type()).ok()?;
        let filter = ColumnFilter { column: index, op, value: value.to_array().ok()? };
        self.table.uses_filter(&filter).then_some(filter)
    }
}

#[async_trait]
impl TableProvider for ConnectorTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = state.config().target_partitions();
        let request = ScanRequest {
            projection: projection.cloned(),
            filters: self.column_filters(filters),
            batch_rows: state.config().batch_size(),
            limit,
            partitions,
        };
        let scan = self.table.scan(&request).map_err(storage)?;
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let bounded = self.table.is_bounded();
        Ok(Arc::new(ScanExec::new(
            self.name.clone(),
            Arc::from(scan),
            schema,
            Arc::clone(&self.monitor),
            partitions,
            bounded,
        )))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match self.column_filter(filter) {
                Some(_) => TableProviderFilterPushDown::Inexact,
                None => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }
}
