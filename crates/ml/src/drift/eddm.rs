//! EDDM, the early drift detection method.
//!
//! **Idea.** While a learner gets better its errors lie further and further apart. So errors that come closer tell of a change,
//! and of a slow one earlier than their rate does.
//!
//! **Formula.** With `p'` and `s'` mean and standard deviation of the distance between two errors, in values, let `M` be the most
//! that `p' + 2s'` has been. A warning: `(p' + 2s') / M < α`. A drift: `(p' + 2s') / M < β`.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `warm_start` | 30 | nothing is looked for before more errors than this were met |
//! | `alpha` | 0.95 | `α`: smaller warns later |
//! | `beta` | 0.9 | `β`, at most `α`: smaller is surer and slower |
//!
//! A warning holds until an error ends it: values without an error tell nothing.
//!
//! **Cost a value.** A count; at an error a root and three divisions. **Memory.** Fixed.
//!
//! **Source.** Baena-García, del Campo-Ávila, Fidalgo, Bifet, Gavaldà & Morales-Bueno 2006, "Early drift detection method",
//! section 3.2.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::mean::Mean;
use super::{Change, Detector, DetectorDef, load, save, share};
use crate::{Error, Result};

const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0 };

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "warm_start",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "30",
        "How many errors come before a drift is looked for.",
    ),
    OptionDef::new("alpha", SHARE, "0.95", "The share of the largest distance of errors below which it warns."),
    OptionDef::new("beta", SHARE, "0.9", "The share of the largest distance of errors below which there is a drift."),
];

/// `eddm`: errors that come closer.
pub static EDDM: DetectorDef = DetectorDef {
    name: "eddm",
    doc: "The distance of errors has fallen below a share of the largest so far, which finds slow changes early (Baena-García et \
          al. 2006). Takes 1 for an error and 0 for none.",
    options: &[OPTIONS],
    make: |options| {
        let settings = EddmSettings::from_options(options);
        if settings.alpha < settings.beta {
            let EddmSettings { alpha, beta, .. } = settings;
            return Err(Error::Spec(format!(
                "option 'alpha' is {alpha}, below 'beta', {beta}; expected at least that"
            )));
        }
        Ok(Box::new(Eddm::new(settings)))
    },
};

/// What an [`Eddm`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EddmSettings {
    /// How many errors come before a drift is looked for.
    pub warm_start: u32,
    /// The share below which it warns.
    pub alpha: f64,
    /// The share below which there is a drift.
    pub beta: f64,
}

impl Default for EddmSettings {
    fn default() -> Self {
        Self { warm_start: 30, alpha: 0.95, beta: 0.9 }
    }
}

impl EddmSettings {
    /// From the options of [`EDDM`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            warm_start: u32::try_from(options.int("warm_start")).unwrap_or(u32::MAX),
            alpha: options.float("alpha"),
            beta: options.float("beta"),
        }
    }
}

/// EDDM: the distance of errors, held against the most so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Eddm {
    settings: EddmSettings,
    /// Values met: a whole number.
    count: f64,
    /// Which value was the last error.
    last_error: f64,
    /// Distances of errors, and how many errors there were.
    distance: Mean,
    /// Their squared differences from the mean.
    squares: f64,
    /// The most that the mean and two standard deviations have been.
    most: f64,
    warned: bool,
    drifted: bool,
}

impl Eddm {
    /// One that has met nothing.
    pub fn new(settings: EddmSettings) -> Self {
        Self {
            settings,
            count: 0.0,
            last_error: 0.0,
            distance: Mean::default(),
            squares: 0.0,
            most: -1.0,
            warned: false,
            drifted: false,
        }
    }

    /// What it is to do.
    pub fn settings(&self) -> &EddmSettings {
        &self.settings
    }

    /// The mean distance of errors since the last drift. 0 before the first error.
    pub fn distance(&self) -> f64 {
        self.distance.mean
    }

    /// Takes in that this value is an error.
    fn learn_error(&mut self) {
        let distance = self.count - self.last_error;
        self.last_error = self.count;
        let before = self.distance.mean;
        self.distance.update(distance);
        let Mean { count: errors, mean } = self.distance;
        self.squares += (distance - before) * (distance - mean);
        let warm = f64::from(self.settings.warm_start);
        if self.count <= warm {
            return;
        }
        let variance = if errors > 1.0 { (self.squares / (errors - 1.0)).max(0.0) } else { 0.0 };
        let now = mean + 2.0 * variance.sqrt();
        if now > self.most {
            self.most = now;
        } else if errors > warm {
            let level = now / self.most;
            self.drifted = level < self.settings.beta;
            self.warned = level < self.settings.alpha;
        }
    }
}

impl Detector for Eddm {
    /// A value of at least one half is an error.
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = share(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        self.count += 1.0;
        if value >= 0.5 {
            self.learn_error();
        }
        if self.drifted {
            Change::Drift
        } else if self.warned {
            Change::Warning
        } else {
            Change::None
        }
    }

    fn reset(&mut self) {
        *self = Self::new(self.settings);
    }

    fn save(&self) -> Vec<u8> {
        save(EDDM.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let fits = |new: &Self| {
            let numbers = [new.count, new.last_error, new.squares, new.most];
            let counted = (0.0..=new.count).contains(&new.last_error);
            new.settings == self.settings
                && new.distance.is_sound()
                && counted
                && numbers.iter().all(|number| number.is_finite())
        };
        *self = load(EDDM.name, state, fits)?;
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
    fn errors_that_come_closer_are_a_drift() {
        // Every tenth value an error, then every fifth. With k errors at distance 5 after 40 at 10 the mean is
        // (400 + 5k) / (40 + k), the variance 25·40k / ((40 + k)·(39 + k)); `most` is where their sum is largest.
        let mut detector = Eddm::new(EddmSettings { beta: 0.8, ..EddmSettings::default() });
        for i in 1..=400 {
            assert_eq!(detector.update(f64::from(i32::from(i % 10 == 0))), Change::None, "value {i}");
        }
        assert_eq!(detector.distance(), 10.0);
        let level = |k: f64| (400.0 + 5.0 * k) / (40.0 + k) + 2.0 * (1000.0 * k / ((40.0 + k) * (39.0 + k))).sqrt();
        let mut most = 10.0f64;
        let mut warned = false;
        for i in 1..=5000 {
            let said = detector.update(f64::from(i32::from(i % 5 == 0)));
            if i % 5 == 0 {
                let now = level(f64::from(i / 5));
                most = most.max(now);
                let expected = match now / most {
                    share if share < 0.8 => Change::Drift,
                    share if share < 0.95 => Change::Warning,
                    _ => Change::None,
                };
                assert_eq!(said, expected, "value {i}");
                if said == Change::Drift {
                    assert!(warned);
                    return;
                }
                warned |= said == Change::Warning;
            }
        }
        panic!("no drift");
    }
}
