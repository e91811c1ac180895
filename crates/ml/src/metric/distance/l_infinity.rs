//! The L-infinity distance of two samples of categories.

use super::samples::{distance, grouped_distance};
use super::{Counts, DistanceDef, apart, product, totals};
use crate::metric::{Argument, MetricDef};

/// The largest change in the share of a category.
///
/// Formula: max_c |s_c − r_c|, with r_c and s_c the shares of the reference and the study. From 0 to 1. `None` unless both samples have
/// rows. Memory: 16 bytes a category. Source: E. Breck, N. Polyzotis, S. Roy, S. Whang, M. Zinkevich, "Data validation for machine
/// learning", MLSys 2019.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, StringArray};
/// use tidegate_ml::metric::ML_L_INFINITY;
///
/// let study: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true, true, true]));
/// let value: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b", "c", "b", "b"]));
/// let mut distance = (ML_L_INFINITY.make)(&[])?;
/// distance.update(&[study, value])?;
/// assert_eq!(distance.value(), Some(0.5));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_L_INFINITY: MetricDef = MetricDef {
    name: "ML_L_INFINITY",
    key: "LInfinity",
    arguments: &[Argument::Sample, Argument::Category],
    parameters: "",
    doc: "The L-infinity distance of two samples of categories: the largest change in the share of one. The first argument is true in rows \
          of the study, false in those of the reference. From 0 to 1; NULL unless both have rows. Source: E. Breck et al., Data validation \
          for machine learning, 2019.",
    make: |given| distance(&L_INFINITY, given),
    make_grouped: |given| grouped_distance(&L_INFINITY, given),
};

pub(super) static L_INFINITY: DistanceDef =
    DistanceDef { name: "l_infinity", metric: &ML_L_INFINITY, of_numbers: None, of_categories: Some(of_categories) };

fn of_categories(counts: &[Counts]) -> Option<f64> {
    let totals = totals(counts.iter().copied())?;
    let largest = counts.iter().map(|counts| apart(*counts, totals)).max();
    largest.map(|largest| largest as f64 / product(totals))
}
