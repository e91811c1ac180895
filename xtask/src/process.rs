//! Running other programs, and telling what is being run and how long it took.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// The command as it would be typed.
pub fn line(command: &Command) -> String {
    let quoted = |part: &OsStr| {
        let part = part.to_string_lossy();
        let plain = !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c));
        if plain { part.into_owned() } else { format!("'{}'", part.replace('\'', "'\\''")) }
    };
    std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect::<Vec<_>>().join(" ")
}

/// Shows the command, runs it with our own input and output, and fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", line(command)).into()) }
}

/// Runs the command quietly and returns what it printed. What it complained about is part of the error if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}\n{}", line(command), output.status, complaint.trim_end()).into())
}

/// Whether the command exists and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("{} is not installed, or not in PATH", command.get_program().to_string_lossy()),
        _ => format!("cannot start {}: {error}", command.get_program().to_string_lossy()),
    }
}

/// Stages with their times, for the summary at the end.
#[derive(Default)]
pub struct Stages(Vec<(String, Duration)>);

impl Stages {
    /// Prints a header, does the work, prints how long it took and keeps it for the summary.
    pub fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let done = work();
        let took = start.elapsed();
        self.0.push((name.to_owned(), took));
        match done {
            Ok(value) => {
                eprintln!("== {name}: done in {}", duration(took));
                Ok(value)
            }
            Err(error) => {
                eprintln!("== {name}: FAILED after {}", duration(took));
                Err(format!("{name}: {error}").into())
            }
        }
    }

    /// One line a stage, and their sum.
    pub fn print_summary(&self) {
        eprintln!("\n== summary");
        for (name, took) in &self.0 {
            eprintln!("{name:<12} {:>10}", duration(*took));
        }
        eprintln!("{:<12} {:>10}", "total", duration(self.0.iter().map(|(_, took)| *took).sum()));
    }
}

/// A duration as a person reads it: `0.4 s`, `12.0 s`, `3 m 05 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        format!("{} m {:02} s", (seconds.round() as u64) / 60, (seconds.round() as u64) % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_by_people() {
        assert_eq!(duration(Duration::from_millis(430)), "0.4 s");
        assert_eq!(duration(Duration::from_millis(59_970)), "1 m 00 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 m 05 s");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("tidegate");
        command.args(["run", "job.sql", "--param", "day=2017-12-01", "it's", ""]);
        assert_eq!(line(&command), r"tidegate run job.sql --param day=2017-12-01 'it'\''s' ''");
    }
}
