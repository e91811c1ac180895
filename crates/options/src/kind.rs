//! What an option's value may be, and how its text is read.

use std::fmt;
use std::time::Duration;

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Int {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
    },
    /// A finite number within bounds, both included.
    Float {
        /// The smallest value allowed.
        min: f64,
        /// The largest value allowed.
        max: f64,
    },
    /// A span of time as Flink writes it: `10 s`, `5 min`, `1 h`, `2 d`, `500 ms`.
    Duration,
    /// An amount of memory: `64 mb`, `2 gb`, `1024` (bytes).
    Bytes,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Texts separated by commas.
    List,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// See [`Kind::Text`] and [`Kind::Choice`].
    Text(String),
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Int`].
    Int(i64),
    /// See [`Kind::Float`].
    Float(f64),
    /// See [`Kind::Duration`].
    Duration(Duration),
    /// See [`Kind::Bytes`].
    Bytes(u64),
    /// See [`Kind::List`].
    List(Vec<String>),
}

impl fmt::Display for Kind {
    /// What the option takes, in words that fit after "expected".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => write!(f, "text"),
            Kind::Bool => write!(f, "true or false"),
            Kind::Int { min, max } => match (*min, *max) {
                (i64::MIN, i64::MAX) => write!(f, "a whole number"),
                (min, i64::MAX) => write!(f, "a whole number of at least {min}"),
                (min, max) => write!(f, "a whole number from {min} to {max}"),
            },
            Kind::Float { min, max } => match (min.is_finite(), max.is_finite()) {
                (false, false) => write!(f, "a number"),
                (true, false) => write!(f, "a number of at least {min}"),
                (false, true) => write!(f, "a number of at most {max}"),
                (true, true) => write!(f, "a number from {min} to {max}"),
            },
            Kind::Duration => write!(f, "a duration such as '10 s' or '5 min'"),
            Kind::Bytes => write!(f, "a size such as '64 mb'"),
            Kind::Choice(words) => {
                write!(f, "one of ")?;
                for (i, word) in words.iter().enumerate() {
                    write!(f, "{}'{word}'", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Kind::List => write!(f, "texts separated by commas"),
        }
    }
}

impl Kind {
    /// Reads `text` as a value of this kind; `None` if it is not one.
    pub fn read(&self, text: &str) -> Option<Value> {
        let trimmed = text.trim();
        match self {
            Kind::Text => Some(Value::Text(text.to_string())),
            Kind::Bool if trimmed.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
            Kind::Bool if trimmed.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
            Kind::Bool => None,
            Kind::Int { min, max } => trimmed.parse().ok().filter(|v| (min..=max).contains(&v)).map(Value::Int),
            Kind::Float { min, max } => {
                trimmed.parse().ok().filter(|v: &f64| v.is_finite() && (min..=max).contains(&v)).map(Value::Float)
            }
            Kind::Duration => parse_duration(trimmed).map(Value::Duration),
            Kind::Bytes => parse_bytes(trimmed).map(Value::Bytes),
            Kind::Choice(words) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(trimmed)).map(|word| Value::Text(word.to_string()))
            }
            Kind::List => Some(Value::List(
                trimmed.split(',').map(|part| part.trim().to_string()).filter(|p| !p.is_empty()).collect(),
            )),
        }
    }
}

/// Splits `10 s` into `10` and `s`.
fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim().to_lowercase()))
}

/// Reads a duration as Flink writes it. A bare number is in milliseconds.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(tidegate_options::parse_duration("1.5 min"), Some(Duration::from_secs(90)));
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds = match unit.as_str() {
        "ns" | "nano" | "nanosecond" | "nanoseconds" => 1e-9,
        "us" | "µs" | "micro" | "microsecond" | "microseconds" => 1e-6,
        "" | "ms" | "milli" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "min" | "m" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Reads an amount of memory; units are powers of 1024.
///
/// ```
/// assert_eq!(tidegate_options::parse_bytes("64 mb"), Some(64 << 20));
/// ```
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    Some((number * (1u64 << shift) as f64) as u64)
}
