//! Arrow values as text for tables.
//!
//! A column is looked at whole before it is written: all its floats get as many decimals, all its timestamps the same
//! precision, so that they line up.

use std::fmt::Write;

use arrow::array::types::{
    ArrowDictionaryKeyType, Decimal128Type, Decimal256Type, DecimalType, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, Float64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::datetime::{Precision, precision, write_date, write_timestamp};
use super::number;

/// A column of a result, ready for a table. A `None` is NULL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Numbers stand to the right.
    pub(crate) right: bool,
    pub(crate) cells: Vec<Option<String>>,
}

impl Column {
    /// The first `rows` values of `arrays`, which are one column's parts.
    pub(crate) fn from_arrow(field: &Field, arrays: &[ArrayRef], rows: usize) -> Self {
        let mut left = rows;
        let mut parts = Vec::new();
        for array in arrays {
            let length = array.len().min(left);
            left -= length;
            if length > 0 {
                parts.push(array.slice(0, length));
            }
        }
        let precision = parts.iter().filter_map(shared_precision).max();
        let mut cells = Vec::new();
        for part in &parts {
            for row in 0..part.len() {
                cells.push(if is_null(part, row) {
                    None
                } else {
                    let mut text = String::new();
                    write_value(&mut text, part, row, precision, false);
                    Some(text)
                });
            }
        }
        if is_float(field.data_type()) {
            let decimals = cells.iter().flatten().filter_map(|text| number::decimals(text)).max().unwrap_or(0);
            cells.iter_mut().flatten().for_each(|text| number::pad_decimals(text, decimals));
        }
        Self { name: printable(field.name()), right: is_number(field.data_type()), cells }
    }

    /// A column of texts.
    pub(crate) fn texts(name: &str, cells: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.to_string(),
            right: false,
            cells: cells.into_iter().map(|text| Some(printable(&text.into()))).collect(),
        }
    }

    /// A column of texts, some of which are not there.
    pub(crate) fn optional(name: &str, cells: impl IntoIterator<Item = Option<String>>) -> Self {
        Self {
            name: name.to_string(),
            right: false,
            cells: cells.into_iter().map(|text| Some(text.map(|text| printable(&text)).unwrap_or_default())).collect(),
        }
    }

    /// The same, standing to the right.
    pub(crate) fn right_aligned(mut self) -> Self {
        self.right = true;
        self
    }
}

/// Whether a value is NULL, be it in the array itself or in a dictionary's values.
pub(crate) fn is_null(array: &dyn Array, row: usize) -> bool {
    array.data_type() == &DataType::Null || array.logical_nulls().is_some_and(|nulls| nulls.is_null(row))
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        other => other.is_numeric(),
    }
}

/// The precision that every timestamp of the array needs; `None` for other types.
fn shared_precision(array: &ArrayRef) -> Option<Precision> {
    let DataType::Timestamp(unit, _) = array.data_type() else { return None };
    (0..array.len())
        .filter(|row| array.is_valid(*row))
        .filter_map(|row| timestamp(array, row))
        .map(|v| precision(v, *unit))
        .max()
}

/// The number behind a timestamp.
pub(crate) fn timestamp(array: &dyn Array, row: usize) -> Option<i64> {
    use arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive_opt::<TimestampSecondType>().map(|a| a.value(row))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive_opt::<TimestampMillisecondType>().map(|a| a.value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive_opt::<TimestampMicrosecondType>().map(|a| a.value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive_opt::<TimestampNanosecondType>().map(|a| a.value(row))
        }
        _ => None,
    }
}

/// The number behind a float of any width.
pub(crate) fn float(array: &dyn Array, row: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        // By way of its shortest text: 0.1 stays 0.1, and is not 0.10000000149011612.
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string().parse().ok(),
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_string().parse().ok(),
        _ => None,
    }
}

/// The text of a text value.
pub(crate) fn text(array: &dyn Array, row: usize) -> Option<&str> {
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

/// The bytes of a binary value.
pub(crate) fn binary(array: &dyn Array, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => Some(array.as_fixed_size_binary().value(row)),
        _ => None,
    }
}

/// A decimal in digits, exactly.
pub(crate) fn decimal(array: &dyn Array, row: usize) -> Option<String> {
    match *array.data_type() {
        DataType::Decimal128(precision, scale) => {
            Some(Decimal128Type::format_decimal(array.as_primitive::<Decimal128Type>().value(row), precision, scale))
        }
        DataType::Decimal256(precision, scale) => {
            Some(Decimal256Type::format_decimal(array.as_primitive::<Decimal256Type>().value(row), precision, scale))
        }
        _ => None,
    }
}

/// The elements of a list value.
pub(crate) fn list(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(_, _) => Some(array.as_fixed_size_list().value(row)),
        DataType::ListView(_) => Some(array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => Some(array.as_list_view::<i64>().value(row)),
        _ => None,
    }
}

/// The values behind a dictionary, and where in them the row's value stands.
pub(crate) fn dictionary(array: &dyn Array, row: usize) -> Option<(ArrayRef, usize)> {
    fn look<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Option<(ArrayRef, usize)> {
        let array = array.as_dictionary_opt::<K>()?;
        Some((array.values().clone(), array.key(row)?))
    }
    let DataType::Dictionary(key, _) = array.data_type() else { return None };
    match key.as_ref() {
        DataType::Int8 => look::<Int8Type>(array, row),
        DataType::Int16 => look::<Int16Type>(array, row),
        DataType::Int32 => look::<Int32Type>(array, row),
        DataType::Int64 => look::<Int64Type>(array, row),
        DataType::UInt8 => look::<UInt8Type>(array, row),
        DataType::UInt16 => look::<UInt16Type>(array, row),
        DataType::UInt32 => look::<UInt32Type>(array, row),
        DataType::UInt64 => look::<UInt64Type>(array, row),
        _ => None,
    }
}

/// Any other value as Arrow writes it.
pub(crate) fn plain(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_display_error(true);
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(error) => error.to_string(),
    }
}

/// Writes the value, which is not NULL. Timestamps have the column's `precision`, or as much as they need.
fn write_value(out: &mut String, array: &dyn Array, row: usize, column: Option<Precision>, nested: bool) {
    if let Some(value) = float(array, row) {
        out.push_str(&number::float(value));
    } else if let Some(value) = text(array, row) {
        push_printable(out, value);
    } else if let Some(value) = timestamp(array, row) {
        let DataType::Timestamp(unit, zone) = array.data_type() else { return };
        let precision = column.unwrap_or_else(|| precision(value, *unit));
        write_timestamp(out, value, *unit, precision, ' ');
        if zone.is_some() && precision > Precision::Day {
            out.push('Z');
        }
    } else if let Some(value) = decimal(array, row) {
        out.push_str(&value);
    } else if let Some(value) = binary(array, row) {
        write_hexadecimal(out, value);
    } else if let Some((values, at)) = dictionary(array, row) {
        write_value(out, &values, at, column, nested);
    } else if let Some(items) = list(array, row) {
        out.push('[');
        for item in 0..items.len() {
            out.push_str(if item == 0 { "" } else { ", " });
            write_nested(out, &items, item);
        }
        out.push(']');
    } else {
        match array.data_type() {
            DataType::Date32 => {
                write_date(out, i64::from(array.as_primitive::<arrow::datatypes::Date32Type>().value(row)));
            }
            DataType::Map(_, _) => {
                let entries = array.as_map().value(row);
                out.push_str(if nested { "{" } else { "" });
                for entry in 0..entries.len() {
                    out.push_str(if entry == 0 { "" } else { ", " });
                    write_nested(out, entries.column(0), entry);
                    out.push_str(": ");
                    write_nested(out, entries.column(1), entry);
                }
                out.push_str(if nested { "}" } else { "" });
            }
            DataType::Struct(fields) => {
                out.push('{');
                for (i, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    push_printable(out, field.name());
                    out.push_str(": ");
                    write_nested(out, column, row);
                }
                out.push('}');
            }
            DataType::RunEndEncoded(_, values) => match cast(&array.slice(row, 1), values.data_type()) {
                Ok(value) => write_value(out, &value, 0, column, nested),
                Err(error) => push_printable(out, &error.to_string()),
            },
            _ => push_printable(out, &plain(array, row)),
        }
    }
}

fn write_nested(out: &mut String, array: &dyn Array, row: usize) {
    if is_null(array, row) {
        out.push_str("NULL");
    } else {
        write_value(out, array, row, None, true);
    }
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn write_hexadecimal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// Adds text with its control characters escaped: data must neither break a table's lines nor drive the terminal.
fn push_printable(out: &mut String, text: &str) {
    if !text.chars().any(needs_escape) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if needs_escape(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
}

/// Control characters, and those that turn the direction of writing.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// The text with its control characters escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_printable(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
        Int64Array, ListArray, MapBuilder, NullArray, StringArray, StringBuilder, StructArray,
        TimestampMillisecondArray,
    };
    use arrow::array::{Float64Builder, Int32Array};

    use super::*;

    fn cells(array: impl Array + 'static) -> Vec<Option<String>> {
        let field = Field::new("x", array.data_type().clone(), true);
        let rows = array.len();
        Column::from_arrow(&field, &[Arc::new(array)], rows).cells
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some(text.to_string())).collect()
    }

    #[test]
    fn floats_of_a_column_line_up() {
        assert_eq!(
            cells(Float64Array::from(vec![0.1 + 0.2, 12.0, 0.81234567, f64::NAN])),
            some(&["0.3000", "12.0000", "0.8123", "NaN"])
        );
        assert_eq!(cells(Float64Array::from(vec![Some(1.0), None])), vec![Some("1.0".to_string()), None]);
        assert_eq!(cells(Float32Array::from(vec![0.1])), some(&["0.1"]));
    }

    #[test]
    fn timestamps_of_a_column_share_their_precision() {
        let midnight = 1_512_086_400_000;
        assert_eq!(cells(TimestampMillisecondArray::from(vec![midnight])), some(&["2017-12-01"]));
        assert_eq!(
            cells(TimestampMillisecondArray::from(vec![midnight, midnight + 36_000_000])),
            some(&["2017-12-01 00:00:00", "2017-12-01 10:00:00"])
        );
        assert_eq!(
            cells(TimestampMillisecondArray::from(vec![midnight, midnight + 5]).with_timezone("UTC")),
            some(&["2017-12-01 00:00:00.000Z", "2017-12-01 00:00:00.005Z"])
        );
    }

    #[test]
    fn other_scalars() {
        assert_eq!(cells(Date32Array::from(vec![17_501])), some(&["2017-12-01"]));
        assert_eq!(cells(BooleanArray::from(vec![true, false])), some(&["true", "false"]));
        assert_eq!(cells(Int64Array::from(vec![-5, 1_234_567])), some(&["-5", "1234567"]));
        let decimals = Decimal128Array::from(vec![110, -5]).with_precision_and_scale(5, 2);
        assert_eq!(cells(decimals.unwrap()), some(&["1.10", "-0.05"]));
        assert_eq!(cells(BinaryArray::from(vec![&b"\x00\xff"[..]])), some(&["00ff"]));
        assert_eq!(cells(NullArray::new(2)), vec![None, None]);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            cells(StringArray::from(vec!["a\nb", "\x1b[31mred", "naïve \u{202e}x"])),
            some(&["a\\nb", "\\u{1b}[31mred", "naïve \\u{202e}x"])
        );
    }

    #[test]
    fn dictionaries_show_their_values_and_their_nulls() {
        let keys = Int32Array::from(vec![Some(1), None, Some(0), Some(2)]);
        let values = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        let array = DictionaryArray::try_new(keys, values).unwrap();
        assert_eq!(cells(array), vec![Some("b".to_string()), None, Some("a".to_string()), None]);
    }

    #[test]
    fn nested_values() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
        map.keys().append_value("AUC");
        map.values().append_value(0.87654321);
        map.keys().append_value("LogLoss");
        map.values().append_null();
        map.append(true).unwrap();
        assert_eq!(cells(map.finish()), some(&["AUC: 0.8765, LogLoss: NULL"]));

        let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(vec![
            Some(vec![Some(1), None, Some(3)]),
            Some(vec![]),
        ]);
        assert_eq!(cells(list), some(&["[1, NULL, 3]", "[]"]));

        let row = StructArray::from(vec![(
            Arc::new(Field::new("a", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![7])) as ArrayRef,
        )]);
        assert_eq!(cells(row), some(&["{a: 7}"]));
    }

    #[test]
    fn only_the_rows_asked_for() {
        let field = Field::new("n", DataType::Int64, false);
        let part = |from: i64| Arc::new((from..from + 3).collect::<Int64Array>()) as ArrayRef;
        let column = Column::from_arrow(&field, &[part(0), part(3), part(6)], 5);
        assert_eq!(column.cells, some(&["0", "1", "2", "3", "4"]));
        assert!(column.right);
    }
}
