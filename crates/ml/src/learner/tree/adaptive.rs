//! The Hoeffding adaptive tree.
//!
//! **Idea.** A Hoeffding tree in which every node watches the errors below it by ADWIN. Where they have risen, another tree begins
//! to grow beside that node and sees the same rows; it takes the node's place once it errs less, and is dropped once it errs more
//! (Bifet & Gavaldà 2009, "Adaptive learning from evolving data streams": HAT-ADWIN).
//!
//! **Formula.** With error rates `e` and `e'` of a node and its alternate over windows of `n` and `n'` rows, both over 300, and
//! `b = √(2·e·(1 − e)·ln(2/.05)·(1/n + 1/n'))`: the alternate takes over when `e − e' > b`, and is dropped when `e' − e > b`. Rows
//! come to leaves `Poisson(1)` times, as in bagging. A row's probabilities are the mean of those of the leaf it comes to and of the
//! alternates on its way that have grown a split (as MOA does, where their votes are added up): they know more of what is new.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use super::arena::Arena;
use super::hoeffding::is_time_to_count;
use super::leaf::{Guess, Leaf, Scratch, largest};
use super::observer::Observed;
use super::settings::Settings;
use super::split::Contest;
use crate::block::Row;
use crate::drift::{Adwin, AdwinSettings, Detector};
use crate::explain::tree::ShapTree;
use crate::explain::{Ensemble, Explainer, Forest, Importance, importance};
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::poisson::Poisson;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// Rows that a node and its alternate must have been watched for before they are compared.
const ROWS_COMPARED: f64 = 300.0;
/// The confidence of that comparison.
const CONFIDENCE: f64 = 0.05;

/// A Hoeffding adaptive tree.
#[derive(Debug)]
pub(super) struct AdaptiveTree {
    settings: Settings,
    /// ADWIN's confidence.
    drift: f64,
    /// Whether rows come to leaves Poisson(1) times.
    bootstrap: Option<Poisson>,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    grown: GrownAdaptive,
    contest: Contest,
    /// Roots of trees that a row has yet to be learned by.
    waiting: Vec<u32>,
    /// Whether nodes were cut since nodes were tidied.
    cut: bool,
}

/// All that a tree has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GrownAdaptive {
    classes: usize,
    random: Pcg64Mcg,
    nodes: Arena<Watched>,
    /// How many nodes there were when memory was counted last.
    counted: usize,
    /// Alternates begun, put in place, dropped.
    alternates: [u64; 3],
}

/// What a node knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Watched {
    /// Of a leaf; a split keeps the depth only.
    leaf: Option<Leaf>,
    depth: u32,
    /// The errors below.
    errors: Adwin,
}

/// What becomes of an alternate.
enum Fate {
    Grows,
    TakesOver,
    Dropped,
}

impl AdaptiveTree {
    pub(super) fn new(settings: Settings, drift: f64, bootstrap: bool, seed: u64) -> Self {
        let root = Watched {
            leaf: Some(Leaf::new(Vec::new(), 0, None)),
            depth: 0,
            errors: Adwin::new(AdwinSettings::watching(drift)),
        };
        let random = Pcg64Mcg::seed_from_u64(seed);
        let grown = GrownAdaptive { classes: 0, random, nodes: Arena::new(root), counted: 0, alternates: [0; 3] };
        Self {
            settings,
            drift,
            bootstrap: bootstrap.then(|| Poisson::new(1.0)),
            kinds: Vec::new(),
            columns: Columns::default(),
            grown,
            contest: Contest::default(),
            waiting: Vec::new(),
            cut: false,
        }
    }

    fn new_leaf(&self, counts: Vec<f64>, depth: u32) -> Watched {
        Watched {
            leaf: Some(Leaf::new(counts, depth, None)),
            depth,
            errors: Adwin::new(AdwinSettings::watching(self.drift)),
        }
    }

    /// The guess of the leaf that a row comes to from a node; its probabilities are left in the buffer.
    fn guess(&self, from: u32, x: &[f64], scratch: &mut Scratch) -> Guess {
        let leaf = self.grown.nodes.leaf(from, x);
        let (numbers, probabilities) = scratch.split(self.grown.classes);
        match &self.grown.nodes.at(leaf).data.leaf {
            Some(leaf) => leaf.predict(x, &self.columns, &self.settings, true, numbers, probabilities),
            None => Guess::default(),
        }
    }

    /// Adds up what the leaves say that a row comes to: that of the tree from `node`, and those of alternates on the way that have
    /// grown a split. Returns how many there are.
    fn add_votes(&self, mut node: u32, x: &[f64], scratch: &mut Scratch, votes: &mut [f64]) -> u32 {
        let mut voters = 0;
        loop {
            let at = self.grown.nodes.at(node);
            if let Some(alternate) = at.alternate.filter(|alternate| self.grown.nodes.at(*alternate).split.is_some()) {
                voters += self.add_votes(alternate, x, scratch, votes);
            }
            match self.grown.nodes.next(node, x) {
                Some(next) => node = next,
                None => break,
            }
        }
        let Some(leaf) = &self.grown.nodes.at(node).data.leaf else { return voters };
        let (numbers, probabilities) = scratch.split(self.grown.classes);
        leaf.predict(x, &self.columns, &self.settings, false, numbers, probabilities);
        votes.iter_mut().zip(&*probabilities).for_each(|(sum, p)| *sum += p);
        voters + 1
    }

    /// Learns a row by the tree and by all alternates on its way.
    fn learn_row(&mut self, x: &[f64], class: usize, weight: f64, scratch: &mut Scratch) {
        self.waiting.push(0);
        while let Some(root) = self.waiting.pop() {
            self.learn_from(root, x, class, weight, scratch);
        }
        // Not before: trees wait by their numbers.
        if std::mem::take(&mut self.cut) {
            self.grown.nodes.tidy();
        }
    }

    fn learn_from(&mut self, root: u32, x: &[f64], class: usize, weight: f64, scratch: &mut Scratch) {
        let mut guess = self.guess(root, x, scratch);
        let mut error = if largest(&scratch.probabilities) == Some(class) { 0.0 } else { 1.0 };
        let mut node = root;
        loop {
            let risen = self.grown.nodes.at_mut(node).data.errors.rises(error);
            let Some(next) = self.grown.nodes.next(node, x) else { break };
            if risen {
                self.cut |= self.grown.nodes.at(node).alternate.is_some();
                let leaf = self.new_leaf(Vec::new(), self.grown.nodes.at(node).data.depth);
                let alternate = self.grown.nodes.push(leaf);
                self.grown.nodes.at_mut(node).alternate = Some(alternate);
                self.grown.alternates[0] += 1;
            }
            match self.fate(node) {
                Fate::Grows => {
                    self.waiting.extend(self.grown.nodes.at(node).alternate);
                    node = next;
                }
                Fate::Dropped => {
                    self.grown.nodes.at_mut(node).alternate = None;
                    self.grown.alternates[2] += 1;
                    self.cut = true;
                    node = next;
                }
                Fate::TakesOver => {
                    self.take_over(node);
                    self.cut = true;
                    // The way on is another one, and so is what is said at its end.
                    guess = self.guess(node, x, scratch);
                    error = if largest(&scratch.probabilities) == Some(class) { 0.0 } else { 1.0 };
                    match self.grown.nodes.next(node, x) {
                        Some(next) => node = next,
                        None => break,
                    }
                }
            }
        }
        self.learn_at(node, x, class, weight, guess, scratch);
    }

    /// Compares a node with its alternate.
    fn fate(&self, node: u32) -> Fate {
        let node = self.grown.nodes.at(node);
        let Some(alternate) = node.alternate else { return Fate::Grows };
        let (own, other) = (&node.data.errors, &self.grown.nodes.at(alternate).data.errors);
        let (n, m) = (own.width() as f64, other.width() as f64);
        if n <= ROWS_COMPARED || m <= ROWS_COMPARED {
            return Fate::Grows;
        }
        let (e, f) = (own.mean(), other.mean());
        let bound = (2.0 * e * (1.0 - e) * libm::log(2.0 / CONFIDENCE) * (1.0 / n + 1.0 / m)).sqrt();
        match e - f {
            better if better > bound => Fate::TakesOver,
            better if -better > bound => Fate::Dropped,
            _ => Fate::Grows,
        }
    }

    /// Puts a node's alternate in its place.
    fn take_over(&mut self, node: u32) {
        let Some(alternate) = self.grown.nodes.at(node).alternate else { return };
        let other = self.grown.nodes.at(alternate).clone();
        *self.grown.nodes.at_mut(node) = other;
        self.grown.alternates[1] += 1;
    }

    fn learn_at(&mut self, node: u32, x: &[f64], class: usize, weight: f64, guess: Guess, scratch: &mut Scratch) {
        let times = self.bootstrap.as_ref().map_or(1, |poisson| poisson.draw(&mut self.grown.random));
        let Some(leaf) = &mut self.grown.nodes.at_mut(node).data.leaf else { return };
        if times == 0 {
            return;
        }
        let weight = weight * f64::from(times);
        leaf.learn(x, &self.columns, &self.settings, (class, weight), guess, scratch.numbers());
        let seen = leaf.weight();
        if leaf.observed.is_some() && seen - leaf.looked_at >= self.settings.grace_period {
            leaf.looked_at = seen;
            self.look_for_split(node, seen);
        }
    }

    fn look_for_split(&mut self, node: u32, seen: f64) {
        let Some(leaf) = &self.grown.nodes.at(node).data.leaf else { return };
        let Some(observed) = &leaf.observed else { return };
        if leaf.is_pure() || leaf.depth >= self.settings.max_depth {
            return;
        }
        self.contest.hold(observed, &self.columns, self.grown.classes, &self.settings);
        let bound = self.settings.bound(&leaf.counts, seen);
        let Some(best) = &self.contest.best else { return };
        if best.merit - self.contest.second <= bound && bound >= self.settings.tie_threshold {
            return;
        }
        let Some(best) = self.contest.best.take() else { return };
        let depth = leaf.depth + 1;
        let branches: Vec<Watched> = best
            .branches
            .chunks_exact(self.grown.classes)
            .map(|counts| self.new_leaf(counts.to_vec(), depth))
            .collect();
        self.grown.nodes.at_mut(node).data.leaf = None;
        self.grown.nodes.split(node, best.split, branches.into_iter());
        self.keep_within_memory();
    }

    /// Stops the least promising leaves where the tree has become too large.
    fn keep_within_memory(&mut self) {
        if !is_time_to_count(self.grown.nodes.len(), &mut self.grown.counted) {
            return;
        }
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory {
            return;
        }
        let mut over = bytes - self.settings.max_memory;
        let mut order: Vec<&mut Leaf> =
            self.grown.nodes.iter_mut().filter_map(|node| node.data.leaf.as_mut()).collect();
        order.sort_by(|a, b| a.promise().total_cmp(&b.promise()));
        for leaf in order {
            over = over.saturating_sub(leaf.observed.as_ref().map_or(0, Observed::heap_bytes));
            leaf.observed = None;
            if over == 0 {
                break;
            }
        }
    }
}

impl RowModel for AdaptiveTree {
    type State = GrownAdaptive;
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
    }

    fn set_classes(&mut self, classes: usize) {
        self.grown.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        scores.fill(0.0);
        let voters = self.add_votes(0, x.dense, scratch, scores);
        if voters > 1 {
            let share = 1.0 / f64::from(voters);
            scores.iter_mut().for_each(|score| *score *= share);
        }
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch) {
        self.learn_row(x.dense, y as usize, weight, scratch);
    }

    /// Of the tree without its alternates: which of them vote depends on the row.
    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let GrownAdaptive { classes, nodes, .. } = &self.grown;
        let none = || Leaf::new(Vec::new(), 0, None).explained(*classes);
        let tree =
            ShapTree::new(nodes.parts(|node| node.leaf.as_ref().map_or_else(none, |leaf| leaf.explained(*classes))));
        Some(Box::new(Forest(Ensemble::mean_of(vec![(1.0, tree)]))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.kinds.len()];
        let GrownAdaptive { classes, nodes, .. } = &self.grown;
        let parts = nodes.parts(|node| node.leaf.as_ref().map_or_else(Vec::new, |leaf| leaf.counts.clone()));
        importance::add(&parts, |_, branches| self.settings.criterion.gain(branches, *classes), &mut importance);
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        &self.grown
    }

    fn set_state(&mut self, state: GrownAdaptive) -> Result<(), SnapshotError> {
        if state.classes != self.grown.classes {
            return Err(SnapshotError::Content("a tree whose classes are other ones".to_string()));
        }
        state.nodes.check(self.kinds.len(), |node| {
            let fits = |leaf: &Leaf| leaf.fits(&self.columns, &self.kinds, state.classes, &self.settings);
            node.split.is_none() == node.data.leaf.is_some() && node.data.leaf.as_ref().is_none_or(fits)
        })?;
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let of_leaf = |leaf: &Leaf| leaf.bytes() - size_of::<Leaf>();
        let nodes = self.grown.nodes.iter().map(|node| {
            size_of_val(node) + node.data.leaf.as_ref().map_or(0, of_leaf) + node.data.errors.state_bytes()
        });
        nodes.sum::<usize>() + self.kinds.len() + self.columns.heap_bytes()
    }
}
