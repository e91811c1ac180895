//! Precision, recall, specificity and F-measures, and how they are averaged over classes.
//!
//! Each is a fraction of counts for one class. What is asked for is either that of the positive class, or an average:
//!
//! | `average`  | gives                                                                             |
//! |------------|-----------------------------------------------------------------------------------|
//! | `binary`   | that of the positive class: true, or 1 where classes are the integers 0 and 1     |
//! | `macro`    | the mean over the classes that occur, as label or as prediction                   |
//! | `micro`    | the fraction of the sums of numerators and of denominators over all classes       |
//! | `weighted` | the mean weighted by how often each class is the label                            |
//!
//! Left out, it is `binary` where classes are BOOLEAN and `macro` elsewhere. A fraction whose denominator is 0 counts
//! as 0, as with `zero_division=0` in scikit-learn. Memory: 24 bytes a class.

use super::aggregate::{grouped, single};
use super::classes::{ClassIndex, ClassKind, ClassValue};
use super::counts::{ClassMeasure, ClassShare, Counting, Shares, Summary};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Error, Expression, Result};

const CLASSES: &[Argument] = &[Argument::Class, Argument::Class];
const AVERAGE: &str = "average STRING = 'binary' for BOOLEAN, else 'macro'";

/// How many of the rows predicted to be of a class are.
///
/// Formula: TP / (TP + FP). From 0 to 1; 0 where the class was never predicted. `None` for no rows. Averages: see the
/// parameter `average`: `binary` (the default for BOOLEAN), `macro` (else), `micro`, `weighted`. Source: C. J. van
/// Rijsbergen, "Information Retrieval", 2nd ed. 1979, chapter 7.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_PRECISION;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
/// let mut precision = (ML_PRECISION.make)(&[])?;
/// precision.update(&[label, predicted])?;
/// assert_eq!(precision.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_PRECISION: MetricDef = MetricDef {
    name: "ML_PRECISION",
    key: "Precision",
    arguments: CLASSES,
    parameters: AVERAGE,
    doc: "How many of the rows predicted to be of a class are: TP / (TP + FP). From 0 to 1; 0 where the class was \
          never predicted; NULL for no rows. average: binary (class true or 1), macro (mean over classes), micro (of \
          summed counts), weighted (by labels). Source: C. J. van Rijsbergen, Information Retrieval, 1979, chapter 7.",
    make: |given| Ok(single(averaged(&ML_PRECISION, Fraction::Precision, given)?)),
    make_grouped: |given| Ok(grouped(averaged(&ML_PRECISION, Fraction::Precision, given)?)),
};

/// How many of the rows of a class were predicted to be.
///
/// Formula: TP / (TP + FN); also called sensitivity, true positive rate. From 0 to 1; 0 where the class is never the
/// label. `None` for no rows. Averages: see the parameter `average`: `binary` (the default for BOOLEAN), `macro`
/// (else), `micro`, `weighted`. Source: C. J. van Rijsbergen, "Information Retrieval", 2nd ed. 1979, chapter 7.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, StringArray};
/// use tidegate_ml::metric::ML_RECALL;
///
/// // Recall is 1 for "a", 1/2 for "b": the macro average is 3/4.
/// let label: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b"]));
/// let predicted: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
/// let mut recall = (ML_RECALL.make)(&[])?;
/// recall.update(&[label, predicted])?;
/// assert_eq!(recall.value(), Some(0.75));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_RECALL: MetricDef = MetricDef {
    name: "ML_RECALL",
    key: "Recall",
    arguments: CLASSES,
    parameters: AVERAGE,
    doc: "How many of the rows of a class were predicted to be: TP / (TP + FN). From 0 to 1; 0 where the class is \
          never the label; NULL for no rows. average: binary (class true or 1), macro (mean over classes), micro (of \
          summed counts), weighted (by labels). Source: C. J. van Rijsbergen, Information Retrieval, 1979, chapter 7.",
    make: |given| Ok(single(averaged(&ML_RECALL, Fraction::Recall, given)?)),
    make_grouped: |given| Ok(grouped(averaged(&ML_RECALL, Fraction::Recall, given)?)),
};

/// How many of the rows that are not of a class were predicted not to be.
///
/// Formula: TN / (TN + FP); also called selectivity, true negative rate. From 0 to 1; 0 where all rows are of the
/// class. `None` for no rows. Averages: see the parameter `average`: `binary` (the default for BOOLEAN), `macro`
/// (else), `micro`, `weighted`. Source: J. Yerushalmy, "Statistical problems in assessing methods of medical
/// diagnosis", Public Health Reports 62, 1947.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_SPECIFICITY;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, false, false, true]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, false, true, true]));
/// let mut specificity = (ML_SPECIFICITY.make)(&[])?;
/// specificity.update(&[label, predicted])?;
/// assert_eq!(specificity.value(), Some(0.75));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_SPECIFICITY: MetricDef = MetricDef {
    name: "ML_SPECIFICITY",
    key: "Specificity",
    arguments: CLASSES,
    parameters: AVERAGE,
    doc: "How many of the rows not of a class were predicted not to be: TN / (TN + FP). From 0 to 1; 0 where all rows \
          are of the class; NULL for no rows. average: binary (class true or 1), macro (mean over classes), micro (of \
          summed counts), weighted (by labels). Source: J. Yerushalmy, Statistical problems in assessing methods of \
          medical diagnosis, 1947.",
    make: |given| Ok(single(averaged(&ML_SPECIFICITY, Fraction::Specificity, given)?)),
    make_grouped: |given| Ok(grouped(averaged(&ML_SPECIFICITY, Fraction::Specificity, given)?)),
};

/// The harmonic mean of precision and recall.
///
/// Formula: 2 TP / (2 TP + FP + FN). From 0 to 1; 0 where the class is neither label nor predicted. `None` for no rows.
/// Averages: see the parameter `average`: `binary` (the default for BOOLEAN), `macro` (else: the mean of each class's
/// F1), `micro`, `weighted`. The `F1` of [`crate::metric::Evaluation`] differs: as in Flink's ML_EVALUATE it is the
/// harmonic mean of macro precision and macro recall. Source: C. J. van Rijsbergen, "Information Retrieval", 2nd ed.
/// 1979, chapter 7.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_F1;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, true, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, false]));
/// let mut f1 = (ML_F1.make)(&[])?;
/// f1.update(&[label, predicted])?;
/// assert_eq!(f1.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_F1: MetricDef = MetricDef {
    name: "ML_F1",
    key: "F1",
    arguments: CLASSES,
    parameters: AVERAGE,
    doc: "The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN). From 0 to 1; 0 where the class is \
          neither label nor predicted; NULL for no rows. average: binary (class true or 1), macro (mean of each \
          class's F1), micro (of summed counts), weighted (by labels). F1 in ML_EVALUATE differs: there it is the \
          harmonic mean of macro precision and macro recall. Source: C. J. van Rijsbergen, Information Retrieval, \
          1979, chapter 7.",
    make: |given| Ok(single(averaged(&ML_F1, Fraction::F { beta: 1.0 }, given)?)),
    make_grouped: |given| Ok(grouped(averaged(&ML_F1, Fraction::F { beta: 1.0 }, given)?)),
};

/// The weighted harmonic mean of precision and recall: recall is `beta` times as important.
///
/// Formula: (1 + β²) TP / ((1 + β²) TP + β² FN + FP). From 0 to 1; 0 where the class is neither label nor predicted.
/// `None` for no rows. Parameters: `beta`, above 0, must be given; then `average` as in [`ML_F1`]. Source: C. J. van
/// Rijsbergen, "Information Retrieval", 2nd ed. 1979, chapter 7.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::{Expression, metric::ML_FBETA};
///
/// // Precision 1, recall 1/3: F2 = 5 · 1 · (1/3) / (4 · 1 + 1/3) = 5/13.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, true, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, false]));
/// let mut f2 = (ML_FBETA.make)(&[Expression::Number(2.0)])?;
/// f2.update(&[label, predicted])?;
/// assert_eq!(f2.value(), Some(5.0 / 13.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_FBETA: MetricDef = MetricDef {
    name: "ML_FBETA",
    key: "FBeta",
    arguments: CLASSES,
    parameters: "beta DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    doc: "The weighted harmonic mean of precision and recall, recall being beta times as important: (1 + beta^2) TP / \
          ((1 + beta^2) TP + beta^2 FN + FP). From 0 to 1; 0 where the class is neither label nor predicted; NULL for \
          no rows. average: as in ML_F1. Source: C. J. van Rijsbergen, Information Retrieval, 1979, chapter 7.",
    make: |given| Ok(single(f_beta(given)?)),
    make_grouped: |given| Ok(grouped(f_beta(given)?)),
};

/// How fractions of several classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Average {
    Binary,
    Macro,
    Micro,
    Weighted,
}

impl Average {
    const NAMES: &'static [&'static str] = &["binary", "macro", "micro", "weighted"];
    const ALL: [Self; 4] = [Self::Binary, Self::Macro, Self::Micro, Self::Weighted];
}

/// A fraction of one class's counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fraction {
    Precision,
    Recall,
    Specificity,
    F { beta: f64 },
}

impl Fraction {
    /// Numerator and denominator.
    fn of(self, class: &ClassShare) -> (f64, f64) {
        match self {
            Self::Precision => (class.correct, class.predicted),
            Self::Recall => (class.correct, class.actual),
            Self::Specificity => {
                let others = class.others_actual;
                (others - (class.predicted - class.correct), others)
            }
            Self::F { beta } => {
                let squared = beta * beta;
                ((1.0 + squared) * class.correct, squared * class.actual + class.predicted)
            }
        }
    }

    /// Of all classes. There is at least one row.
    pub(super) fn averaged(self, shares: &Shares, average: Average) -> f64 {
        let fractions = shares.classes.iter().map(|class| self.of(class));
        match average {
            Average::Binary => quotient(self.of(&shares.positive)),
            Average::Macro => fractions.map(quotient).sum::<f64>() / shares.classes.len() as f64,
            Average::Micro => quotient(fractions.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1))),
            Average::Weighted => {
                let weighted = fractions.zip(&shares.classes).map(|(of, class)| quotient(of) * class.actual);
                weighted.sum::<f64>() / shares.rows
            }
        }
    }
}

fn quotient((numerator, denominator): (f64, f64)) -> f64 {
    if denominator == 0.0 { 0.0 } else { numerator / denominator }
}

#[derive(Debug)]
pub(super) struct Averaged {
    metric: &'static str,
    fraction: Fraction,
    /// `None`: by the type of the classes.
    average: Option<Average>,
}

impl ClassMeasure for Averaged {
    fn of(&self, counts: &Summary, kind: ClassKind) -> Option<f64> {
        self.of_shares(&counts.shares(), kind)
    }

    fn of_shares(&self, shares: &Shares, kind: ClassKind) -> Option<f64> {
        let by_kind = if kind == ClassKind::Boolean { Average::Binary } else { Average::Macro };
        Some(self.fraction.averaged(shares, self.average.unwrap_or(by_kind)))
    }

    fn check(&self, index: &ClassIndex) -> Result<()> {
        if self.average != Some(Average::Binary) || index.kind() == Some(ClassKind::Boolean) {
            return Ok(());
        }
        let two = [ClassValue::Integer(0), ClassValue::Integer(1)];
        match (0..index.len()).map(|number| index.value(number)).find(|class| !two.contains(class)) {
            None => Ok(()),
            Some(class) => Err(Error::Batch(format!(
                "{}: average 'binary' takes BOOLEAN classes, or integers 0 and 1, but there is a class '{class}'; \
                 use 'macro', 'micro' or 'weighted'",
                self.metric
            ))),
        }
    }
}

pub(super) fn averaged(metric: &MetricDef, fraction: Fraction, given: &[Expression]) -> Result<Counting<Averaged>> {
    with_average(metric, fraction, Parameters::new(metric.name, metric.parameters, given))
}

pub(super) fn f_beta(given: &[Expression]) -> Result<Counting<Averaged>> {
    let mut parameters = Parameters::new(ML_FBETA.name, ML_FBETA.parameters, given);
    match parameters.number("beta")? {
        Some(beta) if beta > 0.0 && beta.is_finite() => with_average(&ML_FBETA, Fraction::F { beta }, parameters),
        Some(beta) => Err(parameters.refuse("beta", &beta.to_string(), "a number above 0")),
        None => Err(parameters.refuse("beta", "missing", "a number above 0, such as 2")),
    }
}

fn with_average(metric: &MetricDef, fraction: Fraction, mut parameters: Parameters<'_>) -> Result<Counting<Averaged>> {
    let average = parameters.choice("average", Average::NAMES)?.map(|place| Average::ALL[place]);
    parameters.finish()?;
    Ok(Counting::new(Averaged { metric: metric.name, fraction, average }))
}
