//! The fields of a batch of records as typed columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::builder::{BooleanBufferBuilder, NullBufferBuilder};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::split::{Form, Span, Splitter};
use crate::format::number::{parse_bool, parse_decimal, parse_float, parse_int};
use crate::format::time::{parse_date, parse_timestamp};
use crate::format::{BadRows, sql_type};

/// One field of each record of a batch.
pub(crate) struct Fields<'a> {
    pub(crate) text: &'a [u8],
    /// The wanted fields of all records, record by record.
    pub(crate) spans: &'a [Span],
    /// How many are wanted of each record, and which of them this is.
    pub(crate) stride: usize,
    pub(crate) slot: usize,
    pub(crate) rows: usize,
    pub(crate) splitter: &'a Splitter,
    /// What stands for NULL.
    pub(crate) null: &'a [u8],
    pub(crate) field: &'a Field,
}

impl Fields<'_> {
    /// Reads the fields as the column's type. A field that is not of it marks its row and is NULL.
    pub(crate) fn column(&self, bad: &mut BadRows) -> ArrayRef {
        match self.field.data_type() {
            DataType::Float64 => Arc::new(self.primitive::<Float64Type>(bad, parse_float)),
            DataType::Float32 => Arc::new(self.primitive::<Float32Type>(bad, |text| {
                // Through the text: rounding twice, over a double, can end one step off.
                std::str::from_utf8(text).ok()?.parse().ok()
            })),
            DataType::Int64 => Arc::new(self.primitive::<Int64Type>(bad, parse_int)),
            DataType::Int32 => Arc::new(self.primitive::<Int32Type>(bad, |text| parse_int(text)?.try_into().ok())),
            DataType::Int16 => Arc::new(self.primitive::<Int16Type>(bad, |text| parse_int(text)?.try_into().ok())),
            DataType::Int8 => Arc::new(self.primitive::<Int8Type>(bad, |text| parse_int(text)?.try_into().ok())),
            DataType::Date32 => Arc::new(self.primitive::<Date32Type>(bad, parse_date)),
            DataType::Timestamp(unit, zone) => self.timestamps(*unit, zone.clone(), bad),
            DataType::Decimal128(precision, scale) => {
                let values = self.primitive::<Decimal128Type>(bad, |text| parse_decimal(text, *precision, *scale));
                let typed: Decimal128Array = values.with_data_type(self.field.data_type().clone());
                Arc::new(typed)
            }
            DataType::Boolean => Arc::new(self.booleans(bad)),
            DataType::Binary => Arc::new(self.binaries(bad)),
            _ => Arc::new(self.strings(bad)),
        }
    }

    fn timestamps(&self, unit: TimeUnit, zone: Option<Arc<str>>, bad: &mut BadRows) -> ArrayRef {
        let parse = |text: &[u8]| parse_timestamp(text, unit);
        match unit {
            TimeUnit::Second => {
                Arc::new(self.primitive::<TimestampSecondType>(bad, parse).with_timezone_opt(zone)) as ArrayRef
            }
            TimeUnit::Millisecond => {
                Arc::new(self.primitive::<TimestampMillisecondType>(bad, parse).with_timezone_opt(zone))
            }
            TimeUnit::Microsecond => {
                Arc::new(self.primitive::<TimestampMicrosecondType>(bad, parse).with_timezone_opt(zone))
            }
            TimeUnit::Nanosecond => {
                Arc::new(self.primitive::<TimestampNanosecondType>(bad, parse).with_timezone_opt(zone))
            }
        }
    }

    #[inline]
    fn raw(&self, row: usize) -> (Span, &[u8]) {
        let span = self.spans[row * self.stride + self.slot];
        (span, &self.text[span.start as usize..span.end as usize])
    }

    /// The text of a field that is not a STRING; `None` for NULL.
    fn value(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        let (span, raw) = self.raw(row);
        let text = match span.form {
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

    fn mark_null(&self, row: usize, bad: &mut BadRows) {
        if !self.field.is_nullable() {
            bad.mark(row, || format!("column '{}' is NOT NULL, but the field is NULL", self.field.name()));
        }
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        bad: &mut BadRows,
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        let mut values = Vec::with_capacity(self.rows);
        let mut nulls = NullBufferBuilder::new(self.rows);
        // A null literal that reads as a value, such as 0, has to be looked for first.
        let null_first = !self.null.is_empty();
        for row in 0..self.rows {
            let (span, raw) = self.raw(row);
            if span.form == Form::Plain
                && !(null_first && raw == self.null)
                && let Some(value) = parse(raw)
            {
                values.push(value);
                nulls.append_non_null();
                continue;
            }
            let value = self.value(row).and_then(|text| {
                let value = parse(&text);
                if value.is_none() {
                    bad.mark(row, || self.not_of_type(&text));
                }
                value
            });
            if value.is_none() {
                self.mark_null(row, bad);
            }
            values.push(value.unwrap_or_default());
            nulls.append(value.is_some());
        }
        PrimitiveArray::new(values.into(), nulls.finish())
    }

    fn booleans(&self, bad: &mut BadRows) -> BooleanArray {
        let mut values = BooleanBufferBuilder::new(self.rows);
        let mut nulls = NullBufferBuilder::new(self.rows);
        for row in 0..self.rows {
            let value = self.value(row).and_then(|text| {
                let value = parse_bool(&text);
                if value.is_none() {
                    bad.mark(row, || self.not_of_type(&text));
                }
                value
            });
            if value.is_none() {
                self.mark_null(row, bad);
            }
            values.append(value.unwrap_or_default());
            nulls.append(value.is_some());
        }
        BooleanArray::new(values.finish(), nulls.finish())
    }

    fn binaries(&self, bad: &mut BadRows) -> BinaryArray {
        let values: Vec<Option<Vec<u8>>> = (0..self.rows)
            .map(|row| {
                let Some(text) = self.value(row) else {
                    // A quoted empty field is a value of no bytes.
                    let empty = self.raw(row).0.form == Form::Quoted;
                    if !empty {
                        self.mark_null(row, bad);
                    }
                    return empty.then(Vec::new);
                };
                let bytes = parse_hex(&text);
                if bytes.is_none() {
                    bad.mark(row, || self.not_of_type(&text));
                }
                bytes
            })
            .collect();
        values.iter().map(|value| value.as_deref()).collect()
    }

    fn strings(&self, bad: &mut BadRows) -> StringArray {
        let mut values: Vec<u8> = Vec::with_capacity(self.rows * 8);
        let mut offsets: Vec<i32> = Vec::with_capacity(self.rows + 1);
        let mut nulls = NullBufferBuilder::new(self.rows);
        offsets.push(0);
        for row in 0..self.rows {
            let (span, raw) = self.raw(row);
            let is_null = span.form == Form::Plain && raw == self.null;
            if is_null {
                self.mark_null(row, bad);
            } else if let Form::Escaped { .. } = span.form {
                self.splitter.unescape(self.text, span, &mut values);
            } else {
                values.extend_from_slice(raw);
            }
            nulls.append(!is_null);
            // A window, and so a column of it, is far shorter than 2 GiB.
            offsets.push(values.len() as i32);
        }
        let nulls = nulls.finish();
        let offsets = OffsetBuffer::new(offsets.into());
        let values = Buffer::from_vec(values);
        match StringArray::try_new(offsets.clone(), values.clone(), nulls.clone()) {
            Ok(strings) => strings,
            Err(_) => self.strings_one_by_one(&offsets, &values, nulls.as_ref(), bad),
        }
    }

    /// Finds out which strings are not UTF-8.
    fn strings_one_by_one(
        &self,
        offsets: &OffsetBuffer<i32>,
        values: &[u8],
        nulls: Option<&NullBuffer>,
        bad: &mut BadRows,
    ) -> StringArray {
        (0..self.rows)
            .map(|row| {
                if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                    return None;
                }
                let bytes = &values[offsets[row] as usize..offsets[row + 1] as usize];
                let text = std::str::from_utf8(bytes).ok();
                if text.is_none() {
                    bad.mark(row, || format!("column '{}' is not UTF-8", self.field.name()));
                }
                text
            })
            .collect()
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
