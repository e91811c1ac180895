//! Dates and timestamps as text.

use std::io::Write;

use arrow::datatypes::TimeUnit;

const DAY_SECONDS: i64 = 86_400;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A number of exactly these digits.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i64::from(digit))
    })
}

/// Reads `yyyy-MM-dd` as days since 1970-01-01.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Reads `yyyy-MM-dd`, then optionally a space or `T`, `HH:mm`, `:ss`, up to nine digits of a fraction, and `Z` or `±HH:MM`, as a
/// count of `unit`s since 1970-01-01 in UTC. Digits beyond the unit are cut off.
pub(crate) fn parse_timestamp(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let days = i64::from(parse_date(text.get(..10)?)?);
    let (seconds, nanos) = match text.get(10) {
        None => (0, 0),
        Some(b' ' | b'T' | b't') => parse_time(&text[11..])?,
        Some(_) => return None,
    };
    let seconds = days * DAY_SECONDS + seconds;
    match unit {
        TimeUnit::Second => Some(seconds),
        TimeUnit::Millisecond => seconds.checked_mul(1_000)?.checked_add(nanos / 1_000_000),
        TimeUnit::Microsecond => seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000),
        TimeUnit::Nanosecond => i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok(),
    }
}

/// Seconds (shifted to UTC) and nanoseconds of a time of day.
fn parse_time(text: &[u8]) -> Option<(i64, i64)> {
    let pair = |at: usize| digits(text.get(at..at + 2)?);
    let (hour, minute) = (pair(0)?, pair(3)?);
    if text[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut rest = &text[5..];
    let (mut second, mut nanos) = (0, 0);
    if let [b':', after @ ..] = rest {
        second = digits(after.get(..2)?)?;
        rest = &after[2..];
        if let [b'.' | b',', after @ ..] = rest {
            let count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&count) {
                return None;
            }
            nanos = digits(&after[..count])? * 10i64.pow(9 - count as u32);
            rest = &after[count..];
        }
    }
    let shift = match rest {
        [] | [b'Z' | b'z'] | [b' ', b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let shift = hours * 3600 + minutes * 60;
            if hours > 18 || minutes > 59 {
                return None;
            }
            if *sign == b'+' { shift } else { -shift }
        }
        _ => return None,
    };
    (second < 60).then_some((hour * 3600 + minute * 60 + second - shift, nanos))
}

/// Writes days since 1970-01-01 as `yyyy-MM-dd`.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(i64::from(days));
    // Writing to a vector cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

/// Writes a timestamp as `yyyy-MM-dd HH:mm:ss`, with a fraction of 3, 6 or 9 digits if it has one.
pub(crate) fn write_timestamp(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let per_second = units_per_second(unit);
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let nanos = fraction * (1_000_000_000 / per_second);
    if !(0..=9999).contains(&year) {
        let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    } else {
        let two = |n: i64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        out.extend_from_slice(&two(year / 100));
        out.extend_from_slice(&two(year % 100));
        for (mark, part) in [(b'-', month), (b'-', day), (b' ', hour), (b':', minute), (b':', second)] {
            out.push(mark);
            out.extend_from_slice(&two(part));
        }
    }
    let _ = match nanos {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(out, ".{:06}", n / 1_000),
        n => write!(out, ".{n:09}"),
    };
}

/// How many of a unit a second has.
pub(crate) fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_in_the_forms_of_sql_and_iso() {
        let millis = |text: &str| parse_timestamp(text.as_bytes(), TimeUnit::Millisecond);
        assert_eq!(millis("1970-01-01 00:00:00"), Some(0));
        assert_eq!(millis("2017-03-01 12:34:56.789"), Some(1_488_371_696_789));
        assert_eq!(millis("2017-03-01T12:34:56.7891234Z"), Some(1_488_371_696_789));
        assert_eq!(millis("2017-03-01T13:34:56.789+01:00"), Some(1_488_371_696_789));
        assert_eq!(millis("2017-03-01"), Some(1_488_326_400_000));
        assert_eq!(millis("1969-12-31 23:59"), Some(-60_000));
        for wrong in ["", "2017-02-29 00:00:00", "2017-13-01", "2017-01-01 24:00:00", "2017-01-01 00:00:60", "2017-1-1"]
        {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
        for wrong in
            ["2017-01-01 00:00:00.", "2017-01-01 00:00:00x", "2017-01-01x", "2017-01-01 0", "2017-01-01 00:00:00+1"]
        {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
        assert_eq!(parse_timestamp(b"9999-12-31 00:00:00", TimeUnit::Nanosecond), None);
    }

    #[test]
    fn fractions_are_written_as_long_as_they_are() {
        let text = |value, unit| {
            let mut out = Vec::new();
            write_timestamp(value, unit, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1_488_371_696_000, TimeUnit::Millisecond), "2017-03-01 12:34:56");
        assert_eq!(text(1_488_371_696_789, TimeUnit::Millisecond), "2017-03-01 12:34:56.789");
        assert_eq!(text(-1, TimeUnit::Nanosecond), "1969-12-31 23:59:59.999999999");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let mut out = Vec::new();
            write_timestamp(value, TimeUnit::Microsecond, &mut out);
            prop_assert_eq!(parse_timestamp(&out, TimeUnit::Microsecond), Some(value));
            let days = (value / 86_400_000_000) as i32;
            let mut out = Vec::new();
            write_date(days, &mut out);
            prop_assert_eq!(parse_date(&out), Some(days));
        }

        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse_timestamp(&text, TimeUnit::Nanosecond), parse_date(&text));
        }
    }
}
