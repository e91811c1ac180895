//! The Wasserstein distance of order 1.

use super::samples::{distance, grouped_distance};
use super::{DistanceDef, Step, apart, product, totals};
use crate::metric::{Argument, MetricDef};

/// How far the numbers of one sample must be moved, on average, to be those of the other.
///
/// Formula: ∫ |F_r(x) − F_s(x)| dx, with F_r and F_s the empirical distribution functions of the reference and the study. From 0, in the
/// unit of the numbers; infinite only where the distance is beyond all numbers. `None` unless both samples have rows. Memory: 8 bytes a
/// row; sorted when asked for. Source: as `wasserstein_distance` of scipy; L. N. Vaserstein, 1969.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_WASSERSTEIN;
///
/// let study: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true]));
/// let value: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0, 5.0]));
/// let mut distance = (ML_WASSERSTEIN.make)(&[])?;
/// distance.update(&[study, value])?;
/// assert_eq!(distance.value(), Some(3.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_WASSERSTEIN: MetricDef = MetricDef {
    name: "ML_WASSERSTEIN",
    key: "Wasserstein",
    arguments: &[Argument::Sample, Argument::Number],
    parameters: "",
    doc: "The Wasserstein distance (of the earth mover) of two samples of numbers: how far those of one must be moved, on average, to be \
          those of the other, in the unit of the numbers. The first argument is true in rows of the study, false in those of the reference. \
          NULL unless both have rows. 8 bytes a row. Source: as wasserstein_distance of scipy; L. N. Vaserstein, 1969.",
    make: |given| distance(&WASSERSTEIN, given),
    make_grouped: |given| grouped_distance(&WASSERSTEIN, given),
};

pub(super) static WASSERSTEIN: DistanceDef =
    DistanceDef { name: "wasserstein", metric: &ML_WASSERSTEIN, of_numbers: Some(of_numbers), of_categories: None };

fn of_numbers(steps: &[Step], _: usize) -> Option<f64> {
    let totals = totals(steps.iter().map(|step| step.counts))?;
    let (mut below, mut area) = ([0, 0], 0.0);
    for pair in steps.windows(2) {
        below = [below[0] + pair[0].counts[0], below[1] + pair[0].counts[1]];
        let height = apart(below, totals);
        // A gap may be infinite, and 0 times it would be NaN.
        if height > 0 {
            area += (pair[1].value - pair[0].value) * (height as f64 / product(totals));
        }
    }
    Some(area)
}
