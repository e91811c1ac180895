//! Gradient descent with momentum, classic and Nesterov's.

use super::{Clock, Optimizer};

/// Momentum (Polyak 1964): `v = μ·v + g; w −= η·v`.
///
/// Parameters: `momentum` (`μ`). State: the velocity `v`. The velocity of a sparse feature stands still while rows do not
/// have it.
#[derive(Debug, Clone, Copy)]
pub struct Momentum {
    /// How much of the velocity is kept each step, from 0 up to but not including 1.
    pub momentum: f64,
}

/// Nesterov's momentum in the form of Bengio, Boulanger-Lewandowski & Pascanu (2013), which stores the look-ahead
/// weights: `v = μ·v + g; w −= η·(g + μ·v)`. See also Sutskever et al. (2013).
///
/// Parameters and state as [`Momentum`].
#[derive(Debug, Clone, Copy)]
pub struct Nesterov {
    /// How much of the velocity is kept each step, from 0 up to but not including 1.
    pub momentum: f64,
}

/// Rate and momentum.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rate: f64,
    momentum: f64,
}

impl Optimizer<1> for Momentum {
    const NAME: &'static str = "momentum";
    const ZERO_IS_NOTHING: bool = false;

    type Step = Step;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, _: bool) -> Step {
        Step { rate, momentum: self.momentum }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [velocity]: &mut [f64; 1], slope: f64, value: f64) {
        let gradient = slope * value;
        *velocity = step.momentum * *velocity + gradient;
        *weight -= step.rate * *velocity;
    }
}

impl Optimizer<1> for Nesterov {
    const NAME: &'static str = "nesterov";
    const ZERO_IS_NOTHING: bool = false;

    type Step = Step;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, _: bool) -> Step {
        Step { rate, momentum: self.momentum }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [velocity]: &mut [f64; 1], slope: f64, value: f64) {
        let gradient = slope * value;
        *velocity = step.momentum * *velocity + gradient;
        *weight -= step.rate * (gradient + step.momentum * *velocity);
    }
}
