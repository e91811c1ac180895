//! The interactive shell.

mod complete;
mod dot;
mod prompt;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustyline::config::{BellStyle, Builder, ColorMode};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Editor, EventHandler, KeyCode, KeyEvent, Modifiers};
use tidegate_engine::{Error, Session};
use tidegate_sql::{Parameters, Statement};

use crate::args::GlobalArgs;
use crate::commands::sql::execute;
use crate::console::Console;
use crate::failure::Failure;
use crate::observer::Reporter;
use crate::render::error::report;
use crate::render::number;
use crate::script::ScriptText;
use crate::stop::Stop;
use dot::Dot;
use prompt::{ShellHelper, is_whole};

/// Inputs that the history keeps.
const HISTORY_MAX: usize = 5_000;

/// Reads statements from the terminal and runs them until the user leaves. Errors are told and do not end it.
pub(crate) fn run(
    global: &GlobalArgs,
    session: Session,
    parameters: Parameters,
    console: &Console,
) -> Result<(), Failure> {
    let stop = Stop::on_interrupt().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    let mut editor = editor(console).map_err(|error| Failure::Storage(format!("cannot use the terminal: {error}")))?;
    let history = global.home.join("history");
    // There is none before the first time.
    let _ = editor.load_history(&history);
    let mut shell = Shell { session, parameters, console, stop };
    shell.greet();
    loop {
        if let Some(helper) = editor.helper_mut() {
            helper.vocabulary.set_names(shell.session.names());
        }
        match editor.readline("tidegate> ") {
            Ok(input) if input.trim().is_empty() => {}
            Ok(input) => {
                // A history that cannot grow is no reason to refuse an input.
                let _ = editor.add_history_entry(input.trim_end());
                if shell.input(&input) == Next::Leave {
                    break;
                }
            }
            // Ctrl-C: the line is gone, the shell stays.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(Failure::Storage(format!("cannot read from the terminal: {error}"))),
        }
    }
    save_history(&mut editor, &history, console);
    Ok(())
}

fn editor(console: &Console) -> rustyline::Result<Editor<ShellHelper, DefaultHistory>> {
    let config = Builder::new()
        .max_history_size(HISTORY_MAX)?
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        .color_mode(if console.out.paint.enabled { ColorMode::Enabled } else { ColorMode::Disabled })
        .tab_stop(4)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(ShellHelper::new(console.out.paint)));
    // Alt-Enter starts a new line even after a semicolon.
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(rustyline::Cmd::Newline));
    Ok(editor)
}

fn save_history(editor: &mut Editor<ShellHelper, DefaultHistory>, path: &Path, console: &Console) {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let saved = fs::create_dir_all(&folder).map_err(ReadlineError::from).and_then(|()| editor.save_history(path));
    if let Err(error) = saved {
        console.warn(&format!("cannot save the history in {}: {error}", path.display()));
    }
}

/// What comes after an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Prompt,
    Leave,
}

struct Shell<'a> {
    session: Session,
    /// What was given on the command line, and the defaults set so far.
    parameters: Parameters,
    console: &'a Console,
    stop: Stop,
}

impl Shell<'_> {
    fn greet(&self) {
        if !self.console.quiet && !self.console.json {
            let version = env!("CARGO_PKG_VERSION");
            let hint = "statements end with ;  .help shows more";
            self.console.note(format!("tidegate {version} · {}", self.console.err.paint.dim(hint)));
        }
    }

    fn input(&mut self, input: &str) -> Next {
        match Dot::read(input) {
            Some(Ok(dot)) => return self.dot(&dot),
            Some(Err(failure)) => report(self.console, &failure),
            None => self.statements(&ScriptText::here("input", input)),
        }
        Next::Prompt
    }

    fn dot(&mut self, dot: &Dot) -> Next {
        match dot {
            Dot::Quit => return Next::Leave,
            Dot::Help => self.console.print_line(dot::HELP),
            Dot::MaxRows(rows) => self.console.rows_max.set(*rows),
            Dot::Statement(text) => self.statements(&ScriptText::here("input", *text)),
            Dot::Read(path) => match ScriptText::open(path) {
                Ok(text) => self.statements(&text),
                Err(failure) => report(self.console, &failure),
            },
        }
        Next::Prompt
    }

    /// Runs statements and tells how it went.
    fn statements(&mut self, text: &ScriptText) {
        let start = Instant::now();
        let script = match text.parse(&self.parameters) {
            Ok(script) => script,
            Err(error) => return report(self.console, &error.into()),
        };
        self.stop.reset();
        let reporter = Reporter::chatty(self.console, &self.stop);
        let result = execute(&mut self.session, &script, &reporter);
        reporter.end();
        let rows_shown = reporter.take_rows_shown();
        match result {
            Ok(()) => {
                script.statements.iter().for_each(|located| self.remember(&located.statement));
                if let Some(rows) = rows_shown.filter(|_| !self.console.json && !self.console.quiet) {
                    let line = format!("{} · {}", number::counted(rows, "row"), number::duration(start.elapsed()));
                    self.console.note(self.console.err.paint.dim(line).to_string());
                }
            }
            Err(Error::Stopped { .. }) => self.console.note("stopped"),
            Err(error) => report(self.console, &error.into()),
        }
    }

    /// Keeps the parameters' defaults, which later inputs are parsed with.
    fn remember(&mut self, statement: &Statement) {
        match statement {
            Statement::Set { key, value } => {
                if let Some(name) = key.strip_prefix("param.") {
                    // The parser has refused what cannot be a name.
                    let _ = self.parameters.set_default(name, value.as_str());
                }
            }
            Statement::Reset { key: None } => self.parameters.reset_defaults(),
            Statement::Reset { key: Some(key) } => {
                if let Some(name) = key.strip_prefix("param.") {
                    self.parameters.reset_default(name);
                }
            }
            _ => {}
        }
    }
}

/// Whether an input can be run as it stands.
pub(super) fn is_complete(input: &str) -> bool {
    Dot::read(input).is_some() || is_whole(input)
}
