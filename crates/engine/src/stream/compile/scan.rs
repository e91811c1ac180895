//! Tables and stages as sources.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use tidegate_connectors::ScanRequest;

use super::Compiler;
use super::expression::column;
use super::visit::{connector_table, stage_table};
use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::plan::attribute::rowtime;
use crate::stream::dataflow::Output;
use crate::stream::identity::{self, Description, Identity};
use crate::stream::source::{EventTime, Input, Pace, Source};
use crate::stream::stateless::Project;
use crate::{Error, Result};

/// What makes a scan equal to another.
#[derive(PartialEq)]
pub(super) struct Shared {
    /// What came later is not shared with what stands in the middle of the table.
    generation: u32,
    table: String,
    projection: Option<Vec<usize>>,
    filters: Vec<Expr>,
}

impl Compiler<'_> {
    /// A scan of a connector's table, or of what another operator of the job gives.
    pub(super) fn lower_scan(&mut self, plan: &LogicalPlan, scan: &TableScan) -> Result<Output> {
        let schema = Arc::clone(scan.projected_schema.inner());
        if let Some(stage) = stage_table(plan) {
            let Some((_, output, _)) = self.trained.iter().find(|(_, _, known)| known.id == stage.id) else {
                return Err(Error::Internal(format!("stage {} is read before it is made", stage.id)));
            };
            let output = *output;
            return match &scan.projection {
                None => Ok(output),
                Some(columns) => {
                    let columns = columns.iter().map(|i| column(&stage.schema, *i)).collect();
                    let description = Description::stateless("SELECT", identity::columns(&schema));
                    Ok(self.dataflow.add_described(Box::new(Project { columns, schema }), description, &[output]))
                }
            };
        }
        let Some(table) = connector_table(plan) else {
            return self.elsewhere(plan, "this table", "use a table declared with CREATE TABLE");
        };
        // Equal scans are one: several models over one table read it once.
        let shared = Shared {
            generation: self.dataflow.making.generation,
            table: table.name.clone(),
            projection: scan.projection.clone(),
            filters: scan.filters.clone(),
        };
        if let Some((_, output)) = self.scans.iter().find(|(known, _)| *known == shared) {
            return Ok(*output);
        }
        let output = self.source_of(&table, scan, schema)?;
        self.scans.push((shared, output));
        Ok(output)
    }

    fn source_of(&mut self, table: &ConnectorTable, scan: &TableScan, schema: SchemaRef) -> Result<Output> {
        let pace = self.pace(event_time(table, scan, &schema));
        if self.setting.checking {
            let input = Input::Stage { path: PathBuf::new() };
            return Ok(self.dataflow.add_source(Source::new(input, schema, pace)));
        }
        let request = ScanRequest {
            projection: scan.projection.clone(),
            filters: table.column_filters(&scan.filters),
            batch_rows: self.setting.batch_rows,
            limit: None,
            partitions: 1,
        };
        let input = Input::Table {
            name: table.name.clone(),
            scan: Arc::from(table.table.scan(&request).map_err(storage)?),
            monitor: Arc::clone(&table.monitor),
            bounded: table.table.is_bounded(),
        };
        let source = self.dataflow.add_source(Source::new(input, schema, pace));
        Ok(self.dataflow.identify(source, Identity::source(&table.name)))
    }

    /// How a source of this event time is read.
    pub(super) fn pace(&self, time: Option<EventTime>) -> Pace {
        Pace { batch_rows: self.setting.batch_rows, idle_after: self.setting.idle_after, time }
    }
}

/// The event time of a scan: a column of it, or computed from columns of it. Where these are not read, nothing above goes by it.
fn event_time(table: &ConnectorTable, scan: &TableScan, schema: &SchemaRef) -> Option<EventTime> {
    if let Some(rowtime) = rowtime(&scan.projected_schema) {
        return Some(rowtime.into());
    }
    let computed = table.computed_time.as_ref()?;
    let here = |column: &Column| schema.index_of(column.name()).is_ok();
    if !collect_columns(&computed.time).iter().all(here) {
        return None;
    }
    let time = reassign_expr_columns(Arc::clone(&computed.time), schema).ok()?;
    Some(EventTime::computed(time, computed.delay_ms))
}
