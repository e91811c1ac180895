//! How fast made-up rows come.

use std::time::{Duration, Instant};

/// At slow rates a batch holds what comes in this share of a second, so that rows do not wait for others.
const BATCHES_PER_SECOND: u64 = 20;

/// The most rows of a batch at this rate.
pub(crate) fn batch_rows_max(rows_per_second: u64) -> u64 {
    (rows_per_second / BATCHES_PER_SECOND).max(1)
}

/// Holds rows back, so that no more come in a second than are allowed.
pub(crate) struct Pace {
    rows_per_second: u64,
    /// The row that the first one to come follows.
    from: u64,
    opened: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(rows_per_second: u64, from: u64) -> Self {
        Self { rows_per_second, from, opened: None }
    }

    /// Waits until the rows before `row` were due.
    pub(crate) fn keep(&mut self, row: u64) {
        let opened = *self.opened.get_or_insert_with(Instant::now);
        let due = Duration::from_secs_f64(row.saturating_sub(self.from) as f64 / self.rows_per_second as f64);
        if let Some(wait) = due.checked_sub(opened.elapsed()) {
            std::thread::sleep(wait);
        }
    }
}
