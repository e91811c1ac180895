//! How often the predicted class is the label.

use super::aggregate::{grouped, single};
use super::classes::ClassKind;
use super::counts::{ClassMeasure, Counting, Shares, Summary};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Expression, Result};

/// The share of rows whose predicted class is the label.
///
/// Formula: correct rows / rows. From 0 to 1. `None` for no rows. Memory: 24 bytes a class. Source: C. D. Manning, P.
/// Raghavan and H. Schütze, "Introduction to Information Retrieval", 2008, section 8.3.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, StringArray};
/// use tidegate_ml::metric::ML_ACCURACY;
///
/// let label: ArrayRef = Arc::new(StringArray::from(vec!["ale", "ale", "bock", "stout"]));
/// let predicted: ArrayRef = Arc::new(StringArray::from(vec!["ale", "bock", "bock", "stout"]));
/// let mut accuracy = (ML_ACCURACY.make)(&[])?;
/// accuracy.update(&[label, predicted])?;
/// assert_eq!(accuracy.value(), Some(0.75));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_ACCURACY: MetricDef = MetricDef {
    name: "ML_ACCURACY",
    key: "Accuracy",
    arguments: &[Argument::Class, Argument::Class],
    parameters: "",
    doc: "The share of rows whose predicted class is the label: correct rows / rows. From 0 to 1; NULL for no rows. \
          Source: C. D. Manning et al., Introduction to Information Retrieval, 2008, section 8.3.",
    make: |given| Ok(single(accuracy(given)?)),
    make_grouped: |given| Ok(grouped(accuracy(given)?)),
};

/// The mean of the recalls of the classes: accuracy as if each class had as many rows.
///
/// Formula: (1/K) Σ over the K classes that occur as labels of (correct rows of the class / its rows). From 0 to 1;
/// always naming one class gives 1/K. `None` for no rows. Source: K. H. Brodersen et al., "The balanced accuracy and
/// its posterior distribution", ICPR 2010.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_BALANCED_ACCURACY;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, false, false]));
/// let mut balanced = (ML_BALANCED_ACCURACY.make)(&[])?;
/// balanced.update(&[label, predicted])?;
/// assert_eq!(balanced.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_BALANCED_ACCURACY: MetricDef = MetricDef {
    name: "ML_BALANCED_ACCURACY",
    key: "BalancedAccuracy",
    arguments: &[Argument::Class, Argument::Class],
    parameters: "",
    doc: "The mean, over the classes that occur as labels, of the share of a class's rows that are predicted right. \
          From 0 to 1; always naming one of K classes gives 1/K; NULL for no rows. \
          Source: K. H. Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.",
    make: |given| Ok(single(balanced_accuracy(given)?)),
    make_grouped: |given| Ok(grouped(balanced_accuracy(given)?)),
};

#[derive(Debug)]
pub(super) struct Accuracy;

impl ClassMeasure for Accuracy {
    fn of(&self, counts: &Summary, _: ClassKind) -> Option<f64> {
        Some(counts.correct() as f64 / counts.rows as f64)
    }

    fn of_shares(&self, shares: &Shares, _: ClassKind) -> Option<f64> {
        Some(shares.classes.iter().map(|class| class.correct).sum::<f64>() / shares.rows)
    }
}

#[derive(Debug)]
pub(super) struct BalancedAccuracy;

impl ClassMeasure for BalancedAccuracy {
    fn of(&self, counts: &Summary, _: ClassKind) -> Option<f64> {
        let labels = counts.classes.iter().filter(|class| class.actual > 0);
        let recalls: f64 = labels.clone().map(|class| class.correct as f64 / class.actual as f64).sum();
        Some(recalls / labels.count() as f64)
    }

    fn of_shares(&self, shares: &Shares, _: ClassKind) -> Option<f64> {
        let labels = shares.classes.iter().filter(|class| class.actual > 0.0);
        let recalls: f64 = labels.clone().map(|class| class.correct / class.actual).sum();
        Some(recalls / labels.count() as f64)
    }
}

pub(super) fn accuracy(given: &[Expression]) -> Result<Counting<Accuracy>> {
    Parameters::new("ML_ACCURACY", "", given).finish()?;
    Ok(Counting::new(Accuracy))
}

pub(super) fn balanced_accuracy(given: &[Expression]) -> Result<Counting<BalancedAccuracy>> {
    Parameters::new("ML_BALANCED_ACCURACY", "", given).finish()?;
    Ok(Counting::new(BalancedAccuracy))
}
