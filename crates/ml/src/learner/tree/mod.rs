//! Trees that grow as rows come.
//!
//! | algorithm | task | when it splits | when it forgets |
//! |---|---|---|---|
//! | `hoeffding_tree` | classification | once the best split is almost surely the best | never |
//!
//! **Shapes.** Numbers and texts as they are; any may be missing: such rows change nothing about the feature, and go to the
//! branch with most rows. What is one-hot encoded or hashed is refused, since a tree has no use for it.
//!
//! **Cost a row.** The way down, then a pass over the leaf's features to learn and, with naive Bayes, one a class to predict;
//! a look for splits every grace period. **Memory.** A leaf has 48 bytes a number and class met there, 8 a category and class;
//! `max_memory` bounds a tree.
//!
//! **Merging.** None: two trees that have split differently have no common shape. Train one tree, or a forest.

mod criterion;
mod hoeffding;
mod leaf;
mod settings;
mod split;

use super::row_model::ByRow;
use super::{Features, LearnerDef};
use crate::Task;
use hoeffding::HoeffdingTree;
use settings::Settings;

const MERGE: &str = "not at all: trees that have split differently have no common shape";

/// `hoeffding_tree`: a tree for classes that is almost what all rows together would grow.
pub static HOEFFDING_TREE: LearnerDef = LearnerDef {
    name: "hoeffding_tree",
    doc: "A decision tree that splits a leaf once the best split is almost surely the best, by Hoeffding's bound (VFDT: Domingos \
          & Hulten 2000), with naive Bayes in its leaves where that is better (Holmes, Kirkby & Pfahringer 2005).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::CAREFUL, settings::GROWTH],
    merge: MERGE,
    make: |options, shape| {
        Ok(Box::new(ByRow::new("hoeffding_tree", shape, HoeffdingTree::new(Settings::new(options), None))))
    },
};
