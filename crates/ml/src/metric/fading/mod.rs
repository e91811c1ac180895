//! Metrics whose old rows fade: each row weighs `factor` times as much as the next one.
//!
//! ```text
//!  rows            1st      2nd     3rd     …   nth
//!  weight          f^(n-1)  f^(n-2) f^(n-3) …   1          all weights together tend to 1 / (1 - f)
//! ```
//! A measure of all rows hardly moves any more after a million of them, and one of a window jumps when a row leaves it. A
//! fading one follows a model that changes, in memory that does not grow: with a factor of 0.999 it looks at some thousand
//! rows. Source: J. Gama, R. Sebastião and P. P. Rodrigues, "On evaluating stream learning algorithms", Machine Learning 90,
//! 2013, <https://doi.org/10.1007/s10994-012-5320-9>.
//!
//! What is made of sums and counts of rows has such a form, which is exact: a faded sum is a sum of faded terms. What ranks all
//! rows has none: see [`why_not_fading`]. Rows with a NULL count nowhere, and make no other row fade.
//!
//! **Order.** A fading state is that of a sequence. [`super::Metric::merge`] takes in the state of the rows that come right after
//! its own: its own fade by `factor` to the power of their number. So `merge(a, b)` is all of a and then all of b, up to
//! rounding; a state merged into an empty one is that state, bit for bit.

mod counts;
mod explained;
mod mean;
#[cfg(test)]
mod tests;

use self::counts::FadingCounting;
use self::explained::{FadingExplained, FadingMoments};
use self::mean::FadingMeanOf;
use super::accuracy::{accuracy, balanced_accuracy};
use super::aggregate::{grouped, single};
use super::agreement::{kappa, mcc};
use super::counts::{ClassMeasure, Counting};
use super::mean::Term;
use super::parameters::Parameters;
use super::precision_recall::{Fraction, averaged, f_beta};
use super::probability::{BrierScore, LogLoss};
use super::regression::{AbsoluteError, RelativeError, RootSquaredError, SquaredError, SymmetricError};
use super::{
    METRICS, ML_ACCURACY, ML_BALANCED_ACCURACY, ML_BRIER_SCORE, ML_EXPLAINED_VARIANCE, ML_F1, ML_FBETA, ML_KAPPA,
    ML_LOG_LOSS, ML_MAE, ML_MAPE, ML_MCC, ML_MSE, ML_PRECISION, ML_R2, ML_RECALL, ML_RMSE, ML_SMAPE, ML_SPECIFICITY,
    MetricDef,
};
use crate::{Error, Expression, Result};

/// What the names of fading metrics begin with; the name of the metric follows.
const PREFIX: &str = "ML_FADING_";

/// All metrics with a fading form, by their SQL names.
pub static FADING_METRICS: &[&MetricDef] = &[
    &ML_FADING_ACCURACY,
    &ML_FADING_BALANCED_ACCURACY,
    &ML_FADING_BRIER_SCORE,
    &ML_FADING_EXPLAINED_VARIANCE,
    &ML_FADING_F1,
    &ML_FADING_FBETA,
    &ML_FADING_KAPPA,
    &ML_FADING_LOG_LOSS,
    &ML_FADING_MAE,
    &ML_FADING_MAPE,
    &ML_FADING_MCC,
    &ML_FADING_MSE,
    &ML_FADING_PRECISION,
    &ML_FADING_R2,
    &ML_FADING_RECALL,
    &ML_FADING_RMSE,
    &ML_FADING_SMAPE,
    &ML_FADING_SPECIFICITY,
];

/// Why a metric has no fading form, for the name of a function that is not there.
///
/// ```
/// use tidegate_ml::metric::why_not_fading;
///
/// assert!(why_not_fading("ml_fading_roc_auc").is_some());
/// assert!(why_not_fading("ML_FADING_ACCURACY").is_none(), "there is one");
/// assert!(why_not_fading("ML_ROC_AUC").is_none(), "none is asked for");
/// ```
pub fn why_not_fading(function: &str) -> Option<String> {
    let function = function.to_ascii_uppercase();
    let metric = function.strip_prefix(PREFIX)?;
    if FADING_METRICS.iter().any(|known| known.name == function) {
        return None;
    }
    METRICS.iter().find(|known| known.name.strip_prefix("ML_") == Some(metric)).map(|known| {
        format!(
            "{function}: {} compares each row with every other, so it is not made of sums that could fade; take it of a window, \
             as in {} OVER (ORDER BY ts ROWS BETWEEN 999 PRECEDING AND CURRENT ROW)",
            known.name, known.name
        )
    })
}

/// By how much a row's weight is multiplied with each row that follows.
#[derive(Debug, Clone, Copy)]
struct Factor(f64);

impl Factor {
    /// What is left of a weight after so many rows.
    #[inline]
    fn after(self, rows: u64) -> f64 {
        match rows {
            0 => 1.0,
            1 => self.0,
            rows => self.0.powf(rows as f64),
        }
    }
}

/// The factor, and the parameters that follow it.
fn factor<'a>(metric: &MetricDef, given: &'a [Expression]) -> Result<(Factor, &'a [Expression])> {
    let mut parameters = Parameters::new(metric.name, metric.parameters, given);
    const EXPECTED: &str = "a number above 0 and up to 1, such as 0.999";
    match parameters.number("factor")? {
        Some(factor) if factor > 0.0 && factor <= 1.0 => Ok((Factor(factor), &given[1..])),
        Some(factor) => Err(parameters.refuse("factor", &factor.to_string(), EXPECTED)),
        None => Err(parameters.refuse("factor", "missing", EXPECTED)),
    }
}

fn counting<M: ClassMeasure>(
    metric: &MetricDef,
    measure: fn(&[Expression]) -> Result<Counting<M>>,
    given: &[Expression],
) -> Result<FadingCounting<M>> {
    let (factor, rest) = factor(metric, given)?;
    Ok(FadingCounting::new(measure(rest)?.into_measure(), factor))
}

fn mean_of<T: Term>(metric: &MetricDef, given: &[Expression]) -> Result<FadingMeanOf<T>> {
    let (factor, rest) = factor(metric, given)?;
    Parameters::new(metric.name, metric.parameters, rest).finish()?;
    Ok(FadingMeanOf::new(factor))
}

fn explained(
    metric: &MetricDef,
    measure: fn(&FadingMoments) -> Option<f64>,
    given: &[Expression],
) -> Result<FadingExplained> {
    let (factor, rest) = factor(metric, given)?;
    Parameters::new(metric.name, metric.parameters, rest).finish()?;
    Ok(FadingExplained::new(measure, factor))
}

/// Declares the fading form of a metric.
macro_rules! fading {
    ($name:ident, $of:ident, $parameters:literal, $make:expr) => {
        #[doc = concat!("[`", stringify!($of), "`] of rows whose weight fades.")]
        static $name: MetricDef = MetricDef {
            name: stringify!($name),
            key: concat!("Fading", stringify!($of)),
            arguments: $of.arguments,
            parameters: $parameters,
            doc: concat!(
                stringify!($of),
                " of rows whose weight fades: each weighs factor times as much as the next one, so that it looks at about \
                 1 / (1 - factor) rows. The order of rows matters; other parameters, range and NULL are as in ",
                stringify!($of),
                ". Source: J. Gama et al., On evaluating stream learning algorithms, Machine Learning 90, 2013."
            ),
            make: |given| Ok(single($make(&$name, given)?)),
            make_grouped: |given| Ok(grouped($make(&$name, given)?)),
        };
    };
}

fading!(ML_FADING_ACCURACY, ML_ACCURACY, "factor DOUBLE", |m, given| counting(m, accuracy, given));
fading!(ML_FADING_BALANCED_ACCURACY, ML_BALANCED_ACCURACY, "factor DOUBLE", |m, given| counting(
    m,
    balanced_accuracy,
    given
));
fading!(ML_FADING_BRIER_SCORE, ML_BRIER_SCORE, "factor DOUBLE", mean_of::<BrierScore>);
fading!(ML_FADING_EXPLAINED_VARIANCE, ML_EXPLAINED_VARIANCE, "factor DOUBLE", |m, given| explained(
    m,
    FadingMoments::explained_variance,
    given
));
fading!(
    ML_FADING_F1,
    ML_F1,
    "factor DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    |m, given| counting(m, |rest| averaged(&ML_F1, Fraction::F { beta: 1.0 }, rest), given)
);
fading!(
    ML_FADING_FBETA,
    ML_FBETA,
    "factor DOUBLE, beta DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    |m, given| counting(m, f_beta, given)
);
fading!(ML_FADING_KAPPA, ML_KAPPA, "factor DOUBLE", |m, given| counting(m, kappa, given));
fading!(ML_FADING_LOG_LOSS, ML_LOG_LOSS, "factor DOUBLE", mean_of::<LogLoss>);
fading!(ML_FADING_MAE, ML_MAE, "factor DOUBLE", mean_of::<AbsoluteError>);
fading!(ML_FADING_MAPE, ML_MAPE, "factor DOUBLE", mean_of::<RelativeError>);
fading!(ML_FADING_MCC, ML_MCC, "factor DOUBLE", |m, given| counting(m, mcc, given));
fading!(ML_FADING_MSE, ML_MSE, "factor DOUBLE", mean_of::<SquaredError>);
fading!(
    ML_FADING_PRECISION,
    ML_PRECISION,
    "factor DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    |m, given| counting(m, |rest| averaged(&ML_PRECISION, Fraction::Precision, rest), given)
);
fading!(ML_FADING_R2, ML_R2, "factor DOUBLE", |m, given| explained(m, FadingMoments::r2, given));
fading!(
    ML_FADING_RECALL,
    ML_RECALL,
    "factor DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    |m, given| counting(m, |rest| averaged(&ML_RECALL, Fraction::Recall, rest), given)
);
fading!(ML_FADING_RMSE, ML_RMSE, "factor DOUBLE", mean_of::<RootSquaredError>);
fading!(ML_FADING_SMAPE, ML_SMAPE, "factor DOUBLE", mean_of::<SymmetricError>);
fading!(
    ML_FADING_SPECIFICITY,
    ML_SPECIFICITY,
    "factor DOUBLE, average STRING = 'binary' for BOOLEAN, else 'macro'",
    |m, given| counting(m, |rest| averaged(&ML_SPECIFICITY, Fraction::Specificity, rest), given)
);

/// A saved state that cannot be.
fn contradiction(what: &str) -> Error {
    crate::snapshot::SnapshotError::Content(what.to_string()).into()
}
