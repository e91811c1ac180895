//! Explanations: how much each input has to do with a prediction.
//!
//! A prediction is taken apart into a baseline, what is predicted where nothing is known of the row, and an *attribution* a feature: its
//! Shapley value, which is what the feature adds when it becomes known, on average over all orders in which features may (Shapley
//! 1953; Lundberg & Lee 2017, "A unified approach to interpreting model predictions").
//!
//! | learner | what is explained | where nothing is known | exact |
//! |---|---|---|---|
//! | linear | the score: log odds of the predicted class, the number | the constant: every feature is 0 | yes |
//! | boosted trees | the score | the mean over the rows of the training | yes |
//! | trees and forests for numbers | the number | the mean over the rows of the training | yes |
//! | trees and forests for classes | the probability of the predicted class, by the shares of classes in leaves | the mean over the rows of the training | if leaves predict so |
//!
//! Where it is not exact there is an *approximation error*: what is predicted less the baseline and all attributions. Leaves of trees for
//! classes that predict by naive Bayes have one, and adaptive trees whose alternates vote as well.
//!
//! ```text
//!  Learner::explainer ──► Explainer: a row of features and its class ──► a baseline, and an attribution a feature
//!  Model::explanations ──► Explanations: the same by input column ──► columns beside the predictions
//! ```
//! An input's attribution is the sum of those of the features that are made of it, as is usual for one-hot encoded ones; that of a feature
//! made of several inputs is divided evenly.

use std::fmt::Debug;

use crate::block::{Block, Row};
use crate::learner::{FeatureKind, LEARNERS, Learner, LearnerDef, Shape};
use crate::{Error, Task};

mod ensemble;
pub(crate) mod importance;
mod linear;
mod quadrature;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

pub(crate) use ensemble::{Boosted, Ensemble, Forest};
pub use importance::Importance;
pub(crate) use linear::Linear;

/// Explains predictions of a learner as it was when this was made.
pub trait Explainer: Debug + Send + Sync {
    /// Explains what is predicted of a row. Says whether it can be: a class that has nothing of its own, such as trees, cannot.
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool;
}

/// What is predicted of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// The class; 0 where a number is predicted.
    pub class: usize,
    /// The probability of the class, or the number.
    pub score: f64,
}

/// An explanation of a row. Buffers are kept from row to row.
#[derive(Debug, Default)]
pub struct Explained {
    /// An attribution a dense feature.
    pub dense: Vec<f64>,
    /// An attribution a sparse entry of the row.
    pub entries: Vec<f64>,
    /// What is predicted where nothing is known.
    pub baseline: f64,
    /// What is predicted of the row, in the same measure.
    pub value: f64,
    pub(crate) scratch: tree::Scratch,
    /// Features as trees are asked of them.
    pub(crate) features: Vec<f64>,
}

/// Explains what is predicted of all rows alike: nothing is due to any feature.
#[derive(Debug)]
pub(crate) struct Constant;

impl Explainer for Constant {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        explained.begin(x, predicted.score);
        true
    }
}

impl Explained {
    /// Puts attributions of 0 and a baseline there for a row.
    fn begin(&mut self, x: Row<'_>, baseline: f64) {
        self.dense.clear();
        self.dense.resize(x.dense.len(), 0.0);
        self.entries.clear();
        self.entries.resize(x.values.len(), 0.0);
        (self.baseline, self.value) = (baseline, baseline);
    }
}

/// The learners whose predictions can be explained.
pub fn explained_learners() -> impl Iterator<Item = &'static LearnerDef> {
    LEARNERS.iter().copied().filter(|def| with_defaults(def, |learner| learner.explainer().is_some()))
}

/// The learners that tell how important features are to them.
pub fn learners_with_importance() -> impl Iterator<Item = &'static LearnerDef> {
    LEARNERS.iter().copied().filter(|def| with_defaults(def, |learner| learner.importance().is_some()))
}

/// Whether something holds for a learner with its defaults.
fn with_defaults(def: &LearnerDef, holds: impl Fn(&dyn Learner) -> bool) -> bool {
    let shape = match def.tasks.first() {
        Some(Task::Classification) => Shape::Binary,
        Some(Task::Regression) => Shape::Number,
        _ => return false,
    };
    let learner = tidegate_options::resolve(def.options, []).ok().and_then(|options| (def.make)(&options, shape).ok());
    learner.is_some_and(|mut learner| {
        learner.set_features(&[FeatureKind::Number]);
        holds(&*learner)
    })
}

/// What explains the predictions of a learner called so.
///
/// # Errors
/// [`Error::Spec`] when nothing does; it names the learners for which there is something.
pub(crate) fn explainer_of(learner: &dyn Learner, algorithm: &str) -> crate::Result<Box<dyn Explainer>> {
    learner.explainer().ok_or_else(|| {
        let known: Vec<&str> = explained_learners().map(|def| def.name).collect();
        Error::Spec(format!(
            "predictions of algorithm '{algorithm}' cannot be explained; those of these can: {}",
            known.join(", ")
        ))
    })
}

/// The class that scores of a row predict, and its probability; or the number. Nothing where there is no prediction.
pub(crate) fn predicted(shape: Shape, scores: &[f64]) -> Option<Predicted> {
    match shape {
        Shape::Unlabelled => None,
        Shape::Number => {
            scores.first().filter(|score| !score.is_nan()).map(|score| Predicted { class: 0, score: *score })
        }
        Shape::Binary => scores.first().filter(|p| !p.is_nan()).map(|p| {
            if *p >= 0.5 { Predicted { class: 1, score: *p } } else { Predicted { class: 0, score: 1.0 - p } }
        }),
        Shape::Classes { .. } => {
            let mut best: Option<Predicted> = None;
            for (class, score) in scores.iter().enumerate() {
                if !score.is_nan() && best.is_none_or(|best| *score > best.score) {
                    best = Some(Predicted { class, score: *score });
                }
            }
            best
        }
    }
}

/// The rows of a block, each with its scores.
pub(crate) fn rows_with_scores<'a>(
    block: &'a Block,
    scores: &'a [f64],
) -> impl Iterator<Item = (Row<'a>, &'a [f64])> + 'a {
    let width = scores.len() / block.rows().max(1);
    (0..block.rows()).map(move |row| (block.row(row), &scores[row * width..(row + 1) * width]))
}
