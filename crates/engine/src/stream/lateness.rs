//! The watermark of an operator, and how many rows came too late for it.
//!
//! ```text
//!  times of the rows      4   9   7   15            a table's event time, 2 behind
//!  watermark after each   2   7   7   13            judges the row that comes next
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use serde::{Deserialize, Serialize};
use tidegate_connectors::json_rows;

use super::operator::{AFTER_ALL, BEFORE_ALL};
use crate::Result;
use crate::catalog::monitor::storage;

/// Where an operator's watermark comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The times of its own rows: the greatest so far less a delay, in milliseconds.
    Rows { delay_ms: i64 },
    /// The operator above. For the event time of windows, whose rows come before the watermark passes their time: it can close
    /// what follows with the window itself, when a watermark of rows would have to wait for the next window.
    Input,
}

/// The watermark of an operator.
#[derive(Debug)]
pub(crate) struct Lateness {
    origin: Origin,
    saved: Saved,
    /// The late rows themselves, where the job writes them to a table.
    log: Option<Log>,
}

/// Late rows on their way to a table.
#[derive(Debug, Default)]
struct Log {
    /// How many rows of the batch at hand were judged.
    judged: usize,
    /// Those of them that are late.
    marked: Vec<LateRow>,
    /// Of the batches before, with the columns [`LATE_COLUMNS`].
    ready: Vec<RecordBatch>,
}

/// A late row of the batch at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateRow {
    /// Its place in the batch.
    pub row: usize,
    /// Its event time in milliseconds, if it has one.
    pub time: Option<i64>,
    /// The watermark when it came.
    pub watermark: i64,
}

/// What is told of a late row: its event time, the watermark when it came, and the row as JSON.
pub(crate) const LATE_COLUMNS: [&str; 3] = ["event_time", "current_watermark", "raw"];

/// What a checkpoint holds of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Saved {
    watermark: i64,
    rows_late: u64,
}

impl Lateness {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, saved: Saved { watermark: BEFORE_ALL, rows_late: 0 }, log: None }
    }

    /// Keeps the late rows from now on, for [`Lateness::take_late`].
    pub(crate) fn keep_late(&mut self) {
        self.log = Some(Log::default());
    }

    /// The watermark from the rows so far.
    pub(crate) fn watermark(&self) -> i64 {
        self.saved.watermark
    }

    /// Takes in the time of a row, after it was judged. `late`: it was dropped.
    pub(crate) fn row(&mut self, time: Option<i64>, late: bool) {
        self.saved.rows_late += u64::from(late);
        if let Some(log) = &mut self.log {
            if late {
                log.marked.push(LateRow { row: log.judged, time, watermark: self.saved.watermark });
            }
            log.judged += 1;
        }
        if let (Some(time), Origin::Rows { delay_ms }) = (time, self.origin) {
            self.saved.watermark = self.saved.watermark.max(time.saturating_sub(delay_ms));
        }
    }

    /// Takes in the watermark of the input, and gives the operator's own.
    pub(crate) fn advance(&mut self, time: i64) -> i64 {
        match self.origin {
            Origin::Input => {
                self.saved.watermark = self.saved.watermark.max(time);
                self.saved.watermark
            }
            // The end of the input ends what was open, but makes no row late: none comes.
            Origin::Rows { .. } if time == AFTER_ALL => AFTER_ALL,
            Origin::Rows { .. } => self.saved.watermark,
        }
    }

    /// Takes in that the input is idle and not waited for any longer, and gives the operator's watermark.
    pub(crate) fn idle(&mut self, time: i64) -> i64 {
        self.saved.watermark = self.saved.watermark.max(time);
        self.saved.watermark
    }

    pub(crate) fn rows_late(&self) -> u64 {
        self.saved.rows_late
    }

    /// Takes in a row that was found to be late after [`Lateness::row`] had taken it in.
    pub(crate) fn late(&mut self, late: LateRow) {
        self.saved.rows_late += 1;
        if let Some(log) = &mut self.log {
            log.marked.push(late);
        }
    }

    /// The rows of this batch were all judged.
    pub(crate) fn end_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        log.judged = 0;
        if log.marked.is_empty() {
            return Ok(());
        }
        let mut marked = std::mem::take(&mut log.marked);
        marked.sort_unstable_by_key(|late| late.row);
        let rows = UInt32Array::from_iter_values(marked.iter().map(|late| late.row as u32));
        let raw = json_rows(&take_record_batch(batch, &rows)?).map_err(storage)?;
        let times = |of: fn(&LateRow) -> Option<i64>| {
            Arc::new(marked.iter().map(of).collect::<TimestampMillisecondArray>()) as ArrayRef
        };
        let columns: [ArrayRef; 3] = [
            times(|late| late.time),
            times(|late| Some(late.watermark).filter(|watermark| *watermark != BEFORE_ALL)),
            Arc::new(raw),
        ];
        log.ready.push(RecordBatch::try_from_iter_with_nullable(
            LATE_COLUMNS.iter().zip(columns).map(|(name, column)| (*name, column, true)),
        )?);
        Ok(())
    }

    /// The late rows since it was asked last, with the columns [`LATE_COLUMNS`].
    pub(crate) fn take_late(&mut self) -> Result<Option<RecordBatch>> {
        let ready = match &mut self.log {
            Some(log) => std::mem::take(&mut log.ready),
            None => return Ok(None),
        };
        match ready.first() {
            Some(first) => Ok(Some(concat_batches(&first.schema(), &ready)?)),
            None => Ok(None),
        }
    }

    pub(crate) fn saved(&self) -> &Saved {
        &self.saved
    }

    pub(crate) fn restore(&mut self, saved: Saved) {
        self.saved = saved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::TimestampMillisecondType;

    #[test]
    fn the_watermark_of_rows_follows_the_greatest_time() {
        let mut lateness = Lateness::new(Origin::Rows { delay_ms: 2 });
        let mut after = Vec::new();
        for time in [Some(4), Some(9), Some(7), None, Some(15)] {
            lateness.row(time, false);
            after.push(lateness.watermark());
        }
        assert_eq!(after, [2, 7, 7, 7, 13]);
        assert_eq!((lateness.advance(100), lateness.advance(AFTER_ALL)), (13, AFTER_ALL));
    }

    #[test]
    fn an_idle_input_is_not_waited_for() {
        let mut lateness = Lateness::new(Origin::Rows { delay_ms: 2 });
        lateness.row(Some(10), false);
        assert_eq!((lateness.idle(5), lateness.idle(20), lateness.watermark()), (8, 20, 20));
    }

    #[test]
    fn the_watermark_of_an_input_is_passed_on() {
        let mut lateness = Lateness::new(Origin::Input);
        lateness.row(Some(50), true);
        assert_eq!((lateness.watermark(), lateness.rows_late()), (BEFORE_ALL, 1));
        assert!(lateness.take_late().unwrap().is_none(), "late rows are kept where they are wanted only");
        assert_eq!((lateness.advance(30), lateness.watermark()), (30, 30));
    }

    #[test]
    fn late_rows_are_told_with_the_watermark_that_they_met() {
        let mut lateness = Lateness::new(Origin::Rows { delay_ms: 0 });
        lateness.keep_late();
        let ids = |ids: &[i64]| {
            RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef)]).unwrap()
        };
        for (time, late) in [(None, true), (Some(5), false), (Some(3), true)] {
            lateness.row(time, late);
        }
        lateness.end_batch(&ids(&[1, 2, 3])).unwrap();
        lateness.row(Some(9), false);
        lateness.row(Some(4), false);
        lateness.late(LateRow { row: 1, time: Some(4), watermark: 9 });
        lateness.end_batch(&ids(&[4, 5])).unwrap();
        let late = lateness.take_late().unwrap().unwrap();
        let raw: Vec<_> = late.column(2).as_string::<i32>().iter().flatten().collect();
        assert_eq!(raw, [r#"{"id":1}"#, r#"{"id":3}"#, r#"{"id":5}"#]);
        let times = |i: usize| -> Vec<_> { late.column(i).as_primitive::<TimestampMillisecondType>().iter().collect() };
        assert_eq!(times(0), [None, Some(3), Some(4)]);
        assert_eq!(times(1), [None, Some(5), Some(9)]);
        assert!(lateness.take_late().unwrap().is_none());
    }
}
