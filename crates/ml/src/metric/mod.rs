//! Metrics: mergeable measures of predictions against labels.
//!
//! A metric is an aggregate: `update` takes rows in, `merge` takes in another's state, and `merge(a, b) == all rows in
//! one` holds exactly: counts are integers, sums are not rounded before they are asked for, and scores are sorted. So
//! no value depends, in any bit, on the order of rows, on batch sizes, or on how rows were spread over threads;
//! property tests say so for each metric. Rows with a NULL in any column count nowhere.
//!
//! | Memory      | Metrics                                                                          |
//! |-------------|----------------------------------------------------------------------------------|
//! | a few sums  | [`ML_LOG_LOSS`], [`ML_BRIER_SCORE`], all of regression                           |
//! | by pair     | [`ML_ADJUSTED_RAND`], [`ML_V_MEASURE`], …: of a class and a cluster               |
//! | by class    | [`ML_ACCURACY`], [`ML_PRECISION`], [`ML_RECALL`], [`ML_F1`], [`ML_KAPPA`], …     |
//! | fixed       | [`ML_APPROX_ROC_AUC`], [`ML_CALIBRATION_ERROR`]                                  |
//! | by row      | [`ML_ROC_AUC`], [`ML_PR_AUC`]; distances of numbers, [`DISTANCES`]: 8 bytes each   |
//!
//! Those that are made of sums and counts have a form whose old rows fade, [`FADING_METRICS`]: there the order of rows does
//! matter, and merging takes in the state of the rows that came after.
//!
//! [`Evaluation`] takes all those of a task at once, [`ConfusionMatrix`] and [`roc_curve`] what takes more than a
//! number to say. Adding a metric is a file of its own (or a few lines beside its kin) and a line in [`METRICS`].

use std::fmt::Debug;

use arrow::array::{ArrayRef, BooleanArray};

use crate::{Expression, Result};

mod accuracy;
mod aggregate;
mod agreement;
mod approximate_auc;
mod area;
mod best_threshold;
mod calibration;
mod classes;
mod clustering;
mod columns;
mod confusion_matrix;
mod contingency;
mod counts;
mod distance;
mod evaluation;
mod exact_sum;
mod explained_variance;
mod fading;
mod mean;
mod numbering;
mod parameters;
mod precision_recall;
mod probability;
mod ranking;
mod regression;
mod report;
mod roc_curve;
mod signature;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;

pub use accuracy::{ML_ACCURACY, ML_BALANCED_ACCURACY};
pub use agreement::{ML_KAPPA, ML_MCC};
pub use approximate_auc::{ML_APPROX_ROC_AUC, ScoreHistogram};
pub use area::{ML_PR_AUC, ML_ROC_AUC};
pub use best_threshold::{BestThreshold, Cost, Costs, best_threshold};
pub use calibration::{
    ML_CALIBRATION_ERROR, RELIABILITY_BINS, RELIABILITY_BINS_MAX, Reliability, ReliabilityBin, Share,
};
pub use classes::ClassValue;
pub use clustering::{ML_ADJUSTED_RAND, ML_COMPLETENESS, ML_HOMOGENEITY, ML_V_MEASURE};
pub use confusion_matrix::{ConfusionMatrix, ConfusionRow};
pub use counts::MAX_CLASSES;
pub use distance::{
    Counts, DEFAULT_BINS, DISTANCES, DistanceDef, ML_CHI_SQUARE, ML_JENSEN_SHANNON, ML_KOLMOGOROV_SMIRNOV,
    ML_L_INFINITY, ML_PSI, ML_WASSERSTEIN, OfCategories, OfNumbers, Step,
};
pub use evaluation::Evaluation;
pub use explained_variance::{ML_EXPLAINED_VARIANCE, ML_R2};
pub use fading::{FADING_METRICS, why_not_fading};
pub use precision_recall::{ML_F1, ML_FBETA, ML_PRECISION, ML_RECALL, ML_SPECIFICITY};
pub(crate) use probability::log_loss;
pub use probability::{ML_BRIER_SCORE, ML_LOG_LOSS};
pub use ranking::{Ranking, Scores};
pub use regression::{ML_MAE, ML_MAPE, ML_MSE, ML_RMSE, ML_SMAPE};
pub use report::{REPORTS, Report, ReportKind};
pub use roc_curve::{RocPoint, roc_curve};

/// All metrics, by their SQL name.
pub static METRICS: &[&MetricDef] = &[
    &ML_ACCURACY,
    &ML_ADJUSTED_RAND,
    &ML_APPROX_ROC_AUC,
    &ML_BALANCED_ACCURACY,
    &ML_BRIER_SCORE,
    &ML_CALIBRATION_ERROR,
    &ML_CHI_SQUARE,
    &ML_COMPLETENESS,
    &ML_EXPLAINED_VARIANCE,
    &ML_F1,
    &ML_FBETA,
    &ML_HOMOGENEITY,
    &ML_JENSEN_SHANNON,
    &ML_KAPPA,
    &ML_KOLMOGOROV_SMIRNOV,
    &ML_LOG_LOSS,
    &ML_L_INFINITY,
    &ML_MAE,
    &ML_MAPE,
    &ML_MCC,
    &ML_MSE,
    &ML_PRECISION,
    &ML_PR_AUC,
    &ML_PSI,
    &ML_R2,
    &ML_RECALL,
    &ML_RMSE,
    &ML_ROC_AUC,
    &ML_SMAPE,
    &ML_SPECIFICITY,
    &ML_V_MEASURE,
    &ML_WASSERSTEIN,
];

/// The metric of this name, in any case of letters.
///
/// ```
/// assert_eq!(tidegate_ml::metric::find("ml_f1").unwrap().name, "ML_F1");
/// assert!(tidegate_ml::metric::find("ML_F0").is_none());
/// ```
pub fn find(name: &str) -> Option<&'static MetricDef> {
    METRICS.iter().chain(FADING_METRICS).copied().find(|metric| metric.name.eq_ignore_ascii_case(name))
}

/// The declaration of a metric.
#[derive(Debug)]
pub struct MetricDef {
    /// Its SQL name, such as `ML_ACCURACY`.
    pub name: &'static str,
    /// Its key in the result of `ML_EVALUATE`, such as `Accuracy`.
    pub key: &'static str,
    /// The columns it takes, in order.
    pub arguments: &'static [Argument],
    /// Literal arguments that may follow, in words, such as `average STRING = 'binary'`. Empty: none.
    pub parameters: &'static str,
    /// What it measures: formula, range, what NULL means, its source.
    pub doc: &'static str,
    /// Makes an empty one. Takes the literal arguments that followed the columns.
    pub make: fn(&[Expression]) -> Result<Box<dyn Metric>>,
    /// Makes one of many groups at once. Takes the same.
    pub make_grouped: fn(&[Expression]) -> Result<Box<dyn GroupedMetric>>,
}

/// What a column given to a metric holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A class: BOOLEAN, an integer or text. All class arguments of a call have one type.
    Class,
    /// A cluster: BOOLEAN, an integer or text, of whichever type.
    Cluster,
    /// The true class of two: BOOLEAN, or an integer 0 or 1.
    Binary,
    /// A probability or score of the positive class: DOUBLE.
    Score,
    /// A number: DOUBLE.
    Number,
    /// Which of two samples a row is of, true in the study and false in the reference: BOOLEAN, or an integer 0 or 1.
    Sample,
    /// A category: BOOLEAN, an integer or text.
    Category,
    /// A number, or a category: BOOLEAN or text.
    Value,
}

/// A measure that is being taken.
pub trait Metric: Debug + Send + Sync {
    /// Takes rows in. `columns` are as declared in [`MetricDef::arguments`], all of one length.
    ///
    /// # Errors
    /// When a column's type or a value is not one the metric takes.
    fn update(&mut self, columns: &[ArrayRef]) -> Result<()>;

    /// Takes in a state that [`Metric::save`] of the same metric wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state.
    fn merge(&mut self, state: &[u8]) -> Result<()>;

    /// The measure; `None` where it is undefined, such as the accuracy of no rows.
    fn value(&self) -> Option<f64>;

    /// The whole state as bytes.
    fn save(&self) -> Vec<u8>;

    /// Bytes of memory that the state takes.
    fn state_bytes(&self) -> usize;
}

/// A measure that is being taken of many groups, numbered from 0: what [`Metric`] is for one, in one pass over the
/// rows.
///
/// Its states are those of [`Metric`]: bytes that one saves, the other merges.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_ACCURACY;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false]));
/// let mut accuracy = (ML_ACCURACY.make_grouped)(&[])?;
/// accuracy.update(&[label, predicted], &[0, 1, 1], None, 3)?;
/// assert_eq!((accuracy.value(0), accuracy.value(1), accuracy.value(2)), (Some(1.0), Some(0.5), None));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub trait GroupedMetric: Debug + Send + Sync {
    /// Takes rows in, each for its group. `groups` has a number below `total_groups` for each row. Rows that the filter
    /// has as false or NULL count nowhere.
    ///
    /// # Errors
    /// When a column's type or a value is not one the metric takes.
    fn update(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()>;

    /// Takes in a state of one group, which is new if it has not been seen.
    ///
    /// # Errors
    /// When the bytes are not such a state.
    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()>;

    /// The measure of one group; `None` where it is undefined, and for groups not seen.
    fn value(&self, group: usize) -> Option<f64>;

    /// The state of one group as bytes.
    fn save(&self, group: usize) -> Vec<u8>;

    /// Drops the first groups; the others are numbered from 0 again.
    fn discard(&mut self, groups: usize);

    /// Bytes of memory that all states take.
    fn state_bytes(&self) -> usize;
}
