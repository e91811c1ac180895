//! FIMT-DD: the tree for numbers that replaces branches whose errors have risen.
//!
//! **Idea.** A Hoeffding tree for numbers in which every split watches the errors made below it by the test of Page and Hinkley.
//! Where they have risen, another tree begins to grow beside that split and sees the same rows; it takes the split's place once
//! it errs less of late, and is dropped if it has not come to that in time (Ikonomovska, Gama & Džeroski 2011, "Learning model trees
//! from evolving data streams", section on change detection and adaptation; Gama, Sebastião & Rodrigues 2009, "Issues in
//! evaluation of stream learning algorithms", has the fading sums).
//!
//! **Formula.** The error of a row is `e = min(|y − ŷ| / σ, 10)`, with `ŷ` what the leaf says before it learns the row and `σ` the
//! deviation of all targets so far, so that the test's threshold minds no scale and one outlier is no change. It is told to every
//! split on the row's way. While an alternate grows, both sides' squared errors are summed up with fading, `S ← f·S + (y − ŷ)²`;
//! every so many rows the alternate takes over when `Q = ln(S / S')` is above 0.
//!
//! No split below one with an alternate is watched, and none in an alternate: so a row is learned at most once more for each
//! alternate that was begun below before. Each has its time.

use serde::{Deserialize, Serialize};

use super::arena::Arena;
use super::hoeffding::is_time_to_count;
use super::moments::{Moments, explained_squares};
use super::regression_leaf::{RegressionLeaf, RegressorScratch, share_memory};
use super::settings::{ChangeSettings, RegressorSettings};
use crate::block::Row;
use crate::drift::{Change, Detector, PageHinkley};
use crate::explain::tree::ShapTree;
use crate::explain::{Ensemble, Explainer, Forest, Importance, importance};
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// How many deviations of the targets are as much as can be told to a test.
const DEVIATIONS_MAX: f64 = 10.0;

/// The largest error that is squared.
const ERROR_MAX: f64 = 1e140;

/// A tree for numbers that watches its errors.
#[derive(Debug)]
pub(super) struct FimtDd {
    settings: RegressorSettings,
    change: ChangeSettings,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    grown: GrownFimtDd,
    /// Whether nodes were cut since nodes were tidied.
    cut: bool,
}

/// All that a tree has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GrownFimtDd {
    /// Of all targets.
    targets: Moments,
    nodes: Arena<Watched>,
    /// Leaves that have stopped for want of memory.
    stopped: usize,
    /// How many nodes there were when memory was counted last.
    counted: usize,
    /// Alternates begun, put in place, dropped.
    alternates: [u64; 3],
}

/// What a node knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Watched {
    /// Of a leaf; a split keeps the depth only.
    leaf: Option<RegressionLeaf>,
    depth: u32,
    /// The errors below a split.
    errors: PageHinkley,
    /// How the split and its alternate do.
    race: Race,
}

/// Squared errors of a split and its alternate since that began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Race {
    rows: u64,
    /// Faded sums.
    own: f64,
    other: f64,
}

/// What becomes of an alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Grows,
    TakesOver,
    Dropped,
}

impl Race {
    /// Takes in a row, and what was wrong about it by either side; the alternate's error is `None` where it knows nothing yet.
    fn run(&mut self, own: f64, other: Option<f64>, weight: f64, change: &ChangeSettings) -> Fate {
        self.rows = self.rows.saturating_add(1);
        if let Some(other) = other {
            let square = |error: f64| weight * error.abs().min(ERROR_MAX) * error.abs().min(ERROR_MAX);
            self.own = change.fading_factor * self.own + square(own);
            self.other = change.fading_factor * self.other + square(other);
        }
        if self.rows.is_multiple_of(change.comparison_period) && self.own > self.other {
            return Fate::TakesOver;
        }
        if self.rows >= change.alternate_period { Fate::Dropped } else { Fate::Grows }
    }
}

impl FimtDd {
    pub(super) fn new(settings: RegressorSettings, change: ChangeSettings) -> Self {
        let columns = Columns::default();
        let root = Watched::new(RegressionLeaf::new(&columns, None, 0, &settings), &change);
        let grown = GrownFimtDd {
            targets: Moments::default(),
            nodes: Arena::new(root),
            stopped: 0,
            counted: 0,
            alternates: [0; 3],
        };
        Self { settings, change, kinds: Vec::new(), columns, grown, cut: false }
    }

    /// The leaf that a row comes to from a node, and what it says; the row is left as the leaf takes it.
    fn answer(&self, from: u32, x: &[f64], scratch: &mut RegressorScratch) -> (u32, f64) {
        let place = self.grown.nodes.leaf(from, x);
        let Some(leaf) = &self.grown.nodes.at(place).data.leaf else { return (place, 0.0) };
        leaf.standardize(x, &self.columns, &self.settings, scratch);
        (place, leaf.predict(&self.settings, scratch))
    }

    /// Learns a row; what was said of it before.
    fn learn_row(&mut self, x: &[f64], y: f64, weight: f64, scratch: &mut RegressorScratch) -> f64 {
        let (mut standardized, answer) = self.answer(0, x, scratch);
        let spread = self.grown.targets.deviation();
        let error = if spread > 0.0 { ((y - answer).abs() / spread).min(DEVIATIONS_MAX) } else { 0.0 };
        self.grown.targets.learn(y, weight);
        let (mut node, mut said, mut watching) = (0, answer, true);
        while let Some(next) = self.grown.nodes.next(node, x) {
            let Some(alternate) = self.grown.nodes.at(node).alternate else {
                if watching && self.grown.nodes.at_mut(node).data.errors.update(error) == Change::Drift {
                    self.begin_alternate(node);
                    watching = false;
                }
                node = next;
                continue;
            };
            watching = false;
            let (leaf, other) = self.answer(alternate, x, scratch);
            standardized = leaf;
            let knows = self.grown.nodes.at(leaf).data.leaf.as_ref().is_some_and(|leaf| leaf.targets.weight > 0.0);
            let race = &mut self.grown.nodes.at_mut(node).data.race;
            match race.run(y - said, knows.then_some(y - other), weight, &self.change) {
                Fate::Grows => {
                    self.learn_at(leaf, x, y, weight, scratch);
                    node = next;
                }
                Fate::TakesOver => {
                    // The way on is another one, and so is what is said at its end.
                    self.take_over(node, alternate);
                    said = other;
                }
                Fate::Dropped => {
                    self.grown.nodes.at_mut(node).alternate = None;
                    self.grown.alternates[2] += 1;
                    self.cut = true;
                    node = next;
                }
            }
        }
        if standardized != node
            && let Some(leaf) = &self.grown.nodes.at(node).data.leaf
        {
            leaf.standardize(x, &self.columns, &self.settings, scratch);
        }
        self.learn_at(node, x, y, weight, scratch);
        // Not before: nodes are known by their numbers.
        if std::mem::take(&mut self.cut) {
            self.grown.nodes.tidy();
            self.grown.counted = self.grown.counted.min(self.grown.nodes.len());
        }
        answer
    }

    /// Begins a tree beside a split.
    fn begin_alternate(&mut self, node: u32) {
        let depth = self.grown.nodes.at(node).data.depth;
        let leaf = RegressionLeaf::new(&self.columns, None, depth, &self.settings);
        let alternate = self.grown.nodes.push(Watched::new(leaf, &self.change));
        let node = self.grown.nodes.at_mut(node);
        node.alternate = Some(alternate);
        node.data.race = Race::default();
        self.grown.alternates[0] += 1;
    }

    /// Puts a split's alternate in its place.
    fn take_over(&mut self, node: u32, alternate: u32) {
        let other = self.grown.nodes.at(alternate).clone();
        *self.grown.nodes.at_mut(node) = other;
        self.grown.alternates[1] += 1;
        self.cut = true;
    }

    /// Learns a row that was standardised for this leaf.
    fn learn_at(&mut self, node: u32, x: &[f64], y: f64, weight: f64, scratch: &mut RegressorScratch) {
        let Some(leaf) = &mut self.grown.nodes.at_mut(node).data.leaf else { return };
        if leaf.learn(x, &self.columns, &self.settings, (y, weight), scratch) {
            self.look_for_split(node);
        }
    }

    fn look_for_split(&mut self, node: u32) {
        let Some(leaf) = &self.grown.nodes.at(node).data.leaf else { return };
        let Some((split, branches)) = leaf.best_split(&self.columns, &self.settings) else { return };
        let branch = |targets: &Moments| Watched::new(leaf.branch(*targets, &self.columns, None), &self.change);
        let branches: Vec<Watched> = branches.iter().map(branch).collect();
        self.grown.nodes.at_mut(node).data.leaf = None;
        self.grown.nodes.split(node, split, branches.into_iter());
        self.keep_within_memory();
    }

    /// Stops the leaves whose targets differ least where the tree has become too large.
    fn keep_within_memory(&mut self) {
        if !is_time_to_count(self.grown.nodes.len(), &mut self.grown.counted) {
            return;
        }
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory && self.grown.stopped == 0 {
            return;
        }
        let leaves = self.grown.nodes.iter_mut().filter_map(|node| node.data.leaf.as_mut()).collect();
        self.grown.stopped = share_memory(leaves, bytes, &self.columns, self.settings.max_memory);
    }
}

impl Watched {
    fn new(leaf: RegressionLeaf, change: &ChangeSettings) -> Self {
        let depth = leaf.depth;
        Self { leaf: Some(leaf), depth, errors: PageHinkley::new(change.test), race: Race::default() }
    }
}

impl RowModel for FimtDd {
    type State = GrownFimtDd;
    type Scratch = RegressorScratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
        let root = RegressionLeaf::new(&self.columns, None, 0, &self.settings);
        self.grown.nodes = Arena::new(Watched::new(root, &self.change));
    }

    fn set_classes(&mut self, _: usize) {}

    fn predict(&self, x: Row<'_>, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        scores[0] = self.answer(0, x.dense, scratch).1;
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch) {
        self.learn_row(x.dense, y, weight, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        scores[0] = self.learn_row(x.dense, y, weight, scratch);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let none = RegressionLeaf::new(&self.columns, None, 0, &self.settings);
        let leaf = |node: &Watched| node.leaf.as_ref().unwrap_or(&none).explained(&self.columns, &self.settings);
        Some(Box::new(Forest(Ensemble::mean_of(vec![(1.0, ShapTree::new(self.grown.nodes.parts(leaf)))]))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.kinds.len()];
        let targets = |node: &Watched| node.leaf.as_ref().map_or_else(Moments::default, |leaf| leaf.targets);
        let parts = self.grown.nodes.parts(targets);
        importance::add(&parts, |_, branches| explained_squares(branches), &mut importance);
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        &self.grown
    }

    fn set_state(&mut self, state: GrownFimtDd) -> Result<(), SnapshotError> {
        state.nodes.check(self.kinds.len(), |node| {
            let fits = |leaf: &RegressionLeaf| leaf.fits(&self.columns, &self.kinds, &self.settings);
            node.split.is_none() == node.data.leaf.is_some()
                && node.data.leaf.as_ref().is_none_or(fits)
                && *node.data.errors.settings() == self.change.test
        })?;
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let of_leaf = |leaf: &RegressionLeaf| leaf.bytes() - size_of::<RegressionLeaf>();
        let nodes = self.grown.nodes.iter().map(|node| size_of_val(node) + node.data.leaf.as_ref().map_or(0, of_leaf));
        nodes.sum::<usize>() + self.kinds.len() + self.columns.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use tidegate_options::resolve;

    use super::*;
    use crate::learner::tree::hoeffding::Subspace;
    use crate::learner::tree::regressor::RegressionTree;
    use crate::learner::tree::{FIMT_DD, HOEFFDING_TREE_REGRESSOR};

    const ROWS: usize = 20_000;

    /// Rows of Friedman's function of the first five of ten numbers; after the change, of the last five (1991, "Multivariate
    /// adaptive regression splines").
    fn friedman(changes_at: usize) -> Vec<(Vec<f64>, f64)> {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let row = |row: usize| {
            let x: Vec<f64> = (0..10).map(|_| random.random_range(0.0..1.0)).collect();
            let at = if row < changes_at { 0 } else { 5 };
            let [a, b, c, d, e] = [x[at], x[at + 1], x[at + 2], x[at + 3], x[at + 4]];
            let y = 10.0 * libm::sin(std::f64::consts::PI * a * b) + 20.0 * (c - 0.5) * (c - 0.5) + 10.0 * d + 5.0 * e;
            (x, y + random.random_range(-1.0..1.0))
        };
        (0..ROWS).map(row).collect()
    }

    fn fimt_dd() -> FimtDd {
        let options = resolve(FIMT_DD.options, []).unwrap();
        let mut tree = FimtDd::new(RegressorSettings::new(&options), ChangeSettings::new(&options));
        tree.set_features(&[FeatureKind::Number; 10]);
        tree
    }

    /// The mean absolute error of the rows from one on, each predicted before it is learned.
    fn error(tree: &mut impl RowModel, rows: &[(Vec<f64>, f64)], from: usize) -> f64 {
        let (mut sum, mut scratch, mut said) = (0.0, Default::default(), [0.0]);
        for (number, (x, y)) in rows.iter().enumerate() {
            let row = Row { dense: x, indices: &[], values: &[] };
            tree.learn_predict(row, *y, 1.0, &mut scratch, &mut said);
            sum += if number >= from { (said[0] - y).abs() } else { 0.0 };
        }
        sum / (rows.len() - from) as f64
    }

    #[test]
    fn a_change_is_followed() {
        let rows = friedman(ROWS / 2);
        let options = resolve(HOEFFDING_TREE_REGRESSOR.options, []).unwrap();
        let mut plain = RegressionTree::new(RegressorSettings::new(&options), Subspace::All, 0);
        plain.set_features(&[FeatureKind::Number; 10]);
        let mut tree = fimt_dd();
        let (found, without) = (error(&mut tree, &rows, ROWS / 2), error(&mut plain, &rows, ROWS / 2));
        assert!(tree.grown.alternates[1] > 0, "{:?}", tree.grown.alternates);
        assert!(found < 0.9 * without, "{found} and {without}");
    }

    #[test]
    fn where_nothing_changes_nothing_is_replaced() {
        let mut tree = fimt_dd();
        error(&mut tree, &friedman(ROWS), 0);
        assert!(tree.grown.nodes.len() > 10);
        assert_eq!(tree.grown.alternates, [0; 3]);
    }

    #[test]
    fn an_alternate_takes_over_when_it_errs_less_and_has_its_time() {
        let options = resolve(FIMT_DD.options, [("comparison_period", "2"), ("alternate_period", "5")]).unwrap();
        let change = ChangeSettings::new(&options);
        let mut race = Race::default();
        assert_eq!(race.run(3.0, None, 1.0, &change), Fate::Grows);
        assert_eq!((race.own, race.other), (0.0, 0.0), "it is not held against an alternate that it knew nothing");
        assert_eq!(race.run(1.0, Some(2.0), 1.0, &change), Fate::Grows);
        assert_eq!(race.run(-2.0, Some(0.0), 1.0, &change), Fate::Grows, "only every two rows");
        assert_eq!((race.own, race.other), (0.995 + 4.0, 0.995 * 4.0));
        assert_eq!(race.run(0.0, Some(0.0), 1.0, &change), Fate::TakesOver);
        let mut race = Race::default();
        let fates: Vec<Fate> = (0..5).map(|_| race.run(1.0, Some(1.0), 1.0, &change)).collect();
        assert_eq!(fates, [Fate::Grows, Fate::Grows, Fate::Grows, Fate::Grows, Fate::Dropped], "as good is not better");
    }
}
