//! Distances between two samples of one column: how far rows of a study are from those of a reference.
//!
//! A distance takes a flag, which is true in rows of the study and false in those of the reference, and the value. Numbers are kept
//! as they are, 8 bytes each, and sorted when the distance is asked for; categories are counted. So all distances are exact: they
//! depend on neither the order of rows nor how these were spread, and equal what scipy makes of the same two samples. `None` unless
//! both samples have rows. A number that is NaN or infinite is refused.
//!
//! ```text
//!  rows ──► TwoSamples ──► [Step]   of numbers, by their value ──► DistanceDef::of_numbers
//!                     └──► [Counts] of categories ───────────────► DistanceDef::of_categories
//! ```
//!
//! Adding a distance is a file here, a line in [`DISTANCES`] and one in [`super::METRICS`].

use super::MetricDef;

mod bins;
mod chi_square;
mod jensen_shannon;
mod kolmogorov_smirnov;
mod l_infinity;
mod population_stability;
mod samples;
mod wasserstein;

#[cfg(test)]
mod golden;

pub use chi_square::ML_CHI_SQUARE;
pub use jensen_shannon::ML_JENSEN_SHANNON;
pub use kolmogorov_smirnov::ML_KOLMOGOROV_SMIRNOV;
pub use l_infinity::ML_L_INFINITY;
pub use population_stability::ML_PSI;
pub use wasserstein::ML_WASSERSTEIN;

/// Rows of the reference and of the study.
pub type Counts = [u64; 2];

/// The rows that have one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The value: a finite number.
    pub value: f64,
    /// How many rows of each sample have it.
    pub counts: Counts,
}

/// Most rows that both samples may have together: products of counts and of a number of bins then fit 128 bits.
const MAX_ROWS: u64 = 1 << 53;

/// The distance of numbers, by rising value, each value once, in so many bins where it takes any; `None` unless both samples have rows.
pub type OfNumbers = fn(&[Step], usize) -> Option<f64>;

/// The distance of categories, in an order that is the same whatever the order of rows; `None` unless both samples have rows.
pub type OfCategories = fn(&[Counts]) -> Option<f64>;

/// How to compute a distance.
#[derive(Debug)]
pub struct DistanceDef {
    /// What it is called where a distance is chosen, such as `jensen_shannon`.
    pub name: &'static str,
    /// The aggregate of the same name.
    pub metric: &'static MetricDef,
    /// Of numbers. `None`: it takes none.
    pub of_numbers: Option<OfNumbers>,
    /// Of categories. `None`: it takes none.
    pub of_categories: Option<OfCategories>,
}

/// Bins of numbers, where a distance takes any and none are given.
pub const DEFAULT_BINS: usize = 10;

/// All distances, by name.
pub static DISTANCES: &[&DistanceDef] = &[
    &chi_square::CHI_SQUARE,
    &jensen_shannon::JENSEN_SHANNON,
    &kolmogorov_smirnov::KOLMOGOROV_SMIRNOV,
    &l_infinity::L_INFINITY,
    &population_stability::PSI,
    &wasserstein::WASSERSTEIN,
];

/// The rows of each sample, and `None` unless both have some.
fn totals(counts: impl Iterator<Item = Counts>) -> Option<Counts> {
    let totals = counts.fold([0, 0], |sum: Counts, counts| [sum[0] + counts[0], sum[1] + counts[1]]);
    (totals[0] > 0 && totals[1] > 0).then_some(totals)
}

/// |a / A − b / B| × A × B, with A and B the rows of the samples: exact.
fn apart(counts: Counts, totals: Counts) -> u128 {
    let [reference, study] = counts.map(u128::from);
    (reference * u128::from(totals[1])).abs_diff(study * u128::from(totals[0]))
}

/// A × B as a number.
fn product(totals: Counts) -> f64 {
    (u128::from(totals[0]) * u128::from(totals[1])) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(rows: &[(i8, bool)]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        for (value, study) in rows {
            let value = f64::from(value);
            if steps.last().is_none_or(|last| last.value != value) {
                steps.push(Step { value, counts: [0, 0] });
            }
            let last = steps.len() - 1;
            steps[last].counts[usize::from(study)] += 1;
        }
        steps
    }

    proptest! {
        /// What holds for every distance: of a sample to itself it is 0, never below 0, and the size of a sample does not matter
        /// (but for chi-square, which is evidence and grows with it).
        #[test]
        fn all_are_distances(rows in prop::collection::vec((-5i8..5, any::<bool>()), 2..60), times in 2u64..5) {
            let steps = steps(&rows);
            let counts: Vec<Counts> = steps.iter().map(|step| step.counts).collect();
            let same: Vec<Step> = steps.iter().map(|step| Step { counts: [step.counts[0] * times, step.counts[0]], ..*step }).collect();
            let more: Vec<Step> = steps.iter().map(|step| Step { counts: [step.counts[0] * times, step.counts[1]], ..*step }).collect();
            let both = totals(counts.iter().copied()).is_some();
            for distance in DISTANCES {
                let mut found = Vec::new();
                if let Some(of_numbers) = distance.of_numbers {
                    found.push([&steps, &same, &more].map(|steps| of_numbers(steps, 4)));
                }
                if let Some(of_categories) = distance.of_categories {
                    found.push([&steps, &same, &more].map(|steps| {
                        of_categories(&steps.iter().map(|step| step.counts).collect::<Vec<_>>())
                    }));
                }
                for [of_rows, of_same, of_more] in found {
                    prop_assert_eq!(of_rows.is_some(), both);
                    prop_assert!(of_rows.is_none_or(|value| value >= 0.0), "{} {of_rows:?}", distance.name);
                    prop_assert!(of_same.is_none_or(|value| value.abs() < 1e-12), "{} {of_same:?}", distance.name);
                    if let (Some(a), Some(b), true) = (of_rows, of_more, distance.name != "chi_square") {
                        prop_assert!((a - b).abs() < 1e-12, "{}: {a} and {b}", distance.name);
                    }
                }
            }
        }
    }

    #[test]
    fn samples_without_a_value_in_common() {
        let steps = steps(&[(0, false), (0, false), (3, true)]);
        let of = |distance: &DistanceDef| distance.of_numbers.unwrap()(&steps, 10).unwrap();
        assert_eq!(of(&kolmogorov_smirnov::KOLMOGOROV_SMIRNOV), 1.0);
        assert_eq!(of(&wasserstein::WASSERSTEIN), 3.0);
        assert_eq!(of(&jensen_shannon::JENSEN_SHANNON), 1.0);
        // Shares of 1 and 0, where 0 counts as 1 in 10000: 2 (1 − 0.0001) ln 10000.
        assert!((of(&population_stability::PSI) - 2.0 * 0.9999 * 1e4f64.ln()).abs() < 1e-12);
        // Below the reference as well as above it.
        let below = [Step { value: -1.0, counts: [0, 1] }, Step { value: 0.0, counts: [2, 0] }];
        assert_eq!(population_stability::PSI.of_numbers.unwrap()(&below, 10), Some(of(&population_stability::PSI)));
    }

    #[test]
    fn names_are_in_order_and_say_what_the_aggregate_says() {
        assert!(DISTANCES.is_sorted_by_key(|distance| distance.name));
        for distance in DISTANCES {
            assert_eq!(distance.metric.name, format!("ML_{}", distance.name.to_uppercase()));
            assert!(distance.of_numbers.is_some() || distance.of_categories.is_some());
        }
    }
}
