//! DDM, the drift detection method.
//!
//! **Idea.** The error rate of a learner falls while what it learns stays the same. So a rate well above the least so far tells
//! of a change.
//!
//! **Formula.** After `i` values with error rate `p_i` and `s_i = √(p_i·(1 − p_i) / i)`, let `p_min`, `s_min` be those where `p + s`
//! was least. A warning: `p_i + s_i > p_min + w·s_min`. A drift: `p_i + s_i > p_min + d·s_min`.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `warm_start` | 30 | nothing is looked for in the first values, so many |
//! | `warning_threshold` | 2 | `w`, in standard deviations |
//! | `drift_threshold` | 3 | `d`, in standard deviations |
//!
//! **Cost a value.** A root and two divisions. **Memory.** Fixed.
//!
//! **Source.** Gama, Medas, Castillo & Rodrigues 2004, "Learning with drift detection", section 3.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::mean::Mean;
use super::{Change, Detector, DetectorDef, load, save, share};
use crate::Result;

const DEVIATIONS: Kind = Kind::Float { min: 0.0, max: 1e6 };

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "warm_start",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "30",
        "How many values come before a drift is looked for.",
    ),
    OptionDef::new("warning_threshold", DEVIATIONS, "2", "Standard deviations above the least error rate that warn."),
    OptionDef::new(
        "drift_threshold",
        DEVIATIONS,
        "3",
        "Standard deviations above the least error rate that are a drift.",
    ),
];

/// `ddm`: an error rate well above its least.
pub static DDM: DetectorDef = DetectorDef {
    name: "ddm",
    doc: "The error rate is some standard deviations above the least so far (Gama et al. 2004). Takes 1 for an error and 0 for \
          none, and numbers between.",
    options: &[OPTIONS],
    make: |options| Ok(Box::new(Ddm::new(DdmSettings::from_options(options)))),
};

/// What a [`Ddm`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DdmSettings {
    /// How many values come before a drift is looked for.
    pub warm_start: u32,
    /// Standard deviations that warn.
    pub warning_threshold: f64,
    /// Standard deviations that are a drift.
    pub drift_threshold: f64,
}

impl Default for DdmSettings {
    fn default() -> Self {
        Self { warm_start: 30, warning_threshold: 2.0, drift_threshold: 3.0 }
    }
}

impl DdmSettings {
    /// From the options of [`DDM`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            warm_start: u32::try_from(options.int("warm_start")).unwrap_or(u32::MAX),
            warning_threshold: options.float("warning_threshold"),
            drift_threshold: options.float("drift_threshold"),
        }
    }
}

/// DDM: an error rate, held against the least so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ddm {
    settings: DdmSettings,
    rate: Mean,
    /// `p` and `s` where their sum was least.
    least: Option<(f64, f64)>,
    drifted: bool,
}

impl Ddm {
    /// One that has met nothing.
    pub fn new(settings: DdmSettings) -> Self {
        Self { settings, rate: Mean::default(), least: None, drifted: false }
    }

    /// What it is to do.
    pub fn settings(&self) -> &DdmSettings {
        &self.settings
    }

    /// The error rate since the last drift. 0 before the first value.
    pub fn rate(&self) -> f64 {
        self.rate.mean
    }
}

impl Detector for Ddm {
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = share(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        self.rate.update(value);
        let Mean { count, mean: p } = self.rate;
        if count <= f64::from(self.settings.warm_start) {
            return Change::None;
        }
        let s = (p * (1.0 - p) / count).max(0.0).sqrt();
        let (p_min, s_min) = match self.least {
            Some((p_min, s_min)) if p + s > p_min + s_min => (p_min, s_min),
            _ => *self.least.insert((p, s)),
        };
        self.drifted = p + s > p_min + self.settings.drift_threshold * s_min;
        if self.drifted {
            Change::Drift
        } else if p + s > p_min + self.settings.warning_threshold * s_min {
            Change::Warning
        } else {
            Change::None
        }
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn save(&self) -> Vec<u8> {
        save(DDM.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let fits = |new: &Self| {
            let least = new.least.is_none_or(|(p, s)| p.is_finite() && s.is_finite());
            new.settings == self.settings && new.rate.is_sound() && least
        };
        *self = load(DDM.name, state, fits)?;
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
    fn a_drift_is_where_the_formula_says() {
        // 40 values with 10 errors: p = 1/4, and s = √(3/16 / 40). Errors from there on.
        let mut detector = Ddm::new(DdmSettings::default());
        for i in 0..40 {
            assert_eq!(detector.update(f64::from(i32::from(i % 4 == 0))), Change::None, "value {i}");
        }
        assert!((detector.rate() - 0.25).abs() < 1e-12);
        let sum = |errors: f64, n: f64| errors / n + (errors / n * (1.0 - errors / n) / n).sqrt();
        let (p, s) = (0.25, (0.1875f64 / 40.0).sqrt());
        for more in 1..40 {
            let now = sum(10.0 + f64::from(more), 40.0 + f64::from(more));
            let expected = match now {
                now if now > p + 3.0 * s => Change::Drift,
                now if now > p + 2.0 * s => Change::Warning,
                _ => Change::None,
            };
            let said = detector.update(1.0);
            assert_eq!(said, expected, "{more} errors more");
            if said == Change::Drift {
                assert!(more > 5);
                return;
            }
        }
        panic!("no drift");
    }
}
