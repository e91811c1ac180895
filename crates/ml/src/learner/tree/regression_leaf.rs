//! A leaf of a tree for numbers: what has come to it, how it predicts, and which split of it would be the best.
//!
//! It predicts by the mean of its targets or a linear model of its numbers, whichever was nearer of late. What a split is worth is
//! by how much the standard deviation of the targets falls (Ikonomovska, Gama & Džeroski 2011, section 4.1).

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::linear::LinearModel;
use super::moments::Moments;
use super::settings::RegressorSettings;
use super::split::{Question, Split};
use crate::explain::tree;
use crate::learner::FeatureKind;
use crate::learner::bayes::{Columns, Gaussians};

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

/// A leaf of a tree for numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RegressionLeaf {
    /// Of the targets that came here, or to where the leaf was split off.
    pub(super) targets: Moments,
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
    pub(super) depth: u32,
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

impl RegressionLeaf {
    /// A leaf to which nothing came: of a tree with these features, of which it looks at its own where they are not all.
    pub(super) fn new(all: &Columns, own: Option<Columns>, depth: u32, settings: &RegressorSettings) -> Self {
        let width = Self::width(all, settings);
        Self {
            targets: Moments::default(),
            gaussians: Gaussians::new(width),
            linear: LinearModel::new(width),
            mean_error: 0.0,
            linear_error: 0.0,
            evidence: Some(Evidence::new(own.as_ref().unwrap_or(all))),
            columns: own,
            depth,
            looked_at: 0.0,
        }
    }

    /// A branch of it, to which these targets came. It begins with its linear model.
    pub(super) fn branch(&self, targets: Moments, all: &Columns, own: Option<Columns>) -> Self {
        Self {
            targets,
            gaussians: self.gaussians.clone(),
            linear: self.linear.clone(),
            mean_error: 0.0,
            linear_error: 0.0,
            evidence: Some(Evidence::new(own.as_ref().unwrap_or(all))),
            columns: own,
            depth: self.depth + 1,
            looked_at: targets.weight,
        }
    }

    /// How many numbers the linear model takes.
    fn width(all: &Columns, settings: &RegressorSettings) -> usize {
        if settings.leaf_model == LeafModel::Mean { 0 } else { all.numbers.len() }
    }

    /// Writes a row's numbers as the linear model takes them.
    #[inline]
    pub(super) fn standardize(
        &self,
        x: &[f64],
        all: &Columns,
        settings: &RegressorSettings,
        scratch: &mut RegressorScratch,
    ) {
        scratch.standard.clear();
        if settings.leaf_model != LeafModel::Mean {
            let numbers = all.gather(x, &mut scratch.numbers);
            LinearModel::standardize(numbers, &self.gaussians, &mut scratch.standard);
        }
    }

    /// What the leaf predicts of the row that was standardised.
    #[inline]
    pub(super) fn predict(&self, settings: &RegressorSettings, scratch: &RegressorScratch) -> f64 {
        let (mean, linear) = self.answers(&scratch.standard);
        if self.is_linear(settings) { linear } else { mean }
    }

    /// Whether it predicts by its linear model.
    #[inline]
    fn is_linear(&self, settings: &RegressorSettings) -> bool {
        match settings.leaf_model {
            LeafModel::Mean => false,
            LeafModel::Linear => true,
            LeafModel::Adaptive => self.linear_error < self.mean_error,
        }
    }

    /// The leaf as it is explained.
    pub(super) fn explained(&self, all: &Columns, settings: &RegressorSettings) -> tree::Leaf {
        let (value, terms) = match self.is_linear(settings) {
            true => self.linear.parts(&self.gaussians, &all.numbers),
            false => (self.targets.mean, Box::default()),
        };
        tree::Leaf { values: [value].into(), terms, cover: self.targets.weight }
    }

    /// What it predicts by its mean and by its linear model.
    #[inline]
    fn answers(&self, standard: &[f64]) -> (f64, f64) {
        (self.targets.mean, self.linear.predict(standard))
    }

    /// Learns the row that was standardised; says whether it is time to look for a split.
    pub(super) fn learn(
        &mut self,
        x: &[f64],
        all: &Columns,
        settings: &RegressorSettings,
        (y, weight): (f64, f64),
        scratch: &mut RegressorScratch,
    ) -> bool {
        if self.targets.weight > 0.0 {
            let (mean, linear) = self.answers(&scratch.standard);
            self.mean_error = FADE * self.mean_error + (y - mean) * (y - mean);
            self.linear_error = FADE * self.linear_error + (y - linear) * (y - linear);
        }
        self.targets.learn(y, weight);
        if settings.leaf_model != LeafModel::Mean {
            self.gaussians.learn(all.gather(x, &mut scratch.numbers), weight);
            self.linear.learn(&scratch.standard, y, settings.leaf_rate * weight.min(1.0));
        }
        let Some(evidence) = &mut self.evidence else { return false };
        evidence.learn(x, self.columns.as_ref().unwrap_or(all), y, weight, settings);
        let seen = self.targets.weight;
        let is_time = seen - self.looked_at >= settings.grace_period;
        if is_time {
            self.looked_at = seen;
        }
        is_time
    }

    /// The best split, and the targets of each branch, if it is almost surely the best.
    pub(super) fn best_split(&self, all: &Columns, settings: &RegressorSettings) -> Option<(Split, Vec<Moments>)> {
        let evidence = self.evidence.as_ref().filter(|_| self.depth < settings.max_depth)?;
        let contest = self.contest(evidence, self.columns.as_ref().unwrap_or(all), settings);
        let (merit, split, branches) = contest.best.filter(|(merit, ..)| *merit > 0.0)?;
        let bound = (-libm::log(settings.split_confidence) / (2.0 * self.targets.weight)).sqrt();
        let is_best = contest.second / merit < 1.0 - bound || bound < settings.tie_threshold;
        is_best.then_some((split, branches))
    }

    /// How much there is to gain by splits: by how much its targets differ, and how many they are.
    fn promise(&self) -> f64 {
        self.targets.weight * self.targets.deviation()
    }

    /// Whether it is a leaf of a tree with these features and options.
    pub(super) fn fits(&self, all: &Columns, kinds: &[FeatureKind], settings: &RegressorSettings) -> bool {
        let columns = self.columns.as_ref().unwrap_or(all);
        let width = Self::width(all, settings);
        columns.fits(kinds)
            && self.gaussians.fits(width)
            && self.linear.fits(width)
            && self.evidence.as_ref().is_none_or(|evidence| evidence.fits(columns, settings.bins))
    }

    /// Weighs the best splits of all features against each other.
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

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.gaussians.heap_bytes()
            + self.linear.heap_bytes()
            + self.columns.as_ref().map_or(0, Columns::heap_bytes)
            + self.evidence.as_ref().map_or(0, Evidence::heap_bytes)
    }
}

/// Stops the leaves that promise least where a tree of so many bytes has become too large, and lets promising ones go on again
/// where there is room; how many are stopped then.
pub(super) fn share_memory(
    mut leaves: Vec<&mut RegressionLeaf>,
    bytes: usize,
    all: &Columns,
    max_memory: usize,
) -> usize {
    let looking = leaves.iter().filter_map(|leaf| Some(leaf.evidence.as_ref()?.heap_bytes()));
    let (count, of_evidence) = looking.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    let each = of_evidence / count.max(1) + 1;
    let room = max_memory.saturating_sub(bytes - of_evidence) / each;
    leaves.sort_by(|a, b| b.promise().total_cmp(&a.promise()));
    let stopped = leaves.len().saturating_sub(room);
    for (rank, leaf) in leaves.into_iter().enumerate() {
        if rank >= room {
            leaf.evidence = None;
        } else if leaf.evidence.is_none() {
            leaf.evidence = Some(Evidence::new(leaf.columns.as_ref().unwrap_or(all)));
            leaf.looked_at = leaf.targets.weight;
        }
    }
    stopped
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(in crate::learner) struct RegressorScratch {
    numbers: Vec<f64>,
    standard: Vec<f64>,
}
