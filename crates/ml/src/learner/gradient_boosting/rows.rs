//! The latest rows, in a ring.

use serde::{Deserialize, Serialize};

/// The latest rows: features, target and weight of each.
#[derive(Debug, Default)]
pub(super) struct Rows {
    width: usize,
    capacity: usize,
    /// Row-major.
    features: Vec<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    /// Where the next row goes once the ring is full: the oldest is there.
    next: usize,
}

/// The saved form: rows, oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedRows {
    features: Vec<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

impl Rows {
    /// No rows yet, of so many features, and room for so many.
    pub(super) fn new(width: usize, capacity: usize) -> Self {
        Self { width, capacity: capacity.max(1), ..Self::default() }
    }

    /// How many there can be.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes in a row, in the place of the oldest where there is no room.
    #[inline]
    pub(super) fn push(&mut self, x: &[f64], target: f64, weight: f64) {
        if self.targets.len() < self.capacity {
            self.features.extend_from_slice(x);
            self.targets.push(target);
            self.weights.push(weight);
            return;
        }
        let at = self.next;
        self.features[at * self.width..(at + 1) * self.width].copy_from_slice(x);
        (self.targets[at], self.weights[at]) = (target, weight);
        self.next = (at + 1) % self.capacity;
    }

    /// Where each row is, oldest first.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        (self.next..self.targets.len()).chain(0..self.next)
    }

    /// A feature of the row at a place.
    #[inline]
    pub(super) fn feature(&self, at: usize, feature: usize) -> f64 {
        self.features[at * self.width + feature]
    }

    /// The target of the row at a place.
    #[inline]
    pub(super) fn target(&self, at: usize) -> f64 {
        self.targets[at]
    }

    /// The weight of the row at a place.
    #[inline]
    pub(super) fn weight(&self, at: usize) -> f64 {
        self.weights[at]
    }

    /// The saved form.
    pub(super) fn saved(&self) -> SavedRows {
        let of = |values: &[f64]| self.order().map(|at| values[at]).collect();
        let split = self.next * self.width;
        let features = [&self.features[split..], &self.features[..split]].concat();
        SavedRows { features, targets: of(&self.targets), weights: of(&self.weights) }
    }

    /// Becomes what was saved, if it is rows of these features, no more than there is room for, whose targets and weights are
    /// such as are learned.
    pub(super) fn restore(&mut self, saved: SavedRows, is_target: impl Fn(f64) -> bool) -> bool {
        let SavedRows { features, targets, weights } = saved;
        let right = targets.len() <= self.capacity
            && weights.len() == targets.len()
            && Some(features.len()) == targets.len().checked_mul(self.width)
            && targets.iter().all(|target| is_target(*target))
            && weights.iter().all(|weight| *weight > 0.0 && weight.is_finite());
        if right {
            *self = Self { width: self.width, capacity: self.capacity, features, targets, weights, next: 0 };
        }
        right
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.features.capacity() + self.targets.capacity() + self.weights.capacity()) * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_row_goes_and_order_is_kept() {
        let mut rows = Rows::new(2, 3);
        (0..5).for_each(|i| rows.push(&[f64::from(i), 10.0], f64::from(i) * 2.0, 1.0));
        let of = |rows: &Rows| rows.order().map(|at| (rows.feature(at, 0), rows.target(at))).collect::<Vec<_>>();
        assert_eq!(of(&rows), [(2.0, 4.0), (3.0, 6.0), (4.0, 8.0)]);
        let mut again = Rows::new(2, 3);
        assert!(again.restore(rows.saved(), |_| true) && of(&again) == of(&rows));
        again.push(&[9.0, 9.0], 9.0, 1.0);
        rows.push(&[9.0, 9.0], 9.0, 1.0);
        assert_eq!(of(&again), of(&rows));
        assert!(!Rows::new(2, 2).restore(rows.saved(), |_| true), "more than there is room for");
        assert!(!Rows::new(1, 3).restore(rows.saved(), |_| true), "of another width");
    }
}
