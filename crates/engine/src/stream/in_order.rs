//! Rows put into the order of their event time: they wait until the watermark passes them.
//!
//! ```text
//!  batch ─► late? ─► run { rows, sorted by time } ┐
//!  batch ─► late? ─► run { rows, sorted by time } ┼─► watermark ─► rows up to it, by (time, arrival)
//!                                                 ┘
//! ```
//! Lateness is judged row by row, from the times of the rows that came before, so neither what is dropped nor the order of
//! what comes out depends on how rows are cut into batches. State: the rows between the watermark and the greatest time.

use std::collections::BTreeMap;

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, filter_record_batch, interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use serde::{Deserialize, Serialize};

use super::lateness::{self, Lateness, Origin};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::plan::attribute::{Rowtime, to_milliseconds};
use crate::{Error, Result};

/// Rows that wait for the watermark.
pub(crate) struct InOrder {
    rowtime: Rowtime,
    lateness: Lateness,
    /// By the time of their next row, in the column's own unit, and their arrival.
    runs: BTreeMap<(i64, u64), Run>,
    runs_begun: u64,
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

/// What a checkpoint holds of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Saved {
    lateness: lateness::Saved,
    /// The waiting rows as they arrived.
    rows: Option<Vec<u8>>,
}

impl InOrder {
    pub(crate) fn new(rowtime: Rowtime) -> Self {
        let lateness = Lateness::new(Origin::Rows { delay_ms: rowtime.delay_ms });
        Self { rowtime, lateness, runs: BTreeMap::new(), runs_begun: 0 }
    }

    /// The column of the event time.
    pub(crate) fn column(&self) -> usize {
        self.rowtime.column
    }

    /// The greatest time so far less the delay, in milliseconds: what comes later with a time before it is late.
    pub(crate) fn watermark(&self) -> i64 {
        self.lateness.watermark()
    }

    /// Rows that were dropped: late ones, and ones without a time.
    pub(crate) fn rows_late(&self) -> u64 {
        self.lateness.rows_late()
    }

    /// What judges the rows.
    pub(crate) fn lateness(&mut self) -> &mut Lateness {
        &mut self.lateness
    }

    /// Takes rows in, and gives those that the watermark has passed.
    pub(crate) fn add(&mut self, batch: RecordBatch) -> Result<Option<Ready>> {
        let unit = unit(&batch, self.rowtime.column)?;
        let times = times(&batch, self.rowtime.column)?;
        let in_time: BooleanArray = times
            .iter()
            .map(|time| {
                let time = time.map(|time| unit.milliseconds(time));
                let in_time = time.is_some_and(|time| time >= self.lateness.watermark());
                self.lateness.row(time, !in_time);
                Some(in_time)
            })
            .collect();
        self.lateness.end_batch(&batch)?;
        if in_time.true_count() == in_time.len() {
            self.wait(batch, times.values().to_vec());
        } else {
            let batch = filter_record_batch(&batch, &in_time)?;
            let times =
                times.iter().zip(in_time.values().iter()).filter(|(_, kept)| *kept).filter_map(|(time, _)| time);
            self.wait(batch, times.collect());
        }
        // Rows of the watermark's own time may still come: with a delay of 0, those of the greatest time.
        self.take_until(unit.last_within(self.watermark().saturating_sub(1)))
    }

    /// All rows that still wait: the input has ended.
    pub(crate) fn rest(&mut self) -> Result<Option<Ready>> {
        self.take_until(i64::MAX)
    }

    fn wait(&mut self, batch: RecordBatch, times: Vec<i64>) {
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        if !times.is_sorted() {
            order.sort_by_key(|row| times[*row as usize]);
        }
        let Some(first) = order.first().map(|row| times[*row as usize]) else { return };
        self.runs_begun += 1;
        self.runs.insert((first, self.runs_begun), Run { batch, times, order, next: 0 });
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
            if let Some(row) = run.order.get(run.next) {
                self.runs.insert((run.times[*row as usize], arrival), run);
            }
        }
        Ok(Some(Ready { batch, times: rows.into_iter().map(|r| r.0).collect() }))
    }

    /// Bytes of the rows that wait.
    pub(crate) fn state_bytes(&self) -> usize {
        self.runs.values().map(|run| run.batch.get_array_memory_size() + run.times.len() * 12).sum()
    }

    pub(crate) fn save(&self) -> Result<Saved> {
        let mut runs: Vec<(u64, &Run)> = self.runs.iter().map(|((_, arrival), run)| (*arrival, run)).collect();
        runs.sort_unstable_by_key(|(arrival, _)| *arrival);
        let mut waiting = Vec::with_capacity(runs.len());
        for (_, run) in runs {
            let mut rows = run.order[run.next..].to_vec();
            rows.sort_unstable();
            waiting.push(take_record_batch(&run.batch, &UInt32Array::from(rows))?);
        }
        let rows = match waiting.first() {
            Some(first) => Some(batch_to_bytes(&concat_batches(&first.schema(), &waiting)?)?),
            None => None,
        };
        Ok(Saved { lateness: *self.lateness.saved(), rows })
    }

    pub(crate) fn restore(&mut self, saved: Saved) -> Result<()> {
        self.lateness.restore(saved.lateness);
        if let Some(bytes) = saved.rows {
            let batch = batch_from_bytes(&bytes)?;
            let times = times(&batch, self.rowtime.column)?.values().to_vec();
            self.wait(batch, times);
        }
        Ok(())
    }
}

/// How the unit of a timestamp column relates to milliseconds.
#[derive(Clone, Copy)]
struct Unit {
    multiply: i64,
    divide: i64,
}

impl Unit {
    fn milliseconds(self, time: i64) -> i64 {
        time.saturating_mul(self.multiply).div_euclid(self.divide)
    }

    /// The last time that is not after this many milliseconds.
    fn last_within(self, milliseconds: i64) -> i64 {
        let next = milliseconds.saturating_add(1).saturating_mul(self.divide);
        if self.multiply == 1 { next.saturating_sub(1) } else { milliseconds.div_euclid(self.multiply) }
    }
}

fn unit(batch: &RecordBatch, column: usize) -> Result<Unit> {
    match to_milliseconds(batch.column(column).data_type()) {
        Some((multiply, divide)) => Ok(Unit { multiply, divide }),
        None => Err(Error::Internal("an event time must be a TIMESTAMP".into())),
    }
}

/// A timestamp column in its own unit.
fn times(batch: &RecordBatch, column: usize) -> Result<Int64Array> {
    let times = cast(batch.column(column), &DataType::Int64)?;
    Ok(times.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::TimestampMillisecondArray;

    fn rows(times: &[Option<i64>]) -> RecordBatch {
        let time = Arc::new(TimestampMillisecondArray::from(times.to_vec())) as _;
        let id = Arc::new(Int64Array::from_iter_values(0..times.len() as i64)) as _;
        RecordBatch::try_from_iter_with_nullable([("ts", time, true), ("id", id, true)]).unwrap()
    }

    fn come_out(order: &mut InOrder, batch: RecordBatch) -> Vec<i64> {
        order.add(batch).unwrap().map_or(Vec::new(), |ready| ready.times)
    }

    #[test]
    fn rows_come_out_by_time_once_the_watermark_has_passed_them() {
        let mut order = InOrder::new(Rowtime { column: 0, delay_ms: 2 });
        assert_eq!(come_out(&mut order, rows(&[Some(10), Some(9), None, Some(13), Some(11), Some(10)])), [9, 10]);
        assert_eq!(order.rows_late(), 2, "the one without a time, and 10 when 13 has come; 11 is just in time");
        assert_eq!(come_out(&mut order, rows(&[Some(12), Some(16)])), [11, 12, 13]);
        assert_eq!(order.rest().unwrap().map(|ready| ready.times), Some(vec![16]));
    }

    #[test]
    fn waiting_rows_go_through_a_checkpoint_in_the_order_of_their_arrival() {
        let mut order = InOrder::new(Rowtime { column: 0, delay_ms: 100 });
        come_out(&mut order, rows(&[Some(5), Some(3)]));
        come_out(&mut order, rows(&[Some(3), Some(5), Some(4)]));
        let mut resumed = InOrder::new(Rowtime { column: 0, delay_ms: 100 });
        resumed.restore(order.save().unwrap()).unwrap();
        let ready = resumed.rest().unwrap().unwrap();
        assert_eq!(ready.times, [3, 3, 4, 5, 5]);
        assert_eq!(ready.batch.column(1).as_primitive::<Int64Type>().values(), &[1, 0, 2, 0, 1]);
    }
}
