//! The formats of files and of messages.

#[cfg(feature = "kafka")]
pub(crate) mod avro;
pub(crate) mod csv;
#[cfg(feature = "kafka")]
pub(crate) mod debezium;
pub(crate) mod halves;
pub(crate) mod json;
#[cfg(feature = "kafka")]
pub(crate) mod message;
pub(crate) mod number;
pub(crate) mod parquet;
#[cfg(feature = "kafka")]
pub(crate) mod raw;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod zone;

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};

use crate::{BadRecord, Error, OnError, Result};

/// What is read of a file, whatever its format.
#[derive(Debug, Clone)]
pub(crate) struct ReadPlan {
    /// The table's columns.
    pub(crate) table: SchemaRef,
    /// Which of them are wanted, in this order.
    pub(crate) columns: Vec<usize>,
    /// The wanted columns.
    pub(crate) schema: SchemaRef,
    pub(crate) batch_rows: usize,
    pub(crate) limit: usize,
    pub(crate) on_error: OnError,
    /// The folder that file names are shown from.
    pub(crate) base_dir: PathBuf,
}

impl ReadPlan {
    /// A file's name as it stands in messages.
    pub(crate) fn label(&self, path: &Path) -> String {
        path.strip_prefix(&self.base_dir).unwrap_or(path).display().to_string()
    }

    /// A batch of the wanted columns, which may be none.
    pub(crate) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(Error::arrow("making a batch of what was read"))
    }
}

/// The rows of a batch that could not be read, each with its first reason.
#[derive(Debug)]
pub(crate) struct BadRows {
    is_bad: Vec<bool>,
    reasons: Vec<(usize, String)>,
}

impl BadRows {
    pub(crate) fn new(rows: usize) -> Self {
        Self { is_bad: vec![false; rows], reasons: Vec::new() }
    }

    /// Marks a row. The first reason given stays.
    pub(crate) fn mark(&mut self, row: usize, reason: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.is_bad[row], true) {
            self.reasons.push((row, reason()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn is_bad(&self, row: usize) -> bool {
        self.is_bad[row]
    }

    /// The marked rows in order.
    pub(crate) fn into_reasons(mut self) -> Vec<(usize, String)> {
        self.reasons.sort_by_key(|(row, _)| *row);
        self.reasons
    }

    /// Which rows are good.
    pub(crate) fn good(&self) -> BooleanArray {
        self.is_bad.iter().map(|bad| Some(!bad)).collect()
    }
}

/// The bad records of one batch by the table's policy: to be handed on, or the first of them to stop at.
pub(crate) fn stop_at(on_error: OnError, bad: &mut Vec<(usize, BadRecord)>) -> Option<(usize, Error)> {
    if on_error != OnError::Fail || bad.is_empty() {
        return None;
    }
    let first = bad.swap_remove(bad.iter().enumerate().min_by_key(|(_, (row, _))| *row).map_or(0, |(i, _)| i));
    bad.clear();
    Some((first.0, Error::BadRecord(first.1)))
}

/// The name of a type in SQL, for messages.
pub(crate) fn sql_type(data_type: &DataType) -> String {
    let precision = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match data_type {
        DataType::Boolean => "BOOLEAN".to_string(),
        DataType::Int8 => "TINYINT".to_string(),
        DataType::Int16 => "SMALLINT".to_string(),
        DataType::Int32 => "INT".to_string(),
        DataType::Int64 => "BIGINT".to_string(),
        DataType::Float32 => "FLOAT".to_string(),
        DataType::Float64 => "DOUBLE".to_string(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_string(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".to_string(),
        DataType::Date32 => "DATE".to_string(),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", precision(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", precision(unit)),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item) => format!("ARRAY<{}>", sql_type(item.data_type())),
        DataType::Struct(fields) => {
            let parts: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name(), sql_type(f.data_type()))).collect();
            format!("ROW<{}>", parts.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("MAP<{}, {}>", sql_type(pair[0].data_type()), sql_type(pair[1].data_type()))
            }
            other => format!("MAP<{other}>"),
        },
        DataType::Dictionary(_, values) => sql_type(values),
        other => other.to_string(),
    }
}

/// The place of a column in a list of names: the exact name, else the same name in other case.
pub(crate) fn find_column<'a>(wanted: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    names
        .clone()
        .position(|name| name == wanted)
        .or_else(|| names.clone().position(|name| name.eq_ignore_ascii_case(wanted)))
}

/// The error about a declared column that a file does not have.
pub(crate) fn missing_column(label: &str, wanted: &str, names: &[&str]) -> Error {
    let hint = crate::error::did_you_mean(wanted, names.iter().copied());
    Error::Column { path: label.to_string(), message: format!("it has no column '{wanted}'{hint}") }
}

/// A batch that is written, with the table's columns in the types that the format is written with.
pub(crate) fn conform(table: &str, wanted: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    if batch.num_columns() != wanted.fields().len() {
        let message = format!("it has {} columns, but a batch has {}", wanted.fields().len(), batch.num_columns());
        return Err(Error::declaration(table, None, message));
    }
    let cast_column = |(column, field): (&ArrayRef, &FieldRef)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => zone::convert(column, field.data_type(), &CastOptions { safe: false, ..CastOptions::default() }),
    };
    let columns: Result<Vec<_>, _> = batch.columns().iter().zip(wanted.fields()).map(cast_column).collect();
    columns
        .and_then(|columns| RecordBatch::try_new(wanted.clone(), columns))
        .map_err(Error::arrow(format!("writing to table '{table}'")))
}
