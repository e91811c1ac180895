//! Tells the user what a run does: as text, or with `--json` as objects.

use std::cell::Cell;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::json;
use tidegate_engine::{Done, Observer, Progress};

use crate::console::Console;
use crate::render::progress::ProgressView;
use crate::render::table::Table;
use crate::render::{cell, json, summary};
use crate::stop::Stop;

/// Watches a run for the console.
pub(crate) struct Reporter<'a> {
    console: &'a Console,
    stop: &'a Stop,
    progress: ProgressView,
    /// In the shell: says what definitions did, and how many rows there were.
    chatty: bool,
    rows_shown: Cell<Option<u64>>,
    tables_shown: Cell<u64>,
    stop_told: Cell<bool>,
}

impl<'a> Reporter<'a> {
    /// For a script.
    pub(crate) fn new(console: &'a Console, stop: &'a Stop) -> Self {
        Self {
            console,
            stop,
            progress: ProgressView::new(console),
            chatty: false,
            rows_shown: Cell::new(None),
            tables_shown: Cell::new(0),
            stop_told: Cell::new(false),
        }
    }

    /// For the shell.
    pub(crate) fn chatty(console: &'a Console, stop: &'a Stop) -> Self {
        Self { chatty: true, ..Self::new(console, stop) }
    }

    /// Takes away what only made sense while the run went on.
    pub(crate) fn end(&self) {
        self.progress.clear();
    }

    /// Rows of the results since this was last asked; `None` if there was no result.
    pub(crate) fn take_rows_shown(&self) -> Option<u64> {
        self.rows_shown.take()
    }
}

impl Observer for Reporter<'_> {
    fn statement(&self, _index: usize, _summary: &str) {
        self.progress.clear();
    }

    fn progress(&self, progress: &Progress) {
        self.progress.show(self.console, progress);
    }

    fn rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        self.rows_shown.set(Some(self.rows_shown.get().unwrap_or(0) + rows as u64));
        if self.console.json {
            return self.progress.suspend(|| self.console.print(|out| json::write_rows(out, schema, batches)));
        }
        let table = Table::from_batches(schema, batches, self.console.rows_max.get());
        let first = self.tables_shown.replace(self.tables_shown.get() + 1) == 0;
        self.progress.suspend(|| {
            self.console.print(|out| {
                if !first && !self.chatty {
                    writeln!(out)?;
                }
                table.write(out, self.console.canvas())
            });
        });
    }

    fn warning(&self, message: &str) {
        self.progress.suspend(|| self.console.warn(message));
    }

    fn done(&self, done: &Done) {
        self.progress.clear();
        let console = self.console;
        if console.json {
            match done {
                Done::Statement { message } => console.print_tagged("statement", json!({ "message": message })),
                Done::Job(job) => console.print_tagged("job", job),
                Done::AlreadyDone { message } => console.print_tagged("already_done", json!({ "message": message })),
            }
            return;
        }
        if console.quiet {
            return;
        }
        let paint = console.err.paint;
        match done {
            Done::Statement { message } if self.chatty => console.note(paint.dim(cell::printable(message)).to_string()),
            Done::Statement { .. } => {}
            Done::Job(job) => summary::lines(job, paint).iter().for_each(|line| console.note(line)),
            Done::AlreadyDone { message } => {
                console
                    .note(paint.dim(format!("✓ {message}: done before the interruption, not run again")).to_string());
            }
        }
    }

    fn should_stop(&self) -> bool {
        let asked = self.stop.is_asked();
        if asked && !self.stop_told.replace(true) && !self.console.quiet {
            self.progress.suspend(|| self.console.note("stopping at a checkpoint; press Ctrl-C again to end at once"));
        }
        asked
    }
}
