//! KSWIN: the test of Kolmogorov and Smirnov on a window.
//!
//! **Idea.** Of a window of the latest values take the newest, and as many of the others at random: if their distributions differ
//! more than chance allows, the values have changed. So it finds changes of spread and shape as well, not of the mean alone.
//!
//! **Formula.** With `r` values in each sample, `D` the largest difference of their empirical distribution functions and
//! `h = r·D`, a drift is where `p(h) ≤ α` and `D > 0.1`. The probability of so large a difference by chance is exact:
//! `p(h) = 2·Σ_{i≥1} (−1)^{i−1}·C(2r, r − i·h) / C(2r, r)`. It falls with `h`, so the least such `h` is found once.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `alpha` | 0.005 | the chance of a false alarm, at each value |
//! | `window_size` | 100 | values in the window: at least twice `stat_size` |
//! | `stat_size` | 30 | `r`, the values in a sample |
//! | `seed` | 0 | what the sample is drawn by |
//!
//! The test is made at each value once the window is full, and tests of neighbouring values are not independent: a small `alpha`
//! is wise. Which values are drawn depends on the seed and on how many values came since the last drift, and on nothing else.
//!
//! **Cost a value.** A sample, two sorts of `r` values and a pass over them: 0.6 µs by default. **Memory.** 16 bytes
//! a value of the window.
//!
//! **Source.** Raab, Heusinger & Schleif 2020, "Reactive soft prototype computing for concept drift streams"; exact
//! probability: Hodges 1958, "The significance probability of the Smirnov two-sample test". As in River, the exact probability
//! stands for the paper's bound `√(−ln α / r)`, and the whole window is forgotten after a drift.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::{Change, Detector, DetectorDef, bounded, load, save};
use crate::snapshot::SnapshotError;
use crate::{Error, Result};

/// The largest sample.
const MAX_STAT_SIZE: u32 = 10_000;

/// The largest window.
const MAX_WINDOW_SIZE: u32 = 1_000_000;

/// A difference up to this is none, however unlikely.
const LEAST_DIFFERENCE: f64 = 0.1;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("alpha", Kind::Float { min: 0.0, max: 1.0 }, "0.005", "The chance of a false alarm, at each value."),
    OptionDef::new(
        "window_size",
        Kind::Int { min: 2, max: MAX_WINDOW_SIZE as i64 },
        "100",
        "Values in the window: at least twice 'stat_size'.",
    ),
    OptionDef::new(
        "stat_size",
        Kind::Int { min: 1, max: MAX_STAT_SIZE as i64 },
        "30",
        "How many of the newest values are held against as many others.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "0", "What the others are drawn by."),
];

/// `kswin`: distributions of latest and earlier values.
pub static KSWIN: DetectorDef = DetectorDef {
    name: "kswin",
    doc: "The newest values of a window and others drawn from it differ in their distribution, by the test of Kolmogorov and Smirnov \
          (Raab, Heusinger & Schleif 2020). Takes any numbers.",
    options: &[OPTIONS],
    make: |options| {
        let settings = KswinSettings::from_options(options);
        let KswinSettings { window_size, stat_size, .. } = settings;
        if window_size < 2 * stat_size {
            return Err(Error::Spec(format!(
                "option 'window_size' is {window_size}; expected at least twice 'stat_size', {}",
                2 * stat_size
            )));
        }
        Ok(Box::new(Kswin::new(settings)))
    },
};

/// What a [`Kswin`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KswinSettings {
    /// The chance of a false alarm, at each value.
    pub alpha: f64,
    /// Values in the window: from 2 to 1,000,000.
    pub window_size: u32,
    /// Values in a sample: from 1 to 10,000, and at most half of the window.
    pub stat_size: u32,
    /// What the sample is drawn by.
    pub seed: u64,
}

impl Default for KswinSettings {
    fn default() -> Self {
        Self { alpha: 0.005, window_size: 100, stat_size: 30, seed: 0 }
    }
}

impl KswinSettings {
    /// From the options of [`KSWIN`].
    pub fn from_options(options: &Options) -> Self {
        Self {
            alpha: options.float("alpha"),
            window_size: u32::try_from(options.int("window_size")).unwrap_or(u32::MAX),
            stat_size: u32::try_from(options.int("stat_size")).unwrap_or(u32::MAX),
            seed: u64::try_from(options.int("seed")).unwrap_or(0),
        }
    }

    /// The nearest that make sense.
    fn within_bounds(self) -> Self {
        let window_size = self.window_size.clamp(2, MAX_WINDOW_SIZE);
        let stat_size = self.stat_size.clamp(1, MAX_STAT_SIZE.min(window_size / 2));
        Self { alpha: if self.alpha > 0.0 { self.alpha.min(1.0) } else { 0.0 }, window_size, stat_size, ..self }
    }
}

/// The probability that two samples of `size` values from one distribution differ by `steps / size` or more.
pub(super) fn probability(size: usize, steps: usize) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    // C(2r, r − m) / C(2r, r) is the product of (r − j) / (r + j + 1) for j below m.
    let (mut sum, mut share, mut sign) = (0.0, 1.0, 1.0);
    for m in 1..=size {
        share *= (size - m + 1) as f64 / (size + m) as f64;
        if m % steps == 0 {
            sum += sign * share;
            sign = -sign;
        }
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// The least difference, in steps, that is a drift; more than `size` if none is.
fn least_steps(size: usize, alpha: f64) -> usize {
    let (mut low, mut high) = (1, size + 1);
    while low < high {
        let middle = (low + high) / 2;
        let drift = probability(size, middle) <= alpha && middle as f64 / size as f64 > LEAST_DIFFERENCE;
        if drift { high = middle } else { low = middle + 1 }
    }
    low
}

/// The largest difference of the distributions of two sorted samples of one size, in steps.
pub(super) fn difference(a: &[f64], b: &[f64]) -> usize {
    let (mut i, mut j, mut most) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        most = most.max(i.abs_diff(j));
    }
    most
}

/// KSWIN: the distribution of the newest values, held against that of others in a window.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Kswin {
    settings: KswinSettings,
    /// The latest values; once it is full the oldest is at `oldest`.
    window: Vec<f64>,
    oldest: usize,
    /// Values since the last drift.
    met: u64,
    drifted: bool,
    /// The least difference that is a drift, in steps.
    least_steps: usize,
    scratch: Vec<f64>,
}

/// The saved form: the window with the oldest value first.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Saved {
    settings: KswinSettings,
    window: Vec<f64>,
    met: u64,
    drifted: bool,
}

impl PartialEq for Kswin {
    fn eq(&self, other: &Self) -> bool {
        (self.settings, self.met, self.drifted) == (other.settings, other.met, other.drifted)
            && self.in_order().eq(other.in_order())
    }
}

impl Kswin {
    /// One that has met nothing. A setting out of its bounds is taken as the nearest that is within.
    pub fn new(settings: KswinSettings) -> Self {
        let settings = settings.within_bounds();
        Self {
            settings,
            window: Vec::new(),
            oldest: 0,
            met: 0,
            drifted: false,
            least_steps: least_steps(settings.stat_size as usize, settings.alpha),
            scratch: Vec::new(),
        }
    }

    /// What it is to do.
    pub fn settings(&self) -> &KswinSettings {
        &self.settings
    }

    /// The values of the window, oldest first.
    fn in_order(&self) -> impl Iterator<Item = &f64> {
        let (newer, older) = self.window.split_at(self.oldest);
        older.iter().chain(newer)
    }

    /// The difference of the newest values and of as many others, in steps.
    fn test(&mut self) -> usize {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(self.in_order());
        let size = self.settings.stat_size as usize;
        let (others, newest) = scratch.split_at_mut(self.window.len() - size);
        let seed = self.settings.seed.wrapping_add(self.met.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        for i in 0..size {
            // A whole number below `left`, to within 2⁻⁴⁴ of evenly.
            let left = (others.len() - i) as u128;
            let drawn = (u128::from(random.next_u64()) * left) >> 64;
            others.swap(i, i + drawn as usize);
        }
        let others = &mut others[..size];
        others.sort_unstable_by(f64::total_cmp);
        newest.sort_unstable_by(f64::total_cmp);
        let steps = difference(others, newest);
        self.scratch = scratch;
        steps
    }
}

impl Detector for Kswin {
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = bounded(value) else { return Change::None };
        if self.drifted {
            self.reset();
        }
        self.met = self.met.wrapping_add(1);
        let size = self.settings.window_size as usize;
        if self.window.len() < size {
            self.window.push(value);
        } else {
            self.window[self.oldest] = value;
            self.oldest = (self.oldest + 1) % size;
        }
        self.drifted = self.window.len() == size && self.test() >= self.least_steps;
        if self.drifted { Change::Drift } else { Change::None }
    }

    fn reset(&mut self) {
        self.window.clear();
        (self.oldest, self.met, self.drifted) = (0, 0, false);
    }

    fn save(&self) -> Vec<u8> {
        save(KSWIN.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        *self = load(KSWIN.name, state, |new: &Self| new.settings == self.settings)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + (self.window.capacity() + self.scratch.capacity()) * size_of::<f64>()
    }
}

impl From<Kswin> for Saved {
    fn from(detector: Kswin) -> Self {
        let window = detector.in_order().copied().collect();
        let Kswin { settings, met, drifted, .. } = detector;
        Self { settings, window, met, drifted }
    }
}

impl TryFrom<Saved> for Kswin {
    type Error = SnapshotError;

    fn try_from(saved: Saved) -> Result<Self, SnapshotError> {
        let Saved { settings, window, met, drifted } = saved;
        let bounded = settings.within_bounds() == settings && window.len() <= settings.window_size as usize;
        if !bounded || !window.iter().all(|value| value.is_finite()) {
            return Err(SnapshotError::Content(
                "a state of 'kswin' whose window does not fit its settings".to_string(),
            ));
        }
        Ok(Self { window, met, drifted, ..Self::new(settings) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_that_of_the_distributions() {
        assert_eq!(difference(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 0);
        assert_eq!(difference(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 3);
        assert_eq!(difference(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]), 3);
        assert_eq!(difference(&[0.0, 0.0, 1.0, 1.0], &[0.0, 1.0, 1.0, 1.0]), 1);
    }

    #[test]
    fn the_probability_is_that_of_all_orders() {
        // Two samples of three values in all C(6, 3) = 20 orders.
        let counted = |steps: usize| {
            let orders = (0u32..64).filter(|order| order.count_ones() == 3);
            let part = |order: u32, bit: u32| -> Vec<f64> {
                (0..6).filter(|i| order >> i & 1 == bit).map(f64::from).collect()
            };
            let far = orders.filter(|order| difference(&part(*order, 0), &part(*order, 1)) >= steps).count();
            far as f64 / 20.0
        };
        for steps in 0..=3 {
            assert!((probability(3, steps) - counted(steps)).abs() < 1e-15, "{steps} steps");
        }
        assert_eq!(least_steps(3, 0.1), 3);
        assert_eq!(least_steps(3, 0.09), 4);
        // 0.1 is not enough by itself, however unlikely it is.
        assert!(probability(10_000, 1000) < 1e-40);
        assert_eq!(least_steps(10_000, 0.5), 1001);
    }

    #[test]
    fn changes_of_mean_and_of_spread_are_found() {
        let noise = |i: u64| {
            let mut random = Pcg64Mcg::seed_from_u64(i);
            random.next_u64() as f64 / u64::MAX as f64 - 0.5
        };
        for (scale, shift) in [(1.0, 1.0), (8.0, 0.0)] {
            let settings = KswinSettings { alpha: 1e-6, window_size: 400, stat_size: 150, seed: 7 };
            let mut detector = Kswin::new(settings);
            let drifts: Vec<u64> = (0..2000)
                .filter(|i| {
                    let value = if *i < 1000 { noise(*i) } else { scale * noise(*i) + shift };
                    detector.update(value) == Change::Drift
                })
                .collect();
            assert!(matches!(drifts[..], [1000..1150]), "scale {scale}: {drifts:?}");
        }
    }
}
