//! How far a job is: a bar on a terminal, a line now and then elsewhere. Always on standard error.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidegate_engine::Progress;

use super::{number, summary};
use crate::console::Console;

/// Where there is no terminal, a line is printed this often.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// The rate shown is that of about the last two seconds.
const RATE_SPAN: Duration = Duration::from_secs(2);
/// Steps of the bar.
const STEPS: u64 = 1000;

/// Shows progress.
pub(crate) enum ProgressView {
    /// Says nothing.
    Quiet,
    /// Redraws one line.
    Bar(Bar),
    /// Prints a line every [`LINE_INTERVAL`].
    Lines(Lines),
}

impl ProgressView {
    pub(crate) fn new(console: &Console) -> Self {
        match (console.quiet, console.err.terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar(Bar::default()),
            (false, false) => Self::Lines(Lines::default()),
        }
    }

    pub(crate) fn show(&self, console: &Console, progress: &Progress) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => bar.show(console, progress),
            Self::Lines(lines) => lines.show(console, progress),
        }
    }

    /// Takes the bar away for good, as what it showed is over.
    pub(crate) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.clear();
        }
    }

    /// Does something that prints, with the bar out of the way.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match self {
            Self::Bar(bar) => match bar.drawn.borrow().as_ref() {
                Some(drawn) => drawn.suspend(print),
                None => print(),
            },
            _ => print(),
        }
    }
}

/// A bar: `intent: learning ━━━━━──── 62 %  912,345 of 1,469,307 rows · 812k rows/s · 3 s left`.
#[derive(Default)]
pub(crate) struct Bar {
    drawn: RefCell<Option<ProgressBar>>,
    /// Whether the bar that is drawn has a known end.
    known: Cell<Option<bool>>,
    pace: RefCell<Pace>,
}

impl Bar {
    fn show(&self, console: &Console, progress: &Progress) {
        let facts = self.pace.borrow_mut().facts(progress);
        let mut drawn = self.drawn.borrow_mut();
        let bar = drawn
            .get_or_insert_with(|| ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10)));
        let known = facts.fraction.is_some();
        if self.known.replace(Some(known)) != Some(known) {
            bar.set_style(style(known, console.err.paint.enabled));
        }
        bar.set_prefix(progress.stage.clone());
        if let Some(fraction) = facts.fraction {
            bar.set_position((fraction * STEPS as f64) as u64);
        }
        bar.set_message(facts.text(progress, " · "));
    }

    fn clear(&self) {
        if let Some(bar) = self.drawn.borrow_mut().take() {
            bar.finish_and_clear();
            self.known.set(None);
        }
    }
}

fn style(known: bool, colored: bool) -> ProgressStyle {
    let template = match (known, colored) {
        (true, true) => "{prefix:.bold} {bar:24.cyan/dim} {percent:>3} %  {msg:.dim}",
        (true, false) => "{prefix} {bar:24} {percent:>3} %  {msg}",
        (false, true) => "{spinner:.cyan} {prefix:.bold}  {msg:.dim}",
        (false, false) => "{spinner} {prefix}  {msg}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => style.progress_chars("━╸─").tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]),
        Err(_) => ProgressStyle::default_bar(),
    }
}

/// Lines: `intent: learning: 62 %, 912,345 of 1,469,307 rows, 812k rows/s, 3 s left`.
#[derive(Default)]
pub(crate) struct Lines {
    pace: RefCell<Pace>,
    printed: Cell<Duration>,
    stage: RefCell<String>,
}

impl Lines {
    fn show(&self, console: &Console, progress: &Progress) {
        if let Some(line) = self.line(progress) {
            console.note(&line);
        }
    }

    /// The line to print, if it is time for one.
    fn line(&self, progress: &Progress) -> Option<String> {
        if *self.stage.borrow() != progress.stage {
            self.stage.replace(progress.stage.clone());
            self.printed.set(Duration::ZERO);
        }
        let facts = self.pace.borrow_mut().facts(progress);
        if progress.elapsed < self.printed.get() + LINE_INTERVAL {
            return None;
        }
        self.printed.set(progress.elapsed);
        let percent = facts.fraction.map(|f| format!("{:.0} %, ", f * 100.0)).unwrap_or_default();
        Some(format!("{}: {percent}{}", progress.stage, facts.text(progress, ", ")))
    }
}

/// Measures the rate of a stage from the reports on it.
#[derive(Debug, Default)]
struct Pace {
    stage: String,
    /// Reports of about the last [`RATE_SPAN`], oldest first.
    recent: std::collections::VecDeque<(Duration, u64)>,
}

/// What can be said about a report.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Facts {
    fraction: Option<f64>,
    rows_per_second: f64,
    left: Option<Duration>,
}

impl Pace {
    fn facts(&mut self, progress: &Progress) -> Facts {
        if self.stage != progress.stage || self.recent.back().is_some_and(|(t, _)| *t > progress.elapsed) {
            self.stage.clone_from(&progress.stage);
            self.recent.clear();
        }
        self.recent.push_back((progress.elapsed, progress.rows));
        while self.recent.len() > 2 && self.recent.get(1).is_some_and(|(t, _)| *t + RATE_SPAN <= progress.elapsed) {
            self.recent.pop_front();
        }
        let overall = (Duration::ZERO, 0);
        let (since, rows) = if self.recent.len() > 1 { self.recent[0] } else { overall };
        let seconds = progress.elapsed.saturating_sub(since).as_secs_f64();
        let fraction = fraction(progress);
        Facts {
            fraction,
            rows_per_second: if seconds > 0.0 { progress.rows.saturating_sub(rows) as f64 / seconds } else { 0.0 },
            left: fraction
                .filter(|f| *f > 0.001 && progress.elapsed >= Duration::from_secs(1))
                .and_then(|f| Duration::try_from_secs_f64(progress.elapsed.as_secs_f64() * (1.0 - f) / f).ok()),
        }
    }
}

/// The part that is done: of the rows where their total is known, else of the bytes.
fn fraction(progress: &Progress) -> Option<f64> {
    let part = |done: u64, total: Option<u64>| total.filter(|t| *t > 0).map(|t| (done as f64 / t as f64).min(1.0));
    part(progress.rows, progress.rows_total).or_else(|| part(progress.bytes, progress.bytes_total))
}

impl Facts {
    fn text(&self, progress: &Progress, separator: &str) -> String {
        let rows = match progress.rows_total {
            Some(total) => format!("{} of {}", number::count(progress.rows), number::counted(total, "row")),
            None => number::counted(progress.rows, "row"),
        };
        // A query that sorts or joins has read its rows long before it is done.
        if self.rows_per_second == 0.0 || self.fraction == Some(1.0) {
            return format!("{rows}{separator}computing");
        }
        let left = self.left.map(|left| format!("{separator}{} left", number::duration(left))).unwrap_or_default();
        let waited = summary::waited(&progress.backpressure);
        let waited = waited.map(|waited| format!("{separator}waits for {waited}")).unwrap_or_default();
        format!("{rows}{separator}{}{left}{waited}", number::rate(self.rows_per_second))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_engine::Backpressure;

    use super::*;

    fn at(seconds: f64, rows: u64, total: Option<u64>) -> Progress {
        Progress {
            stage: "intent: learning".to_string(),
            rows,
            rows_total: total,
            elapsed: Duration::from_secs_f64(seconds),
            ..Progress::default()
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_two_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.facts(&at(1.0, 1_000, None)).rows_per_second, 1_000.0);
        assert_eq!(pace.facts(&at(2.0, 2_000, None)).rows_per_second, 1_000.0);
        for (second, rows) in [(3.0, 12_000), (4.0, 22_000), (5.0, 32_000)] {
            pace.facts(&at(second, rows, None));
        }
        assert_eq!(pace.facts(&at(6.0, 42_000, None)).rows_per_second, 10_000.0);
    }

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let facts = Pace::default().facts(&at(10.0, 250, Some(1_000)));
        assert_eq!(facts.fraction, Some(0.25));
        assert_eq!(facts.left, Some(Duration::from_secs(30)));
        assert_eq!(facts.text(&at(10.0, 250, Some(1_000)), ", "), "250 of 1,000 rows, 25 rows/s, 30.0 s left");
    }

    #[test]
    fn what_a_stream_waits_for_is_said_where_it_matters() {
        let backpressure = Backpressure { waiting_for_sources: 0.02, waiting_for_sinks: 0.634 };
        let progress = Progress { backpressure, ..at(10.0, 250, None) };
        let facts = Pace::default().facts(&progress);
        assert_eq!(facts.text(&progress, ", "), "250 rows, 25 rows/s, waits for sinks 63 %");
    }

    #[test]
    fn a_query_that_has_read_everything_computes() {
        let (done, mut pace) = (at(3.0, 40, Some(40)), Pace::default());
        assert_eq!(pace.facts(&done).text(&done, " · "), "40 of 40 rows · computing");
        let stalled = at(9.0, 20, Some(40));
        pace.facts(&at(5.0, 20, Some(40)));
        pace.facts(&at(7.0, 20, Some(40)));
        assert_eq!(pace.facts(&stalled).text(&stalled, " · "), "20 of 40 rows · computing");
    }

    #[test]
    fn bytes_serve_where_rows_are_unknown() {
        let progress = Progress { bytes: 50, bytes_total: Some(200), ..at(1.0, 7, None) };
        assert_eq!(fraction(&progress), Some(0.25));
        assert_eq!(fraction(&at(1.0, 7, None)), None);
        assert_eq!(fraction(&at(1.0, 9, Some(7))), Some(1.0));
    }

    #[test]
    fn a_line_every_ten_seconds_of_a_stage() {
        let lines = Lines::default();
        let said: Vec<Option<String>> =
            [0.5, 9.9, 10.0, 15.0, 20.5].iter().map(|s| lines.line(&at(*s, 100, None))).collect();
        assert_eq!(said.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, false, true]);
        let next = Progress { stage: "INSERT INTO scored".to_string(), ..at(0.1, 1, None) };
        assert_eq!(lines.line(&next), None);
        let next = Progress { elapsed: Duration::from_secs(10), rows: 20, rows_total: Some(40), ..next };
        assert!(lines.line(&next).is_some_and(|line| line.starts_with("INSERT INTO scored: 50 %, 20 of 40 rows, ")));
    }
}
