//! Joins the rows of two streams that are in one window:
//! `a.window_start = b.window_start AND a.window_end = b.window_end AND a.id = b.id`.
//!
//! ```text
//!   left   ──► window_end ─► rows ┐
//!                                 ├─ when the watermark reaches the end: joined, emitted, freed
//!   right  ──► window_end ─► rows ┘
//! ```
//! A window is joined when both inputs have brought all its rows, so every kind of join is exact and nothing is taken back.
//! Windows come in the order of their ends. In a window pairs come in the order in which their left rows arrived, then their
//! right ones; after them left rows without a match, then right ones. No row comes late: windows leave out what is late for
//! them before their rows arrive here, and what comes out of windows comes before the watermark passes them.
//!
//! **Event time of the result.** Results come before the watermark passes `window_time`, so the windows of the result are
//! windows to what follows, on each side whose rows are never left out.
//!
//! State: the rows of the open windows, as they came. Work: each row is hashed once; pairs whose keys are equal, and no
//! others, are looked at.

mod pane;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

pub(crate) use self::pane::Kind;
use self::pane::PaneJoin;
use super::join::{ROWS_A_BATCH, Residual, Side};
use super::operator::{BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::batch::scan::with_schema;
use crate::batch::window::milliseconds;
use crate::{Error, OperatorReport, Result};

/// A side of a window join.
pub(crate) struct WindowedInput {
    pub schema: SchemaRef,
    /// Its columns `window_start` and `window_end`.
    pub start: usize,
    pub end: usize,
    /// The values that must be equal beside those two, in the order of the other side's.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
}

/// Joins two streams of windows.
pub(crate) struct WindowJoin {
    join: PaneJoin,
    /// The open windows, by their end in milliseconds.
    windows: BTreeMap<i64, Window>,
    threads: Arc<rayon::ThreadPool>,
    watermark: i64,
    rows_late: u64,
    state_bytes: usize,
    state_bytes_max: u64,
}

/// The rows of both sides whose windows end at one time.
#[derive(Default)]
struct Window {
    left: Rows,
    right: Rows,
}

/// Rows in the order in which they came.
#[derive(Default)]
struct Rows {
    pieces: Vec<RecordBatch>,
    bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
    /// The end of a window, and the rows of both sides as Arrow IPC streams.
    windows: Vec<(i64, Vec<u8>, Vec<u8>)>,
}

impl Rows {
    /// Takes rows in. Small batches are put together, each row as often as the logarithm of the size.
    fn push(&mut self, rows: RecordBatch) -> Result<()> {
        let mut last = rows;
        while let Some(before) = self.pieces.pop_if(|before| {
            before.num_rows() <= 2 * last.num_rows() && before.num_rows() + last.num_rows() <= ROWS_A_BATCH
        }) {
            self.bytes -= before.get_array_memory_size();
            last = concat_batches(&before.schema(), [&before, &last])?;
        }
        self.bytes += last.get_array_memory_size();
        self.pieces.push(last);
        Ok(())
    }

    /// All rows as one batch.
    fn all(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        match self.pieces.as_slice() {
            [one] => Ok(one.clone()),
            pieces => Ok(concat_batches(schema, pieces)?),
        }
    }
}

impl WindowJoin {
    /// `schema` is that of the results: the columns of the left side, then those of the right side unless the join is a
    /// half one.
    pub(crate) fn new(
        left: WindowedInput,
        right: WindowedInput,
        residual: Option<Residual>,
        kind: Kind,
        schema: SchemaRef,
        threads: Arc<rayon::ThreadPool>,
    ) -> Self {
        Self {
            join: PaneJoin { left, right, residual, kind, schema },
            windows: BTreeMap::new(),
            threads,
            watermark: BEFORE_ALL,
            rows_late: 0,
            state_bytes: 0,
            state_bytes_max: 0,
        }
    }

    fn input(&self, side: Side) -> &WindowedInput {
        match side {
            Side::Left => &self.join.left,
            Side::Right => &self.join.right,
        }
    }

    /// Keeps rows of one window.
    fn keep(&mut self, side: Side, end: i64, rows: RecordBatch) -> Result<()> {
        let window = self.windows.entry(end).or_default();
        let kept = match side {
            Side::Left => &mut window.left,
            Side::Right => &mut window.right,
        };
        let before = kept.bytes;
        kept.push(rows)?;
        self.state_bytes += kept.bytes;
        self.state_bytes -= before;
        Ok(())
    }
}

impl Operator for WindowJoin {
    fn process(&mut self, input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let side = if input == 0 { Side::Left } else { Side::Right };
        let input = self.input(side);
        let batch = with_schema(batch, &input.schema)?;
        let ends = milliseconds(batch.column(input.end))?;
        let (watermark, rows) = (self.watermark, ends.len());
        // The last moment of a window is before its end.
        let is_open = |end: &i64| end.saturating_sub(1) > watermark;
        if ends.null_count() == 0
            && let Some(end) = ends.values().first().filter(|end| is_open(end))
            && ends.values().iter().all(|other| other == end)
        {
            return self.keep(side, *end, batch);
        }
        let mut order: Vec<(i64, u32)> =
            ends.iter().zip(0..).filter_map(|(end, row)| Some((end.filter(is_open)?, row))).collect();
        self.rows_late += (rows - order.len()) as u64;
        order.sort_unstable();
        for run in order.chunk_by(|(end, _), (other, _)| end == other) {
            let rows: UInt32Array = run.iter().map(|(_, row)| *row).collect::<Vec<_>>().into();
            self.keep(side, run[0].0, take_record_batch(&batch, &rows)?)?;
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        self.state_bytes_max = self.state_bytes_max.max(self.state_bytes as u64);
        let (mut joined, mut rows) = (Vec::new(), 0);
        while let Some(first) =
            self.windows.first_entry().filter(|first| first.key().saturating_sub(1) <= self.watermark)
        {
            let window = first.remove();
            self.state_bytes -= window.left.bytes + window.right.bytes;
            let (left, right) = (window.left.all(&self.join.left.schema)?, window.right.all(&self.join.right.schema)?);
            drop(window);
            // Sessions end at any time: many windows of a row or two become one batch.
            for batch in self.threads.install(|| self.join.join(&left, &right))? {
                rows += batch.num_rows();
                joined.push(batch);
                if rows >= ROWS_A_BATCH {
                    out.push(concat_batches(&self.join.schema, &std::mem::take(&mut joined))?);
                    rows = 0;
                }
            }
        }
        if rows > 0 {
            out.push(concat_batches(&self.join.schema, &joined)?);
        }
        Ok(time)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.state_bytes as u64)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.state_bytes_max = self.state_bytes_max.max(self.state_bytes as u64);
        let saved = |(end, window): (&i64, &Window)| {
            let left = batch_to_bytes(&window.left.all(&self.join.left.schema)?)?;
            let right = batch_to_bytes(&window.right.all(&self.join.right.schema)?)?;
            Ok((*end, left, right))
        };
        let windows = self.windows.iter().map(saved).collect::<Result<_>>()?;
        let (watermark, rows_late, state_bytes_max) = (self.watermark, self.rows_late, self.state_bytes_max);
        Ok(encode(&Saved { watermark, rows_late, state_bytes_max, windows }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.rows_late) = (saved.watermark, saved.rows_late);
        self.state_bytes_max = saved.state_bytes_max;
        for (end, left, right) in saved.windows {
            for (side, bytes) in [(Side::Left, left), (Side::Right, right)] {
                let rows = batch_from_bytes(&bytes)?;
                let schema = &self.input(side).schema;
                if rows.num_columns() != schema.fields().len() {
                    return Err(Error::Storage("the checkpoint is of another join; run with --fresh".into()));
                }
                if rows.num_rows() > 0 {
                    let rows = with_schema(rows, schema)?;
                    self.keep(side, end, rows)?;
                }
            }
        }
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let operator = "window join".to_string();
        Some(OperatorReport { operator, rows_late: self.rows_late, state_bytes_max: self.state_bytes_max })
    }
}
