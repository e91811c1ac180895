//! `tidegate` processes that a test watches while they run.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::{Outcome, Workplace};

/// How long a test waits for something that comes at once on a machine that is not overloaded.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so.
///
/// # Panics
/// If it takes too long.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    wait_up_to(PATIENCE, what, is_so);
}

/// As [`wait_until`], of what takes its time.
///
/// # Panics
/// If it takes longer than that.
#[track_caller]
pub fn wait_up_to(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < patience, "waited {patience:?} until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process that does not outlive its test.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl Running {
    /// Starts `tidegate` with the given arguments.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn start(place: &Workplace, arguments: &[&str]) -> Self {
        Self::of(place.command(arguments))
    }

    /// Starts a command of [`Workplace::command`].
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn of(mut command: Command) -> Self {
        Self(Some(command.spawn().expect("the binary starts")))
    }

    /// The number of the process.
    ///
    /// # Panics
    /// If it was waited for already.
    pub fn id(&self) -> u32 {
        self.0.as_ref().expect("it runs").id()
    }

    /// Sends it a signal, such as `INT`.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn end(mut self) -> Outcome {
        Outcome::of(self.0.take().expect("it runs").wait_with_output().expect("its output"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first file of this pattern in a place.
///
/// # Panics
/// If it is no pattern.
pub fn found(place: &Workplace, pattern: &str) -> Option<PathBuf> {
    let pattern = place.path(pattern);
    glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").find_map(Result::ok)
}

impl Running {
    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// If its state cannot be told.
    pub fn has_ended(&mut self) -> bool {
        self.0.as_mut().expect("it runs").try_wait().expect("its state").is_some()
    }
}
