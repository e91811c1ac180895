//! FTRL-Proximal.

use super::{Clock, Optimizer, gradient};

/// FTRL-Proximal (McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1).
///
/// With `σ = (√(n + g²) − √n) / α`: `z += g − σ·w; n += g²`, and the weight is 0 where `|z| ≤ l1`, else
/// `w = −(z − sign(z)·l1) / ((β + √n) / α + l2)`.
///
/// Parameters: `learning_rate` (`α`), `ftrl_beta` (`β`), and its own `l1` and `l2`, which are part of the closed form (all past
/// rows count) and not a decay a row as with the other optimizers. State: `z` and `n`. An absent feature has gradient 0, so
/// lazy updates are exact. The intercept carries no penalty.
#[derive(Debug, Clone, Copy)]
pub struct Ftrl {
    /// Smooths the first steps.
    pub beta: f64,
    /// Makes weights of uncertain features exactly 0.
    pub l1: f64,
    /// Keeps weights small.
    pub l2: f64,
}

/// Parameters of one kind of weight: `1 / α`, and penalties.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    inverse_alpha: f64,
    beta: f64,
    l1: f64,
    l2: f64,
}

impl Step {
    /// What a weight's distance from 0 is divided by.
    #[inline(always)]
    fn stiffness(self, root: f64) -> f64 {
        (self.beta + root) * self.inverse_alpha + self.l2
    }
}

impl Optimizer<2> for Ftrl {
    const NAME: &'static str = "ftrl";
    const ZERO_IS_NOTHING: bool = true;

    type Step = Step;

    #[inline]
    fn step(&self, rate: f64, _: &Clock, penalized: bool) -> Step {
        let (l1, l2) = if penalized { (self.l1, self.l2) } else { (0.0, 0.0) };
        Step { inverse_alpha: 1.0 / rate, beta: self.beta, l1, l2 }
    }

    #[inline(always)]
    fn update(step: Step, weight: &mut f64, [z, n]: &mut [f64; 2], slope: f64, value: f64) {
        let gradient = gradient(slope, value);
        let (before, after) = (*n, *n + gradient * gradient);
        let root = after.sqrt();
        let sigma = (root - before.sqrt()) * step.inverse_alpha;
        *z += gradient - sigma * *weight;
        *n = after;
        let beyond = z.abs() - step.l1;
        *weight = if beyond > 0.0 { -beyond.copysign(*z) / step.stiffness(root) } else { 0.0 };
    }

    /// `z` is chosen so that the closed form gives the weight.
    fn settle(&self, rate: f64, penalized: bool, weight: f64, [z, n]: &mut [f64; 2]) {
        let step = self.step(rate, &Clock::default(), penalized);
        *z = if weight == 0.0 {
            z.clamp(-step.l1, step.l1)
        } else {
            -(weight.abs() * step.stiffness(n.sqrt()) + step.l1).copysign(weight)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One weight by hand: α = 0.5, β = 1, l1 = 0.5, l2 = 2. g = 3: n = 9, σ = 6, z = 3, w = −2.5 / (8 + 2).
    #[test]
    fn first_step_by_hand() {
        let ftrl = Ftrl { beta: 1.0, l1: 0.5, l2: 2.0 };
        let (mut weight, mut slots) = (0.0, [0.0; 2]);
        Ftrl::update(ftrl.step(0.5, &Clock::default(), true), &mut weight, &mut slots, 3.0, 1.0);
        assert_eq!((weight, slots), (-0.25, [3.0, 9.0]));
        // g = 4: √n 3 → 5, σ = 4, z = 3 + 4 + 4·0.25 = 8, w = −7.5 / (12 + 2).
        Ftrl::update(ftrl.step(0.5, &Clock::default(), true), &mut weight, &mut slots, 2.0, 2.0);
        assert_eq!((weight, slots), (-7.5 / 14.0, [8.0, 25.0]));
    }

    #[test]
    fn settling_keeps_the_weight() {
        let ftrl = Ftrl { beta: 1.0, l1: 0.5, l2: 2.0 };
        let mut slots = [7.0, 25.0];
        ftrl.settle(0.5, true, -7.5 / 14.0, &mut slots);
        assert!((slots[0] - 8.0).abs() < 1e-14);
        ftrl.settle(0.5, true, 0.0, &mut slots);
        assert_eq!(slots, [0.5, 25.0]);
    }
}
