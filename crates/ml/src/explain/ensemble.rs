//! Explanations of sums of trees: Shapley values of a sum are the sums of Shapley values.

use super::tree::{Question, ShapTree};
use super::{Explained, Explainer, Predicted};
use crate::block::Row;

/// A weighted sum of trees, and a constant an output.
#[derive(Debug)]
pub(crate) struct Ensemble<Q> {
    base: f64,
    trees: Vec<(f64, ShapTree<Q>)>,
}

impl<Q: Question> Ensemble<Q> {
    pub(crate) fn new(base: f64, trees: Vec<(f64, ShapTree<Q>)>) -> Self {
        Self { base, trees }
    }

    /// The mean of trees, by their weights; of those that have none alike.
    pub(crate) fn mean_of(mut trees: Vec<(f64, ShapTree<Q>)>) -> Self {
        let total: f64 = trees.iter().map(|(weight, _)| weight).sum();
        let count = trees.len() as f64;
        for (weight, _) in &mut trees {
            *weight = if total > 0.0 { *weight / total } else { 1.0 / count };
        }
        Self { base: 0.0, trees }
    }

    /// Explains an output, times `sign`. The value is what the trees say.
    fn explain(&self, x: Row<'_>, features: &[f64], output: usize, sign: f64, explained: &mut Explained) {
        let mean: f64 = self.trees.iter().map(|(weight, tree)| weight * tree.mean(output)).sum();
        let value: f64 = self.trees.iter().map(|(weight, tree)| weight * tree.value(features, output)).sum();
        explained.begin(x, sign * (self.base + mean));
        explained.value = sign * (self.base + value);
        for (weight, tree) in &self.trees {
            tree.add(features, output, sign * weight, &mut explained.scratch, &mut explained.dense);
        }
    }
}

/// A mean of trees that each say a number, or a probability a class.
#[derive(Debug)]
pub(crate) struct Forest<Q>(pub(crate) Ensemble<Q>);

impl<Q: Question> Explainer for Forest<Q> {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        self.0.explain(x, x.dense, predicted.class, 1.0, explained);
        // Leaves may have other ways to predict than by what came to them.
        explained.value = predicted.score;
        true
    }
}

/// Sums of trees that are scores of classes, or the number.
#[derive(Debug)]
pub(crate) struct Boosted<Q> {
    /// The classes that have a score, in the order of scores. Of two there is one score, for the second; none: it is a number.
    classes: Vec<u32>,
    scores: Vec<Ensemble<Q>>,
}

impl<Q: Question> Boosted<Q> {
    pub(crate) fn new(classes: Vec<u32>, scores: Vec<Ensemble<Q>>) -> Self {
        Self { classes, scores }
    }

    /// Explains a row of which trees are asked these features.
    pub(crate) fn explain_by(&self, x: Row<'_>, features: &[f64], class: usize, explained: &mut Explained) -> bool {
        let place = self.classes.iter().position(|known| *known as usize == class);
        let (score, sign) = match (self.classes.len(), place) {
            (0, _) => (0, 1.0),
            (2, Some(place)) => (0, if place == 0 { -1.0 } else { 1.0 }),
            (_, Some(place)) => (place, 1.0),
            (_, None) => return false,
        };
        let Some(ensemble) = self.scores.get(score) else { return false };
        ensemble.explain(x, features, 0, sign, explained);
        true
    }
}

impl<Q: Question> Explainer for Boosted<Q> {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        self.explain_by(x, x.dense, predicted.class, explained)
    }
}
