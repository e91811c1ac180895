//! Rows that wait, and come out in the order of their event time.
//!
//! ```text
//!  batch ─► run { rows, sorted by time } ┐
//!  batch ─► run { rows, sorted by time } ┼─► a time ─► rows before it, by (time, arrival)
//!                                        ┘
//! ```
//! State: the batches of which a row still waits, and 12 bytes a row.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Int64Type};

use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::plan::attribute::to_milliseconds;
use crate::{Error, Result};

/// Rows that wait. None is without a time.
pub(crate) struct Waiting {
    /// The column of the time.
    column: usize,
    ticks: Ticks,
    /// By the time of their next row, in the column's own unit, and their arrival.
    runs: BTreeMap<(i64, u64), Run>,
    runs_begun: u64,
    bytes: usize,
}

/// The rows of one batch that still wait.
struct Run {
    batch: RecordBatch,
    times: Vec<i64>,
    /// The rows in the order of their times; those from `next` on still wait.
    order: Vec<u32>,
    next: usize,
}

/// Rows in the order of (time, arrival).
pub(crate) struct Ready {
    pub batch: RecordBatch,
    /// Their times, in the column's own unit.
    pub times: Vec<i64>,
}

impl Run {
    fn bytes(&self) -> usize {
        self.batch.get_array_memory_size() + self.times.len() * 12
    }
}

impl Waiting {
    pub(crate) fn new(column: usize) -> Self {
        Self { column, ticks: Ticks { multiply: 1, divide: 1 }, runs: BTreeMap::new(), runs_begun: 0, bytes: 0 }
    }

    /// Takes rows in, each of which has a time.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let column = batch.column(self.column);
        self.ticks = Ticks::of(column.data_type())?;
        let times = Ticks::times(column)?.values().to_vec();
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        if !times.is_sorted() {
            order.sort_by_key(|row| times[*row as usize]);
        }
        let Some(first) = order.first().map(|row| times[*row as usize]) else { return Ok(()) };
        self.runs_begun += 1;
        let run = Run { batch, times, order, next: 0 };
        self.bytes += run.bytes();
        self.runs.insert((first, self.runs_begun), run);
        Ok(())
    }

    /// The rows with a time before so many milliseconds.
    pub(crate) fn take_before(&mut self, milliseconds: i64) -> Result<Option<Ready>> {
        self.take_until(self.ticks.last_within(milliseconds.saturating_sub(1)))
    }

    /// All rows.
    pub(crate) fn take_all(&mut self) -> Result<Option<Ready>> {
        self.take_until(i64::MAX)
    }

    /// The rows with a time up to `limit`.
    fn take_until(&mut self, limit: i64) -> Result<Option<Ready>> {
        let mut touched = Vec::new();
        while let Some(entry) = self.runs.first_entry()
            && entry.key().0 <= limit
        {
            let ((_, arrival), run) = entry.remove_entry();
            touched.push((arrival, run));
        }
        touched.sort_unstable_by_key(|(arrival, _)| *arrival);
        let mut rows: Vec<(i64, u32, u32)> = Vec::new();
        for (place, (_, run)) in touched.iter_mut().enumerate() {
            let due = run.order[run.next..].partition_point(|row| run.times[*row as usize] <= limit);
            let due = &run.order[run.next..run.next + due];
            rows.extend(due.iter().map(|row| (run.times[*row as usize], place as u32, *row)));
            run.next += due.len();
        }
        if rows.is_empty() {
            return Ok(None);
        }
        if !rows.is_sorted() {
            rows.sort_unstable();
        }
        let batch = match touched.as_slice() {
            [(_, run)] => take_record_batch(&run.batch, &UInt32Array::from_iter_values(rows.iter().map(|r| r.2)))?,
            runs => {
                let batches: Vec<&RecordBatch> = runs.iter().map(|(_, run)| &run.batch).collect();
                let places: Vec<(usize, usize)> = rows.iter().map(|r| (r.1 as usize, r.2 as usize)).collect();
                interleave_record_batch(&batches, &places)?
            }
        };
        for (arrival, run) in touched {
            match run.order.get(run.next) {
                Some(row) => {
                    self.runs.insert((run.times[*row as usize], arrival), run);
                }
                None => self.bytes -= run.bytes(),
            }
        }
        Ok(Some(Ready { batch, times: rows.into_iter().map(|r| r.0).collect() }))
    }

    /// Bytes of the rows that wait.
    pub(crate) fn state_bytes(&self) -> usize {
        self.bytes
    }

    /// The rows that wait, as they arrived.
    pub(crate) fn save(&self) -> Result<Option<Vec<u8>>> {
        let mut runs: Vec<(u64, &Run)> = self.runs.iter().map(|((_, arrival), run)| (*arrival, run)).collect();
        runs.sort_unstable_by_key(|(arrival, _)| *arrival);
        let mut waiting = Vec::with_capacity(runs.len());
        for (_, run) in runs {
            let mut rows = run.order[run.next..].to_vec();
            rows.sort_unstable();
            waiting.push(take_record_batch(&run.batch, &UInt32Array::from(rows))?);
        }
        match waiting.first() {
            Some(first) => Ok(Some(batch_to_bytes(&concat_batches(&first.schema(), &waiting)?)?)),
            None => Ok(None),
        }
    }

    pub(crate) fn restore(&mut self, rows: Option<Vec<u8>>) -> Result<()> {
        match rows {
            Some(bytes) => self.push(batch_from_bytes(&bytes)?),
            None => Ok(()),
        }
    }
}

/// How the unit of a timestamp column relates to milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticks {
    multiply: i64,
    divide: i64,
}

impl Ticks {
    /// Those of a type.
    pub(crate) fn of(data_type: &DataType) -> Result<Self> {
        match to_milliseconds(data_type) {
            Some((multiply, divide)) => Ok(Self { multiply, divide }),
            None => Err(Error::Internal("an event time must be a TIMESTAMP".into())),
        }
    }

    /// A timestamp column in its own unit.
    pub(crate) fn times(column: &ArrayRef) -> Result<Int64Array> {
        Ok(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// The millisecond that a time is in.
    pub(crate) fn milliseconds(self, time: i64) -> i64 {
        time.saturating_mul(self.multiply).div_euclid(self.divide)
    }

    /// The last time that is not after this many milliseconds.
    fn last_within(self, milliseconds: i64) -> i64 {
        let next = milliseconds.saturating_add(1).saturating_mul(self.divide);
        if self.multiply == 1 { next.saturating_sub(1) } else { milliseconds.div_euclid(self.multiply) }
    }
}
