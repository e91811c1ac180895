//! The fields of a batch of records as typed columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::builder::{BooleanBufferBuilder, NullBufferBuilder};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::spans::{Form, Span, Spans};
use super::split::Splitter;
use crate::format::number::{parse_bool, parse_decimal, parse_float, parse_int};
use crate::format::time::{parse_date, parse_timestamp};
use crate::format::{BadRows, sql_type};

/// One field of each record of a batch.
pub(crate) struct Fields<'a> {
    pub(crate) text: &'a [u8],
    /// The wanted fields of some records, and which of them this is.
    pub(crate) spans: &'a Spans,
    pub(crate) slot: usize,
    pub(crate) splitter: &'a Splitter,
    /// What stands for NULL.
    pub(crate) null: &'a [u8],
    pub(crate) field: &'a Field,
}

impl Fields<'_> {
    #[inline]
    fn raw(&self, row: usize) -> (Span, &[u8]) {
        let span = self.spans.get(row, self.slot);
        (span, &self.text[span.start()..span.end()])
    }

    /// A field as a value; `None` for NULL. A field that `parse` cannot read marks its row and is NULL.
    #[inline]
    fn read<V>(&self, row: usize, bad: &mut BadRows, parse: &impl Fn(&[u8]) -> Option<V>) -> Option<V> {
        let (span, raw) = self.raw(row);
        // A null literal that reads as a value, such as 0, has to be looked for first.
        let null_first = !self.null.is_empty();
        if span.form() == Form::Plain
            && !(null_first && raw == self.null)
            && let Some(value) = parse(raw)
        {
            return Some(value);
        }
        self.read_with_care(row, bad, parse)
    }

    /// What `read` does with quotes, spaces and NULL, and with what is none of these.
    #[inline(never)]
    fn read_with_care<V>(&self, row: usize, bad: &mut BadRows, parse: &impl Fn(&[u8]) -> Option<V>) -> Option<V> {
        let value = self.value(row).and_then(|text| {
            let value = parse(&text);
            if value.is_none() {
                self.mark(row, bad, || self.not_of_type(&text));
            }
            value
        });
        if value.is_none() {
            self.mark_null(row, bad);
        }
        value
    }

    /// The text of a field that is not a STRING; `None` for NULL.
    fn value(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        let (span, raw) = self.raw(row);
        let text = match span.form() {
            Form::Plain if raw == self.null => return None,
            Form::Plain | Form::Quoted => Cow::Borrowed(raw.trim_ascii()),
            Form::Escaped { .. } => {
                let mut out = Vec::new();
                self.splitter.unescape(self.text, span, &mut out);
                Cow::Owned(out)
            }
        };
        (!text.is_empty()).then_some(text)
    }

    fn not_of_type(&self, text: &[u8]) -> String {
        let shown: String = String::from_utf8_lossy(text).chars().take(64).collect();
        format!("column '{}': '{shown}' is not of type {}", self.field.name(), sql_type(self.field.data_type()))
    }

    /// Marks one of these records, which are not the first ones of their batch.
    fn mark(&self, row: usize, bad: &mut BadRows, reason: impl FnOnce() -> String) {
        bad.mark(self.spans.first() + row, reason);
    }

    fn mark_null(&self, row: usize, bad: &mut BadRows) {
        if !self.field.is_nullable() {
            self.mark(row, bad, || format!("column '{}' is NOT NULL, but the field is NULL", self.field.name()));
        }
    }
}

/// A column that is made of some rows after others.
pub(crate) trait Column {
    /// Reads the fields of the next rows as the column's type. A field that is not of it marks its row and is NULL.
    fn append(&mut self, fields: &Fields<'_>, bad: &mut BadRows);

    /// The whole column.
    fn finish(self: Box<Self>, data_type: &DataType) -> ArrayRef;
}

/// An empty column of a type, with room for so many rows.
pub(crate) fn column(data_type: &DataType, rows: usize) -> Box<dyn Column> {
    match data_type {
        DataType::Float64 => primitive::<Float64Type>(rows, parse_float),
        DataType::Float32 => primitive::<Float32Type>(rows, |text| {
            // Through the text: rounding twice, over a double, can end one step off.
            std::str::from_utf8(text).ok()?.parse().ok()
        }),
        DataType::Int64 => primitive::<Int64Type>(rows, parse_int),
        DataType::Int32 => primitive::<Int32Type>(rows, |text| parse_int(text)?.try_into().ok()),
        DataType::Int16 => primitive::<Int16Type>(rows, |text| parse_int(text)?.try_into().ok()),
        DataType::Int8 => primitive::<Int8Type>(rows, |text| parse_int(text)?.try_into().ok()),
        DataType::Date32 => primitive::<Date32Type>(rows, parse_date),
        DataType::Timestamp(unit, _) => {
            let unit = *unit;
            let parse = move |text: &[u8]| parse_timestamp(text, unit);
            match unit {
                TimeUnit::Second => primitive::<TimestampSecondType>(rows, parse),
                TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(rows, parse),
                TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(rows, parse),
                TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(rows, parse),
            }
        }
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            primitive::<Decimal128Type>(rows, move |text| parse_decimal(text, precision, scale))
        }
        DataType::Boolean => {
            Box::new(Booleans { values: BooleanBufferBuilder::new(rows), nulls: NullBufferBuilder::new(rows) })
        }
        DataType::Binary => Box::new(Binaries { values: Vec::with_capacity(rows) }),
        _ => {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            Box::new(Strings { values: Vec::with_capacity(rows * 8), offsets, nulls: NullBufferBuilder::new(rows) })
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    rows: usize,
    parse: impl Fn(&[u8]) -> Option<T::Native> + 'static,
) -> Box<dyn Column> {
    Box::new(Primitive::<T, _> { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows), parse })
}

/// Values of one size, and how a field is read as one.
struct Primitive<T: ArrowPrimitiveType, P> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    parse: P,
}

impl<T: ArrowPrimitiveType, P: Fn(&[u8]) -> Option<T::Native>> Column for Primitive<T, P> {
    fn append(&mut self, fields: &Fields<'_>, bad: &mut BadRows) {
        for row in 0..fields.spans.records() {
            let value = fields.read(row, bad, &self.parse);
            self.values.push(value.unwrap_or_default());
            match value {
                Some(_) => self.nulls.append_non_null(),
                None => self.nulls.append_null(),
            }
        }
    }

    fn finish(mut self: Box<Self>, data_type: &DataType) -> ArrayRef {
        let values = PrimitiveArray::<T>::new(self.values.into(), self.nulls.finish());
        // It has a scale or a time zone perhaps.
        Arc::new(values.with_data_type(data_type.clone()))
    }
}

struct Booleans {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl Column for Booleans {
    fn append(&mut self, fields: &Fields<'_>, bad: &mut BadRows) {
        for row in 0..fields.spans.records() {
            let value = fields.read(row, bad, &parse_bool);
            self.values.append(value.unwrap_or_default());
            self.nulls.append(value.is_some());
        }
    }

    fn finish(mut self: Box<Self>, _: &DataType) -> ArrayRef {
        Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish()))
    }
}

struct Binaries {
    values: Vec<Option<Vec<u8>>>,
}

impl Column for Binaries {
    fn append(&mut self, fields: &Fields<'_>, bad: &mut BadRows) {
        self.values.extend((0..fields.spans.records()).map(|row| {
            let Some(text) = fields.value(row) else {
                // A quoted empty field is a value of no bytes.
                let empty = fields.raw(row).0.form() == Form::Quoted;
                if !empty {
                    fields.mark_null(row, bad);
                }
                return empty.then(Vec::new);
            };
            let bytes = parse_hex(&text);
            if bytes.is_none() {
                fields.mark(row, bad, || fields.not_of_type(&text));
            }
            bytes
        }));
    }

    fn finish(self: Box<Self>, _: &DataType) -> ArrayRef {
        Arc::new(self.values.iter().map(|value| value.as_deref()).collect::<BinaryArray>())
    }
}

struct Strings {
    values: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Column for Strings {
    fn append(&mut self, fields: &Fields<'_>, bad: &mut BadRows) {
        let start = self.values.len();
        for row in 0..fields.spans.records() {
            let (span, raw) = fields.raw(row);
            let is_null = span.form() == Form::Plain && raw == fields.null;
            if is_null {
                fields.mark_null(row, bad);
            } else if let Form::Escaped { .. } = span.form() {
                fields.splitter.unescape(fields.text, span, &mut self.values);
            } else {
                self.values.extend_from_slice(raw);
            }
            self.nulls.append(!is_null);
            // A window, and so a column of it, is far shorter than 2 GiB.
            self.offsets.push(self.values.len() as i32);
        }
        if !self.values[start..].is_ascii() {
            let before = self.offsets.len() - 1 - fields.spans.records();
            for (row, ends) in self.offsets[before..].windows(2).enumerate() {
                if std::str::from_utf8(&self.values[ends[0] as usize..ends[1] as usize]).is_err() {
                    fields.mark(row, bad, || format!("column '{}' is not UTF-8", fields.field.name()));
                }
            }
        }
    }

    fn finish(mut self: Box<Self>, _: &DataType) -> ArrayRef {
        let nulls = self.nulls.finish();
        let offsets = OffsetBuffer::new(self.offsets.into());
        let values = Buffer::from_vec(self.values);
        Arc::new(match StringArray::try_new(offsets.clone(), values.clone(), nulls.clone()) {
            Ok(strings) => strings,
            Err(_) => (0..offsets.len() - 1)
                .map(|row| {
                    let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                    let bytes = &values[offsets[row] as usize..offsets[row + 1] as usize];
                    std::str::from_utf8(bytes).ok().filter(|_| !is_null)
                })
                .collect(),
        })
    }
}

/// Reads pairs of hexadecimal digits.
fn parse_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
