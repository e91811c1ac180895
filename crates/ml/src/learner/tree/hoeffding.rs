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

use super::leaf::{Guess, Leaf, Scratch};
use super::settings::Settings;
use super::split::{Contest, Split};
use crate::block::Row;
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// A place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Node {
    /// A leaf, by its number.
    Leaf(u32),
    /// A split, whose branches are the nodes from `first` on.
    Split { split: Split, first: u32 },
}

/// A Hoeffding tree for classes.
#[derive(Debug)]
pub(in crate::learner) struct HoeffdingTree {
    settings: Settings,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    subspace: Option<Subspace>,
    grown: Grown,
    contest: Contest,
}

/// Each leaf looks at some of the features, drawn at random.
#[derive(Debug, Clone, Copy)]
pub(in crate::learner) struct Subspace {
    /// How many features, at most all.
    pub(in crate::learner) features: usize,
    /// What they are drawn by.
    pub(in crate::learner) seed: u64,
}

/// All that a tree has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Grown {
    classes: usize,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    /// Leaves that have stopped for want of memory.
    stopped: usize,
}

impl HoeffdingTree {
    /// A tree that has learned nothing.
    pub(in crate::learner) fn new(settings: Settings, subspace: Option<Subspace>) -> Self {
        let grown = Grown { classes: 0, nodes: vec![Node::Leaf(0)], leaves: Vec::new(), stopped: 0 };
        let (kinds, columns) = (Vec::new(), Columns::default());
        Self { settings, kinds, columns, subspace, grown, contest: Contest::default() }
    }

    /// The features that the leaf of this number looks at, where they are not all.
    fn columns_of(&self, leaf: usize) -> Option<Columns> {
        let Subspace { features, seed } = self.subspace?;
        let all = self.kinds.len();
        if features >= all {
            return None;
        }
        let mut random = Pcg64Mcg::seed_from_u64(seed.wrapping_add((leaf as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut drawn: Vec<u32> =
            rand::seq::index::sample(&mut random, all, features).iter().map(|i| i as u32).collect();
        drawn.sort_unstable();
        Some(Columns::new(&self.kinds, drawn.into_iter()))
    }

    /// The node and the leaf that a row comes to.
    #[inline]
    fn find(&self, x: &[f64]) -> (usize, usize) {
        let mut at = 0;
        loop {
            match &self.grown.nodes[at] {
                Node::Leaf(leaf) => return (at, *leaf as usize),
                Node::Split { split, first } => at = (first + split.branch(x)) as usize,
            }
        }
    }

    /// Learns a row that came to this leaf, of which was guessed so before.
    #[inline]
    fn learn_at(
        &mut self,
        (node, leaf): (usize, usize),
        x: &[f64],
        class: usize,
        weight: f64,
        guess: Guess,
        scratch: &mut Scratch,
    ) {
        let here = &mut self.grown.leaves[leaf];
        here.learn(x, &self.columns, &self.settings, class, weight, guess, scratch.numbers());
        if here.evidence.is_some() {
            let seen = here.weight();
            if seen - here.looked_at >= self.settings.grace_period {
                self.grown.leaves[leaf].looked_at = seen;
                self.look_for_split(node, leaf, seen);
            }
        }
    }

    fn look_for_split(&mut self, node: usize, leaf: usize, seen: f64) {
        let here = &self.grown.leaves[leaf];
        let Some(evidence) = &here.evidence else { return };
        if here.is_pure() || here.depth >= self.settings.max_depth {
            return;
        }
        let columns = here.columns.as_ref().unwrap_or(&self.columns);
        self.contest.hold(evidence, columns, self.grown.classes, &self.settings);
        let met = here.counts.iter().filter(|count| **count > 0.0).count();
        let range = self.settings.criterion.range(met);
        let bound = (range * range * -libm::log(self.settings.split_confidence) / (2.0 * seen)).sqrt();
        let Some(best) = &self.contest.best else { return };
        if best.merit - self.contest.second > bound || bound < self.settings.tie_threshold {
            self.split(node, leaf);
        }
    }

    /// Splits a leaf by the best candidate of the contest.
    fn split(&mut self, node: usize, leaf: usize) {
        let Some(best) = self.contest.best.take() else { return };
        let depth = self.grown.leaves[leaf].depth + 1;
        let first = self.grown.nodes.len() as u32;
        self.grown.nodes[node] = Node::Split { split: best.split, first };
        for (branch, counts) in best.branches.chunks_exact(self.grown.classes).enumerate() {
            // The first branch takes the place of the leaf that was.
            let number = if branch == 0 { leaf } else { self.grown.leaves.len() };
            let columns = self.columns_of(number.wrapping_add(self.grown.nodes.len() << 32));
            let new = Leaf::new(counts.to_vec(), depth, columns);
            if branch == 0 {
                self.grown.leaves[leaf] = new
            } else {
                self.grown.leaves.push(new)
            }
            self.grown.nodes.push(Node::Leaf(number as u32));
        }
        self.keep_within_memory();
    }

    /// Stops the least promising leaves where the tree has become too large, and lets promising ones go on again where there is
    /// room (Domingos & Hulten 2000, section 4).
    fn keep_within_memory(&mut self) {
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory && self.grown.stopped == 0 {
            return;
        }
        let grown = &mut self.grown;
        let active = grown.leaves.iter().filter(|leaf| leaf.evidence.is_some());
        let of_evidence: usize = active.clone().filter_map(|leaf| Some(leaf.evidence.as_ref()?.heap_bytes())).sum();
        let each = of_evidence / active.count().max(1) + 1;
        let room = self.settings.max_memory.saturating_sub(bytes - of_evidence) / each;
        let mut order: Vec<usize> = (0..grown.leaves.len()).collect();
        order.sort_by(|a, b| grown.leaves[*b].promise().total_cmp(&grown.leaves[*a].promise()));
        for (rank, leaf) in order.into_iter().enumerate() {
            let leaf = &mut grown.leaves[leaf];
            if rank >= room {
                leaf.evidence = None;
            } else if leaf.evidence.is_none() {
                leaf.evidence = Some(crate::learner::bayes::Evidence::default());
                leaf.looked_at = leaf.weight();
            }
        }
        grown.stopped = grown.leaves.iter().filter(|leaf| leaf.evidence.is_none()).count();
    }
}

impl RowModel for HoeffdingTree {
    type State = Grown;
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
        self.grown.leaves = vec![Leaf::new(Vec::new(), 0, self.columns_of(0))];
    }

    fn set_classes(&mut self, classes: usize) {
        self.grown.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        let (_, leaf) = self.find(x.dense);
        self.grown.leaves[leaf].predict(x.dense, &self.columns, &self.settings, false, scratch.numbers(), scores);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch) {
        let place = self.find(x.dense);
        let (numbers, probabilities) = scratch.split(self.grown.classes);
        let leaf = &self.grown.leaves[place.1];
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, numbers, probabilities);
        self.learn_at(place, x.dense, y as usize, weight, guess, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch, scores: &mut [f64]) {
        let place = self.find(x.dense);
        let leaf = &self.grown.leaves[place.1];
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, scratch.numbers(), scores);
        self.learn_at(place, x.dense, y as usize, weight, guess, scratch);
    }

    fn state(&self) -> &Grown {
        &self.grown
    }

    fn set_state(&mut self, state: Grown) -> Result<(), SnapshotError> {
        let wrong = |what: &str| Err(SnapshotError::Content(format!("a tree whose {what}")));
        if state.classes != self.grown.classes {
            return wrong("classes are other ones");
        }
        let mut leaves = vec![false; state.leaves.len()];
        let mut nodes = vec![false; state.nodes.len()];
        for (at, node) in state.nodes.iter().enumerate() {
            match node {
                Node::Leaf(leaf) => match leaves.get_mut(*leaf as usize) {
                    Some(met) if !*met => *met = true,
                    _ => return wrong("nodes do not fit its leaves"),
                },
                // Branches come after their split, so that no way leads back.
                Node::Split { split, first } => {
                    let branches =
                        nodes.get_mut(*first as usize..(*first as usize).saturating_add(split.branches() as usize));
                    match branches {
                        Some(branches) if *first as usize > at && split.fits(self.kinds.len()) => branches.fill(true),
                        _ => return wrong("splits do not fit"),
                    }
                }
            }
        }
        if nodes.is_empty() || !leaves.iter().all(|met| *met) {
            return wrong("nodes do not fit its leaves");
        }
        if !state.leaves.iter().all(|leaf| leaf.fits(&self.columns, &self.kinds, state.classes)) {
            return wrong("leaves do not fit the features");
        }
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let leaves: usize = self.grown.leaves.iter().map(Leaf::bytes).sum();
        leaves + self.grown.nodes.capacity() * size_of::<Node>() + self.kinds.len() + self.columns.heap_bytes()
    }
}
