//! Leveraging bagging.
//!
//! **Idea.** Online bagging in which trees see rows more often, and in which, when the errors of any tree have risen, the tree
//! that errs most is replaced (Bifet, Holmes & Pfahringer 2010, "Leveraging bagging for evolving data streams", without output
//! codes). So a row concerns all trees at once, and trees take turns: there is one thread's work here.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::block::Row;
use crate::drift::{Adwin, AdwinSettings, Detector};
use crate::explain::{Ensemble, Explainer, Forest, Importance};
use crate::learner::FeatureKind;
use crate::learner::poisson::Poisson;
use crate::learner::row_model::RowModel;
use crate::learner::tree::{Grown, HoeffdingTree, Scratch, Tree, largest};
use crate::snapshot::SnapshotError;

/// An ensemble by leveraging bagging.
#[derive(Debug)]
pub(super) struct Leveraging {
    drift: f64,
    poisson: Poisson,
    trees: Vec<HoeffdingTree>,
    watch: Watch,
}

/// What is learned besides the trees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Watch {
    random: Pcg64Mcg,
    /// The errors of each tree.
    errors: Vec<Adwin>,
    replaced: u64,
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    scratch: Scratch,
    vote: Vec<f64>,
    sums: Vec<f64>,
}

impl Leveraging {
    pub(super) fn new(settings: &Settings, plant: impl Fn(u64) -> HoeffdingTree) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(settings.seed);
        let trees: Vec<HoeffdingTree> = (0..settings.members).map(|_| plant(random.next_u64())).collect();
        let errors = vec![Adwin::new(AdwinSettings::watching(settings.drift)); trees.len()];
        let watch = Watch { random, errors, replaced: 0 };
        Self { drift: settings.drift, poisson: Poisson::new(settings.lambda), trees, watch }
    }

    /// Replaces the tree that errs most.
    fn replace_worst(&mut self) {
        let rates: Vec<f64> = self.watch.errors.iter().map(Adwin::mean).collect();
        if let Some(worst) = largest(&rates) {
            self.trees[worst] = self.trees[worst].sapling(self.watch.random.next_u64());
            self.watch.errors[worst] = Adwin::new(AdwinSettings::watching(self.drift));
            self.watch.replaced += 1;
        }
    }
}

impl RowModel for Leveraging {
    type State = (Watch, Vec<Grown>);
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
        for tree in &self.trees {
            tree.predict(x, &mut ballot.scratch, &mut ballot.vote);
            scores.iter_mut().zip(&ballot.vote).for_each(|(score, vote)| *score += vote);
        }
        scores.iter_mut().for_each(|score| *score /= self.trees.len() as f64);
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
        let Ballot { scratch, vote, .. } = ballot;
        let mut risen = false;
        for (tree, errors) in self.trees.iter_mut().zip(&mut self.watch.errors) {
            match self.poisson.draw(&mut self.watch.random) {
                0 => tree.predict(x, scratch, vote),
                times => tree.learn_predict(x, y, weight * f64::from(times), scratch, vote),
            }
            scores.iter_mut().zip(&*vote).for_each(|(score, vote)| *score += vote);
            risen |= errors.rises(if largest(vote) == Some(y as usize) { 0.0 } else { 1.0 });
        }
        scores.iter_mut().for_each(|score| *score /= self.trees.len() as f64);
        if risen {
            self.replace_worst();
        }
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let trees = self.trees.iter().map(|tree| (1.0, tree.explained()));
        Some(Box::new(Forest(Ensemble::mean_of(trees.collect()))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.trees.first().map_or(0, HoeffdingTree::features)];
        self.trees.iter().for_each(|tree| tree.add_importance(&mut importance));
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        (&self.watch, self.trees.iter().map(HoeffdingTree::grown).collect::<Vec<_>>())
    }

    fn set_state(&mut self, (watch, trees): Self::State) -> Result<(), SnapshotError> {
        if trees.len() != self.trees.len() || watch.errors.len() != self.trees.len() {
            return Err(SnapshotError::Content("an ensemble of another size".to_string()));
        }
        self.watch = watch;
        self.trees.iter_mut().zip(trees).try_for_each(|(tree, grown)| tree.set_state(grown))
    }

    fn heap_bytes(&self) -> usize {
        let trees = self.trees.iter().map(|tree| size_of::<HoeffdingTree>() + tree.heap_bytes());
        let errors = self.watch.errors.iter().map(|errors| errors.state_bytes());
        trees.sum::<usize>() + errors.sum::<usize>()
    }
}
