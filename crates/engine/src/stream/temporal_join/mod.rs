//! Joins a stream with a versioned table: each row with the version that its key had at the row's time,
//! `a JOIN t FOR SYSTEM_TIME AS OF a.ts ON a.id = t.id`.
//!
//! ```text
//!   versions of a key   ●─────────────●──────────────●────►     each from its time until that of the next
//!   rows of that key        ○    ○    ○         ○
//!                           └ waits until the watermark of both sides has passed it: no version before it can come then
//! ```
//! The watermark is the least of both inputs'. Results come in the order of the row's time, then of arrival. All rows up to the
//! watermark have arrived by then, so neither what is emitted nor its order depends on how batches of the two inputs follow each
//! other, or on how long they are. It relies on its inputs to bring no row below their watermark: [`super::in_time`] sees to
//! that.
//!
//! **Event time of the result**: that of the left side. Since rows come in its order it has no delay from here on. The watermark
//! that is passed on is the last moment that the join's has passed. Other times of both sides are no event times any more.
//!
//! State: rows of the left side that the watermark has not passed; what [`versions`] says. Work: a hash and a search among the
//! versions of a key for each row.

#[cfg(test)]
mod tests;
mod versions;

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

pub(crate) use self::versions::{KeyAndTime, Versions};
use super::join::{ROWS_A_BATCH, Residual, batch, evaluated, holds};
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use super::waiting::{Ready, Waiting};
use crate::{Error, OperatorReport, Result};

/// How rows are joined with the versions of their keys.
pub(crate) struct Probe {
    pub by: KeyAndTime,
    pub residual: Option<Residual>,
    /// Whether rows without a version are kept, with NULLs.
    pub outer: bool,
    pub schema: SchemaRef,
}

impl Probe {
    /// The rows of a batch with their versions, in its order.
    pub(crate) fn join(&self, versions: &Versions, rows: &RecordBatch) -> Result<RecordBatch> {
        let keys = evaluated(&self.by.keys, rows)?;
        let mut found = versions.find(&keys, rows.column(self.by.time))?;
        if let Some(residual) = &self.residual {
            let of_left = residual.left.iter().map(|column| Arc::clone(rows.column(*column)));
            let columns = of_left.chain(versions.gather(&residual.right, &found)?).collect();
            let holds = holds(rows.num_rows(), (&[], &[]), Some((residual, columns)))?;
            found.iter_mut().zip(&holds).filter(|(_, holds)| *holds != Some(true)).for_each(|(found, _)| *found = None);
        }
        let left = match self.outer || found.iter().all(Option::is_some) {
            true => rows.clone(),
            false => {
                let chosen: BooleanArray = found.iter().map(|found| Some(found.is_some())).collect();
                found.retain(Option::is_some);
                filter_record_batch(rows, &chosen)?
            }
        };
        let right: Vec<usize> = (0..self.schema.fields().len() - left.num_columns()).collect();
        let mut columns = left.columns().to_vec();
        columns.extend(versions.gather(&right, &found)?);
        batch(&self.schema, columns, found.len())
    }
}

/// Joins a stream with a versioned table.
pub(crate) struct TemporalJoin {
    probe: Probe,
    rows: Waiting,
    versions: Versions,
    threads: Arc<rayon::ThreadPool>,
    watermark: i64,
    state_bytes_max: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    state_bytes_max: u64,
    rows: Option<Vec<u8>>,
    versions: Vec<u8>,
}

impl TemporalJoin {
    pub(crate) fn new(probe: Probe, versions: Versions, threads: Arc<rayon::ThreadPool>) -> Self {
        let rows = Waiting::new(probe.by.time);
        Self { probe, rows, versions, threads, watermark: BEFORE_ALL, state_bytes_max: 0 }
    }

    fn measure_state(&mut self) -> u64 {
        let bytes = (self.rows.state_bytes() + self.versions.bytes()) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Operator for TemporalJoin {
    fn process(&mut self, input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        match input {
            0 => self.rows.push(batch),
            _ => self.versions.add(batch),
        }
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        self.measure_state();
        let ready = match self.watermark {
            AFTER_ALL => self.rows.take_all()?,
            time => self.rows.take_before(time)?,
        };
        if let Some(Ready { batch, .. }) = ready {
            let starts: Vec<usize> = (0..batch.num_rows()).step_by(ROWS_A_BATCH).collect();
            let (probe, versions) = (&self.probe, &self.versions);
            let join = |from: usize| {
                let part = batch.slice(from, ROWS_A_BATCH.min(batch.num_rows() - from));
                probe.join(versions, &part)
            };
            let joined: Result<Vec<RecordBatch>> = self.threads.install(|| starts.into_par_iter().map(join).collect());
            out.extend(joined?.into_iter().filter(|batch| batch.num_rows() > 0));
        }
        self.versions.forget_before(self.watermark)?;
        // A row of the watermark's own time may still come.
        Ok(if self.watermark == AFTER_ALL { AFTER_ALL } else { self.watermark.saturating_sub(1) })
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        Ok(encode(&Saved {
            watermark: self.watermark,
            state_bytes_max: self.state_bytes_max,
            rows: self.rows.save()?,
            versions: batch_to_bytes(&self.versions.all()?)?,
        }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.state_bytes_max) = (saved.watermark, saved.state_bytes_max);
        self.rows.restore(saved.rows)?;
        self.versions.add(batch_from_bytes(&saved.versions)?)
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let operator = "temporal join".to_string();
        Some(OperatorReport { operator, rows_late: 0, state_bytes_max: self.state_bytes_max })
    }
}
