//! AdaGrad.

use super::{Clock, Optimizer, gradient};

/// AdaGrad (Duchi, Hazan & Singer 2011): `s += g²; w −= η·g / (√s + ε)`. Every weight has its own rate, which falls with
/// the gradients that the weight has seen: rare features keep long steps.
///
/// Parameters: `epsilon` (`ε`), outside of the root. State: the sum of squares `s`. An absent feature has gradient 0, so
/// lazy updates are exact.
#[derive(Debug, Clone, Copy)]
pub struct AdaGrad {
    /// Keeps the first division finite; above 0.
    pub epsilon: f64,
}

/// Rate and epsilon.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rate: f64,
    epsilon: f64,
}

impl Optimizer<1> for AdaGrad {
    const NAME: &'static str = "adagrad";
    const ZERO_IS_NOTHING: bool = true;

    type Step = Step;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, _: bool) -> Step {
        Step { rate, epsilon: self.epsilon }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [squares]: &mut [f64; 1], slope: f64, value: f64) {
        let gradient = gradient(slope, value);
        *squares += gradient * gradient;
        *weight -= step.rate * gradient / (squares.sqrt() + step.epsilon);
    }
}
