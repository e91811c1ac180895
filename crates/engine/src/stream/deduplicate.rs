//! Deduplication: the first row of each key in the order of event time, and `SELECT DISTINCT`.
//!
//! ```text
//!  first row of a key:  rows ─► [`super::in_order`] ─► key known? ─ no ─► the row
//!  distinct rows:       rows ────────────────────────► key known? ─ no ─► the row        (the key: all columns)
//! ```
//! The first row of a key is known when the watermark has passed it: until then an earlier one may come, and then none. What
//! comes out is never taken back. Of distinct rows it does not matter which comes out, so they come out as they arrive.
//!
//! State: each key and the time of its first row. It is kept for ever, or forgotten when `table.exec.state.ttl` has gone by in
//! event time; the next row of a forgotten key is a first one again. Whether a key is forgotten is judged for each row by the
//! times of the rows before it, never by when memory is freed.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::in_order::{self, InOrder};
use super::keys::{Keys, key_schema};
use super::lateness::Lateness;
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::waiting::Ready;
use crate::batch::window;
use crate::plan::attribute::Rowtime;
use crate::{Error, OperatorReport, Result};

/// A key of which no row has come.
const NEVER: i64 = i64::MIN;
/// Keys below which those to forget are not looked for.
const KEYS_TO_SWEEP_MIN: usize = if cfg!(test) { 2 } else { 4096 };

/// The keys that were seen, and when first, in milliseconds.
struct Seen {
    keys: Keys,
    first: Vec<i64>,
    /// How long a key is known; `None`: for ever.
    ttl_ms: Option<i64>,
    keys_before_sweep: usize,
}

#[derive(Serialize, Deserialize)]
struct SavedSeen {
    keys: Vec<u8>,
    first: Vec<i64>,
}

impl Seen {
    fn new(keys: &SchemaRef, ttl_ms: Option<i64>) -> Result<Self> {
        Ok(Self { keys: Keys::new(keys)?, first: Vec::new(), ttl_ms, keys_before_sweep: KEYS_TO_SWEEP_MIN })
    }

    /// Which rows are the first of their key. `times` are theirs, and `now` tells how far time has come at each.
    fn take(&mut self, columns: &[ArrayRef], times: &[i64], now: &[i64]) -> Result<BooleanArray> {
        self.keys.number(columns, times.len())?;
        let (keys, key_count) = self.keys.numbers();
        self.first.resize(key_count, NEVER);
        let ttl_ms = self.ttl_ms;
        let chosen: BooleanArray = keys
            .iter()
            .zip(times.iter().zip(now))
            .map(|(key, (time, now))| {
                let first = &mut self.first[*key];
                let new = *first == NEVER || is_over(*first, *now, ttl_ms);
                if new {
                    *first = *time;
                }
                Some(new)
            })
            .collect();
        if let Some(now) = now.last()
            && ttl_ms.is_some()
            && key_count > self.keys_before_sweep
        {
            let kept: Vec<bool> = self.first.iter().map(|first| !is_over(*first, *now, ttl_ms)).collect();
            let mut keep = kept.iter();
            self.first.retain(|_| keep.next().copied().unwrap_or(false));
            self.keys.retain(&BooleanArray::from(kept))?;
            self.keys_before_sweep = (2 * self.keys.len()).max(KEYS_TO_SWEEP_MIN);
        }
        Ok(chosen)
    }

    fn state_bytes(&self) -> usize {
        self.keys.state_bytes() + self.first.capacity() * 8
    }

    fn save(&mut self) -> Result<SavedSeen> {
        Ok(SavedSeen { keys: self.keys.save()?, first: self.first.clone() })
    }

    fn restore(&mut self, saved: SavedSeen) -> Result<()> {
        self.keys.restore(&saved.keys)?;
        self.first = saved.first;
        if self.first.len() != self.keys.len() {
            return Err(Error::Storage("the checkpoint's keys are not as many as their times".into()));
        }
        Ok(())
    }
}

/// Whether a key that was first seen at `first` is forgotten by `now`.
fn is_over(first: i64, now: i64, ttl_ms: Option<i64>) -> bool {
    ttl_ms.is_some_and(|ttl| now.saturating_sub(first) >= ttl)
}

/// `ROW_NUMBER() OVER (PARTITION BY … ORDER BY event time) = 1`.
pub(crate) struct FirstRow {
    rows: InOrder,
    partition: Vec<Arc<dyn PhysicalExpr>>,
    seen: Seen,
    schema: SchemaRef,
    state_bytes_max: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedFirstRow {
    rows: in_order::Saved,
    seen: SavedSeen,
    state_bytes_max: u64,
}

impl FirstRow {
    /// `schema` is that of the output: the columns of the input, then the row's number, which is 1.
    pub(crate) fn new(
        rowtime: Rowtime,
        partition: Vec<Arc<dyn PhysicalExpr>>,
        ttl_ms: Option<i64>,
        input: &Schema,
        schema: SchemaRef,
    ) -> Result<Self> {
        let seen = Seen::new(&key_schema(&partition, input)?, ttl_ms)?;
        Ok(Self { rows: InOrder::new(rowtime), partition, seen, schema, state_bytes_max: 0 })
    }

    fn choose(&mut self, ready: Ready, out: &mut Vec<RecordBatch>) -> Result<()> {
        let Ready { batch, .. } = ready;
        let column = |expr: &Arc<dyn PhysicalExpr>| Ok(expr.evaluate(&batch)?.into_array(batch.num_rows())?);
        let columns = self.partition.iter().map(column).collect::<Result<Vec<_>>>()?;
        let times = milliseconds(batch.column(self.rows.column()))?;
        // Rows come by their time: time has come as far as the row.
        let chosen = self.seen.take(&columns, &times, &times)?;
        if chosen.true_count() > 0 {
            let batch = filter_record_batch(&batch, &chosen)?;
            let number = Arc::new(UInt64Array::from_value(1, batch.num_rows())) as ArrayRef;
            let columns = batch.columns().iter().cloned().chain([number]).collect();
            out.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        }
        Ok(())
    }

    fn measure_state(&mut self) -> u64 {
        let bytes = (self.rows.state_bytes() + self.seen.state_bytes()) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Operator for FirstRow {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        match self.rows.add(batch)? {
            Some(ready) => self.choose(ready, out),
            None => Ok(()),
        }
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        if time != AFTER_ALL {
            return Ok(self.rows.watermark());
        }
        self.measure_state();
        if let Some(ready) = self.rows.rest()? {
            self.choose(ready, out)?;
        }
        Ok(AFTER_ALL)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn lateness(&mut self) -> Option<&mut Lateness> {
        Some(self.rows.lateness())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let (rows, seen) = (self.rows.save()?, self.seen.save()?);
        Ok(encode(&SavedFirstRow { rows, seen, state_bytes_max: self.state_bytes_max }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: SavedFirstRow = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        self.state_bytes_max = saved.state_bytes_max;
        self.rows.restore(saved.rows)?;
        self.seen.restore(saved.seen)
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "first row of a key".into(),
            rows_late: self.rows.rows_late(),
            state_bytes_max: self.state_bytes_max,
        })
    }
}

/// `SELECT DISTINCT`, and `GROUP BY` without aggregates.
pub(crate) struct Distinct {
    columns: Vec<Arc<dyn PhysicalExpr>>,
    /// The event time among the columns, which tells when a row is forgotten.
    rowtime: Option<Rowtime>,
    seen: Seen,
    schema: SchemaRef,
    watermark: i64,
    state_bytes_max: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedDistinct {
    seen: SavedSeen,
    watermark: i64,
    state_bytes_max: u64,
}

impl Distinct {
    /// `ttl_ms` needs a `rowtime`, whose column is one of the output.
    pub(crate) fn new(
        columns: Vec<Arc<dyn PhysicalExpr>>,
        rowtime: Option<Rowtime>,
        ttl_ms: Option<i64>,
        input: &Schema,
        schema: SchemaRef,
    ) -> Result<Self> {
        let seen = Seen::new(&key_schema(&columns, input)?, ttl_ms.filter(|_| rowtime.is_some()))?;
        Ok(Self { columns, rowtime, seen, schema, watermark: BEFORE_ALL, state_bytes_max: 0 })
    }

    fn measure_state(&mut self) -> u64 {
        let bytes = self.seen.state_bytes() as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Operator for Distinct {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let column = |expr: &Arc<dyn PhysicalExpr>| Ok(expr.evaluate(&batch)?.into_array(rows)?);
        let columns = self.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let times = match self.rowtime {
            Some(rowtime) => milliseconds(&columns[rowtime.column])?,
            None => vec![0; rows],
        };
        let delay_ms = self.rowtime.map_or(0, |rowtime| rowtime.delay_ms);
        let now: Vec<i64> = times
            .iter()
            .map(|time| {
                self.watermark = self.watermark.max(time.saturating_sub(delay_ms));
                self.watermark
            })
            .collect();
        let chosen = self.seen.take(&columns, &times, &now)?;
        if chosen.true_count() > 0 {
            let columns = columns.iter().map(|column| Ok(filter(column, &chosen)?)).collect::<Result<_>>()?;
            out.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        if time == AFTER_ALL {
            self.measure_state();
        }
        Ok(time)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let (seen, watermark, state_bytes_max) = (self.seen.save()?, self.watermark, self.state_bytes_max);
        Ok(encode(&SavedDistinct { seen, watermark, state_bytes_max }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: SavedDistinct = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.state_bytes_max) = (saved.watermark, saved.state_bytes_max);
        self.seen.restore(saved.seen)
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let state_bytes_max = self.state_bytes_max;
        Some(OperatorReport { operator: "DISTINCT".into(), rows_late: 0, state_bytes_max })
    }
}

/// Times in milliseconds; before all for rows without one.
fn milliseconds(times: &ArrayRef) -> Result<Vec<i64>> {
    Ok(window::milliseconds(times)?.iter().map(|time| time.unwrap_or(BEFORE_ALL + 1)).collect())
}
