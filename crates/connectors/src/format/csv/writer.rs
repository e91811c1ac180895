//! Writes CSV.

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use super::Dialect;
use super::split::{Found, Splitter};
use crate::format::sql_type;
use crate::format::text::TextEncoder;
use crate::format::time::{write_date, write_timestamp};
use crate::{Error, Result};

/// Turns batches into CSV.
pub(crate) struct CsvEncoder {
    table: String,
    dialect: Dialect,
    schema: SchemaRef,
    /// What a NULL and an empty string are written as.
    empty: Vec<u8>,
}

/// A column of a batch.
enum Cells<'a> {
    Double(&'a PrimitiveArray<Float64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Long(&'a PrimitiveArray<Int64Type>),
    Int(&'a PrimitiveArray<Int32Type>),
    Short(&'a PrimitiveArray<Int16Type>),
    Tiny(&'a PrimitiveArray<Int8Type>),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a PrimitiveArray<Date32Type>),
    /// The counts, the unit, and whether they are points in time rather than local times.
    Timestamp(&'a [i64], TimeUnit, bool),
    Decimal(&'a Decimal128Array),
}

impl CsvEncoder {
    /// An encoder for rows of a schema.
    pub(crate) fn new(table: &str, dialect: &Dialect, schema: &SchemaRef) -> Self {
        let mut encoder =
            Self { table: table.to_string(), dialect: dialect.clone(), schema: schema.clone(), empty: Vec::new() };
        if let (true, Some(quote)) = (dialect.null.is_empty(), dialect.quote) {
            encoder.empty = vec![quote, quote];
        }
        encoder
    }

    fn cells<'a>(&self, column: &'a ArrayRef) -> Result<Cells<'a>> {
        Ok(match column.data_type() {
            DataType::Float64 => Cells::Double(column.as_primitive()),
            DataType::Float32 => Cells::Float(column.as_primitive()),
            DataType::Int64 => Cells::Long(column.as_primitive()),
            DataType::Int32 => Cells::Int(column.as_primitive()),
            DataType::Int16 => Cells::Short(column.as_primitive()),
            DataType::Int8 => Cells::Tiny(column.as_primitive()),
            DataType::Boolean => Cells::Bool(column.as_boolean()),
            DataType::Utf8 => Cells::Text(column.as_string()),
            DataType::Binary => Cells::Bytes(column.as_binary()),
            DataType::Date32 => Cells::Date(column.as_primitive()),
            DataType::Timestamp(unit, zone) => {
                let values: &[i64] = match unit {
                    TimeUnit::Second => column.as_primitive::<TimestampSecondType>().values(),
                    TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().values(),
                };
                Cells::Timestamp(values, *unit, zone.is_some())
            }
            DataType::Decimal128(_, _) => Cells::Decimal(column.as_primitive::<Decimal128Type>()),
            other => {
                let message = format!("csv has no form for {}", sql_type(other));
                return Err(Error::declaration(&self.table, Some("format"), message));
            }
        })
    }

    /// Adds a text, in quotes if it needs them.
    fn text(&self, text: &[u8], first: bool, out: &mut Vec<u8>) -> Result<()> {
        let Dialect { delimiter, quote, escape, comments, null, .. } = &self.dialect;
        if text.is_empty() {
            out.extend_from_slice(&self.empty);
            return Ok(());
        }
        let special = |byte: &u8| {
            *byte == *delimiter || matches!(*byte, b'\n' | b'\r') || Some(*byte) == *quote || Some(*byte) == *escape
        };
        let plain = !text.iter().any(special) && text != null.as_slice() && !(first && *comments && text[0] == b'#');
        match (plain, quote, escape) {
            (true, _, _) => out.extend_from_slice(text),
            (false, Some(quote), _) => {
                out.push(*quote);
                for byte in text {
                    if Some(*byte) == *escape {
                        out.push(*byte);
                    } else if byte == quote {
                        out.push(*quote);
                    }
                    out.push(*byte);
                }
                out.push(*quote);
            }
            (false, None, Some(escape)) if !text.contains(&b'\r') && text != null.as_slice() => {
                for byte in text {
                    if special(byte) || (first && *byte == b'#') {
                        out.push(*escape);
                    }
                    out.push(*byte);
                }
            }
            _ => {
                let shown: String = String::from_utf8_lossy(text).chars().take(64).collect();
                let message = format!("the text '{}' cannot be written without quotes", shown.escape_debug());
                return Err(Error::declaration(&self.table, Some("csv.disable-quote-character"), message));
            }
        }
        Ok(())
    }

    fn cell(&self, cells: &Cells<'_>, row: usize, first: bool, numbers: &mut Numbers, out: &mut Vec<u8>) -> Result<()> {
        match cells {
            Cells::Double(values) => out.extend_from_slice(numbers.float.format(values.value(row)).as_bytes()),
            Cells::Float(values) => out.extend_from_slice(numbers.float.format(values.value(row)).as_bytes()),
            Cells::Long(values) => out.extend_from_slice(numbers.int.format(values.value(row)).as_bytes()),
            Cells::Int(values) => out.extend_from_slice(numbers.int.format(values.value(row)).as_bytes()),
            Cells::Short(values) => out.extend_from_slice(numbers.int.format(values.value(row)).as_bytes()),
            Cells::Tiny(values) => out.extend_from_slice(numbers.int.format(values.value(row)).as_bytes()),
            Cells::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Cells::Text(values) => self.text(values.value(row).as_bytes(), first, out)?,
            Cells::Bytes(values) if values.value(row).is_empty() => out.extend_from_slice(b"\"\""),
            Cells::Bytes(values) => {
                let digits = b"0123456789abcdef";
                for byte in values.value(row) {
                    out.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
                }
            }
            Cells::Date(values) => write_date(values.value(row), out),
            Cells::Timestamp(values, unit, zoned) => {
                write_timestamp(values[row], *unit, out);
                if *zoned {
                    out.push(b'Z');
                }
            }
            Cells::Decimal(values) => out.extend_from_slice(values.value_as_string(row).as_bytes()),
        }
        Ok(())
    }

    /// Adds a batch's rows, and tells where in the text each ends.
    pub(super) fn encode_rows(
        &self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        mut ended: impl FnMut(usize),
    ) -> Result<()> {
        let columns: Vec<Cells<'_>> = batch.columns().iter().map(|column| self.cells(column)).collect::<Result<_>>()?;
        let mut numbers = Numbers::default();
        for row in 0..batch.num_rows() {
            for (i, (cells, column)) in columns.iter().zip(batch.columns()).enumerate() {
                if i > 0 {
                    out.push(self.dialect.delimiter);
                }
                if column.is_null(row) {
                    out.extend_from_slice(&self.dialect.null);
                    continue;
                }
                let start = out.len();
                self.cell(cells, row, i == 0, &mut numbers, out)?;
                // A value that looks like the null literal.
                if let (false, Some(quote)) = (self.dialect.null.is_empty(), self.dialect.quote)
                    && out[start..] == self.dialect.null
                {
                    out.insert(start, quote);
                    out.push(quote);
                }
            }
            out.push(b'\n');
            ended(out.len());
        }
        Ok(())
    }
}

/// Where numbers are printed.
#[derive(Default)]
struct Numbers {
    float: ryu::Buffer,
    int: itoa::Buffer,
}

impl TextEncoder for CsvEncoder {
    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.dialect.header {
            for (i, field) in self.schema.fields().iter().enumerate() {
                if i > 0 {
                    out.push(self.dialect.delimiter);
                }
                // A name that cannot be written without quotes was refused with the first such text; names are plain.
                if self.text(field.name().as_bytes(), i == 0, &mut out).is_err() {
                    out.extend_from_slice(field.name().as_bytes());
                }
            }
            out.push(b'\n');
        }
        out
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.encode_rows(batch, out, |_| {})
    }

    fn accepts_header(&self, first_line: &[u8]) -> Result<(), String> {
        if !self.dialect.header {
            return Ok(());
        }
        let splitter = Splitter::new(&self.dialect, Vec::new(), 0);
        let first_line = first_line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_line);
        let mut fields = Vec::new();
        let found = splitter.split_all(first_line, 0, true, &mut fields);
        let names: Vec<String> = fields
            .iter()
            .map(|span| {
                let mut name = Vec::new();
                splitter.unescape(first_line, *span, &mut name);
                String::from_utf8_lossy(&name).trim().to_string()
            })
            .collect();
        let wanted: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let same = names.len() == wanted.len() && names.iter().zip(&wanted).all(|(a, b)| a.eq_ignore_ascii_case(b));
        match found {
            Found::Record { .. } if same => Ok(()),
            _ => {
                Err(format!("its header is '{}', but the table's columns are '{}'", names.join(","), wanted.join(",")))
            }
        }
    }
}
