//! The population stability index.

use super::bins::equal_weight;
use super::samples::{distance, grouped_distance};
use super::{Counts, DistanceDef, Step, totals};
use crate::metric::{Argument, MetricDef};

/// The least share of a bin: without it a bin that one sample does not reach would have an infinite term.
const SHARE_MIN: f64 = 1e-4;

/// The population stability index: how much the shares of bins, or of categories, have changed.
///
/// Formula: Σ_b (s_b − r_b) ln(s_b / r_b), with r_b and s_b the shares of the reference and the study in bin b, each at least 0.0001.
/// From 0; the usual reading is below 0.1 little, above 0.25 much. Bins of numbers end at quantiles of the reference, its deciles by
/// default; the first begins and the last ends at infinity, and where values are so frequent that ends coincide there are fewer. Each
/// category (BOOLEAN or STRING) is a bin. `None` unless both samples have rows.
///
/// Parameter: `bins`, of numbers, from 2 to 10000, 10 if left out. Memory: 8 bytes a row of numbers, 16 bytes a category. Source: N.
/// Siddiqi, "Credit Risk Scorecards", 2006.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, StringArray};
/// use tidegate_ml::metric::ML_PSI;
///
/// let study: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true, true]));
/// let value: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a", "a", "b"]));
/// let mut distance = (ML_PSI.make)(&[])?;
/// distance.update(&[study, value])?;
/// let by_hand = (2.0 / 3.0 - 0.5) * (4.0f64 / 3.0).ln() + (1.0 / 3.0 - 0.5) * (2.0f64 / 3.0).ln();
/// assert!((distance.value().unwrap() - by_hand).abs() < 1e-12);
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_PSI: MetricDef = MetricDef {
    name: "ML_PSI",
    key: "Psi",
    arguments: &[Argument::Sample, Argument::Value],
    parameters: "bins BIGINT = 10",
    doc: "The population stability index of two samples: the sum over bins of (s - r) ln(s / r), with r and s the shares of the reference \
          and the study, each at least 0.0001. Bins of numbers end at quantiles of the reference; each category is a bin. The first argument \
          is true in rows of the study, false in those of the reference. From 0; NULL unless both have rows. 8 bytes a row of numbers. \
          Source: N. Siddiqi, Credit Risk Scorecards, 2006.",
    make: |given| distance(&PSI, given),
    make_grouped: |given| grouped_distance(&PSI, given),
};

pub(super) static PSI: DistanceDef =
    DistanceDef { name: "psi", metric: &ML_PSI, of_numbers: Some(of_numbers), of_categories: Some(of_categories) };

fn of_numbers(steps: &[Step], bins: usize) -> Option<f64> {
    of_categories(&equal_weight(steps, bins, |counts| counts[0].into()))
}

fn of_categories(bins: &[Counts]) -> Option<f64> {
    let totals = totals(bins.iter().copied())?;
    let share = |rows: u64, of: u64| (rows as f64 / of as f64).max(SHARE_MIN);
    let term = |counts: &Counts| {
        let (reference, study) = (share(counts[0], totals[0]), share(counts[1], totals[1]));
        (study - reference) * libm::log(study / reference)
    };
    Some(bins.iter().map(term).sum())
}
