//! The Hoeffding tree (VFDT).
//!
//! **Idea.** A leaf splits once the rows it has seen are enough, by Hoeffding's bound, to be almost sure which question about
//! a feature is the best; so the tree is almost the one that all rows together would grow.
//!
//! **Formula.** With `R` the range of the criterion, `δ` the split confidence and `n` the weight seen by the leaf,
//! `ε = √(R²·ln(1/δ) / 2n)`; a leaf splits when the best feature's merit is more than `ε` above that of the second (or of no
//! split), or when `ε` is below the tie threshold (Domingos & Hulten 2000, "Mining high-speed data streams").
//!
//! Numbers are kept as one normal distribution a class and split at one of some thresholds between the least and the most value
//! (Pfahringer, Holmes & Kirkby 2008); texts are counted. Leaves predict by the commonest class or naive Bayes, whichever
//! was right more often (Holmes, Kirkby & Pfahringer 2005).

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::Tree;
use super::leaf::{Guess, Leaf, Scratch};
use super::nodes::{Nodes, Place};
use super::observer::Observed;
use super::settings::Settings;
use super::split::{Contest, Split};
use crate::block::Row;
use crate::explain::tree::ShapTree;
use crate::explain::{Ensemble, Explainer, Forest, Importance, importance};
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// Whether a tree has an eighth more leaves than when its memory was counted.
pub(super) fn is_time_to_count(leaves: usize, counted: &mut usize) -> bool {
    let is_time = leaves >= *counted + *counted / 8 + 8;
    if is_time {
        *counted = leaves;
    }
    is_time
}

/// A Hoeffding tree for classes.
#[derive(Debug)]
pub(in crate::learner) struct HoeffdingTree {
    settings: Settings,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    subspace: Subspace,
    grown: Grown,
    contest: Contest,
}

/// Which of the features are looked at, drawn at random by the tree's seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::learner) enum Subspace {
    /// All of them.
    All,
    /// By each leaf others.
    ByLeaf(Size),
    /// By the whole tree the same.
    ByTree(Size),
}

/// How many features are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::learner) enum Size {
    /// The root of how many there are, and one more (Gomes et al. 2017).
    Root,
    /// This share of them, rounded.
    Share(f64),
}

impl Subspace {
    /// How many of so many.
    fn size(self, features: usize) -> usize {
        let size = match self {
            Self::All => features,
            Self::ByLeaf(Size::Root) | Self::ByTree(Size::Root) => (features as f64).sqrt().round() as usize + 1,
            Self::ByLeaf(Size::Share(share)) | Self::ByTree(Size::Share(share)) => {
                (features as f64 * share).round() as usize
            }
        };
        size.clamp(features.min(1), features)
    }

    /// Some of the features.
    pub(super) fn draw(self, kinds: &[FeatureKind], random: &mut Pcg64Mcg) -> Columns {
        let drawn = rand::seq::index::sample(random, kinds.len(), self.size(kinds.len()));
        let mut drawn: Vec<u32> = drawn.iter().map(|feature| feature as u32).collect();
        drawn.sort_unstable();
        Columns::new(kinds, drawn.into_iter())
    }
}

/// All that a tree has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Grown {
    /// What features are drawn by.
    seed: u64,
    classes: usize,
    nodes: Nodes,
    leaves: Vec<Leaf>,
    /// Leaves that have stopped for want of memory.
    stopped: usize,
    /// How many leaves there were when memory was counted last.
    counted: usize,
}

impl HoeffdingTree {
    /// A tree that has learned nothing.
    pub(in crate::learner) fn new(settings: Settings, subspace: Subspace, seed: u64) -> Self {
        let grown = Grown { seed, classes: 0, nodes: Nodes::new(), leaves: Vec::new(), stopped: 0, counted: 0 };
        let (kinds, columns) = (Vec::new(), Columns::default());
        Self { settings, kinds, columns, subspace, grown, contest: Contest::default() }
    }

    /// How many classes there are.
    pub(in crate::learner) fn classes(&self) -> usize {
        self.grown.classes
    }

    /// How many features there are.
    pub(in crate::learner) fn features(&self) -> usize {
        self.kinds.len()
    }

    /// Some features, drawn by the seed and a number.
    fn draw(&self, number: u64) -> Columns {
        let seed = self.grown.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.subspace.draw(&self.kinds, &mut Pcg64Mcg::seed_from_u64(seed))
    }

    /// The features that the leaf of this number looks at, where they are not the tree's.
    fn columns_of(&self, leaf: u64) -> Option<Columns> {
        matches!(self.subspace, Subspace::ByLeaf(_)).then(|| self.draw(leaf))
    }

    /// Settles what follows from the seed and the features.
    fn settle_columns(&mut self) {
        self.columns = match self.subspace {
            Subspace::ByTree(_) => self.draw(0),
            Subspace::All | Subspace::ByLeaf(_) => Columns::all(&self.kinds),
        };
    }

    /// Learns a row that came to this leaf, of which was guessed so before.
    #[inline]
    fn learn_at(&mut self, place: Place, x: &[f64], class: usize, weight: f64, guess: Guess, scratch: &mut Scratch) {
        let here = &mut self.grown.leaves[place.leaf];
        here.learn(x, &self.columns, &self.settings, (class, weight), guess, scratch.numbers());
        if here.observed.is_some() {
            let seen = here.weight();
            if seen - here.looked_at >= self.settings.grace_period {
                here.looked_at = seen;
                self.look_for_split(place, seen);
            }
        }
    }

    fn look_for_split(&mut self, place: Place, seen: f64) {
        let here = &self.grown.leaves[place.leaf];
        let Some(observed) = &here.observed else { return };
        if here.is_pure() || here.depth >= self.settings.max_depth {
            return;
        }
        let columns = here.columns.as_ref().unwrap_or(&self.columns);
        self.contest.hold(observed, columns, self.grown.classes, &self.settings);
        let bound = self.settings.bound(&here.counts, seen);
        let Some(best) = &self.contest.best else { return };
        if best.merit - self.contest.second > bound || bound < self.settings.tie_threshold {
            self.split(place);
        }
    }

    /// Splits a leaf by the best candidate of the contest.
    fn split(&mut self, place: Place) {
        let Some(best) = self.contest.best.take() else { return };
        let depth = self.grown.leaves[place.leaf].depth + 1;
        // There are more nodes than branches that ever were, so that each has a number of its own to draw by.
        let number = self.grown.nodes.len() as u64;
        self.grown.nodes.split(place, best.split, self.grown.leaves.len());
        for (branch, counts) in best.branches.chunks_exact(self.grown.classes).enumerate() {
            let leaf = Leaf::new(counts.to_vec(), depth, self.columns_of(number + branch as u64));
            if branch == 0 { self.grown.leaves[place.leaf] = leaf } else { self.grown.leaves.push(leaf) }
        }
        self.keep_within_memory();
    }

    /// Stops the least promising leaves where the tree has become too large, and lets promising ones go on again where there is
    /// room (Domingos & Hulten 2000, section 4).
    fn keep_within_memory(&mut self) {
        // Counting takes a look at every leaf: it is done when there are so many more that this is little a split.
        if !is_time_to_count(self.grown.leaves.len(), &mut self.grown.counted) {
            return;
        }
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory && self.grown.stopped == 0 {
            return;
        }
        let grown = &mut self.grown;
        let active = grown.leaves.iter().filter(|leaf| leaf.observed.is_some());
        let of_evidence: usize = active.clone().filter_map(|leaf| Some(leaf.observed.as_ref()?.heap_bytes())).sum();
        let each = of_evidence / active.count().max(1) + 1;
        let room = self.settings.max_memory.saturating_sub(bytes - of_evidence) / each;
        let mut order: Vec<usize> = (0..grown.leaves.len()).collect();
        order.sort_by(|a, b| grown.leaves[*b].promise().total_cmp(&grown.leaves[*a].promise()));
        for (rank, leaf) in order.into_iter().enumerate() {
            let leaf = &mut grown.leaves[leaf];
            if rank >= room {
                leaf.observed = None;
            } else if leaf.observed.is_none() {
                leaf.observed = Some(Observed::default());
                leaf.looked_at = leaf.weight();
            }
        }
        grown.stopped = grown.leaves.iter().filter(|leaf| leaf.observed.is_none()).count();
    }
}

impl RowModel for HoeffdingTree {
    type State = Grown;
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.settle_columns();
        self.grown.leaves = vec![Leaf::new(Vec::new(), 0, self.columns_of(0))];
    }

    fn set_classes(&mut self, classes: usize) {
        self.grown.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        self.grown.leaves[place.leaf].predict(x.dense, &self.columns, &self.settings, false, scratch.numbers(), scores);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch) {
        let place = self.grown.nodes.find(x.dense);
        let (numbers, probabilities) = scratch.split(self.grown.classes);
        let leaf = &self.grown.leaves[place.leaf];
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, numbers, probabilities);
        self.learn_at(place, x.dense, y as usize, weight, guess, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        let leaf = &self.grown.leaves[place.leaf];
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, scratch.numbers(), scores);
        self.learn_at(place, x.dense, y as usize, weight, guess, scratch);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        Some(Box::new(Forest(Ensemble::mean_of(vec![(1.0, self.explained())]))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.kinds.len()];
        self.add_importance(&mut importance);
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        &self.grown
    }

    fn set_state(&mut self, state: Grown) -> Result<(), SnapshotError> {
        let wrong = |what: &str| Err(SnapshotError::Content(format!("a tree whose {what}")));
        if state.classes != self.grown.classes {
            return wrong("classes are other ones");
        }
        state.nodes.check(state.leaves.len(), self.kinds.len())?;
        let seed = std::mem::replace(&mut self.grown.seed, state.seed);
        self.settle_columns();
        if !state.leaves.iter().all(|leaf| leaf.fits(&self.columns, &self.kinds, state.classes, &self.settings)) {
            self.grown.seed = seed;
            self.settle_columns();
            return wrong("leaves do not fit the features");
        }
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let leaves: usize = self.grown.leaves.iter().map(Leaf::bytes).sum();
        leaves + self.grown.nodes.heap_bytes() + self.kinds.len() + self.columns.heap_bytes()
    }
}

impl Tree for HoeffdingTree {
    fn sapling(&self, seed: u64) -> Self {
        let mut sapling = Self::new(self.settings.clone(), self.subspace, seed);
        sapling.set_features(&self.kinds);
        sapling.set_classes(self.grown.classes);
        sapling
    }

    fn grown(&self) -> &Grown {
        &self.grown
    }

    fn explained(&self) -> ShapTree<Split> {
        let Grown { classes, nodes, leaves, .. } = &self.grown;
        ShapTree::new(nodes.parts(|leaf| leaves[leaf].explained(*classes)))
    }

    fn add_importance(&self, into: &mut [Importance]) {
        let Grown { classes, nodes, leaves, .. } = &self.grown;
        let parts = nodes.parts(|leaf| leaves[leaf].counts.clone());
        importance::add(&parts, |_, branches| self.settings.criterion.gain(branches, *classes), into);
    }
}
