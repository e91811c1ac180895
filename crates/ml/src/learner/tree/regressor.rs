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
use super::histogram::Histogram;
use super::hoeffding::{Subspace, is_time_to_count};
use super::linear::LinearModel;
use super::moments::Moments;
use super::nodes::{Nodes, Place};
use super::settings::RegressorSettings;
use super::split::{Question, Split};
use crate::block::Row;
use crate::learner::FeatureKind;
use crate::learner::bayes::{Columns, Gaussians};
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// How much of the errors of late is kept at each row, where leaves choose how to predict.
const FADE: f64 = 0.99;

/// Most categories that get a branch each.
const BRANCHES_MAX: usize = 256;

/// How a leaf predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafModel {
    Mean,
    Linear,
    Adaptive,
}

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
    leaves: Vec<Leaf>,
    stopped: usize,
    counted: usize,
}

/// A leaf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Leaf {
    /// Of the targets that came here, or to where the leaf was split off.
    targets: Moments,
    /// Of its numbers, for the linear model; `linear` is among all numbers of the tree.
    gaussians: Gaussians,
    linear: LinearModel,
    /// Faded squared errors of the mean and of the linear model.
    mean_error: f64,
    linear_error: f64,
    /// What splits are found by. `None`: the leaf has stopped looking for splits.
    evidence: Option<Evidence>,
    /// The features it may split by, where they are not all.
    columns: Option<Columns>,
    depth: u32,
    looked_at: f64,
}

/// Targets by the values of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Evidence {
    numbers: Box<[Histogram]>,
    /// By category.
    categories: Box<[Vec<Moments>]>,
}

impl Evidence {
    fn new(columns: &Columns) -> Self {
        Self {
            numbers: columns.numbers.iter().map(|_| Histogram::default()).collect(),
            categories: columns.categories.iter().map(|_| Vec::new()).collect(),
        }
    }

    fn learn(&mut self, x: &[f64], columns: &Columns, y: f64, weight: f64, settings: &RegressorSettings) {
        for (histogram, feature) in self.numbers.iter_mut().zip(&columns.numbers) {
            histogram.learn(x[*feature as usize], y, weight, settings.bins);
        }
        for (targets, feature) in self.categories.iter_mut().zip(&columns.categories) {
            let category = x[*feature as usize];
            if category >= 0.0 && (category as usize) < settings.leaf_categories {
                if category as usize >= targets.len() {
                    targets.resize(category as usize + 1, Moments::default());
                }
                targets[category as usize].learn(y, weight);
            }
        }
    }

    fn fits(&self, columns: &Columns, bins: usize) -> bool {
        self.numbers.len() == columns.numbers.len()
            && self.categories.len() == columns.categories.len()
            && self.numbers.iter().all(|histogram| histogram.fits(bins))
    }

    fn heap_bytes(&self) -> usize {
        let numbers = self.numbers.iter().map(|histogram| size_of::<Histogram>() + histogram.heap_bytes());
        let categories = self.categories.iter().map(|targets| 24 + targets.capacity() * size_of::<Moments>());
        numbers.sum::<usize>() + categories.sum::<usize>()
    }
}

/// The best split so far and the merit of the second best feature.
#[derive(Debug, Default)]
struct Contest {
    best: Option<(f64, Split, Vec<Moments>)>,
    second: f64,
}

impl Contest {
    /// Weighs the best split of a feature against those of the others.
    fn enter(&mut self, found: Option<(f64, Split, Vec<Moments>)>) {
        let Some(found) = found else { return };
        match &self.best {
            Some(best) if found.0 <= best.0 => self.second = self.second.max(found.0),
            best => {
                self.second = best.as_ref().map_or(self.second, |best| best.0);
                self.best = Some(found);
            }
        }
    }
}

/// By how much a split makes the deviation fall, if two branches at least are large enough.
fn reduction(branches: &[Moments], least_share: f64) -> Option<f64> {
    let all = branches.iter().fold(Moments::default(), |all, branch| all.with(*branch));
    let large = branches.iter().filter(|branch| branch.weight > 0.0 && branch.weight >= least_share * all.weight);
    if large.count() < 2 {
        return None;
    }
    let within: f64 = branches.iter().map(|branch| branch.weight * branch.deviation()).sum();
    Some(all.deviation() - within / all.weight)
}

impl Leaf {
    /// Looks for the best split.
    fn contest(&self, evidence: &Evidence, columns: &Columns, settings: &RegressorSettings) -> Contest {
        let mut contest = Contest::default();
        let share = settings.min_branch_share;
        let split = |question, feature, branches: &[Moments]| {
            let (mut missing, mut heaviest) = (0, 0.0);
            for (branch, targets) in branches.iter().enumerate() {
                if targets.weight > heaviest {
                    (missing, heaviest) = (branch as u32, targets.weight);
                }
            }
            Split { question, feature, missing }
        };
        for (histogram, feature) in evidence.numbers.iter().zip(&columns.numbers) {
            let mut best: Option<(f64, f64, [Moments; 2])> = None;
            for (threshold, up_to, beyond) in histogram.splits() {
                let branches = [up_to, beyond];
                if let Some(merit) = reduction(&branches, share)
                    && best.is_none_or(|(most, ..)| merit > most)
                {
                    best = Some((merit, threshold, branches));
                }
            }
            contest.enter(best.map(|(merit, threshold, branches)| {
                (merit, split(Question::AtMost(threshold), *feature, &branches), branches.to_vec())
            }));
        }
        for (targets, feature) in evidence.categories.iter().zip(&columns.categories) {
            let mut best: Option<(f64, Split, Vec<Moments>)> = None;
            let mut weigh = |question, branches: Vec<Moments>| {
                if let Some(merit) = reduction(&branches, share)
                    && best.as_ref().is_none_or(|best| merit > best.0)
                {
                    best = Some((merit, split(question, *feature, &branches), branches));
                }
            };
            if !settings.binary_splits && targets.len() <= BRANCHES_MAX {
                weigh(Question::Which(targets.len() as u32), targets.clone());
            }
            // What is beyond each category, from the last on, so that nothing is ever subtracted.
            let mut beyond = vec![Moments::default(); targets.len()];
            for category in (1..targets.len()).rev() {
                beyond[category - 1] = beyond[category].with(targets[category]);
            }
            let mut up_to = Moments::default();
            for (category, own) in targets.iter().enumerate() {
                weigh(Question::Is(category as f64), vec![*own, up_to.with(beyond[category])]);
                up_to = up_to.with(*own);
            }
            contest.enter(best);
        }
        contest
    }

    /// What the leaf predicts, by its mean and by its linear model.
    fn answers(&self, standard: &[f64]) -> (f64, f64) {
        (self.targets.mean, self.linear.predict(standard))
    }

    fn choose(&self, (mean, linear): (f64, f64), model: LeafModel) -> f64 {
        match model {
            LeafModel::Mean => mean,
            LeafModel::Linear => linear,
            LeafModel::Adaptive if self.linear_error < self.mean_error => linear,
            LeafModel::Adaptive => mean,
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.gaussians.heap_bytes()
            + self.linear.heap_bytes()
            + self.columns.as_ref().map_or(0, Columns::heap_bytes)
            + self.evidence.as_ref().map_or(0, Evidence::heap_bytes)
    }
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(in crate::learner) struct RegressorScratch {
    numbers: Vec<f64>,
    standard: Vec<f64>,
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

    /// Writes a row's numbers as the linear model of a leaf takes them.
    fn standardize(&self, leaf: usize, x: &[f64], scratch: &mut RegressorScratch) {
        scratch.standard.clear();
        if self.settings.leaf_model != LeafModel::Mean {
            let numbers = self.columns.gather(x, &mut scratch.numbers);
            LinearModel::standardize(numbers, &self.grown.leaves[leaf].gaussians, &mut scratch.standard);
        }
    }

    fn learn_at(&mut self, place: Place, x: &[f64], y: f64, weight: f64, scratch: &mut RegressorScratch) {
        let settings = &self.settings;
        let leaf = &mut self.grown.leaves[place.leaf];
        if leaf.targets.weight > 0.0 {
            let (mean, linear) = leaf.answers(&scratch.standard);
            leaf.mean_error = FADE * leaf.mean_error + (y - mean) * (y - mean);
            leaf.linear_error = FADE * leaf.linear_error + (y - linear) * (y - linear);
        }
        leaf.targets.learn(y, weight);
        if settings.leaf_model != LeafModel::Mean {
            leaf.gaussians.learn(self.columns.gather(x, &mut scratch.numbers), weight);
            leaf.linear.learn(&scratch.standard, y, settings.leaf_rate * weight.min(1.0));
        }
        let Some(evidence) = &mut leaf.evidence else { return };
        evidence.learn(x, leaf.columns.as_ref().unwrap_or(&self.columns), y, weight, settings);
        let seen = leaf.targets.weight;
        if seen - leaf.looked_at >= settings.grace_period {
            leaf.looked_at = seen;
            self.look_for_split(place, seen);
        }
    }

    fn look_for_split(&mut self, place: Place, seen: f64) {
        let leaf = &self.grown.leaves[place.leaf];
        let Some(evidence) = leaf.evidence.as_ref().filter(|_| leaf.depth < self.settings.max_depth) else { return };
        let contest = leaf.contest(evidence, leaf.columns.as_ref().unwrap_or(&self.columns), &self.settings);
        let Some((merit, split, branches)) = contest.best.filter(|(merit, ..)| *merit > 0.0) else { return };
        let bound = (-libm::log(self.settings.split_confidence) / (2.0 * seen)).sqrt();
        if contest.second / merit < 1.0 - bound || bound < self.settings.tie_threshold {
            self.split(place, split, &branches);
        }
    }

    /// Splits a leaf. Its branches begin with its linear model.
    fn split(&mut self, place: Place, split: Split, branches: &[Moments]) {
        let number = self.grown.nodes.len() as u64;
        self.grown.nodes.split(place, split, self.grown.leaves.len());
        let parent = self.grown.leaves[place.leaf].clone();
        for (branch, targets) in branches.iter().enumerate() {
            let columns = self.columns_of(number + branch as u64);
            let leaf = Leaf {
                targets: *targets,
                gaussians: parent.gaussians.clone(),
                linear: parent.linear.clone(),
                mean_error: 0.0,
                linear_error: 0.0,
                evidence: Some(Evidence::new(columns.as_ref().unwrap_or(&self.columns))),
                columns,
                depth: parent.depth + 1,
                looked_at: targets.weight,
            };
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
        let grown = &mut self.grown;
        let of_evidence = |leaf: &Leaf| leaf.evidence.as_ref().map(Evidence::heap_bytes);
        let sizes: Vec<usize> = grown.leaves.iter().filter_map(of_evidence).collect();
        let all: usize = sizes.iter().sum();
        let each = all / sizes.len().max(1) + 1;
        let room = self.settings.max_memory.saturating_sub(bytes - all) / each;
        let promise = |leaf: &Leaf| leaf.targets.weight * leaf.targets.deviation();
        let mut order: Vec<usize> = (0..grown.leaves.len()).collect();
        order.sort_by(|a, b| promise(&grown.leaves[*b]).total_cmp(&promise(&grown.leaves[*a])));
        for (rank, leaf) in order.into_iter().enumerate() {
            let leaf = &mut grown.leaves[leaf];
            if rank >= room {
                leaf.evidence = None;
            } else if leaf.evidence.is_none() {
                leaf.evidence = Some(Evidence::new(leaf.columns.as_ref().unwrap_or(&self.columns)));
                leaf.looked_at = leaf.targets.weight;
            }
        }
        grown.stopped = grown.leaves.iter().filter(|leaf| leaf.evidence.is_none()).count();
    }
}

impl RowModel for RegressionTree {
    type State = GrownRegressor;
    type Scratch = RegressorScratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
        let columns = self.columns_of(0);
        let width = if self.settings.leaf_model == LeafModel::Mean { 0 } else { self.columns.numbers.len() };
        self.grown.leaves = vec![Leaf {
            targets: Moments::default(),
            gaussians: Gaussians::new(width),
            linear: LinearModel::new(width),
            mean_error: 0.0,
            linear_error: 0.0,
            evidence: Some(Evidence::new(columns.as_ref().unwrap_or(&self.columns))),
            columns,
            depth: 0,
            looked_at: 0.0,
        }];
    }

    fn set_classes(&mut self, _: usize) {}

    fn predict(&self, x: Row<'_>, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        self.standardize(place.leaf, x.dense, scratch);
        let leaf = &self.grown.leaves[place.leaf];
        scores[0] = leaf.choose(leaf.answers(&scratch.standard), self.settings.leaf_model);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch) {
        let place = self.grown.nodes.find(x.dense);
        self.standardize(place.leaf, x.dense, scratch);
        self.learn_at(place, x.dense, y, weight, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        let place = self.grown.nodes.find(x.dense);
        self.standardize(place.leaf, x.dense, scratch);
        let leaf = &self.grown.leaves[place.leaf];
        scores[0] = leaf.choose(leaf.answers(&scratch.standard), self.settings.leaf_model);
        self.learn_at(place, x.dense, y, weight, scratch);
    }

    fn state(&self) -> impl Serialize {
        &self.grown
    }

    fn set_state(&mut self, state: GrownRegressor) -> Result<(), SnapshotError> {
        state.nodes.check(state.leaves.len(), self.kinds.len())?;
        let width = if self.settings.leaf_model == LeafModel::Mean { 0 } else { self.columns.numbers.len() };
        let fits = |leaf: &Leaf| {
            let columns = leaf.columns.as_ref().unwrap_or(&self.columns);
            columns.fits(&self.kinds)
                && leaf.gaussians.fits(width)
                && leaf.linear.fits(width)
                && leaf.evidence.as_ref().is_none_or(|evidence| evidence.fits(columns, self.settings.bins))
        };
        if !state.leaves.iter().all(fits) {
            return Err(SnapshotError::Content("a tree whose leaves do not fit the features".to_string()));
        }
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let leaves: usize = self.grown.leaves.iter().map(Leaf::bytes).sum();
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
}
