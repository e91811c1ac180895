//! Losses: what a wrong score costs, and which way to move the score.
//!
//! A loss is a function of a linear score `s` and a target `y`. For classification `y` is 0 or 1 and the margin is
//! `m = (2y − 1)·s`; for regression `y` is a number. Learning needs the gradient with regard to the score only: by the
//! chain rule the gradient of a weight is that times the feature's value.
//!
//! ```
//! use tidegate_ml::learner::linear::loss::{Log, Loss};
//! assert_eq!(Log.gradient(0.0, 1.0), -0.5);
//! assert_eq!(Log.value(0.0, 1.0), 2f64.ln());
//! ```

use std::fmt::Debug;

use super::exponential::{exp, sigmoid};

/// A loss of a linear score.
pub trait Loss: Copy + Debug + Send + Sync + 'static {
    /// Its name; part of what a saved state says it is.
    const NAME: &'static str;

    /// Whether [`Loss::slope`] reads the squared norm of the row.
    const USES_NORM: bool = false;

    /// The loss.
    fn value(self, score: f64, target: f64) -> f64;

    /// The derivative of the loss with regard to the score; where there is none, a subgradient.
    fn gradient(self, score: f64, target: f64) -> f64;

    /// How far to move the score for a row of this weight: the gradient times the weight, unless the loss makes its own
    /// step from the squared norm of the row (passive-aggressive).
    #[inline]
    fn slope(self, score: f64, target: f64, weight: f64, _squared_norm: f64) -> f64 {
        weight * self.gradient(score, target)
    }

    /// What a score predicts: the probability of class 1, or the number.
    fn prediction(self, score: f64) -> f64;
}

/// A score as a finite number: an overflow is the greatest number, and what overflowed both ways is 0.
#[inline]
fn finite(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score.clamp(-f64::MAX, f64::MAX) }
}

/// The score times the sign of the class.
#[inline]
fn margin(score: f64, target: f64) -> f64 {
    sign(target) * score
}

/// Class 0 is −1, class 1 is +1.
#[inline]
fn sign(target: f64) -> f64 {
    2.0 * target - 1.0
}

/// Logistic loss: `ln(1 + e^−m)`, gradient `σ(s) − y`. Its scores are log odds, so its predictions are probabilities.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Loss for Log {
    const NAME: &'static str = "log";

    fn value(self, score: f64, target: f64) -> f64 {
        let m = margin(score, target);
        (-m).max(0.0) + libm::log1p(exp(-m.abs()))
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        sigmoid(score) - target
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        sigmoid(finite(score))
    }
}

/// Hinge loss: `max(0, 1 − m)`. The loss of support vector machines.
#[derive(Debug, Clone, Copy)]
pub struct Hinge;

impl Loss for Hinge {
    const NAME: &'static str = "hinge";

    fn value(self, score: f64, target: f64) -> f64 {
        (1.0 - margin(score, target)).max(0.0)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        if margin(score, target) <= 1.0 { -sign(target) } else { 0.0 }
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        sigmoid(finite(score))
    }
}

/// Squared hinge loss: `max(0, 1 − m)²`. Smooth, and harder on rows far on the wrong side.
#[derive(Debug, Clone, Copy)]
pub struct SquaredHinge;

impl Loss for SquaredHinge {
    const NAME: &'static str = "squared_hinge";

    fn value(self, score: f64, target: f64) -> f64 {
        let short = (1.0 - margin(score, target)).max(0.0);
        short * short
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        -2.0 * sign(target) * (1.0 - margin(score, target)).max(0.0)
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        sigmoid(finite(score))
    }
}

/// Modified Huber loss (Zhang 2004): `max(0, 1 − m)²` for `m ≥ −1`, else `−4m`. A squared hinge that forgives outliers;
/// its minimiser gives a probability, `(min(1, max(−1, s)) + 1) / 2`.
#[derive(Debug, Clone, Copy)]
pub struct ModifiedHuber;

impl Loss for ModifiedHuber {
    const NAME: &'static str = "modified_huber";

    fn value(self, score: f64, target: f64) -> f64 {
        let m = margin(score, target);
        if m < -1.0 { -4.0 * m } else { SquaredHinge.value(score, target) }
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        if margin(score, target) < -1.0 { -4.0 * sign(target) } else { SquaredHinge.gradient(score, target) }
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        (finite(score).clamp(-1.0, 1.0) + 1.0) / 2.0
    }
}

/// The perceptron's loss: `max(0, −m)`. A row on the right side teaches nothing; one on the border does.
#[derive(Debug, Clone, Copy)]
pub struct Perceptron;

impl Loss for Perceptron {
    const NAME: &'static str = "perceptron";

    fn value(self, score: f64, target: f64) -> f64 {
        (-margin(score, target)).max(0.0)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        if margin(score, target) <= 0.0 { -sign(target) } else { 0.0 }
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        sigmoid(finite(score))
    }
}

/// Squared loss: `½(s − y)²`. Estimates the mean.
#[derive(Debug, Clone, Copy)]
pub struct Squared;

impl Loss for Squared {
    const NAME: &'static str = "squared";

    fn value(self, score: f64, target: f64) -> f64 {
        0.5 * (score - target) * (score - target)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        score - target
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        finite(score)
    }
}

/// Huber's loss (1964) of the residual `r = s − y`: `½r²` within `epsilon`, then `epsilon·|r| − ½epsilon²`. Estimates
/// the mean, and bounds what an outlier does.
#[derive(Debug, Clone, Copy)]
pub struct Huber {
    /// Where squares end and lines begin; above 0.
    pub epsilon: f64,
}

impl Loss for Huber {
    const NAME: &'static str = "huber";

    fn value(self, score: f64, target: f64) -> f64 {
        let r = (score - target).abs();
        if r <= self.epsilon { 0.5 * r * r } else { self.epsilon * (r - 0.5 * self.epsilon) }
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        (score - target).clamp(-self.epsilon, self.epsilon)
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        finite(score)
    }
}

/// Epsilon-insensitive loss: `max(0, |s − y| − epsilon)`. The loss of support vector regression.
#[derive(Debug, Clone, Copy)]
pub struct EpsilonInsensitive {
    /// Residuals up to this cost nothing.
    pub epsilon: f64,
}

impl Loss for EpsilonInsensitive {
    const NAME: &'static str = "epsilon_insensitive";

    fn value(self, score: f64, target: f64) -> f64 {
        ((score - target).abs() - self.epsilon).max(0.0)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        let r = score - target;
        if r > self.epsilon {
            1.0
        } else if r < -self.epsilon {
            -1.0
        } else {
            0.0
        }
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        finite(score)
    }
}

/// Pinball loss (Koenker & Bassett 1978): `tau·(y − s)` below the target, `(1 − tau)·(s − y)` above. Estimates the
/// quantile `tau`; 0.5 is the median.
#[derive(Debug, Clone, Copy)]
pub struct Quantile {
    /// Which quantile, between 0 and 1.
    pub tau: f64,
}

impl Loss for Quantile {
    const NAME: &'static str = "quantile";

    fn value(self, score: f64, target: f64) -> f64 {
        let r = score - target;
        if r < 0.0 { -self.tau * r } else { (1.0 - self.tau) * r }
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        if score > target {
            1.0 - self.tau
        } else if score < target {
            -self.tau
        } else {
            0.0
        }
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        finite(score)
    }
}

/// Poisson loss of a count `y ≥ 0` whose mean is `e^s`: `e^s − y·s`, gradient `e^s − y`. Predicts `e^s`.
#[derive(Debug, Clone, Copy)]
pub struct Poisson;

impl Loss for Poisson {
    const NAME: &'static str = "poisson";

    fn value(self, score: f64, target: f64) -> f64 {
        exp(score) - target * score
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        exp(score) - target
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        finite(exp(finite(score)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }

    /// Value, gradient and prediction at a point, as worked out by hand.
    fn check<L: Loss>(loss: L, score: f64, target: f64, value: f64, gradient: f64, prediction: f64) {
        near(loss.value(score, target), value);
        near(loss.gradient(score, target), gradient);
        near(loss.prediction(score), prediction);
        near(loss.slope(score, target, 3.0, f64::NAN), 3.0 * gradient);
    }

    #[test]
    fn closed_forms() {
        let ln3 = 3f64.ln(); // σ(ln 3) = 3/4
        check(Log, ln3, 1.0, (4f64 / 3.0).ln(), -0.25, 0.75);
        check(Log, ln3, 0.0, 4f64.ln(), 0.75, 0.75);
        check(Hinge, 0.25, 1.0, 0.75, -1.0, 1.0 / (1.0 + (-0.25f64).exp()));
        check(Hinge, 0.25, 0.0, 1.25, 1.0, 1.0 / (1.0 + (-0.25f64).exp()));
        check(Hinge, ln3, 1.0, 0.0, 0.0, 0.75);
        check(SquaredHinge, -0.5, 1.0, 2.25, -3.0, sigmoid(-0.5));
        check(SquaredHinge, -2.0, 0.0, 0.0, 0.0, sigmoid(-2.0));
        check(ModifiedHuber, 0.5, 1.0, 0.25, -1.0, 0.75);
        check(ModifiedHuber, 3.0, 0.0, 12.0, 4.0, 1.0);
        check(Perceptron, 0.0, 1.0, 0.0, -1.0, 0.5);
        check(Perceptron, 0.0, 0.0, 0.0, 1.0, 0.5);
        check(Perceptron, ln3, 0.0, ln3, 1.0, 0.75);
        check(Perceptron, ln3, 1.0, 0.0, 0.0, 0.75);
        check(Squared, 3.0, 1.0, 2.0, 2.0, 3.0);
        check(Huber { epsilon: 1.5 }, 2.0, 1.0, 0.5, 1.0, 2.0);
        check(Huber { epsilon: 1.5 }, -3.0, 1.0, 4.875, -1.5, -3.0);
        check(EpsilonInsensitive { epsilon: 0.5 }, 2.0, 1.0, 0.5, 1.0, 2.0);
        check(EpsilonInsensitive { epsilon: 0.5 }, 0.0, 1.0, 0.5, -1.0, 0.0);
        check(EpsilonInsensitive { epsilon: 0.5 }, 1.25, 1.0, 0.0, 0.0, 1.25);
        check(Quantile { tau: 0.9 }, 1.0, 3.0, 1.8, -0.9, 1.0);
        check(Quantile { tau: 0.9 }, 3.0, 1.0, 0.2, 0.1, 3.0);
        check(Quantile { tau: 0.9 }, 1.0, 1.0, 0.0, 0.0, 1.0);
        check(Poisson, 2f64.ln(), 3.0, 2.0 - 3.0 * 2f64.ln(), -1.0, 2.0);
    }

    /// The gradient is the slope of the value, by central differences away from the kinks.
    fn slope_of_value<L: Loss>(loss: L, targets: &[f64]) {
        for &target in targets {
            for i in -40..40 {
                let (score, h) = (i as f64 * 0.11 + 0.037, 1e-6);
                let slope = (loss.value(score + h, target) - loss.value(score - h, target)) / (2.0 * h);
                let gradient = loss.gradient(score, target);
                assert!((slope - gradient).abs() < 1e-5 * gradient.abs().max(1.0), "{loss:?} at {score}, {target}");
            }
        }
    }

    #[test]
    fn gradients_are_slopes() {
        slope_of_value(Log, &[0.0, 1.0]);
        slope_of_value(Hinge, &[0.0, 1.0]);
        slope_of_value(SquaredHinge, &[0.0, 1.0]);
        slope_of_value(ModifiedHuber, &[0.0, 1.0]);
        slope_of_value(Perceptron, &[0.0, 1.0]);
        slope_of_value(Squared, &[-1.0, 2.5]);
        slope_of_value(Huber { epsilon: 0.75 }, &[-1.0, 2.5]);
        slope_of_value(EpsilonInsensitive { epsilon: 0.2 }, &[-1.0, 2.5]);
        slope_of_value(Quantile { tau: 0.2 }, &[-1.0, 2.5]);
        slope_of_value(Poisson, &[0.0, 4.0]);
    }

    #[test]
    fn far_scores_stay_finite() {
        for score in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e308, -1e308] {
            for prediction in [Log.prediction(score), Hinge.prediction(score), ModifiedHuber.prediction(score)] {
                assert!((0.0..=1.0).contains(&prediction));
            }
            assert!(Squared.prediction(score).is_finite() && Poisson.prediction(score).is_finite());
        }
        assert_eq!(Log.value(800.0, 0.0), 800.0);
    }
}
