//! Adam.

use super::{Clock, Optimizer, gradient};

/// Adam (Kingma & Ba 2015): `m = β1·m + (1 − β1)·g; v = β2·v + (1 − β2)·g²; w −= η·m̂ / (√v̂ + ε)` with
/// `m̂ = m / (1 − β1^t)` and `v̂ = v / (1 − β2^t)`.
///
/// Parameters: `beta1`, `beta2`, `epsilon`. State: `m` and `v`. The lazy variant: `t` counts all rows, while `m` and `v` of a
/// sparse feature stand still while rows do not have it. So a feature first met late gets no correction for its start at
/// 0, and its first step is `(1 − β1) / √(1 − β2)` rates long (3.2 by default); with dense features only it is Adam exactly.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// How much of the mean gradient is kept each step, from 0 up to but not including 1.
    pub beta1: f64,
    /// How much of the mean squared gradient is kept each step, from 0 up to but not including 1.
    pub beta2: f64,
    /// Keeps the division finite; above 0.
    pub epsilon: f64,
}

/// The corrections folded into rate and epsilon: `η·m̂ / (√v̂ + ε) = rate·m / (√v + epsilon)`.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Optimizer<2> for Adam {
    const NAME: &'static str = "adam";
    const ZERO_IS_NOTHING: bool = false;

    type Step = Step;

    #[inline]
    fn advance(&self, clock: &mut Clock) {
        clock.rows += 1;
        clock.powers = [clock.powers[0] * self.beta1, clock.powers[1] * self.beta2];
    }

    #[inline]
    fn step(&self, rate: f64, clock: &Clock, _: bool) -> Step {
        let root = (1.0 - clock.powers[1]).sqrt();
        Step {
            rate: rate * root / (1.0 - clock.powers[0]),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon * root,
        }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [mean, squares]: &mut [f64; 2], slope: f64, value: f64) {
        let gradient = gradient(slope, value);
        *mean = step.beta1 * *mean + (1.0 - step.beta1) * gradient;
        *squares = step.beta2 * *squares + (1.0 - step.beta2) * gradient * gradient;
        *weight -= step.rate * *mean / (squares.sqrt() + step.epsilon);
    }
}
