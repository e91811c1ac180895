//! Where a number lies and what classes it comes with, in a bounded number of bins: the [histogram](super::histogram) of trees for
//! classes.
//!
//! The weights of all bins lie side by side, a class after the other, so that a value in a full histogram allocates nothing.

use serde::{Deserialize, Serialize};

use super::histogram::{Step, step};

/// A number's values, in order, and the weight of each class at each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ClassHistogram {
    at: Vec<f64>,
    /// Bin after bin, `classes` each.
    weights: Vec<f64>,
    /// How many classes were met, at least.
    classes: usize,
}

impl ClassHistogram {
    /// Takes in a value of a class. What is not finite is missing.
    #[inline]
    pub(super) fn learn(&mut self, x: f64, class: usize, weight: f64, bins: usize) {
        if !x.is_finite() {
            return;
        }
        if class >= self.classes {
            self.make_room(class + 1);
        }
        match step(&self.at, x, bins) {
            Step::Join(bin) => {
                self.weights[bin * self.classes + class] += weight;
                if self.at[bin] != x {
                    let all: f64 = self.bin(bin).iter().sum();
                    self.at[bin] += (x - self.at[bin]) * (weight / all);
                }
            }
            Step::Insert { unite, place } => {
                if let Some(pair) = unite {
                    self.unite(pair);
                }
                self.insert(place, x);
                self.weights[place * self.classes + class] = weight;
            }
        }
    }

    /// The weights of a bin.
    #[inline]
    fn bin(&self, bin: usize) -> &[f64] {
        &self.weights[bin * self.classes..(bin + 1) * self.classes]
    }

    /// Makes room for so many classes in each bin.
    #[cold]
    fn make_room(&mut self, classes: usize) {
        let mut weights = vec![0.0; self.at.len() * classes];
        if self.classes > 0 {
            let bins = weights.chunks_exact_mut(classes).zip(self.weights.chunks_exact(self.classes));
            bins.for_each(|(new, old)| new[..old.len()].copy_from_slice(old));
        }
        (self.weights, self.classes) = (weights, classes);
    }

    /// A new bin without weight.
    fn insert(&mut self, place: usize, x: f64) {
        self.at.insert(place, x);
        let (first, end) = (place * self.classes, self.weights.len());
        self.weights.resize(end + self.classes, 0.0);
        self.weights.copy_within(first..end, first + self.classes);
        self.weights[first..first + self.classes].fill(0.0);
    }

    /// Makes one of a bin and the next.
    fn unite(&mut self, bin: usize) {
        if bin + 1 >= self.at.len() {
            return;
        }
        let next_at = self.at.remove(bin + 1);
        let first = bin * self.classes;
        let (mut all, mut of_next) = (0.0, 0.0);
        for class in first..first + self.classes {
            let next = self.weights[class + self.classes];
            self.weights[class] += next;
            of_next += next;
            all += self.weights[class];
        }
        self.weights.drain(first + self.classes..first + 2 * self.classes);
        self.at[bin] += (next_at - self.at[bin]) * (of_next / all);
    }

    /// How many bins there are.
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// Adds the weight of each class in a bin.
    #[inline]
    pub(super) fn add(&self, bin: usize, sums: &mut [f64]) {
        sums.iter_mut().zip(self.bin(bin)).for_each(|(sum, weight)| *sum += weight);
    }

    /// The threshold between a bin and the next.
    pub(super) fn threshold(&self, bin: usize) -> f64 {
        // Halves are added, as the sum of two large numbers may not be one.
        0.5 * self.at[bin] + 0.5 * self.at[bin + 1]
    }

    /// Whether values of one class only, the same in both, lie in a bin and the next: then no threshold between them can be the
    /// best (Fayyad & Irani 1992).
    #[inline]
    pub(super) fn is_within_class(&self, bin: usize) -> bool {
        let both = &self.weights[bin * self.classes..(bin + 2) * self.classes];
        let (here, next) = both.split_at(self.classes);
        here.iter().zip(next).filter(|(here, next)| **here > 0.0 || **next > 0.0).count() < 2
    }

    /// Whether bins are in order, no more than so many, and of at most so many classes.
    pub(super) fn fits(&self, bins: usize, classes: usize) -> bool {
        self.classes <= classes
            && self.at.len() <= bins
            && self.at.len().checked_mul(self.classes) == Some(self.weights.len())
            && self.at.iter().all(|at| at.is_finite())
            && self.at.windows(2).all(|pair| pair[0] <= pair[1])
            && self.weights.iter().all(|weight| *weight >= 0.0)
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.at.capacity() + self.weights.capacity()) * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(histogram: &ClassHistogram) -> Vec<(f64, Vec<f64>)> {
        (0..histogram.len()).map(|bin| (histogram.at[bin], histogram.bin(bin).to_vec())).collect()
    }

    #[test]
    fn few_values_are_kept_as_they_are() {
        let mut histogram = ClassHistogram::default();
        for (x, class) in [(3.0, 0), (1.0, 1), (2.0, 0), (1.0, 0), (f64::NAN, 1), (f64::INFINITY, 1)] {
            histogram.learn(x, class, 2.0, 8);
        }
        assert_eq!(bins(&histogram), [(1.0, vec![2.0, 2.0]), (2.0, vec![2.0, 0.0]), (3.0, vec![2.0, 0.0])]);
        assert_eq!((histogram.threshold(0), histogram.threshold(1)), (1.5, 2.5));
        assert!(!histogram.is_within_class(0) && histogram.is_within_class(1));
        assert!(histogram.fits(8, 2) && !histogram.fits(2, 2) && !histogram.fits(8, 1));
    }

    #[test]
    fn the_nearest_become_one() {
        let mut histogram = ClassHistogram::default();
        for (x, class) in [(0.0, 0), (10.0, 1), (11.0, 0), (20.0, 1)] {
            histogram.learn(x, class, 1.0, 3);
        }
        assert_eq!(bins(&histogram), [(0.0, vec![1.0, 0.0]), (10.5, vec![1.0, 1.0]), (20.0, vec![0.0, 1.0])]);
        // Nearer to its bin than any two bins to each other.
        histogram.learn(22.0, 1, 1.0, 3);
        assert_eq!(bins(&histogram)[2], (21.0, vec![0.0, 2.0]));
    }

    #[test]
    fn many_values_lose_no_weight_and_no_order() {
        let mut histogram = ClassHistogram::default();
        for i in 0..10_000u32 {
            let x = f64::from(i.wrapping_mul(2_654_435_761) >> 12);
            histogram.learn(x, usize::from(x > 5e5) + usize::from(i > 5000), 1.0, 32);
        }
        assert!(histogram.fits(32, 3) && histogram.len() == 32);
        let mut sums = [0.0; 3];
        (0..32).for_each(|bin| histogram.add(bin, &mut sums));
        assert_eq!(sums.iter().sum::<f64>(), 10_000.0);
    }
}
