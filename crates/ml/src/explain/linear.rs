//! Explanations of linear scores.
//!
//! **Formula.** Of a score `s = b + Σ w_i·x_i` the Shapley value of a feature is `w_i·(x_i − r_i)`, with `r` the row of which nothing is
//! known: every feature is 0 there, so that the baseline is the constant `b`. Of standardised features 0 is the mean.

use super::{Explained, Explainer, Predicted};
use crate::block::Row;
use crate::learner::Weights;

/// Explains linear scores: one for a number or for two classes, or one a class.
#[derive(Debug)]
pub(crate) struct Linear {
    weights: Vec<Weights>,
    /// Whether the one score is the log odds of class 1.
    is_of_two_classes: bool,
}

impl Linear {
    pub(crate) fn new(weights: Vec<Weights>, is_of_two_classes: bool) -> Self {
        Self { weights, is_of_two_classes }
    }
}

impl Explainer for Linear {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        let (score, sign) = match (self.is_of_two_classes, predicted.class) {
            (true, class) => (0, if class == 0 { -1.0 } else { 1.0 }),
            (false, class) => (class, 1.0),
        };
        let Some(weights) = self.weights.get(score) else { return false };
        explained.begin(x, sign * weights.intercept);
        for ((part, weight), value) in explained.dense.iter_mut().zip(&weights.dense).zip(x.dense) {
            *part = sign * weight * value;
            explained.value += *part;
        }
        for ((part, feature), value) in explained.entries.iter_mut().zip(x.indices).zip(x.values) {
            *part = sign * weights.sparse.get(*feature as usize).copied().unwrap_or(0.0) * value;
            explained.value += *part;
        }
        true
    }
}
