//! RMSProp.

use super::{Clock, Optimizer, gradient};

/// RMSProp (Tieleman & Hinton 2012): `s = ρ·s + (1 − ρ)·g²; w −= η·g / (√s + ε)`. AdaGrad that forgets, so that its steps
/// do not die out.
///
/// Parameters: `rho` (`ρ`), `epsilon` (`ε`), outside of the root. State: the moving mean of squares `s`. The state of a
/// sparse feature stands still while rows do not have it.
#[derive(Debug, Clone, Copy)]
pub struct RmsProp {
    /// How much of the mean is kept each step, from 0 up to but not including 1.
    pub rho: f64,
    /// Keeps the first division finite; above 0.
    pub epsilon: f64,
}

/// Rate and parameters.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rate: f64,
    rho: f64,
    epsilon: f64,
}

impl Optimizer<1> for RmsProp {
    const NAME: &'static str = "rmsprop";
    const ZERO_IS_NOTHING: bool = false;

    type Step = Step;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, _: bool) -> Step {
        Step { rate, rho: self.rho, epsilon: self.epsilon }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [squares]: &mut [f64; 1], slope: f64, value: f64) {
        let gradient = gradient(slope, value);
        *squares = step.rho * *squares + (1.0 - step.rho) * gradient * gradient;
        *weight -= step.rate * gradient / (squares.sqrt() + step.epsilon);
    }
}
