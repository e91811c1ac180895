//! `timestampdiff(unit, a, b)` and `timestampadd(unit, n, t)`, as Flink computes them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMillisecondType};
use chrono::{DateTime, Datelike, Months};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

const MILLISECONDS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// The functions of this file.
pub(crate) fn time_functions() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::new_from_impl(TimestampFunction::new(Kind::Diff)),
        ScalarUDF::new_from_impl(TimestampFunction::new(Kind::Add)),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Diff,
    Add,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimestampFunction {
    kind: Kind,
    signature: Signature,
}

impl TimestampFunction {
    fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// A unit of time: so many milliseconds, or so many months.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Milliseconds(i64),
    Months(i64),
}

fn unit(word: &str) -> Result<Unit> {
    Ok(match word {
        "second" => Unit::Milliseconds(1000),
        "minute" => Unit::Milliseconds(60_000),
        "hour" => Unit::Milliseconds(3_600_000),
        "day" => Unit::Milliseconds(86_400_000),
        "week" => Unit::Milliseconds(7 * 86_400_000),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        other => return plan_err!("'{other}' is not a unit of time"),
    })
}

impl ScalarUDFImpl for TimestampFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Diff => "timestampdiff",
            Kind::Add => "timestampadd",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Diff => DataType::Int64,
            Kind::Add => MILLISECONDS,
        })
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() != 3 {
            return plan_err!("{} takes a unit and two values", self.name().to_uppercase());
        }
        let middle = match self.kind {
            Kind::Diff => MILLISECONDS,
            Kind::Add => DataType::Int64,
        };
        Ok(vec![DataType::Utf8, middle, MILLISECONDS])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(ScalarValue::Utf8(Some(word))) = &args.args[0] else {
            return plan_err!("the unit of {} must be a word", self.name().to_uppercase());
        };
        let unit = unit(word)?;
        let first = args.args[1].to_array(args.number_rows)?;
        let second = cast(&args.args[2].to_array(args.number_rows)?, &MILLISECONDS)?;
        let second = second.as_primitive::<TimestampMillisecondType>();
        let result: ArrayRef = match self.kind {
            Kind::Diff => {
                let first = cast(&first, &MILLISECONDS)?;
                Arc::new(difference(unit, first.as_primitive(), second))
            }
            Kind::Add => Arc::new(sum(unit, first.as_primitive::<Int64Type>(), second)),
        };
        if args.args[1..].iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Whole units from `a` to `b`; a part of a unit does not count.
fn difference(unit: Unit, a: &TimestampMillisecondArray, b: &TimestampMillisecondArray) -> Int64Array {
    let nulls = arrow::buffer::NullBuffer::union(a.nulls(), b.nulls());
    let pairs = a.values().iter().zip(b.values());
    let values = match unit {
        Unit::Milliseconds(unit) => pairs.map(|(a, b)| b.wrapping_sub(*a) / unit).collect(),
        Unit::Months(unit) => pairs.map(|(a, b)| months_between(*a, *b) / unit).collect(),
    };
    Int64Array::new(values, nulls)
}

fn months_between(a: i64, b: i64) -> i64 {
    if b < a {
        return -months_between(b, a);
    }
    let (Some(from), Some(to)) = (DateTime::from_timestamp_millis(a), DateTime::from_timestamp_millis(b)) else {
        return 0;
    };
    let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month()) - i64::from(from.month());
    let part = (to.day(), to.time()) < (from.day(), from.time());
    months - i64::from(part)
}

fn sum(unit: Unit, amount: &Int64Array, time: &TimestampMillisecondArray) -> TimestampMillisecondArray {
    amount
        .iter()
        .zip(time.iter())
        .map(|(amount, time)| {
            let (amount, time) = (amount?, time?);
            match unit {
                Unit::Milliseconds(unit) => time.checked_add(amount.checked_mul(unit)?),
                Unit::Months(unit) => {
                    let months = amount.checked_mul(unit)?;
                    let step = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                    let time = DateTime::from_timestamp_millis(time)?;
                    let moved = if months < 0 { time.checked_sub_months(step) } else { time.checked_add_months(step) };
                    moved.map(|time| time.timestamp_millis())
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_count_when_they_are_whole() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let (a, b) = (at("2017-01-31T12:00:00Z"), at("2017-03-31T11:59:59Z"));
        assert_eq!((months_between(a, b), months_between(a, b + 1000), months_between(b, a)), (1, 2, -1));
    }
}
