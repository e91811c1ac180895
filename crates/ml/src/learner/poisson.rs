//! How often a member of an ensemble sees a row.
//!
//! Drawn with replacement from `n` rows, a row comes `Poisson(1)` times as `n` grows: so online bagging gives each row this
//! weight (Oza & Russell 2001). Leveraging bagging takes a larger mean, so that members differ more and learn more from a row
//! (Bifet, Holmes & Pfahringer 2010).

use rand::Rng;

/// Beyond this a draw is cut off: of a mean up to 10, less than one in 10¹² is.
const MOST: usize = 48;

/// A Poisson distribution, as what it is below each 64-bit number.
#[derive(Debug, Clone)]
pub(in crate::learner) struct Poisson {
    /// `P(k ≤ i)`, of 2⁶⁴.
    up_to: [u64; MOST],
}

impl Poisson {
    /// With this mean, between 0 and 10.
    pub(in crate::learner) fn new(mean: f64) -> Self {
        let mut up_to = [u64::MAX; MOST];
        let (mut probability, mut sum) = (libm::exp(-mean), 0.0);
        for (i, up_to) in up_to.iter_mut().enumerate() {
            sum += probability;
            *up_to = (sum * 18_446_744_073_709_551_616.0) as u64;
            probability *= mean / (i + 1) as f64;
        }
        Self { up_to }
    }

    /// A draw.
    #[inline]
    pub(in crate::learner) fn draw(&self, random: &mut impl Rng) -> u32 {
        let drawn = random.next_u64();
        self.up_to.iter().take_while(|up_to| drawn >= **up_to).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variance() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for mean in [0.5, 1.0, 6.0] {
            let poisson = Poisson::new(mean);
            let draws: Vec<f64> = (0..100_000).map(|_| f64::from(poisson.draw(&mut random))).collect();
            let average = draws.iter().sum::<f64>() / 1e5;
            let variance = draws.iter().map(|k| (k - average) * (k - average)).sum::<f64>() / 1e5;
            // Five deviations of the mean, and of the variance of a Poisson distribution.
            assert!((average - mean).abs() < 5.0 * (mean / 1e5).sqrt(), "{average}");
            assert!((variance - mean).abs() < 5.0 * ((2.0 * mean * mean + mean) / 1e5).sqrt(), "{variance}");
        }
    }
}
