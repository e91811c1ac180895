//! Waits for a job on a cluster and shows how it goes, until it ends or the user has seen enough.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::jobs;
use super::progress::{JobProgress, Probe};
use super::rest::Client;
use super::submit::failure_of;
use crate::console::Console;
use crate::failure::Failure;
use crate::render::{cell, number};
use crate::stop::Stop;

/// How often the cluster is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often the user's wish to end is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// Where there is no terminal, a line is printed this often.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// A cluster that does not answer for so long is given up; its job manager may be restarted meanwhile.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// A job that is waited for.
pub(crate) struct Watch<'a> {
    pub(crate) client: &'a Client,
    /// Its id.
    pub(crate) id: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether each vertex is shown.
    pub(crate) table: bool,
    pub(crate) console: &'a Console,
    pub(crate) stop: &'a Stop,
}

/// How waiting ended, other than by a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The job came to its end.
    Finished,
    /// Someone cancelled it.
    Canceled,
    /// The user does not want to wait for it any longer; it goes on.
    Detached,
}

impl Watch<'_> {
    /// Waits until the job ends, or the user does not want to wait.
    pub(crate) fn to_the_end(&self) -> Result<Ended, Failure> {
        let view = View::new(self.console, self.name, self.table);
        let mut probe = Probe::new(self.client, self.id);
        let mut answered = Instant::now();
        let ended = loop {
            match probe.read() {
                Ok(progress) => {
                    answered = Instant::now();
                    let ended = jobs::has_ended(&progress.status);
                    view.show(self.id, &progress, ended);
                    if ended {
                        break progress;
                    }
                }
                Err(failure) if answered.elapsed() > AWAY_MAX => {
                    view.clear();
                    return Err(failure);
                }
                Err(_) => {}
            }
            if !self.waited() {
                view.clear();
                return Ok(Ended::Detached);
            }
        };
        view.clear();
        match ended.status.as_str() {
            "FINISHED" => {
                self.said(&ended);
                Ok(Ended::Finished)
            }
            "FAILED" => Err(failure_of(self.client, self.id, self.name)),
            _ => Ok(Ended::Canceled),
        }
    }

    /// Waits for the next time to ask; false if the user has had enough.
    fn waited(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < INTERVAL {
            if self.stop.is_asked() {
                return false;
            }
            std::thread::sleep(GLANCE);
        }
        true
    }

    fn said(&self, ended: &JobProgress) {
        let console = self.console;
        if console.json {
            return console.print_tagged("job", ended.object(self.id));
        }
        if !console.quiet {
            let span = number::duration(Duration::from_millis(ended.duration_ms));
            let line = format!("✓ {}: {} in {span}", cell::printable(self.name), ended.line(", "));
            console.note(console.err.paint.dim(line).to_string());
        }
    }
}

/// Shows progress on standard error, or with `--json` as objects.
enum View<'a> {
    Quiet,
    Objects(&'a Console),
    Bar { name: String, table: Option<&'a Console>, drawn: ProgressBar },
    Lines { console: &'a Console, name: String, table: bool, printed: Cell<Option<Instant>> },
}

impl<'a> View<'a> {
    fn new(console: &'a Console, name: &str, table: bool) -> Self {
        let name = cell::printable(name);
        if console.json {
            return Self::Objects(console);
        }
        if console.quiet {
            return Self::Quiet;
        }
        if !console.err.terminal {
            return Self::Lines { console, name, table, printed: Cell::new(None) };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style.tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]));
        }
        Self::Bar { name, table: table.then_some(console), drawn: bar }
    }

    fn show(&self, id: &str, progress: &JobProgress, ended: bool) {
        match self {
            Self::Quiet => {}
            Self::Objects(console) if !ended => console.print_tagged("progress", progress.object(id)),
            Self::Objects(_) => {}
            Self::Bar { name, table, drawn } => {
                let mut message = format!("{name}  {}", cell::printable(&progress.line(" · ")));
                if let Some(console) = table {
                    message.push('\n');
                    message.push_str(&drawn_table(progress, console));
                }
                drawn.set_message(message);
                drawn.tick();
            }
            Self::Lines { console, name, table, printed } => {
                // What is there at the end is in the closing line.
                let due = printed.get().is_none_or(|printed| printed.elapsed() >= LINE_INTERVAL) && !ended;
                if due || (ended && *table) {
                    printed.set(Some(Instant::now()));
                    console.note(format!("{name}: {}", cell::printable(&progress.line(", "))));
                    if *table {
                        console.note(drawn_table(progress, console).trim_end());
                    }
                }
            }
        }
    }

    fn clear(&self) {
        if let Self::Bar { drawn, .. } = self {
            drawn.finish_and_clear();
        }
    }
}

/// The vertices as a table for standard error.
fn drawn_table(progress: &JobProgress, console: &Console) -> String {
    let canvas = crate::render::table::Canvas { width: console.err.width, paint: console.err.paint };
    let mut text = Vec::new();
    // Memory takes everything.
    let _ = progress.table().write(&mut text, canvas);
    String::from_utf8_lossy(&text).into_owned()
}
