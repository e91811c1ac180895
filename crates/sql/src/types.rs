//! The types of columns, in Flink's names.
//!
//! Whatever its spelling, a type becomes one of these forms of the parser library's [`DataType`], and nothing else:
//!
//! | written | form |
//! |---|---|
//! | `BOOLEAN` | `Boolean` |
//! | `TINYINT`, `SMALLINT`, `INT` / `INTEGER`, `BIGINT` | `TinyInt(None)`, `SmallInt(None)`, `Int(None)`, `BigInt(None)` |
//! | `FLOAT`, `DOUBLE [PRECISION]` | `Float(None)`, `Double(None)` |
//! | `DECIMAL(p, s)` / `DEC` / `NUMERIC`; p is 10 and s is 0 if not said | `Decimal(PrecisionAndScale(p, s))` |
//! | `STRING`, `VARCHAR` | `String(None)` |
//! | `VARCHAR(n)`, `CHAR(n)` (1 if not said) | `Varchar(Some(n))`, `Char(Some(n))` |
//! | `BYTES`, `BINARY(n)`, `VARBINARY(n)` | `Bytes(None)` |
//! | `DATE`, `TIME`, `TIME(p)` | `Date`, `Time(None, None)`, `Time(Some(p), None)` |
//! | `TIMESTAMP(p)` `[WITHOUT TIME ZONE]`; p is 6 if not said | `Timestamp(Some(p), None)` |
//! | `TIMESTAMP_LTZ(p)`, `TIMESTAMP(p) WITH LOCAL TIME ZONE` | `Timestamp(Some(p), WithTimeZone)` |
//! | `ARRAY<T>` | `Array(AngleBracket(T))` |
//! | `MAP<K, V>` | `Map(K, V)` |
//! | `ROW<a T, …>`, `ROW(a T, …)` | `Struct([a T, …], AngleBrackets)` |

use std::fmt::{self, Display};

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, StructBracketKind, StructField, TimezoneInfo,
};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};
use tidegate_options::nearest;

use crate::error::parser_error;

/// How deep types may stand in one another.
const DEPTH_MAX: usize = 32;

/// The names of types, for "did you mean".
const NAMES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "DEC",
    "NUMERIC",
    "STRING",
    "VARCHAR",
    "CHAR",
    "BYTES",
    "BINARY",
    "VARBINARY",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "ROW",
];

/// What other systems call a type, and what it is called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("BLOB", "BYTES"),
    ("BOOL", "BOOLEAN"),
    ("BYTEA", "BYTES"),
    ("DATETIME", "TIMESTAMP"),
    ("FLOAT32", "FLOAT"),
    ("FLOAT64", "DOUBLE"),
    ("INT16", "SMALLINT"),
    ("INT32", "INT"),
    ("INT64", "BIGINT"),
    ("INT8", "TINYINT"),
    ("JSON", "STRING"),
    ("LONG", "BIGINT"),
    ("NUMBER", "DECIMAL"),
    ("REAL", "FLOAT"),
    ("STRUCT", "ROW"),
    ("TEXT", "STRING"),
    ("TIMESTAMPTZ", "TIMESTAMP_LTZ"),
    ("UUID", "STRING"),
];

/// Reads a type; the parser stands on its first word.
pub(crate) fn parse(parser: &mut Parser) -> Result<DataType, ParserError> {
    let mut reader = Reader { parser, half_closed: None };
    let data_type = reader.data_type(0)?;
    match reader.half_closed {
        None => Ok(data_type),
        Some(span) => Err(parser_error("'>>' closes one type more than is open", span)),
    }
}

/// Whether the next token is this word, unquoted, whatever its case.
fn next_is(parser: &Parser, word: &str) -> bool {
    matches!(&parser.peek_token_ref().token,
        Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn take(parser: &mut Parser, word: &str) -> bool {
    let found = next_is(parser, word);
    if found {
        parser.next_token();
    }
    found
}

fn expect(parser: &mut Parser, words: &[&str]) -> Result<(), ParserError> {
    for word in words {
        if !take(parser, word) {
            return parser.expected(&words.join(" "), parser.peek_token());
        }
    }
    Ok(())
}

struct Reader<'p, 'a> {
    parser: &'p mut Parser<'a>,
    /// Where a `>>` stands of which the first `>` was taken.
    half_closed: Option<Span>,
}

impl Reader<'_, '_> {
    fn data_type(&mut self, depth: usize) -> Result<DataType, ParserError> {
        let token = self.parser.next_token();
        if depth > DEPTH_MAX {
            return Err(parser_error(format!("types stand more than {DEPTH_MAX} deep in one another"), token.span));
        }
        let name = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => return self.parser.expected("a type", token),
        };
        let data_type = match name.as_str() {
            "BOOLEAN" => DataType::Boolean,
            "TINYINT" => DataType::TinyInt(None),
            "SMALLINT" => DataType::SmallInt(None),
            "INT" | "INTEGER" => DataType::Int(None),
            "BIGINT" => DataType::BigInt(None),
            "FLOAT" => DataType::Float(ExactNumberInfo::None),
            "DOUBLE" => {
                take(self.parser, "PRECISION");
                DataType::Double(ExactNumberInfo::None)
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal(token.span)?,
            "STRING" => DataType::String(None),
            "VARCHAR" => match self.length("VARCHAR", 1, i32::MAX as u64)? {
                Some(length) => DataType::Varchar(Some(CharacterLength::IntegerLength { length, unit: None })),
                None => DataType::String(None),
            },
            "CHAR" => {
                let length = self.length("CHAR", 1, i32::MAX as u64)?.unwrap_or(1);
                DataType::Char(Some(CharacterLength::IntegerLength { length, unit: None }))
            }
            "BYTES" => DataType::Bytes(None),
            "BINARY" | "VARBINARY" => {
                self.length(&name, 1, i32::MAX as u64)?;
                DataType::Bytes(None)
            }
            "DATE" => DataType::Date,
            "TIME" => {
                let precision = self.length("TIME", 0, 9)?;
                if take(self.parser, "WITHOUT") {
                    expect(self.parser, &["TIME", "ZONE"])?;
                }
                DataType::Time(precision, TimezoneInfo::None)
            }
            "TIMESTAMP" => {
                let precision = self.length("TIMESTAMP", 0, 9)?.unwrap_or(6);
                DataType::Timestamp(Some(precision), self.time_zone()?)
            }
            "TIMESTAMP_LTZ" => {
                let precision = self.length("TIMESTAMP_LTZ", 0, 9)?.unwrap_or(6);
                DataType::Timestamp(Some(precision), TimezoneInfo::WithTimeZone)
            }
            "ARRAY" => {
                self.open("ARRAY<type>")?;
                let element = self.data_type(depth + 1)?;
                self.close()?;
                DataType::Array(ArrayElemTypeDef::AngleBracket(Box::new(element)))
            }
            "MAP" => {
                self.open("MAP<type, type>")?;
                let key = self.data_type(depth + 1)?;
                self.comma()?;
                let value = self.data_type(depth + 1)?;
                self.close()?;
                DataType::Map(Box::new(key), Box::new(value))
            }
            "ROW" => self.row(depth)?,
            _ => return Err(parser_error(unknown(&name, &token.to_string()), token.span)),
        };
        Ok(data_type)
    }

    fn row(&mut self, depth: usize) -> Result<DataType, ParserError> {
        let parentheses = self.parser.consume_token(&Token::LParen);
        if !parentheses {
            self.open("ROW<name type, …>")?;
        }
        let mut fields = Vec::new();
        loop {
            let name = self.parser.parse_identifier()?;
            let field_type = self.data_type(depth + 1)?;
            self.nullable()?;
            if matches!(self.parser.peek_token_ref().token, Token::SingleQuotedString(_)) {
                // What a field is for. The tree has no place for it.
                self.parser.next_token();
            }
            fields.push(StructField { field_name: Some(name), field_type, options: None });
            if self.half_closed.is_some() || !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        match parentheses {
            true => {
                self.parser.expect_token(&Token::RParen)?;
            }
            false => self.close()?,
        }
        Ok(DataType::Struct(fields, StructBracketKind::AngleBrackets))
    }

    fn nullable(&mut self) -> Result<(), ParserError> {
        if next_is(self.parser, "NOT") {
            let message = "NOT NULL inside a type is not supported: a field or an element may always be NULL";
            return Err(parser_error(message, self.parser.peek_token_ref().span));
        }
        take(self.parser, "NULL");
        Ok(())
    }

    fn open(&mut self, form: &str) -> Result<(), ParserError> {
        match self.parser.consume_token(&Token::Lt) {
            true => Ok(()),
            false => self.parser.expected(form, self.parser.peek_token()),
        }
    }

    /// Takes a `>`, or half of a `>>`.
    fn close(&mut self) -> Result<(), ParserError> {
        if self.half_closed.take().is_some() {
            return Ok(());
        }
        self.nullable()?;
        let token = self.parser.next_token();
        match token.token {
            Token::Gt => Ok(()),
            Token::ShiftRight => {
                self.half_closed = Some(token.span);
                Ok(())
            }
            _ => self.parser.expected("'>' after the type", token),
        }
    }

    fn comma(&mut self) -> Result<(), ParserError> {
        self.nullable()?;
        match self.half_closed {
            Some(span) => Err(parser_error("expected ',' and a second type, found '>>'", span)),
            None => self.parser.expect_token(&Token::Comma).map(|_| ()),
        }
    }

    /// A whole number in parentheses, if there is one.
    fn length(&mut self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ParserError> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok(None);
        }
        let value = self.number(name, min, max)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(Some(value))
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> Result<u64, ParserError> {
        let token = self.parser.next_token();
        match &token.token {
            Token::Number(text, false) => match text.parse() {
                Ok(value) if (min..=max).contains(&value) => Ok(value),
                _ => Err(parser_error(
                    format!("{name} takes a whole number from {min} to {max}, found {text}"),
                    token.span,
                )),
            },
            _ => self.parser.expected("a whole number", token),
        }
    }

    fn decimal(&mut self, span: Span) -> Result<DataType, ParserError> {
        let (mut precision, mut scale) = (10, 0);
        if self.parser.consume_token(&Token::LParen) {
            precision = self.number("DECIMAL", 1, 38)?;
            if self.parser.consume_token(&Token::Comma) {
                scale = self.number("the scale of DECIMAL", 0, 38)?;
            }
            self.parser.expect_token(&Token::RParen)?;
        }
        if scale > precision {
            let message = format!("DECIMAL({precision}, {scale}) has more digits after the point than it has digits");
            return Err(parser_error(message, span));
        }
        Ok(DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale as i64)))
    }

    fn time_zone(&mut self) -> Result<TimezoneInfo, ParserError> {
        if take(self.parser, "WITHOUT") {
            expect(self.parser, &["TIME", "ZONE"])?;
            return Ok(TimezoneInfo::None);
        }
        if !next_is(self.parser, "WITH") {
            return Ok(TimezoneInfo::None);
        }
        let with = self.parser.next_token();
        if next_is(self.parser, "TIME") {
            let message = "TIMESTAMP WITH TIME ZONE is not supported; write TIMESTAMP_LTZ";
            return Err(parser_error(message, with.span));
        }
        expect(self.parser, &["LOCAL", "TIME", "ZONE"])?;
        Ok(TimezoneInfo::WithTimeZone)
    }
}

fn unknown(name: &str, written: &str) -> String {
    let near = match ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        Some((_, here)) => Some(*here),
        None => nearest(name, NAMES.iter().copied()),
    };
    match near {
        Some(near) => format!("unknown type {written}; did you mean {near}?"),
        None => format!("unknown type {written}; known are {}", NAMES.join(", ")),
    }
}

/// Shows a type as Flink writes it.
///
/// ```
/// use sqlparser::ast::{DataType, TimezoneInfo};
/// let data_type = DataType::Timestamp(Some(3), TimezoneInfo::WithTimeZone);
/// assert_eq!(tidegate_sql::types::display(&data_type).to_string(), "TIMESTAMP_LTZ(3)");
/// ```
pub fn display(data_type: &DataType) -> impl Display + '_ {
    Shown(data_type)
}

struct Shown<'t>(&'t DataType);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DataType::Bytes(_) => write!(f, "BYTES"),
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
                write!(f, "DECIMAL({precision}, {scale})")
            }
            DataType::Timestamp(Some(precision), TimezoneInfo::WithTimeZone) => {
                write!(f, "TIMESTAMP_LTZ({precision})")
            }
            DataType::Array(ArrayElemTypeDef::AngleBracket(element)) => write!(f, "ARRAY<{}>", Shown(element)),
            DataType::Map(key, value) => write!(f, "MAP<{}, {}>", Shown(key), Shown(value)),
            DataType::Struct(fields, _) => {
                write!(f, "ROW<")?;
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        write!(f, ", ")?;
                    }
                    if let Some(name) = &field.field_name {
                        write!(f, "{name} ")?;
                    }
                    write!(f, "{}", Shown(&field.field_type))?;
                }
                write!(f, ">")
            }
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse_type;

    #[test]
    fn types_are_shown_as_they_are_read() {
        for (text, expected) in [
            ("integer", "INT"),
            ("double precision", "DOUBLE"),
            ("dec", "DECIMAL(10, 0)"),
            ("NUMERIC(12,2)", "DECIMAL(12, 2)"),
            ("varchar", "STRING"),
            ("VARCHAR(20)", "VARCHAR(20)"),
            ("CHAR", "CHAR(1)"),
            ("VARBINARY(8)", "BYTES"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
            ("TIMESTAMP_LTZ", "TIMESTAMP_LTZ(6)"),
            ("TIME(3)", "TIME(3)"),
            ("ARRAY<ARRAY<STRING>>", "ARRAY<ARRAY<STRING>>"),
            ("MAP<STRING, ARRAY<MAP<INT, DOUBLE>>>", "MAP<STRING, ARRAY<MAP<INT, DOUBLE>>>"),
            ("ROW(a INT, `b c` STRING 'what')", "ROW<a INT, `b c` STRING>"),
            ("ROW<a ROW<b ARRAY<INT>>, c BYTES>", "ROW<a ROW<b ARRAY<INT>>, c BYTES>"),
        ] {
            let shown = display(&parse_type(text).unwrap()).to_string();
            assert_eq!(shown, expected, "{text}");
            assert_eq!(display(&parse_type(&shown).unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        let said = |text: &str| parse_type(text).unwrap_err().message;
        assert_eq!(said("STRNG"), "unknown type STRNG; did you mean STRING?");
        assert_eq!(said("text"), "unknown type text; did you mean STRING?");
        assert_eq!(said("ARRAY<INT"), "expected '>' after the type, found end of statement");
        assert_eq!(said("ARRAY<INT>>"), "'>>' closes one type more than is open");
        assert_eq!(said("MAP<ARRAY<INT>>"), "expected ',' and a second type, found '>>'");
        assert_eq!(said("DECIMAL(5, 7)"), "DECIMAL(5, 7) has more digits after the point than it has digits");
        assert_eq!(said("DECIMAL(39)"), "DECIMAL takes a whole number from 1 to 38, found 39");
        assert_eq!(said("TIMESTAMP(12)"), "TIMESTAMP takes a whole number from 0 to 9, found 12");
        assert_eq!(said("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE is not supported; write TIMESTAMP_LTZ");
        assert_eq!(said("ARRAY"), "expected ARRAY<type>, found end of statement");
        assert_eq!(said(&"ARRAY<".repeat(40)), "types stand more than 32 deep in one another");
    }
}
