//! The options of gradient boosting, declared and read.

use tidegate_options::{Kind, OptionDef, Options};

pub(super) const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "rounds",
        Kind::Int { min: 1, max: 100_000 },
        "100",
        "How many trees there are one after the other; of more than two classes one a class each time.",
    ),
    OptionDef::new("learning_rate", Kind::Float { min: 1e-6, max: 1.0 }, "0.1", "How much of a tree's step is taken."),
    OptionDef::new("max_leaves", Kind::Int { min: 2, max: 65_536 }, "31", "Most leaves of a tree."),
    OptionDef::optional("max_depth", Kind::Int { min: 1, max: 1000 }, "Most splits above a leaf."),
    OptionDef::new("min_samples_leaf", Kind::Int { min: 1, max: 1_000_000_000 }, "20", "Least rows of a leaf."),
    OptionDef::new(
        "l2",
        Kind::Float { min: 0.0, max: 1e9 },
        "0.0",
        "Makes the steps of leaves smaller: it is added to the second derivatives of their rows.",
    ),
    OptionDef::new(
        "max_bins",
        Kind::Int { min: 2, max: 255 },
        "255",
        "Most ranges of a number, and most categories of a text, that are told apart.",
    ),
    OptionDef::new(
        "max_classes",
        Kind::Int { min: 2, max: 10_000 },
        "100",
        "Most classes that get trees, the commonest first; others are predicted by their share of the rows.",
    ),
    OptionDef::new(
        "min_rows",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "1000",
        "After how many rows trees are first fitted. Before that, shares of classes or the mean are predicted.",
    ),
    OptionDef::new(
        "refit_factor",
        Kind::Float { min: 1.01, max: 1000.0 },
        "2.0",
        "Trees are fitted anew at this many times the rows of the last time, or when all rows kept are new.",
    ),
    OptionDef::new(
        "max_rows",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "200000",
        "How many of the latest rows are kept, to be fitted to.",
    ),
    OptionDef::new(
        "max_memory",
        Kind::Bytes,
        "512 mb",
        "Memory of rows and histograms. Fewer rows are kept than max_rows where they need more.",
    ),
];

/// The options, read.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) rounds: usize,
    pub(super) learning_rate: f64,
    pub(super) max_leaves: usize,
    pub(super) max_depth: u32,
    pub(super) min_samples_leaf: u64,
    pub(super) l2: f64,
    pub(super) max_bins: usize,
    pub(super) max_classes: usize,
    pub(super) min_rows: u64,
    pub(super) refit_factor: f64,
    max_rows: usize,
    max_memory: usize,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Self {
        let count = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        let depth = || u32::try_from(options.int("max_depth")).unwrap_or(u32::MAX);
        Self {
            rounds: count("rounds"),
            learning_rate: options.float("learning_rate"),
            max_leaves: count("max_leaves"),
            max_depth: if options.is_given("max_depth") { depth() } else { u32::MAX },
            min_samples_leaf: options.int("min_samples_leaf").unsigned_abs(),
            l2: options.float("l2"),
            max_bins: count("max_bins"),
            max_classes: count("max_classes"),
            min_rows: options.int("min_rows").unsigned_abs(),
            refit_factor: options.float("refit_factor"),
            max_rows: count("max_rows"),
            max_memory: options
                .bytes("max_memory")
                .map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        }
    }

    /// How many rows of so many features are kept: what is left of the memory by histograms has room for the features, their bins, and
    /// 64 bytes a row besides.
    pub(super) fn capacity(&self, width: usize) -> usize {
        let room = (self.max_memory - self.histogram_memory()) / (width * (size_of::<f64>() + 1) + 64);
        self.max_rows.min(room).max(1)
    }

    /// What histograms may take.
    pub(super) fn histogram_memory(&self) -> usize {
        self.max_memory / 4
    }
}
