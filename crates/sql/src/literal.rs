//! Literals read back from expressions.

use std::time::Duration;

use sqlparser::ast::{Expr, UnaryOperator, Value};

use crate::interval;

/// The text of a string literal.
pub fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(inner) => text(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text)
            | Value::NationalStringLiteral(text)
            | Value::UnicodeStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a number literal, with its sign.
fn numeral(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) => numeral(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => numeral(expr).map(|text| match text.strip_prefix('-') {
            Some(positive) => positive.to_string(),
            None => format!("-{text}"),
        }),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => numeral(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The value of a whole number literal, signed or not.
pub fn integer(expr: &Expr) -> Option<i64> {
    numeral(expr)?.parse().ok()
}

/// The value of a number literal, signed or not.
pub fn number(expr: &Expr) -> Option<f64> {
    numeral(expr)?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The value of `TRUE` or `FALSE`.
pub fn bool(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Nested(inner) => bool(inner),
        Expr::Value(value) => match value.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// The length of an interval literal; `None` also for one that is negative, or counts months.
pub fn interval(expr: &Expr) -> Option<Duration> {
    signed_interval(expr).filter(|(negative, _)| !negative).map(|(_, length)| length)
}

/// The length of an interval literal, and whether it is negative; `None` for one that counts months.
pub fn signed_interval(expr: &Expr) -> Option<(bool, Duration)> {
    match expr {
        Expr::Nested(inner) => signed_interval(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            signed_interval(expr).map(|(negative, length)| (!negative, length))
        }
        Expr::Interval(literal) => interval::length(literal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse_expr;

    #[test]
    fn literals_are_read_with_their_sign() {
        let expr = |text| parse_expr(text).unwrap();
        assert_eq!(text(&expr("'it''s'")), Some("it's"));
        assert_eq!(integer(&expr("-(3)")), Some(-3));
        assert_eq!(integer(&expr("-9223372036854775808")), Some(i64::MIN));
        assert_eq!(integer(&expr("9223372036854775808")), None);
        assert_eq!(number(&expr("+1.5e-3")), Some(0.0015));
        assert_eq!(number(&expr("1e999")), None);
        assert_eq!((bool(&expr("TRUE")), bool(&expr("a"))), (Some(true), None));
        assert_eq!(interval(&expr("INTERVAL '1.5' SECOND")), Some(Duration::from_millis(1500)));
        assert_eq!(interval(&expr("INTERVAL '1' MONTH")), None);
        assert_eq!(interval(&expr("INTERVAL '-1' SECOND")), None);
        let negative = Some((true, Duration::from_secs(60)));
        assert_eq!(signed_interval(&expr("INTERVAL '-1' MINUTE")), negative);
        assert_eq!(signed_interval(&expr("-INTERVAL '1' MINUTE")), negative);
        assert_eq!(signed_interval(&expr("-(INTERVAL '-1' MINUTE)")), Some((false, Duration::from_secs(60))));
    }
}
