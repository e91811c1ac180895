//! ADWIN, the adaptive window.
//!
//! **Idea.** Keep a window of the latest values, as long as no cut of it leaves two parts whose means differ more than chance
//! allows; where one does, the oldest values go. So the window is long while nothing changes and short after a change, and its
//! mean is that of the present.
//!
//! **Formula.** With `n₀`, `n₁` the lengths of the parts, `W` and `σ²` length and variance of the window, `L` the shortest part
//! and `δ' = ln(2·ln W / δ)`, a cut shows a change when
//! `|μ₀ − μ₁| > √(2·m·σ²·δ') + ⅔·m·δ'`, where `m = 1/(n₀ − L + 1) + 1/(n₁ − L + 1)`.
//!
//! The window is an exponential histogram: row `i` has at most `max_buckets` buckets of `2^i` values each, and of a bucket only
//! the sum and the squared differences from the mean are kept. Cuts are tried between buckets, every `clock` values.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `delta` | 0.002 | the chance of a false alarm: smaller is surer and slower |
//! | `clock` | 32 | values between two looks for a change |
//! | `max_buckets` | 5 | buckets of a size: more are finer cuts |
//! | `min_window_length` | 5 | the shortest part |
//! | `grace_period` | 10 | no change is looked for in windows up to this length |
//! | `restart` | true | whether all is forgotten after a drift; else the part after the change stays, as in the paper |
//!
//! **Cost a value.** Constant, amortised: one bucket in, one merge, and `1/clock` of a pass over all buckets. The pass needs four
//! multiplications a cut: a bound without root and division rules out nearly all, and only the rest meet the formula.
//! **Memory.** 16 bytes a bucket, `(max_buckets + 1)·log₂(W / max_buckets)` buckets: 2 kB for a million values.
//!
//! **Source.** Bifet & Gavaldà 2007, "Learning from time-changing data with adaptive windowing", section 3 (ADWIN2); variance
//! of buckets: Babcock, Datar, Motwani & O'Callaghan 2003, "Maintaining variance and k-medians over data stream windows". Looks,
//! shortest part, grace period and restart are River's.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::{Change, Detector, DetectorDef, bounded, load, save};
use crate::Result;
use crate::snapshot::SnapshotError;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("delta", Kind::Float { min: 0.0, max: 1.0 }, "0.002", "The chance of a false alarm."),
    OptionDef::new("clock", Kind::Int { min: 1, max: 1_000_000_000 }, "32", "Values between two looks for a change."),
    OptionDef::new(
        "max_buckets",
        Kind::Int { min: 2, max: MAX_BUCKETS as i64 },
        "5",
        "Most buckets of a size: more are finer cuts, and take longer.",
    ),
    OptionDef::new(
        "min_window_length",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "5",
        "The shortest part of the window whose mean is held against that of the rest.",
    ),
    OptionDef::new(
        "grace_period",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "10",
        "No change is looked for in windows up to this length.",
    ),
    OptionDef::new(
        "restart",
        Kind::Bool,
        "true",
        "Whether all is forgotten after a drift; otherwise the part of the window after the change stays.",
    ),
];

/// `adwin`: a window whose parts have the same mean.
pub static ADWIN: DetectorDef = DetectorDef {
    name: "adwin",
    doc: "A window of the latest values that drops the oldest as soon as two parts of it differ in their mean more than chance \
          allows (Bifet & Gavaldà 2007). Takes any numbers.",
    options: &[OPTIONS],
    make: |options| Ok(Box::new(Adwin::new(AdwinSettings::from_options(options)))),
};

/// Most buckets of a size that can be asked for.
const MAX_BUCKETS: usize = 100;

/// Most rows of buckets: more than any stream fills, and few enough that the number of values is a whole f64.
const MAX_ROWS: usize = 46;

/// What an [`Adwin`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdwinSettings {
    /// The chance of a false alarm, in 0 to 1.
    pub delta: f64,
    /// Values between two looks for a change, at least 1.
    pub clock: u32,
    /// Most buckets of a size, from 2 to 100.
    pub max_buckets: u32,
    /// The shortest part of the window, at least 1.
    pub min_window_length: u32,
    /// No change is looked for in windows up to this length.
    pub grace_period: u32,
    /// Whether all is forgotten after a drift.
    pub restart: bool,
}

impl Default for AdwinSettings {
    fn default() -> Self {
        Self { delta: 0.002, clock: 32, max_buckets: 5, min_window_length: 5, grace_period: 10, restart: true }
    }
}

impl AdwinSettings {
    /// For errors that a learner watches, at this chance of a false alarm: after a drift the errors since the change stay.
    pub fn watching(delta: f64) -> Self {
        Self { delta, restart: false, ..Self::default() }
    }

    /// From the options of [`ADWIN`].
    pub fn from_options(options: &Options) -> Self {
        let int = |name| u32::try_from(options.int(name)).unwrap_or(u32::MAX);
        Self {
            delta: options.float("delta"),
            clock: int("clock"),
            max_buckets: int("max_buckets"),
            min_window_length: int("min_window_length"),
            grace_period: int("grace_period"),
            restart: options.bool("restart"),
        }
    }

    /// The nearest that make sense.
    fn within_bounds(self) -> Self {
        Self {
            delta: if self.delta > 0.0 { self.delta.min(1.0) } else { f64::MIN_POSITIVE },
            clock: self.clock.max(1),
            max_buckets: self.max_buckets.clamp(2, MAX_BUCKETS as u32),
            min_window_length: self.min_window_length.max(1),
            ..self
        }
    }
}

/// What is kept of `2^row` values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    sum: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
}

/// ADWIN: a window of the latest values whose parts have the same mean.
///
/// ```
/// use tidegate_ml::drift::{Adwin, AdwinSettings, Change, Detector};
/// let mut window = Adwin::new(AdwinSettings::default());
/// let changes: Vec<i32> = (0..2000)
///     .filter(|i| window.update(if *i < 1000 { f64::from(i % 2) } else { 5.0 }) == Change::Drift)
///     .collect();
/// assert_eq!(changes, [1023]);
/// assert_eq!(window.mean(), 5.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Adwin {
    settings: AdwinSettings,
    /// Values in the window: a whole number.
    width: f64,
    /// Their sum.
    sum: f64,
    /// Their squared differences from their mean.
    squares: f64,
    /// Values until the next look for a change.
    until_look: u32,
    /// Whether the last value showed a drift.
    drifted: bool,
    /// How many buckets each row has: one at least.
    counts: Vec<u8>,
    /// Row after row, `max_buckets + 1` each: oldest first, then zeros.
    buckets: Vec<Bucket>,
}

/// The saved form: buckets without the room between them.
#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    settings: AdwinSettings,
    sum: f64,
    squares: f64,
    until_look: u32,
    drifted: bool,
    counts: Vec<u8>,
    buckets: Vec<Bucket>,
}

impl Adwin {
    /// An empty window. A setting out of its bounds is taken as the nearest that is within.
    pub fn new(settings: AdwinSettings) -> Self {
        let settings = settings.within_bounds();
        let mut new = Self {
            settings,
            width: 0.0,
            sum: 0.0,
            squares: 0.0,
            until_look: settings.clock,
            drifted: false,
            counts: Vec::new(),
            buckets: Vec::new(),
        };
        new.add_row();
        new
    }

    /// What it is to do.
    pub fn settings(&self) -> &AdwinSettings {
        &self.settings
    }

    /// How many values the window holds.
    pub fn width(&self) -> u64 {
        self.width as u64
    }

    /// The mean of the window's values: after a drift, of those since the change. 0 if there are none.
    #[inline]
    pub fn mean(&self) -> f64 {
        if self.width > 0.0 { self.sum / self.width } else { 0.0 }
    }

    /// Takes in an error and says whether errors have changed and are larger now: what a learner that watches itself asks.
    #[inline]
    pub fn rises(&mut self, error: f64) -> bool {
        let before = self.mean();
        self.update(error) == Change::Drift && self.mean() > before
    }

    /// The sum of the window's values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The variance of the window's values, by their number. 0 if there are none.
    pub fn variance(&self) -> f64 {
        if self.width > 0.0 { (self.squares / self.width).max(0.0) } else { 0.0 }
    }

    /// Room for the buckets of a row: one more than stay there.
    #[inline]
    fn stride(&self) -> usize {
        self.settings.max_buckets as usize + 1
    }

    #[cold]
    fn add_row(&mut self) {
        let room = self.stride();
        self.counts.push(0);
        self.buckets.reserve_exact(room);
        self.buckets.resize(self.buckets.len() + room, Bucket::default());
    }

    /// Takes in a value as a bucket of its own.
    #[inline]
    fn insert(&mut self, value: f64) {
        let before = self.width;
        self.width += 1.0;
        if before > 0.0 {
            let difference = value - self.sum / before;
            self.squares += before * difference * difference / self.width;
        }
        self.sum += value;
        self.buckets[self.counts[0] as usize] = Bucket { sum: value, squares: 0.0 };
        self.counts[0] += 1;
        if self.counts[0] as usize == self.stride() {
            self.merge_full_rows();
        }
    }

    /// The two oldest buckets of a row that is full become one of the next row.
    fn merge_full_rows(&mut self) {
        let stride = self.stride();
        let (mut row, mut size) = (0, 1.0);
        while self.counts[row] as usize == stride {
            if row + 1 == self.counts.len() {
                self.add_row();
            }
            let (here, next) = self.buckets[row * stride..].split_at_mut(stride);
            let [older, newer] = [here[0], here[1]];
            let difference = older.sum / size - newer.sum / size;
            next[self.counts[row + 1] as usize] = Bucket {
                sum: older.sum + newer.sum,
                squares: older.squares + newer.squares + size * 0.5 * difference * difference,
            };
            here.copy_within(2.., 0);
            here[stride - 2..].fill(Bucket::default());
            self.counts[row] -= 2;
            self.counts[row + 1] += 1;
            (row, size) = (row + 1, size * 2.0);
        }
    }

    /// Drops the oldest buckets for as long as some cut shows a change; whether one did.
    #[inline]
    fn shrink(&mut self) -> bool {
        let mut shrunk = false;
        while self.shows_change() {
            self.drop_oldest();
            shrunk = true;
        }
        shrunk
    }

    /// Whether the parts before and after some cut differ more than chance allows.
    fn shows_change(&self) -> bool {
        let stride = self.stride();
        let least = f64::from(self.settings.min_window_length);
        let log = libm::log(2.0 * libm::log(self.width) / self.settings.delta);
        let variance = self.variance();
        // m is at least W / n₀n₁, so no cut shows a change unless (u₀n₁ − u₁n₀)² > n₀n₁·2Wσ²δ'. The factor is for rounding.
        let bound = 2.0 * variance * self.width * log * (1.0 - 1e-9);
        let (mut n0, mut n1) = (0.0, self.width);
        let (mut u0, mut u1) = (0.0, self.sum);
        for (row, &count) in self.counts.iter().enumerate().rev() {
            let size = (1u64 << row) as f64;
            for bucket in &self.buckets[row * stride..][..count as usize] {
                n0 += size;
                n1 -= size;
                u0 += bucket.sum;
                u1 -= bucket.sum;
                let difference = u0 * n1 - u1 * n0;
                if difference * difference <= bound * (n0 * n1) || n0 < least || n1 < least {
                    continue;
                }
                let m = 1.0 / (n0 - least + 1.0) + 1.0 / (n1 - least + 1.0);
                let chance = (2.0 * m * variance * log).sqrt() + 2.0 / 3.0 * log * m;
                if (u0 / n0 - u1 / n1).abs() > chance {
                    return true;
                }
            }
        }
        false
    }

    /// Drops the oldest bucket. There is another, since no part of a cut is empty.
    fn drop_oldest(&mut self) {
        let stride = self.stride();
        let row = self.counts.len() - 1;
        let size = (1u64 << row) as f64;
        let here = &mut self.buckets[row * stride..];
        let Bucket { sum, squares } = here[0];
        here.copy_within(1.., 0);
        here[stride - 1] = Bucket::default();
        self.counts[row] -= 1;
        if self.counts[row] == 0 && row > 0 {
            self.counts.pop();
            self.buckets.truncate(row * stride);
        }
        self.width -= size;
        self.sum -= sum;
        let difference = sum / size - self.sum / self.width;
        self.squares -= squares + size * self.width * difference * difference / (size + self.width);
    }
}

impl Detector for Adwin {
    #[inline]
    fn update(&mut self, value: f64) -> Change {
        let Some(value) = bounded(value) else { return Change::None };
        if self.drifted {
            self.drifted = false;
            if self.settings.restart {
                self.reset();
            }
        }
        self.insert(value);
        self.until_look -= 1;
        if self.until_look > 0 {
            return Change::None;
        }
        self.until_look = self.settings.clock;
        self.drifted = self.width > f64::from(self.settings.grace_period) && self.shrink();
        if self.drifted { Change::Drift } else { Change::None }
    }

    fn reset(&mut self) {
        (self.width, self.sum, self.squares) = (0.0, 0.0, 0.0);
        (self.until_look, self.drifted) = (self.settings.clock, false);
        self.counts.clear();
        self.buckets.clear();
        self.add_row();
    }

    fn save(&self) -> Vec<u8> {
        save(ADWIN.name, self)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        *self = load(ADWIN.name, state, |new: &Self| new.settings == self.settings)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() + self.buckets.capacity() * size_of::<Bucket>()
    }
}

impl From<Adwin> for Saved {
    fn from(window: Adwin) -> Self {
        let rows = window.counts.iter().zip(window.buckets.chunks_exact(window.stride()));
        let buckets = rows.flat_map(|(count, row)| row[..*count as usize].iter().copied()).collect();
        let Adwin { settings, sum, squares, until_look, drifted, counts, .. } = window;
        Self { settings, sum, squares, until_look, drifted, counts, buckets }
    }
}

impl TryFrom<Saved> for Adwin {
    type Error = SnapshotError;

    fn try_from(saved: Saved) -> Result<Self, SnapshotError> {
        let Saved { settings, sum, squares, until_look, drifted, counts, buckets } = saved;
        let wrong = |what: &str| Err(SnapshotError::Content(format!("a window of ADWIN whose {what}")));
        if settings.within_bounds() != settings || !(1..=settings.clock).contains(&until_look) {
            return wrong("settings are out of bounds");
        }
        if counts.is_empty() || counts.len() > MAX_ROWS {
            return wrong("rows are too few or too many");
        }
        // Only a window without a value has a row without a bucket.
        let empty = counts == [0];
        let sound = |count: &u8| (1..=settings.max_buckets).contains(&u32::from(*count)) || empty;
        if !counts.iter().all(sound) || counts.iter().map(|count| *count as usize).sum::<usize>() != buckets.len() {
            return wrong("buckets do not fit its rows");
        }
        let finite = |bucket: &Bucket| bucket.sum.is_finite() && bucket.squares.is_finite();
        if !buckets.iter().all(finite) || !sum.is_finite() || !squares.is_finite() {
            return wrong("sums are not finite");
        }
        let mut window = Self { sum, squares, until_look, drifted, ..Self::new(settings) };
        window.counts = counts;
        let stride = window.stride();
        window.buckets = vec![Bucket::default(); stride * window.counts.len()];
        let mut rest = &buckets[..];
        for (row, &count) in window.counts.iter().enumerate() {
            let (here, later) = rest.split_at(count as usize);
            window.buckets[row * stride..][..count as usize].copy_from_slice(here);
            rest = later;
            window.width += f64::from(count) * (1u64 << row) as f64;
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_window() {
        let values: Vec<f64> = (0..3000).map(|i| f64::from(i * i % 101) / 10.0).collect();
        let mut window = Adwin::new(AdwinSettings { delta: 1e-9, ..AdwinSettings::default() });
        assert_eq!((window.width(), window.mean(), window.variance()), (0, 0.0, 0.0));
        values.iter().for_each(|value| assert_eq!(window.update(*value), Change::None));
        let mean = values.iter().sum::<f64>() / 3000.0;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 3000.0;
        assert_eq!(window.width(), 3000);
        assert!((window.mean() - mean).abs() < 1e-12 && (window.variance() - variance).abs() < 1e-10);
        assert!(window.counts.iter().all(|count| (1..=5).contains(count)), "{:?}", window.counts);
        assert!(window.state_bytes() < 1500, "{}", window.state_bytes());
    }

    #[test]
    fn the_quick_bound_rules_out_no_change() {
        // The formula alone, at every cut, says the same.
        let by_formula = |window: &Adwin| {
            let least = f64::from(window.settings.min_window_length);
            let log = libm::log(2.0 * libm::log(window.width) / window.settings.delta);
            let (mut n0, mut u0) = (0.0, 0.0);
            let rows = window.counts.iter().zip(window.buckets.chunks_exact(window.stride())).enumerate().rev();
            rows.flat_map(|(row, (count, buckets))| buckets[..*count as usize].iter().map(move |b| (row, b))).any(
                |(row, bucket)| {
                    (n0, u0) = (n0 + (1u64 << row) as f64, u0 + bucket.sum);
                    let n1 = window.width - n0;
                    let m = 1.0 / (n0 - least + 1.0) + 1.0 / (n1 - least + 1.0);
                    let chance = (2.0 * m * window.variance() * log).sqrt() + 2.0 / 3.0 * log * m;
                    n0 >= least && n1 >= least && (u0 / n0 - (window.sum - u0) / n1).abs() > chance
                },
            )
        };
        let (mut seed, mut changes) = (1u64, 0);
        for scale in [1.0, 1e-6, 1e6] {
            let mut window = Adwin::new(AdwinSettings { delta: 0.3, clock: u32::MAX, ..AdwinSettings::default() });
            for i in 0..20_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                window.update(scale * ((seed >> 40) as f64 / (1u64 << 24) as f64 + f64::from(i / 3000) * 0.02));
                if i > 20 {
                    let change = by_formula(&window);
                    assert_eq!(window.shows_change(), change, "value {i}");
                    changes += usize::from(change);
                    if i % 5000 == 0 {
                        window.reset();
                    }
                }
            }
        }
        assert!((1000..59_000).contains(&changes), "{changes}");
    }

    #[test]
    fn what_stays_after_a_drift_is_what_came_since() {
        let mut kept = Adwin::new(AdwinSettings { restart: false, ..AdwinSettings::default() });
        let mut anew = Adwin::new(AdwinSettings::default());
        let mut drifts = 0;
        for i in 0..2100 {
            let value = f64::from(i32::from(i >= 2000));
            drifts += i32::from(kept.update(value) == Change::Drift);
            anew.update(value);
        }
        assert!(drifts >= 1);
        assert!(kept.width() > anew.width() && (0.5..1.0).contains(&kept.mean()), "{kept:?}");
        assert_eq!(anew.mean(), 1.0);
    }
}
