//! From values to places, and the values worth a tick.

use crate::render::datetime::moment;

/// How many ticks an axis aims at.
const TICKS: f64 = 5.0;
const DAY_MS: f64 = 86_400_000.0;
/// Steps between ticks of a time axis.
const TIME_STEPS_MS: &[f64] = &[
    1e3,
    10e3,
    60e3,
    300e3,
    900e3,
    3_600e3,
    3.0 * 3_600e3,
    6.0 * 3_600e3,
    12.0 * 3_600e3,
    DAY_MS,
    2.0 * DAY_MS,
    7.0 * DAY_MS,
    14.0 * DAY_MS,
    30.0 * DAY_MS,
    61.0 * DAY_MS,
    91.0 * DAY_MS,
    183.0 * DAY_MS,
    365.0 * DAY_MS,
];

/// The values that an axis reaches from and to, and what they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Axis {
    /// Numbers.
    Number { low: f64, high: f64 },
    /// Times: milliseconds since 1970-01-01 UTC.
    Time { low: f64, high: f64 },
}

impl Axis {
    /// An axis of numbers that holds all values, with a little room, and ends at a tick where `whole` says so.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let room = if high > low { (high - low) * 0.08 } else { high.abs().max(1.0) * 0.1 };
        // Rates and losses do not go below nought: neither does their axis.
        let floor = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Self::Number { low: floor, high: high + room }
    }

    /// From 0 to 1.
    pub(crate) fn unit() -> Self {
        Self::Number { low: 0.0, high: 1.0 }
    }

    /// An axis of times that holds all of them and no more.
    pub(crate) fn times(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        Self::Time { low, high: if high > low { high } else { low + 1.0 } }
    }

    fn ends(self) -> (f64, f64) {
        match self {
            Self::Number { low, high } | Self::Time { low, high } => (low, high),
        }
    }

    /// Where a value is: 0 at the low end, 1 at the high one.
    pub(crate) fn place(self, value: f64) -> f64 {
        let (low, high) = self.ends();
        if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }

    /// Values worth a tick, each with its label.
    pub(crate) fn ticks(self) -> Vec<(f64, String)> {
        let (low, high) = self.ends();
        let step = match self {
            Self::Number { .. } => round_step((high - low) / TICKS),
            Self::Time { .. } => {
                let wanted = (high - low) / TICKS;
                TIME_STEPS_MS.iter().copied().find(|step| *step >= wanted).unwrap_or(365.0 * DAY_MS)
            }
        };
        let first = (low / step).ceil();
        (0..=(2.0 * TICKS) as i64)
            .map(|i| (first + i as f64) * step)
            .take_while(|value| *value <= high + step * 1e-9)
            .map(|value| (value, self.label(value, step)))
            .collect()
    }

    fn label(self, value: f64, step: f64) -> String {
        match self {
            Self::Number { .. } => {
                let decimals = (-step.log10()).ceil().clamp(0.0, 12.0) as usize;
                // There is no tick at -0.
                let value = if value.abs() < step * 1e-9 { 0.0 } else { value };
                if value.abs() >= 1e7 { format!("{value:.1e}") } else { format!("{value:.decimals$}") }
            }
            Self::Time { .. } => {
                let text = moment(value as i64);
                match step {
                    step if step >= DAY_MS => text.chars().take(10).collect(),
                    step if step >= 60e3 => text.chars().skip(5).take(11).collect(),
                    _ => text.chars().skip(11).take(8).collect(),
                }
            }
        }
    }
}

/// The least and the greatest of the values that are finite; 0 and 1 where there is none.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.filter(|value| value.is_finite()).fold(None, |ends: Option<(f64, f64)>, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    });
    ends.unwrap_or((0.0, 1.0))
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(at_least: f64) -> f64 {
    if !(at_least > 0.0 && at_least.is_finite()) {
        return 1.0;
    }
    let power = 10f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= at_least * (1.0 - 1e-9))
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Axis::unit()), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Axis::Number { low: -0.3, high: 0.31 }), ["-0.2", "0.0", "0.2"]);
        assert_eq!(labels(Axis::Number { low: 101.0, high: 1099.0 }), ["200", "400", "600", "800", "1000"]);
        let november = Axis::Time { low: 1_509_494_400_000.0, high: 1_512_086_400_000.0 };
        assert_eq!(labels(november), ["2017-11-02", "2017-11-09", "2017-11-16", "2017-11-23", "2017-11-30"]);
    }

    #[test]
    fn an_axis_holds_its_values() {
        let Axis::Number { low, high } = Axis::around([0.5, f64::NAN, 0.7].into_iter()) else { panic!("no number") };
        assert!(low < 0.5 && low > 0.4 && high > 0.7 && high < 0.8);
        let Axis::Number { low, .. } = Axis::around([0.001, 0.9].into_iter()) else { panic!("no number") };
        assert_eq!(low, 0.0);
        assert_eq!(Axis::unit().place(0.25), 0.25);
        assert!(!Axis::around(std::iter::empty()).ticks().is_empty());
        assert!(!Axis::around(std::iter::once(3.0)).ticks().is_empty());
        assert!(
            !Axis::times([5.0, 5.0].into_iter()).ticks().is_empty() || Axis::times([5.0].into_iter()).place(5.0) == 0.0
        );
    }
}
