//! The Kolmogorov–Smirnov distance.

use super::samples::{distance, grouped_distance};
use super::{DistanceDef, Step, apart, product, totals};
use crate::metric::{Argument, MetricDef};

/// The largest difference between the shares of two samples that are at or below a number.
///
/// Formula: sup_x |F_r(x) − F_s(x)|, with F_r and F_s the empirical distribution functions of the reference and the study. From 0 to
/// 1; `None` unless both samples have rows. Memory: 8 bytes a row; sorted when asked for. Source: as `ks_2samp(…).statistic` of scipy;
/// Smirnov, "Table for estimating the goodness of fit of empirical distributions", 1948.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_KOLMOGOROV_SMIRNOV;
///
/// let study: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true]));
/// let value: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 2.0, 3.0]));
/// let mut distance = (ML_KOLMOGOROV_SMIRNOV.make)(&[])?;
/// distance.update(&[study, value])?;
/// assert_eq!(distance.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_KOLMOGOROV_SMIRNOV: MetricDef = MetricDef {
    name: "ML_KOLMOGOROV_SMIRNOV",
    key: "KolmogorovSmirnov",
    arguments: &[Argument::Sample, Argument::Number],
    parameters: "",
    doc: "The Kolmogorov-Smirnov distance of two samples of numbers: the largest difference between the shares of each that are at or below \
          a number. The first argument is true in rows of the study, false in those of the reference. From 0 to 1; NULL unless both have \
          rows. 8 bytes a row. Source: as ks_2samp of scipy; N. V. Smirnov, 1948.",
    make: |given| distance(&KOLMOGOROV_SMIRNOV, given),
    make_grouped: |given| grouped_distance(&KOLMOGOROV_SMIRNOV, given),
};

pub(super) static KOLMOGOROV_SMIRNOV: DistanceDef = DistanceDef {
    name: "kolmogorov_smirnov",
    metric: &ML_KOLMOGOROV_SMIRNOV,
    of_numbers: Some(of_numbers),
    of_categories: None,
};

fn of_numbers(steps: &[Step], _: usize) -> Option<f64> {
    let totals = totals(steps.iter().map(|step| step.counts))?;
    let (mut below, mut largest) = ([0, 0], 0);
    for step in steps {
        below = [below[0] + step.counts[0], below[1] + step.counts[1]];
        largest = largest.max(apart(below, totals));
    }
    Some(largest as f64 / product(totals))
}
