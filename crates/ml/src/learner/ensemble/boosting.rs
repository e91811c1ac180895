//! Online boosting.
//!
//! **Idea.** Trees learn a row one after the other, each the more often the more of those before it were wrong about it (Oza &
//! Russell 2001, "Online bagging and boosting", algorithm for boosting).
//!
//! **Formula.** A row begins with `λ = 1`, and tree `m` learns it `Poisson(λ)` times. With `r` and `w` the sums of the `λ` that
//! `m` was right and wrong about: if right, `r += λ` and `λ ← λ·(r + w) / 2r`; if wrong, `w += λ` and `λ ← λ·(r + w) / 2w`. A
//! tree's vote counts `ln((1 − ε) / ε)` with `ε = w / (r + w)`; one with `ε > ½` has none.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::block::Row;
use crate::explain::{Ensemble, Explainer, Forest, Importance};
use crate::learner::FeatureKind;
use crate::learner::poisson::Poisson;
use crate::learner::row_model::RowModel;
use crate::learner::tree::{Grown, HoeffdingTree, Scratch, Tree, largest};
use crate::snapshot::SnapshotError;

/// The least and the most that a row may count.
const LAMBDA: (f64, f64) = (1e-6, 10.0);

/// An ensemble by online boosting.
#[derive(Debug)]
pub(super) struct Boosting {
    trees: Vec<HoeffdingTree>,
    record: Record,
}

/// What is learned besides the trees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    random: Pcg64Mcg,
    /// The sums of what each tree was right and wrong about.
    right: Vec<f64>,
    wrong: Vec<f64>,
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    scratch: Scratch,
    vote: Vec<f64>,
    sums: Vec<f64>,
}

impl Boosting {
    pub(super) fn new(settings: &Settings, plant: impl Fn(u64) -> HoeffdingTree) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(settings.seed);
        let trees: Vec<HoeffdingTree> = (0..settings.members).map(|_| plant(random.next_u64())).collect();
        let record = Record { random, right: vec![0.0; trees.len()], wrong: vec![0.0; trees.len()] };
        Self { trees, record }
    }

    /// How much a tree's vote counts.
    fn vote_weight(&self, tree: usize) -> f64 {
        let (right, wrong) = (self.record.right[tree], self.record.wrong[tree]);
        let error = wrong / (right + wrong);
        // Not a number where it has learned nothing.
        if error < 0.5 { libm::log((1.0 - error) / error.max(1e-9)) } else { 0.0 }
    }
}

/// Makes shares of sums.
fn settle(scores: &mut [f64]) {
    let sum: f64 = scores.iter().sum();
    let classes = scores.len() as f64;
    scores.iter_mut().for_each(|score| *score = if sum > 0.0 { *score / sum } else { 1.0 / classes });
}

impl RowModel for Boosting {
    type State = (Record, Vec<Grown>);
    type Scratch = Ballot;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.trees.iter_mut().for_each(|tree| tree.set_features(kinds));
    }

    fn set_classes(&mut self, classes: usize) {
        self.trees.iter_mut().for_each(|tree| tree.set_classes(classes));
    }

    fn predict(&self, x: Row<'_>, ballot: &mut Ballot, scores: &mut [f64]) {
        scores.fill(0.0);
        ballot.vote.resize(scores.len(), 0.0);
        for (number, tree) in self.trees.iter().enumerate() {
            tree.predict(x, &mut ballot.scratch, &mut ballot.vote);
            let weight = self.vote_weight(number);
            scores.iter_mut().zip(&ballot.vote).for_each(|(score, vote)| *score += weight * vote);
        }
        settle(scores);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, ballot: &mut Ballot) {
        let mut sums = std::mem::take(&mut ballot.sums);
        sums.resize(self.trees.first().map_or(0, HoeffdingTree::classes), 0.0);
        self.learn_predict(x, y, weight, ballot, &mut sums);
        ballot.sums = sums;
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, ballot: &mut Ballot, scores: &mut [f64]) {
        scores.fill(0.0);
        ballot.vote.resize(scores.len(), 0.0);
        let mut lambda: f64 = 1.0;
        for number in 0..self.trees.len() {
            let vote_weight = self.vote_weight(number);
            let (tree, record) = (&mut self.trees[number], &mut self.record);
            let Ballot { scratch, vote, .. } = ballot;
            match Poisson::new(lambda).draw(&mut record.random) {
                0 => tree.predict(x, scratch, vote),
                times => tree.learn_predict(x, y, weight * f64::from(times), scratch, vote),
            }
            scores.iter_mut().zip(&*vote).for_each(|(score, vote)| *score += vote_weight * vote);
            let (right, wrong) = (&mut record.right[number], &mut record.wrong[number]);
            if largest(vote) == Some(y as usize) {
                *right += weight * lambda;
                lambda *= (*right + *wrong) / (2.0 * *right);
            } else {
                *wrong += weight * lambda;
                lambda *= (*right + *wrong) / (2.0 * *wrong);
            }
            lambda = lambda.clamp(LAMBDA.0, LAMBDA.1);
        }
        settle(scores);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let trees = self.trees.iter().enumerate().map(|(number, tree)| (self.vote_weight(number), tree.explained()));
        Some(Box::new(Forest(Ensemble::mean_of(trees.collect()))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.trees.first().map_or(0, HoeffdingTree::features)];
        self.trees.iter().for_each(|tree| tree.add_importance(&mut importance));
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        (&self.record, self.trees.iter().map(HoeffdingTree::grown).collect::<Vec<_>>())
    }

    fn set_state(&mut self, (record, trees): Self::State) -> Result<(), SnapshotError> {
        let size = self.trees.len();
        if trees.len() != size || record.right.len() != size || record.wrong.len() != size {
            return Err(SnapshotError::Content("an ensemble of another size".to_string()));
        }
        self.record = record;
        self.trees.iter_mut().zip(trees).try_for_each(|(tree, grown)| tree.set_state(grown))
    }

    fn heap_bytes(&self) -> usize {
        let trees = self.trees.iter().map(|tree| size_of::<HoeffdingTree>() + tree.heap_bytes());
        trees.sum::<usize>() + 2 * self.record.right.capacity() * size_of::<f64>()
    }
}
