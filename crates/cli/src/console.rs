//! The two outputs of the process: results on standard output, everything else on standard error.

use std::cell::{Cell, RefCell};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use clap::ColorChoice;
use serde::Serialize;

use crate::failure::Failure;
use crate::render::paint::Paint;
use crate::render::table::Canvas;

/// What the user wants to see, and where.
pub(crate) struct Console {
    /// Machine-readable output: one JSON object a line on standard output, and nothing else there.
    pub(crate) json: bool,
    /// No progress and no summaries.
    pub(crate) quiet: bool,
    /// Rows of a table that are shown; 0 for all.
    pub(crate) rows_max: Cell<usize>,
    pub(crate) out: Stream,
    pub(crate) err: Stream,
    /// Standard output is gone, as when `head` has seen enough. Jobs go on, and print nothing.
    closed: Cell<bool>,
    /// Why standard output could not be written, other than that.
    broken: RefCell<Option<io::Error>>,
}

/// An output and what it can show.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stream {
    pub(crate) terminal: bool,
    pub(crate) paint: Paint,
    /// Columns of the terminal.
    pub(crate) width: Option<usize>,
}

impl Console {
    pub(crate) fn new(json: bool, quiet: bool, rows_max: usize, color: ColorChoice) -> Self {
        let stream = |terminal: bool, size: Option<(terminal_size::Width, terminal_size::Height)>| Stream {
            terminal,
            paint: Paint { enabled: wants_color(color, terminal) },
            width: size.filter(|_| terminal).map(|(width, _)| usize::from(width.0)),
        };
        Self {
            json,
            quiet,
            rows_max: Cell::new(rows_max),
            out: stream(io::stdout().is_terminal(), terminal_size::terminal_size_of(io::stdout())),
            err: stream(io::stderr().is_terminal(), terminal_size::terminal_size_of(io::stderr())),
            closed: Cell::new(false),
            broken: RefCell::new(None),
        }
    }

    /// What tables on standard output are drawn on.
    pub(crate) fn canvas(&self) -> Canvas {
        Canvas { width: self.out.width, paint: self.out.paint }
    }

    /// Writes results.
    pub(crate) fn print(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.closed.get() {
            return;
        }
        let mut out = BufWriter::new(io::stdout().lock());
        if let Err(error) = write(&mut out).and_then(|()| out.flush()) {
            self.closed.set(true);
            if error.kind() != ErrorKind::BrokenPipe {
                self.broken.replace(Some(error));
            }
            // What is left in the buffer cannot be written either.
            let _ = out.into_parts();
        }
    }

    /// Writes a line of results.
    pub(crate) fn print_line(&self, line: impl AsRef<str>) {
        self.print(|out| writeln!(out, "{}", line.as_ref()));
    }

    /// Writes an object as a line of results.
    pub(crate) fn print_json(&self, object: &impl Serialize) {
        self.print(|out| {
            serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
            writeln!(out)
        });
    }

    /// Writes an object and what it is as a line of results: `{"type":kind,…}`.
    pub(crate) fn print_tagged(&self, kind: &'static str, object: impl Serialize) {
        self.print_json(&Tagged { kind, object });
    }

    /// Writes a line for the user, beside the results.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        // Nobody is left to be told if this fails.
        let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
    }

    /// Writes a warning.
    pub(crate) fn warn(&self, message: &str) {
        match self.json {
            true => self.print_tagged("warning", serde_json::json!({ "message": message })),
            false => self.note(format!("{}: {message}", self.err.paint.yellow("warning"))),
        }
    }

    /// Whether all results reached standard output, or nobody wanted the rest.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        match self.broken.take() {
            Some(error) => Err(Failure::Storage(format!("cannot write to standard output: {error}"))),
            None => Ok(()),
        }
    }
}

/// An object that says what it is.
#[derive(Serialize)]
struct Tagged<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    object: T,
}

fn wants_color(choice: ColorChoice, terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb"),
    }
}
