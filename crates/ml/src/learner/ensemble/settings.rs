//! The options of ensembles, declared and read.

use tidegate_options::{Kind, OptionDef, Options};

use crate::learner::tree;
use crate::{Error, Result};

const SEED: OptionDef =
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What everything at random is drawn by.");
const MEMBERS: OptionDef =
    OptionDef::new("n_models", Kind::Int { min: 1, max: 1000 }, "10", "How many trees there are.");
const MEMORY: OptionDef = OptionDef::new(
    "max_memory",
    Kind::Bytes,
    "256 mb",
    "Memory of all trees together. Beyond its share the least promising leaves of a tree stop looking for splits.",
);

const fn lambda(default: &'static str) -> OptionDef {
    OptionDef::new(
        "lambda",
        Kind::Float { min: 0.01, max: 10.0 },
        default,
        "The mean of how often a tree sees a row, by a Poisson distribution.",
    )
}

const fn confidence(name: &'static str, default: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, Kind::Float { min: 1e-12, max: 1.0 }, default, doc)
}

/// What watches a tree.
const WARNING: OptionDef = confidence(
    "warning_confidence",
    "0.01",
    "ADWIN's confidence (delta) that the errors of a tree have risen, at which another begins to grow beside it.",
);
const DRIFT: OptionDef = confidence(
    "drift_confidence",
    "0.001",
    "ADWIN's confidence (delta) that the errors of a tree have risen, at which it is replaced.",
);
const WEIGHTED: OptionDef = OptionDef::new(
    "weighted_votes",
    Kind::Bool,
    "true",
    "Whether a tree's vote counts by how often it has been right, or as much as any.",
);

const MAX_FEATURES: OptionDef = OptionDef::new(
    "max_features",
    Kind::Text,
    "0.6",
    "How many features are drawn to look at: a share of them, or 'sqrt' for the root of how many there are, and one more.",
);

/// How many features are drawn.
pub(super) fn max_features(options: &Options) -> Result<tree::Size> {
    match options.text("max_features") {
        "sqrt" => Ok(tree::Size::Root),
        text => match text.parse() {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(tree::Size::Share(share)),
            _ => Err(Error::Spec(format!(
                "option 'max_features' is '{text}'; expected 'sqrt', or a share above 0 and up to 1"
            ))),
        },
    }
}

/// What an adaptive random forest takes.
pub(super) const FOREST: &[OptionDef] = &[MEMBERS, lambda("6"), MAX_FEATURES, WARNING, DRIFT, WEIGHTED, SEED, MEMORY];

/// What streaming random patches take.
pub(super) const PATCHES: &[OptionDef] = &[MEMBERS, lambda("6"), MAX_FEATURES, WARNING, DRIFT, WEIGHTED, SEED, MEMORY];

/// What online bagging takes.
pub(super) const BAGGING: &[OptionDef] = &[MEMBERS, lambda("1"), SEED, MEMORY];

/// What leveraging bagging takes.
pub(super) const LEVERAGING: &[OptionDef] = &[
    MEMBERS,
    lambda("6"),
    confidence(
        "drift_confidence",
        "0.002",
        "ADWIN's confidence (delta) that the errors of a tree have risen, at which the worst tree is replaced.",
    ),
    SEED,
    MEMORY,
];

/// What online boosting takes.
pub(super) const BOOSTING: &[OptionDef] = &[MEMBERS, SEED, MEMORY];

/// The options, read.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) members: usize,
    pub(super) lambda: f64,
    /// Whether trees are watched and replaced.
    pub(super) adapts: bool,
    pub(super) warning: f64,
    pub(super) drift: f64,
    pub(super) weighted_votes: bool,
    pub(super) seed: u64,
}

impl Settings {
    /// Of an ensemble whose members are watched and replaced.
    pub(super) fn adaptive(options: &Options) -> Self {
        Self {
            adapts: true,
            warning: options.float("warning_confidence"),
            drift: options.float("drift_confidence"),
            weighted_votes: options.bool("weighted_votes"),
            ..Self::bagging(options)
        }
    }

    /// Of an ensemble whose members go on for ever.
    pub(super) fn bagging(options: &Options) -> Self {
        Self { lambda: options.float("lambda"), ..Self::unwatched(options) }
    }

    /// Of an ensemble whose members see a row as often as those before them say.
    pub(super) fn boosting(options: &Options) -> Self {
        Self::unwatched(options)
    }

    fn unwatched(options: &Options) -> Self {
        Self {
            members: usize::try_from(options.int("n_models")).unwrap_or(1),
            lambda: 1.0,
            adapts: false,
            warning: 1.0,
            drift: 1.0,
            weighted_votes: false,
            seed: options.int("seed").unsigned_abs(),
        }
    }
}
