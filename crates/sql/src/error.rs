//! What was wrong with a script, and where.

use std::fmt;
use std::ops::Range;

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Span as ParserSpan, Token, TokenWithSpan};

use crate::{Position, Source, Span};

/// A message about a place in a script, without the script.
///
/// What reads a parsed tree (the call reader, the planner) has spans and no text; [`Diagnostic::in_source`] joins the two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    /// The stretch to point at.
    pub span: Span,
    /// What was wrong and what was expected, in one sentence without its full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A message about `span`.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// Adds what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same message, of this script.
    pub fn in_source(self, source: &Source) -> SqlError {
        SqlError { script: source.clone(), span: self.span, message: self.message, help: self.help }
    }
}

/// What was wrong with a script. Its text is ready to print:
///
/// ```
/// use tidegate_sql::{Parameters, parse_script};
/// let wrong = parse_script("job.sql", "CREAT TABLE t (a INT);", &Parameters::default()).unwrap_err();
/// assert_eq!(wrong.to_string(), "\
/// job.sql:1:1: unknown statement 'CREAT'
///   |
/// 1 | CREAT TABLE t (a INT);
///   | ^^^^^
/// help: did you mean 'CREATE'?");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SqlError {
    /// The script.
    pub script: Source,
    /// The stretch to point at.
    pub span: Span,
    /// What was wrong and what was expected, in one sentence without its full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl SqlError {
    /// The bytes of the script to point at.
    pub fn range(&self) -> Range<usize> {
        self.script.range(self.span)
    }

    /// The message without the script, and so without its excerpt.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic { span: self.span, message: self.message.clone(), help: self.help.clone() }
    }
}

impl std::error::Error for SqlError {}

impl fmt::Debug for SqlError {
    /// As printed: a failed `unwrap` in a test should read like the message, and not show the script's whole text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.script.name, self.span.start, self.message)?;
        if let Some(line) = self.script.line(self.span.start.line) {
            let number = self.span.start.line.to_string();
            let margin = " ".repeat(number.len());
            let excerpt = Excerpt::of(line, self.span);
            write!(f, "\n{margin} |\n{number} | {}", excerpt.line)?;
            write!(f, "\n{margin} | {}{}", excerpt.indent, "^".repeat(excerpt.carets))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

/// An error for the parser library to carry: it knows no span, only a text that ends with a place.
pub(crate) fn parser_error(message: impl fmt::Display, span: ParserSpan) -> ParserError {
    ParserError::ParserError(format!("{message}{}", span.start))
}

/// Takes the place off the end of a parser's message.
pub(crate) fn split_place(message: &str) -> (&str, Option<Position>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else {
        return (message, None);
    };
    let place = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Position { line: line.parse().ok()?, column: column.parse().ok()? }));
    (if place.is_some() { text } else { message }, place)
}

/// Says what the parser library says in this project's words.
fn reworded(message: &str) -> String {
    let message = message.replace("found: EOF", "found end of statement").replace(", found: ", ", found ");
    match message.strip_prefix("Expected: ") {
        Some(rest) => format!("expected {rest}"),
        None => message.strip_prefix("Expected ").map_or_else(|| message.clone(), |rest| format!("expected {rest}")),
    }
}

/// What the parser library refused, and where: `tokens` are those of the statement, `end` is where it ends.
pub(crate) fn from_parser(error: ParserError, tokens: &[TokenWithSpan], end: Position) -> Diagnostic {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            let start = tokens.first().map_or(end, |token| token.span.start.into());
            return Diagnostic::new(Span::at(start), "the statement is nested too deeply")
                .with_help("split it: CREATE VIEW names a part of a query");
        }
    };
    let (message, place) = split_place(&message);
    let place = place.unwrap_or(end);
    let found = tokens.binary_search_by_key(&place, |token| token.span.start.into()).ok();
    let span = found
        .and_then(|index| tokens.get(index))
        .filter(|token| token.token != Token::EOF)
        .and_then(|token| Span::from_parser(token.span))
        .unwrap_or(Span::at(place));
    Diagnostic::new(span, reworded(message))
}

/// The most characters of a line that a message shows.
const EXCERPT_CHARACTERS_MAX: usize = 160;

/// The part of a line around a span.
struct Excerpt {
    line: String,
    indent: String,
    carets: usize,
}

impl Excerpt {
    fn of(line: &str, span: Span) -> Self {
        let length = line.chars().count();
        let start = (span.start.column.saturating_sub(1) as usize).min(length);
        let end = match span.end.line == span.start.line {
            true => (span.end.column.saturating_sub(1) as usize).clamp(start, length),
            false => length,
        };
        // A line as long as a generated one is cut to what surrounds the span.
        let cut = if length > EXCERPT_CHARACTERS_MAX { start.saturating_sub(EXCERPT_CHARACTERS_MAX / 2) } else { 0 };
        let shown = EXCERPT_CHARACTERS_MAX.min(length - cut);
        // Tabs stay tabs in the indent, so that the caret stands under the character however wide they are drawn.
        let indent = line.chars().skip(cut).take(start - cut).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        Self {
            line: line.chars().skip(cut).take(shown).collect(),
            indent,
            carets: (end - start).min(shown.saturating_sub(start - cut)).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    fn printed(text: &str, (line, from): (u32, u32), (end_line, to): (u32, u32)) -> String {
        let span = Span { start: Position { line, column: from }, end: Position { line: end_line, column: to } };
        Diagnostic::new(span, "wrong").in_source(&Source::new("f.sql", text)).to_string()
    }

    #[test]
    fn carets_stand_under_the_span() {
        assert_eq!(printed("one two", (1, 5), (1, 8)), "f.sql:1:5: wrong\n  |\n1 | one two\n  |     ^^^");
    }

    #[test]
    fn a_span_over_lines_is_marked_to_the_end_of_its_first() {
        assert_eq!(printed("one two\nthree", (1, 5), (2, 2)), "f.sql:1:5: wrong\n  |\n1 | one two\n  |     ^^^");
    }

    #[test]
    fn tabs_are_kept_and_the_end_of_the_text_is_one_caret() {
        assert_eq!(printed("\tx", (1, 2), (1, 3)), "f.sql:1:2: wrong\n  |\n1 | \tx\n  | \t^");
        assert_eq!(printed("ab", (1, 3), (1, 3)), "f.sql:1:3: wrong\n  |\n1 | ab\n  |   ^");
    }

    #[test]
    fn the_margin_is_as_wide_as_the_line_number() {
        let text = "\n".repeat(99) + "abc";
        assert_eq!(printed(&text, (100, 1), (100, 4)), "f.sql:100:1: wrong\n    |\n100 | abc\n    | ^^^");
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_span() {
        let text = "x".repeat(1000) + "HERE" + &"y".repeat(1000);
        let said = printed(&text, (1, 1001), (1, 1005));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[2].len(), "1 | ".len() + EXCERPT_CHARACTERS_MAX);
        let caret = lines[3].find('^').unwrap();
        assert_eq!(&lines[2][caret..caret + 4], "HERE");
    }
}
