//! Areas under the ROC and the precision-recall curve.

use std::marker::PhantomData;

use super::aggregate::{grouped, single};
use super::parameters::Parameters;
use super::ranking::{AveragePrecisionOf, RankMeasure, Ranked, RocAucOf};
use super::{Argument, MetricDef};
use crate::{Expression, Result};

/// The area under the ROC curve: the probability that a random positive scores higher than a random negative.
///
/// Formula: (pairs of a positive and a negative in the right order + half the pairs with equal scores) / all pairs, the
/// Mann-Whitney statistic. From 0 to 1; 1/2 for scores that say nothing. `None` unless there are rows of both classes.
/// Any scores do, not only probabilities; NaN is an error. Exact. Memory: 8 bytes a row; for bounded memory see
/// [`crate::metric::ML_APPROX_ROC_AUC`]. Cost: some 2 ns a row, and sorting when the value is asked for. Source: J. A.
/// Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
/// Radiology 143, 1982.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_ROC_AUC;
///
/// // Of the four pairs three are in order and one is tied.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
/// let score: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.6, 0.6, 0.1]));
/// let mut auc = (ML_ROC_AUC.make)(&[])?;
/// auc.update(&[label, score])?;
/// assert_eq!(auc.value(), Some(0.875));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_ROC_AUC: MetricDef = MetricDef {
    name: "ML_ROC_AUC",
    key: "RocAuc",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "",
    doc: "The area under the ROC curve: the share of pairs of a positive and a negative row whose scores are in order, \
          ties counting half. From 0 to 1; 1/2 for scores that say nothing; NULL unless both classes occur. Exact; 8 \
          bytes a row. Source: J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve, 1982.",
    make: |given| Ok(single(ranked::<RocAucOf>(&ML_ROC_AUC, given)?)),
    make_grouped: |given| Ok(grouped(ranked::<RocAucOf>(&ML_ROC_AUC, given)?)),
};

/// The area under the precision-recall curve, as average precision.
///
/// Formula: Σ over distinct scores, highest first, of (R_k − R_{k−1}) P_k, where R_k and P_k are recall and precision
/// when rows of that score and above are called positive. From 0 to 1; about the share of positives for scores that say
/// nothing. `None` without a positive row. NaN is an error. Exact. Memory: 8 bytes a row. Source: M. Zhu, "Recall,
/// precision and average precision", University of Waterloo working paper 2004-09.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_PR_AUC;
///
/// // Half of the recall at precision 1, half at 2/4.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, true]));
/// let score: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.8, 0.7, 0.6]));
/// let mut auc = (ML_PR_AUC.make)(&[])?;
/// auc.update(&[label, score])?;
/// assert_eq!(auc.value(), Some(0.75));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_PR_AUC: MetricDef = MetricDef {
    name: "ML_PR_AUC",
    key: "PrAuc",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "",
    doc: "The area under the precision-recall curve as average precision: the sum over distinct scores, highest first, \
          of the rise in recall times the precision there. From 0 to 1; about the share of positives for scores that \
          say nothing; NULL without a positive row. Exact; 8 bytes a row. Source: M. Zhu, Recall, precision and \
          average precision, 2004.",
    make: |given| Ok(single(ranked::<AveragePrecisionOf>(&ML_PR_AUC, given)?)),
    make_grouped: |given| Ok(grouped(ranked::<AveragePrecisionOf>(&ML_PR_AUC, given)?)),
};

fn ranked<M: RankMeasure>(metric: &MetricDef, given: &[Expression]) -> Result<Ranked<M>> {
    Parameters::new(metric.name, metric.parameters, given).finish()?;
    Ok(Ranked(PhantomData))
}
