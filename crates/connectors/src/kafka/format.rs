//! The formats of keys and values, chosen by options.

use std::sync::Arc;

use tidegate_options::{OptionDef, OptionError, Options, resolve};

use super::columns::Columns;
use super::options::FORMATS;
use crate::format::avro::{self, AvroDecoder, AvroEncoder, Framing, Registry};
use crate::format::csv::{self, CsvDecoder, CsvEncoder, Dialect};
use crate::format::debezium::{self, DebeziumDecoder, DebeziumEncoder};
use crate::format::json::{self, JsonDecoder, JsonMessageEncoder};
use crate::format::message::{MessageDecoder, MessageEncoder};
use crate::format::raw::{self, RawDecoder, RawEncoder};
use crate::{Error, Result, TableSpec};

/// The options of all formats.
pub(super) const TABLES: [&[OptionDef]; 5] =
    [csv::OPTIONS, json::OPTIONS, avro::OPTIONS, avro::REGISTRY_OPTIONS, debezium::OPTIONS];

/// A format with its options read.
#[derive(Debug, Clone)]
pub(super) enum Format {
    Json { record_bytes_max: usize },
    Csv(Dialect),
    Avro(Framing, Option<String>),
    Debezium { has_schema: bool },
    Raw,
}

/// Which part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Key,
    Value,
}

impl Side {
    fn prefix(self) -> &'static str {
        match self {
            Self::Key => "key.",
            Self::Value => "value.",
        }
    }
}

/// The format that an option belongs to.
fn owner(key: &str) -> Option<&'static str> {
    FORMATS.iter().find(|format| key.strip_prefix(**format).is_some_and(|rest| rest.starts_with('.'))).copied()
}

/// Which side's format an option is for, and its name without the side in front. `None`: it is not a format's.
pub(super) fn side_of(key: &str) -> Option<(Side, &str)> {
    for side in [Side::Key, Side::Value] {
        if let Some(rest) = key.strip_prefix(side.prefix())
            && owner(rest).is_some()
        {
            return Some((side, rest));
        }
    }
    owner(key).map(|_| (Side::Value, key))
}

/// The options of one side's format.
pub(super) fn options(spec: &TableSpec, side: Side, format: &str, format_option: &str) -> Result<Options> {
    let table = spec.name.as_str();
    let mut of_side = Vec::new();
    for (key, value) in &spec.options {
        let Some((_, name)) = side_of(key).filter(|(of, _)| *of == side) else { continue };
        if owner(name) != Some(format) {
            let owner = owner(name).unwrap_or_default();
            let message = format!("option '{key}' is for the format {owner}, but '{format_option}' is '{format}'");
            return Err(Error::declaration(table, Some(key), message));
        }
        of_side.push((key.as_str(), name, value.as_str()));
    }
    // An error names the option as it was written.
    let as_written =
        |name: &str| of_side.iter().find(|(_, of, _)| *of == name).map_or(name, |(key, _, _)| key).to_string();
    resolve(&TABLES, of_side.iter().map(|(_, name, value)| (*name, *value))).map_err(|source| {
        let source = match source {
            OptionError::Unknown { key, nearest, known } => {
                OptionError::Unknown { key: as_written(&key), nearest, known }
            }
            OptionError::BadValue { key, value, expected } => {
                OptionError::BadValue { key: as_written(&key), value, expected }
            }
            OptionError::Twice { key } => OptionError::Twice { key: as_written(&key) },
            other => other,
        };
        Error::Option { table: table.to_string(), source }
    })
}

impl Format {
    /// Reads the options, and refuses columns that the format has no form for.
    pub(super) fn new(table: &str, name: &str, option: &str, options: &Options, columns: &Columns) -> Result<Self> {
        Ok(match name {
            "csv" => {
                csv::check_types(table, &columns.schema)?;
                Self::Csv(Dialect::new(table, options)?)
            }
            "avro" => {
                avro::check_types(table, option, &columns.schema)?;
                Self::Avro(Framing::Plain, None)
            }
            "avro-confluent" => {
                avro::check_types(table, option, &columns.schema)?;
                let Some(url) = options.text_opt("avro-confluent.url") else {
                    let message = "the format avro-confluent needs 'avro-confluent.url', where the schema registry is";
                    return Err(Error::declaration(table, Some(option), message));
                };
                let registry = Registry::new(table, "avro-confluent.url", url)?;
                Self::Avro(Framing::Registry(registry), options.text_opt("avro-confluent.subject").map(str::to_string))
            }
            "debezium-json" => Self::Debezium { has_schema: options.bool("debezium-json.schema-include") },
            "raw" => {
                raw::check_types(table, option, &columns.schema)?;
                Self::Raw
            }
            _ => {
                let record_bytes_max = usize::try_from(options.int("json.max-record-bytes")).unwrap_or(1 << 24);
                Self::Json { record_bytes_max }
            }
        })
    }

    /// Reads messages of `columns`, of which `wanted` are given.
    pub(super) fn decoder(
        &self,
        columns: &Columns,
        wanted: &[usize],
        batch_rows: usize,
    ) -> Result<Box<dyn MessageDecoder>> {
        let project = columns.schema.project(wanted).map_err(Error::arrow("the columns of a scan"))?;
        let schema = Arc::new(project);
        Ok(match self {
            Self::Json { record_bytes_max } => Box::new(JsonDecoder::new(schema, batch_rows, *record_bytes_max)),
            Self::Csv(dialect) => Box::new(CsvDecoder::new(dialect, &columns.schema, wanted, schema)),
            Self::Avro(framing, _) => {
                Box::new(AvroDecoder::new(framing.clone(), &columns.schema, wanted, schema, batch_rows))
            }
            Self::Debezium { has_schema } => Box::new(DebeziumDecoder::new(schema, batch_rows, *has_schema)),
            Self::Raw => Box::new(RawDecoder { schema }),
        })
    }

    /// Writes rows of `columns` as messages of a topic.
    pub(super) fn encoder(
        &self,
        table: &str,
        columns: &Columns,
        topic: &str,
        side: Side,
    ) -> Result<Box<dyn MessageEncoder>> {
        Ok(match self {
            Self::Json { .. } => Box::new(JsonMessageEncoder::default()),
            Self::Csv(dialect) => Box::new(CsvEncoder::new(table, dialect, &columns.schema)),
            Self::Avro(framing, subject) => {
                let side = side.prefix().trim_end_matches('.');
                let subject = subject.clone().unwrap_or_else(|| format!("{topic}-{side}"));
                Box::new(AvroEncoder::new(framing.clone(), subject, &columns.schema))
            }
            Self::Debezium { has_schema: true } => {
                let message =
                    "'debezium-json.schema-include' = 'true' is for reading: rows are written without their schema";
                return Err(Error::declaration(table, Some("debezium-json.schema-include"), message));
            }
            Self::Debezium { has_schema: false } => Box::new(DebeziumEncoder::default()),
            Self::Raw => Box::new(RawEncoder),
        })
    }
}
