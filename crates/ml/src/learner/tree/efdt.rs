//! The extremely fast decision tree.
//!
//! **Idea.** A leaf splits as soon as the best split is almost surely better than none, not better than the second; and every node
//! goes on learning, so that a split that turns out to be second best is put in its place (Manapragada, Webb & Salehi 2018,
//! "Extremely fast decision tree", algorithms 1–3).
//!
//! **Formula.** With `ε` as for the Hoeffding tree: a leaf splits when `G(best) > ε`, or `ε` is below the tie threshold. A node
//! that has split looks again every `reevaluation_period`: when the best split is about another feature or category and
//! `G(best) − G(present) > ε`, it takes the place of the present one; when no split is as good as none, the node is a leaf again.

use serde::{Deserialize, Serialize};

use super::arena::Arena;
use super::hoeffding::is_time_to_count;
use super::leaf::{Guess, Leaf, Scratch};
use super::observer::Observed;
use super::settings::Settings;
use super::split::{Contest, Question, Split};
use crate::block::Row;
use crate::explain::tree::ShapTree;
use crate::explain::{Ensemble, Explainer, Forest, Importance, importance};
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;
use crate::learner::row_model::RowModel;
use crate::snapshot::SnapshotError;

/// An extremely fast decision tree.
#[derive(Debug)]
pub(super) struct Efdt {
    settings: Settings,
    reevaluation_period: f64,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    grown: GrownEfdt,
    contest: Contest,
}

/// All that a tree has learned: a leaf's knowledge in every node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GrownEfdt {
    classes: usize,
    nodes: Arena<Leaf>,
    /// How many nodes there were when memory was counted last.
    counted: usize,
}

/// Whether two splits ask about the same: a threshold may differ.
fn alike(a: &Split, b: &Split) -> bool {
    a.feature == b.feature
        && match (a.question, b.question) {
            (Question::AtMost(_), Question::AtMost(_)) => true,
            (a, b) => a == b,
        }
}

impl Efdt {
    pub(super) fn new(settings: Settings, reevaluation_period: f64) -> Self {
        let grown = GrownEfdt { classes: 0, nodes: Arena::new(Leaf::new(Vec::new(), 0, None)), counted: 0 };
        let (kinds, columns) = (Vec::new(), Columns::default());
        Self { settings, reevaluation_period, kinds, columns, grown, contest: Contest::default() }
    }

    /// Learns a row in every node on its way, `guess` being what the leaf said.
    fn learn_with(&mut self, x: &[f64], class: usize, weight: f64, guess: Guess, scratch: &mut Scratch) {
        let mut node = 0;
        loop {
            let next = self.grown.nodes.next(node, x);
            let here = &mut self.grown.nodes.at_mut(node).data;
            // Only a leaf has guessed.
            let guess = if next.is_none() { guess } else { Guess::default() };
            here.learn(x, &self.columns, &self.settings, (class, weight), guess, scratch.numbers());
            let seen = here.weight();
            let period = if next.is_none() { self.settings.grace_period } else { self.reevaluation_period };
            if here.observed.is_some() && seen - here.looked_at >= period {
                here.looked_at = seen;
                if self.look_for_split(node) {
                    // What hung here is gone; the row was learned on the way to it.
                    return;
                }
            }
            match next {
                Some(next) => node = next,
                None => return,
            }
        }
    }

    /// Says whether the node was changed.
    fn look_for_split(&mut self, node: u32) -> bool {
        let here = self.grown.nodes.at(node);
        let (present, leaf) = (here.split.map(|(split, _)| split), &here.data);
        let Some(observed) = &leaf.observed else { return false };
        if leaf.is_pure() || (present.is_none() && leaf.depth >= self.settings.max_depth) {
            return false;
        }
        self.contest.hold(observed, &self.columns, self.grown.classes, &self.settings);
        let (bound, tie) = (self.settings.bound(&leaf.counts, leaf.weight()), self.settings.tie_threshold);
        let Some(present) = present else {
            let splits = self.contest.best.as_ref().is_some_and(|best| best.merit > bound || bound < tie);
            return splits && self.split(node);
        };
        let Some(best) = &self.contest.best else {
            self.grown.nodes.at_mut(node).split = None;
            self.grown.nodes.tidy();
            return true;
        };
        if alike(&best.split, &present) {
            return false;
        }
        let most = best.merit;
        let merit = self.contest.merit_of(&present, observed, &self.columns, self.grown.classes, &self.settings);
        let margin = most - merit;
        (margin > bound || (bound < tie && margin > tie / 2.0)) && self.split(node)
    }

    /// Gives a node the best split of the contest. Its branches begin anew.
    fn split(&mut self, node: u32) -> bool {
        let Some(best) = self.contest.best.take() else { return false };
        let had_split = self.grown.nodes.at(node).split.is_some();
        let depth = self.grown.nodes.at(node).data.depth + 1;
        let branches = best.branches.chunks_exact(self.grown.classes);
        self.grown.nodes.split(node, best.split, branches.map(|counts| Leaf::new(counts.to_vec(), depth, None)));
        if had_split {
            self.grown.nodes.tidy();
        }
        self.keep_within_memory();
        true
    }

    /// Stops the least promising nodes where the tree has become too large.
    fn keep_within_memory(&mut self) {
        if !is_time_to_count(self.grown.nodes.len(), &mut self.grown.counted) {
            return;
        }
        let bytes = self.heap_bytes();
        if bytes <= self.settings.max_memory {
            return;
        }
        let bytes_of = |leaf: &Leaf| leaf.observed.as_ref().map_or(0, Observed::heap_bytes);
        let mut order: Vec<(f64, usize)> =
            self.grown.nodes.iter().enumerate().map(|(at, node)| (node.data.promise(), at)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut over = bytes - self.settings.max_memory;
        for (_, at) in order {
            let leaf = &mut self.grown.nodes.at_mut(at as u32).data;
            over = over.saturating_sub(bytes_of(leaf));
            leaf.observed = None;
            if over == 0 {
                break;
            }
        }
    }
}

impl RowModel for Efdt {
    type State = GrownEfdt;
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
    }

    fn set_classes(&mut self, classes: usize) {
        self.grown.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        let leaf = &self.grown.nodes.at(self.grown.nodes.leaf(0, x.dense)).data;
        leaf.predict(x.dense, &self.columns, &self.settings, false, scratch.numbers(), scores);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch) {
        let leaf = &self.grown.nodes.at(self.grown.nodes.leaf(0, x.dense)).data;
        let (numbers, probabilities) = scratch.split(self.grown.classes);
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, numbers, probabilities);
        self.learn_with(x.dense, y as usize, weight, guess, scratch);
    }

    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch, scores: &mut [f64]) {
        let leaf = &self.grown.nodes.at(self.grown.nodes.leaf(0, x.dense)).data;
        let guess = leaf.predict(x.dense, &self.columns, &self.settings, true, scratch.numbers(), scores);
        self.learn_with(x.dense, y as usize, weight, guess, scratch);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let GrownEfdt { classes, nodes, .. } = &self.grown;
        let tree = ShapTree::new(nodes.parts(|leaf| leaf.explained(*classes)));
        Some(Box::new(Forest(Ensemble::mean_of(vec![(1.0, tree)]))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.kinds.len()];
        let GrownEfdt { classes, nodes, .. } = &self.grown;
        let parts = nodes.parts(|leaf| leaf.counts.clone());
        importance::add(&parts, |_, branches| self.settings.criterion.gain(branches, *classes), &mut importance);
        Some(importance)
    }

    fn state(&self) -> impl Serialize {
        &self.grown
    }

    fn set_state(&mut self, state: GrownEfdt) -> Result<(), SnapshotError> {
        if state.classes != self.grown.classes {
            return Err(SnapshotError::Content("a tree whose classes are other ones".to_string()));
        }
        let fits = |leaf: &Leaf| leaf.fits(&self.columns, &self.kinds, state.classes, &self.settings);
        state.nodes.check(self.kinds.len(), |node| fits(&node.data))?;
        self.grown = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let nodes: usize = self.grown.nodes.iter().map(|node| 24 + node.data.bytes()).sum();
        nodes + self.kinds.len() + self.columns.heap_bytes()
    }
}
