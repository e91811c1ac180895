//! HDDM_A: Hoeffding's bound on averages.
//!
//! **Idea.** Of all cuts so far remember the one up to which the mean, with its bound, was least; if the mean of all values is more
//! above the mean up to there than Hoeffding's inequality allows, the values after it are others.
//!
//! **Formula.** With `z̄` the mean of all `n` values and `x̄` that of the first `k`, the cut is where `x̄ + √(ln(1/δ) / 2k)` was least.
//! The mean has increased when `z̄ − x̄ ≥ √(m/2·ln(2/δ))`, `m = (n − k) / (k·n)`; a decrease mirrors it. `δ` is the drift's
//! confidence or the warning's; the cut is chosen by the drift's.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `drift_confidence` | 0.001 | `δ` of a drift: smaller is surer and slower |
//! | `warning_confidence` | 0.005 | `δ` of a warning |
//! | `two_sided_test` | false | whether a decrease counts as well |
//!
//! **Cost a value.** A root for the bound of the mean; one or two more where the mean is above the cut's. **Memory.** Fixed.
//!
//! **Source.** Frías-Blanco, del Campo-Ávila, Ramos-Jiménez, Morales-Bueno, Ortiz-Díaz & Caballero-Mota 2015, "Online and
//! non-parametric drift detection methods based on Hoeffding's bounds": the A-test.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::mean::Mean;
use super::{Change, Detector, DetectorDef, load, save, share};
use crate::Result;

const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0 };

/// What both of the family take.
pub(super) const CONFIDENCES: &[OptionDef] = &[
    OptionDef::new("drift_confidence", SHARE, "0.001", "The chance of a false drift."),
    OptionDef::new("warning_confidence", SHARE, "0.005", "The chance of a false warning."),
    OptionDef::new("two_sided_test", Kind::Bool, "false", "Whether a decrease of the mean counts as well."),
];

/// `hddm_a`: means by Hoeffding's bound.
pub static HDDM_A: DetectorDef = DetectorDef {
    name: "hddm_a",
    doc: "The mean is further above that of the first values than Hoeffding's bound allows, which finds sudden changes (Frías-Blanco \
          et al. 2015). Takes numbers in 0 to 1, such as 1 for an error.",
    options: &[CONFIDENCES],
    make: |options| Ok(Box::new(HddmA::new(HddmASettings::from_options(options)))),
};

/// What a [`HddmA`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HddmASettings {
    /// The chance of a false drift, in 0 to 1.
    pub drift_confidence: f64,
    /// The chance of a false warning, in 0 to 1.
    pub warning_confidence: f64,
    /// Whether a decrease counts as well.
    pub two_sided_test: bool,
}

impl Default for HddmASettings {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, two_sided_test: false }
    }
}

impl HddmASettings {
    /// From the options of [`HDDM_A`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            drift_confidence: options.float("drift_confidence"),
            warning_confidence: options.float("warning_confidence"),
            two_sided_test: options.bool("two_sided_test"),
        }
    }
}

/// `ln(x/δ)`, finite for every `δ`.
#[inline]
pub(super) fn log_over(x: f64, confidence: f64) -> f64 {
    libm::log(x / confidence.clamp(1e-300, 1.0))
}

/// The logarithms of the formula, by the settings alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Logs {
    /// `ln(1/δ)` of a drift.
    cut: f64,
    /// `ln(2/δ)` of a drift.
    drift: f64,
    /// `ln(2/δ)` of a warning.
    warning: f64,
}

impl Logs {
    fn new(settings: &HddmASettings) -> Self {
        Self {
            cut: log_over(1.0, settings.drift_confidence),
            drift: log_over(2.0, settings.drift_confidence),
            warning: log_over(2.0, settings.warning_confidence),
        }
    }

    /// What a difference of `sign·(mean of all − mean up to the cut)` shows.
    #[inline]
    fn judge(&self, sign: f64, all: &Mean, cut: &Mean) -> Change {
        let difference = sign * (all.mean - cut.mean);
        if cut.count == all.count || difference <= 0.0 {
            return Change::None;
        }
        let m = (all.count - cut.count) / cut.count * (1.0 / all.count);
        if difference >= (m / 2.0 * self.drift).sqrt() {
            Change::Drift
        } else if difference >= (m / 2.0 * self.warning).sqrt() {
            Change::Warning
        } else {
            Change::None
        }
    }
}

/// HDDM_A: a mean, held against that up to the best cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HddmA {
    settings: HddmASettings,
    logs: Logs,
    all: Mean,
    /// The values up to the cut where the mean was least, and its mean with the bound.
    least: (Mean, f64),
    /// The values up to the cut where the mean was most, and its mean less the bound.
    most: (Mean, f64),
    drifted: bool,
}

impl HddmA {
    /// One that has met nothing.
    pub fn new(settings: HddmASettings) -> Self {
        let none = Mean::default();
        Self {
            settings,
            logs: Logs::new(&settings),
            all: none,
            least: (none, f64::INFINITY),
            most: (none, f64::NEG_INFINITY),
            drifted: false,
        }
    }

    /// What it is to do.
    pub fn settings(&self) -> &HddmASettings {
        &self.settings
    }

    /// The mean since the last drift. 0 before the first value.
    pub fn mean(&self) -> f64 {
        self.all.mean
    }
}

impl Detector for HddmA {
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = share(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        self.all.update(value);
        let bound = (1.0 / (2.0 * self.all.count) * self.logs.cut).sqrt();
        if self.least.1 >= self.all.mean + bound {
            self.least = (self.all, self.all.mean + bound);
        }
        if self.most.1 <= self.all.mean - bound {
            self.most = (self.all, self.all.mean - bound);
        }
        let mut change = self.logs.judge(1.0, &self.all, &self.least.0);
        if self.settings.two_sided_test {
            change = change.max(self.logs.judge(-1.0, &self.all, &self.most.0));
        }
        self.drifted = change == Change::Drift;
        change
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn save(&self) -> Vec<u8> {
        save(HDDM_A.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let fits = |new: &Self| {
            let sound = |(mean, bound): &(Mean, f64)| mean.is_sound() && !bound.is_nan();
            new.settings == self.settings
                && new.logs == self.logs
                && new.all.is_sound()
                && sound(&new.least)
                && sound(&new.most)
        };
        *self = load(HDDM_A.name, state, fits)?;
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
    fn a_drift_is_where_the_bound_says() {
        // After 100 zeros, j ones make the mean j / (100 + j), to be held against 0 with m = j / (100·(100 + j)).
        let mut detector = HddmA::new(HddmASettings::default());
        (0..100).for_each(|_| assert_eq!(detector.update(0.0), Change::None));
        for j in 1..50 {
            let (j, n) = (f64::from(j), f64::from(100 + j));
            let bound = |confidence: f64| (j / (100.0 * n) / 2.0 * (2.0 / confidence).ln()).sqrt();
            let expected = match j / n {
                mean if mean >= bound(0.001) => Change::Drift,
                mean if mean >= bound(0.005) => Change::Warning,
                _ => Change::None,
            };
            let said = detector.update(1.0);
            assert_eq!(said, expected, "{j} ones");
            if said == Change::Drift {
                return;
            }
        }
        panic!("no drift");
    }

    #[test]
    fn a_decrease_counts_if_asked_for() {
        let drift = |two_sided_test| {
            let mut detector = HddmA::new(HddmASettings { two_sided_test, ..HddmASettings::default() });
            (0..300).any(|i| detector.update(f64::from(i32::from(i < 150))) == Change::Drift)
        };
        assert_eq!((drift(true), drift(false)), (true, false));
    }
}
