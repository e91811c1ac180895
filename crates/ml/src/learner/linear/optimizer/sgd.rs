//! Stochastic gradient descent.

use super::{Clock, Optimizer};

/// Stochastic gradient descent (Robbins & Monro 1951): `w −= η·g`.
///
/// Parameters: the rate `η` only. State: none. Cost a weight: two multiplications and a subtraction.
#[derive(Debug, Clone, Copy)]
pub struct Sgd;

impl Optimizer<0> for Sgd {
    const NAME: &'static str = "sgd";
    const ZERO_IS_NOTHING: bool = true;

    type Step = f64;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, _: bool) -> f64 {
        rate
    }

    #[inline(always)]
    fn update(rate: f64, weight: &mut f64, _: &mut [f64; 0], slope: f64, value: f64) {
        // The slope comes last, as the next row waits for it.
        *weight -= (rate * value) * slope;
    }
}
