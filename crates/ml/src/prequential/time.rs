//! Event time as rows come.

use arrow::array::{Array, Int64Array};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far event time has come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EventTime {
    /// The greatest so far.
    pub(super) latest: i64,
    /// The greatest of what it was less the delay.
    pub(super) watermark: i64,
    /// Rows whose event time was below the watermark when they came.
    pub(crate) late_rows: u64,
}

impl Default for EventTime {
    fn default() -> Self {
        Self { latest: i64::MIN, watermark: i64::MIN, late_rows: 0 }
    }
}

/// When each row of a batch comes.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// The watermark as it is when each row has come; empty where rows have no time.
    pub(crate) watermarks: Vec<i64>,
    /// When the label of each row is known; empty where it is known at once.
    pub(crate) known: Vec<i64>,
}

impl Times {
    /// Those of some rows.
    pub(crate) fn of(&self, rows: &[u32]) -> Self {
        let some = |times: &[i64]| match times {
            [] => Vec::new(),
            times => rows.iter().map(|row| times[*row as usize]).collect(),
        };
        Self { watermarks: some(&self.watermarks), known: some(&self.known) }
    }
}

/// Whether there are as many times as rows.
pub(crate) fn check_times(rows: usize, event_time: &[i64], label_time: Option<&Int64Array>) -> Result<()> {
    let timeless = label_time.is_none() && event_time.is_empty();
    if (!timeless && event_time.len() != rows) || label_time.is_some_and(|times| times.len() != rows) {
        return Err(Error::Batch(format!(
            "the batch has {rows} rows, but {} event times and {} label times",
            event_time.len(),
            label_time.map_or(0, Array::len)
        )));
    }
    Ok(())
}

impl EventTime {
    /// The watermark after the last row.
    pub(crate) fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Moves the watermark to `time` if that is later.
    pub(crate) fn advance(&mut self, time: i64) {
        self.watermark = self.watermark.max(time);
    }

    /// Takes in the times of a batch, which [`check_times`] has seen. A label whose time is NULL is known at its event time.
    pub(crate) fn take(&mut self, event_time: &[i64], label_time: Option<&Int64Array>, delay: i64) -> Times {
        let delay = delay.max(0);
        let mut watermarks = Vec::with_capacity(event_time.len());
        for &time in event_time {
            self.late_rows += u64::from(time < self.watermark);
            self.latest = self.latest.max(time);
            self.watermark = self.watermark.max(self.latest.saturating_sub(delay));
            watermarks.push(self.watermark);
        }
        let known = match label_time {
            None => Vec::new(),
            Some(times) => {
                let known = |(row, &time)| if times.is_null(row) { time } else { times.value(row) };
                event_time.iter().enumerate().map(known).collect()
            }
        };
        Times { watermarks, known }
    }
}
