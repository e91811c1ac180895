//! How far predicted numbers are from the labels: means of a term of the error.

use std::marker::PhantomData;

use super::aggregate::{grouped, single};
use super::mean::{MeanOf, Numbers, Term};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Expression, Result};

pub(super) const NUMBERS: &[Argument] = &[Argument::Number, Argument::Number];

/// The mean absolute error.
///
/// Formula: (1/n) Σ |y − ŷ|. From 0 up, in the label's unit. `None` for no rows. A value that is NaN or infinite is an
/// error. Memory: about 100 bytes. Source: C. J. Willmott and K. Matsuura, "Advantages of the mean absolute error (MAE)
/// over the root mean square error (RMSE)", Climate Research 30, 2005.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_MAE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![4.0, 1.0]));
/// let mut mae = (ML_MAE.make)(&[])?;
/// mae.update(&[label, predicted])?;
/// assert_eq!(mae.value(), Some(2.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_MAE: MetricDef = MetricDef {
    name: "ML_MAE",
    key: "MAE",
    arguments: NUMBERS,
    parameters: "",
    doc: "The mean absolute error: mean(|label - predicted|). From 0 up, in the label's unit; NULL for no rows. \
          Source: C. J. Willmott and K. Matsuura, Advantages of the mean absolute error, Climate Research 30, 2005.",
    make: |given| Ok(single(mean_of::<AbsoluteError>(&ML_MAE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<AbsoluteError>(&ML_MAE, given)?)),
};

/// The mean squared error.
///
/// Formula: (1/n) Σ (y − ŷ)². From 0 up, in the square of the label's unit. `None` for no rows. A value that is NaN or
/// infinite is an error. Memory: about 100 bytes. Source: C. F. Gauss, "Theoria combinationis observationum", 1823.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_MSE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![4.0, 1.0]));
/// let mut mse = (ML_MSE.make)(&[])?;
/// mse.update(&[label, predicted])?;
/// assert_eq!(mse.value(), Some(5.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_MSE: MetricDef = MetricDef {
    name: "ML_MSE",
    key: "MSE",
    arguments: NUMBERS,
    parameters: "",
    doc: "The mean squared error: mean((label - predicted)^2). From 0 up, in the square of the label's unit; NULL for \
          no rows. Source: C. F. Gauss, Theoria combinationis observationum, 1823.",
    make: |given| Ok(single(mean_of::<SquaredError>(&ML_MSE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<SquaredError>(&ML_MSE, given)?)),
};

/// The root of the mean squared error.
///
/// Formula: √((1/n) Σ (y − ŷ)²). From 0 up, in the label's unit. `None` for no rows. A value that is NaN or infinite is
/// an error. Memory: about 100 bytes. Source: as [`ML_MSE`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_RMSE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 9.0]));
/// let mut rmse = (ML_RMSE.make)(&[])?;
/// rmse.update(&[label, predicted])?;
/// assert_eq!(rmse.value(), Some(5.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_RMSE: MetricDef = MetricDef {
    name: "ML_RMSE",
    key: "RMSE",
    arguments: NUMBERS,
    parameters: "",
    doc: "The root of the mean squared error: sqrt(mean((label - predicted)^2)). From 0 up, in the label's unit; NULL \
          for no rows. Source: C. F. Gauss, Theoria combinationis observationum, 1823.",
    make: |given| Ok(single(mean_of::<RootSquaredError>(&ML_RMSE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<RootSquaredError>(&ML_RMSE, given)?)),
};

/// The mean absolute error relative to the label, as a fraction: 0.1 is ten percent.
///
/// Formula: (1/n) Σ |y − ŷ| / max(|y|, 2⁻⁵²). From 0 up. A label of 0 makes the measure huge unless it is met exactly,
/// as in scikit-learn: leave such rows out with a WHERE, or use [`ML_SMAPE`]. `None` for no rows. A value that is NaN
/// or infinite is an error. Memory: about 100 bytes. Source: A. de Myttenaere et al., "Mean absolute percentage error
/// for regression models", Neurocomputing 192, 2016.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_MAPE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![4.0, 2.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 2.0]));
/// let mut mape = (ML_MAPE.make)(&[])?;
/// mape.update(&[label, predicted])?;
/// assert_eq!(mape.value(), Some(0.125));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_MAPE: MetricDef = MetricDef {
    name: "ML_MAPE",
    key: "MAPE",
    arguments: NUMBERS,
    parameters: "",
    doc: "The mean absolute error relative to the label, as a fraction: mean(|label - predicted| / max(|label|, \
          2^-52)). From 0 up; a label of 0 that is not met exactly makes it huge; NULL for no rows. Source: A. de \
          Myttenaere et al., Mean absolute percentage error for regression models, Neurocomputing 192, 2016.",
    make: |given| Ok(single(mean_of::<RelativeError>(&ML_MAPE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<RelativeError>(&ML_MAPE, given)?)),
};

/// The symmetric mean absolute percentage error, as a fraction: 0.1 is ten percent.
///
/// Formula: (1/n) Σ 2 |y − ŷ| / (|y| + |ŷ|), a row where both are 0 counting as 0. From 0 to 2. `None` for no rows. A
/// value that is NaN or infinite is an error. Memory: about 100 bytes. Source: S. Makridakis, "Accuracy measures:
/// theoretical and practical concerns", International Journal of Forecasting 9, 1993.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array};
/// use tidegate_ml::metric::ML_SMAPE;
///
/// let label: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 0.0]));
/// let predicted: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 0.0]));
/// let mut smape = (ML_SMAPE.make)(&[])?;
/// smape.update(&[label, predicted])?;
/// assert_eq!(smape.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_SMAPE: MetricDef = MetricDef {
    name: "ML_SMAPE",
    key: "SMAPE",
    arguments: NUMBERS,
    parameters: "",
    doc: "The symmetric mean absolute percentage error, as a fraction: mean(2 |label - predicted| / (|label| + \
          |predicted|)), 0 for a row where both are 0. From 0 to 2; NULL for no rows. Source: S. Makridakis, Accuracy \
          measures: theoretical and practical concerns, 1993.",
    make: |given| Ok(single(mean_of::<SymmetricError>(&ML_SMAPE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<SymmetricError>(&ML_SMAPE, given)?)),
};

#[derive(Debug)]
pub(super) struct AbsoluteError;

impl Term for AbsoluteError {
    type Pairs = Numbers;

    #[inline]
    fn of(label: f64, predicted: f64) -> f64 {
        (label - predicted).abs()
    }
}

#[derive(Debug)]
pub(super) struct SquaredError;

impl Term for SquaredError {
    type Pairs = Numbers;

    #[inline]
    fn of(label: f64, predicted: f64) -> f64 {
        let error = label - predicted;
        error * error
    }
}

#[derive(Debug)]
pub(super) struct RootSquaredError;

impl Term for RootSquaredError {
    type Pairs = Numbers;

    #[inline]
    fn of(label: f64, predicted: f64) -> f64 {
        SquaredError::of(label, predicted)
    }

    fn finish(mean: f64) -> f64 {
        mean.sqrt()
    }
}

#[derive(Debug)]
pub(super) struct RelativeError;

impl Term for RelativeError {
    type Pairs = Numbers;

    #[inline]
    fn of(label: f64, predicted: f64) -> f64 {
        (label - predicted).abs() / label.abs().max(f64::EPSILON)
    }
}

#[derive(Debug)]
pub(super) struct SymmetricError;

impl Term for SymmetricError {
    type Pairs = Numbers;

    #[inline]
    fn of(label: f64, predicted: f64) -> f64 {
        if label == 0.0 && predicted == 0.0 {
            return 0.0;
        }
        // Halves first, so that neither difference nor sum overflows. Of subnormal numbers halves would lose digits.
        let (y, p) = if label.abs() > 1.0 || predicted.abs() > 1.0 {
            (label / 2.0, predicted / 2.0)
        } else {
            (label, predicted)
        };
        2.0 * ((y - p).abs() / (y.abs() + p.abs()))
    }
}

fn mean_of<T: Term>(metric: &MetricDef, given: &[Expression]) -> Result<MeanOf<T>> {
    Parameters::new(metric.name, metric.parameters, given).finish()?;
    Ok(MeanOf(PhantomData))
}
