//! HDDM_W: McDiarmid's bound on fading averages.
//!
//! **Idea.** As [`HddmA`](super::HddmA), but means fade: late values count more, so that slow changes are found as well.
//!
//! **Formula.** A fading mean is `x̂ ← λ·x + (1 − λ)·x̂`, its independent bound `b ← λ² + (1 − λ)²·b` with `b = 1` at first, and
//! `ε(b) = √(b·ln(1/δ) / 2)`. The cut is where `x̂ + ε(b)` was least. The mean has increased when that since the cut is more than
//! `ε(b₁ + b₂)` above that up to the cut; a decrease mirrors it. `δ` is the drift's confidence or the warning's; the cut is chosen by
//! the drift's.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `drift_confidence` | 0.001 | `δ` of a drift: smaller is surer and slower |
//! | `warning_confidence` | 0.005 | `δ` of a warning |
//! | `lambda_val` | 0.05 | `λ`: the share of the newest value; smaller remembers longer |
//! | `two_sided_test` | false | whether a decrease counts as well |
//!
//! **Cost a value.** A root for the bound of the mean; one or two more where the mean is above the cut's. **Memory.** Fixed.
//!
//! **Source.** Frías-Blanco, del Campo-Ávila, Ramos-Jiménez, Morales-Bueno, Ortiz-Díaz & Caballero-Mota 2015, "Online and
//! non-parametric drift detection methods based on Hoeffding's bounds": the W-test.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::hddm_a::{CONFIDENCES, log_over};
use super::{Change, Detector, DetectorDef, load, save, share};
use crate::Result;

const FADING: &[OptionDef] = &[OptionDef::new(
    "lambda_val",
    Kind::Float { min: 0.0, max: 1.0 },
    "0.05",
    "The share of the newest value in a mean: smaller remembers longer.",
)];

/// `hddm_w`: fading means by McDiarmid's bound.
pub static HDDM_W: DetectorDef = DetectorDef {
    name: "hddm_w",
    doc: "The fading mean since some value is further above that of the values before than McDiarmid's bound allows, which finds \
          slow changes (Frías-Blanco et al. 2015). Takes numbers in 0 to 1, such as 1 for an error.",
    options: &[CONFIDENCES, FADING],
    make: |options| Ok(Box::new(HddmW::new(HddmWSettings::from_options(options)))),
};

/// What a [`HddmW`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HddmWSettings {
    /// The chance of a false drift, in 0 to 1.
    pub drift_confidence: f64,
    /// The chance of a false warning, in 0 to 1.
    pub warning_confidence: f64,
    /// The share of the newest value in a mean, in 0 to 1.
    pub lambda_val: f64,
    /// Whether a decrease counts as well.
    pub two_sided_test: bool,
}

impl Default for HddmWSettings {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, lambda_val: 0.05, two_sided_test: false }
    }
}

impl HddmWSettings {
    /// From the options of [`HDDM_W`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            drift_confidence: options.float("drift_confidence"),
            warning_confidence: options.float("warning_confidence"),
            lambda_val: options.float("lambda_val"),
            two_sided_test: options.bool("two_sided_test"),
        }
    }
}

/// A fading mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Fading {
    mean: f64,
    /// The independent bound: the sum of the squares of all shares.
    bound: f64,
    /// Whether there was a value.
    begun: bool,
}

impl Fading {
    const NONE: Self = Self { mean: 0.0, bound: 1.0, begun: false };

    #[inline]
    fn update(&mut self, value: f64, lambda: f64) {
        let rest = 1.0 - lambda;
        self.mean = if self.begun { lambda * value + rest * self.mean } else { value };
        self.bound = lambda * lambda + rest * rest * self.bound;
        self.begun = true;
    }

    fn is_sound(&self) -> bool {
        self.mean.is_finite() && (0.0..=1.0).contains(&self.bound)
    }
}

/// The means before and after the best cut so far, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Cut {
    /// The least of the mean with its bound.
    least: f64,
    before: Fading,
    after: Fading,
}

impl Cut {
    const NONE: Self = Self { least: f64::INFINITY, before: Fading::NONE, after: Fading::NONE };

    /// Takes in a value that made the mean of all be `all`, with `end` at the far end of its bound.
    #[inline]
    fn update(&mut self, value: f64, all: &Fading, end: f64, lambda: f64) {
        if end < self.least {
            *self = Self { least: end, before: *all, after: Fading::NONE };
        } else {
            self.after.update(value, lambda);
        }
    }

    fn is_sound(&self) -> bool {
        !self.least.is_nan() && self.before.is_sound() && self.after.is_sound()
    }
}

/// `ln(1/δ)`, by the settings alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Logs {
    drift: f64,
    warning: f64,
}

impl Logs {
    /// What the difference of `sign` times the means of a cut shows.
    #[inline]
    fn judge(&self, sign: f64, cut: &Cut) -> Change {
        let difference = sign * (cut.after.mean - cut.before.mean);
        if !cut.after.begun || !cut.before.begun || difference <= 0.0 {
            return Change::None;
        }
        let bound = cut.before.bound + cut.after.bound;
        if difference > (bound * self.drift / 2.0).sqrt() {
            Change::Drift
        } else if difference > (bound * self.warning / 2.0).sqrt() {
            Change::Warning
        } else {
            Change::None
        }
    }
}

/// HDDM_W: a fading mean, held against that up to the best cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HddmW {
    settings: HddmWSettings,
    logs: Logs,
    all: Fading,
    increase: Cut,
    /// The same of negated means.
    decrease: Cut,
    drifted: bool,
}

impl HddmW {
    /// One that has met nothing.
    pub fn new(settings: HddmWSettings) -> Self {
        let logs = Logs {
            drift: log_over(1.0, settings.drift_confidence),
            warning: log_over(1.0, settings.warning_confidence),
        };
        Self { settings, logs, all: Fading::NONE, increase: Cut::NONE, decrease: Cut::NONE, drifted: false }
    }

    /// What it is to do.
    pub fn settings(&self) -> &HddmWSettings {
        &self.settings
    }

    /// The fading mean since the last drift. 0 before the first value.
    pub fn mean(&self) -> f64 {
        self.all.mean
    }
}

impl Detector for HddmW {
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = share(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        let lambda = self.settings.lambda_val;
        self.all.update(value, lambda);
        let bound = (self.all.bound * self.logs.drift / 2.0).sqrt();
        self.increase.update(value, &self.all, self.all.mean + bound, lambda);
        let mut change = self.logs.judge(1.0, &self.increase);
        if self.settings.two_sided_test {
            self.decrease.update(value, &self.all, bound - self.all.mean, lambda);
            change = change.max(self.logs.judge(-1.0, &self.decrease));
        }
        self.drifted = change == Change::Drift;
        change
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn save(&self) -> Vec<u8> {
        save(HDDM_W.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let fits = |new: &Self| {
            new.settings == self.settings
                && new.logs == self.logs
                && new.all.is_sound()
                && new.increase.is_sound()
                && new.decrease.is_sound()
        };
        *self = load(HDDM_W.name, state, fits)?;
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
        // After many zeros the bound of their mean is λ / (2 − λ), and the cut comes with the last of them that made it smaller.
        let mut detector = HddmW::new(HddmWSettings::default());
        (0..2000).for_each(|_| assert_eq!(detector.update(0.0), Change::None));
        let before = 0.05 / 1.95;
        assert!((detector.increase.before.bound - before).abs() < 1e-12);
        let (mut mean, mut after) = (detector.increase.after.mean, detector.increase.after.bound);
        for i in 0..100 {
            mean = if detector.increase.after.begun { 0.05 + 0.95 * mean } else { 1.0 };
            after = 0.0025 + 0.9025 * after;
            let bound = |confidence: f64| ((before + after) * (1.0 / confidence).ln() / 2.0).sqrt();
            let expected = match mean {
                mean if mean > bound(0.001) => Change::Drift,
                mean if mean > bound(0.005) => Change::Warning,
                _ => Change::None,
            };
            let said = detector.update(1.0);
            assert_eq!(said, expected, "{i}");
            if said == Change::Drift {
                return;
            }
        }
        panic!("no drift");
    }

    #[test]
    fn a_decrease_counts_if_asked_for() {
        let drift = |two_sided_test| {
            let mut detector = HddmW::new(HddmWSettings { two_sided_test, ..HddmWSettings::default() });
            (0..600).any(|i| detector.update(f64::from(i32::from(i < 300))) == Change::Drift)
        };
        assert_eq!((drift(true), drift(false)), (true, false));
    }
}
