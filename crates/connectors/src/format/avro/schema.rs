//! The Avro schema of a table's columns, named and ordered as Flink does it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use serde_json::{Value, json};

use crate::format::sql_type;
use crate::{Error, Result};

const NAMESPACE: &str = "org.apache.flink.avro.generated";

/// What arrow-avro calls the zone of points in time.
const ZONE: &str = "+00:00";

/// Refuses columns that Avro has no form or no name for.
pub(crate) fn check_types(table: &str, option: &str, schema: &Schema) -> Result<()> {
    fn wrong(name: &str, data_type: &DataType) -> Option<String> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Some(format!("'{name}' cannot be a name in Avro: letters, digits and '_' only, no digit in front"));
        }
        match data_type {
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Some(format!("'{name}' is {}, and Avro counts no nanoseconds", sql_type(data_type)))
            }
            DataType::List(item) => wrong(name, item.data_type()),
            DataType::Struct(fields) => fields.iter().find_map(|field| wrong(field.name(), field.data_type())),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 && pair[0].data_type() == &DataType::Utf8 => {
                    wrong(name, pair[1].data_type())
                }
                _ => Some(format!("'{name}' is {}; the keys of a map in Avro are STRING", sql_type(data_type))),
            },
            _ => None,
        }
    }
    match schema.fields().iter().find_map(|field| wrong(field.name(), field.data_type())) {
        Some(said) => Err(Error::declaration(table, Some(option), format!("column {said}"))),
        None => Ok(()),
    }
}

/// The schema of rows, as JSON.
pub(super) fn avro_schema(schema: &Schema) -> String {
    let mut record = record(schema.fields(), "record");
    record["namespace"] = json!(NAMESPACE);
    record.to_string()
}

fn record(fields: &Fields, name: &str) -> Value {
    let field = |field: &FieldRef| match nullable(field, &format!("{name}_{}", field.name())) {
        // What a writer does not have is NULL.
        (value, true) => json!({"name": field.name(), "type": value, "default": null}),
        (value, false) => json!({"name": field.name(), "type": value}),
    };
    json!({"type": "record", "name": name, "fields": fields.iter().map(field).collect::<Vec<_>>()})
}

fn nullable(field: &Field, name: &str) -> (Value, bool) {
    let plain = of_type(field.data_type(), name);
    if field.is_nullable() { (json!(["null", plain]), true) } else { (plain, false) }
}

fn of_type(data_type: &DataType, name: &str) -> Value {
    match data_type {
        DataType::Boolean => json!("boolean"),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => json!("int"),
        DataType::Int64 => json!("long"),
        DataType::Float32 => json!("float"),
        DataType::Float64 => json!("double"),
        DataType::Binary => json!("bytes"),
        DataType::Date32 => json!({"type": "int", "logicalType": "date"}),
        DataType::Timestamp(TimeUnit::Microsecond, _) => json!({"type": "long", "logicalType": "timestamp-micros"}),
        DataType::Timestamp(_, _) => json!({"type": "long", "logicalType": "timestamp-millis"}),
        DataType::Decimal128(precision, scale) => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        DataType::List(item) => json!({"type": "array", "items": nullable(item, name).0}),
        DataType::Struct(fields) => record(fields, name),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => json!({"type": "map", "values": nullable(&pair[1], name).0}),
            _ => json!("string"),
        },
        _ => json!("string"),
    }
}

/// A reader's schema with the names of the writer's records, as far as these stand in the same places: which rows a message
/// has does not depend on what its writer calls them.
pub(super) fn with_names_of(reader: &str, writer: &str) -> String {
    match (serde_json::from_str::<Value>(reader), serde_json::from_str::<Value>(writer)) {
        (Ok(mut reader), Ok(writer)) => {
            adopt_names(&mut reader, &writer);
            reader.to_string()
        }
        _ => reader.to_string(),
    }
}

fn adopt_names(reader: &mut Value, writer: &Value) {
    if let Value::Array(branches) = reader {
        branches.iter_mut().filter(|branch| *branch != "null").for_each(|branch| adopt_names(branch, writer));
        return;
    }
    if let Value::Array(branches) = writer {
        let mut values = branches.iter().filter(|branch| *branch != "null");
        if let (Some(only), None) = (values.next(), values.next()) {
            adopt_names(reader, only);
        }
        return;
    }
    if reader["type"] != writer["type"] {
        return;
    }
    match reader["type"].as_str() {
        Some("record") => {
            for name in ["name", "namespace"] {
                match &writer[name] {
                    Value::Null => reader.as_object_mut().map(|reader| reader.remove(name)),
                    given => reader.as_object_mut().map(|reader| reader.insert(name.to_string(), given.clone())),
                };
            }
            for field in reader["fields"].as_array_mut().into_iter().flatten() {
                let same = |other: &&Value| other["name"] == field["name"];
                if let Some(other) = writer["fields"].as_array().into_iter().flatten().find(same) {
                    adopt_names(&mut field["type"], &other["type"]);
                }
            }
        }
        Some("array") => adopt_names(&mut reader["items"], &writer["items"]),
        Some("map") => adopt_names(&mut reader["values"], &writer["values"]),
        _ => {}
    }
}

/// The columns in the types that arrow-avro reads and writes.
pub(super) fn avro_columns(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(avro_field).collect::<Fields>())
}

fn avro_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Int8 | DataType::Int16 => DataType::Int32,
        DataType::Timestamp(TimeUnit::Microsecond, _) => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())),
        DataType::List(item) => DataType::List(avro_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(avro_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(avro_field(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
