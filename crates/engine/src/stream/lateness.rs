//! The watermark of an operator, and how many rows came too late for it.
//!
//! ```text
//!  times of the rows      4   9   7   15            a table's event time, 2 behind
//!  watermark after each   2   7   7   13            judges the row that comes next
//! ```

use serde::{Deserialize, Serialize};

use super::operator::{AFTER_ALL, BEFORE_ALL};

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
}

/// What a checkpoint holds of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Saved {
    watermark: i64,
    rows_late: u64,
}

impl Lateness {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, saved: Saved { watermark: BEFORE_ALL, rows_late: 0 } }
    }

    /// The watermark from the rows so far.
    pub(crate) fn watermark(&self) -> i64 {
        self.saved.watermark
    }

    /// Takes in the time of a row, after it was judged. `late`: it was dropped.
    pub(crate) fn row(&mut self, time: Option<i64>, late: bool) {
        self.saved.rows_late += u64::from(late);
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

    /// Counts rows that were found to be late after [`Lateness::row`] had taken them in.
    pub(crate) fn add_late(&mut self, rows: u64) {
        self.saved.rows_late += rows;
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
        assert_eq!((lateness.advance(30), lateness.watermark()), (30, 30));
    }
}
