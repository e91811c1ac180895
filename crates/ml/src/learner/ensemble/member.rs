//! A member of an ensemble: a tree that sees its own share of the rows, and is replaced when the stream has changed.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::block::Block;
use crate::drift::{Adwin, AdwinSettings, Detector};
use crate::learner::poisson::Poisson;
use crate::learner::row_model::alike;
use crate::learner::tree::{Tree, largest};
use crate::learner::{FeatureKind, row_weight};
use crate::snapshot::SnapshotError;

/// How many times the usual error is as much as can be told to a detector.
const USUAL_ERRORS: f64 = 4.0;

/// What members predict, and so how right they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Probabilities of classes: right or wrong.
    Class,
    /// A number: how far off, by how far it mostly is.
    Number,
}

/// A member and what watches it.
#[derive(Debug)]
pub(super) struct Member<T: Tree> {
    answer: Answer,
    pub(super) tree: T,
    /// A tree that grows since the warning, to take the place of the other.
    background: Option<T>,
    watch: Watch,
    scratch: T::Scratch,
    /// What is said of a row as it is learned.
    vote: Vec<f64>,
    /// Probabilities of rows, and the weight of the vote on each: what the last run has written.
    pub(super) votes: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

/// What a member remembers besides its trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Watch {
    random: Pcg64Mcg,
    /// The weight of rows since the tree began.
    seen: f64,
    /// The sum of its errors on them: 1 for a wrong class, the distance of a number.
    errors: f64,
    warning: Adwin,
    drift: Adwin,
    warnings: u64,
    drifts: u64,
}

/// The error of an answer, and what of it is told to the detectors, in 0 to 1.
fn said_error(answer: Answer, watch: &Watch, said: &[f64], target: f64) -> (f64, f64) {
    match answer {
        Answer::Class => {
            let error = if largest(said) == Some(target as usize) { 0.0 } else { 1.0 };
            (error, error)
        }
        Answer::Number => {
            let error = (said[0] - target).abs().min(f64::MAX.sqrt());
            let usual = if watch.seen > 0.0 { watch.errors / watch.seen } else { 0.0 };
            (error, if usual > 0.0 { (error / (USUAL_ERRORS * usual)).min(1.0) } else { 0.0 })
        }
    }
}

/// The saved form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved<G> {
    tree: G,
    background: Option<G>,
    watch: Watch,
}

impl<T: Tree> Member<T> {
    /// The member of this number of an ensemble that has learned nothing.
    pub(super) fn new(settings: &Settings, answer: Answer, number: usize, plant: impl Fn(u64) -> T) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(settings.seed.wrapping_add((number as u64) << 32));
        let tree = plant(random.next_u64());
        let watch = Watch {
            random,
            seen: 0.0,
            errors: 0.0,
            warning: Adwin::new(AdwinSettings::watching(settings.warning)),
            drift: Adwin::new(AdwinSettings::watching(settings.drift)),
            warnings: 0,
            drifts: 0,
        };
        Self {
            answer,
            tree,
            background: None,
            watch,
            scratch: T::Scratch::default(),
            vote: Vec::new(),
            votes: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Tells what the features are.
    pub(super) fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.tree.set_features(kinds);
    }

    /// Tells how many classes there are.
    pub(super) fn set_classes(&mut self, classes: usize) {
        self.tree.set_classes(classes);
        if let Some(background) = &mut self.background {
            background.set_classes(classes);
        }
    }

    /// How much its vote counts: the more the less it errs, if it has shown that.
    pub(super) fn vote_weight(&self, settings: &Settings) -> f64 {
        let Watch { seen, errors, .. } = self.watch;
        match self.answer {
            _ if !settings.weighted_votes || seen <= 0.0 => 1.0,
            Answer::Class => (seen - errors) / seen,
            Answer::Number => seen / errors.max(seen * f64::MIN_POSITIVE.sqrt()),
        }
    }

    /// Votes on rows.
    pub(super) fn predict(&self, x: &Block, classes: usize, settings: &Settings, votes: &mut [f64]) -> f64 {
        let mut scratch = T::Scratch::default();
        for (row, votes) in votes.chunks_exact_mut(classes).enumerate() {
            self.tree.predict(x.row(row), &mut scratch, votes);
        }
        self.vote_weight(settings)
    }

    /// Votes on each row if asked to, then learns it.
    #[expect(clippy::too_many_arguments, reason = "a block is that: features before and after, targets, weights")]
    pub(super) fn run(
        &mut self,
        before: &Block,
        after: &Block,
        y: &[f64],
        row_weights: &[f64],
        classes: usize,
        settings: &Settings,
        poisson: &Poisson,
    ) {
        self.votes.clear();
        self.votes.resize(y.len() * classes, 0.0);
        self.weights.clear();
        let mut votes = std::mem::take(&mut self.votes);
        for ((row, &target), votes) in y.iter().enumerate().zip(votes.chunks_exact_mut(classes)) {
            self.weights.push(self.vote_weight(settings));
            let weight = row_weight(row_weights, row);
            let times = if weight > 0.0 { poisson.draw(&mut self.watch.random) } else { 0 };
            let x = after.row(row);
            // What was learned from the row may have changed its features: errors are those on what is learned.
            let same = std::ptr::eq(before, after) || alike(before.row(row), x);
            let on_it = if same {
                &mut *votes
            } else {
                self.tree.predict(before.row(row), &mut self.scratch, votes);
                self.vote.resize(classes, 0.0);
                &mut self.vote
            };
            match times {
                0 => self.tree.predict(x, &mut self.scratch, on_it),
                times => {
                    let weight = weight * f64::from(times);
                    self.tree.learn_predict(x, target, weight, &mut self.scratch, on_it);
                    if let Some(background) = &mut self.background {
                        background.learn(x, target, weight, &mut self.scratch);
                    }
                }
            }
            if weight > 0.0 {
                let (error, told) = said_error(self.answer, &self.watch, on_it, target);
                self.watch.seen += weight;
                self.watch.errors += weight * error;
                if times > 0 {
                    self.look_for_change(told, settings);
                }
            }
        }
        self.votes = votes;
    }

    /// Begins a new tree when the errors warn, and puts it in place of the old when they have changed for sure.
    fn look_for_change(&mut self, error: f64, settings: &Settings) {
        if !settings.adapts {
            return;
        }
        if self.watch.warning.rises(error) {
            self.watch.warnings += 1;
            self.watch.warning = Adwin::new(AdwinSettings::watching(settings.warning));
            self.background = Some(self.tree.sapling(self.watch.random.next_u64()));
        }
        if self.watch.drift.rises(error) {
            self.watch.drifts += 1;
            let seed = self.watch.random.next_u64();
            self.tree = self.background.take().unwrap_or_else(|| self.tree.sapling(seed));
            self.watch.warning = Adwin::new(AdwinSettings::watching(settings.warning));
            self.watch.drift = Adwin::new(AdwinSettings::watching(settings.drift));
            (self.watch.seen, self.watch.errors) = (0.0, 0.0);
        }
    }

    /// What is to be saved.
    pub(super) fn saved(&self) -> Saved<&T::State> {
        Saved {
            tree: self.tree.grown(),
            background: self.background.as_ref().map(Tree::grown),
            watch: self.watch.clone(),
        }
    }

    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, saved: Saved<T::State>) -> Result<(), SnapshotError> {
        self.background = match saved.background {
            None => None,
            Some(grown) => {
                let mut tree = self.tree.sapling(0);
                tree.set_state(grown)?;
                Some(tree)
            }
        };
        self.tree.set_state(saved.tree)?;
        self.watch = saved.watch;
        Ok(())
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let buffers = (self.votes.capacity() + self.weights.capacity()) * size_of::<f64>();
        let background = self.background.as_ref().map_or(0, |tree| size_of::<T>() + tree.heap_bytes());
        self.tree.heap_bytes()
            + background
            + buffers
            + self.watch.warning.state_bytes()
            + self.watch.drift.state_bytes()
    }
}
