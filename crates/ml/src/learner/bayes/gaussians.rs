//! A normal distribution a number, of the rows of one class.
//!
//! Means and sums of squares are Welford's (1962; with weights, West 1979). All features of a class lie side by side, one
//! statistic after the other, so that a row is a few passes that the compiler turns into vector instructions. A missing
//! number changes nothing.

use serde::{Deserialize, Serialize};

use crate::normal;

/// `½·ln 2π`.
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// `1 / 2σ²` of a number that was the same in all rows: any other value is then as unlikely as can be.
const CERTAIN: f64 = 1e300;

/// How many statistics a feature has.
const STATISTICS: usize = 6;

/// Normal distributions of `width` numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Gaussians {
    /// One after the other, each `width` long: weight, mean, sum of squared differences from it, least, most, `1 / 2σ²`.
    statistics: Box<[f64]>,
    /// `−Σ ½·ln 2πσ²`.
    log_scale: f64,
    /// Whether rows came since `1 / 2σ²` and `log_scale` were computed.
    stale: bool,
}

/// One number's distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::learner) struct Gaussian {
    pub(in crate::learner) weight: f64,
    pub(in crate::learner) mean: f64,
    /// Of the sample: by weight less one.
    pub(in crate::learner) variance: f64,
    pub(in crate::learner) min: f64,
    pub(in crate::learner) max: f64,
}

impl Gaussian {
    /// The weight of values up to `threshold`.
    pub(in crate::learner) fn weight_up_to(&self, threshold: f64) -> f64 {
        if self.weight <= 0.0 || threshold < self.min {
            0.0
        } else if threshold >= self.max {
            self.weight
        } else {
            let deviations = (threshold - self.mean) / self.variance.sqrt();
            self.weight * normal::below(deviations)
        }
    }
}

#[inline]
fn variance(weight: f64, squares: f64) -> f64 {
    if weight > 1.0 { squares / (weight - 1.0) } else { 0.0 }
}

impl Gaussians {
    /// Nothing met yet.
    pub(in crate::learner) fn new(width: usize) -> Self {
        let mut statistics = vec![0.0; STATISTICS * width].into_boxed_slice();
        statistics[3 * width..4 * width].fill(f64::INFINITY);
        statistics[4 * width..5 * width].fill(f64::NEG_INFINITY);
        Self { statistics, log_scale: 0.0, stale: true }
    }

    /// How many numbers.
    pub(in crate::learner) fn width(&self) -> usize {
        self.statistics.len() / STATISTICS
    }

    #[inline]
    fn statistic(&self, which: usize) -> &[f64] {
        let width = self.width();
        &self.statistics[which * width..(which + 1) * width]
    }

    /// Takes in a row. NaN is missing.
    pub(in crate::learner) fn learn(&mut self, x: &[f64], weight: f64) {
        let width = self.width();
        let x = &x[..width];
        let (weights, rest) = self.statistics.split_at_mut(width);
        let (means, rest) = rest.split_at_mut(width);
        let (squares, rest) = rest.split_at_mut(width);
        let (least, rest) = rest.split_at_mut(width);
        let most = &mut rest[..width];
        for i in 0..width {
            let (here, value) = if x[i].is_nan() { (0.0, means[i]) } else { (weight, x[i]) };
            let total = weights[i] + here;
            let difference = value - means[i];
            let mean = means[i] + difference * (here / total.max(f64::MIN_POSITIVE));
            squares[i] += here * difference * (value - mean);
            (weights[i], means[i]) = (total, mean);
            least[i] = if x[i] < least[i] { x[i] } else { least[i] };
            most[i] = if x[i] > most[i] { x[i] } else { most[i] };
        }
        self.stale = true;
    }

    /// Computes what [`Gaussians::log_density`] reads, if rows came since.
    pub(in crate::learner) fn refresh(&mut self) {
        if !self.stale {
            return;
        }
        self.stale = false;
        let width = self.width();
        let (weights, rest) = self.statistics.split_at_mut(width);
        let (_, rest) = rest.split_at_mut(width);
        let (squares, rest) = rest.split_at_mut(width);
        let inverses = &mut rest[2 * width..];
        // Σ ln σ² by one logarithm: fractions are multiplied, exponents added.
        let (mut fraction, mut exponent, mut varying) = (1.0, 0i64, 0u32);
        let mut log = 0.0;
        for i in 0..width {
            let variance = variance(weights[i], squares[i]);
            if variance < f64::MIN_POSITIVE {
                inverses[i] = CERTAIN;
                continue;
            }
            inverses[i] = (0.5 / variance).min(CERTAIN);
            let bits = variance.to_bits();
            exponent += (bits >> 52) as i64 - 1023;
            fraction *= f64::from_bits((bits & !(0x7ff << 52)) | (1023 << 52));
            varying += 1;
            if varying.is_multiple_of(512) {
                log += libm::log(fraction);
                fraction = 1.0;
            }
        }
        log += libm::log(fraction) + exponent as f64 * std::f64::consts::LN_2;
        self.log_scale = -0.5 * log - f64::from(varying) * HALF_LOG_TWO_PI;
    }

    /// The logarithm of the density of a row, as the numbers were at the last [`Gaussians::refresh`], taken as independent. A
    /// number that was the same in all rows counts as certain: it adds nothing where it is met, and everything elsewhere.
    #[inline]
    pub(in crate::learner) fn log_density(&self, x: &[f64]) -> f64 {
        const LANES: usize = 4;
        let (means, inverses) = (self.statistic(1), self.statistic(5));
        let x = &x[..means.len()];
        let mut sums = [0.0; LANES];
        let whole = x.len() / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                let difference = x[at + lane] - means[at + lane];
                sums[lane] += difference * difference * inverses[at + lane];
            }
        }
        for i in whole..x.len() {
            let difference = x[i] - means[i];
            sums[i - whole] += difference * difference * inverses[i];
        }
        let distance = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        if distance.is_nan() { self.log_density_of_known(x) } else { self.log_scale - distance }
    }

    /// The same where numbers are missing: those are left out.
    #[cold]
    fn log_density_of_known(&self, x: &[f64]) -> f64 {
        let known = (0..x.len()).filter(|i| !x[*i].is_nan()).map(|i| {
            let Gaussian { mean, variance, .. } = self.of(i);
            let difference = x[i] - mean;
            let distance = difference * difference * self.statistic(5)[i];
            let scale = if variance < f64::MIN_POSITIVE { 0.0 } else { 0.5 * libm::log(variance) + HALF_LOG_TWO_PI };
            -scale - distance
        });
        known.sum()
    }

    /// One number's distribution.
    pub(in crate::learner) fn of(&self, number: usize) -> Gaussian {
        let of = |which| self.statistic(which)[number];
        Gaussian { weight: of(0), mean: of(1), variance: variance(of(0), of(2)), min: of(3), max: of(4) }
    }

    /// The mean and the variance of a number.
    #[inline]
    pub(in crate::learner) fn mean_and_variance(&self, number: usize) -> (f64, f64) {
        let of = |which| self.statistic(which)[number];
        (of(1), variance(of(0), of(2)))
    }

    /// Takes in what another has met (Chan, Golub & LeVeque 1979).
    pub(in crate::learner) fn merge(&mut self, other: &Self) {
        let width = self.width();
        for i in 0..width {
            let at = |which: usize| which * width + i;
            let [n, m] = [self.statistics[at(0)], other.statistics[at(0)]];
            if m <= 0.0 {
                continue;
            }
            let difference = other.statistics[at(1)] - self.statistics[at(1)];
            self.statistics[at(0)] = n + m;
            self.statistics[at(1)] += difference * (m / (n + m));
            self.statistics[at(2)] += other.statistics[at(2)] + difference * difference * (n * m / (n + m));
            self.statistics[at(3)] = self.statistics[at(3)].min(other.statistics[at(3)]);
            self.statistics[at(4)] = self.statistics[at(4)].max(other.statistics[at(4)]);
        }
        self.stale = true;
    }

    /// Takes out what was met before, of which this is a continuation: the reverse of [`Gaussians::merge`]. Least and most stay.
    pub(in crate::learner) fn forget(&mut self, before: &Self) {
        let width = self.width();
        for i in 0..width {
            let at = |which: usize| which * width + i;
            let [all, then] = [self.statistics[at(0)], before.statistics[at(0)]];
            let since = all - then;
            if then <= 0.0 {
                continue;
            }
            if since <= 0.0 {
                self.statistics[at(0)] = 0.0;
                continue;
            }
            let difference = (self.statistics[at(1)] - before.statistics[at(1)]) * (all / since);
            let squares = self.statistics[at(2)] - before.statistics[at(2)];
            self.statistics[at(0)] = since;
            self.statistics[at(1)] = before.statistics[at(1)] + difference;
            self.statistics[at(2)] = (squares - difference * difference * (then * since / all)).max(0.0);
        }
        self.stale = true;
    }

    /// Whether it has statistics of `width` numbers.
    pub(in crate::learner) fn fits(&self, width: usize) -> bool {
        self.statistics.len() == STATISTICS * width
    }

    /// Bytes of memory beyond its own size.
    pub(in crate::learner) fn heap_bytes(&self) -> usize {
        self.statistics.len() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_density_are_those_of_the_formula() {
        let mut numbers = Gaussians::new(2);
        for (x, y) in [(1.0, 5.0), (2.0, 5.0), (4.0, f64::NAN)] {
            numbers.learn(&[x, y], 1.0);
        }
        let first = numbers.of(0);
        assert!((first.mean - 7.0 / 3.0).abs() < 1e-15 && (first.variance - 7.0 / 3.0).abs() < 1e-14, "{first:?}");
        let second = numbers.of(1);
        assert_eq!((second.weight, second.mean, second.variance, second.min, second.max), (2.0, 5.0, 0.0, 5.0, 5.0));
        numbers.refresh();
        let density =
            |x: f64, variance: f64| -0.5 * (2.0 * std::f64::consts::PI * variance).ln() - x * x / (2.0 * variance);
        let expected = density(3.0 - 7.0 / 3.0, 7.0 / 3.0);
        assert!((numbers.log_density(&[3.0, 5.0]) - expected).abs() < 1e-14);
        assert!((numbers.log_density(&[3.0, f64::NAN]) - expected).abs() < 1e-14);
        assert!(numbers.log_density(&[3.0, 5.5]) < -1e290);
    }

    #[test]
    fn parts_merge_to_the_whole() {
        let rows: Vec<f64> = (0..100).map(|i| f64::from(i * i % 37)).collect();
        let (mut whole, mut left, mut right) = (Gaussians::new(1), Gaussians::new(1), Gaussians::new(1));
        for (i, x) in rows.iter().enumerate() {
            whole.learn(&[*x], 1.5);
            if i < 30 { left.learn(&[*x], 1.5) } else { right.learn(&[*x], 1.5) }
        }
        left.merge(&right);
        let (a, b) = (whole.of(0), left.of(0));
        assert!((a.mean - b.mean).abs() < 1e-12 && (a.variance - b.variance).abs() < 1e-10, "{a:?} {b:?}");
        assert_eq!((a.weight, a.min, a.max), (b.weight, b.min, b.max));
        // And what came after is what is left when what came before is taken out.
        whole.forget(&{
            let mut first = Gaussians::new(1);
            rows[..30].iter().for_each(|x| first.learn(&[*x], 1.5));
            first
        });
        let (a, b) = (whole.of(0), right.of(0));
        assert!((a.mean - b.mean).abs() < 1e-12 && (a.variance - b.variance).abs() < 1e-10, "{a:?} {b:?}");
    }

    #[test]
    fn weights_up_to_a_threshold_are_those_of_the_normal_distribution() {
        let gaussian = Gaussian { weight: 10.0, mean: 1.0, variance: 4.0, min: -9.0, max: 9.0 };
        assert!((gaussian.weight_up_to(1.0) - 5.0).abs() < 1e-12);
        assert!((gaussian.weight_up_to(3.0) - 8.413447460685429).abs() < 1e-9);
        assert_eq!((gaussian.weight_up_to(-9.5), gaussian.weight_up_to(9.0)), (0.0, 10.0));
    }
}
