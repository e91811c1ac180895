//! The Hoeffding tree for numbers.
//!
//! **Idea.** As the tree for classes, but a split is to make targets alike: its merit is by how much the standard deviation of the
//! targets falls (Ikonomovska, Gama & Džeroski 2011, "Learning model trees from evolving data streams": FIMT-DD).
//!
//! **Formula.** `SDR = sd(S) − Σ |S_i|/|S|·sd(S_i)`. With `r` the second best merit by the best and `ε = √(ln(1/δ) / 2n)`, a leaf
//! splits when `r < 1 − ε`, or when `ε` is below the tie threshold. Thresholds are those between the bins of a histogram.
//!
//! Leaves predict by the mean of their targets or a linear model of their numbers, whichever was nearer of late.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::Tree;
use super::hoeffding::{Subspace, is_time_to_count};
use super::moments::explained_squares;
use super::nodes::{Nodes, Place};
use super::regression_leaf::{RegressionLeaf, RegressorScratch, share_memory};
use super::settings::RegressorSettings;
use super::split::Split;
use crate::block::Row;
use crate::explain::tree::ShapTree;
use crate::explain::{Ensemble, Explainer, Forest, Importance, importance};
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// A Hoeffding tree for numbers.
#[derive(Debug)]
pub(in crate::learner) struct RegressionTree {
    settings: RegressorSettings,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    subspace: Subspace,
    grown: GrownRegressor,
}

/// All that a tree has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct GrownRegressor {
    seed: u64,
    nodes: Nodes,
    leaves: Vec<RegressionLeaf>,
    stopped: usize,
    counted: usize,
}

impl RegressionTree {
    /// A tree that has learned nothing.
    pub(in crate::learner) fn new(settings: RegressorSettings, subspace: Subspace, seed: u64) -> Self {
        let grown = GrownRegressor { seed, nodes: Nodes::new(), leaves: Vec::new(), stopped: 0, counted: 0 };
        Self { settings, kinds: Vec::new(), columns: Columns::default(), subspace, grown }
    }

    /// From now on has the memory that trees of these settings have.
    pub(in crate::learner) fn share_memory(&mut self, settings: &RegressorSettings) {
        self.settings.max_memory = settings.max_memory;
    }

    /// The features that the leaf of this number may split by, where they are not all.
    fn columns_of(&self, leaf: u64) -> Option<Columns> {
        if self.subspace == Subspace::All {
            return None;
        }
        let leaf = if matches!(self.subspace, Subspace::ByTree(_)) { 0 } else { leaf };
        let seed = self.grown.seed.wrapping_add(leaf.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Some(self.subspace.draw(&self.kinds, &mut Pcg64Mcg::seed_from_u64(seed)))
    }

    fn learn_at(&mut self, place: Place, x: &[f64], y: f64, weight: f64, scratch: &mut RegressorScratch) {
        let leaf = &mut self.grown.leaves[place.leaf];
        if leaf.learn(x, &self.columns, &self.settings, (y, weight), scratch) {
            self.look_for_split(place);
        }
    }

    fn look_for_split(&mut self, place: Place) {
        let leaf = &self.grown.leaves[place.leaf];
        let Some((split, branches)) = leaf.best_split(&self.columns, &self.settings) else { return };
        let number = self.grown.nodes.len() as u64;
        self.grown.nodes.split(place, split, self.grown.leaves.len());
        let parent = self.grown.leaves[place.leaf].clone();
        for (branch, targets) in branches.iter().enumerate() {
            let leaf = parent.branch(*targets, &self.columns, self.columns_of(number + branch as u64));
            if branch == 0 { self.grown.leaves[place.leaf] = leaf } else { self.grown.leaves.push(leaf) }
        }
        self.keep_within_memory();
    }

    /// Stops the leaves whose targets differ least where the tree has become too large.
    fn keep_within_memory(&mut self) {
        if !is_time_to_count(self.grown.leaves.len(), &mut self.grown.counted) {
            return;
        }
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory && self.grown.stopped == 0 {
            return;
        }
        let leaves = self.grown.leaves.iter_mut().collect();
        self.grown.stopped = share_memory(leaves, bytes, &self.columns, self.settings.max_memory);
    }
}

impl RowModel for RegressionTree {
    type State = GrownRegressor;
    type Scratch = RegressorScratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
        let root = RegressionLeaf::new(&self.columns, self.columns_of(0), 0, &self.settings);
        self.grown.leaves = vec![root];
    }

    fn set_classes(&mut self, _: usize) {}

    fn predict(&self, x: Row<'_>, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        let leaf = &self.grown.leaves[place.leaf];
        leaf.standardize(x.dense, &self.columns, &self.settings, scratch);
        scores[0] = leaf.predict(&self.settings, scratch);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch) {
        let place = self.grown.nodes.find(x.dense);
        self.grown.leaves[place.leaf].standardize(x.dense, &self.columns, &self.settings, scratch);
        self.learn_at(place, x.dense, y, weight, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        let leaf = &self.grown.leaves[place.leaf];
        leaf.standardize(x.dense, &self.columns, &self.settings, scratch);
        scores[0] = leaf.predict(&self.settings, scratch);
        self.learn_at(place, x.dense, y, weight, scratch);
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

    fn set_state(&mut self, state: GrownRegressor) -> Result<(), SnapshotError> {
        state.nodes.check(state.leaves.len(), self.kinds.len())?;
        if !state.leaves.iter().all(|leaf| leaf.fits(&self.columns, &self.kinds, &self.settings)) {
            return Err(SnapshotError::Content("a tree whose leaves do not fit the features".to_string()));
        }
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let leaves: usize = self.grown.leaves.iter().map(RegressionLeaf::bytes).sum();
        leaves + self.grown.nodes.heap_bytes() + self.kinds.len() + self.columns.heap_bytes()
    }
}

impl Tree for RegressionTree {
    fn sapling(&self, seed: u64) -> Self {
        let mut sapling = Self::new(self.settings.clone(), self.subspace, seed);
        sapling.set_features(&self.kinds);
        sapling
    }

    fn grown(&self) -> &GrownRegressor {
        &self.grown
    }

    fn explained(&self) -> ShapTree<Split> {
        let GrownRegressor { nodes, leaves, .. } = &self.grown;
        ShapTree::new(nodes.parts(|leaf| leaves[leaf].explained(&self.columns, &self.settings)))
    }

    fn add_importance(&self, into: &mut [Importance]) {
        let parts = self.grown.nodes.parts(|leaf| self.grown.leaves[leaf].targets);
        importance::add(&parts, |_, branches| explained_squares(branches), into);
    }
}
