//! What a report tells. Its figures stand here as queries gave them; with `--json` they are printed as they are.

use serde::Serialize;

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Findings {
    /// What the version is.
    pub(crate) model: Facts,
    /// All versions of the model, the oldest first: the learning curve.
    pub(crate) versions: Vec<VersionPoint>,
    /// What the version goes by, as its learner says. The most important first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) importance: Vec<Importance>,
    /// What `importance` is measured in.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) importance_of: &'static str,
    /// The trials of a model that was tuned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trials: Vec<Trial>,
    /// How it does on rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quality: Option<Quality>,
    /// What is not in the report, and what to say to have it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
}

/// What a version is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) aliases: Vec<String>,
    pub(crate) task: String,
    pub(crate) algorithm: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) created_at: i64,
    pub(crate) trained_until: Option<i64>,
    pub(crate) job: String,
    pub(crate) rows_learned: u64,
    pub(crate) artifact_bytes: u64,
    pub(crate) inputs: Vec<String>,
    /// The options that were given.
    pub(crate) options: Vec<(String, String)>,
}

/// A version beside the others.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VersionPoint {
    pub(crate) number: u64,
    pub(crate) aliases: Vec<String>,
    pub(crate) created_at: i64,
    pub(crate) rows: u64,
    /// Measured while it was trained, before each row was learned.
    pub(crate) metrics: Vec<(String, f64)>,
}

/// How much a feature matters.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Importance {
    pub(crate) feature: String,
    pub(crate) value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<f64>,
}

/// A trial of a search.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trial {
    pub(crate) id: u64,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) loss: Option<f64>,
    pub(crate) rows: u64,
    pub(crate) status: String,
    pub(crate) is_optimal: bool,
}

/// How a version does on rows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Quality {
    /// The table or view that the rows are of.
    pub(crate) data: String,
    pub(crate) rows: u64,
    pub(crate) labelled: u64,
    /// When the first and the last of them were.
    pub(crate) period: Option<(i64, i64)>,
    /// ML_EVALUATE's.
    pub(crate) metrics: Vec<(String, f64)>,
    /// The two metrics that are told by window and by slice.
    pub(crate) measured: [&'static str; 2],
    pub(crate) by_time: Option<ByTime>,
    pub(crate) by_slice: Vec<BySlice>,
    pub(crate) classes: Option<Classes>,
    pub(crate) binary: Option<Binary>,
    /// By how much the quality falls when a column is shuffled.
    pub(crate) permutation: Vec<Importance>,
    /// What `permutation` is measured in.
    pub(crate) permutation_of: &'static str,
    /// What `drift` is measured from.
    pub(crate) base: Option<String>,
    pub(crate) drift: Vec<Drift>,
}

/// Quality window by window.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ByTime {
    /// How long the windows are, in words.
    pub(crate) every: &'static str,
    pub(crate) windows: Vec<Measured<i64>>,
}

/// Quality by the values of a column.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BySlice {
    pub(crate) column: String,
    pub(crate) slices: Vec<Measured<String>>,
    /// How many values have no place here.
    pub(crate) more: u64,
}

/// The quality on some of the rows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured<T> {
    pub(crate) of: T,
    pub(crate) rows: u64,
    pub(crate) labelled: u64,
    /// In the order of [`Quality::measured`].
    pub(crate) values: [Option<f64>; 2],
}

/// Which classes were taken for which.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Classes {
    pub(crate) names: Vec<String>,
    /// For each class that was expected, how often each was predicted.
    pub(crate) counts: Vec<Vec<u64>>,
}

/// What there is of a model of two classes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Binary {
    /// False positive rate and recall.
    pub(crate) roc: Vec<(f64, f64)>,
    /// Recall and precision.
    pub(crate) precision_recall: Vec<(f64, f64)>,
    pub(crate) reliability: Vec<ReliabilityBin>,
    pub(crate) threshold: Option<Threshold>,
}

/// Rows of about the same probability.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReliabilityBin {
    pub(crate) rows: u64,
    pub(crate) mean_probability: f64,
    pub(crate) observed_rate: f64,
    /// Of the observed rate, 95 %.
    pub(crate) interval: (f64, f64),
}

/// The threshold of least cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Threshold {
    pub(crate) threshold: f64,
    pub(crate) false_positive_cost: f64,
    pub(crate) false_negative_cost: f64,
    pub(crate) cost: f64,
    pub(crate) precision: Option<f64>,
    pub(crate) recall: Option<f64>,
}

/// How far a column is from that of other rows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drift {
    pub(crate) input: String,
    pub(crate) metric: String,
    pub(crate) threshold: Option<f64>,
    pub(crate) value: Option<f64>,
    pub(crate) is_anomaly: bool,
}
