//! Topics of Apache Kafka.
//!
//! ```text
//! reading   scan.rs (where partitions begin and end) ──► reader.rs (one consumer) ──► rows.rs (keys and values as columns)
//! writing   sink.rs ──► spool.rs (a local file) ──► transaction.rs (rows and the number of their epoch, at once)
//! ```

mod bounds;
mod client;
mod columns;
mod direct;
mod encode;
mod format;
mod options;
mod producer;
mod properties;
mod reader;
mod rows;
mod scan;
mod sink;
mod spool;
mod transaction;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use tidegate_options::{OptionDef, Options, resolve};

use self::bounds::Bound;
use self::columns::Columns;
use self::format::{Format, Side, side_of};
use self::options::{OPTIONS, PROPERTIES, SINK_OPTIONS, SOURCE_OPTIONS};
use self::properties::Properties;
use self::scan::KafkaScan;
use crate::filesystem::{adopt_dead_letters, dead_letter_sink, on_error};
use crate::format::{avro, csv, debezium, json};
use crate::{
    CONNECTOR_OPTION, ConnectorDef, Error, OnError, Result, Scan, ScanRequest, Sink, SinkRequest, Table, TableSpec,
};

/// Topics of Apache Kafka.
pub(crate) static KAFKA: ConnectorDef = ConnectorDef {
    name: "kafka",
    doc: "Reads and writes topics of Apache Kafka.",
    source_options: &[
        CONNECTOR_OPTION,
        OPTIONS,
        SOURCE_OPTIONS,
        on_error::OPTIONS,
        csv::OPTIONS,
        json::OPTIONS,
        debezium::OPTIONS,
        avro::OPTIONS,
        avro::REGISTRY_OPTIONS,
    ],
    sink_options: &[CONNECTOR_OPTION, OPTIONS, SINK_OPTIONS, csv::OPTIONS, avro::OPTIONS, avro::REGISTRY_OPTIONS],
    make: |spec| Ok(Arc::new(Kafka(Arc::new(KafkaTable::new(spec)?)))),
};

/// Which partition of which of a table's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartId {
    topic: usize,
    partition: i32,
}

impl PartId {
    /// The number of the part: the partition's, and above it the topic's.
    fn number(self) -> u64 {
        (self.topic as u64) << 32 | self.partition as u64
    }

    fn from_number(number: u64) -> Self {
        Self { topic: (number >> 32) as usize, partition: (number & u64::from(u32::MAX)) as i32 }
    }
}

/// How often rows are there after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
    None,
}

/// Which partition a row goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Partitioner {
    /// By the hash of its key.
    Default,
    /// The first.
    Fixed,
    /// Each in turn.
    RoundRobin,
}

/// What is declared of a table.
#[derive(Debug)]
struct KafkaTable {
    name: String,
    schema: SchemaRef,
    base_dir: PathBuf,
    topics: Vec<String>,
    properties: Properties,
    /// Both are read and written with their columns; the value has none if all columns are in the key.
    key: Option<(Format, Columns)>,
    value: Option<(Format, Columns)>,
    /// `None` if the group was to say so and none is named: a table that is only written to needs none.
    start: Option<Bound>,
    stop: Option<Bound>,
    /// How often new partitions are looked for.
    discovery: Option<Duration>,
    on_error: OnError,
    dead_letters: Option<PathBuf>,
    guarantee: Guarantee,
    transactional_prefix: String,
    partitioner: Partitioner,
}

impl KafkaTable {
    fn new(spec: &TableSpec) -> Result<Self> {
        let table = spec.name.as_str();
        let options = connector_options(spec)?;
        let properties = Properties::new(spec)?;
        let wrong = |option: &str, message: &str| Err(Error::declaration(table, Some(option), message));
        let topics: Vec<String> =
            options.text("topic").split(';').map(|topic| topic.trim().to_string()).filter(|t| !t.is_empty()).collect();
        if topics.is_empty() {
            return wrong("topic", "'topic' names no topic");
        }
        if let Some(twice) = topics.iter().enumerate().find(|(i, topic)| topics[..*i].contains(topic)) {
            return wrong("topic", &format!("'topic' names '{}' twice", twice.1));
        }
        let (key, value) = columns::of(table, &spec.schema, &options)?;
        let key = match key {
            Some(columns) => {
                let name = options.text("key.format");
                let of_format = format::options(spec, Side::Key, name, "key.format")?;
                Some((Format::new(table, name, "key.format", &of_format, &columns)?, columns))
            }
            None => None,
        };
        let (value_option, value_name) = match (options.text_opt("format"), options.text_opt("value.format")) {
            (Some(name), None) => ("format", name),
            (None, Some(name)) => ("value.format", name),
            (Some(_), Some(_)) => {
                return wrong("value.format", "'value.format' is the same as 'format': set one of them");
            }
            (None, None) => return wrong("format", "option 'format' is missing: the format of the messages' values"),
        };
        let of_format = format::options(spec, Side::Value, value_name, value_option)?;
        let value_format = Format::new(table, value_name, value_option, &of_format, &value)?;
        let (on_error, dead_letters) = on_error::resolve(spec, &options, &of_format)?;
        let guarantee = match options.text("sink.delivery-guarantee") {
            "at-least-once" => Guarantee::AtLeastOnce,
            "none" => Guarantee::None,
            _ => Guarantee::ExactlyOnce,
        };
        let partitioner = match options.text("sink.partitioner") {
            "fixed" => Partitioner::Fixed,
            "round-robin" => Partitioner::RoundRobin,
            _ => Partitioner::Default,
        };
        let has_values = !value.places.is_empty();
        Ok(Self {
            start: bounds::start(table, &options, &properties, topics.len())?,
            stop: bounds::stop(table, &options, &properties, topics.len())?,
            name: spec.name.clone(),
            schema: spec.schema.clone(),
            base_dir: spec.base_dir.clone(),
            topics,
            properties,
            key,
            value: has_values.then_some((value_format, value)),
            discovery: options.duration("scan.topic-partition-discovery.interval").filter(|every| !every.is_zero()),
            on_error,
            dead_letters,
            guarantee,
            transactional_prefix: options.text("sink.transactional-id-prefix").to_string(),
            partitioner,
        })
    }
}

/// The options that are neither the client's nor a format's.
fn connector_options(spec: &TableSpec) -> Result<Options> {
    // The names of formats' options are known too, so that one that is nearly right is found.
    let known: Vec<&[OptionDef]> = [CONNECTOR_OPTION, OPTIONS, SOURCE_OPTIONS, SINK_OPTIONS, on_error::OPTIONS]
        .into_iter()
        .chain(format::TABLES)
        .collect();
    let is_ours = |key: &str| {
        let of_client = key.starts_with(PROPERTIES)
            && !OPTIONS.iter().chain(SOURCE_OPTIONS).any(|def| def.name == key && !key.ends_with('#'));
        !of_client && side_of(key).is_none()
    };
    let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(|(key, _)| is_ours(key));
    resolve(&known, given).map_err(|source| Error::Option { table: spec.name.clone(), source })
}

/// A table of topics, shared by what reads and writes it.
#[derive(Debug)]
struct Kafka(Arc<KafkaTable>);

impl Table for Kafka {
    fn is_bounded(&self) -> bool {
        self.0.stop.is_some()
    }

    fn on_error(&self) -> OnError {
        self.0.on_error
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Ok(Box::new(KafkaScan::new(&self.0, request)?))
    }

    fn sink(&self, request: &SinkRequest) -> Result<Box<dyn Sink>> {
        sink::open(&self.0, request)
    }

    fn dead_letter_sink(&self, request: &SinkRequest) -> Result<Option<Box<dyn Sink>>> {
        dead_letter_sink(&self.0.name, &self.0.base_dir, self.0.dead_letters.as_deref(), request)
    }

    fn adopt(&self, request: &SinkRequest, folder: &Path) -> Result<()> {
        match self.0.guarantee {
            Guarantee::ExactlyOnce => sink::adopt(&self.0, request, folder),
            Guarantee::AtLeastOnce | Guarantee::None => Ok(()),
        }
    }

    fn adopt_dead_letters(&self, request: &SinkRequest, folder: &Path) -> Result<()> {
        adopt_dead_letters(&self.0.name, &self.0.base_dir, self.0.dead_letters.as_deref(), request, folder)
    }
}
