//! The test of Page and Hinkley.
//!
//! **Idea.** Sum up how far values are from their mean. While nothing changes the sum stays near its least; after an increase it
//! climbs, and far above its least it tells of a change. A decrease mirrors it.
//!
//! **Formula.** With `x̄` the mean so far, `U ← α·U + (x − x̄) − δ` and `D ← α·D + (x − x̄) + δ`. An increase: `U − min U > λ`. A
//! decrease: `max D − D > λ`.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `min_instances` | 30 | values before a change is looked for |
//! | `delta` | 0.005 | `δ`: differences from the mean up to this are none |
//! | `threshold` | 50 | `λ`: larger is surer and slower |
//! | `alpha` | 0.9999 | `α`: how much of a sum stays with each value |
//! | `mode` | both | which changes count: `up`, `down`, `both` |
//!
//! The threshold is on the scale of the values: the default suits values that vary by about one. `max D` begins at −1.
//!
//! **Cost a value.** A division and a few sums. **Memory.** Fixed.
//!
//! **Source.** Page 1954, "Continuous inspection schemes"; Hinkley 1971, "Inference about the change-point from cumulative sum
//! tests"; in this form, with forgetting, Sebastião & Fernandes 2017, "Supporting the Page-Hinkley test with empirical mode
//! decomposition for change detection".

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::mean::Mean;
use super::{Change, Detector, DetectorDef, bounded, load, save};
use crate::Result;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "min_instances",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "30",
        "How many values come before a change is looked for.",
    ),
    OptionDef::new(
        "delta",
        Kind::Float { min: 0.0, max: 1e100 },
        "0.005",
        "Differences from the mean up to this are none.",
    ),
    OptionDef::new(
        "threshold",
        Kind::Float { min: 0.0, max: 1e100 },
        "50",
        "How far the sum of differences may be from its least or most, on the scale of the values.",
    ),
    OptionDef::new("alpha", Kind::Float { min: 0.0, max: 1.0 }, "0.9999", "How much of a sum stays with each value."),
    OptionDef::new("mode", Kind::Choice(&["up", "down", "both"]), "both", "Which changes of the mean count."),
];

/// `page_hinkley`: differences from the mean, summed up.
pub static PAGE_HINKLEY: DetectorDef = DetectorDef {
    name: "page_hinkley",
    doc: "The sum of differences from the mean is far from its least or most so far (Page 1954; Hinkley 1971). Takes any numbers.",
    options: &[OPTIONS],
    make: |options| Ok(Box::new(PageHinkley::new(PageHinkleySettings::from_options(options)))),
};

/// Which changes of the mean count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Increases.
    Up,
    /// Decreases.
    Down,
    /// All.
    Both,
}

/// What a [`PageHinkley`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PageHinkleySettings {
    /// How many values come before a change is looked for.
    pub min_instances: u32,
    /// Differences from the mean up to this are none.
    pub delta: f64,
    /// How far a sum may be from its least or most.
    pub threshold: f64,
    /// How much of a sum stays with each value.
    pub alpha: f64,
    /// Which changes count.
    pub mode: Direction,
}

impl Default for PageHinkleySettings {
    fn default() -> Self {
        Self { min_instances: 30, delta: 0.005, threshold: 50.0, alpha: 0.9999, mode: Direction::Both }
    }
}

impl PageHinkleySettings {
    /// From the options of [`PAGE_HINKLEY`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            min_instances: u32::try_from(options.int("min_instances")).unwrap_or(u32::MAX),
            delta: options.float("delta"),
            threshold: options.float("threshold"),
            alpha: options.float("alpha"),
            mode: match options.text("mode") {
                "up" => Direction::Up,
                "down" => Direction::Down,
                _ => Direction::Both,
            },
        }
    }
}

/// Page's and Hinkley's test: differences from the mean, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    settings: PageHinkleySettings,
    mean: Mean,
    /// `U` and the least that it has been.
    up: (f64, f64),
    /// `D` and the most that it has been.
    down: (f64, f64),
    drifted: bool,
}

impl PageHinkley {
    /// One that has met nothing.
    pub fn new(settings: PageHinkleySettings) -> Self {
        Self { settings, mean: Mean::default(), up: (0.0, f64::INFINITY), down: (0.0, -1.0), drifted: false }
    }

    /// What it is to do.
    pub fn settings(&self) -> &PageHinkleySettings {
        &self.settings
    }

    /// The mean since the last drift. 0 before the first value.
    pub fn mean(&self) -> f64 {
        self.mean.mean
    }
}

impl Detector for PageHinkley {
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = bounded(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        let PageHinkleySettings { min_instances, delta, threshold, alpha, mode } = self.settings;
        self.mean.update(value);
        let difference = value - self.mean.mean;
        let up = alpha * self.up.0 + difference - delta;
        let down = alpha * self.down.0 + difference + delta;
        self.up = (up, self.up.1.min(up));
        self.down = (down, self.down.1.max(down));
        let increased = mode != Direction::Down && up - self.up.1 > threshold;
        let decreased = mode != Direction::Up && self.down.1 - down > threshold;
        self.drifted = self.mean.count >= f64::from(min_instances) && (increased || decreased);
        if self.drifted { Change::Drift } else { Change::None }
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn save(&self) -> Vec<u8> {
        save(PAGE_HINKLEY.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let fits = |new: &Self| {
            let sums = [new.up.0, new.down.0, new.down.1];
            new.settings == self.settings
                && new.mean.is_sound()
                && sums.iter().all(|sum| sum.is_finite())
                && !new.up.1.is_nan()
        };
        *self = load(PAGE_HINKLEY.name, state, fits)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_formula() {
        // All at once, without forgetting: U after the last value is the sum of what each value was above the mean up to it.
        let settings = PageHinkleySettings { alpha: 1.0, threshold: 20.0, ..PageHinkleySettings::default() };
        let mut detector = PageHinkley::new(settings);
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 7) / 7.0 + if i < 200 { 0.0 } else { 1.0 }).collect();
        let mut sums: Vec<f64> = Vec::new();
        for i in 0..values.len() {
            let mean = values[..=i].iter().sum::<f64>() / (i + 1) as f64;
            sums.push(sums.last().copied().unwrap_or(0.0) + values[i] - mean - 0.005);
            let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
            let expected = if sums[i] - least > 20.0 { Change::Drift } else { Change::None };
            assert_eq!(detector.update(values[i]), expected, "value {i}");
            if expected == Change::Drift {
                assert!(i > 200);
                return;
            }
        }
        panic!("no drift");
    }

    #[test]
    fn only_the_changes_that_count_are_told() {
        let drift = |mode, to: f64| {
            let mut detector = PageHinkley::new(PageHinkleySettings { mode, ..PageHinkleySettings::default() });
            (0..600).any(|i| detector.update(if i < 300 { 0.0 } else { to }) == Change::Drift)
        };
        let told = [Direction::Up, Direction::Down, Direction::Both].map(|mode| (drift(mode, 1.0), drift(mode, -1.0)));
        assert_eq!(told, [(true, false), (false, true), (true, true)]);
    }
}
