//! SQL types to Arrow types, as Flink means them.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::plan_err;
use datafusion::logical_expr::planner::TypePlanner;
use tidegate_sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, TimezoneInfo};

/// The Arrow type of a SQL type; the error says which types there are.
///
/// `TIMESTAMP(p)` is kept in milliseconds up to p = 3, in microseconds up to 6 (the default, as in Flink), else in nanoseconds.
pub(crate) fn arrow_type(sql: &SqlType) -> Result<DataType, String> {
    Ok(match sql {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::Int32,
        SqlType::BigInt(_) => DataType::Int64,
        SqlType::Float(_) | SqlType::Real => DataType::Float32,
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::Float64,
        SqlType::Decimal(info) | SqlType::Dec(info) | SqlType::Numeric(info) => decimal(info)?,
        SqlType::String(_) | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Character(_) | SqlType::Text => {
            DataType::Utf8
        }
        SqlType::CharacterVarying(_) | SqlType::CharVarying(_) => DataType::Utf8,
        SqlType::Bytes(_) | SqlType::Binary(_) | SqlType::Varbinary(_) => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time(_, _) => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(unit(*precision), None)
        }
        SqlType::Timestamp(precision, _) => DataType::Timestamp(unit(*precision), Some("UTC".into())),
        SqlType::Array(ArrayElemTypeDef::AngleBracket(element)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true)))
        }
        SqlType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true)))
        }
        SqlType::Map(key, value) => map_type(arrow_type(key)?, arrow_type(value)?),
        SqlType::Struct(fields, _) => DataType::Struct(
            fields
                .iter()
                .enumerate()
                .map(|(i, field)| {
                    let name = field.field_name.as_ref().map_or_else(|| format!("f{i}"), |name| name.value.clone());
                    Ok(Field::new(name, arrow_type(&field.field_type)?, true))
                })
                .collect::<Result<Fields, String>>()?,
        ),
        SqlType::Custom(name, arguments) => custom(&name.to_string(), arguments)?,
        other => return Err(unknown(&other.to_string())),
    })
}

/// A map from `key` to `value`, laid out as DataFusion's map functions expect.
pub(crate) fn map_type(key: DataType, value: DataType) -> DataType {
    let entries = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
}

fn unit(precision: Option<u64>) -> TimeUnit {
    match precision {
        Some(0..=3) => TimeUnit::Millisecond,
        None | Some(4..=6) => TimeUnit::Microsecond,
        Some(_) => TimeUnit::Nanosecond,
    }
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType, String> {
    // Flink's default is DECIMAL(10, 0).
    let (precision, scale) = match info {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=DECIMAL128_MAX_PRECISION), Ok(s)) if s >= 0 && s as u8 <= p => Ok(DataType::Decimal128(p, s)),
        _ => Err(format!(
            "DECIMAL({precision}, {scale}) is out of range; the precision is 1 to 38, the scale 0 to the precision"
        )),
    }
}

/// Types that the parser has no words for.
fn custom(name: &str, arguments: &[String]) -> Result<DataType, String> {
    match name.to_ascii_uppercase().as_str() {
        "TIMESTAMP_LTZ" => {
            let precision = arguments.first().and_then(|p| p.parse().ok());
            Ok(DataType::Timestamp(unit(precision), Some("UTC".into())))
        }
        "STRING" => Ok(DataType::Utf8),
        "BYTES" => Ok(DataType::Binary),
        _ => Err(unknown(name)),
    }
}

const KNOWN: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "STRING",
    "VARCHAR",
    "CHAR",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "ROW",
];

fn unknown(name: &str) -> String {
    match tidegate_options::nearest(name, KNOWN.iter().copied()) {
        Some(near) if !near.eq_ignore_ascii_case(name) => format!("unknown type {name}; did you mean {near}?"),
        _ => format!("unknown type {name}; known are {}", KNOWN.join(", ")),
    }
}

/// The SQL name of an Arrow type, as it would be written in `CREATE TABLE`.
pub(crate) fn sql_type(arrow: &DataType) -> String {
    match arrow {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(p, s) => format!("DECIMAL({p}, {s})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time64(_) | DataType::Time32(_) => "TIME".into(),
        DataType::Timestamp(unit, zone) => {
            let precision = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            format!("TIMESTAMP{}({precision})", if zone.is_some() { "_LTZ" } else { "" })
        }
        DataType::List(element) => format!("ARRAY<{}>", sql_type(element.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("MAP<{}, {}>", sql_type(fields[0].data_type()), sql_type(fields[1].data_type()))
            }
            other => format!("{other}"),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|f| format!("{} {}", f.name(), sql_type(f.data_type()))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => format!("{other}"),
    }
}

/// Gives DataFusion the same mapping, for `CAST`.
#[derive(Debug)]
pub(crate) struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> datafusion::common::Result<Option<FieldRef>> {
        match arrow_type(sql_type) {
            Ok(data_type) => Ok(Some(Arc::new(Field::new("", data_type, true)))),
            Err(_) if matches!(sql_type, SqlType::Interval { .. }) => Ok(None),
            Err(message) => plan_err!("{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sql::sqlparser::dialect::GenericDialect;
    use tidegate_sql::sqlparser::parser::Parser;

    fn read(text: &str) -> Result<DataType, String> {
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).unwrap();
        arrow_type(&parser.parse_data_type().unwrap())
    }

    #[test]
    fn types_are_read_as_flink_means_them_and_written_back() {
        for (given, written) in [
            ("STRING", "STRING"),
            ("TIMESTAMP(3)", "TIMESTAMP(3)"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("TIMESTAMP_LTZ(3)", "TIMESTAMP_LTZ(3)"),
            ("DECIMAL(10, 2)", "DECIMAL(10, 2)"),
            ("FLOAT", "FLOAT"),
            ("ARRAY<DOUBLE>", "ARRAY<DOUBLE>"),
        ] {
            assert_eq!(sql_type(&read(given).unwrap()), written, "{given}");
        }
    }

    #[test]
    fn unknown_types_are_refused_with_the_nearest() {
        assert_eq!(read("STRNG").unwrap_err(), "unknown type STRNG; did you mean STRING?");
        assert!(read("DECIMAL(99, 2)").unwrap_err().contains("out of range"));
    }
}
