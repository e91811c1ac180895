//! Comma-separated values, with the options of Flink's format.
//!
//! A field is NULL when it equals `csv.null-literal` (by default: when it is empty) and does not stand in quotes; a quoted empty
//! field is an empty string. With another null literal, an empty field is an empty string in a STRING column and NULL in all
//! others. Blank lines are passed over, except in files of one column, where they are NULL.

mod column;
mod marks;
#[cfg(feature = "kafka")]
mod message;
mod reader;
mod spans;
mod split;
mod writer;

#[cfg(feature = "kafka")]
pub(crate) use message::CsvDecoder;
pub(crate) use reader::{CsvReader, check};
pub(crate) use writer::CsvEncoder;

use arrow::datatypes::{DataType, Schema};
use tidegate_options::{Kind, OptionDef, Options};

use super::sql_type;
use crate::{Error, Result};

/// The option of files of the format; a message has no header.
pub(crate) const FILE_OPTIONS: &[OptionDef] = &[OptionDef::new(
    "csv.header",
    Kind::Bool,
    "true",
    "Whether the first line names the columns; if so they are found by name, in any order and case.",
)];

/// The options of the format.
pub(crate) const OPTIONS: &[OptionDef] = &[
    OptionDef::new("csv.field-delimiter", Kind::Text, ",", "The character between fields; '\\t' for a tab."),
    OptionDef::new(
        "csv.quote-character",
        Kind::Text,
        "\"",
        "The character around fields that hold special characters.",
    ),
    OptionDef::new("csv.disable-quote-character", Kind::Bool, "false", "Whether quotes are ordinary characters."),
    OptionDef::optional("csv.escape-character", Kind::Text, "The character that takes the meaning from the next one."),
    OptionDef::new("csv.allow-comments", Kind::Bool, "false", "Whether lines that begin with '#' are passed over."),
    OptionDef::new("csv.null-literal", Kind::Text, "", "What stands for NULL when it is not in quotes."),
    OptionDef::new("csv.ignore-parse-errors", Kind::Bool, "false", "The same as 'on-error' = 'skip'."),
    OptionDef::new(
        "csv.max-record-bytes",
        Kind::Int { min: 16, max: 1 << 28 },
        "1048576",
        "A record longer than this is a bad record.",
    ),
];

/// How a file's text is to be understood.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    pub(crate) header: bool,
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comments: bool,
    pub(crate) null: Vec<u8>,
    pub(crate) record_bytes_max: usize,
}

impl Dialect {
    /// Reads the options.
    pub(crate) fn new(table: &str, options: &Options) -> Result<Self> {
        let character = |name: &str| -> Result<Option<u8>> {
            match options.text_opt(name) {
                None => Ok(None),
                Some("\\t") => Ok(Some(b'\t')),
                Some(text) => match text.as_bytes() {
                    [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(Some(*byte)),
                    _ => {
                        let message = format!("option '{name}': '{text}' is not one ASCII character (or '\\t')");
                        Err(Error::declaration(table, Some(name), message))
                    }
                },
            }
        };
        let quoted = !options.bool("csv.disable-quote-character");
        let dialect = Self {
            header: options.bool("csv.header"),
            delimiter: character("csv.field-delimiter")?.unwrap_or(b','),
            quote: character("csv.quote-character")?.filter(|_| quoted),
            escape: character("csv.escape-character")?,
            comments: options.bool("csv.allow-comments"),
            null: options.text("csv.null-literal").as_bytes().to_vec(),
            record_bytes_max: usize::try_from(options.int("csv.max-record-bytes")).unwrap_or(1 << 20),
        };
        let special = [Some(dialect.delimiter), dialect.quote, dialect.escape];
        for (i, character) in special.iter().enumerate() {
            if character.is_some() && special[..i].contains(character) {
                let message = "the field delimiter, the quote and the escape character have to be different";
                return Err(Error::declaration(table, Some("csv.field-delimiter"), message));
            }
        }
        Ok(dialect)
    }
}

/// Refuses columns that the format has no form for.
pub(crate) fn check_types(table: &str, schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        match field.data_type() {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::Binary
            | DataType::Date32
            | DataType::Timestamp(_, _)
            | DataType::Decimal128(_, _) => {}
            other => {
                let (name, other) = (field.name(), sql_type(other));
                let message = format!("column '{name}': csv has no form for {other}; use the format json or parquet");
                return Err(Error::declaration(table, Some("format"), message));
            }
        }
    }
    Ok(())
}
