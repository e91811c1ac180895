//! JSON, one object a line or a message.
//!
//! Fields are found by name, a missing one is NULL, and fields that the table does not declare are passed over. A STRING column
//! takes numbers and booleans too, as their text; BYTES are hexadecimal digits. Timestamps are `yyyy-MM-dd HH:mm:ss[.f…]`, with a
//! `T` allowed in the middle and a zone at the end when reading.

#[cfg(feature = "kafka")]
mod message;
mod reader;
mod writer;

#[cfg(feature = "kafka")]
pub(crate) use message::{JsonDecoder, JsonMessageEncoder};
pub(crate) use reader::JsonReader;
pub(crate) use writer::JsonEncoder;
pub use writer::json_rows;

use tidegate_options::{Kind, OptionDef};

/// The options of the format.
pub(crate) const OPTIONS: &[OptionDef] = &[
    OptionDef::new("json.ignore-parse-errors", Kind::Bool, "false", "The same as 'on-error' = 'skip'."),
    OptionDef::new(
        "json.max-record-bytes",
        Kind::Int { min: 16, max: 1 << 28 },
        "16777216",
        "A line or message longer than this is a bad record.",
    ),
];
