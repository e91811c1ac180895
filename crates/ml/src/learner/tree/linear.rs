//! The linear model of a leaf.
//!
//! Numbers are taken less their mean and by their deviation in the leaf, and cut at ten deviations; a missing one counts as the
//! mean. The weights move by normalised least mean squares, `w += η·e·x / (1 + |x|²)`, which no scale of numbers or targets upsets
//! (Nagumo & Noda 1967; Ikonomovska, Gama & Džeroski 2011, section 4.3, has it for leaves).

use serde::{Deserialize, Serialize};

use crate::explain::tree::Term;
use crate::learner::bayes::Gaussians;

/// Beyond this many deviations numbers are cut.
const DEVIATIONS_MAX: f64 = 10.0;

/// A linear model of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LinearModel {
    weights: Vec<f64>,
    intercept: f64,
}

impl LinearModel {
    /// Predicts a target for any numbers.
    pub(super) fn new(width: usize) -> Self {
        Self { weights: vec![0.0; width], intercept: 0.0 }
    }

    /// Writes numbers as the model takes them.
    #[inline]
    pub(super) fn standardize(numbers: &[f64], gaussians: &Gaussians, standard: &mut Vec<f64>) {
        standard.clear();
        standard.extend(numbers.iter().enumerate().map(|(i, number)| {
            let (mean, variance) = gaussians.mean_and_variance(i);
            // Missing, or has not varied yet.
            if number.is_nan() || variance <= 0.0 {
                return 0.0;
            }
            ((number - mean) / variance.sqrt()).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
        }));
    }

    /// The target of standardised numbers.
    #[inline]
    pub(super) fn predict(&self, standard: &[f64]) -> f64 {
        self.intercept + self.weights.iter().zip(standard).map(|(weight, x)| weight * x).sum::<f64>()
    }

    /// What it says of mean numbers, and the part of each number, by the features that they are.
    pub(super) fn parts(&self, gaussians: &Gaussians, features: &[u32]) -> (f64, Box<[Term]>) {
        let part = |(i, (feature, weight)): (usize, (&u32, &f64))| {
            let (mean, variance) = gaussians.mean_and_variance(i);
            let deviation = variance.sqrt();
            let part = Term { feature: *feature, weight: weight / deviation, mean, most: DEVIATIONS_MAX * deviation };
            (variance > 0.0).then_some(part)
        };
        (self.intercept, features.iter().zip(&self.weights).enumerate().filter_map(part).collect())
    }

    /// Moves towards a target. `rate` is below 2, and a row's weight moves at most as far as weight 1.
    #[inline]
    pub(super) fn learn(&mut self, standard: &[f64], y: f64, rate: f64) {
        let error = y - self.predict(standard);
        let norm = 1.0 + standard.iter().map(|x| x * x).sum::<f64>();
        let step = rate * error / norm;
        self.intercept += step;
        self.weights.iter_mut().zip(standard).for_each(|(weight, x)| *weight += step * x);
    }

    /// Whether it takes so many numbers.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.weights.len() == width
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.weights.capacity() * size_of::<f64>()
    }
}
