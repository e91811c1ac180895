//! Agreement beyond chance, and correlation, of labels and predicted classes.

use super::aggregate::{grouped, single};
use super::classes::ClassKind;
use super::counts::{ClassMeasure, ClassShare, Counting, Shares, Summary};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Expression, Result};

/// Cohen's kappa: how far the predictions agree with the labels, beyond what chance would give.
///
/// Formula: (p_o − p_e) / (1 − p_e), where p_o is the accuracy and p_e = Σ over classes of (share of labels × share of
/// predictions). From −1 to 1; 0 is chance. `None` for no rows, and when only one class occurs at all (p_e = 1).
/// Source: J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20,
/// 1960.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray};
/// use tidegate_ml::metric::ML_KAPPA;
///
/// // Right in 3 of 4, where chance would be right in half.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false, true]));
/// let mut kappa = (ML_KAPPA.make)(&[])?;
/// kappa.update(&[label, predicted])?;
/// assert_eq!(kappa.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_KAPPA: MetricDef = MetricDef {
    name: "ML_KAPPA",
    key: "Kappa",
    arguments: &[Argument::Class, Argument::Class],
    parameters: "",
    doc: "Cohen's kappa: (p_o - p_e) / (1 - p_e), where p_o is the accuracy and p_e the accuracy that chance would \
          give, the sum over classes of (share of labels x share of predictions). From -1 to 1; 0 is chance; NULL for \
          no rows and where only one class occurs. Source: J. Cohen, A coefficient of agreement for nominal scales, \
          1960.",
    make: |given| Ok(single(kappa(given)?)),
    make_grouped: |given| Ok(grouped(kappa(given)?)),
};

/// Matthews correlation coefficient, of two or more classes.
///
/// Formula: (c·n − Σ t_k p_k) / √((n² − Σ p_k²)(n² − Σ t_k²)), where n is the rows, c the correct ones, t_k the labels
/// of class k and p_k its predictions. For two classes this is (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)). From
/// −1 to 1 for two classes; 0 when labels or predictions are all of one class, as in scikit-learn. `None` for no rows.
/// Source: J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", Computational
/// Biology and Chemistry 28, 2004.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use tidegate_ml::metric::ML_MCC;
///
/// let label: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 2]));
/// let mut mcc = (ML_MCC.make)(&[])?;
/// mcc.update(&[label.clone(), label])?;
/// assert_eq!(mcc.value(), Some(1.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_MCC: MetricDef = MetricDef {
    name: "ML_MCC",
    key: "Mcc",
    arguments: &[Argument::Class, Argument::Class],
    parameters: "",
    doc: "Matthews correlation coefficient: (c n - sum t_k p_k) / sqrt((n^2 - sum p_k^2)(n^2 - sum t_k^2)), where n is \
          the rows, c the correct ones, t_k the labels of class k and p_k its predictions. From -1 to 1 for two \
          classes; 0 where labels or predictions are all of one class; NULL for no rows. Source: J. Gorodkin, \
          Comparing two K-category assignments by a K-category correlation coefficient, 2004.",
    make: |given| Ok(single(mcc(given)?)),
    make_grouped: |given| Ok(grouped(mcc(given)?)),
};

/// n·c − Σ t p, n² − Σ p² and n² − Σ t², without rounding: n is below 2⁶³.
fn covariances(counts: &Summary) -> (i128, i128, i128) {
    let rows = i128::from(counts.rows);
    let sum = |product: fn(i128, i128) -> i128| -> i128 {
        counts.classes.iter().map(|class| product(class.actual.into(), class.predicted.into())).sum()
    };
    let both = rows * i128::from(counts.correct()) - sum(|actual, predicted| actual * predicted);
    let predicted = rows * rows - sum(|_, predicted| predicted * predicted);
    let actual = rows * rows - sum(|actual, _| actual * actual);
    (both, predicted, actual)
}

/// The weight of pairs of a label and a prediction of different classes, which chance would put together: n² − Σ t p, without
/// a difference that loses digits.
fn apart(shares: &Shares) -> f64 {
    shares.classes.iter().map(|class| class.actual * class.others_predicted).sum()
}

/// The weight of rows that were predicted wrong.
fn wrong(shares: &Shares) -> f64 {
    shares.classes.iter().map(|class| class.actual - class.correct).sum()
}

#[derive(Debug)]
pub(super) struct Kappa;

impl ClassMeasure for Kappa {
    fn of(&self, counts: &Summary, _: ClassKind) -> Option<f64> {
        let rows = i128::from(counts.rows);
        let chance: i128 =
            counts.classes.iter().map(|class| i128::from(class.actual) * i128::from(class.predicted)).sum();
        let beyond_chance = rows * i128::from(counts.correct()) - chance;
        (chance < rows * rows).then(|| beyond_chance as f64 / (rows * rows - chance) as f64)
    }

    fn of_shares(&self, shares: &Shares, _: ClassKind) -> Option<f64> {
        let apart = apart(shares);
        (apart > 0.0).then(|| 1.0 - wrong(shares) * shares.rows / apart)
    }
}

#[derive(Debug)]
pub(super) struct Mcc;

impl ClassMeasure for Mcc {
    fn of(&self, counts: &Summary, _: ClassKind) -> Option<f64> {
        let (both, predicted, actual) = covariances(counts);
        if predicted == 0 || actual == 0 {
            return Some(0.0);
        }
        Some(both as f64 / ((predicted as f64) * (actual as f64)).sqrt())
    }

    fn of_shares(&self, shares: &Shares, _: ClassKind) -> Option<f64> {
        let spread = |of: fn(&ClassShare) -> f64| shares.classes.iter().map(of).sum::<f64>();
        let predicted = spread(|class| class.predicted * class.others_predicted);
        let actual = spread(|class| class.actual * class.others_actual);
        if predicted == 0.0 || actual == 0.0 {
            return Some(0.0);
        }
        Some((apart(shares) - wrong(shares) * shares.rows) / (predicted.sqrt() * actual.sqrt()))
    }
}

pub(super) fn kappa(given: &[Expression]) -> Result<Counting<Kappa>> {
    Parameters::new("ML_KAPPA", "", given).finish()?;
    Ok(Counting::new(Kappa))
}

pub(super) fn mcc(given: &[Expression]) -> Result<Counting<Mcc>> {
    Parameters::new("ML_MCC", "", given).finish()?;
    Ok(Counting::new(Mcc))
}
