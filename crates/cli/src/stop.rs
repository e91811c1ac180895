//! Ctrl-C: the first asks the job to stop at a checkpoint, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit code of a process that a user stopped.
const EXIT_STOPPED: i32 = 130;

/// Whether the user asked to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Listens for SIGINT and SIGTERM, as a job does.
    pub(crate) fn on_signals() -> io::Result<Self> {
        Self::on(&[SIGINT, SIGTERM])
    }

    /// Listens for SIGINT only: a shell that waits for input ends on SIGTERM at once.
    pub(crate) fn on_interrupt() -> io::Result<Self> {
        Self::on(&[SIGINT])
    }

    fn on(signals: &[i32]) -> io::Result<Self> {
        let stop = Self::default();
        for signal in signals {
            // In this order: the first signal finds the flag down, passes, and raises it; the second finds it up.
            flag::register_conditional_shutdown(*signal, EXIT_STOPPED, stop.asked.clone())?;
            flag::register(*signal, stop.asked.clone())?;
        }
        Ok(stop)
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Forgets a signal that was acted upon.
    pub(crate) fn reset(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_raises_the_flag() {
        let stop = Stop::on(&[signal_hook::consts::SIGUSR1]).unwrap();
        assert!(!stop.is_asked());
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
        assert!(stop.is_asked());
        stop.reset();
        assert!(!stop.is_asked());
    }
}
