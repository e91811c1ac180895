//! The latest rows, a column at a time, and which of them are nearest to another.

use crate::learner::FeatureKind;

/// The latest rows, in a ring.
#[derive(Debug)]
pub(super) struct Window {
    capacity: usize,
    kinds: Vec<FeatureKind>,
    /// A column a feature, each as long as there are rows.
    columns: Vec<Column>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    /// Where the next row goes once the ring is full.
    next: usize,
}

/// Values of one feature.
#[derive(Debug, Clone)]
struct Column {
    values: Vec<f64>,
    /// The least and the most of the window.
    min: f64,
    max: f64,
}

impl Column {
    fn new() -> Self {
        Self { values: Vec::new(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    fn widen(&mut self, value: f64) {
        // Neither is wider by a NaN.
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Puts a value in the place of another.
    fn replace(&mut self, at: usize, value: f64) {
        let old = std::mem::replace(&mut self.values[at], value);
        if old == self.min || old == self.max {
            (self.min, self.max) = (f64::INFINITY, f64::NEG_INFINITY);
            for at in 0..self.values.len() {
                self.widen(self.values[at]);
            }
        } else {
            self.widen(value);
        }
    }

    /// What a squared difference is multiplied by; 0 where all are the same.
    fn scale(&self) -> f64 {
        let range = self.max - self.min;
        if range > 0.0 { (1.0 / range) * (1.0 / range) } else { 0.0 }
    }
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(super) struct Nearest {
    distances: Vec<f64>,
    /// The nearest so far and how near, nearest first.
    best: Vec<(f64, usize)>,
}

impl Window {
    /// An empty window for so many rows.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, kinds: Vec::new(), columns: Vec::new(), targets: Vec::new(), weights: Vec::new(), next: 0 }
    }

    pub(super) fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.clear();
    }

    pub(super) fn width(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.columns = vec![Column::new(); self.kinds.len()];
        self.targets.clear();
        self.weights.clear();
        self.next = 0;
    }

    /// Takes in a row, in the place of the oldest where the window is full.
    pub(super) fn push(&mut self, x: &[f64], target: f64, weight: f64) {
        if self.targets.len() < self.capacity {
            for (column, value) in self.columns.iter_mut().zip(x) {
                column.values.push(*value);
                column.widen(*value);
            }
            self.targets.push(target);
            self.weights.push(weight);
            return;
        }
        let at = self.next;
        self.columns.iter_mut().zip(x).for_each(|(column, value)| column.replace(at, *value));
        (self.targets[at], self.weights[at]) = (target, weight);
        self.next = (at + 1) % self.capacity;
    }

    /// Where each row is, oldest first.
    fn order(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        (self.next..self.targets.len()).chain(0..self.next)
    }

    /// The rows, their targets and weights, oldest first.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Vec<f64>, f64, f64)> + '_ {
        self.order().map(|at| {
            (self.columns.iter().map(|column| column.values[at]).collect(), self.targets[at], self.weights[at])
        })
    }

    /// The squared distance, the target and the weight of the nearest rows, nearest first; of rows as near the later first.
    pub(super) fn nearest<'a>(
        &'a self,
        x: &[f64],
        neighbors: usize,
        nearest: &'a mut Nearest,
    ) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        let Nearest { distances, best } = nearest;
        distances.clear();
        distances.resize(self.targets.len(), 0.0);
        for ((column, kind), value) in self.columns.iter().zip(&self.kinds).zip(x) {
            let pairs = distances.iter_mut().zip(&column.values);
            match kind {
                // What is missing is equal to nothing.
                FeatureKind::Category => pairs.for_each(|(sum, other)| *sum += if other == value { 0.0 } else { 1.0 }),
                FeatureKind::Number => {
                    let scale = column.scale();
                    pairs.for_each(|(sum, other)| {
                        let difference = other - value;
                        let square = difference * scale * difference;
                        *sum += if square.is_nan() { 1.0 } else { square };
                    });
                }
            }
        }
        best.clear();
        let mut farthest = f64::INFINITY;
        for at in self.order().rev() {
            let distance = distances[at];
            if distance < farthest || best.len() < neighbors {
                let place = best.partition_point(|(other, _)| *other <= distance);
                if best.len() == neighbors {
                    best.pop();
                }
                best.insert(place, (distance, at));
                if best.len() == neighbors {
                    farthest = best[neighbors - 1].0;
                }
            }
        }
        best.iter().map(|(distance, at)| (*distance, self.targets[*at], self.weights[*at]))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.values.capacity() * size_of::<f64>()).sum();
        columns
            + self.columns.capacity() * size_of::<Column>()
            + (self.targets.capacity() + self.weights.capacity()) * size_of::<f64>()
            + self.kinds.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances, rounded, and targets.
    fn nearest(window: &Window, x: &[f64], neighbors: usize) -> Vec<(f64, f64)> {
        let mut buffers = Nearest::default();
        let rounded = |distance: f64| (distance * 1e12).round() / 1e12;
        window.nearest(x, neighbors, &mut buffers).map(|(distance, target, _)| (rounded(distance), target)).collect()
    }

    #[test]
    fn distances_are_by_range_and_the_window_forgets() {
        let mut window = Window::new(3);
        window.set_features(&[FeatureKind::Number, FeatureKind::Category]);
        for (x, kind, target) in [(0.0, 1.0, 0.0), (10.0, 1.0, 1.0), (5.0, 2.0, 2.0)] {
            window.push(&[x, kind], target, 1.0);
        }
        // Of a range of 10: 0.04 with the same category; 0.09 and 0.64 with another.
        assert_eq!(nearest(&window, &[2.0, 1.0], 3), [(0.04, 0.0), (0.64, 1.0), (1.09, 2.0)]);
        // A missing number is as far as can be.
        assert_eq!(nearest(&window, &[f64::NAN, 2.0], 1), [(1.0, 2.0)]);
        // The oldest goes, and with it the least: from 5 to 10 are left.
        window.push(&[7.5, 1.0], 3.0, 1.0);
        assert_eq!(nearest(&window, &[5.0, 1.0], 2), [(0.25, 3.0), (1.0, 2.0)]);
        assert_eq!(window.rows().map(|(_, target, _)| target).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        // As near, the later first.
        window.push(&[10.0, 1.0], 4.0, 1.0);
        window.push(&[10.0, 1.0], 5.0, 1.0);
        assert_eq!(nearest(&window, &[10.0, 1.0], 2), [(0.0, 5.0), (0.0, 4.0)]);
    }
}
