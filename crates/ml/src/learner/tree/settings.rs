//! The options of Hoeffding trees for classes, declared and read.

use tidegate_options::{Kind, OptionDef, Options};

use super::criterion::Criterion;

const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0 };

/// What every Hoeffding tree takes.
pub(in crate::learner) const GROWTH: &[OptionDef] = &[
    OptionDef::new(
        "criterion",
        Kind::Choice(&["info_gain", "gini", "hellinger"]),
        "info_gain",
        "What a split is to improve. 'hellinger' does not mind how rare a class is.",
    ),
    OptionDef::new(
        "leaf_prediction",
        Kind::Choice(&["majority_class", "naive_bayes", "naive_bayes_adaptive"]),
        "naive_bayes_adaptive",
        "How a leaf predicts; adaptive: by whichever of the two has been right more often in the leaf.",
    ),
    OptionDef::new(
        "numeric_splits",
        Kind::Int { min: 1, max: 1000 },
        "10",
        "How many thresholds between the least and the most value of a number are tried.",
    ),
    OptionDef::new(
        "binary_splits",
        Kind::Bool,
        "false",
        "Whether a text splits into one category and the rest only, never into a branch a category.",
    ),
    OptionDef::new(
        "leaf_categories",
        Kind::Int { min: 2, max: 100_000 },
        "1000",
        "Most categories of a text that a leaf tells apart; later ones count as missing there.",
    ),
    OptionDef::new("min_branch_share", SHARE, "0.01", "Two branches at least must get this share of the rows."),
    OptionDef::optional("max_depth", Kind::Int { min: 0, max: 1000 }, "Most splits above a leaf."),
    OptionDef::new(
        "max_memory",
        Kind::Bytes,
        "64 mb",
        "Memory of a tree. Beyond it the least promising leaves stop looking for splits; they go on predicting.",
    ),
];

/// How eagerly a tree of its own splits (Domingos & Hulten 2000).
pub(in crate::learner) const CAREFUL: &[OptionDef] = &[
    OptionDef::new("grace_period", Kind::Int { min: 1, max: 1_000_000_000 }, "200", GRACE_DOC),
    OptionDef::new("split_confidence", SHARE, "0.001", CONFIDENCE_DOC),
    OptionDef::new("tie_threshold", SHARE, "0.05", TIE_DOC),
];

/// How eagerly a tree of a forest splits (Gomes et al. 2017).
pub(in crate::learner) const EAGER: &[OptionDef] = &[
    OptionDef::new("grace_period", Kind::Int { min: 1, max: 1_000_000_000 }, "50", GRACE_DOC),
    OptionDef::new("split_confidence", SHARE, "0.01", CONFIDENCE_DOC),
    OptionDef::new("tie_threshold", SHARE, "0.05", TIE_DOC),
];

const GRACE_DOC: &str = "Weight of rows that a leaf sees between two looks for a split.";
const CONFIDENCE_DOC: &str = "The probability that a split is not the best one, by Hoeffding's bound.";
const TIE_DOC: &str = "A leaf splits when the bound is below this, however near the best two splits are.";

/// How a leaf predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafPrediction {
    MajorityClass,
    NaiveBayes,
    Adaptive,
}

/// The options, read.
#[derive(Debug, Clone)]
pub(in crate::learner) struct Settings {
    pub(super) criterion: Criterion,
    pub(super) leaf_prediction: LeafPrediction,
    pub(super) grace_period: f64,
    pub(super) split_confidence: f64,
    pub(super) tie_threshold: f64,
    pub(super) numeric_splits: usize,
    pub(super) binary_splits: bool,
    pub(super) leaf_categories: usize,
    pub(super) min_branch_share: f64,
    pub(super) max_depth: u32,
    pub(super) max_memory: usize,
}

impl Settings {
    /// From options with [`GROWTH`] and [`CAREFUL`] or [`EAGER`].
    pub(in crate::learner) fn new(options: &Options) -> Self {
        Self {
            criterion: match options.text("criterion") {
                "gini" => Criterion::Gini,
                "hellinger" => Criterion::Hellinger,
                _ => Criterion::InfoGain,
            },
            leaf_prediction: match options.text("leaf_prediction") {
                "majority_class" => LeafPrediction::MajorityClass,
                "naive_bayes" => LeafPrediction::NaiveBayes,
                _ => LeafPrediction::Adaptive,
            },
            grace_period: options.int("grace_period") as f64,
            split_confidence: options.float("split_confidence").max(1e-300),
            tie_threshold: options.float("tie_threshold"),
            numeric_splits: usize::try_from(options.int("numeric_splits")).unwrap_or(1),
            binary_splits: options.bool("binary_splits"),
            leaf_categories: usize::try_from(options.int("leaf_categories")).unwrap_or(usize::MAX),
            min_branch_share: options.float("min_branch_share"),
            max_depth: match options.is_given("max_depth") {
                true => u32::try_from(options.int("max_depth")).unwrap_or(u32::MAX),
                false => u32::MAX,
            },
            max_memory: options
                .bytes("max_memory")
                .map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        }
    }
}
