//! Trees that grow as rows come.
//!
//! | algorithm | task | when it splits | when it forgets |
//! |---|---|---|---|
//! | `hoeffding_tree` | classification | once the best split is almost surely the best | never |
//! | `hoeffding_adaptive_tree` | classification | the same | where errors have risen, once a new branch errs less |
//! | `efdt` | classification | once the best split is almost surely better than none | when a split turns out second best |
//! | `hoeffding_tree_regressor` | regression | once the best split is almost surely the best | never |
//! | `fimt_dd` | regression | the same | where errors have risen, once a new branch errs less |
//!
//! **Shapes.** Numbers and texts as they are; any may be missing: such rows change nothing about the feature, and go to the
//! branch with most rows. What is one-hot encoded or hashed is refused, since a tree has no use for it.
//!
//! **Cost a row.** The way down, then a pass over the leaf's features to learn and, with naive Bayes, one a class to predict;
//! a look for splits every grace period. **Memory.** A leaf has 48 bytes a number and class met there, 8 a category and class;
//! with histograms 8 more a bin and class; `max_memory` bounds a tree.
//!
//! **Merging.** None: two trees that have split differently have no common shape. Train one tree, or a forest.

mod adaptive;
mod arena;
mod class_histogram;
mod criterion;
mod efdt;
mod fimt_dd;
mod histogram;
mod hoeffding;
mod leaf;
mod linear;
mod moments;
mod nodes;
mod observer;
mod regression_leaf;
mod regressor;
mod settings;
mod split;

use super::row_model::{ByRow, RowModel};
use super::{Features, LearnerDef};
use crate::Task;
use crate::explain::Importance;
use crate::explain::tree::ShapTree;
use adaptive::AdaptiveTree;
use efdt::Efdt;
use fimt_dd::FimtDd;
pub(super) use hoeffding::{Grown, HoeffdingTree, Size, Subspace};
pub(super) use leaf::{Scratch, largest};
pub(super) use regression_leaf::RegressorScratch;
pub(super) use regressor::{GrownRegressor, RegressionTree};
pub(super) use settings::{BOOSTED, CAREFUL, EAGER, GROWTH, REGRESSOR, RegressorSettings, Settings};
pub(super) use split::Split;

/// A tree that an ensemble can have as a member.
pub(super) trait Tree: RowModel {
    /// A tree of the same features, classes and options that has learned nothing.
    fn sapling(&self, seed: u64) -> Self;

    /// All that it has learned.
    fn grown(&self) -> &Self::State;

    /// It as it is explained: a probability a class, or the number.
    fn explained(&self) -> ShapTree<Split>;

    /// Adds what its splits have done, by feature.
    fn add_importance(&self, importance: &mut [Importance]);
}

const MERGE: &str = "not at all: trees that have split differently have no common shape";

/// `hoeffding_tree`: a tree for classes that is almost what all rows together would grow.
pub static HOEFFDING_TREE: LearnerDef = LearnerDef {
    name: "hoeffding_tree",
    doc: "A decision tree that splits a leaf once the best split is almost surely the best, by Hoeffding's bound (VFDT: Domingos \
          & Hulten 2000), with naive Bayes in its leaves where that is better (Holmes, Kirkby & Pfahringer 2005).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::CAREFUL, settings::GROWTH, settings::MEMORY],
    merge: MERGE,
    make: |options, shape| {
        let tree = HoeffdingTree::new(Settings::new(options), Subspace::All, 0);
        Ok(Box::new(ByRow::new("hoeffding_tree", shape, tree)))
    },
};

/// `hoeffding_adaptive_tree`: a tree that replaces branches whose errors have risen.
pub static HOEFFDING_ADAPTIVE_TREE: LearnerDef = LearnerDef {
    name: "hoeffding_adaptive_tree",
    doc: "A Hoeffding tree whose branches are replaced by new ones where ADWIN finds that errors have risen (HAT: Bifet & Gavaldà \
          2009).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::ADAPTIVE, settings::CAREFUL, settings::GROWTH, settings::MEMORY],
    merge: MERGE,
    make: |options, shape| {
        let (drift, bootstrap) = (options.float("drift_confidence"), options.bool("bootstrap_sampling"));
        let seed = options.int("seed").unsigned_abs();
        let tree = AdaptiveTree::new(Settings::new(options), drift, bootstrap, seed);
        Ok(Box::new(ByRow::new("hoeffding_adaptive_tree", shape, tree)))
    },
};

/// `efdt`: a tree that splits early and thinks again.
pub static EFDT: LearnerDef = LearnerDef {
    name: "efdt",
    doc: "A tree that splits a leaf once the best split is almost surely better than none, and puts a better split in the place of \
          one that turns out second best (extremely fast decision tree: Manapragada, Webb & Salehi 2018).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::REEVALUATION, settings::CAREFUL, settings::GROWTH, settings::MEMORY],
    merge: MERGE,
    make: |options, shape| {
        let tree = Efdt::new(Settings::new(options), options.int("reevaluation_period") as f64);
        Ok(Box::new(ByRow::new("efdt", shape, tree)))
    },
};

/// `hoeffding_tree_regressor`: a tree for numbers.
pub static HOEFFDING_TREE_REGRESSOR: LearnerDef = LearnerDef {
    name: "hoeffding_tree_regressor",
    doc: "A tree for numbers that splits a leaf once the best split is almost surely the best, with a mean or a linear model in \
          each leaf (FIMT: Ikonomovska, Gama & Džeroski 2011).",
    tasks: &[Task::Regression],
    features: Features::TABLE,
    options: &[settings::CAREFUL, settings::REGRESSOR, settings::MEMORY],
    merge: MERGE,
    make: |options, shape| {
        let tree = RegressionTree::new(RegressorSettings::new(options), Subspace::All, 0);
        Ok(Box::new(ByRow::new("hoeffding_tree_regressor", shape, tree)))
    },
};

/// `fimt_dd`: a tree for numbers that replaces branches whose errors have risen.
pub static FIMT_DD: LearnerDef = LearnerDef {
    name: "fimt_dd",
    doc: "A tree for numbers, as hoeffding_tree_regressor, whose branches are replaced by new ones where the test of Page and Hinkley \
          finds that errors have risen (FIMT-DD: Ikonomovska, Gama & Džeroski 2011).",
    tasks: &[Task::Regression],
    features: Features::TABLE,
    options: &[settings::CHANGE, settings::CAREFUL, settings::REGRESSOR, settings::MEMORY],
    merge: MERGE,
    make: |options, shape| {
        let tree = FimtDd::new(RegressorSettings::new(options), settings::ChangeSettings::new(options));
        Ok(Box::new(ByRow::new("fimt_dd", shape, tree)))
    },
};
