//! Rows in memory that Java and Rust both see, as record batches.
//!
//! ```text
//!  bytes      columns × capacity          columns × capacity × 8
//!           ┌──────────────────────────┬───────────────────────────────┐
//!           │ 1 where there is a value │ cells, a column after another │        and beside it: the bytes of all texts
//!           └──────────────────────────┴───────────────────────────────┘
//! ```
//! A cell is 8 bytes in the machine's order: an f64 for what is a float; an i64 for what is a whole number, of days for a date, and in
//! the unit of its type for a time or a timestamp; 0 or 1 for a boolean; and for what does not fit its place among the bytes beside it,
//! as two u32: from where, and how long. There a text is its UTF-8, and a map from texts to numbers is, for each entry, the length of
//! the text as u32, with its highest bit set where there is no number, the text, and the number as f64. A decimal of up to 18 digits is the i64 of all its digits, a longer one these as
//! a whole number among the bytes, of up to 16, the highest first, as Java has it.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Decimal128Array, Float32Array, Float64Array, MapArray,
    PrimitiveArray, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Schema, SchemaRef, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use serde::Deserialize;
use tidegate_ml::{InputKind, ModelSpec};

use crate::exception::Failure;

/// Bytes of a cell.
const CELL: usize = 8;

/// The most digits of a decimal that a cell holds.
const CELL_DIGITS: u8 = 18;

/// What the length of a map's key has set where there is no number for it.
const NO_NUMBER: u32 = 1 << 31;

/// A time of day is below this many microseconds.
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What a column that is no input of a model holds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Form {
    Number,
    Integer,
    Boolean,
    Text,
}

impl Form {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Number => DataType::Float64,
            Self::Integer => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Text => DataType::Utf8,
        }
    }
}

/// The columns that a model reads, as batches have them here.
pub(crate) fn input_schema(spec: &ModelSpec) -> SchemaRef {
    let field = |input: &tidegate_ml::Input| {
        let data_type = match input.kind {
            InputKind::Number => DataType::Float64,
            InputKind::Flag => DataType::Boolean,
            InputKind::Text => DataType::Utf8,
        };
        Field::new(&input.name, data_type, true)
    };
    Arc::new(Schema::new(spec.inputs.iter().map(field).collect::<Vec<_>>()))
}

/// The bytes that so many columns of so many rows take.
pub(crate) fn bytes(columns: usize, capacity: usize) -> Option<usize> {
    columns.checked_mul(capacity)?.checked_mul(1 + CELL)
}

fn refuse<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Contract(what.into()))
}

/// Rows that Java has written: the first `rows` of those that there is room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) cells: &'a [u8],
    pub(crate) texts: &'a [u8],
    pub(crate) capacity: usize,
    pub(crate) rows: usize,
}

/// The rows as a batch.
pub(crate) fn read(schema: &SchemaRef, given: &Rows<'_>) -> Result<RecordBatch, Failure> {
    let Rows { cells: memory, texts, capacity, rows } = *given;
    let columns = schema.fields().len();
    if rows > capacity || bytes(columns, capacity).is_none_or(|bytes| bytes > memory.len()) {
        return refuse(format!(
            "{rows} rows of {columns} columns do not fit into {} bytes of {capacity} rows",
            memory.len()
        ));
    }
    let (valid, cells) = memory.split_at(columns * capacity);
    let column = |(place, field): (usize, &Arc<Field>)| -> Result<ArrayRef, Failure> {
        let valid = &valid[place * capacity..][..rows];
        let cells = cells[place * capacity * CELL..][..rows * CELL].as_chunks::<CELL>().0;
        let nulls = nulls(valid);
        Ok(match field.data_type() {
            // The cells are the values: they are copied as they are.
            DataType::Float64 => Arc::new(Float64Array::new(Buffer::from(cells.as_flattened()).into(), nulls)),
            DataType::Boolean => {
                let values = cells.iter().map(|cell| i64::from_ne_bytes(*cell) != 0).collect();
                Arc::new(BooleanArray::new(values, nulls))
            }
            DataType::Utf8 => {
                let mut array = StringBuilder::with_capacity(rows, texts.len());
                for (cell, valid) in cells.iter().zip(valid) {
                    match valid {
                        0 => array.append_null(),
                        _ => array.append_value(text(texts, *cell, field.name())?),
                    }
                }
                Arc::new(array.finish())
            }
            DataType::Binary => {
                let mut array = BinaryBuilder::with_capacity(rows, texts.len());
                for (cell, valid) in cells.iter().zip(valid) {
                    match valid {
                        0 => array.append_null(),
                        _ => array.append_value(value(texts, *cell, field.name())?),
                    }
                }
                Arc::new(array.finish())
            }
            DataType::Float32 => {
                let values: Vec<f32> = cells.iter().map(|cell| f64::from_ne_bytes(*cell) as f32).collect();
                Arc::new(Float32Array::new(values.into(), nulls))
            }
            DataType::Int8 => integers::<Int8Type>(field, cells, nulls, |value| value.try_into().ok())?,
            DataType::Int16 => integers::<Int16Type>(field, cells, nulls, |value| value.try_into().ok())?,
            DataType::Int32 => integers::<Int32Type>(field, cells, nulls, |value| value.try_into().ok())?,
            DataType::Int64 => integers::<Int64Type>(field, cells, nulls, Some)?,
            DataType::Date32 => integers::<Date32Type>(field, cells, nulls, |value| value.try_into().ok())?,
            DataType::Time64(TimeUnit::Microsecond) => {
                let of_day = |value| (0..DAY_MICROS).contains(&value).then_some(value);
                integers::<Time64MicrosecondType>(field, cells, nulls, of_day)?
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                integers::<TimestampMillisecondType>(field, cells, nulls, Some)?
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                integers::<TimestampMicrosecondType>(field, cells, nulls, Some)?
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                integers::<TimestampNanosecondType>(field, cells, nulls, Some)?
            }
            DataType::Decimal128(precision, scale) => {
                let digits = |(cell, valid): (&[u8; CELL], &u8)| match *valid {
                    0 => Ok(0),
                    _ if *precision <= CELL_DIGITS => Ok(i128::from(i64::from_ne_bytes(*cell))),
                    _ => digits(value(texts, *cell, field.name())?, field.name()),
                };
                let values = cells.iter().zip(valid).map(digits).collect::<Result<Vec<_>, _>>()?;
                let array = Decimal128Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale)?;
                array.validate_decimal_precision(*precision)?;
                Arc::new(array)
            }
            other => return refuse(format!("column '{}' cannot be {other}", field.name())),
        })
    };
    let arrays = schema.fields().iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}

/// Which rows have a value; none if all have.
fn nulls(valid: &[u8]) -> Option<NullBuffer> {
    // Most columns have a value in every row, and a whole slice is looked at faster than row by row.
    let any_missing = valid.iter().fold(0, |missing, valid| missing | u8::from(*valid == 0)) != 0;
    any_missing.then(|| NullBuffer::from_iter(valid.iter().map(|valid| *valid != 0)))
}

/// A column of whole numbers, each of which `convert` takes or finds too large.
fn integers<T: ArrowPrimitiveType>(
    field: &Field,
    cells: &[[u8; CELL]],
    nulls: Option<NullBuffer>,
    convert: impl Fn(i64) -> Option<T::Native>,
) -> Result<ArrayRef, Failure> {
    let mut values = Vec::with_capacity(cells.len());
    for (row, cell) in cells.iter().enumerate() {
        let value = i64::from_ne_bytes(*cell);
        values.push(match convert(value) {
            Some(value) => value,
            // There is anything where there is no value.
            None if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => T::Native::default(),
            None => return refuse(format!("column '{}': {value} is no {}", field.name(), field.data_type())),
        });
    }
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(field.data_type().clone())))
}

/// All digits of a decimal, as Java writes whole numbers.
fn digits(bytes: &[u8], column: &str) -> Result<i128, Failure> {
    let (Some(first), true) = (bytes.first(), bytes.len() <= size_of::<i128>()) else {
        return refuse(format!("column '{column}': a decimal cannot have {} bytes", bytes.len()));
    };
    let fill = if first & 0x80 == 0 { 0 } else { 0xff };
    let mut all = [fill; size_of::<i128>()];
    all[size_of::<i128>() - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(all))
}

/// The bytes that a cell means.
fn value<'t>(texts: &'t [u8], cell: [u8; CELL], column: &str) -> Result<&'t [u8], Failure> {
    let place = u64::from_ne_bytes(cell);
    let (from, length) = ((place & 0xffff_ffff) as usize, (place >> 32) as usize);
    match from.checked_add(length).and_then(|to| texts.get(from..to)) {
        Some(bytes) => Ok(bytes),
        None => refuse(format!("column '{column}': a value lies outside of the {} bytes of texts", texts.len())),
    }
}

/// The text that a cell means.
fn text<'t>(texts: &'t [u8], cell: [u8; CELL], column: &str) -> Result<&'t str, Failure> {
    let bytes = value(texts, cell, column)?;
    std::str::from_utf8(bytes).or_else(|_| refuse(format!("column '{column}': a text is not UTF-8")))
}

/// Where a text lies, as a cell.
fn place(from: usize, length: usize) -> Result<[u8; CELL], Failure> {
    match (u32::try_from(from), u32::try_from(length)) {
        (Ok(from), Ok(length)) => Ok((u64::from(length) << 32 | u64::from(from)).to_ne_bytes()),
        _ => refuse("the texts of a batch take more than 4 GB: let batches have fewer rows"),
    }
}

/// Writes rows for Java to read, and gives the bytes of their texts.
pub(crate) fn write(batch: &RecordBatch, memory: &mut [u8], capacity: usize) -> Result<Vec<u8>, Failure> {
    let (columns, rows) = (batch.num_columns(), batch.num_rows());
    if rows > capacity || bytes(columns, capacity).is_none_or(|bytes| bytes > memory.len()) {
        return refuse(format!(
            "{rows} rows of {columns} columns do not fit into {} bytes of {capacity} rows",
            memory.len()
        ));
    }
    let (valid, cells) = memory.split_at_mut(columns * capacity);
    let mut texts = Vec::new();
    for (column, array) in batch.columns().iter().enumerate() {
        let valid = &mut valid[column * capacity..][..rows];
        match array.logical_nulls() {
            Some(nulls) => valid.iter_mut().zip(nulls.iter()).for_each(|(valid, known)| *valid = u8::from(known)),
            None => valid.fill(1),
        }
        let cells = cells[column * capacity * CELL..][..rows * CELL].as_chunks_mut::<CELL>().0;
        let cells = cells.iter_mut().enumerate();
        match array.data_type() {
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                cells.for_each(|(row, cell)| *cell = values[row].to_ne_bytes());
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                cells.for_each(|(row, cell)| *cell = f64::from(values[row]).to_ne_bytes());
            }
            DataType::Int8 => put_integers::<Int8Type>(array, cells),
            DataType::Int16 => put_integers::<Int16Type>(array, cells),
            DataType::Int32 => put_integers::<Int32Type>(array, cells),
            DataType::Int64 => put_integers::<Int64Type>(array, cells),
            DataType::Date32 => put_integers::<Date32Type>(array, cells),
            DataType::Time64(TimeUnit::Microsecond) => put_integers::<Time64MicrosecondType>(array, cells),
            DataType::Timestamp(TimeUnit::Millisecond, _) => put_integers::<TimestampMillisecondType>(array, cells),
            DataType::Timestamp(TimeUnit::Microsecond, _) => put_integers::<TimestampMicrosecondType>(array, cells),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => put_integers::<TimestampNanosecondType>(array, cells),
            DataType::Decimal128(precision, _) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                for (row, cell) in cells {
                    // Where there is no value, there is anything.
                    let digits = if array.is_valid(row) { values[row] } else { 0 };
                    *cell = match i64::try_from(digits) {
                        Ok(digits) if *precision <= CELL_DIGITS => digits.to_ne_bytes(),
                        _ if *precision <= CELL_DIGITS => {
                            return refuse(format!("{digits} has more than {precision} digits"));
                        }
                        _ => {
                            let from = texts.len();
                            texts.extend_from_slice(&digits.to_be_bytes());
                            place(from, size_of::<i128>())?
                        }
                    };
                }
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                for (row, cell) in cells {
                    let bytes = if values.is_valid(row) { values.value(row) } else { &[] };
                    *cell = place(texts.len(), bytes.len())?;
                    texts.extend_from_slice(bytes);
                }
            }
            DataType::Boolean => {
                let values = array.as_boolean().values();
                cells.for_each(|(row, cell)| *cell = i64::from(values.value(row)).to_ne_bytes());
            }
            DataType::Utf8 => {
                let values = array.as_string::<i32>();
                for (row, cell) in cells {
                    let text = if values.is_valid(row) { values.value(row) } else { "" };
                    *cell = place(texts.len(), text.len())?;
                    texts.extend_from_slice(text.as_bytes());
                }
            }
            DataType::Map(..) => {
                for (row, cell) in cells {
                    let from = texts.len();
                    entries(array.as_map(), row, &mut texts)?;
                    *cell = place(from, texts.len() - from)?;
                }
            }
            other => return refuse(format!("Java cannot be given {other}")),
        }
    }
    Ok(texts)
}

/// Writes a column of whole numbers.
fn put_integers<'c, T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &ArrayRef,
    cells: impl Iterator<Item = (usize, &'c mut [u8; CELL])>,
) {
    let values = array.as_primitive::<T>().values();
    cells.for_each(|(row, cell)| *cell = values[row].into().to_ne_bytes());
}

/// The entries of a map from texts to numbers.
fn entries(map: &MapArray, row: usize, texts: &mut Vec<u8>) -> Result<(), Failure> {
    if map.is_null(row) {
        return Ok(());
    }
    let entries = map.value(row);
    let Some(keys) = entries.column(0).as_string_opt::<i32>() else { return refuse("a map's keys are no texts") };
    let Some(values) = entries.column(1).as_primitive_opt::<Float64Type>() else {
        return refuse("a map's values are no numbers");
    };
    for entry in 0..entries.len() {
        let key = keys.value(entry);
        let Ok(length) = i32::try_from(key.len()) else { return refuse("the key of a map is longer than 2 GB") };
        let length = if values.is_null(entry) { length.cast_unsigned() | NO_NUMBER } else { length.cast_unsigned() };
        texts.extend_from_slice(&length.to_ne_bytes());
        texts.extend_from_slice(key.as_bytes());
        texts.extend_from_slice(&values.value(entry).to_ne_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod all_types;

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> SchemaRef {
        let field = |(name, data_type): (&str, DataType)| Field::new(name, data_type, true);
        let fields = [("x", DataType::Float64), ("f", DataType::Boolean), ("t", DataType::Utf8)].map(field);
        Arc::new(Schema::new(fields.to_vec()))
    }

    fn rows() -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            Arc::new(arrow::array::StringArray::from(vec![None, Some(""), Some("Ärger")])),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let batch = rows();
        for capacity in [3, 8] {
            let mut memory = vec![0xab; bytes(3, capacity).unwrap()];
            let texts = write(&batch, &mut memory, capacity).unwrap();
            assert_eq!(texts, "Ärger".as_bytes());
            let read = read(&schema(), &Rows { cells: &memory, texts: &texts, capacity, rows: 3 }).unwrap();
            assert_eq!(format!("{read:?}"), format!("{batch:?}"));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut memory = vec![0; bytes(3, 3).unwrap()];
        assert!(write(&rows(), &mut memory, 2).is_err(), "more rows than there is room for");
        assert!(write(&rows(), &mut memory[1..], 3).is_err(), "a byte too few");
        assert!(read(&schema(), &Rows { cells: &memory, texts: &[], capacity: 3, rows: 4 }).is_err());
        assert!(read(&schema(), &Rows { cells: &memory[1..], texts: &[], capacity: 3, rows: 3 }).is_err());
        assert!(read(&schema(), &Rows { cells: &memory, texts: &[], capacity: usize::MAX, rows: 3 }).is_err());
        // A text beyond the texts, and one that is none.
        let texts = write(&rows(), &mut memory, 3).unwrap();
        assert!(read(&schema(), &Rows { cells: &memory, texts: &texts[1..], capacity: 3, rows: 3 }).is_err());
        assert!(read(&schema(), &Rows { cells: &memory, texts: &[0xff; 6], capacity: 3, rows: 3 }).is_err());
    }

    #[test]
    fn a_map_is_its_entries() {
        use arrow::array::{Float64Builder, MapBuilder};
        let mut map = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
        for (class, probability) in [("no", Some(0.25)), ("?", None), ("yes", Some(0.75))] {
            map.keys().append_value(class);
            map.values().append_option(probability);
        }
        map.append(true).unwrap();
        let map: ArrayRef = Arc::new(map.finish());
        let batch = RecordBatch::try_from_iter([("p", map)]).unwrap();
        let mut memory = vec![0; bytes(1, 1).unwrap()];
        let texts = write(&batch, &mut memory, 1).unwrap();
        let number = |value: f64| value.to_ne_bytes().to_vec();
        let entry =
            |length: u32, key: &str, value| [&length.to_ne_bytes()[..], key.as_bytes(), &number(value)].concat();
        assert_eq!(texts, [entry(2, "no", 0.25), entry(1 | NO_NUMBER, "?", 0.0), entry(3, "yes", 0.75)].concat());
        assert_eq!(memory[1..], place(0, texts.len()).unwrap());
    }
}
