//! Numbers as text, read without making a `str` of them first.

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The most decimal digits that surely fit into 64 bits.
const DIGITS_MAX: usize = 19;

/// Reads a double, rounded to nearest as IEEE 754 asks.
#[inline]
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    match one_or_two_digits(text) {
        Some(number) => Some(f64::from(number)),
        None => parse_any_float(text),
    }
}

/// The number that one or two digits stand for. Flags and counts are so frequent that they should not cost a call.
#[inline]
fn one_or_two_digits(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10);
    match text {
        [ones] => digit(*ones),
        [tens, ones] => Some(10 * digit(*tens)? + digit(*ones)?),
        _ => None,
    }
}

/// A decimal with at most 53 bits of digits and a power of ten up to 22 is one exact division of two doubles (Clinger 1990);
/// everything else, `1e5`, `NaN` and `-inf` among it, takes the standard library's way, which gives the same.
#[inline(never)]
fn parse_any_float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut mantissa = 0u64;
    let mut at = 0;
    while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let mut counted = at;
    let mut scale = 0;
    if digits.get(at) == Some(&b'.') {
        let point = at + 1;
        at = point;
        while let Some(eight) = digits.get(at..at + 8).and_then(eight_digits) {
            mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight);
            at += 8;
        }
        while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        scale = at - point;
        counted += scale;
    }
    if at == digits.len()
        && (1..=DIGITS_MAX).contains(&counted)
        && mantissa <= 1 << 53
        && let Some(power) = POWERS.get(scale)
    {
        let value = mantissa as f64 / power;
        return Some(if negative { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The number that eight digits stand for, by three multiplications (Langdale, "Quickly parsing eight digits").
#[inline]
fn eight_digits(text: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(text.try_into().ok()?);
    let (high, shifted) =
        (word & 0xf0f0_f0f0_f0f0_f0f0, word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0);
    if high != 0x3030_3030_3030_3030 || shifted != 0x3030_3030_3030_3030 {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32)
}

/// Reads a whole number that fits into 64 bits.
#[inline]
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    match one_or_two_digits(text) {
        Some(number) => Some(i64::from(number)),
        None => parse_any_int(text),
    }
}

#[inline(never)]
fn parse_any_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() >= DIGITS_MAX {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit >= 10 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Reads a decimal as its digits at a scale, rounding half away from zero; `None` if it has more than `precision` digits.
pub(crate) fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.len() + fraction.len() == 0 || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let wanted = usize::try_from(scale).ok()?;
    let limit = 10i128.checked_pow(u32::from(precision))?;
    let mut value = 0i128;
    let padded = whole.iter().chain(fraction).copied().chain(std::iter::repeat(b'0'));
    for digit in padded.take(whole.len() + wanted) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if fraction.get(wanted).is_some_and(|digit| *digit >= b'5') {
        value += 1;
    }
    (value < limit).then_some(if negative { -value } else { value })
}

/// Reads `true`, `false`, `t`, `f`, `1` or `0`, in any case.
pub(crate) fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"t" | b"T" => Some(true),
        b"0" | b"f" | b"F" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_read_as_the_standard_library_reads_them() {
        for text in ["0", "-0", "0.05644299999999999", "1.", ".5", "9007199254740993", "1e22", "-1.5e-7", "NaN", "-inf"]
        {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(parse_float(text.as_bytes()).unwrap().to_bits(), expected.to_bits(), "{text}");
        }
        for text in ["", "-", ".", "1x", "1_000", "0x10", "--1", " 1"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn integers_stop_at_64_bits() {
        assert_eq!(parse_int(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_int(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["9223372036854775808", "", "-", "1.0", "12a", "+-1"] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        assert_eq!(parse_decimal(b"12.345", 10, 2), Some(1235));
        assert_eq!(parse_decimal(b"-12.344", 10, 2), Some(-1234));
        assert_eq!(parse_decimal(b"7", 10, 2), Some(700));
        assert_eq!(parse_decimal(b"1000", 3, 0), None);
        assert_eq!(parse_decimal(b"1e3", 10, 0), None);
        assert_eq!(parse_decimal(b".", 10, 0), None);
    }

    proptest! {
        #[test]
        fn any_printed_float_is_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_float(format!("{value}").as_bytes()).map(f64::to_bits), Some(bits));
            prop_assert_eq!(parse_float(format!("{value:?}").as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn short_decimals_agree_with_the_standard_library(text in "-?[0-9]{0,12}(\\.[0-9]{0,20})?") {
            let expected = text.parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), expected);
        }
    }
}
