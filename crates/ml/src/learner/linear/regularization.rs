//! Penalties on large weights: L1, L2, and both (the elastic net).
//!
//! At each row, at a learning rate `η`, every weight decays by `η·l2` of itself and is cut by `η·l1` towards 0, where it
//! stops: `|w| ← max(0, |w|·(1 − η·l2) − η·l1)`. For plain SGD the first is the gradient of `½·l2·w²` and the second the truncated
//! gradient (Langford, Li & Zhang 2009). For other optimizers the penalty does not pass through their scaling (decoupled,
//! Loshchilov & Hutter 2019). The intercept is not penalised. FTRL has penalties of its own.
//!
//! A dense weight pays at every row. A sparse weight pays what it owes when a row has its feature, for all rows since the
//! last, in one closed form and exactly (Lipton & Elkan 2015): the row's map `|w| ← max(0, a·|w| − b)` composes to
//! `|w| ← max(0, A·|w| − A·(C − C'))` in `A = Π a` and `C = Σ b/A`, for which two running numbers suffice, and two a feature
//! that say how they stood when it last paid.

use serde::{Deserialize, Serialize};

/// An elastic net.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalty {
    /// How much a weight is cut towards 0.
    pub l1: f64,
    /// How much a weight decays.
    pub l2: f64,
}

/// The penalty of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// What is left of a weight.
    pub shrink: f64,
    /// What is then cut off.
    pub cut: f64,
}

impl Penalty {
    /// Whether there is nothing to pay.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.l1 == 0.0 && self.l2 == 0.0
    }

    /// The penalty of a row at a learning rate.
    #[inline]
    pub fn decay(&self, rate: f64) -> Decay {
        // Not quite 0, so that the running product stays above it.
        Decay { shrink: (1.0 - rate * self.l2).max(1e-100), cut: rate * self.l1 }
    }
}

/// Cuts a weight towards 0, where it stops.
///
/// ```
/// use tidegate_ml::learner::linear::regularization::soft_threshold;
/// assert_eq!((soft_threshold(-3.0, 1.0), soft_threshold(0.5, 1.0)), (-2.0, 0.0));
/// ```
#[inline]
pub fn soft_threshold(weight: f64, cut: f64) -> f64 {
    (weight.abs() - cut).max(0.0).copysign(weight)
}

/// What has fallen due so far: `A` and `C` of the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Due {
    scale: f64,
    shift: f64,
}

impl Default for Due {
    fn default() -> Self {
        Self { scale: 1.0, shift: 0.0 }
    }
}

impl Due {
    /// What is left of a weight that last paid at `paid`.
    #[inline]
    pub fn pay(&self, weight: f64, paid: Due) -> f64 {
        if *self == paid || weight == 0.0 {
            return weight;
        }
        soft_threshold(weight * (self.scale / paid.scale), self.scale * (self.shift - paid.shift))
    }

    /// What is due with the penalty of one more row.
    #[inline]
    pub fn and(self, decay: Decay) -> Self {
        let scale = self.scale * decay.shrink;
        Self { scale, shift: self.shift + decay.cut / scale }
    }

    /// Whether one more row could run out of the range of numbers: then let every weight pay and begin anew.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.scale < 1e-100 || self.shift > 1e100
    }

    /// Lets every weight pay, `stride` of them a feature, for a new account to begin.
    #[cold]
    pub(super) fn settle(&self, weights: &mut [f64], stride: usize, paid: &mut [Due]) {
        for (weights, paid) in weights.chunks_exact_mut(stride.max(1)).zip(paid) {
            weights.iter_mut().for_each(|weight| *weight = self.pay(*weight, *paid));
            *paid = Due::default();
        }
    }

    /// Whether it can have come from a learner.
    pub(super) fn is_sound(&self) -> bool {
        self.scale > 0.0 && self.scale <= 1.0 && self.shift >= 0.0 && self.shift.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paying at once for many rows is the same as paying at each.
    #[test]
    fn late_payment_is_exact() {
        let penalty = Penalty { l1: 0.02, l2: 0.5 };
        for start in [3.0, -0.7, 0.01, 0.0] {
            let (mut due, paid, mut weight) = (Due::default(), Due::default(), start);
            for t in 1..=50u32 {
                let decay = penalty.decay(0.1 / f64::from(t).sqrt());
                weight = soft_threshold(weight * decay.shrink, decay.cut);
                due = due.and(decay);
                let at_once = due.pay(start, paid);
                assert!((at_once - weight).abs() < 1e-14, "after {t} rows {at_once}, not {weight}");
            }
        }
    }

    #[test]
    fn a_decay_of_everything_leaves_almost_nothing() {
        let decay = Penalty { l1: 0.0, l2: 3.0 }.decay(1.0);
        let mut due = Due::default();
        due = due.and(decay);
        assert!(due.is_sound() && due.pay(5.0, Due::default()) < 1e-99);
    }
}
