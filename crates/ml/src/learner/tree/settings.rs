//! The options of trees, declared and read.

use tidegate_options::{Kind, OptionDef, Options};

use super::criterion::Criterion;
use super::regression_leaf::LeafModel;
use crate::drift::{Direction, PageHinkleySettings};

const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0 };

const BINS: OptionDef = OptionDef::new(
    "bins",
    Kind::Int { min: 2, max: 10_000 },
    "64",
    "Most bins of the values of a number in a leaf, where there is a histogram.",
);
const BINARY_SPLITS: OptionDef = OptionDef::new(
    "binary_splits",
    Kind::Bool,
    "false",
    "Whether a text splits into one category and the rest only, never into a branch a category.",
);
const LEAF_CATEGORIES: OptionDef = OptionDef::new(
    "leaf_categories",
    Kind::Int { min: 2, max: 100_000 },
    "1000",
    "Most categories of a text that a leaf tells apart; later ones count as missing there.",
);
const MIN_BRANCH_SHARE: OptionDef =
    OptionDef::new("min_branch_share", SHARE, "0.01", "Two branches at least must get this share of the rows.");
const MAX_DEPTH: OptionDef =
    OptionDef::optional("max_depth", Kind::Int { min: 0, max: 1000 }, "Most splits above a leaf.");

/// What every Hoeffding tree for classes takes.
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
        "numeric_observer",
        Kind::Choice(&["gaussian", "histogram"]),
        "gaussian",
        "What thresholds of a number are found by: a normal distribution a class, or a histogram, which is slower, finds \
         bands and minds no outlier.",
    ),
    OptionDef::new(
        "numeric_splits",
        Kind::Int { min: 1, max: 1000 },
        "10",
        "How many thresholds between the least and the most value of a number are tried by 'gaussian'.",
    ),
    BINS,
    BINARY_SPLITS,
    LEAF_CATEGORIES,
    MIN_BRANCH_SHARE,
    MAX_DEPTH,
];

/// How large a tree of its own may become.
pub(in crate::learner) const MEMORY: &[OptionDef] = &[OptionDef::new(
    "max_memory",
    Kind::Bytes,
    "64 mb",
    "Memory of the tree. Beyond it the least promising leaves stop looking for splits; they go on predicting.",
)];

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

/// How eagerly a tree that is a boosting step splits (Gunasekara et al. 2024).
pub(in crate::learner) const BOOSTED: &[OptionDef] = &[
    OptionDef::new("grace_period", Kind::Int { min: 1, max: 1_000_000_000 }, "25", GRACE_DOC),
    OptionDef::new("split_confidence", SHARE, "0.05", CONFIDENCE_DOC),
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

/// What thresholds of a number are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumericObserver {
    Gaussian,
    Histogram { bins: usize },
}

/// The options, read.
#[derive(Debug, Clone)]
pub(in crate::learner) struct Settings {
    pub(super) criterion: Criterion,
    pub(super) leaf_prediction: LeafPrediction,
    pub(super) numeric_observer: NumericObserver,
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
    /// For one of so many trees that have the memory together.
    pub(in crate::learner) fn sharing_memory(self, trees: usize) -> Self {
        Self { max_memory: self.max_memory / trees.max(1), ..self }
    }

    /// Hoeffding's bound where classes have these weights, which come to `seen`.
    pub(super) fn bound(&self, counts: &[f64], seen: f64) -> f64 {
        let met = counts.iter().filter(|count| **count > 0.0).count();
        let range = self.criterion.range(met);
        (range * range * -libm::log(self.split_confidence) / (2.0 * seen)).sqrt()
    }

    /// From options with `max_memory`, [`GROWTH`] and [`CAREFUL`] or [`EAGER`].
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
            numeric_observer: match options.text("numeric_observer") {
                "histogram" => NumericObserver::Histogram { bins: count(options, "bins") },
                _ => NumericObserver::Gaussian,
            },
            grace_period: options.int("grace_period") as f64,
            split_confidence: options.float("split_confidence").max(1e-300),
            tie_threshold: options.float("tie_threshold"),
            numeric_splits: count(options, "numeric_splits"),
            binary_splits: options.bool("binary_splits"),
            leaf_categories: count(options, "leaf_categories"),
            min_branch_share: options.float("min_branch_share"),
            max_depth: max_depth(options),
            max_memory: max_memory(options),
        }
    }
}

/// What the adaptive tree takes besides.
pub(super) const ADAPTIVE: &[OptionDef] = &[
    OptionDef::new(
        "drift_confidence",
        Kind::Float { min: 1e-12, max: 1.0 },
        "0.002",
        "ADWIN's confidence (delta) that the errors below a node have risen, at which a new branch begins to grow.",
    ),
    OptionDef::new(
        "bootstrap_sampling",
        Kind::Bool,
        "true",
        "Whether a row comes to leaves Poisson(1) times, or once.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What everything at random is drawn by."),
];

/// What the extremely fast decision tree takes besides.
pub(super) const REEVALUATION: &[OptionDef] = &[OptionDef::new(
    "reevaluation_period",
    Kind::Int { min: 1, max: 1_000_000_000 },
    "2000",
    "Weight of rows that a split sees between two looks for a better one.",
)];

/// What a tree for numbers takes besides how eagerly it splits, and its memory.
pub(in crate::learner) const REGRESSOR: &[OptionDef] = &[
    OptionDef::new(
        "leaf_model",
        Kind::Choice(&["mean", "linear", "adaptive"]),
        "adaptive",
        "How a leaf predicts; adaptive: by whichever of the two has been nearer of late in the leaf.",
    ),
    OptionDef::new(
        "leaf_learning_rate",
        Kind::Float { min: 0.0, max: 1.0 },
        "0.2",
        "How far the linear model of a leaf moves at each row, of all the way to the target.",
    ),
    BINS,
    BINARY_SPLITS,
    LEAF_CATEGORIES,
    MIN_BRANCH_SHARE,
    MAX_DEPTH,
];

/// The options of a tree for numbers, read.
#[derive(Debug, Clone)]
pub(in crate::learner) struct RegressorSettings {
    pub(super) leaf_model: LeafModel,
    pub(super) leaf_rate: f64,
    pub(super) bins: usize,
    pub(super) grace_period: f64,
    pub(super) split_confidence: f64,
    pub(super) tie_threshold: f64,
    pub(super) binary_splits: bool,
    pub(super) leaf_categories: usize,
    pub(super) min_branch_share: f64,
    pub(super) max_depth: u32,
    pub(super) max_memory: usize,
}

impl RegressorSettings {
    /// For one of so many trees that have the memory together.
    pub(in crate::learner) fn sharing_memory(self, trees: usize) -> Self {
        Self { max_memory: self.max_memory / trees.max(1), ..self }
    }

    /// From options with `max_memory`, [`REGRESSOR`] and [`CAREFUL`], [`EAGER`] or [`BOOSTED`].
    pub(in crate::learner) fn new(options: &Options) -> Self {
        Self {
            leaf_model: match options.text("leaf_model") {
                "mean" => LeafModel::Mean,
                "linear" => LeafModel::Linear,
                _ => LeafModel::Adaptive,
            },
            leaf_rate: options.float("leaf_learning_rate"),
            bins: count(options, "bins"),
            grace_period: options.int("grace_period") as f64,
            split_confidence: options.float("split_confidence").max(1e-300),
            tie_threshold: options.float("tie_threshold"),
            binary_splits: options.bool("binary_splits"),
            leaf_categories: count(options, "leaf_categories"),
            min_branch_share: options.float("min_branch_share"),
            max_depth: max_depth(options),
            max_memory: max_memory(options),
        }
    }
}

/// What FIMT-DD takes besides.
pub(super) const CHANGE: &[OptionDef] = &[
    OptionDef::new(
        "drift_threshold",
        Kind::Float { min: 0.0, max: 1e6 },
        "50",
        "How far the errors below a split may add up above their mean until a new branch begins to grow, in deviations of the \
         targets (lambda of Page and Hinkley).",
    ),
    OptionDef::new(
        "drift_delta",
        Kind::Float { min: 0.0, max: 1e6 },
        "0.005",
        "Errors above their mean by up to this are none, in deviations of the targets (delta of Page and Hinkley).",
    ),
    OptionDef::new(
        "fading_factor",
        SHARE,
        "0.995",
        "How much of its squared errors a branch keeps with each row, when it is compared with the new one.",
    ),
    OptionDef::new(
        "comparison_period",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "150",
        "Rows between two comparisons of a branch with the new one.",
    ),
    OptionDef::new(
        "alternate_period",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "1500",
        "Rows after which a new branch that has not become better is dropped.",
    ),
];

/// The options of FIMT-DD, read.
#[derive(Debug, Clone)]
pub(super) struct ChangeSettings {
    pub(super) test: PageHinkleySettings,
    pub(super) fading_factor: f64,
    pub(super) comparison_period: u64,
    pub(super) alternate_period: u64,
}

impl ChangeSettings {
    /// From options with [`CHANGE`].
    pub(super) fn new(options: &Options) -> Self {
        Self {
            // The paper's test forgets nothing.
            test: PageHinkleySettings {
                threshold: options.float("drift_threshold"),
                delta: options.float("drift_delta"),
                alpha: 1.0,
                mode: Direction::Up,
                ..PageHinkleySettings::default()
            },
            fading_factor: options.float("fading_factor"),
            comparison_period: options.int("comparison_period").unsigned_abs(),
            alternate_period: options.int("alternate_period").unsigned_abs(),
        }
    }
}

fn count(options: &Options, name: &str) -> usize {
    usize::try_from(options.int(name)).unwrap_or(usize::MAX)
}

fn max_depth(options: &Options) -> u32 {
    if options.is_given("max_depth") { u32::try_from(options.int("max_depth")).unwrap_or(u32::MAX) } else { u32::MAX }
}

fn max_memory(options: &Options) -> usize {
    options.bytes("max_memory").map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}
