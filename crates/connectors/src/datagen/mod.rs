//! Rows made up by rule: Flink's `datagen`.
//!
//! Every value is a function of the seed, the column's name and the row's number, so that rows are the same each time, whatever
//! the size of batches, and reading can continue at any row. Row `i` is taken to be made at `start-time` plus `i` divided by
//! `rows-per-second`, which is what random dates and timestamps go back from.

mod field;
mod reader;

use std::sync::Arc;

use arrow::datatypes::{SchemaRef, TimeUnit};
use tidegate_options::{Kind, OptionDef, OptionError, nearest, resolve};

use self::field::FieldRule;
use self::reader::{DatagenScan, Rules};
use crate::filesystem::Hash;
use crate::format::time::parse_timestamp;
use crate::{CONNECTOR_OPTION, ConnectorDef, Error, Result, Scan, ScanRequest, Sink, SinkRequest, Table, TableSpec};

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "rows-per-second",
        Kind::Int { min: 1, max: i64::MAX },
        "10000",
        "No more rows than this come in a second.",
    ),
    OptionDef::optional(
        "number-of-rows",
        Kind::Int { min: 0, max: i64::MAX },
        "How many rows there are; without it, and without a sequence, there is no end.",
    ),
    OptionDef::new(
        "seed",
        Kind::Int { min: 0, max: i64::MAX },
        "0",
        "Where random values begin; the same seed gives the same rows.",
    ),
    OptionDef::new("start-time", Kind::Text, "2024-01-01 00:00:00", "When the first row is taken to be made."),
];

/// The options of a column; `#` stands for its name.
const FIELD_OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "fields.#.kind",
        Kind::Choice(&["random", "sequence"]),
        "random",
        "How the column's values are made.",
    ),
    OptionDef::optional(
        "fields.#.min",
        Kind::Text,
        "random: the smallest value; by default 0 for FLOAT, DOUBLE and DECIMAL and the smallest there is for whole numbers.",
    ),
    OptionDef::optional(
        "fields.#.max",
        Kind::Text,
        "random: the largest value; by default 1 for FLOAT, DOUBLE and DECIMAL and the largest there is for whole numbers.",
    ),
    OptionDef::new(
        "fields.#.max-past",
        Kind::Duration,
        "0 s",
        "random: how far a date or timestamp may lie before its row is made.",
    ),
    OptionDef::new(
        "fields.#.length",
        Kind::Int { min: 1, max: 1 << 20 },
        "100",
        "random: how long a STRING or BYTES is.",
    ),
    OptionDef::new(
        "fields.#.null-rate",
        Kind::Float { min: 0.0, max: 1.0 },
        "0",
        "random: which share of the values is NULL.",
    ),
    OptionDef::optional("fields.#.start", Kind::Int { min: i64::MIN, max: i64::MAX }, "sequence: the first value."),
    OptionDef::optional("fields.#.end", Kind::Int { min: i64::MIN, max: i64::MAX }, "sequence: the last value."),
];

const FIELD_PREFIX: &str = "fields.";

/// Rows made up by rule.
pub(crate) static DATAGEN: ConnectorDef = ConnectorDef {
    name: "datagen",
    doc: "Makes up rows: random values and sequences.",
    source_options: &[CONNECTOR_OPTION, OPTIONS, FIELD_OPTIONS],
    sink_options: &[],
    make: |spec| Ok(Arc::new(Datagen::new(spec)?)),
};

#[derive(Debug)]
struct Datagen {
    name: String,
    schema: SchemaRef,
    rules: Arc<Rules>,
}

impl Datagen {
    fn new(spec: &TableSpec) -> Result<Self> {
        let wrong = |source| Error::Option { table: spec.name.clone(), source };
        let names: Vec<&str> = spec.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut of_fields: Vec<Vec<(&str, &str)>> = vec![Vec::new(); names.len()];
        let mut plain = Vec::new();
        for (key, value) in &spec.options {
            if key.starts_with(FIELD_PREFIX) {
                let (column, name) = field_option(key, &names).map_err(wrong)?;
                of_fields[column].push((name, value));
            } else {
                plain.push((key.as_str(), value.as_str()));
            }
        }
        let options = resolve(&[CONNECTOR_OPTION, OPTIONS], plain).map_err(wrong)?;
        let start_time = options.text("start-time");
        let Some(start_nanos) = parse_timestamp(start_time.trim().as_bytes(), TimeUnit::Nanosecond) else {
            let message =
                format!("option 'start-time': '{start_time}' is not a timestamp such as '2024-01-01 00:00:00'");
            return Err(Error::declaration(&spec.name, Some("start-time"), message));
        };
        let seed = options.int("seed").unsigned_abs();
        let mut fields = Vec::with_capacity(names.len());
        let mut rows = options.int_opt("number-of-rows").map(i64::unsigned_abs);
        for (field, given) in spec.schema.fields().iter().zip(of_fields) {
            let own = resolve(&[FIELD_OPTIONS], given).map_err(|source| wrong(of_column(source, field.name())))?;
            let rule = FieldRule::new(&spec.name, field, &own, seed)?;
            rows = match (rows, rule.sequence_rows()) {
                (Some(rows), Some(sequence)) => Some(rows.min(sequence)),
                (rows, sequence) => rows.or(sequence),
            };
            fields.push(rule);
        }
        let mut settings = Hash::default();
        settings.add(format!("{seed} {start_nanos} {} {fields:?}", options.int("rows-per-second")).as_bytes());
        let rules = Rules {
            fields,
            rows,
            rows_per_second: options.int("rows-per-second").unsigned_abs(),
            start_nanos,
            settings: settings.0,
        };
        Ok(Self { name: spec.name.clone(), schema: spec.schema.clone(), rules: Arc::new(rules) })
    }
}

/// The column that an option such as `fields.price.min` is about, and the option's name in [`FIELD_OPTIONS`].
fn field_option(key: &str, names: &[&str]) -> Result<(usize, &'static str), OptionError> {
    let rest = key.strip_prefix(FIELD_PREFIX).unwrap_or(key);
    // From the last dot on, since a column's name may have dots.
    let found = rest.rsplit_once('.').and_then(|(column, option)| {
        let column = names.iter().position(|name| *name == column)?;
        let wanted = format!("{FIELD_PREFIX}#.{option}");
        Some((column, FIELD_OPTIONS.iter().find(|def| def.name == wanted)?.name))
    });
    found.ok_or_else(|| {
        let known: Vec<String> = names
            .iter()
            .flat_map(|name| FIELD_OPTIONS.iter().map(move |def| def.name.replacen('#', name, 1)))
            .collect();
        let nearest = nearest(key, known.iter().map(String::as_str)).map(str::to_string);
        OptionError::Unknown { key: key.to_string(), nearest, known }
    })
}

/// The error with the column's name in place of `#`.
fn of_column(mut error: OptionError, column: &str) -> OptionError {
    match &mut error {
        OptionError::Unknown { key, .. }
        | OptionError::BadValue { key, .. }
        | OptionError::Missing { key, .. }
        | OptionError::Twice { key } => *key = key.replacen('#', column, 1),
    }
    error
}

impl Table for Datagen {
    fn is_bounded(&self) -> bool {
        self.rules.rows.is_some()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Ok(Box::new(DatagenScan::new(&self.name, &self.schema, self.rules.clone(), request)?))
    }

    fn sink(&self, _request: &SinkRequest) -> Result<Box<dyn Sink>> {
        let what = "can only be read".to_string();
        Err(Error::Unsupported { table: self.name.clone(), connector: "datagen", what })
    }
}
