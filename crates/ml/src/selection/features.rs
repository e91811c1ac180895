//! A statistic of each feature, gathered over the rows of blocks.
//!
//! Numbers that are missing are left out, so each feature has the rows that it has. A sparse feature that a row does not name is 0
//! there; those zeros are not gone through row by row: a statistic of a feature that is always 0 is kept, and what is not among the
//! entries of a sparse feature comes from it ([`Statistic::with_zeros`]).

use hashbrown::HashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Evidence, Scores};
use crate::block::Block;
use crate::learner::{FeatureKind, row_weight};

/// What is gathered of one feature and the target. Merging must give what all rows together give.
pub(super) trait Statistic: Clone + Serialize + DeserializeOwned {
    /// Of no rows.
    fn new(kind: FeatureKind) -> Self;

    /// Takes a row in: the feature's value, the target, and a weight above 0.
    fn take(&mut self, x: f64, y: f64, weight: f64);

    /// Takes in the rows of another.
    fn merge(&mut self, other: &Self);

    /// With rows in which the feature is 0 added, so that there are all the rows of `zero`, the same statistic of a feature that is
    /// always 0.
    fn with_zeros(&self, zero: &Self) -> Self;

    /// Whether it is a statistic of a feature of this kind, and none that corrupt bytes gave.
    fn is_of(&self, _kind: FeatureKind) -> bool {
        true
    }

    /// Bytes of memory beyond the value itself.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// A statistic of each feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Each<S> {
    dense: Vec<S>,
    /// Sparse features with their numbers, as they were met: of hashed ones there may be few among very many.
    sparse: Vec<(u32, S)>,
    /// Where among these each number is.
    #[serde(skip)]
    places: HashMap<u32, usize>,
    /// Of a feature that is always 0.
    zero: S,
}

impl<S: Statistic> Each<S> {
    /// Of no rows. Sparse features come as they are met.
    pub(super) fn new(kinds: &[FeatureKind]) -> Self {
        let dense = kinds.iter().map(|kind| S::new(*kind)).collect();
        Self { dense, sparse: Vec::new(), places: HashMap::new(), zero: S::new(FeatureKind::Number) }
    }

    /// Takes rows in, one after the other. Rows without weight are left out.
    pub(super) fn update(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        for (row, y) in y.iter().enumerate() {
            let weight = row_weight(weights, row);
            if weight <= 0.0 {
                continue;
            }
            let features = x.row(row);
            for (statistic, value) in self.dense.iter_mut().zip(features.dense) {
                if !value.is_nan() {
                    statistic.take(*value, *y, weight);
                }
            }
            for (at, index) in features.indices.iter().enumerate() {
                // A feature that a row names several times has the sum of its values.
                if features.indices[..at].contains(index) {
                    continue;
                }
                let values = features.indices[at..].iter().zip(&features.values[at..]);
                let value: f64 = values.filter(|(other, _)| *other == index).map(|(_, value)| value).sum();
                if value != 0.0 && !value.is_nan() {
                    self.sparse_mut(*index).take(value, *y, weight);
                }
            }
            self.zero.take(0.0, *y, weight);
        }
    }

    fn sparse_mut(&mut self, number: u32) -> &mut S {
        let place = *self.places.entry(number).or_insert_with(|| {
            self.sparse.push((number, S::new(FeatureKind::Number)));
            self.sparse.len() - 1
        });
        &mut self.sparse[place].1
    }

    /// Takes in what was gathered from other rows, of the same dense features.
    pub(super) fn merge(&mut self, other: &Self) {
        self.dense.iter_mut().zip(&other.dense).for_each(|(mine, theirs)| mine.merge(theirs));
        for (number, theirs) in &other.sparse {
            self.sparse_mut(*number).merge(theirs);
        }
        self.zero.merge(&other.zero);
    }

    /// What each feature comes to.
    pub(super) fn scores(&self, of: impl Fn(&S) -> Evidence) -> Scores {
        let dense = self.dense.iter().map(&of).collect();
        let of_sparse = |(number, own): &(u32, S)| (*number, of(&own.with_zeros(&self.zero)));
        let mut sparse: Vec<(u32, Evidence)> = self.sparse.iter().map(of_sparse).collect();
        sparse.sort_unstable_by_key(|(number, _)| *number);
        Scores { dense, sparse }
    }

    /// What was read, with the places of its sparse features, if it is of these dense ones.
    pub(super) fn indexed(mut self, kinds: &[FeatureKind]) -> Option<Self> {
        self.places = self.sparse.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect();
        (self.places.len() == self.sparse.len() && self.is_of(kinds)).then_some(self)
    }

    /// Whether it is of these dense features.
    fn is_of(&self, kinds: &[FeatureKind]) -> bool {
        let numbers = self.sparse.iter().map(|(_, statistic)| statistic).chain([&self.zero]);
        self.dense.len() == kinds.len()
            && self.dense.iter().zip(kinds).all(|(statistic, kind)| statistic.is_of(*kind))
            && numbers.into_iter().all(|statistic| statistic.is_of(FeatureKind::Number))
    }

    /// Bytes of memory.
    pub(super) fn state_bytes(&self) -> usize {
        let all = self.dense.iter().chain(self.sparse.iter().map(|(_, statistic)| statistic));
        let statistics: usize = all.map(|statistic| size_of::<S>() + statistic.state_bytes()).sum();
        statistics + self.sparse.len() * size_of::<(u32, usize)>()
    }
}
