//! Reads made-up rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::field::{FieldRule, MadeAt};
use crate::pace::{Pace, batch_rows_max};
use crate::{Chunk, Error, Fingerprint, Position, Reader, Result, Scan, ScanRequest};

/// What rows there are.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) fields: Vec<FieldRule>,
    pub(super) rows: Option<u64>,
    pub(super) rows_per_second: u64,
    pub(super) start_nanos: i64,
    /// A hash of all settings that the values depend on.
    pub(super) settings: u64,
}

#[derive(Debug)]
pub(super) struct DatagenScan {
    table: String,
    schema: SchemaRef,
    columns: Vec<usize>,
    rules: Arc<Rules>,
    batch_rows: u64,
    end: u64,
}

impl DatagenScan {
    pub(super) fn new(table: &str, schema: &SchemaRef, rules: Arc<Rules>, request: &ScanRequest) -> Result<Self> {
        let columns = request.projection.clone().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let per_batch = batch_rows_max(rules.rows_per_second);
        let limit = request.limit.map_or(u64::MAX, |limit| limit as u64);
        Ok(Self {
            table: table.to_string(),
            schema: Arc::new(schema.project(&columns).map_err(Error::arrow("the columns of a scan"))?),
            columns,
            batch_rows: per_batch.min(request.batch_rows.max(1) as u64),
            end: rules.rows.unwrap_or(u64::MAX).min(limit),
            rules,
        })
    }
}

impl Scan for DatagenScan {
    fn fingerprint(&self) -> Result<u64> {
        Ok(self.rules.settings)
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _part: usize, from: Option<&Position>) -> Result<Box<dyn Reader>> {
        let fingerprint = Fingerprint { bytes: 0, head: self.rules.settings, listing: 0 };
        let position = match from {
            Some(from) if from.fingerprint == fingerprint => from.clone(),
            Some(_) => {
                let message =
                    "cannot continue: the options of datagen changed since the checkpoint was taken".to_string();
                return Err(Error::Changed { path: format!("table '{}'", self.table), message });
            }
            None => Position { fingerprint, ..Position::default() },
        };
        Ok(Box::new(DatagenReader {
            schema: self.schema.clone(),
            columns: self.columns.clone(),
            rules: self.rules.clone(),
            batch_rows: self.batch_rows,
            end: self.end,
            pace: Pace::new(self.rules.rows_per_second, position.rows),
            position,
        }))
    }

    fn total_bytes(&self) -> Option<u64> {
        None
    }

    fn total_rows(&self) -> Option<u64> {
        (self.end < u64::MAX).then_some(self.end)
    }
}

struct DatagenReader {
    schema: SchemaRef,
    columns: Vec<usize>,
    rules: Arc<Rules>,
    batch_rows: u64,
    end: u64,
    position: Position,
    pace: Pace,
}

impl Reader for DatagenReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let first = self.position.rows;
        let rows = self.batch_rows.min(self.end.saturating_sub(first));
        if rows == 0 {
            return Ok(None);
        }
        self.pace.keep(first);
        let made_at = MadeAt { start_nanos: self.rules.start_nanos, rows_per_second: self.rules.rows_per_second };
        let count = rows as usize;
        let columns: Result<Vec<ArrayRef>> =
            self.columns.iter().map(|column| self.rules.fields[*column].column(first, count, &made_at)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns?, &options)
            .map_err(Error::arrow("making up rows"))?;
        self.position.rows += rows;
        self.position.records += rows;
        Ok(Some(Chunk { batch, position: self.position.clone(), bytes: 0, bad: Vec::new() }))
    }
}
