//! Where in a script something is wrong.

use datafusion::error::DataFusionError;
use tidegate_sql::{Diagnostic, Position, Source, Span};

use crate::Error;

/// The functions of the FROM clause that give rows windows.
const WINDOW_FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// A stretch of a script to point at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub source: &'a Source,
    pub span: Span,
}

impl<'a> Place<'a> {
    pub(crate) fn new(source: &'a Source, span: Span) -> Self {
        Self { source, span }
    }

    /// The error that something here is wrong.
    pub(crate) fn refuse(&self, message: impl Into<String>) -> Error {
        Diagnostic::new(self.span, message).in_source(self.source).into()
    }

    /// An error with what to do about it.
    pub(crate) fn refuse_with_help(&self, message: impl Into<String>, help: impl Into<String>) -> Error {
        Diagnostic::new(self.span, message).with_help(help).in_source(self.source).into()
    }

    /// A refusal whose own place is known.
    pub(crate) fn diagnosed(&self, diagnostic: Diagnostic) -> Error {
        diagnostic.in_source(self.source).into()
    }

    /// An error of planning: DataFusion knows the place of some, ours of all; the rest are about the statement.
    pub(crate) fn planning(&self, error: DataFusionError) -> Error {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Diagnostic>() {
                Ok(diagnostic) => self.diagnosed(*diagnostic),
                Err(inner) => Error::from(DataFusionError::External(inner)),
            },
            DataFusionError::Context(_, inner) => self.planning(*inner),
            DataFusionError::Diagnostic(diagnostic, inner) => {
                let span = diagnostic.span.map(|span| Span {
                    start: position(span.start.line, span.start.column),
                    end: position(span.end.line, span.end.column),
                });
                let hints =
                    diagnostic.helps.iter().map(|h| &h.message).chain(diagnostic.notes.iter().map(|n| &n.message));
                let help = hints.map(|hint| in_our_words(hint)).collect::<Vec<_>>().join("; ");
                let message = in_our_words(&diagnostic.message);
                let place = Place::new(self.source, span.unwrap_or(self.span));
                match *inner {
                    // One of ours in DataFusion's wrapping.
                    DataFusionError::External(_) => place.planning(*inner),
                    _ if help.is_empty() => match suggestion(&inner) {
                        Some(help) => place.refuse_with_help(message, help),
                        None => place.refuse(message),
                    },
                    _ => place.refuse_with_help(message, help),
                }
            }
            DataFusionError::Collection(mut errors) if !errors.is_empty() => self.planning(errors.remove(0)),
            DataFusionError::Internal(_) | DataFusionError::ResourcesExhausted(_) | DataFusionError::IoError(_) => {
                Error::from(error)
            }
            DataFusionError::SchemaError(ref inner, _) => {
                let message = inner.to_string();
                match suggestion(&error) {
                    Some(help) => self.refuse_with_help(first_sentence(&message), help),
                    None => self.refuse(first_sentence(&message)),
                }
            }
            other => self.refuse(plain(&other.strip_backtrace())),
        }
    }

    /// An error of running: a construct that a stream cannot hold is found in the statement.
    pub(crate) fn running(&self, error: Error) -> Error {
        match error {
            Error::Unstreamable { construct, instead, table } => {
                let span = find_construct(self.source.slice(self.span), construct)
                    .map(|(from, to)| Span { start: self.after(from), end: self.after(to) });
                let message = format!("{construct} over the unbounded table '{table}' never comes to an end");
                Place::new(self.source, span.unwrap_or(self.span)).refuse_with_help(message, instead)
            }
            other => other,
        }
    }

    /// The position so many bytes after the start.
    fn after(&self, bytes: usize) -> Position {
        let text = &self.source.slice(self.span)[..bytes];
        match text.rfind('\n') {
            Some(newline) => Position {
                line: self.span.start.line + text.matches('\n').count() as u32,
                column: text[newline + 1..].chars().count() as u32 + 1,
            },
            None => {
                Position { line: self.span.start.line, column: self.span.start.column + text.chars().count() as u32 }
            }
        }
    }
}

/// DataFusion's words about names, in the form that all our messages have.
fn in_our_words(text: &str) -> String {
    let quoted = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix('\'');
    if let Some(name) = quoted("Invalid function '") {
        return format!("there is no function {}", name.to_uppercase());
    }
    if let Some(name) = quoted("Possible function '") {
        return format!("did you mean {}?", name.to_uppercase());
    }
    match text.strip_prefix("possible column ") {
        Some(name) => format!("did you mean '{}'?", name.rsplit('.').next().unwrap_or(name)),
        None => text.to_string(),
    }
}

fn position(line: u64, column: u64) -> Position {
    let number = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column) }
}

/// Where the keyword of a construct stands in a statement, in bytes.
fn find_construct(text: &str, construct: &str) -> Option<(usize, usize)> {
    let text = text.to_ascii_uppercase();
    let keywords = ["GROUP BY", "ORDER BY", "LIMIT", "JOIN", "OVER", "DISTINCT", "SELECT"];
    let named = keywords.into_iter().filter(|keyword| construct.contains(keyword));
    let place = |word: &str| text.find(word).map(|from| (from, from + word.len()));
    // A window function is found by its call: its name alone may be a part of a column's.
    let window = WINDOW_FUNCTIONS.into_iter().find(|name| construct.starts_with(name));
    match window {
        Some(name) => place(&format!("{name}(")).map(|(from, to)| (from, to - 1)),
        None => named.filter_map(place).next(),
    }
}

/// What DataFusion says after a message about a name: the valid ones.
fn suggestion(error: &DataFusionError) -> Option<String> {
    let message = error.strip_backtrace();
    let (_, fields) = message.split_once("Valid fields are ")?;
    Some(format!("the columns are {}", fields.trim_end_matches('.').replace("\"", "")))
}

fn first_sentence(message: &str) -> String {
    message.split(" Valid fields are").next().unwrap_or(message).trim_end_matches('.').to_string()
}

/// A message without the class of error that DataFusion puts before it.
fn plain(message: &str) -> String {
    let message = message.trim();
    for prefix in ["Error during planning: ", "This feature is not implemented: ", "Execution error: ", "SQL error: "] {
        if let Some(rest) = message.strip_prefix(prefix) {
            return plain(rest);
        }
    }
    message.trim_end_matches('.').to_string()
}
