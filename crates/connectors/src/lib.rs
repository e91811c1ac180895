//! Sources and sinks: how tables are read and written.
//!
//! A table's `'connector'` option names one of [`CONNECTORS`]; [`open_table`] checks the options and gives a [`Table`], which
//! is read through [`Scan`] and [`Reader`] and written through [`Sink`]. Reading can continue from any [`Position`]; a sink
//! shows each row exactly once, whenever the process is killed. A connector is added by adding a file and a line to
//! [`CONNECTORS`].
//!
//! ```
//! use std::sync::Arc;
//! use arrow::datatypes::{DataType, Field, Schema};
//! use tidegate_connectors::{ScanRequest, TableSpec, open_table};
//!
//! let options = [("connector", "datagen"), ("number-of-rows", "3"), ("fields.dice.min", "1"), ("fields.dice.max", "6")];
//! let table = open_table(&TableSpec {
//!     name: "throws".to_string(),
//!     schema: Arc::new(Schema::new(vec![Field::new("dice", DataType::Int32, true)])),
//!     options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
//!     base_dir: ".".into(),
//! })?;
//! let scan = table.scan(&ScanRequest::default())?;
//! let mut reader = scan.open(0, None)?;
//! let chunk = reader.next()?.expect("there are three rows");
//! assert_eq!(chunk.batch.num_rows(), 3);
//!
//! // Another reader goes on where this one stopped: at the end.
//! let mut rest = scan.open(0, Some(&chunk.position))?;
//! assert!(rest.next()?.is_none());
//! # Ok::<(), tidegate_connectors::Error>(())
//! ```

mod blackhole;
mod datagen;
mod error;
mod filesystem;
mod format;
#[cfg(feature = "kafka")]
mod kafka;
mod lookup;
mod nexmark;
mod pace;
mod print;
mod table;

pub use error::{Error, Result};
pub use filesystem::commit::forget;
pub use format::json::json_rows;
pub use lookup::Reload;
pub use table::{
    BadRecord, Chunk, ColumnFilter, CommitMode, Committed, CompareOp, Fingerprint, HandedOver, OnError, PartEvent,
    PartOrder, PartsReader, Position, Reader, Scan, ScanRequest, Sink, SinkRequest, Table, TableSpec,
    dead_letter_schema, dead_letters,
};

use std::sync::Arc;

use tidegate_options::{Kind, OptionDef};

/// A connector: what it is called, what it takes, and how a table of it is made.
#[derive(Debug)]
pub struct ConnectorDef {
    /// What stands in `'connector' = '…'`.
    pub name: &'static str,
    /// One sentence: what it is for.
    pub doc: &'static str,
    /// The options that matter when it is read. `#` in a name stands for a column's name.
    pub source_options: &'static [&'static [OptionDef]],
    /// The options that matter when it is written.
    pub sink_options: &'static [&'static [OptionDef]],
    /// Checks the options and makes the table.
    pub make: fn(&TableSpec) -> Result<Arc<dyn Table>>,
}

/// Every connector.
pub static CONNECTORS: &[&ConnectorDef] = &[
    &filesystem::FILESYSTEM,
    #[cfg(feature = "kafka")]
    &kafka::KAFKA,
    &datagen::DATAGEN,
    &nexmark::NEXMARK,
    &print::PRINT,
    &blackhole::BLACKHOLE,
];

/// The option that every table has.
const CONNECTOR_OPTION: &[OptionDef] = &[OptionDef::required("connector", Kind::Text, "What the table is made of.")];

/// Finds the table's connector and lets it check the options.
///
/// # Errors
/// No connector or an unknown one is named, or an option is refused.
pub fn open_table(spec: &TableSpec) -> Result<Arc<dyn Table>> {
    let known = CONNECTORS.iter().map(|def| def.name);
    let Some((_, name)) = spec.options.iter().find(|(key, _)| key == "connector") else {
        return Err(Error::MissingConnector { table: spec.name.clone(), known: known.collect::<Vec<_>>().join(", ") });
    };
    match CONNECTORS.iter().find(|def| def.name.eq_ignore_ascii_case(name)) {
        Some(def) => (def.make)(spec),
        None => Err(Error::UnknownConnector {
            table: spec.name.clone(),
            name: name.clone(),
            hint: error::did_you_mean(name, known),
        }),
    }
}
