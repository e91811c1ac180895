//! Errors: a report with the script's excerpt on a terminal, plain text elsewhere, an object with `--json`.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};
use tidegate_sql::SqlError;

use crate::console::Console;
use crate::failure::Failure;

/// Tells the user, in the form that the console asks for.
pub(crate) fn report(console: &Console, failure: &Failure) {
    if console.json {
        console.print_json(&as_json(failure));
    } else {
        console.note(as_text(console, failure));
    }
}

/// The text for standard error.
fn as_text(console: &Console, failure: &Failure) -> String {
    let paint = console.err.paint;
    if let Some(error) = failure.script_error() {
        return match console.err.terminal {
            true => graphical(error, console.err.width.unwrap_or(100), paint.enabled),
            false => error.to_string(),
        };
    }
    let label = match failure.is_stop() {
        true => String::new(),
        false => format!("{}: ", paint.red("error")),
    };
    let help = failure.help().map(|help| format!("\n{}: {help}", paint.cyan("help"))).unwrap_or_default();
    format!("{label}{failure}{help}")
}

/// `{"type":"error",…}`.
fn as_json(failure: &Failure) -> Value {
    let error = failure.script_error();
    json!({
        "type": "error",
        "message": error.map_or_else(|| failure.to_string(), |error| error.message.clone()),
        "file": error.map(|error| error.script.name.as_str()),
        "line": error.map(|error| error.span.start.line),
        "column": error.map(|error| error.span.start.column),
        "help": error.map_or_else(|| failure.help(), |error| error.help.clone()),
        "exit_code": failure.exit_code(),
    })
}

/// Shows an error of a script in its surroundings.
fn graphical(error: &SqlError, width: usize, colored: bool) -> String {
    let theme = if colored { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_context_lines(1)
        .without_syntax_highlighting();
    let mut text = String::new();
    match handler.render_report(&mut text, &Excerpt::of(error)) {
        Ok(()) => text.trim_end().to_string(),
        Err(_) => error.to_string(),
    }
}

/// An error of a script as miette wants it.
struct Excerpt<'a> {
    error: &'a SqlError,
    source: NamedSource<std::sync::Arc<str>>,
}

impl<'a> Excerpt<'a> {
    fn of(error: &'a SqlError) -> Self {
        Self { error, source: NamedSource::new(&error.script.name, error.script.text.clone()) }
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Excerpt<'_> {}

impl Diagnostic for Excerpt<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let range = self.error.range();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".to_string()), range))))
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.error.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sql::{Diagnostic as Message, Position, Source, Span};

    use super::*;

    fn wrong() -> SqlError {
        let source = Source::new("job.sql", "SET 'a' = 'b';\nCREAT TABLE t (a INT);\n");
        let place = |column| Position { line: 2, column };
        Message::new(Span { start: place(1), end: place(6) }, "unknown statement 'CREAT'")
            .with_help("did you mean 'CREATE'?")
            .in_source(&source)
    }

    #[test]
    fn the_excerpt_points_at_the_place() {
        let text = graphical(&wrong(), 80, false);
        assert!(text.contains("unknown statement 'CREAT'"), "{text}");
        assert!(text.contains("job.sql:2:1"), "{text}");
        assert!(text.contains("2 │ CREAT TABLE t (a INT);"), "{text}");
        assert!(text.contains("help: did you mean 'CREATE'?"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        assert!(graphical(&wrong(), 80, true).contains('\x1b'));
    }

    #[test]
    fn json_has_the_place_and_the_exit_code() {
        assert_eq!(
            as_json(&Failure::from(wrong())),
            json!({
                "type": "error", "message": "unknown statement 'CREAT'", "file": "job.sql", "line": 2, "column": 1,
                "help": "did you mean 'CREATE'?", "exit_code": 2,
            })
        );
        let other = Failure::command("no script at 'x.sql'");
        assert_eq!(as_json(&other)["file"], Value::Null);
    }
}
