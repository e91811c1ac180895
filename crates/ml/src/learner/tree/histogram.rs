//! Where a number lies and what targets it comes with, in a bounded number of bins.
//!
//! A bin is the mean of the values it has met. A new value gets a bin of its own while there is room; then the two bins that lie
//! nearest become one (Ben-Haim & Tom-Tov 2010, "A streaming parallel decision tree algorithm", procedure 1). So bins are many
//! where values are many. While no more distinct values were met than there are bins, nothing is lost.

use serde::{Deserialize, Serialize};

use super::moments::Moments;

/// How a histogram takes in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Into this bin, whose mean it is or moves.
    Join(usize),
    /// As a bin of its own at this place, once `unite` and the bin after it have become one.
    Insert { unite: Option<usize>, place: usize },
}

/// How bins at these places, in order, take in a value when there can be so many.
#[inline]
pub(super) fn step(at: &[f64], x: f64, bins: usize) -> Step {
    let place = at.partition_point(|at| *at < x);
    if at.get(place) == Some(&x) {
        return Step::Join(place);
    }
    if at.len() < bins {
        return Step::Insert { unite: None, place };
    }
    let to_next = at.get(place).map_or(f64::INFINITY, |next| next - x);
    let to_last = if place > 0 { x - at[place - 1] } else { f64::INFINITY };
    let (pair, gap) = nearest_pair(at);
    if to_next.min(to_last) <= gap {
        return Step::Join(if to_next < to_last { place } else { place - 1 });
    }
    Step::Insert { unite: Some(pair), place: if pair < place { place - 1 } else { place } }
}

/// The first of the two bins that lie nearest, and how near.
#[inline]
fn nearest_pair(at: &[f64]) -> (usize, f64) {
    let mut least = (0, f64::INFINITY);
    for (i, pair) in at.windows(2).enumerate() {
        let gap = pair[1] - pair[0];
        if gap < least.1 {
            least = (i, gap);
        }
    }
    least
}

/// A number's values, in order, and the targets of each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Histogram {
    at: Vec<f64>,
    targets: Vec<Moments>,
}

impl Histogram {
    /// Takes in a value and its target. NaN is missing.
    pub(super) fn learn(&mut self, x: f64, y: f64, weight: f64, bins: usize) {
        if x.is_nan() {
            return;
        }
        match step(&self.at, x, bins) {
            Step::Join(bin) => {
                self.targets[bin].learn(y, weight);
                self.at[bin] += (x - self.at[bin]) * (weight / self.targets[bin].weight);
            }
            Step::Insert { unite, place } => {
                if let Some(pair) = unite {
                    self.unite(pair);
                }
                self.insert(place, x, y, weight);
            }
        }
    }

    fn insert(&mut self, place: usize, x: f64, y: f64, weight: f64) {
        let mut targets = Moments::default();
        targets.learn(y, weight);
        self.at.insert(place, x);
        self.targets.insert(place, targets);
    }

    /// Makes one of a bin and the next.
    fn unite(&mut self, bin: usize) {
        if bin + 1 >= self.at.len() {
            return;
        }
        let (next_at, next) = (self.at.remove(bin + 1), self.targets.remove(bin + 1));
        let all = self.targets[bin].with(next);
        self.at[bin] += (next_at - self.at[bin]) * (next.weight / all.weight);
        self.targets[bin] = all;
    }

    /// Every threshold between two bins, and the targets of the values up to it and beyond.
    pub(super) fn splits(&self) -> impl Iterator<Item = (f64, Moments, Moments)> + '_ {
        // What lies beyond each threshold, from the last on, so that nothing is ever subtracted.
        let mut beyond = vec![Moments::default(); self.at.len()];
        for bin in (1..self.at.len()).rev() {
            beyond[bin - 1] = beyond[bin].with(self.targets[bin]);
        }
        let mut up_to = Moments::default();
        (1..self.at.len()).map(move |bin| {
            up_to = up_to.with(self.targets[bin - 1]);
            // Halves are added, as the sum of two large numbers may not be one.
            (0.5 * self.at[bin - 1] + 0.5 * self.at[bin], up_to, beyond[bin - 1])
        })
    }

    /// Whether bins are in order, and no more than so many.
    pub(super) fn fits(&self, bins: usize) -> bool {
        self.at.len() == self.targets.len()
            && self.at.len() <= bins
            && self.at.windows(2).all(|pair| pair[0] < pair[1])
            && self.targets.iter().all(|targets| targets.weight > 0.0)
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.at.capacity() * size_of::<f64>() + self.targets.capacity() * size_of::<Moments>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_kept_as_they_are() {
        let mut histogram = Histogram::default();
        for (x, y) in [(3.0, 30.0), (1.0, 10.0), (2.0, 20.0), (1.0, 12.0), (f64::NAN, 5.0)] {
            histogram.learn(x, y, 1.0, 8);
        }
        let splits: Vec<_> = histogram.splits().map(|(at, a, b)| (at, a.weight, a.mean, b.weight, b.mean)).collect();
        assert_eq!(splits, [(1.5, 2.0, 11.0, 2.0, 25.0), (2.5, 3.0, 14.0, 1.0, 30.0)]);
        assert!(histogram.fits(8) && !histogram.fits(2));
    }

    #[test]
    fn many_values_lose_no_weight_and_no_order() {
        let mut histogram = Histogram::default();
        let mut whole = Moments::default();
        for i in 0..10_000u32 {
            let x = f64::from(i.wrapping_mul(2_654_435_761) >> 12);
            histogram.learn(x, x.sqrt(), 1.0, 32);
            whole.learn(x.sqrt(), 1.0);
        }
        assert!(histogram.fits(32));
        for (_, up_to, beyond) in histogram.splits() {
            let all = up_to.with(beyond);
            assert!((all.mean - whole.mean).abs() < 1e-9 * whole.mean && all.weight == whole.weight);
            assert!(up_to.mean < beyond.mean, "larger values have larger targets");
        }
    }
}
