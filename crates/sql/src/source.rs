//! Where a piece of a script stands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use sqlparser::tokenizer::{Location, Span as ParserSpan};

/// The text of a script, and the name it is known by in messages.
///
/// Cheap to clone: every error carries its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A file name, or a word such as `command line`.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// A place in a script. Lines and columns start at 1; a column counts characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A stretch of a script: from `start` up to, and not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

impl Position {
    /// The first character of a script.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl Span {
    /// An empty stretch at one place.
    pub fn at(position: Position) -> Self {
        Self { start: position, end: position }
    }

    /// From the start of this one to the end of `other`.
    pub fn to(self, other: Span) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    /// The stretch that the parser's own span stands for; `None` if that one is empty, as it is on what was not written.
    pub fn from_parser(span: ParserSpan) -> Option<Self> {
        if span.start.line == 0 {
            return None;
        }
        Some(Self { start: span.start.into(), end: span.end.into() })
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        let number = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
        Self { line: number(location.line), column: number(location.column) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Source {
    /// A script called `name`.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The line with this number, without its line break.
    pub fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.text.split('\n').nth(index).map(|text| text.trim_end_matches('\r'))
    }

    /// The byte offset of a place; the end of the line or of the text for a place beyond it.
    pub fn offset(&self, position: Position) -> usize {
        let mut start = 0;
        for line in self.text.split_inclusive('\n').take(position.line.saturating_sub(1) as usize) {
            start += line.len();
        }
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        let column = position.column.saturating_sub(1) as usize;
        start + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset)
    }

    /// The byte offsets of a stretch.
    pub fn range(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start);
        start..self.offset(span.end).max(start)
    }

    /// The text of a stretch.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[self.range(span)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn a_span_is_found_again_in_the_text() {
        let source = Source::new("a.sql", "ab\r\nçé '€'\n\nlast");
        assert_eq!(source.slice(Span { start: at(2, 2), end: at(2, 7) }), "é '€'");
        assert_eq!(source.slice(Span { start: at(4, 1), end: at(4, 5) }), "last");
        assert_eq!(source.line(1), Some("ab"));
        assert_eq!(source.line(3), Some(""));
        assert_eq!(source.line(5), None);
    }

    #[test]
    fn places_beyond_the_text_are_its_end() {
        let source = Source::new("a.sql", "ab\ncd");
        assert_eq!(source.offset(at(1, 99)), 2);
        assert_eq!(source.offset(at(9, 9)), 5);
        assert_eq!(source.range(Span { start: at(2, 2), end: at(1, 1) }), 4..4);
    }
}
