//! Telling an observer how far a job is.

use std::time::{Duration, Instant};

use super::sources::Sources;
use crate::checkpoint::RunHandle;
use crate::requests::Inbox;
use crate::{Backpressure, Observer, Progress};

/// How often progress is told.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What there is to read, where that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    rows: Option<u64>,
    bytes: Option<u64>,
}

impl Totals {
    /// Rows and bytes in all; unknown if they are unknown of one.
    pub(super) fn sum(parts: impl Iterator<Item = (Option<u64>, Option<u64>)>) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
        let none = Self { rows: Some(0), bytes: Some(0) };
        parts.fold(none, |all, (rows, bytes)| Self { rows: add(all.rows, rows), bytes: add(all.bytes, bytes) })
    }
}

/// A job and its observer.
pub(super) struct Watch<'a> {
    stage: String,
    sources: &'a Sources,
    totals: Totals,
    /// Rows read again, of how many, in a later pass over the same rows.
    again: Option<(u64, u64)>,
    observer: &'a dyn Observer,
    pub(super) began: Instant,
    told: Instant,
    inbox: Option<Inbox>,
    backpressure: Backpressure,
}

impl<'a> Watch<'a> {
    pub(super) fn begin(stage: &str, sources: &'a Sources, totals: Totals, observer: &'a dyn Observer) -> Self {
        let now = Instant::now();
        observer.progress(&Progress { stage: stage.to_string(), ..Progress::default() });
        Self {
            stage: stage.to_string(),
            sources,
            totals,
            again: None,
            observer,
            began: now,
            told: now,
            inbox: None,
            backpressure: Backpressure::default(),
        }
    }

    /// Refuses what is asked of a job that has no state before its end.
    pub(super) fn answering(mut self, run: Option<&RunHandle>) -> Self {
        self.inbox = run.map(|run| Inbox::new(&run.folder));
        self
    }

    /// Sets what a stream has waited for so far.
    pub(super) fn set_backpressure(&mut self, backpressure: Backpressure) {
        self.backpressure = backpressure;
    }

    /// Warns the user.
    pub(super) fn warn(&self, message: &str) {
        self.observer.warning(message);
    }

    /// Sets what there is to read, when that is known only later.
    pub(super) fn set_totals(&mut self, totals: Totals) {
        self.totals = totals;
    }

    /// Begins another pass over rows that have been read.
    pub(super) fn pass(&mut self, stage: String, rows: u64) {
        self.stage = stage;
        self.again = Some((0, rows));
    }

    /// As [`Watch::look`], after rows of another pass.
    pub(super) fn look_after(&mut self, rows: u64) -> bool {
        if let Some((read, _)) = &mut self.again {
            *read += rows;
        }
        self.look()
    }

    /// Tells how far the job is and asks whether it should stop, if that was not done lately.
    pub(super) fn look(&mut self) -> bool {
        let due = self.told.elapsed() >= PROGRESS_EVERY;
        if due {
            self.told = Instant::now();
            self.tell();
            // Whoever asks must not be able to stop the job by a file that cannot be read.
            if let Some(Ok(Some(asked))) = self.inbox.as_mut().map(Inbox::next) {
                let _ = asked.refuse(format!(
                    "it runs {}, a bounded query, which has no state to save before it ends; Ctrl-C stops it",
                    self.stage
                ));
            }
        }
        due && self.should_stop()
    }

    /// Whether the job should stop.
    pub(super) fn should_stop(&self) -> bool {
        self.observer.should_stop()
    }

    /// Tells how far the job is.
    pub(super) fn tell(&self) {
        let reports = self.sources.reports();
        let sources = Progress {
            stage: self.stage.clone(),
            rows: reports.iter().map(|report| report.rows + report.bad).sum(),
            rows_total: self.totals.rows,
            bytes: reports.iter().map(|report| report.bytes).sum(),
            bytes_total: self.totals.bytes,
            elapsed: self.began.elapsed(),
            backpressure: self.backpressure,
        };
        self.observer.progress(&match self.again {
            Some((rows, total)) => Progress { rows, rows_total: Some(total), bytes: 0, bytes_total: None, ..sources },
            None => sources,
        });
    }
}
