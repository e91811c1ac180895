//! Interval literals: `INTERVAL '5' SECOND`, `INTERVAL '10' MINUTES`, `INTERVAL '1 12:30' DAY TO MINUTE`.
//!
//! Every one becomes an amount of one unit out of MONTH, DAY, HOUR, MINUTE and SECOND, which is what the planner reads.

use std::time::Duration;

use sqlparser::ast::{DateTimeField, Expr, Interval, Value, ValueWithSpan};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::error::parser_error;

/// The units of one family, the coarser first, with how many of the next one each holds.
const DAY_TIME: &[(&str, u64)] = &[("DAY", 24), ("HOUR", 60), ("MINUTE", 60), ("SECOND", 1)];

/// Reads an interval; the parser stands on INTERVAL. `parameter` gives the value of a script parameter by its token's text.
pub(crate) fn parse(parser: &mut Parser, parameter: impl Fn(&str) -> Option<String>) -> Result<Expr, ParserError> {
    let start = parser.next_token().span;
    let sign = match parser.peek_token_ref().token {
        Token::Minus => "-",
        Token::Plus => "+",
        _ => "",
    };
    if !sign.is_empty() {
        parser.next_token();
    }
    let token = parser.next_token();
    let text = match &token.token {
        Token::SingleQuotedString(text) | Token::Number(text, false) => text.clone(),
        Token::Placeholder(name) => match parameter(name) {
            Some(value) => value,
            None => return parser.expected("an amount such as '5' after INTERVAL", token),
        },
        _ => return parser.expected("an amount such as '5' after INTERVAL", token),
    };
    let first = unit(parser)?;
    let last = match word_is(parser, "TO") {
        true => {
            parser.next_token();
            Some(unit(parser)?)
        }
        false => None,
    };
    let (negative, amount) = sign_of(text.trim());
    let negative = negative != (sign == "-");
    let amount = match &last {
        None => single(amount, &first),
        Some(last) => compound(amount, &first, last),
    };
    let Some((amount, field)) = amount else {
        let unit = last.map_or_else(|| first.clone(), |last| format!("{first} TO {last}"));
        let message = format!("'{text}' is not an amount of {unit}");
        return Err(parser_error(message, token.span));
    };
    let amount = if negative { format!("-{amount}") } else { amount };
    let value = ValueWithSpan { value: Value::SingleQuotedString(amount), span: start.union(&token.span) };
    Ok(literal(value, field))
}

fn literal(value: ValueWithSpan, field: DateTimeField) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: Some(field),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn word_is(parser: &Parser, word: &str) -> bool {
    matches!(&parser.peek_token_ref().token,
        Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Reads a unit, in one spelling, and the precision that may follow it.
fn unit(parser: &mut Parser) -> Result<String, ParserError> {
    let token = parser.next_token();
    let unit = match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => String::new(),
    };
    let unit = unit.strip_suffix('S').unwrap_or(&unit).to_string();
    if !matches!(unit.as_str(), "SECOND" | "MINUTE" | "HOUR" | "DAY" | "WEEK" | "MONTH" | "QUARTER" | "YEAR") {
        return parser.expected("a unit such as SECOND, MINUTE, HOUR or DAY after the amount of an INTERVAL", token);
    }
    // DAY(3), SECOND(3): how many digits there may be. The amount says how many there are.
    if parser.consume_token(&Token::LParen) {
        parser.parse_literal_uint()?;
        if parser.consume_token(&Token::Comma) {
            parser.parse_literal_uint()?;
        }
        parser.expect_token(&Token::RParen)?;
    }
    Ok(unit)
}

fn sign_of(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Some nanoseconds of headroom: an interval of more than the age of the universe is a mistake.
    text.parse().ok().filter(|&n: &u64| n <= 1 << 40)
}

/// An amount of one unit.
fn single(text: &str, unit: &str) -> Option<(String, DateTimeField)> {
    let (factor, field) = match unit {
        "SECOND" => {
            let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
            digits(whole)?;
            if let Some(fraction) = fraction {
                digits(fraction).filter(|_| fraction.len() <= 9)?;
            }
            return Some((text.to_string(), DateTimeField::Second));
        }
        "MINUTE" => (1, DateTimeField::Minute),
        "HOUR" => (1, DateTimeField::Hour),
        "DAY" => (1, DateTimeField::Day),
        "WEEK" => (7, DateTimeField::Day),
        "MONTH" => (1, DateTimeField::Month),
        "QUARTER" => (3, DateTimeField::Month),
        _ => (12, DateTimeField::Month),
    };
    Some(((digits(text)? * factor).to_string(), field))
}

/// An amount from one unit to a finer one: `1 12:30` DAY TO MINUTE is 2190 minutes.
fn compound(text: &str, first: &str, last: &str) -> Option<(String, DateTimeField)> {
    if (first, last) == ("YEAR", "MONTH") {
        let (years, months) = text.split_once('-')?;
        let months = digits(months).filter(|&months| months < 12)?;
        return Some(((digits(years)? * 12 + months).to_string(), DateTimeField::Month));
    }
    let index = |unit: &str| DAY_TIME.iter().position(|(name, _)| *name == unit);
    let (from, to) = (index(first)?, index(last)?);
    if from >= to {
        return None;
    }
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) if last == "SECOND" && fraction.len() <= 9 => (text, Some(fraction)),
        Some(_) => return None,
        None => (text, None),
    };
    let mut rest = text;
    let mut total = 0u64;
    for (unit, &(name, _)) in DAY_TIME.iter().enumerate().take(to + 1).skip(from) {
        let part = match unit == to {
            true => std::mem::take(&mut rest),
            false => {
                let (part, after) = rest.split_once(if name == "DAY" { ' ' } else { ':' })?;
                rest = after.trim_start();
                part
            }
        };
        let part = digits(part)?;
        if unit > from {
            let per = DAY_TIME[unit - 1].1;
            if part >= per {
                return None;
            }
            total = total.checked_mul(per)?;
        }
        total = total.checked_add(part)?;
    }
    let (field, amount) = match last {
        "HOUR" => (DateTimeField::Hour, total.to_string()),
        "MINUTE" => (DateTimeField::Minute, total.to_string()),
        _ => (
            DateTimeField::Second,
            match fraction {
                Some(fraction) => {
                    digits(fraction)?;
                    format!("{total}.{fraction}")
                }
                None => total.to_string(),
            },
        ),
    };
    Some((amount, field))
}

/// The length of an interval as this module writes it, and whether it is negative; `None` if it counts months.
pub(crate) fn length(interval: &Interval) -> Option<(bool, Duration)> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = &*interval.value else {
        return None;
    };
    let seconds_per_unit = match interval.leading_field {
        Some(DateTimeField::Second) => 1,
        Some(DateTimeField::Minute) => 60,
        Some(DateTimeField::Hour) => 3600,
        Some(DateTimeField::Day) => 86400,
        _ => return None,
    };
    let (negative, text) = sign_of(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = digits(whole)?.checked_mul(seconds_per_unit)?;
    let nanos = match fraction {
        "" => 0,
        fraction if fraction.len() <= 9 => digits(fraction)? * 10u64.pow(9 - fraction.len() as u32),
        _ => return None,
    };
    Some((negative, Duration::new(seconds, u32::try_from(nanos).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse_expr;

    #[test]
    fn every_form_becomes_one_unit() {
        let cases = [
            ("INTERVAL '5' SECOND", "INTERVAL '5' SECOND"),
            ("INTERVAL '5' SECONDS", "INTERVAL '5' SECOND"),
            ("interval 10 minutes", "INTERVAL '10' MINUTE"),
            ("INTERVAL '0.250' SECOND(3)", "INTERVAL '0.250' SECOND"),
            ("INTERVAL '28' DAY(2)", "INTERVAL '28' DAY"),
            ("INTERVAL '2' WEEK", "INTERVAL '14' DAY"),
            ("INTERVAL '1' QUARTER", "INTERVAL '3' MONTH"),
            ("INTERVAL '2' YEAR", "INTERVAL '24' MONTH"),
            ("INTERVAL '1-6' YEAR TO MONTH", "INTERVAL '18' MONTH"),
            ("INTERVAL '1 12' DAY TO HOUR", "INTERVAL '36' HOUR"),
            ("INTERVAL '1 12:30' DAY TO MINUTE", "INTERVAL '2190' MINUTE"),
            ("INTERVAL '0 00:00:05.5' DAY TO SECOND(3)", "INTERVAL '5.5' SECOND"),
            ("INTERVAL '01:02:03' HOUR TO SECOND", "INTERVAL '3723' SECOND"),
            ("INTERVAL -'5' SECOND", "INTERVAL '-5' SECOND"),
            ("INTERVAL -'-5' SECOND", "INTERVAL '5' SECOND"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_expr(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let said = |text: &str| parse_expr(text).unwrap_err().message;
        assert_eq!(said("INTERVAL 'five' SECOND"), "'five' is not an amount of SECOND");
        assert_eq!(said("INTERVAL '1.5' HOUR"), "'1.5' is not an amount of HOUR");
        assert_eq!(said("INTERVAL '1:99' HOUR TO MINUTE"), "'1:99' is not an amount of HOUR TO MINUTE");
        assert_eq!(said("INTERVAL '1' SECOND TO DAY"), "'1' is not an amount of SECOND TO DAY");
        assert_eq!(said("INTERVAL '99999999999999999999' DAY"), "'99999999999999999999' is not an amount of DAY");
        assert_eq!(
            said("INTERVAL '5 seconds'"),
            "expected a unit such as SECOND, MINUTE, HOUR or DAY after the amount of an INTERVAL, found end of statement"
        );
        assert_eq!(said("INTERVAL x DAY"), "expected an amount such as '5' after INTERVAL, found x");
    }

    #[test]
    fn lengths_are_exact() {
        let of = |text| match parse_expr(text).unwrap() {
            Expr::Interval(interval) => length(&interval),
            _ => None,
        };
        assert_eq!(of("INTERVAL '1.000000001' SECOND"), Some((false, Duration::new(1, 1))));
        assert_eq!(of("INTERVAL '-1' SECOND"), Some((true, Duration::from_secs(1))));
        assert_eq!(of("INTERVAL '1' YEAR"), None);
        assert_eq!(of("INTERVAL '28' DAYS"), Some((false, Duration::from_secs(28 * 86400))));
    }
}
