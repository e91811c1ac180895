//! The latest values, in the order of their size.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::snapshot::SnapshotError;

/// The latest finite values of a stream. A value costs two binary searches and a shift of memory.
#[derive(Debug, Clone, Default)]
pub(super) struct SortedWindow {
    /// In the order they came.
    values: VecDeque<f64>,
    sorted: Vec<f64>,
}

/// What is saved: the values in the order they came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Saved(Vec<f64>);

impl SortedWindow {
    /// Takes a value in, and lets the oldest go when there are more than that.
    pub(super) fn push(&mut self, value: f64, values_max: usize) {
        if self.values.len() >= values_max
            && let Some(oldest) = self.values.pop_front()
        {
            let place = self.sorted.partition_point(|v| v.total_cmp(&oldest).is_lt());
            self.sorted.remove(place);
        }
        let place = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(place, value);
        self.values.push_back(value);
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The value that this share of all are below or at, by the nearest rank.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.len() as f64).ceil() as usize;
        self.sorted.get(rank.clamp(1, self.len().max(1)) - 1).copied()
    }

    /// The middle value, or the mean of the two in the middle.
    pub(super) fn median(&self) -> Option<f64> {
        let n = self.len();
        let upper = *self.sorted.get(n / 2)?;
        Some(if n % 2 == 1 { upper } else { middle(self.sorted[n / 2 - 1], upper) })
    }

    /// The median of the absolute differences from `center`.
    pub(super) fn median_deviation(&self, center: f64) -> Option<f64> {
        let n = self.len();
        if n == 0 {
            return None;
        }
        let split = self.sorted.partition_point(|value| *value < center);
        let upper = self.deviation(center, split, n / 2);
        Some(if n % 2 == 1 { upper } else { middle(self.deviation(center, split, n / 2 - 1), upper) })
    }

    /// The absolute difference with so many below it: of the values below the center, which are far first, and of the others, which
    /// are near first, so many are nearer in each.
    fn deviation(&self, center: f64, split: usize, rank: usize) -> f64 {
        let (below, above) = self.sorted.split_at(split);
        let low = |i: usize| center - below[below.len() - 1 - i];
        let high = |i: usize| above[i] - center;
        // How many of the `rank` nearest are below: the least number for which the next one below is not nearer than the last above.
        let (mut least, mut most) = (rank.saturating_sub(above.len()), rank.min(below.len()));
        while least < most {
            let taken = least + (most - least) / 2;
            if low(taken) < high(rank - taken - 1) {
                least = taken + 1;
            } else {
                most = taken;
            }
        }
        let next_low = if least < below.len() { low(least) } else { f64::INFINITY };
        let next_high = if rank - least < above.len() { high(rank - least) } else { f64::INFINITY };
        next_low.min(next_high)
    }

    /// The mean of the absolute differences from `center`.
    pub(super) fn mean_deviation(&self, center: f64) -> f64 {
        let n = self.len().max(1) as f64;
        self.sorted.iter().map(|value| (value - center).abs() / n).sum()
    }

    pub(super) fn save(&self) -> Saved {
        Saved(self.values.iter().copied().collect())
    }

    /// # Errors
    /// There are too many values, or one is not finite.
    pub(super) fn load(saved: Saved, values_max: usize) -> Result<Self, SnapshotError> {
        if saved.0.len() > values_max || saved.0.iter().any(|value| !value.is_finite()) {
            return Err(SnapshotError::Content("a window of other values than the model has".to_string()));
        }
        let mut sorted = saved.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self { values: saved.0.into(), sorted })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        8 * (self.values.capacity() + self.sorted.capacity())
    }
}

fn middle(a: f64, b: f64) -> f64 {
    0.5 * a + 0.5 * b
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// The same by sorting.
    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        if n % 2 == 1 { values[n / 2] } else { middle(values[n / 2 - 1], values[n / 2]) }
    }

    #[test]
    fn median_and_deviation_are_those_of_the_latest_values() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for values_max in [1, 2, 7, 30] {
            let (mut window, mut all) = (SortedWindow::default(), Vec::new());
            for row in 0..300 {
                // Some values are there more than once.
                let value =
                    if row % 3 == 0 { f64::from(random.random_range(0..4u8)) } else { random.random_range(-5.0..5.0) };
                window.push(value, values_max);
                all.push(value);
                let latest = all[all.len().saturating_sub(values_max)..].to_vec();
                let center = window.median().unwrap();
                assert_eq!(center, median(latest.clone()));
                let deviations: Vec<f64> = latest.iter().map(|value| (value - center).abs()).collect();
                assert_eq!(window.median_deviation(center), Some(median(deviations)), "{latest:?}");
                let kept = SortedWindow::load(window.save(), values_max).unwrap();
                assert_eq!((kept.values, kept.sorted), (window.values.clone(), window.sorted.clone()));
            }
        }
    }

    #[test]
    fn quantiles_are_by_the_nearest_rank() {
        let mut window = SortedWindow::default();
        assert_eq!((window.quantile(0.5), window.median(), window.median_deviation(0.0)), (None, None, None));
        (1..=100).for_each(|value| window.push(f64::from(value), 100));
        assert_eq!(
            (window.quantile(0.0), window.quantile(0.99), window.quantile(1.0)),
            (Some(1.0), Some(99.0), Some(100.0))
        );
    }
}
