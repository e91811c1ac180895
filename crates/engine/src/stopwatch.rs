//! How long things take, for reports. Nothing that a job computes may depend on it: operators read no clock.

use std::time::{Duration, Instant};

/// Measures from when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
