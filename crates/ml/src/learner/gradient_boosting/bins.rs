//! Columns of the rows in bins, a byte a value.
//!
//! Of a number a bin is a range of values that some `1/max_bins` of the rows have, or one value where there are no more; of a
//! category it is one of the commonest. One more bin, the last, is for what is missing, and for all other categories.

use super::rows::Rows;
use crate::learner::FeatureKind;

/// Most bins besides the last.
pub(super) const BINS_MAX: usize = 255;

/// How the values of a feature fall into bins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bins {
    /// The bin is how many of these are below the number. They rise.
    Number(Box<[f64]>),
    /// The bin is where the category is among these. They rise.
    Category(Box<[f64]>),
}

impl Bins {
    fn new(kind: FeatureKind, mut values: Vec<f64>, most: usize) -> Self {
        values.retain(|value| !value.is_nan());
        values.sort_unstable_by(f64::total_cmp);
        match kind {
            FeatureKind::Number => Self::Number(thresholds(&values, most)),
            FeatureKind::Category => Self::Category(commonest(&values, most)),
        }
    }

    /// The last bin: what is missing.
    pub(super) fn rest(&self) -> usize {
        match self {
            Self::Number(thresholds) => thresholds.len() + 1,
            Self::Category(categories) => categories.len(),
        }
    }

    /// The categories that have a bin of their own; none of a number.
    pub(super) fn categories(&self) -> Box<[f64]> {
        match self {
            Self::Number(_) => Box::default(),
            Self::Category(categories) => categories.clone(),
        }
    }

    /// The bin of a value.
    fn bin(&self, value: f64) -> u8 {
        match self {
            Self::Number(_) if value.is_nan() => self.rest() as u8,
            Self::Number(thresholds) => thresholds.partition_point(|threshold| *threshold < value) as u8,
            Self::Category(categories) => category_bin(categories, value),
        }
    }
}

/// The bin of a category among those that have one.
#[inline]
pub(super) fn category_bin(categories: &[f64], value: f64) -> u8 {
    let place = categories.partition_point(|category| *category < value);
    (if categories.get(place) == Some(&value) { place } else { categories.len() }) as u8
}

/// What divides sorted numbers into bins of about as many each, or of one value each where these are no more than `most`.
fn thresholds(sorted: &[f64], most: usize) -> Box<[f64]> {
    let distinct = || sorted.chunk_by(|a, b| a == b);
    let one_each = distinct().count() <= most;
    let mut thresholds = Vec::new();
    let (mut left, mut open, mut taken) = (sorted.len(), most, 0);
    for (values, next) in distinct().zip(distinct().skip(1)) {
        taken += values.len();
        // A value that fills more than a bin leaves fewer rows to the bins that are still open.
        if one_each || (open > 1 && taken * open >= left) {
            thresholds.push(between(values[values.len() - 1], next[0]));
            (left, open, taken) = (left - taken, open.saturating_sub(1), 0);
        }
    }
    thresholds.into()
}

/// A number that `below` does not exceed and `above` does.
fn between(below: f64, above: f64) -> f64 {
    // Halves are added, as the sum of two large numbers may not be one.
    let middle = 0.5 * below + 0.5 * above;
    if below <= middle && middle < above { middle } else { below }
}

/// The categories that most of these are; of those as common the ones met first.
fn commonest(sorted: &[f64], most: usize) -> Box<[f64]> {
    let mut counted: Vec<(usize, f64)> = sorted.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0])).collect();
    counted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    counted.truncate(most);
    let mut categories: Vec<f64> = counted.into_iter().map(|(_, category)| category).collect();
    categories.sort_unstable_by(f64::total_cmp);
    categories.into()
}

/// A feature of all rows.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) feature: usize,
    pub(super) bins: Bins,
    /// The bin of each row.
    pub(super) rows: Vec<u8>,
}

impl Column {
    /// A feature of the rows at some places.
    pub(super) fn new(rows: &Rows, places: &[u32], feature: usize, kind: FeatureKind, most: usize) -> Self {
        let values: Vec<f64> = places.iter().map(|at| rows.feature(*at as usize, feature)).collect();
        let bins = Bins::new(kind, values.clone(), most);
        let rows = values.into_iter().map(|value| bins.bin(value)).collect();
        Self { feature, bins, rows }
    }

    /// Whether it can divide rows at all.
    pub(super) fn varies(&self) -> bool {
        self.rows.windows(2).any(|pair| pair[0] != pair[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64], most: usize) -> Bins {
        Bins::new(FeatureKind::Number, values.to_vec(), most)
    }

    #[test]
    fn few_numbers_have_a_bin_each_and_many_share_bins_evenly() {
        assert_eq!(numbers(&[3.0, 1.0, f64::NAN, 2.0, 1.0], 3), Bins::Number([1.5, 2.5].into()));
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(numbers(&many, 4), Bins::Number([249.5, 499.5, 749.5].into()));
        // Half are 0: the others share what is left.
        let zeros: Vec<f64> = (0..1000).map(|i| f64::from((i - 500).max(0))).collect();
        let Bins::Number(thresholds) = numbers(&zeros, 5) else { panic!() };
        assert_eq!(thresholds.len(), 4);
        assert_eq!(thresholds[0], 0.5);
    }

    #[test]
    fn every_number_has_a_bin() {
        let bins = numbers(&[f64::NEG_INFINITY, -1.0, f64::MAX, f64::INFINITY], 10);
        let found: Vec<u8> =
            [f64::NEG_INFINITY, -1.0, f64::MAX, f64::INFINITY, f64::NAN].map(|value| bins.bin(value)).to_vec();
        assert_eq!(found, [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&[0.0, -0.0], 10).rest(), 1, "both zeros are one number");
        let neighbours = numbers(&[1.0, 1.0f64.next_up()], 10);
        assert_eq!((neighbours.bin(1.0), neighbours.bin(1.0f64.next_up())), (0, 1));
    }

    #[test]
    fn common_categories_have_a_bin_and_others_share_the_last() {
        let values = [7.0, 2.0, 7.0, 5.0, 2.0, 7.0, f64::NAN, 9.0];
        let bins = Bins::new(FeatureKind::Category, values.to_vec(), 3);
        assert_eq!(bins, Bins::Category([2.0, 5.0, 7.0].into()));
        assert_eq!([2.0, 5.0, 7.0, 9.0, f64::NAN, 1e300].map(|value| bins.bin(value)), [0, 1, 2, 3, 3, 3]);
    }
}
