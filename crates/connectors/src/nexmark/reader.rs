//! Reads events.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::Source;
use crate::pace::{Pace, batch_rows_max};
use crate::{Chunk, Error, Fingerprint, Position, Reader, Result, Scan, ScanRequest};

#[derive(Debug)]
pub(super) struct NexmarkScan {
    source: Arc<Source>,
    schema: SchemaRef,
    columns: Vec<usize>,
    batch_rows: u64,
    end: u64,
}

impl NexmarkScan {
    pub(super) fn new(source: Arc<Source>, request: &ScanRequest) -> Result<Self> {
        let schema = &source.schema;
        let columns = request.projection.clone().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let per_batch = source.rows_per_second.map_or(u64::MAX, batch_rows_max);
        let limit = request.limit.map_or(u64::MAX, |limit| limit as u64);
        Ok(Self {
            schema: Arc::new(schema.project(&columns).map_err(Error::arrow("the columns of a scan"))?),
            columns,
            batch_rows: per_batch.min(request.batch_rows.max(1) as u64),
            end: source.rows.unwrap_or(u64::MAX).min(limit),
            source,
        })
    }
}

impl Scan for NexmarkScan {
    fn fingerprint(&self) -> Result<u64> {
        Ok(self.source.settings)
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _part: usize, from: Option<&Position>) -> Result<Box<dyn Reader>> {
        let fingerprint = Fingerprint { bytes: 0, head: self.source.settings, listing: 0 };
        let position = match from {
            Some(from) if from.fingerprint == fingerprint => from.clone(),
            Some(_) => {
                let message =
                    "cannot continue: the options of nexmark changed since the checkpoint was taken".to_string();
                return Err(Error::Changed { path: format!("table '{}'", self.source.table), message });
            }
            None => Position { fingerprint, ..Position::default() },
        };
        Ok(Box::new(NexmarkReader {
            source: Arc::clone(&self.source),
            schema: Arc::clone(&self.schema),
            columns: self.columns.clone(),
            batch_rows: self.batch_rows,
            end: self.end,
            pace: self.source.rows_per_second.map(|rate| Pace::new(rate, position.rows)),
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

struct NexmarkReader {
    source: Arc<Source>,
    schema: SchemaRef,
    columns: Vec<usize>,
    batch_rows: u64,
    end: u64,
    pace: Option<Pace>,
    position: Position,
}

impl Reader for NexmarkReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let first = self.position.rows;
        let rows = self.batch_rows.min(self.end.saturating_sub(first));
        if rows == 0 {
            return Ok(None);
        }
        if let Some(pace) = &mut self.pace {
            pace.keep(first);
        }
        let columns = self.source.layout.make(&self.source.rules, &self.columns, first, rows as usize)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(Error::arrow("events of nexmark"))?;
        self.position.rows += rows;
        self.position.records += rows;
        Ok(Some(Chunk { batch, position: self.position.clone(), bytes: 0, bad: Vec::new() }))
    }
}
