//! How good probabilities are: log loss and Brier score.

use std::marker::PhantomData;

use super::aggregate::{grouped, single};
use super::mean::{MeanOf, Probabilities, Term};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Expression, Result};

/// Probabilities are kept this far from 0 and 1 in the log loss.
const CLIP: f64 = 1e-15;

/// The mean negative log-likelihood of the labels under the predicted probabilities.
///
/// Formula: −(1/n) Σ (y ln p + (1 − y) ln(1 − p)), natural logarithm, p clipped to [10⁻¹⁵, 1 − 10⁻¹⁵]. From 0 (sure and
/// right) to 34.54 (sure and wrong); always saying 1/2 gives ln 2 = 0.693. `None` for no rows. A probability outside
/// [0, 1] or NaN is an error. Small p keep their digits in ln(1 − p), and the sum is exact. Memory: about 100 bytes.
/// Source: I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14, 1952.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_LOG_LOSS;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
/// let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.8, 0.2]));
/// let mut log_loss = (ML_LOG_LOSS.make)(&[])?;
/// log_loss.update(&[label, probability])?;
/// assert!((log_loss.value().unwrap() - -0.8_f64.ln()).abs() < 1e-15);
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_LOG_LOSS: MetricDef = MetricDef {
    name: "ML_LOG_LOSS",
    key: "LogLoss",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "",
    doc: "The mean negative log-likelihood of the labels under the predicted probabilities: -mean(y ln p + (1 - y) \
          ln(1 - p)), p clipped to [1e-15, 1 - 1e-15]. From 0 (sure and right) to 34.54 (sure and wrong); always \
          saying 1/2 gives ln 2; NULL for no rows. A probability outside [0, 1] is an error. Source: I. J. Good, \
          Rational decisions, 1952.",
    make: |given| Ok(single(mean_of::<LogLoss>(&ML_LOG_LOSS, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<LogLoss>(&ML_LOG_LOSS, given)?)),
};

/// The mean squared difference of probability and outcome.
///
/// Formula: (1/n) Σ (p − y)², y being 0 or 1. From 0 to 1; always saying 1/2 gives 1/4. `None` for no rows. A
/// probability outside [0, 1] or NaN is an error. Memory: about 100 bytes. Source: G. W. Brier, "Verification of
/// forecasts expressed in terms of probability", Monthly Weather Review 78, 1950 (half of its sum over both classes).
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array, Int32Array};
/// use tidegate_ml::metric::ML_BRIER_SCORE;
///
/// let label: ArrayRef = Arc::new(Int32Array::from(vec![1, 0]));
/// let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 0.0]));
/// let mut brier = (ML_BRIER_SCORE.make)(&[])?;
/// brier.update(&[label, probability])?;
/// assert_eq!(brier.value(), Some(0.125));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_BRIER_SCORE: MetricDef = MetricDef {
    name: "ML_BRIER_SCORE",
    key: "BrierScore",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "",
    doc: "The mean squared difference of probability and outcome: mean((p - y)^2), y being 0 or 1. From 0 to 1; always \
          saying 1/2 gives 1/4; NULL for no rows. A probability outside [0, 1] is an error. Source: G. W. Brier, \
          Verification of forecasts expressed in terms of probability, 1950 (half of its sum over both classes).",
    make: |given| Ok(single(mean_of::<BrierScore>(&ML_BRIER_SCORE, given)?)),
    make_grouped: |given| Ok(grouped(mean_of::<BrierScore>(&ML_BRIER_SCORE, given)?)),
};

/// The log loss of one probability.
#[inline]
pub(crate) fn log_loss(label: bool, probability: f64) -> f64 {
    let p = probability.clamp(CLIP, 1.0 - CLIP);
    // ln of the probability that the label had: one logarithm, and no branch on a label that cannot be predicted.
    let likelihood = if label { p } else { 1.0 - p };
    // What rounding took from 1 - p: exact, and for small p the larger part of the logarithm.
    let lost = if label { 0.0 } else { (1.0 - likelihood) - p };
    -(likelihood.ln() + lost / likelihood)
}

#[derive(Debug)]
pub(super) struct LogLoss;

impl Term for LogLoss {
    type Pairs = Probabilities;

    #[inline]
    fn of(label: bool, probability: f64) -> f64 {
        log_loss(label, probability)
    }
}

#[derive(Debug)]
pub(super) struct BrierScore;

impl Term for BrierScore {
    type Pairs = Probabilities;

    #[inline]
    fn of(label: bool, probability: f64) -> f64 {
        let difference = probability - f64::from(u8::from(label));
        difference * difference
    }
}

fn mean_of<T: Term>(metric: &MetricDef, given: &[Expression]) -> Result<MeanOf<T>> {
    Parameters::new(metric.name, metric.parameters, given).finish()?;
    Ok(MeanOf(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln(1 − p) keeps its digits where 1 − p has lost those of p.
    #[test]
    fn small_probabilities_keep_their_digits() {
        for p in [1e-15, 3.3e-13, 1e-9, 1e-5, 0.1, 0.3, 0.5, 0.77, 0.999, 1.0 - 1e-12] {
            let (found, expected) = (LogLoss::of(false, p), -(-p).ln_1p());
            assert!((found / expected - 1.0).abs() < 4e-16, "{p}: {found} for {expected}");
            assert_eq!(LogLoss::of(true, p), -p.ln());
        }
        assert_eq!(LogLoss::of(true, 0.0), -CLIP.ln());
        assert_eq!(LogLoss::of(false, 1.0), LogLoss::of(false, 1.0 - CLIP));
    }
}
