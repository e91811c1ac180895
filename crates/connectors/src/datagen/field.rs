//! How the values of one column are made.

use std::sync::Arc;

use arrow::array::builder::{BinaryBuilder, NullBufferBuilder, StringBuilder};
use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, PrimitiveArray, make_array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float64Type, Int64Type, TimestampNanosecondType};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use tidegate_options::Options;

use crate::filesystem::Hash;
use crate::format::number::parse_decimal;
use crate::format::sql_type;
use crate::{Error, Result};

const DAY_NANOS: i64 = 86_400_000_000_000;

/// How the values of one column are made.
#[derive(Debug)]
pub(super) struct FieldRule {
    data_type: DataType,
    values: Values,
    null_rate: f64,
    /// What the column's random numbers begin with.
    seed: u64,
}

#[derive(Debug)]
enum Values {
    Bool,
    /// Whole numbers, and decimals as their digits.
    Whole {
        min: i128,
        max: i128,
    },
    Real {
        min: f64,
        max: f64,
    },
    Text {
        length: usize,
    },
    Bytes {
        length: usize,
    },
    /// Dates and timestamps: how far back they go.
    Time {
        past_nanos: u64,
    },
    Sequence {
        start: i64,
        end: i64,
    },
}

/// When the rows of a batch are made, in nanoseconds since 1970.
pub(super) struct MadeAt {
    pub(super) start_nanos: i64,
    pub(super) rows_per_second: u64,
}

impl MadeAt {
    fn nanos(&self, row: u64) -> i64 {
        let after = u128::from(row) * 1_000_000_000 / u128::from(self.rows_per_second);
        self.start_nanos.saturating_add(i64::try_from(after).unwrap_or(i64::MAX))
    }
}

impl FieldRule {
    pub(super) fn new(table: &str, field: &Field, options: &Options, seed: u64) -> Result<Self> {
        let name = field.name();
        let refuse = |option: &str, message: String| {
            let key = format!("fields.{name}.{option}");
            Error::declaration(table, Some(&key), format!("option '{key}': {message}"))
        };
        let data_type = field.data_type();
        let null_rate = options.float("fields.#.null-rate");
        let is_sequence = options.text("fields.#.kind") == "sequence";
        let for_sequence = ["start", "end"].as_slice();
        let for_random = ["min", "max", "max-past", "length", "null-rate"].as_slice();
        for option in if is_sequence { for_random } else { for_sequence } {
            if options.is_given(&format!("fields.#.{option}")) {
                let (kind, other) = if is_sequence { ("random", "sequence") } else { ("sequence", "random") };
                return Err(refuse(option, format!("it is for the kind '{kind}', but the column's kind is '{other}'")));
            }
        }
        if null_rate > 0.0 && !field.is_nullable() {
            return Err(refuse("null-rate", "the column is NOT NULL".to_string()));
        }
        let bound = |option: &str| options.text_opt(&format!("fields.#.{option}")).map(str::trim);
        let values = if is_sequence {
            let (Some(start), Some(end)) = (options.int_opt("fields.#.start"), options.int_opt("fields.#.end")) else {
                let missing = if options.is_given("fields.#.start") { "end" } else { "start" };
                return Err(refuse(missing, "a sequence needs both 'start' and 'end'".to_string()));
            };
            if end < start {
                return Err(refuse("end", format!("{end} is less than the start, {start}")));
            }
            if !(data_type.is_numeric() || *data_type == DataType::Utf8) {
                return Err(refuse("kind", format!("there is no sequence of {}", sql_type(data_type))));
            }
            for value in [start, end] {
                check_fits(value, data_type).map_err(|message| refuse("end", message))?;
            }
            Values::Sequence { start, end }
        } else {
            let whole = |option: &str, limit: i128, scale: i8| match bound(option) {
                None => Ok(limit),
                Some(text) => parse_decimal(text.as_bytes(), 38, scale)
                    .ok_or_else(|| refuse(option, format!("'{text}' is not of type {}", sql_type(data_type)))),
            };
            let values = match data_type {
                DataType::Boolean => Values::Bool,
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                    let bits = 8 * data_type.primitive_width().unwrap_or(8) as u32;
                    let (lowest, highest) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
                    let (min, max) = (whole("min", lowest, 0)?, whole("max", highest, 0)?);
                    if min < lowest || max > highest {
                        let option = if min < lowest { "min" } else { "max" };
                        return Err(refuse(option, format!("it does not fit into {}", sql_type(data_type))));
                    }
                    Values::Whole { min, max }
                }
                DataType::Decimal128(precision, scale) => {
                    let one = 10i128.pow(u32::from(scale.unsigned_abs()));
                    let highest = 10i128.pow(u32::from(*precision)) - 1;
                    let (min, max) = (whole("min", 0, *scale)?, whole("max", one.min(highest), *scale)?);
                    if min < -highest || max > highest {
                        return Err(refuse("max", format!("it does not fit into {}", sql_type(data_type))));
                    }
                    Values::Whole { min, max }
                }
                DataType::Float32 | DataType::Float64 => {
                    let real = |option: &str, otherwise: f64| match bound(option) {
                        None => Ok(otherwise),
                        Some(text) => text
                            .parse()
                            .ok()
                            .filter(|value: &f64| value.is_finite())
                            .ok_or_else(|| refuse(option, format!("'{text}' is not a finite number"))),
                    };
                    Values::Real { min: real("min", 0.0)?, max: real("max", 1.0)? }
                }
                DataType::Utf8 => Values::Text { length: length(options) },
                DataType::Binary => Values::Bytes { length: length(options) },
                DataType::Date32 | DataType::Timestamp(_, _) => {
                    let past = options.duration("fields.#.max-past").unwrap_or_default().as_nanos();
                    let past_nanos = u64::try_from(past).ok().filter(|past| *past <= i64::MAX as u64);
                    let too_far = || refuse("max-past", "it is more than 292 years".to_string());
                    Values::Time { past_nanos: past_nanos.ok_or_else(too_far)? }
                }
                other => {
                    let message = format!("column '{name}': datagen does not make values of type {}", sql_type(other));
                    return Err(Error::declaration(table, None, message));
                }
            };
            let empty = match values {
                Values::Whole { min, max } => min > max,
                Values::Real { min, max } => min > max,
                _ => false,
            };
            if empty {
                return Err(refuse("min", "it is greater than 'max'".to_string()));
            }
            let bounded = matches!(values, Values::Whole { .. } | Values::Real { .. });
            if let Some(option) = ["min", "max"].into_iter().find(|option| bound(option).is_some() && !bounded) {
                return Err(refuse(option, format!("a column of type {} has no bounds", sql_type(data_type))));
            }
            values
        };
        let mut hash = Hash::default();
        hash.add(&seed.to_le_bytes());
        hash.add(name.as_bytes());
        Ok(Self { data_type: data_type.clone(), values, null_rate, seed: hash.0 })
    }

    /// How many rows there are until a sequence ends.
    pub(super) fn sequence_rows(&self) -> Option<u64> {
        match self.values {
            Values::Sequence { start, end } => {
                Some((i128::from(end) - i128::from(start) + 1).min(u64::MAX.into()) as u64)
            }
            _ => None,
        }
    }

    /// The values of `rows` rows from row `first` on.
    pub(super) fn column(&self, first: u64, rows: usize, made_at: &MadeAt) -> Result<ArrayRef> {
        let nulls = self.nulls(first, rows);
        let column: ArrayRef = match &self.values {
            Values::Bool => {
                let mut random = self.random(first, 1);
                let values = (0..rows).map(|_| random.next_u64() >> 63 == 1).collect();
                Arc::new(BooleanArray::new(values, nulls.clone()))
            }
            Values::Whole { min, max } => {
                let mut random = self.random(first, 1);
                let values = (0..rows).map(|_| whole_between(*min, *max, random.next_u64()));
                match self.data_type {
                    DataType::Decimal128(_, _) => Arc::new(
                        Decimal128Array::new(values.collect(), nulls.clone()).with_data_type(self.data_type.clone()),
                    ),
                    // Checked to fit when the rule was made.
                    _ => self.typed(primitive::<Int64Type>(values.map(|value| value as i64), nulls.clone()))?,
                }
            }
            Values::Real { min, max } => {
                let mut random = self.random(first, 1);
                let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
                let values = (0..rows).map(|_| min + (max - min) * unit(random.next_u64()));
                self.typed(primitive::<Float64Type>(values, nulls.clone()))?
            }
            Values::Text { length } => Arc::new(self.texts(first, rows, *length, nulls.as_ref())),
            Values::Bytes { length } => Arc::new(self.bytes(first, rows, *length, nulls.as_ref())),
            Values::Time { past_nanos } => {
                let mut random = self.random(first, 1);
                let times = (first..).take(rows).map(|row| {
                    let back = whole_between(0, i128::from(*past_nanos), random.next_u64()) as i64;
                    made_at.nanos(row).saturating_sub(back)
                });
                match &self.data_type {
                    DataType::Date32 => {
                        let days = times.map(|nanos| nanos.div_euclid(DAY_NANOS) as i32);
                        Arc::new(Date32Array::new(days.collect(), nulls.clone()))
                    }
                    DataType::Timestamp(_, zone) => {
                        let times = primitive::<TimestampNanosecondType>(times, nulls.clone());
                        self.typed(times.with_timezone_opt(zone.clone()))?
                    }
                    _ => self.typed(primitive::<TimestampNanosecondType>(times, nulls.clone()))?,
                }
            }
            Values::Sequence { start, .. } => {
                let values = (0..rows as u64).map(|i| start.wrapping_add_unsigned(first + i));
                self.typed(primitive::<Int64Type>(values, nulls.clone()))?
            }
        };
        Ok(make_array(column.to_data()))
    }

    fn typed<T: ArrowPrimitiveType>(&self, values: PrimitiveArray<T>) -> Result<ArrayRef> {
        cast(&values, &self.data_type).map_err(Error::arrow("making up values"))
    }

    /// The column's random numbers from a row on, when each row takes `draws`.
    fn random(&self, first: u64, draws: u64) -> Pcg64 {
        let mut random = Pcg64::seed_from_u64(self.seed);
        random.advance(u128::from(first) * u128::from(draws));
        random
    }

    fn nulls(&self, first: u64, rows: usize) -> Option<NullBuffer> {
        if self.null_rate == 0.0 {
            return None;
        }
        let mut random = Pcg64::seed_from_u64(!self.seed);
        random.advance(u128::from(first));
        let mut nulls = NullBufferBuilder::new(rows);
        for _ in 0..rows {
            nulls.append((random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 >= self.null_rate);
        }
        nulls.finish()
    }

    /// Hexadecimal digits, sixteen a random number, as Flink has them.
    fn texts(&self, first: u64, rows: usize, length: usize, nulls: Option<&NullBuffer>) -> arrow::array::StringArray {
        let mut random = self.random(first, length.div_ceil(16) as u64);
        let mut values = StringBuilder::with_capacity(rows, rows * length);
        let mut text = String::with_capacity(length);
        for row in 0..rows {
            text.clear();
            for at in (0..length).step_by(16) {
                let mut bits = random.next_u64();
                for _ in at..length.min(at + 16) {
                    text.push(char::from(b"0123456789abcdef"[(bits & 15) as usize]));
                    bits >>= 4;
                }
            }
            match nulls.is_some_and(|nulls| nulls.is_null(row)) {
                true => values.append_null(),
                false => values.append_value(&text),
            }
        }
        values.finish()
    }

    fn bytes(&self, first: u64, rows: usize, length: usize, nulls: Option<&NullBuffer>) -> arrow::array::BinaryArray {
        let mut random = self.random(first, length.div_ceil(8) as u64);
        let mut values = BinaryBuilder::with_capacity(rows, rows * length);
        let mut bytes = Vec::with_capacity(length);
        for row in 0..rows {
            bytes.clear();
            for at in (0..length).step_by(8) {
                let drawn = random.next_u64().to_le_bytes();
                bytes.extend_from_slice(&drawn[..(length - at).min(8)]);
            }
            match nulls.is_some_and(|nulls| nulls.is_null(row)) {
                true => values.append_null(),
                false => values.append_value(&bytes),
            }
        }
        values.finish()
    }
}

fn length(options: &Options) -> usize {
    usize::try_from(options.int("fields.#.length")).unwrap_or(100)
}

fn primitive<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = T::Native>,
    nulls: Option<NullBuffer>,
) -> PrimitiveArray<T> {
    PrimitiveArray::new(values.collect::<Vec<_>>().into(), nulls)
}

/// A number from `min` to `max`, both included: the share of 2^64 that `bits` is, of the numbers there are.
fn whole_between(min: i128, max: i128, bits: u64) -> i128 {
    let count = max.abs_diff(min).saturating_add(1);
    // The high part of the product of two numbers, in halves because it may have 192 bits.
    let (high, low) = (count >> 64, count & u128::from(u64::MAX));
    let scaled = high * u128::from(bits) + ((low * u128::from(bits)) >> 64);
    min.wrapping_add_unsigned(scaled)
}

fn check_fits(value: i64, data_type: &DataType) -> Result<(), String> {
    let fits = match data_type {
        DataType::Int8 => i8::try_from(value).is_ok(),
        DataType::Int16 => i16::try_from(value).is_ok(),
        DataType::Int32 => i32::try_from(value).is_ok(),
        DataType::Decimal128(precision, scale) => {
            parse_decimal(value.to_string().as_bytes(), *precision, *scale).is_some()
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("{value} does not fit into {}", sql_type(data_type))) }
}
