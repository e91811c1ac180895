//! Dates and times of Arrow values as ISO text.

use std::fmt::Write;

use arrow::datatypes::TimeUnit;

const SECONDS_A_DAY: i64 = 86_400;

/// How many of a unit are a second, and with how many digits a fraction is written.
fn per_second(unit: TimeUnit) -> (i64, usize) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

/// How much of a timestamp is worth showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    /// `2017-12-01`: it is midnight.
    Day,
    /// `2017-12-01 10:00:00`.
    Second,
    /// With this many digits after the second.
    Fraction(u8),
}

/// The least precision that loses nothing of `value`.
pub(crate) fn precision(value: i64, unit: TimeUnit) -> Precision {
    let (units, digits) = per_second(unit);
    if value.rem_euclid(units.saturating_mul(SECONDS_A_DAY)) == 0 {
        return Precision::Day;
    }
    let fraction = value.rem_euclid(units);
    if fraction == 0 {
        return Precision::Second;
    }
    // In threes: .5 is shown as .500, as milliseconds are read.
    let nanoseconds = fraction * 10_i64.pow(9 - digits as u32);
    match nanoseconds {
        n if n % 1_000_000 == 0 => Precision::Fraction(3),
        n if n % 1_000 == 0 => Precision::Fraction(6),
        _ => Precision::Fraction(9),
    }
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar.
///
/// The calendar repeats every 400 years, which are 146,097 days. Counting years from March puts the leap day last, so the
/// month follows from the day of the year by a linear formula.
fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468; // since 0000-03-01
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Writes a day since 1970-01-01 as `2017-12-01`.
pub(crate) fn write_date(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

/// Writes the time of the day, given in `unit`.
pub(crate) fn write_time(out: &mut String, value: i64, unit: TimeUnit, precision: Precision) {
    let (units, digits) = per_second(unit);
    let (seconds, fraction) = (value.div_euclid(units), value.rem_euclid(units));
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if let Precision::Fraction(wanted) = precision {
        let nanoseconds = format!("{:09}", fraction * 10_i64.pow(9 - digits as u32));
        let _ = write!(out, ".{}", &nanoseconds[..usize::from(wanted).min(9)]);
    }
}

/// Writes a timestamp; `separator` stands between day and time.
pub(crate) fn write_timestamp(out: &mut String, value: i64, unit: TimeUnit, precision: Precision, separator: char) {
    let (units, _) = per_second(unit);
    write_date(out, value.div_euclid(units).div_euclid(SECONDS_A_DAY));
    if precision > Precision::Day {
        out.push(separator);
        write_time(out, value.rem_euclid(units.saturating_mul(SECONDS_A_DAY)), unit, precision);
    }
}

/// A moment in milliseconds since 1970-01-01 UTC, to the second: `2017-12-01 10:00:00`, or the day alone at midnight.
pub(crate) fn moment(milliseconds: i64) -> String {
    let mut text = String::new();
    let seconds = milliseconds.div_euclid(1000);
    write_timestamp(&mut text, seconds, TimeUnit::Second, precision(seconds, TimeUnit::Second), ' ');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(value: i64, unit: TimeUnit) -> String {
        let mut out = String::new();
        write_timestamp(&mut out, value, unit, precision(value, unit), ' ');
        out
    }

    #[test]
    fn known_days() {
        let date = |days| {
            let mut out = String::new();
            write_date(&mut out, days);
            out
        };
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(17_501), "2017-12-01");
        assert_eq!(date(-719_468), "0000-03-01");
        assert_eq!(date(-25_509), "1900-02-28");
        assert_eq!(date(-25_508), "1900-03-01");
    }

    #[test]
    fn every_day_of_eight_centuries_follows_its_day_before() {
        let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        let (mut year, mut month, mut day) = civil(-146_097);
        for days in -146_096..146_097 {
            let length = match month {
                2 => 28 + u32::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (day < length, month) {
                (true, _) => (year, month, day + 1),
                (false, 12) => (year + 1, 1, 1),
                (false, _) => (year, month + 1, 1),
            };
            assert_eq!(civil(days), (year, month, day));
        }
    }

    #[test]
    fn timestamps_lose_nothing_and_say_no_more() {
        assert_eq!(timestamp(1_512_086_400, TimeUnit::Second), "2017-12-01");
        assert_eq!(timestamp(1_512_122_400_000, TimeUnit::Millisecond), "2017-12-01 10:00:00");
        assert_eq!(timestamp(1_512_122_400_500, TimeUnit::Millisecond), "2017-12-01 10:00:00.500");
        assert_eq!(timestamp(1_512_122_400_000_001, TimeUnit::Microsecond), "2017-12-01 10:00:00.000001");
        assert_eq!(timestamp(-1, TimeUnit::Nanosecond), "1969-12-31 23:59:59.999999999");
        assert_eq!(moment(1_512_122_400_999), "2017-12-01 10:00:00");
    }

    #[test]
    fn extremes_do_not_panic() {
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            for value in [i64::MIN, i64::MAX, 0] {
                assert!(!timestamp(value, unit).is_empty());
            }
        }
    }
}
