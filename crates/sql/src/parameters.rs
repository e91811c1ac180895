//! Script parameters: `${name}`.
//!
//! A parameter is a value, never a piece of text: outside quotes it is bound into the parsed tree as a literal, and inside
//! quotes it is filled in within that one token, after the text was cut into tokens. So no value can change what a script
//! says, whatever quotes, semicolons or comment marks it holds.

use std::collections::BTreeMap;

use sqlparser::ast::{DataType, Expr, TimezoneInfo, TypedString, UnaryOperator, Value, ValueWithSpan};
use sqlparser::tokenizer::Span;
use tidegate_options::nearest;

/// The values of a script's parameters: those given from outside, which win, and the defaults that the script sets with
/// `SET 'param.name' = 'value'`.
///
/// ```
/// use tidegate_sql::Parameters;
/// let mut parameters = Parameters::default();
/// parameters.give("day", "2017-12-01").unwrap();
/// parameters.set_default("day", "2017-01-01").unwrap();
/// assert_eq!(parameters.get("day"), Some("2017-12-01"));
/// assert!(parameters.give("a-b", "1").is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    given: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
}

/// Whether `name` may name a parameter: a letter of A to Z or `_`, then such letters and digits.
pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn checked(name: &str) -> Result<String, String> {
    if is_name(name) {
        return Ok(name.to_string());
    }
    Err(format!("'{name}' cannot name a parameter: a name is letters, digits and _, and begins with no digit"))
}

impl Parameters {
    /// Gives a value from outside the script.
    ///
    /// # Errors
    /// In words, if the name cannot name a parameter.
    pub fn give(&mut self, name: &str, value: impl Into<String>) -> Result<(), String> {
        self.given.insert(checked(name)?, value.into());
        Ok(())
    }

    /// Gives a value by `name=value`, as on a command line.
    ///
    /// # Errors
    /// In words, if it is not of this form.
    pub fn give_argument(&mut self, argument: &str) -> Result<(), String> {
        match argument.split_once('=') {
            Some((name, value)) => self.give(name, value),
            None => Err(format!("'{argument}' is not of the form name=value")),
        }
    }

    /// Sets the value used where none was given.
    ///
    /// # Errors
    /// In words, if the name cannot name a parameter.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>) -> Result<(), String> {
        self.defaults.insert(checked(name)?, value.into());
        Ok(())
    }

    /// Forgets the default of one parameter.
    pub fn reset_default(&mut self, name: &str) {
        self.defaults.remove(name);
    }

    /// Forgets every default.
    pub fn reset_defaults(&mut self) {
        self.defaults.clear();
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| self.defaults.get(name)).map(String::as_str)
    }

    /// The values given from outside, by name.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What to do about a parameter that has no value.
    pub(crate) fn help_for(&self, name: &str) -> String {
        match nearest(name, self.given.keys().chain(self.defaults.keys()).map(String::as_str)) {
            Some(near) => format!("did you mean ${{{near}}}?"),
            None => format!("give it with --param {name}=…, or a default with SET 'param.{name}' = '…';"),
        }
    }
}

/// The literal that a value is: a whole number, a decimal, TRUE or FALSE, a date, a timestamp, else a text.
pub(crate) fn literal(text: &str, span: Span) -> Expr {
    let plain = |value| Expr::Value(ValueWithSpan { value, span });
    let typed = |data_type, text: String| {
        let value = ValueWithSpan { value: Value::SingleQuotedString(text), span };
        Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })
    };
    if let Some(digits) = unsigned_number(text.strip_prefix(['-', '+']).unwrap_or(text)) {
        let number = plain(Value::Number(digits, false));
        return match text.starts_with('-') {
            true => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) },
            false => number,
        };
    }
    match text {
        _ if text.eq_ignore_ascii_case("true") => plain(Value::Boolean(true)),
        _ if text.eq_ignore_ascii_case("false") => plain(Value::Boolean(false)),
        _ if is_date(text) => typed(DataType::Date, text.to_string()),
        _ if is_timestamp(text) => typed(DataType::Timestamp(None, TimezoneInfo::None), text.replacen('T', " ", 1)),
        _ => plain(Value::SingleQuotedString(text.to_string())),
    }
}

/// `text` if it is a number: digits that fit 64 bits, or digits with a point or an exponent.
fn unsigned_number(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // A code such as 007 is a text: as a number it would lose its zeros.
        let code = text.len() > 1 && text.starts_with('0');
        return text.parse::<i64>().ok().filter(|_| !code).map(|_| text.to_string());
    }
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    text.parse::<f64>().ok().filter(|value| decimal && value.is_finite()).map(|_| text.to_string())
}

/// Whether `text` has the form of `pattern`, where `0` stands for any digit.
fn has_form(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'0' { b.is_ascii_digit() } else { b == p })
}

fn part(text: &str, from: usize, to: usize) -> u32 {
    text.get(from..to).and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

fn is_date(text: &str) -> bool {
    if !has_form(text, "0000-00-00") {
        return false;
    }
    let (year, month, day) = (part(text, 0, 4), part(text, 5, 7), part(text, 8, 10));
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(separator), Some(time)) = (text.get(..10), text.get(10..11), text.get(11..)) else {
        return false;
    };
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    is_date(date)
        && matches!(separator, " " | "T")
        && has_form(clock, "00:00:00")
        && part(clock, 0, 2) < 24
        && part(clock, 3, 5) < 60
        && part(clock, 6, 8) < 60
        && fraction.is_none_or(|f| (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()))
}

/// Fills in the parameters of a quoted text: `${name}` by its value, `$${name}` by `${name}` itself. What looks like a
/// parameter but has no name, such as the `${2}` of a pattern, stays.
///
/// # Errors
/// The name of a parameter that `value` does not know.
pub(crate) fn expand<'v>(text: &str, mut value: impl FnMut(&str) -> Option<&'v str>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let after = &rest[start + 2..];
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            expanded.push_str(&rest[..start + 2]);
            rest = after;
            continue;
        };
        match rest[..start].strip_suffix('$') {
            Some(before) => {
                expanded.push_str(before);
                expanded.push_str(&rest[start..start + name.len() + 3]);
            }
            None => {
                expanded.push_str(&rest[..start]);
                expanded.push_str(value(name).ok_or_else(|| name.to_string())?);
            }
        }
        rest = &after[name.len() + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_its_own_type() {
        let shown = |text| literal(text, Span::empty()).to_string();
        for (text, expected) in [
            ("5", "5"),
            ("-5", "-5"),
            ("+5", "5"),
            ("0", "0"),
            ("0.05", "0.05"),
            ("1e-6", "1e-6"),
            ("007", "'007'"),
            ("99999999999999999999", "'99999999999999999999'"),
            ("1e999", "'1e999'"),
            ("-", "'-'"),
            ("", "''"),
            ("NaN", "'NaN'"),
            ("1_000", "'1_000'"),
            ("true", "true"),
            ("FALSE", "false"),
            ("2017-12-01", "DATE '2017-12-01'"),
            ("2017-02-29", "'2017-02-29'"),
            ("2016-02-29", "DATE '2016-02-29'"),
            ("2017-12-01 10:20:30", "TIMESTAMP '2017-12-01 10:20:30'"),
            ("2017-12-01T10:20:30.123", "TIMESTAMP '2017-12-01 10:20:30.123'"),
            ("2017-12-01T25:20:30", "'2017-12-01T25:20:30'"),
            ("2017-12-é1", "'2017-12-é1'"),
            ("it's", "'it''s'"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_text_is_filled_in_once() {
        let value = |name: &str| (name == "a").then_some("${a}'");
        assert_eq!(expand("x${a}y${a}", value), Ok("x${a}'y${a}'".to_string()));
        assert_eq!(expand("$${a} ${1} ${ $", value), Ok("${a} ${1} ${ $".to_string()));
        assert_eq!(expand("${b}", value), Err("b".to_string()));
    }
}
