//! Optimizers: how a weight moves along a gradient.
//!
//! An optimizer keeps `SLOTS` numbers beside every weight and moves one weight at a time:
//!
//! | name | slots | rule, for a gradient `g` and a rate `η` |
//! |---|---|---|
//! | [`Sgd`] | 0 | `w −= η·g` |
//! | [`Momentum`] | 1 | `v = μ·v + g; w −= η·v` |
//! | [`Nesterov`] | 1 | `v = μ·v + g; w −= η·(g + μ·v)` |
//! | [`AdaGrad`] | 1 | `s += g²; w −= η·g / (√s + ε)` |
//! | [`RmsProp`] | 1 | `s = ρ·s + (1 − ρ)·g²; w −= η·g / (√s + ε)` |
//! | [`Adam`] | 2 | moving means of `g` and `g²`, both corrected for their start at 0 |
//! | [`Ftrl`] | 2 | the weight that would have been best so far, near the past weights |
//!
//! Updates are lazy: only the weights of features that a row has are moved. A dense feature is in every row, also when it
//! is 0. A sparse feature is in the rows that have an entry for it; between them its slots stand still (for AdaGrad and
//! FTRL that is no approximation, as an absent feature has gradient 0).

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

mod adagrad;
mod adam;
mod ftrl;
mod momentum;
mod rmsprop;
mod schedule;
mod sgd;

pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use ftrl::Ftrl;
pub use momentum::{Momentum, Nesterov};
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use sgd::Sgd;

/// Squares of gradients up to this are finite, and so are their sums over any stream.
const GRADIENT_MAX: f64 = 1e145;

/// The gradient of a weight, within bounds where its square is finite.
#[inline(always)]
fn gradient(slope: f64, value: f64) -> f64 {
    (slope * value).clamp(-GRADIENT_MAX, GRADIENT_MAX)
}

/// A rule that moves weights, with `SLOTS` numbers of state a weight, all 0 at first.
pub trait Optimizer<const SLOTS: usize>: Copy + Debug + Send + Sync + 'static {
    /// Its name; part of what a saved state says it is.
    const NAME: &'static str;

    /// Whether a gradient of 0 changes neither the weight nor its slots.
    const ZERO_IS_NOTHING: bool;

    /// What all weights of one row share, so that it is computed once a row.
    type Step: Copy;

    /// Counts a row.
    #[inline]
    fn advance(&self, clock: &mut Clock) {
        clock.rows += 1;
    }

    /// The step of the row that `clock` has just counted. Only weights of features are `penalized`, the intercept is not;
    /// it matters to optimizers that do the penalties themselves.
    fn step(&self, rate: f64, clock: &Clock, penalized: bool) -> Self::Step;

    /// Moves a weight along its gradient, which is `slope·value`: the slope of the loss along the score times the value of the
    /// feature.
    fn update(step: Self::Step, weight: &mut f64, slots: &mut [f64; SLOTS], slope: f64, value: f64);

    /// Makes the slots agree with a weight that was set from outside, by merging or as an initial value.
    fn settle(&self, _rate: f64, _penalized: bool, _weight: f64, _slots: &mut [f64; SLOTS]) {}
}

/// How far a learner has come: rows learned, and for [`Adam`] the powers of its decay rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Rows learned.
    pub rows: u64,
    /// `β1` and `β2` to the power of `rows`, as a running product.
    pub powers: [f64; 2],
}

impl Default for Clock {
    fn default() -> Self {
        Self { rows: 0, powers: [1.0; 2] }
    }
}

impl Clock {
    /// Whether it can have come from a learner.
    pub(super) fn is_sound(&self) -> bool {
        self.rows < u64::MAX / 2 && self.powers.iter().all(|power| (0.0..=1.0).contains(power))
    }

    /// The clock of a learner that has learned the rows of both.
    pub(super) fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.powers = [self.powers[0] * other.powers[0], self.powers[1] * other.powers[1]];
    }

    /// The clock of a learner whose slots are the average of those of `replicas`, by `shares`, which all went on from here.
    /// All their rows count; the powers correct for how much of the moving means is still their start at 0, and so are averaged
    /// as the means are.
    pub(super) fn merge_since(&mut self, replicas: &[Self], shares: &[f64]) {
        let before = *self;
        for (replica, share) in replicas.iter().zip(shares) {
            self.rows = self.rows.saturating_add(replica.rows.saturating_sub(before.rows));
            for (power, (then, now)) in self.powers.iter_mut().zip(before.powers.iter().zip(replica.powers)) {
                *power += share * (now - then);
            }
        }
        self.powers = self.powers.map(|power| power.clamp(0.0, 1.0));
    }
}
