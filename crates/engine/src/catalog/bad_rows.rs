//! Rows that a model does not take: what the tables they come from say of them with `on-error`.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use tidegate_connectors::{BadRecord, OnError};
use tidegate_ml::DataFault;

use super::table::ConnectorTable;
use crate::{Error, Result};

/// The most characters of a row that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// What happens to rows that a model does not take.
#[derive(Debug, Clone)]
pub(crate) struct BadRows {
    policy: OnError,
    /// Bad rows are counted at the first table, and written to its dead letters.
    tables: Vec<Arc<dyn TableProvider>>,
}

impl BadRows {
    /// What the tables say. Tables that disagree leave no room for passing over rows.
    pub(crate) fn from(tables: Vec<Arc<dyn TableProvider>>) -> Self {
        let policies =
            || tables.iter().filter_map(|t| t.downcast_ref::<ConnectorTable>()).map(|table| table.table.on_error());
        let policy = match policies().next() {
            Some(first) if policies().all(|policy| policy == first) => first,
            _ => OnError::Fail,
        };
        Self { policy, tables }
    }

    /// The tables that the rows come from.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &ConnectorTable> {
        self.tables.iter().filter_map(|table| table.downcast_ref())
    }

    /// Whether bad rows stop the job.
    pub(crate) fn stop_the_job(&self) -> bool {
        self.policy == OnError::Fail
    }

    /// Whether bad rows are written somewhere.
    pub(crate) fn keeps_dead_letters(&self) -> bool {
        self.policy == OnError::DeadLetter
    }

    /// The error that a bad row stops the job with. `place` says whose input it is, and which row if that is known.
    pub(crate) fn error(&self, place: &str, batch: &RecordBatch, fault: &DataFault) -> Error {
        let mut row = row_as_text(batch, fault.row);
        if let Some((cut, _)) = row.char_indices().nth(SHOWN_CHARACTERS_MAX) {
            row.truncate(cut);
            row.push('…');
        }
        Error::Data(format!(
            "{place}: column '{}' {}\n  in: {row}\n  to pass over such rows, set 'on-error' = 'skip' or 'dead-letter' on the table",
            fault.column, fault.reason
        ))
    }

    /// The batch without its bad rows, which are counted, and written if so wanted.
    pub(crate) fn pass_over(
        &self,
        batch: &RecordBatch,
        faults: &[DataFault],
        place: impl Fn(usize) -> String,
    ) -> Result<RecordBatch> {
        let mut good = vec![true; batch.num_rows()];
        let bad: Vec<BadRecord> = faults
            .iter()
            .map(|fault| {
                good[fault.row] = false;
                BadRecord {
                    location: place(fault.row),
                    raw: row_as_text(batch, fault.row),
                    reason: format!("column '{}' {}", fault.column, fault.reason),
                }
            })
            .collect();
        if let Some(table) = self.tables().next() {
            table.monitor.add_bad(&bad)?;
        }
        Ok(filter_record_batch(batch, &BooleanArray::from(good))?)
    }
}

/// A row as `name=value, …`.
fn row_as_text(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let values: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let value = ArrayFormatter::try_new(column, &options)
                .map_or_else(|error| error.to_string(), |formatter| formatter.value(row).to_string());
            format!("{}={value}", field.name())
        })
        .collect();
    values.join(", ")
}
