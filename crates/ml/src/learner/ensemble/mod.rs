//! Ensembles: many trees, each of which sees the rows and features a little differently, vote.
//!
//! | algorithm | a tree sees a row | features | when a tree is replaced |
//! |---|---|---|---|
//! | `online_bagging` | `Poisson(1)` times | all | never |
//! | `online_boosting` | the more often the more trees before it were wrong | all | never |
//! | `leveraging_bagging` | `Poisson(6)` times | all | the worst, when ADWIN finds that the errors of any have risen |
//! | `adaptive_random_forest` | `Poisson(6)` times | by each leaf `√M + 1` others | when ADWIN finds that its errors have risen |
//! | `adaptive_random_forest_regressor` | the same | the same | the same |
//! | `streaming_random_patches` | `Poisson(6)` times | by the tree 60 % of them | the same |
//!
//! **Votes.** Of trees for numbers the mean of what they say; of others the classes' probabilities by each tree, added up; by its accuracy since it began where `weighted_votes` is set.
//! A tree's errors are those it makes on rows before it learns them.
//!
//! **Replacement.** At ADWIN's warning a tree begins to grow beside the one that errs, and sees the same rows; at its
//! alarm the new one takes the place of the old (Gomes et al. 2017, algorithm 2).
//!
//! **Threads.** Members of all but `online_boosting` and `leveraging_bagging` do not know of each other: each takes a whole block of rows on a thread of its own, with its own random
//! numbers, and votes are added up in the order of members. So results are the same for any number of threads, and for any
//! cutting of the stream into batches.
//!
//! **Cost a row.** That of a tree times the number of trees; twice where trees grow in the background. **Memory.** Bounded by
//! `max_memory`, of which each tree has its share. **Merging.** None, as for trees.

mod bagging;
mod boosting;
mod leveraging;
mod member;
mod settings;

use tidegate_options::Options;

use super::row_model::ByRow;
use super::tree::{self, HoeffdingTree, RegressionTree, RegressorSettings, Subspace};
use super::{Features, LearnerDef, Shape};
use crate::{Result, Task};
use bagging::Bagging;
use boosting::Boosting;
use leveraging::Leveraging;
use settings::Settings;

const MERGE: &str = "not at all: trees that have split differently have no common shape";
const NO_MERGE: &str = "ensembles of trees cannot be merged: what each has grown fits its own rows";

/// `online_bagging`: trees that each see a sample of the rows.
pub static ONLINE_BAGGING: LearnerDef = LearnerDef {
    name: "online_bagging",
    doc: "Hoeffding trees that each see a row as often as a sample with replacement would hold it (Oza & Russell 2001).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::BAGGING, tree::CAREFUL, tree::GROWTH],
    merge: MERGE,
    make: |options, shape| make("online_bagging", shape, Settings::bagging(options), options, Subspace::All),
};

/// `adaptive_random_forest`: trees that differ in rows and features, and are replaced when the stream changes.
pub static ADAPTIVE_RANDOM_FOREST: LearnerDef = LearnerDef {
    name: "adaptive_random_forest",
    doc: "A random forest for streams: each leaf looks at some features, and a tree whose errors rise is replaced by one that \
          has grown in the background (ARF: Gomes et al. 2017).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::FOREST, tree::EAGER, tree::GROWTH],
    merge: MERGE,
    make: |options, shape| {
        let subspace = Subspace::ByLeaf(settings::max_features(options)?);
        make("adaptive_random_forest", shape, Settings::adaptive(options), options, subspace)
    },
};

/// `streaming_random_patches`: each tree has its own features and its own sample of the rows.
pub static STREAMING_RANDOM_PATCHES: LearnerDef = LearnerDef {
    name: "streaming_random_patches",
    doc: "Trees that each have features and a sample of the rows of their own, and are replaced when their errors rise (SRP: \
          Gomes, Read & Bifet 2019).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::PATCHES, tree::EAGER, tree::GROWTH],
    merge: MERGE,
    make: |options, shape| {
        let subspace = Subspace::ByTree(settings::max_features(options)?);
        make("streaming_random_patches", shape, Settings::adaptive(options), options, subspace)
    },
};

/// `leveraging_bagging`: trees that see rows more often, the worst of which is replaced when the stream changes.
pub static LEVERAGING_BAGGING: LearnerDef = LearnerDef {
    name: "leveraging_bagging",
    doc: "Online bagging with more of each row, in which the worst tree is replaced when the errors of any have risen (Bifet, Holmes \
          & Pfahringer 2010).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::LEVERAGING, tree::CAREFUL, tree::GROWTH],
    merge: MERGE,
    make: |options, shape| {
        let settings = Settings { drift: options.float("drift_confidence"), ..Settings::bagging(options) };
        let plant = planter(options, Subspace::All, settings.members);
        Ok(Box::new(ByRow::new("leveraging_bagging", shape, Leveraging::new(&settings, plant))))
    },
};

/// `online_boosting`: trees that each mind what those before them got wrong.
pub static ONLINE_BOOSTING: LearnerDef = LearnerDef {
    name: "online_boosting",
    doc: "Hoeffding trees one after the other, each of which learns a row the more often the more of those before it were wrong (Oza \
          & Russell 2001).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[settings::BOOSTING, tree::CAREFUL, tree::GROWTH],
    merge: MERGE,
    make: |options, shape| {
        let settings = Settings::boosting(options);
        let plant = planter(options, Subspace::All, settings.members);
        Ok(Box::new(ByRow::new("online_boosting", shape, Boosting::new(&settings, plant))))
    },
};

/// `adaptive_random_forest_regressor`: the forest for numbers.
pub static ADAPTIVE_RANDOM_FOREST_REGRESSOR: LearnerDef = LearnerDef {
    name: "adaptive_random_forest_regressor",
    doc: "A random forest for numbers: as adaptive_random_forest, of trees for numbers whose answers are averaged, by how near each \
          has been (ARF-Reg: Gomes et al. 2018).",
    tasks: &[Task::Regression],
    features: Features::TABLE,
    options: &[settings::FOREST, tree::EAGER, tree::REGRESSOR],
    merge: MERGE,
    make: |options, shape| {
        let settings = Settings::adaptive(options);
        let subspace = Subspace::ByLeaf(settings::max_features(options)?);
        let tree = RegressorSettings::new(options).sharing_memory(2 * settings.members);
        let plant = |seed| RegressionTree::new(tree.clone(), subspace, seed);
        Ok(Box::new(Bagging::new("adaptive_random_forest_regressor", shape, settings, plant)))
    },
};

/// What makes one of so many trees for classes of a seed. A tree may have another beside it.
fn planter(options: &Options, subspace: Subspace, members: usize) -> impl Fn(u64) -> HoeffdingTree + use<> {
    let tree = tree::Settings::new(options).sharing_memory(2 * members);
    move |seed| HoeffdingTree::new(tree.clone(), subspace, seed)
}

fn make(
    name: &'static str,
    shape: Shape,
    settings: Settings,
    options: &Options,
    subspace: Subspace,
) -> Result<Box<dyn super::Learner>> {
    let plant = planter(options, subspace, settings.members);
    Ok(Box::new(Bagging::new(name, shape, settings, plant)))
}
