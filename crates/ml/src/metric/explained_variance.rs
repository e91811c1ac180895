//! How much of the labels' spread the predictions explain: R² and explained variance.
//!
//! Both compare a variance of errors with the variance of labels. A variance from sums, n Σ y² − (Σ y)², loses its
//! digits where the mean is large beside the spread. Here the sums of y and y² are exact ([`ExactSum`]), and so is the
//! difference, whatever the order of rows.

use serde::{Deserialize, Serialize};

use super::MetricDef;
use super::aggregate::{Aggregate, grouped, single};
use super::columns::Batch;
use super::exact_sum::ExactSum;
use super::mean::{Numbers, Pairs, add_rows};
use super::parameters::Parameters;
use super::regression::NUMBERS;
use crate::snapshot::{decode, encode, open, seal};
use crate::{Expression, Result};

const SNAPSHOT_KIND: &str = "metric.error_moments";

/// The coefficient of determination: the share of the labels' variance that the predictions explain.
///
/// Formula: 1 − Σ (y − ŷ)² / Σ (y − ȳ)². From −∞ to 1; 0 for always saying the mean. `None` for fewer than two rows.
/// Where all labels are equal: 1 if all predictions are right, else 0, as in scikit-learn. A value that is NaN or
/// infinite is an error. Memory: about 500 bytes. Source: S. Wright, "Correlation and causation", Journal of
/// Agricultural Research 20, 1921.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_R2;
///
/// // The errors' squares sum to 1/2, the squares around the mean 2 to 2.
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.0, 2.5]));
/// let mut r2 = (ML_R2.make)(&[])?;
/// r2.update(&[label, predicted])?;
/// assert_eq!(r2.value(), Some(0.75));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_R2: MetricDef = MetricDef {
    name: "ML_R2",
    key: "R2",
    arguments: NUMBERS,
    parameters: "",
    doc: "The coefficient of determination: 1 - sum((label - predicted)^2) / sum((label - mean label)^2). From \
          -infinity to 1; 0 for always saying the mean; NULL for fewer than two rows; where all labels are equal, 1 if \
          all predictions are right, else 0. Source: S. Wright, Correlation and causation, 1921.",
    make: |given| Ok(single(explained(&ML_R2, ErrorMoments::r2, given)?)),
    make_grouped: |given| Ok(grouped(explained(&ML_R2, ErrorMoments::r2, given)?)),
};

/// The share of the labels' variance that the predictions explain, forgiving a constant error.
///
/// Formula: 1 − Var(y − ŷ) / Var(y). From −∞ to 1; equal to [`ML_R2`] where the mean error is 0, else above it. `None`
/// for fewer than two rows. Where all labels are equal: 1 if all errors are equal, else 0, as in scikit-learn. A value
/// that is NaN or infinite is an error. Memory: about 500 bytes. Source: as [`ML_R2`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_EXPLAINED_VARIANCE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![11.0, 12.0, 13.0]));
/// let mut explained = (ML_EXPLAINED_VARIANCE.make)(&[])?;
/// explained.update(&[label, predicted])?;
/// assert_eq!(explained.value(), Some(1.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_EXPLAINED_VARIANCE: MetricDef = MetricDef {
    name: "ML_EXPLAINED_VARIANCE",
    key: "ExplainedVariance",
    arguments: NUMBERS,
    parameters: "",
    doc: "The share of the labels' variance that the predictions explain, forgiving a constant error: \
          1 - var(label - predicted) / var(label). From -infinity to 1; NULL for fewer than two rows; where all labels \
          are equal, 1 if all errors are equal, else 0. Source: S. Wright, Correlation and causation, 1921.",
    make: |given| Ok(single(explained(&ML_EXPLAINED_VARIANCE, ErrorMoments::explained_variance, given)?)),
    make_grouped: |given| Ok(grouped(explained(&ML_EXPLAINED_VARIANCE, ErrorMoments::explained_variance, given)?)),
};

/// Sums of labels, of errors, and of their squares. All exact but the error itself, which is a rounded difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ErrorMoments {
    rows: u64,
    labels: ExactSum,
    label_squares: ExactSum,
    errors: ExactSum,
    error_squares: ExactSum,
}

impl ErrorMoments {
    #[inline]
    pub(super) fn add(&mut self, label: f64, predicted: f64) {
        let error = label - predicted;
        self.rows += 1;
        self.labels.add(label);
        self.label_squares.add_product(label, label);
        self.errors.add(error);
        self.error_squares.add_product(error, error);
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        self.rows = add_rows(self.rows, other.rows)?;
        self.labels.merge(&other.labels);
        self.label_squares.merge(&other.label_squares);
        self.errors.merge(&other.errors);
        self.error_squares.merge(&other.error_squares);
        Ok(())
    }

    pub(super) fn r2(&self) -> Option<f64> {
        self.one_minus(self.error_squares.value() * self.rows as f64)
    }

    pub(super) fn explained_variance(&self) -> Option<f64> {
        self.one_minus(scaled_variance(self.rows, &self.errors, &self.error_squares))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        [&self.labels, &self.label_squares, &self.errors, &self.error_squares].map(ExactSum::heap_bytes).iter().sum()
    }

    /// One minus the quotient of `unexplained` and the labels' variance, both times n².
    fn one_minus(&self, unexplained: f64) -> Option<f64> {
        if self.rows < 2 {
            return None;
        }
        let variance = scaled_variance(self.rows, &self.labels, &self.label_squares);
        let value = match (unexplained == 0.0, variance == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => 1.0 - unexplained / variance,
        };
        value.is_finite().then_some(value)
    }
}

/// n Σ x² − (Σ x)² = n² Var(x), rounded once.
fn scaled_variance(rows: u64, sum: &ExactSum, squares: &ExactSum) -> f64 {
    // Four parts are 212 bits: more than any cancellation of fewer than 2⁵³ rows eats.
    const PARTS: usize = 4;
    let mut difference = ExactSum::default();
    for part in squares.expansion(PARTS) {
        difference.add_product(rows as f64, part);
    }
    let parts = sum.expansion(PARTS);
    for &a in &parts {
        for &b in &parts {
            difference.add_product(-a, b);
        }
    }
    difference.value()
}

#[derive(Debug)]
struct Explained {
    measure: fn(&ErrorMoments) -> Option<f64>,
}

impl Aggregate for Explained {
    type Rows = Numbers;
    type State = ErrorMoments;
    const COLUMNS: &'static [&'static str] = Numbers::COLUMNS;

    fn read(&mut self, batch: &Batch<'_>) -> Result<Numbers> {
        Numbers::read(batch)
    }

    fn add(&self, state: &mut ErrorMoments, rows: &Numbers, row: usize) {
        let (label, predicted) = rows.pair(row);
        state.add(label, predicted);
    }

    fn merge(&mut self, state: &mut ErrorMoments, saved: &[u8]) -> Result<()> {
        state.merge(&decode(open(SNAPSHOT_KIND, 1, saved)?)?)
    }

    fn save(&self, state: &ErrorMoments) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(state))
    }

    fn value(&self, state: &ErrorMoments) -> Option<f64> {
        (self.measure)(state)
    }

    fn heap_bytes(&self, state: &ErrorMoments) -> usize {
        state.heap_bytes()
    }
}

fn explained(metric: &MetricDef, measure: fn(&ErrorMoments) -> Option<f64>, given: &[Expression]) -> Result<Explained> {
    Parameters::new(metric.name, metric.parameters, given).finish()?;
    Ok(Explained { measure })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(pairs: &[(f64, f64)]) -> ErrorMoments {
        let mut moments = ErrorMoments::default();
        pairs.iter().for_each(|&(label, predicted)| moments.add(label, predicted));
        moments
    }

    /// Labels with mean 10⁹ and spread 1: the textbook formula in f64 has no digit left.
    #[test]
    fn a_far_mean_costs_no_digits() {
        let shift = 1e9;
        let near = moments(&[(1.0, 1.5), (2.0, 2.0), (3.0, 2.5)]);
        let far = moments(&[(shift + 1.0, shift + 1.5), (shift + 2.0, shift + 2.0), (shift + 3.0, shift + 2.5)]);
        assert_eq!((near.r2(), far.r2()), (Some(0.75), Some(0.75)));
        assert_eq!(far.explained_variance(), near.explained_variance());
    }

    #[test]
    fn equal_labels() {
        let third = 1.0 / 3.0;
        assert_eq!(moments(&[(third, third); 3]).r2(), Some(1.0));
        assert_eq!(moments(&[(third, third), (third, 0.3), (third, third)]).r2(), Some(0.0));
        assert_eq!(moments(&[(third, 0.1); 3]).explained_variance(), Some(1.0));
        assert_eq!(moments(&[(third, third)]).r2(), None);
    }

    #[test]
    fn huge_numbers_are_no_nonsense() {
        assert_eq!(moments(&[(1e300, 1e300), (-1e300, -1e300)]).r2(), Some(1.0));
        assert_eq!(moments(&[(1e300, 0.0), (-1e300, 0.0)]).r2(), None);
        assert_eq!(moments(&[(f64::MAX, -f64::MAX), (0.0, 0.0)]).r2(), None);
    }
}
