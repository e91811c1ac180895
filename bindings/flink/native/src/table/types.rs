//! The names that Flink writes types by.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};

/// What columns can be, in words.
pub(super) const KNOWN: &str = "BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL, CHAR, VARCHAR, STRING, BINARY, VARBINARY, BYTES, DATE, TIME, TIMESTAMP and TIMESTAMP_LTZ";

/// The Arrow type of a type of Flink, which has written it in full: the one that the engine gives it too.
pub(super) fn arrow_type(written: &str) -> Option<DataType> {
    let (name, arguments, rest) = match written.split_once('(') {
        Some((name, rest)) => {
            let (arguments, rest) = rest.split_once(')')?;
            (name, arguments.split(',').map(|a| a.trim().parse().ok()).collect::<Option<Vec<u32>>>()?, rest.trim())
        }
        None => (written, Vec::new(), ""),
    };
    Some(match (name, &arguments[..], rest) {
        ("BOOLEAN", [], "") => DataType::Boolean,
        ("TINYINT", [], "") => DataType::Int8,
        ("SMALLINT", [], "") => DataType::Int16,
        ("INT", [], "") => DataType::Int32,
        ("BIGINT", [], "") => DataType::Int64,
        ("FLOAT", [], "") => DataType::Float32,
        ("DOUBLE", [], "") => DataType::Float64,
        ("DECIMAL", [precision, scale], "") => {
            let (precision, scale) = (u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?);
            let fits = (1..=DECIMAL128_MAX_PRECISION).contains(&precision) && scale.unsigned_abs() <= precision;
            fits.then_some(DataType::Decimal128(precision, scale))?
        }
        ("CHAR" | "VARCHAR", [_], "") => DataType::Utf8,
        ("BINARY" | "VARBINARY", [_], "") => DataType::Binary,
        ("DATE", [], "") => DataType::Date32,
        ("TIME", [_], "") => DataType::Time64(TimeUnit::Microsecond),
        ("TIMESTAMP", [precision], "") => DataType::Timestamp(unit(*precision), None),
        ("TIMESTAMP", [precision], "WITH LOCAL TIME ZONE") => DataType::Timestamp(unit(*precision), Some("UTC".into())),
        _ => return None,
    })
}

fn unit(precision: u32) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_what_the_engine_takes_them_for() {
        let utc = || Some("UTC".into());
        for (written, wanted) in [
            ("BOOLEAN", DataType::Boolean),
            ("TINYINT", DataType::Int8),
            ("SMALLINT", DataType::Int16),
            ("INT", DataType::Int32),
            ("BIGINT", DataType::Int64),
            ("FLOAT", DataType::Float32),
            ("DOUBLE", DataType::Float64),
            ("DECIMAL(10, 0)", DataType::Decimal128(10, 0)),
            ("DECIMAL(38, 38)", DataType::Decimal128(38, 38)),
            ("CHAR(3)", DataType::Utf8),
            ("VARCHAR(2147483647)", DataType::Utf8),
            ("BINARY(2)", DataType::Binary),
            ("VARBINARY(2147483647)", DataType::Binary),
            ("DATE", DataType::Date32),
            ("TIME(0)", DataType::Time64(TimeUnit::Microsecond)),
            ("TIMESTAMP(0)", DataType::Timestamp(TimeUnit::Millisecond, None)),
            ("TIMESTAMP(3)", DataType::Timestamp(TimeUnit::Millisecond, None)),
            ("TIMESTAMP(6)", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("TIMESTAMP(9)", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", DataType::Timestamp(TimeUnit::Millisecond, utc())),
            ("TIMESTAMP(4) WITH LOCAL TIME ZONE", DataType::Timestamp(TimeUnit::Microsecond, utc())),
        ] {
            assert_eq!(arrow_type(written), Some(wanted), "{written}");
        }
    }

    #[test]
    fn others_are_refused() {
        for written in [
            "",
            "INTERVAL DAY(2) TO SECOND(6)",
            "ARRAY<INT>",
            "ARRAY<VARCHAR(3)>",
            "MAP<VARCHAR(2147483647), DOUBLE>",
            "ROW<`a` INT>",
            "TIMESTAMP(3) WITH TIME ZONE",
            "DECIMAL(39, 0)",
            "DECIMAL(3, 4)",
            "DECIMAL(10",
            "INT NOT NULL",
            "BOOLEAN(1)",
        ] {
            assert_eq!(arrow_type(written), None, "{written}");
        }
    }
}
