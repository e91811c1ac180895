//! Numbers, sizes and times as people read them.

use std::time::Duration;

/// The most decimals that a result table shows.
const DECIMALS_MAX: usize = 4;

/// A floating-point number for a table: at most four decimals, no trailing zeros but one, and an exponent where four
/// decimals would hide the value or where the digits would run on.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_string();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0.0".to_string();
    }
    let fixed = format!("{value:.DECIMALS_MAX$}");
    let lost = magnitude < 0.01 && !fixed.parse::<f64>().is_ok_and(|read| ((read - value) / value).abs() < 1e-9);
    if magnitude >= 1e15 || lost {
        return exponent(value);
    }
    let digits = fixed.trim_end_matches('0');
    if digits.ends_with('.') { format!("{digits}0") } else { digits.to_string() }
}

/// Four significant digits and an exponent: `1.235e-4`, `2e20`.
fn exponent(value: f64) -> String {
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, power)) => format!("{}e{power}", mantissa.trim_end_matches('0').trim_end_matches('.')),
        None => text,
    }
}

/// How many decimals a number written by [`float`] has; `None` if it is not in fixed point.
pub(crate) fn decimals(text: &str) -> Option<usize> {
    let (_, fraction) = text.split_once('.')?;
    fraction.bytes().all(|b| b.is_ascii_digit()).then_some(fraction.len())
}

/// Adds zeros so that the number has `wanted` decimals.
pub(crate) fn pad_decimals(text: &mut String, wanted: usize) {
    if let Some(have) = decimals(text) {
        text.extend(std::iter::repeat_n('0', wanted.saturating_sub(have)));
    }
}

/// A count with thousands apart: `1,469,307`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 row`, `1,234 rows`.
pub(crate) fn counted(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Rows a second, to three digits: `812k rows/s`.
pub(crate) fn rate(rows_per_second: f64) -> String {
    let text = match rows_per_second {
        r if !r.is_finite() || r <= 0.0 => "0".to_string(),
        r if r < 10.0 => format!("{r:.1}"),
        r if r < 9_999.5 => count(r.round() as u64),
        r if r < 999_500.0 => format!("{:.0}k", r / 1e3),
        r if r < 9.995e6 => format!("{:.2}M", r / 1e6),
        r => format!("{:.1}M", r / 1e6),
    };
    format!("{text} rows/s")
}

/// A span of time: `8 ms`, `1.2 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// An amount of memory: `812 B`, `1.5 MiB`.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if amount < 1024 {
        return format!("{amount} B");
    }
    let mut value = amount as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_sensible_digits() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (3.0, "3.0"),
            (-2.5, "-2.5"),
            (0.81234567, "0.8123"),
            (1234567.891, "1234567.891"),
            (0.0005, "0.0005"),
            (0.00012345, "1.234e-4"),
            (0.001234567, "1.235e-3"),
            (0.012345678, "0.0123"),
            (0.99999, "1.0"),
            (1e-9, "1e-9"),
            (2e20, "2e20"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(value), text, "{value}");
        }
    }

    #[test]
    fn decimals_are_padded_only_in_fixed_point() {
        let padded = |text: &str| {
            let mut text = text.to_string();
            pad_decimals(&mut text, 4);
            text
        };
        assert_eq!(padded("0.3"), "0.3000");
        assert_eq!(padded("1.5e-7"), "1.5e-7");
        assert_eq!(padded("NaN"), "NaN");
        assert_eq!(padded("0.8123"), "0.8123");
    }

    #[test]
    fn counts_and_rates() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1_469_307), "1,469,307");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2, "row"), "2 rows");
        assert_eq!(rate(3.21), "3.2 rows/s");
        assert_eq!(rate(4321.4), "4,321 rows/s");
        assert_eq!(rate(812_345.0), "812k rows/s");
        assert_eq!(rate(1_234_567.0), "1.23M rows/s");
        assert_eq!(rate(23_456_789.0), "23.5M rows/s");
        assert_eq!(rate(f64::NAN), "0 rows/s");
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration(Duration::from_millis(8)), "8 ms");
        assert_eq!(duration(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(duration(Duration::from_secs(7805)), "2 h 10 min");
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(1_572_864), "1.5 MiB");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
    }
}
