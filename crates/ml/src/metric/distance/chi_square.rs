//! The chi-square statistic of two samples of categories.

use super::samples::{distance, grouped_distance};
use super::{Counts, DistanceDef, apart, product, totals};
use crate::metric::{Argument, MetricDef};

/// Pearson's chi-square statistic of whether two samples have the same categories.
///
/// Formula: Σ over samples and categories of (o − e)² / e, with o the rows and e those expected if the shares of categories were those of
/// both samples together. From 0; like any statistic of a test it grows with the number of rows, and is read with (categories − 1)
/// degrees of freedom. `None` unless both samples have rows. Memory: 16 bytes a category. Source: as `chi2_contingency(…,
/// correction=False)` of scipy; K. Pearson, 1900.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, StringArray};
/// use tidegate_ml::metric::ML_CHI_SQUARE;
///
/// let study: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true]));
/// let value: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b", "c"]));
/// let mut distance = (ML_CHI_SQUARE.make)(&[])?;
/// distance.update(&[study, value])?;
/// assert_eq!(distance.value(), Some(2.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_CHI_SQUARE: MetricDef = MetricDef {
    name: "ML_CHI_SQUARE",
    key: "ChiSquare",
    arguments: &[Argument::Sample, Argument::Category],
    parameters: "",
    doc: "Pearson's chi-square statistic of two samples of categories: the sum over samples and categories of (o - e)^2 / e, with o the \
          rows and e those expected if the shares of categories were the same in both. It grows with the number of rows; its degrees of \
          freedom are the categories but one. The first argument is true in rows of the study, false in those of the reference. NULL unless \
          both have rows. Source: as chi2_contingency of scipy; K. Pearson, 1900.",
    make: |given| distance(&CHI_SQUARE, given),
    make_grouped: |given| grouped_distance(&CHI_SQUARE, given),
};

pub(super) static CHI_SQUARE: DistanceDef =
    DistanceDef { name: "chi_square", metric: &ML_CHI_SQUARE, of_numbers: None, of_categories: Some(of_categories) };

fn of_categories(counts: &[Counts]) -> Option<f64> {
    let totals = totals(counts.iter().copied())?;
    // With two samples the terms of a category add up to this.
    let term = |counts: &Counts| {
        let apart = apart(*counts, totals) as f64;
        apart / product(totals) * apart / (counts[0] + counts[1]) as f64
    };
    Some(counts.iter().filter(|counts| **counts != [0, 0]).map(term).sum())
}
