//! The normal distribution.

use rand::{Rng, RngExt};

/// The probability of being below `z`.
pub(crate) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// What a deviate is above with this probability, below ½.
pub(crate) fn above_with(probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    // Each step halves what is between them: 60 leave nothing that a double can tell.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(-middle) > probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// A draw (Box & Muller 1958).
pub(crate) fn draw(random: &mut impl Rng) -> f64 {
    let (a, b): (f64, f64) = (random.random(), random.random());
    (-2.0 * libm::log(1.0 - a)).sqrt() * libm::cos(std::f64::consts::TAU * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_tables() {
        assert!((above_with(0.025) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((below(1.959_963_984_540_054) - 0.975).abs() < 1e-15);
    }
}
