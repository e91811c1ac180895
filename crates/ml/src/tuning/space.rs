//! What a search may choose from: options whose value is a range or a choice.
//!
//! A point of a space has a number a dimension: in a range its place between 0 and 1, in a choice the index.

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use tidegate_options::Kind;

use crate::{Error, Result};

/// What an option may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Domain {
    /// A number from `low` to `high`, both included.
    Range {
        low: f64,
        high: f64,
        /// Whether its logarithm is what is spread evenly.
        log: bool,
        /// Whether it is a whole number.
        whole: bool,
    },
    /// One of these.
    Choice(Vec<String>),
}

/// An option that is searched for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dimension {
    pub(super) option: String,
    pub(super) domain: Domain,
}

/// All that a search chooses from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Space(pub(super) Vec<Dimension>);

/// Whether an option's value says what to choose from.
pub(super) fn is_domain(value: &str) -> bool {
    let value = value.trim();
    value.ends_with(')') && (value.starts_with("range(") || value.starts_with("choice("))
}

/// The parts between commas; a part in double quotes may hold some.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for character in text.chars() {
        match (character, parts.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => parts.push(String::new()),
            (other, Some(part)) => part.push(other),
            (_, None) => {}
        }
    }
    parts.iter().map(|part| part.trim().to_string()).collect()
}

impl Domain {
    /// Reads the value of an option of this kind.
    ///
    /// # Errors
    /// [`Error::Spec`] when it is malformed, or holds what the option does not take.
    pub(super) fn read(option: &str, value: &str, kind: Kind) -> Result<Self> {
        let refuse = |what: String| Err(Error::Spec(format!("option '{option}': {what}")));
        let value = value.trim();
        let (word, rest) = value.split_once('(').unwrap_or((value, ""));
        let parts = parts(rest.strip_suffix(')').unwrap_or(rest));
        let takes = |part: &String| kind.read(part).is_some();
        if word == "choice" {
            return match parts.iter().find(|part| !takes(part)) {
                Some(part) => refuse(format!("'{part}' of {value} is not {kind}")),
                None if (1..parts.len()).any(|i| parts[..i].contains(&parts[i])) => {
                    refuse(format!("{value} names a value twice"))
                }
                None => Ok(Self::Choice(parts)),
            };
        }
        let whole = match kind {
            Kind::Int { .. } => true,
            Kind::Float { .. } => false,
            _ => return refuse(format!("it takes {kind}, so write choice(…) instead of {value}")),
        };
        let (low, high, log) = match parts.as_slice() {
            [low, high] => (low, high, false),
            [low, high, log] if log == "log" => (low, high, true),
            _ => return refuse(format!("{value} is not range(low, high) or range(low, high, log)")),
        };
        if let Some(part) = [low, high].into_iter().find(|part| !takes(part)) {
            return refuse(format!("'{part}' of {value} is not {kind}"));
        }
        match (low.parse::<f64>(), high.parse::<f64>()) {
            (Ok(low), Ok(high)) if low >= high => refuse(format!("in {value} the low end is not below the high one")),
            (Ok(low), Ok(_)) if log && low <= 0.0 => {
                refuse(format!("in {value} the low end must be above 0, for there is no logarithm of {low}"))
            }
            (Ok(low), Ok(high)) => Ok(Self::Range { low, high, log, whole }),
            _ => refuse(format!("{value} is not a range of numbers")),
        }
    }

    /// The value at a place, as a user would write it. Numbers have four significant digits, so that they can be copied.
    pub(super) fn value(&self, place: f64) -> String {
        match self {
            Self::Choice(values) => values[(place as usize).min(values.len() - 1)].clone(),
            Self::Range { low, high, log, whole } => {
                let number = match log {
                    true => libm::exp(libm::log(*low) + place * (libm::log(*high) - libm::log(*low))),
                    false => low + place * (high - low),
                };
                let number = if *whole { number.round() } else { four_digits(number) };
                number.clamp(*low, *high).to_string()
            }
        }
    }

    /// A place drawn evenly.
    pub(super) fn draw(&self, random: &mut impl Rng) -> f64 {
        match self {
            Self::Choice(values) => (random.random::<f64>() * values.len() as f64).floor(),
            Self::Range { .. } => random.random(),
        }
    }

    /// Whether a place is one of this domain.
    fn holds(&self, place: f64) -> bool {
        match self {
            Self::Choice(values) => place.fract() == 0.0 && place >= 0.0 && place < values.len() as f64,
            Self::Range { .. } => (0.0..=1.0).contains(&place),
        }
    }
}

fn four_digits(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

impl Space {
    /// The options at a point.
    pub(super) fn values(&self, point: &[f64]) -> BTreeMap<String, String> {
        self.0
            .iter()
            .zip(point)
            .map(|(dimension, place)| (dimension.option.clone(), dimension.domain.value(*place)))
            .collect()
    }

    /// A point drawn evenly.
    pub(super) fn draw(&self, random: &mut impl Rng) -> Vec<f64> {
        self.0.iter().map(|dimension| dimension.domain.draw(random)).collect()
    }

    /// Whether a point is one of this space.
    pub(super) fn holds(&self, point: &[f64]) -> bool {
        point.len() == self.0.len() && self.0.iter().zip(point).all(|(dimension, place)| dimension.domain.holds(*place))
    }

    /// All points, if there are at most `most`.
    pub(super) fn all(&self, most: usize) -> Option<Vec<Vec<f64>>> {
        let mut points = vec![Vec::new()];
        for dimension in &self.0 {
            let Domain::Choice(values) = &dimension.domain else { return None };
            if points.len() * values.len() > most {
                return None;
            }
            let with = |point: &Vec<f64>, i: usize| point.iter().copied().chain([i as f64]).collect();
            points = points.iter().flat_map(|point| (0..values.len()).map(move |i| with(point, i))).collect();
        }
        Some(points)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const RATE: Kind = Kind::Float { min: 0.0, max: 10.0 };

    fn refused(value: &str, kind: Kind) -> String {
        Domain::read("rate", value, kind).unwrap_err().to_string()
    }

    #[test]
    fn places_are_values() {
        let rate = Domain::read("rate", "range(1e-4, 1, log)", RATE).unwrap();
        assert_eq!(
            ["0.0001", "0.01", "1"],
            [0.0, 0.5, 1.0].map(|place| rate.value(place)).each_ref().map(String::as_str)
        );
        let depth = Domain::read("depth", "range(1, 4)", Kind::Int { min: 1, max: 9 }).unwrap();
        assert_eq!(["1", "3", "4"], [0.0, 0.5, 1.0].map(|place| depth.value(place)).each_ref().map(String::as_str));
        let list = Domain::read("layers", "choice(\"64, 32\", 16)", Kind::List).unwrap();
        assert_eq!(list.value(0.0), "64, 32");
    }

    #[test]
    fn draws_are_even_and_every_point_is_listed() {
        let rate = Domain::read("rate", "range(1e-4, 1, log)", RATE).unwrap();
        let random = &mut Pcg64Mcg::seed_from_u64(1);
        let below = (0..10_000).filter(|_| rate.value(rate.draw(random)).parse::<f64>().unwrap() < 0.01).count();
        assert!((4_800..5_200).contains(&below), "{below}");
        let choice = |values: &[&str]| Domain::Choice(values.iter().map(ToString::to_string).collect());
        let space = Space(vec![
            Dimension { option: "a".into(), domain: choice(&["x", "y"]) },
            Dimension { option: "b".into(), domain: choice(&["u", "v", "w"]) },
        ]);
        assert_eq!(space.all(6).unwrap().len(), 6);
        assert!(space.all(5).is_none());
        assert!(
            space.holds(&[1.0, 2.0]) && !space.holds(&[2.0, 0.0]) && !space.holds(&[0.5, 0.0]) && !space.holds(&[0.0])
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(refused("range(1)", RATE).contains("range(low, high)"));
        assert!(refused("range(1, 0.5)", RATE).contains("not below"));
        assert!(refused("range(0, 1, log)", RATE).contains("above 0"));
        assert!(refused("range(0, 11)", RATE).contains("'11'"));
        assert!(refused("choice(1, x)", RATE).contains("'x'"));
        assert!(refused("choice(1, 1)", RATE).contains("twice"));
        assert!(refused("range(1, 2)", Kind::Bool).contains("choice(…)"));
    }
}
