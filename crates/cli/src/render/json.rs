//! Arrow values as JSON, written without loss.

use std::collections::HashSet;
use std::io::{self, Write};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, SchemaRef, TimeUnit};

use super::cell::{self, is_null};
use super::datetime::{Precision, precision, write_date, write_timestamp};

/// Writes a result as one line: `{"type":"rows","columns":[{"name":…,"type":…}],"rows":[{…}]}`.
///
/// Columns of the same name are told apart as `name`, `name_1` and so on.
pub(crate) fn write_rows(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> io::Result<()> {
    let keys = distinct_names(schema);
    out.write_all(b"{\"type\":\"rows\",\"columns\":[")?;
    let mut buffer = String::new();
    for (i, (key, field)) in keys.iter().zip(schema.fields()).enumerate() {
        buffer.push_str(if i == 0 { "{\"name\":" } else { ",{\"name\":" });
        push_string(&mut buffer, key);
        buffer.push_str(",\"type\":");
        push_string(&mut buffer, &sql_type(field.data_type()));
        buffer.push('}');
    }
    buffer.push_str("],\"rows\":[");
    let keys: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(i, key)| {
            let mut text = String::from(if i == 0 { "" } else { "," });
            push_string(&mut text, key);
            text.push(':');
            text
        })
        .collect();
    let mut first = true;
    for batch in batches {
        for row in 0..batch.num_rows() {
            buffer.push_str(if first { "{" } else { ",{" });
            first = false;
            for (key, column) in keys.iter().zip(batch.columns()) {
                buffer.push_str(key);
                push_value(&mut buffer, column, row);
            }
            buffer.push('}');
            if buffer.len() > 1 << 16 {
                out.write_all(buffer.as_bytes())?;
                buffer.clear();
            }
        }
    }
    buffer.push_str("]}\n");
    out.write_all(buffer.as_bytes())
}

fn distinct_names(schema: &SchemaRef) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut names = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut suffix = 0;
        while !taken.insert(name.clone()) {
            suffix += 1;
            name = format!("{}_{suffix}", field.name());
        }
        names.push(name);
    }
    names
}

/// Appends the text as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Appends a value. What JSON has no number for (NaN, infinities) becomes null.
fn push_value(out: &mut String, array: &dyn Array, row: usize) {
    if is_null(array, row) {
        out.push_str("null");
    } else if let Some(value) = cell::float(array, row) {
        match serde_json::Number::from_f64(value) {
            Some(number) => out.push_str(&number.to_string()),
            None => out.push_str("null"),
        }
    } else if let Some(text) = cell::text(array, row) {
        push_string(out, text);
    } else if let Some(value) = cell::timestamp(array, row) {
        let DataType::Timestamp(unit, zone) = array.data_type() else { return };
        out.push('"');
        write_timestamp(out, value, *unit, iso_precision(value, *unit), 'T');
        out.push_str(if zone.is_some() { "Z\"" } else { "\"" });
    } else if let Some(digits) = cell::decimal(array, row) {
        out.push_str(&digits);
    } else if let Some(bytes) = cell::binary(array, row) {
        out.push('"');
        cell::write_hexadecimal(out, bytes);
        out.push('"');
    } else if let Some((values, at)) = cell::dictionary(array, row) {
        push_value(out, &values, at);
    } else if let Some(items) = cell::list(array, row) {
        out.push('[');
        for item in 0..items.len() {
            out.push_str(if item == 0 { "" } else { "," });
            push_value(out, &items, item);
        }
        out.push(']');
    } else {
        push_other(out, array, row);
    }
}

fn push_other(out: &mut String, array: &dyn Array, row: usize) {
    match array.data_type() {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        data_type if data_type.is_integer() => out.push_str(&cell::plain(array, row)),
        DataType::Date32 => {
            out.push('"');
            write_date(out, i64::from(array.as_primitive::<Date32Type>().value(row)));
            out.push('"');
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for entry in 0..entries.len() {
                out.push_str(if entry == 0 { "" } else { "," });
                // A key is a string in JSON, whatever it was.
                let mut key = String::new();
                push_value(&mut key, entries.column(0), entry);
                if key.starts_with('"') {
                    out.push_str(&key)
                } else {
                    push_string(out, &key)
                }
                out.push(':');
                push_value(out, entries.column(1), entry);
            }
            out.push('}');
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (i, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                push_string(out, field.name());
                out.push(':');
                push_value(out, column, row);
            }
            out.push('}');
        }
        DataType::RunEndEncoded(_, values) => match cast(&array.slice(row, 1), values.data_type()) {
            Ok(value) => push_value(out, &value, 0),
            Err(_) => out.push_str("null"),
        },
        _ => push_string(out, &cell::plain(array, row)),
    }
}

/// Day and time always; a fraction where there is one.
fn iso_precision(value: i64, unit: TimeUnit) -> Precision {
    precision(value, unit).max(Precision::Second)
}

/// The SQL type that an Arrow type stands for.
fn sql_type(data_type: &DataType) -> String {
    let digits = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match data_type {
        DataType::Null => "NULL".to_string(),
        DataType::Boolean => "BOOLEAN".to_string(),
        DataType::Int8 => "TINYINT".to_string(),
        DataType::Int16 | DataType::UInt8 => "SMALLINT".to_string(),
        DataType::Int32 | DataType::UInt16 => "INT".to_string(),
        DataType::Int64 | DataType::UInt32 => "BIGINT".to_string(),
        DataType::UInt64 => "DECIMAL(20, 0)".to_string(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_string(),
        DataType::Float64 => "DOUBLE".to_string(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_string(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BYTES".to_string()
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_string(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(unit)),
        DataType::Duration(_) | DataType::Interval(_) => "INTERVAL".to_string(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("ARRAY<{}>", sql_type(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<String> = fields.iter().map(|field| sql_type(field.data_type())).collect();
                format!("MAP<{}>", types.join(", "))
            }
            other => format!("MAP<{}>", sql_type(other)),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type()))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::RunEndEncoded(_, values) => sql_type(values.data_type()),
        DataType::Union(_, _) => "RAW".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Float64Builder, Int64Array, MapBuilder,
        StringArray, StringBuilder, TimestampMicrosecondArray, TimestampMillisecondArray, UInt64Array,
    };
    use arrow::datatypes::{Field, Schema};
    use serde_json::{Value, json};

    use super::*;

    fn written(columns: Vec<(&str, ArrayRef)>) -> String {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
        let mut out = Vec::new();
        write_rows(&mut out, &schema, &[batch]).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn values(array: impl Array + 'static) -> String {
        let line = written(vec![("x", Arc::new(array))]);
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        let (_, rows) = line.trim_end().split_once("\"rows\":").unwrap();
        rows.trim_end_matches('}').to_string()
    }

    #[test]
    fn one_line_with_columns_and_rows() {
        let line = written(vec![
            ("a", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ("b", Arc::new(StringArray::from(vec!["x", "say \"hi\"\n"]))),
        ]);
        assert_eq!(
            line,
            "{\"type\":\"rows\",\"columns\":[{\"name\":\"a\",\"type\":\"BIGINT\"},{\"name\":\"b\",\"type\":\"STRING\"}],\
             \"rows\":[{\"a\":1,\"b\":\"x\"},{\"a\":null,\"b\":\"say \\\"hi\\\"\\n\"}]}\n"
        );
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(
            values(Float64Array::from(vec![0.1 + 0.2, f64::NAN, f64::INFINITY, 1e300, 3.0])),
            "[{\"x\":0.30000000000000004},{\"x\":null},{\"x\":null},{\"x\":1e+300},{\"x\":3.0}]"
        );
        assert_eq!(values(Int64Array::from(vec![i64::MIN])), "[{\"x\":-9223372036854775808}]");
        assert_eq!(values(UInt64Array::from(vec![u64::MAX])), "[{\"x\":18446744073709551615}]");
        let decimals = Decimal128Array::from(vec![110, -5]).with_precision_and_scale(38, 2).unwrap();
        assert_eq!(values(decimals), "[{\"x\":1.10},{\"x\":-0.05}]");
        assert_eq!(values(BooleanArray::from(vec![true])), "[{\"x\":true}]");
    }

    #[test]
    fn times_are_iso() {
        assert_eq!(values(Date32Array::from(vec![17_501])), "[{\"x\":\"2017-12-01\"}]");
        assert_eq!(
            values(TimestampMillisecondArray::from(vec![1_512_086_400_000, 1_512_086_400_250])),
            "[{\"x\":\"2017-12-01T00:00:00\"},{\"x\":\"2017-12-01T00:00:00.250\"}]"
        );
        assert_eq!(
            values(TimestampMicrosecondArray::from(vec![1_512_086_400_000_001]).with_timezone("UTC")),
            "[{\"x\":\"2017-12-01T00:00:00.000001Z\"}]"
        );
    }

    #[test]
    fn maps_are_objects() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
        map.keys().append_value("Accuracy");
        map.values().append_value(0.75);
        map.keys().append_value("AUC");
        map.values().append_value(f64::NAN);
        map.append(true).unwrap();
        let line = written(vec![("m", Arc::new(map.finish()))]);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["rows"], json!([{"m": {"Accuracy": 0.75, "AUC": null}}]));
        assert_eq!(read["columns"][0]["type"], "MAP<STRING, DOUBLE>");
    }

    #[test]
    fn columns_of_the_same_name_are_told_apart() {
        let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        let read: Value = serde_json::from_str(&written(vec![("a", one()), ("a", one()), ("a_1", one())])).unwrap();
        assert_eq!(read["rows"], json!([{"a": 1, "a_1": 1, "a_1_1": 1}]));
    }

    #[test]
    fn no_rows_are_an_empty_list() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let mut out = Vec::new();
        write_rows(&mut out, &schema, &[]).unwrap();
        let read: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["rows"], json!([]));
    }
}
