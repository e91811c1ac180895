//! What is fitted: a sum of trees, each grown on the gradients that those before it have left.

use serde::{Deserialize, Serialize};

use super::bins::{BINS_MAX, Column, category_bin};
use super::grow::{Gradient, Grower, Reached};
use super::rows::Rows;
use super::settings::Settings;
use super::tree::{Asked, Tree};
use crate::block::Row;
use crate::explain::{self, Ensemble, Explained, Explainer, Importance, Predicted};
use crate::learner::FeatureKind;
use crate::spread::{Spread, each};

/// The least share that a class begins with, so that its logarithm is a number.
const SHARE_MIN: f64 = 1e-15;
/// The largest score that trees begin with, and the largest target that is fitted to; squares of sums of them are numbers.
pub(super) const TARGET_MAX: f64 = 1e100;

/// Trees that were fitted to rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Boosted {
    /// The classes that are told apart, in order; none for a number. Of two the one score is for the second.
    classes: Vec<u32>,
    /// Other classes and their share of the rows.
    shares: Vec<(u32, f64)>,
    /// What each score is before any tree.
    start: Vec<f64>,
    /// Round after round, a tree a score.
    trees: Vec<Tree>,
    /// The categories of each feature that have a bin of their own; none of a number.
    categories: Vec<Box<[f64]>>,
}

/// The logistic function.
#[inline]
fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-score))
}

/// `ln Σ exp`.
#[inline]
fn log_sum_exp(scores: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(scores.map(|score| libm::exp(score - most)).sum())
}

/// Rows while trees are fitted to them.
struct Fit<'a> {
    /// The number of a row's class among those told apart, or its target.
    targets: Vec<f64>,
    /// 1 on average.
    weights: Vec<f64>,
    /// Scores of all rows, one score after the other.
    scores: Vec<f64>,
    /// `ln Σ exp` of the scores of each row.
    log_sums: Vec<f64>,
    gradients: Vec<Gradient>,
    loss: Loss,
    spread: &'a dyn Spread,
}

/// What is made least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// `½(y − s)²`.
    Squared,
    /// `−ln p` of the class, `p = 1 / (1 + e^−s)`.
    Logistic,
    /// `−ln p` of the class, `p_k = e^s_k / Σ e^s`.
    Softmax,
}

impl Boosted {
    /// Fits trees to rows. `binary` rows are of the classes 0 and 1, if they have classes.
    pub(super) fn fit(
        rows: &Rows,
        kinds: &[FeatureKind],
        is_number: bool,
        is_binary: bool,
        settings: &Settings,
        spread: &dyn Spread,
    ) -> Self {
        let (classes, shares) = if is_number {
            (Vec::new(), Vec::new())
        } else if is_binary {
            (vec![0, 1], Vec::new())
        } else {
            told_apart(rows, settings.max_classes)
        };
        let class_of = |at: usize| classes.binary_search(&(rows.target(at) as u32)).ok();
        let places: Vec<u32> =
            rows.order().filter(|at| is_number || class_of(*at).is_some()).map(|at| at as u32).collect();
        let target = |at: &u32| match class_of(*at as usize) {
            Some(class) if !is_number => class as f64,
            _ => rows.target(*at as usize).clamp(-TARGET_MAX, TARGET_MAX),
        };
        let targets: Vec<f64> = places.iter().map(target).collect();
        let mean = places.iter().map(|at| rows.weight(*at as usize)).sum::<f64>() / places.len().max(1) as f64;
        let weights: Vec<f64> = places.iter().map(|at| rows.weight(*at as usize) / mean).collect();

        let loss = match classes.len() {
            0 => Loss::Squared,
            2 => Loss::Logistic,
            _ => Loss::Softmax,
        };
        let start = start(loss, &targets, &weights, classes.len());
        let mut boosted =
            Self { classes, shares, start, trees: Vec::new(), categories: vec![Box::default(); kinds.len()] };

        let mut columns: Vec<Option<Column>> = kinds.iter().map(|_| None).collect();
        let mut slots: Vec<_> = columns.iter_mut().enumerate().collect();
        each(spread, &mut slots, |(feature, column)| {
            let of = Column::new(rows, &places, *feature, kinds[*feature], settings.max_bins);
            **column = Some(of).filter(Column::varies);
        });
        let columns: Vec<Column> = columns.into_iter().flatten().collect();
        for column in &columns {
            boosted.categories[column.feature] = column.bins.categories();
        }

        let count = targets.len();
        let scores = boosted.start.iter().flat_map(|start| std::iter::repeat_n(*start, count)).collect();
        let log_sums = vec![0.0; if loss == Loss::Softmax { count } else { 0 }];
        let gradients = vec![Gradient::default(); count];
        let mut fit = Fit { targets, weights, scores, log_sums, gradients, loss, spread };
        let mut grower = Grower::new(&columns, count, settings, settings.histogram_memory(), spread);
        let mut reached = Vec::new();
        for _ in 0..settings.rounds {
            let before = boosted.trees.len();
            fit.begin_round();
            for output in 0..boosted.start.len() {
                fit.take_gradients(output);
                let tree = grower.grow(&fit.gradients, &mut reached);
                fit.step(output, grower.order(), &reached);
                boosted.trees.push(tree);
            }
            // A tree of one leaf steps by what is left of the mean: where none has split none will.
            if boosted.trees[before..].iter().all(|tree| tree.nodes.len() == 1) {
                break;
            }
        }
        boosted
    }

    /// Writes the scores of a row: probabilities of classes, or the number.
    pub(super) fn predict(&self, x: &[f64], scratch: &mut Scratch, scores: &mut [f64]) {
        let Scratch { features, sums } = scratch;
        let x = in_bins(x, &self.categories, features);
        sums.clear();
        sums.extend_from_slice(&self.start);
        for round in self.trees.chunks_exact(self.start.len().max(1)) {
            sums.iter_mut().zip(round).for_each(|(sum, tree)| *sum += tree.value(x));
        }
        if self.classes.is_empty() {
            scores[0] = sums[0];
            return;
        }
        scores.fill(0.0);
        let mut left = 1.0;
        for (class, share) in &self.shares {
            scores[*class as usize] = *share;
            left -= share;
        }
        if let [first, second] = self.classes[..] {
            let p = logistic(sums[0]);
            scores[first as usize] = left * (1.0 - p);
            scores[second as usize] = left * p;
        } else {
            let log_sum = log_sum_exp(sums.iter().copied());
            for (class, sum) in self.classes.iter().zip(&*sums) {
                scores[*class as usize] = left * libm::exp(sum - log_sum);
            }
        }
    }

    /// What explains its predictions.
    pub(super) fn explainer(&self) -> Binned {
        let outputs = self.start.len();
        let score = |(output, start): (usize, &f64)| {
            let trees = self.trees.iter().skip(output).step_by(outputs);
            Ensemble::new(*start, trees.map(|tree| (1.0, tree.explained())).collect())
        };
        let scores = self.start.iter().enumerate().map(score).collect();
        let boosted = explain::Boosted::new(self.classes.clone(), scores);
        Binned { boosted, categories: self.categories.clone() }
    }

    /// How important each of so many features is to it.
    pub(super) fn importance(&self, features: usize) -> Vec<Importance> {
        let mut importance = vec![Importance::default(); features];
        self.trees.iter().for_each(|tree| tree.add_importance(&mut importance));
        importance
    }

    /// Whether it can be asked of rows of these features, of so many classes; none for a number.
    pub(super) fn fits(&self, kinds: &[FeatureKind], classes: usize) -> bool {
        let outputs = match self.classes.len() {
            0 | 2 => 1,
            many => many,
        };
        let shares: f64 = self.shares.iter().map(|(_, share)| share).sum();
        (classes == 0) == self.classes.is_empty()
            && self.classes.windows(2).all(|pair| pair[0] < pair[1])
            && self
                .classes
                .iter()
                .chain(self.shares.iter().map(|(class, _)| class))
                .all(|class| (*class as usize) < classes)
            && self.shares.iter().all(|(_, share)| *share >= 0.0)
            && shares <= 1.0
            && self.start.len() == outputs
            && self.start.iter().all(|start| start.abs() <= TARGET_MAX)
            && self.trees.len().is_multiple_of(outputs)
            && self.trees.iter().all(|tree| tree.fits(kinds.len()))
            && self.categories.len() == kinds.len()
            && self
                .categories
                .iter()
                .all(|categories| categories.len() <= BINS_MAX && categories.windows(2).all(|pair| pair[0] < pair[1]))
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let trees = self.trees.iter().map(|tree| size_of::<Tree>() + tree.heap_bytes());
        let categories = self.categories.iter().map(|categories| 16 + size_of_val(&**categories));
        trees.sum::<usize>() + categories.sum::<usize>() + 8 * self.start.capacity() + 16 * self.shares.capacity()
    }
}

/// Explains trees that are asked of bins of categories.
#[derive(Debug)]
pub(super) struct Binned {
    boosted: explain::Boosted<Asked>,
    categories: Vec<Box<[f64]>>,
}

impl Explainer for Binned {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        let mut features = std::mem::take(&mut explained.features);
        let in_bins = in_bins(x.dense, &self.categories, &mut features);
        let is_explained = self.boosted.explain_by(x, in_bins, predicted.class, explained);
        explained.features = features;
        is_explained
    }
}

/// Features with categories as their bins, in the buffer where there are categories.
#[inline]
fn in_bins<'a>(x: &'a [f64], categories: &[Box<[f64]>], features: &'a mut Vec<f64>) -> &'a [f64] {
    if categories.iter().all(|categories| categories.is_empty()) {
        return x;
    }
    features.clear();
    features.extend_from_slice(x);
    for (value, categories) in features.iter_mut().zip(categories) {
        if !categories.is_empty() {
            *value = f64::from(category_bin(categories, *value));
        }
    }
    features
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    features: Vec<f64>,
    sums: Vec<f64>,
}

/// The classes with most weight, in order, and the others with their share; of classes as heavy the first.
fn told_apart(rows: &Rows, most: usize) -> (Vec<u32>, Vec<(u32, f64)>) {
    let mut weights: Vec<f64> = Vec::new();
    for at in rows.order() {
        let class = rows.target(at) as usize;
        if class >= weights.len() {
            weights.resize(class + 1, 0.0);
        }
        weights[class] += rows.weight(at);
    }
    let whole: f64 = weights.iter().sum();
    let mut order: Vec<u32> = (0..weights.len() as u32).filter(|class| weights[*class as usize] > 0.0).collect();
    order.sort_by(|a, b| weights[*b as usize].total_cmp(&weights[*a as usize]));
    let rest = order.split_off(most.min(order.len()));
    order.sort_unstable();
    (order, rest.into_iter().map(|class| (class, weights[class as usize] / whole)).collect())
}

/// The scores that have the least loss if all rows have the same.
fn start(loss: Loss, targets: &[f64], weights: &[f64], classes: usize) -> Vec<f64> {
    let whole: f64 = weights.iter().sum();
    if loss == Loss::Squared {
        // Divided first, so that the sum is no larger than the largest.
        let mean = targets.iter().zip(weights).map(|(target, weight)| target * (weight / whole)).sum::<f64>();
        return vec![mean.clamp(-TARGET_MAX, TARGET_MAX)];
    }
    let mut shares = vec![0.0; classes];
    targets.iter().zip(weights).for_each(|(class, weight)| shares[*class as usize] += weight / whole);
    match loss {
        Loss::Logistic => {
            let share = shares[1].clamp(SHARE_MIN, 1.0 - SHARE_MIN);
            vec![libm::log(share / (1.0 - share))]
        }
        _ => shares.into_iter().map(|share| libm::log(share.max(SHARE_MIN))).collect(),
    }
}

/// How many rows are a piece of work.
const ROWS_A_PIECE: usize = 1 << 14;

impl Fit<'_> {
    /// Does what all scores of a round have in common: they are as they were before the round.
    fn begin_round(&mut self) {
        let (scores, rows) = (&self.scores, self.targets.len());
        let mut pieces: Vec<_> = self.log_sums.chunks_mut(ROWS_A_PIECE).enumerate().collect();
        each(self.spread, &mut pieces, |(piece, sums)| {
            for (at, sum) in sums.iter_mut().enumerate() {
                let row = *piece * ROWS_A_PIECE + at;
                *sum = log_sum_exp(scores[row..].iter().step_by(rows).copied());
            }
        });
    }

    /// Takes the gradients of the loss by a score.
    fn take_gradients(&mut self, output: usize) {
        let rows = self.targets.len();
        let scores = &self.scores[output * rows..(output + 1) * rows];
        let (targets, weights, log_sums, loss) = (&self.targets, &self.weights, &self.log_sums, self.loss);
        let gradient = |row: usize| {
            let (score, target, weight) = (scores[row], targets[row], weights[row]);
            let (p, is) = match loss {
                Loss::Squared => return Gradient { g: weight * (score - target), h: weight },
                Loss::Logistic => (logistic(score), target == 1.0),
                Loss::Softmax => (libm::exp(score - log_sums[row]), target as usize == output),
            };
            Gradient { g: weight * (p - f64::from(u8::from(is))), h: weight * (p * (1.0 - p)).max(0.0) }
        };
        let mut pieces: Vec<_> = self.gradients.chunks_mut(ROWS_A_PIECE).enumerate().collect();
        each(self.spread, &mut pieces, |(piece, gradients)| {
            for (at, of_row) in gradients.iter_mut().enumerate() {
                *of_row = gradient(*piece * ROWS_A_PIECE + at);
            }
        });
    }

    /// Adds what a tree says to a score, by the leaves that rows came to.
    fn step(&mut self, output: usize, order: &[u32], reached: &[Reached]) {
        let rows = self.targets.len();
        let scores = &mut self.scores[output * rows..(output + 1) * rows];
        for leaf in reached {
            order[leaf.begin..leaf.end].iter().for_each(|row| scores[*row as usize] += leaf.value);
        }
    }
}
