//! Passive-aggressive learning.
//!
//! Each row moves the weights as little as makes the row cost nothing (Crammer, Dekel, Keshet, Shalev-Shwartz & Singer 2006). With
//! the loss `ℓ` of the row (hinge, or epsilon-insensitive) and its squared norm `n`, the step along the gradient is
//!
//! | variant | step `τ` |
//! |---|---|
//! | PA | `ℓ / n` |
//! | PA-I | `min(C, ℓ / n)` |
//! | PA-II | `ℓ / (n + 1 / (2C))` |
//!
//! It is gradient descent at rate 1 whose loss gives the step. The intercept is the weight of a feature that is always 1,
//! so it counts in the norm. A row's weight and its class's multiply `C`, the price of its error; PA has no price, and only a
//! weight of 0 matters to it.

use super::loss::{EpsilonInsensitive, Hinge, Loss};

/// How a row that contradicts others is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Variant {
    /// PA: the row is obeyed in full.
    Hard,
    /// PA-I: the step is at most the aggressiveness `C`.
    Bounded(f64),
    /// PA-II: the error is charged by its square, at a price `C`.
    Soft(f64),
}

impl Variant {
    /// The step for a loss. A row of nothing but zeros can teach nothing.
    #[inline]
    fn step(self, loss: f64, weight: f64, squared_norm: f64) -> f64 {
        if loss <= 0.0 || squared_norm <= 0.0 {
            return 0.0;
        }
        match self {
            Self::Hard => loss / squared_norm,
            Self::Bounded(c) => (loss / squared_norm).min(c * weight),
            Self::Soft(c) => loss / (squared_norm + 0.5 / (c * weight)),
        }
    }
}

/// Passive-aggressive classification: the hinge loss.
#[derive(Debug, Clone, Copy)]
pub struct Classification(pub Variant);

/// Passive-aggressive regression: the epsilon-insensitive loss.
#[derive(Debug, Clone, Copy)]
pub struct Regression(pub Variant, pub EpsilonInsensitive);

impl Loss for Classification {
    const NAME: &'static str = "passive_aggressive";
    const USES_NORM: bool = true;

    fn value(self, score: f64, target: f64) -> f64 {
        Hinge.value(score, target)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        Hinge.gradient(score, target)
    }

    #[inline]
    fn slope(self, score: f64, target: f64, weight: f64, squared_norm: f64) -> f64 {
        self.gradient(score, target) * self.0.step(self.value(score, target), weight, squared_norm)
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        Hinge.prediction(score)
    }
}

impl Loss for Regression {
    const NAME: &'static str = "passive_aggressive_regression";
    const USES_NORM: bool = true;

    fn value(self, score: f64, target: f64) -> f64 {
        self.1.value(score, target)
    }

    #[inline]
    fn gradient(self, score: f64, target: f64) -> f64 {
        self.1.gradient(score, target)
    }

    #[inline]
    fn slope(self, score: f64, target: f64, weight: f64, squared_norm: f64) -> f64 {
        self.gradient(score, target) * self.0.step(self.value(score, target), weight, squared_norm)
    }

    #[inline]
    fn prediction(self, score: f64) -> f64 {
        self.1.prediction(score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Score −1 for class 1: the loss is 2. With a norm of 4 and C = 0.25:
    #[test]
    fn steps_by_hand() {
        let slope = |variant, weight| Classification(variant).slope(-1.0, 1.0, weight, 4.0);
        assert_eq!(slope(Variant::Hard, 1.0), -0.5);
        assert_eq!(slope(Variant::Bounded(0.25), 1.0), -0.25);
        assert_eq!(slope(Variant::Bounded(0.25), 4.0), -0.5);
        assert_eq!(slope(Variant::Soft(0.25), 1.0), -2.0 / 6.0);
        assert_eq!(slope(Variant::Soft(0.25), 2.0), -2.0 / 5.0);
        assert_eq!(Classification(Variant::Hard).slope(1.0, 1.0, 1.0, 4.0), 0.0);
        assert_eq!(Classification(Variant::Hard).slope(-1.0, 1.0, 1.0, 0.0), 0.0);
        let within = EpsilonInsensitive { epsilon: 0.5 };
        assert_eq!(Regression(Variant::Hard, within).slope(4.0, 1.5, 1.0, 4.0), 0.5);
        assert_eq!(Regression(Variant::Hard, within).slope(1.25, 1.5, 1.0, 4.0), 0.0);
    }
}
