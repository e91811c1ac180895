//! Gradient boosting of trees over the latest rows, fitted anew now and then.
//!
//! **Idea.** Trees are grown one after the other, each on what those before it have left: the gradients of the loss (Friedman 2001,
//! "Greedy function approximation"). Splits are found by histograms of binned features, and the leaf with most to gain is split
//! first (LightGBM: Ke et al. 2017); steps and gains are of second order (XGBoost: Chen & Guestrin 2016). It is for training on
//! history: such trees see all rows at once, so the latest `max_rows` are kept.
//!
//! **Formula.** A row's score is `s = s₀ + η Σ_t v_t(x)`, with `v = −Σg / (Σh + λ)` of the rows in the leaf that `x` comes to. For a number
//! the loss is `½(y − s)²`: `g = s − y`, `h = 1`. Of two classes `p = 1 / (1 + e^−s)` and `g = p − y`, `h = p(1 − p)`; of more a score and
//! a tree a class, `p_k = e^s_k / Σ e^s`. Each is times the row's weight by the mean weight. `s₀` is the best score that all rows can
//! share. Where no tree of a round splits there are no more.
//!
//! **When it is fitted.** First when `min_rows` have been learned; then when `refit_factor` times as many have been as the last time, or
//! `max_rows` more, and at the end of the input. So, up to `max_rows`, all fits together take but `f / (f − 1)` times the last
//! one, and a row takes part in a bounded number of them thereafter. Rows between are predicted by the trees there are; before
//! any, by the shares of classes or the mean.
//!
//! **Shapes.** Numbers and texts as they are; any may be missing. A missing number goes where that gains most in the split. The `max_bins`
//! commonest categories are told apart, others are as missing. Infinite numbers are less, or more, than all others. Targets
//! beyond ±10¹⁰⁰ count as that.
//!
//! **Cost a row.** To predict, the way down each tree; to learn, a copy. A fit reads each feature of each row some `log₂(max_leaves)`
//! times a tree. Features are worked on at once, with the same result on any number of threads. **Memory.** 9 bytes a feature and row
//! kept, within `max_memory`; while fitting 16 bytes more a row, and 8 a class. The state has the rows in it.
//!
//! **Merging.** None: trees fit their own rows.

mod bins;
mod fit;
mod grow;
mod rows;
mod settings;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::row_model::{ByRow, RowModel};
use super::{FeatureKind, Features, LearnerDef, Shape};
use crate::Task;
use crate::block::Row;
use crate::explain::{Constant, Explainer, Importance};
use crate::snapshot::SnapshotError;
use crate::spread::{InTurn, Spread};
use fit::{Boosted, Scratch, TARGET_MAX};
use rows::{Rows, SavedRows};
use settings::Settings;

/// Weights are kept within these bounds, so that sums of them are numbers.
const WEIGHTS: (f64, f64) = (1e-100, 1e100);

/// `gradient_boosting`: trees one after the other, fitted to the latest rows.
pub static GRADIENT_BOOSTING: LearnerDef = LearnerDef {
    name: "gradient_boosting",
    doc: "Trees one after the other, each grown on what those before it have left, fitted anew to the latest rows whenever these have \
          doubled: for training on history (Friedman 2001; with histograms and leaf by leaf: LightGBM, Ke et al. 2017).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::TABLE,
    options: &[settings::OPTIONS],
    merge: "not at all: trees fit their own rows",
    make: |options, shape| {
        let model = GradientBoosting {
            settings: Settings::new(options),
            shape,
            classes: 0,
            kinds: Vec::new(),
            spread: Arc::new(InTurn),
            rows: Rows::default(),
            learned: Learned::default(),
        };
        Ok(Box::new(ByRow::new("gradient_boosting", shape, model)))
    },
};

#[derive(Debug)]
struct GradientBoosting {
    settings: Settings,
    shape: Shape,
    classes: usize,
    kinds: Vec<FeatureKind>,
    spread: Arc<dyn Spread + Send>,
    rows: Rows,
    learned: Learned,
}

/// What is learned besides the rows kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Learned {
    /// How many rows were learned, and how many had been at the last fit.
    rows: u64,
    rows_fitted: u64,
    /// Until trees are fitted: the weight of each class, or the mean; and the weight of all rows.
    prior: Vec<f64>,
    weight: f64,
    boosted: Option<Boosted>,
}

impl Learned {
    fn learn_prior(&mut self, target: f64, weight: f64, is_number: bool) {
        self.weight += weight;
        let place = if is_number { 0 } else { target as usize };
        if place >= self.prior.len() {
            self.prior.resize(place + 1, 0.0);
        }
        let prior = &mut self.prior[place];
        // Halves, since the difference of two numbers may be none.
        *prior += if is_number { (0.5 * target - 0.5 * *prior) * (2.0 * (weight / self.weight)) } else { weight };
    }

    fn predict_prior(&self, is_number: bool, scores: &mut [f64]) {
        let classes = scores.len() as f64;
        for (class, score) in scores.iter_mut().enumerate() {
            let prior = self.prior.get(class).copied().unwrap_or(0.0);
            *score = match (is_number, self.weight > 0.0) {
                (true, _) => prior,
                (false, true) => prior / self.weight,
                (false, false) => 1.0 / classes,
            };
        }
    }
}

impl GradientBoosting {
    fn is_number(&self) -> bool {
        self.shape == Shape::Number
    }

    /// The number of rows at which trees are fitted next.
    fn next_fit(&self) -> u64 {
        let fitted = self.learned.rows_fitted;
        if fitted == 0 {
            return self.settings.min_rows;
        }
        let more = (fitted as f64 * (self.settings.refit_factor - 1.0)).ceil() as u64;
        fitted.saturating_add(more.clamp(1, self.rows.capacity() as u64))
    }

    fn fit(&mut self) {
        let is_binary = self.shape == Shape::Binary;
        let boosted = Boosted::fit(&self.rows, &self.kinds, self.is_number(), is_binary, &self.settings, &*self.spread);
        let rows = self.learned.rows;
        self.learned = Learned { rows, rows_fitted: rows, boosted: Some(boosted), ..Learned::default() };
    }
}

impl RowModel for GradientBoosting {
    type State = (SavedRows, Learned);
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.rows = Rows::new(kinds.len(), self.settings.capacity(kinds.len()));
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.spread = spread;
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        match &self.learned.boosted {
            Some(boosted) => boosted.predict(x.dense, scratch, scores),
            None => self.learned.predict_prior(self.is_number(), scores),
        }
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, _: &mut Scratch) {
        let weight = weight.clamp(WEIGHTS.0, WEIGHTS.1);
        let y = if self.is_number() { y.clamp(-TARGET_MAX, TARGET_MAX) } else { y };
        self.rows.push(x.dense, y, weight);
        self.learned.rows += 1;
        if self.learned.boosted.is_none() {
            let is_number = self.is_number();
            self.learned.learn_prior(y, weight, is_number);
        }
        if self.learned.rows >= self.next_fit() {
            self.fit();
        }
    }

    fn end_input(&mut self) {
        if self.learned.rows >= self.settings.min_rows && self.learned.rows > self.learned.rows_fitted {
            self.fit();
        }
    }

    /// Before trees are fitted there is one prediction for all rows, and nothing to explain of it.
    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        Some(match &self.learned.boosted {
            Some(boosted) => Box::new(boosted.explainer()),
            None => Box::new(Constant),
        })
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let features = self.kinds.len();
        let none = || vec![Importance::default(); features];
        Some(self.learned.boosted.as_ref().map_or_else(none, |boosted| boosted.importance(features)))
    }

    fn state(&self) -> impl Serialize {
        (self.rows.saved(), &self.learned)
    }

    fn set_state(&mut self, (rows, learned): Self::State) -> Result<(), SnapshotError> {
        let classes = if self.is_number() { 0 } else { self.classes };
        let is_target = |target: f64| match classes {
            0 => target.abs() <= TARGET_MAX,
            classes => target >= 0.0 && target < classes as f64 && target.fract() == 0.0,
        };
        let boosted = learned.boosted.as_ref().is_none_or(|boosted| boosted.fits(&self.kinds, classes));
        let prior = learned.prior.len() <= classes.max(1)
            && learned.prior.iter().all(|prior| prior.is_finite())
            && learned.weight.is_finite();
        let counted = learned.rows >= learned.rows_fitted && learned.boosted.is_some() == (learned.rows_fitted > 0);
        if !boosted || !prior || !counted || !self.rows.restore(rows, is_target) {
            return Err(SnapshotError::Content("rows and trees of other features or classes".to_string()));
        }
        self.learned = learned;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let boosted = self.learned.boosted.as_ref().map_or(0, Boosted::heap_bytes);
        self.rows.heap_bytes() + boosted + self.kinds.len() + self.learned.prior.capacity() * size_of::<f64>()
    }
}
