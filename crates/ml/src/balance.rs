//! Balance: rare classes that count as much as frequent ones.
//!
//! The option `'balance'` puts a [`Balanced`] around the learner of a model. It changes how much a row weighs for the learner, by how many rows of
//! each class came so far, this one among them; the learner must take row weights, and all do.
//!
//! | `'balance'` | the weight of a row of class c, of `n_c` rows so far, of N rows of K classes met | |
//! |---|---|---|
//! | `weight` | `N / (K n_c)` | as scikit-learn's `class_weight = 'balanced'`, but as it goes |
//! | `undersample` | 1 with probability `n_min / n_c`, else 0 | learns faster; rows are lost |
//! | `oversample` | drawn from Poisson(`n_max / n_c`), at most [`OVERSAMPLE_MAX`] in the mean | resampling as online bagging does it (Wang, Minku & Yao 2015, "Resampling-based ensemble methods for online class imbalance learning") |
//!
//! Draws are made from `'balance-seed'`, one a row, and saved with the model, so that a run can be repeated. Probabilities are then those of a world
//! in which classes are alike; `'calibration'` brings them back, since it learns from every row as often as it comes.

use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::explain::{Explainer, Importance};
use crate::learner::{FeatureKind, Learner, Weights, row_weight};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::Spread;
use crate::tuning::Trial;
use crate::{Error, Result};

/// The values of the option `'balance'`.
pub(crate) const MODES: &[&str] = &["none", "weight", "undersample", "oversample"];

/// The most copies of a row, in the mean.
const OVERSAMPLE_MAX: f64 = 100.0;

/// How rows are balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Weight,
    Undersample,
    Oversample,
}

impl Mode {
    /// The mode that the option names; `None` for none.
    pub(crate) fn of(option: &str) -> Option<Self> {
        match option {
            "weight" => Some(Self::Weight),
            "undersample" => Some(Self::Undersample),
            "oversample" => Some(Self::Oversample),
            _ => None,
        }
    }
}

/// A learner whose rows are balanced. See the [module](self).
#[derive(Debug)]
pub(crate) struct Balanced {
    learner: Box<dyn Learner>,
    mode: Mode,
    /// The weight of the rows of each class so far.
    counts: Vec<f64>,
    random: Pcg64Mcg,
    seed: u64,
    /// Weights of the rows at hand.
    weights: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    learner: Vec<u8>,
    counts: Vec<f64>,
    random: Pcg64Mcg,
}

impl Balanced {
    /// A learner of so many classes, which may grow.
    pub(crate) fn new(learner: Box<dyn Learner>, mode: Mode, classes: usize, seed: u64) -> Self {
        let random = Pcg64Mcg::seed_from_u64(seed);
        Self { learner, mode, counts: vec![0.0; classes], random, seed, weights: Vec::new() }
    }

    fn weigh(&mut self, y: &[f64], weights: &[f64]) {
        self.weights.clear();
        for (row, target) in y.iter().enumerate() {
            let weight = row_weight(weights, row);
            let class = *target as usize;
            if class >= self.counts.len() {
                self.counts.resize(class + 1, 0.0);
            }
            self.counts[class] += weight;
            let factor = self.factor(class);
            self.weights.push(weight * factor);
        }
    }

    fn factor(&mut self, class: usize) -> f64 {
        let mine = self.counts[class];
        let met = || self.counts.iter().copied().filter(|count| *count > 0.0);
        if mine <= 0.0 {
            return 1.0;
        }
        match self.mode {
            Mode::Weight => met().sum::<f64>() / (met().count() as f64 * mine),
            Mode::Undersample => {
                let least = met().fold(f64::INFINITY, f64::min);
                f64::from(u8::from(self.random.random::<f64>() * mine < least))
            }
            Mode::Oversample => {
                let most = met().fold(0.0, f64::max);
                poisson((most / mine).min(OVERSAMPLE_MAX), &mut self.random)
            }
        }
    }
}

/// A draw from a Poisson distribution (Knuth, The Art of Computer Programming 2, 3.4.1, as a sum of exponential waiting times).
fn poisson(mean: f64, random: &mut impl Rng) -> f64 {
    let (mut waited, mut count) = (0.0, 0.0);
    loop {
        waited -= libm::log(1.0 - random.random::<f64>());
        if waited > mean {
            return count;
        }
        count += 1.0;
    }
}

impl Learner for Balanced {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.learner.set_features(kinds);
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.learner.set_spread(spread);
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        self.learner.predict(x, scores);
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.weigh(y, weights);
        self.learner.learn(x, y, &self.weights);
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        self.weigh(y, weights);
        self.learner.learn_predict(before, after, y, &self.weights, scores);
    }

    fn end_input(&mut self) {
        self.learner.end_input();
    }

    fn set_classes(&mut self, classes: usize) {
        self.learner.set_classes(classes);
        if self.counts.len() < classes {
            self.counts.resize(classes, 0.0);
        }
    }

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        self.learner.renumber(numbers)
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        self.learner.renumber_categories(feature, numbers)
    }

    fn merge(&mut self, _others: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn merge_since(&mut self, _replicas: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn save(&self) -> Vec<u8> {
        encode(&Saved { learner: self.learner.save(), counts: self.counts.clone(), random: self.random.clone() })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state)?;
        if saved.counts.len() != self.counts.len()
            || !saved.counts.iter().all(|count| *count >= 0.0 && count.is_finite())
        {
            return Err(SnapshotError::Content("counts of classes that are not of this model".to_string()).into());
        }
        self.learner.load(&saved.learner)?;
        (self.counts, self.random) = (saved.counts, saved.random);
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        self.learner.weights()
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        self.learner.explainer()
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        self.learner.importance()
    }

    fn trials(&self) -> Vec<Trial> {
        self.learner.trials()
    }

    fn needs_history(&self) -> bool {
        self.learner.needs_history()
    }

    fn end_pass(&mut self) -> Result<bool> {
        let more = self.learner.end_pass()?;
        if more {
            // What comes is as if nothing had been learned.
            self.counts.fill(0.0);
            self.random = Pcg64Mcg::seed_from_u64(self.seed);
        }
        Ok(more)
    }

    fn state_bytes(&self) -> usize {
        self.learner.state_bytes() + 8 * (self.counts.capacity() + self.weights.capacity()) + size_of::<Self>()
    }
}

fn not_mergeable() -> Error {
    Error::Merge("a model with 'balance' cannot be trained in parallel: leave one of both out".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variance() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for mean in [1.0, 19.0, 100.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| poisson(mean, &mut random)).collect();
            let average = draws.iter().sum::<f64>() / 2e4;
            let variance = draws.iter().map(|k| (k - average) * (k - average)).sum::<f64>() / 2e4;
            assert!((average - mean).abs() < 5.0 * (mean / 2e4).sqrt(), "{average}");
            assert!((variance - mean).abs() < 5.0 * ((2.0 * mean * mean + mean) / 2e4).sqrt(), "{variance}");
        }
    }
}
