//! Avro messages: plain ones, whose schema the table's columns give, and ones that begin with the number of a schema in a registry.

mod decoder;
mod encoder;
mod registry;
mod schema;

pub(crate) use decoder::{AvroDecoder, Framing};
pub(crate) use encoder::AvroEncoder;
pub(crate) use registry::Registry;
pub(crate) use schema::check_types;

use tidegate_options::{Kind, OptionDef};

/// The options of plain messages.
pub(crate) const OPTIONS: &[OptionDef] =
    &[OptionDef::new("avro.ignore-parse-errors", Kind::Bool, "false", "The same as 'on-error' = 'skip'.")];

/// The options of messages with a registry.
pub(crate) const REGISTRY_OPTIONS: &[OptionDef] = &[
    OptionDef::optional("avro-confluent.url", Kind::Text, "Where the schema registry is: http://host:port."),
    OptionDef::optional(
        "avro-confluent.subject",
        Kind::Text,
        "The name under which the schema of what is written is registered; by default the topic's with '-value' or '-key'.",
    ),
];

/// The mark in front of the number of a message's schema.
const MAGIC: u8 = 0;

/// How long the mark and the number are.
const PREFIX_BYTES: usize = 5;
