//! Gauss and Legendre's quadrature: integrals of polynomials by a few of their values, without an error.

use std::f64::consts::PI;

/// Points in 0 to 1 and their weights: `Σ wᵢ·f(tᵢ) = ∫₀¹ f(t) dt` for every polynomial `f` of degree up to `2n − 1`, `n` being the
/// number of points (Gauss 1814). Points are the roots of Legendre's polynomial, found by Newton's method.
#[derive(Debug, Clone)]
pub(super) struct Quadrature {
    points: Vec<Point>,
}

/// A point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) t: f64,
    /// `1 − t`, to full precision.
    pub(super) rest: f64,
    pub(super) weight: f64,
}

/// More steps than Newton's method needs from the first guess: it doubles the digits with each.
const STEPS_MAX: usize = 50;

impl Quadrature {
    /// For polynomials of a degree.
    pub(super) fn of_degree(degree: usize) -> Self {
        let n = degree / 2 + 1;
        let point = |i: usize| {
            let mut x = libm::cos(PI * (i as f64 + 0.75) / (n as f64 + 0.5));
            for _ in 0..STEPS_MAX {
                let (value, slope) = legendre(n, x);
                let step = value / slope;
                x -= step;
                if step.abs() <= f64::EPSILON {
                    break;
                }
            }
            let (_, slope) = legendre(n, x);
            // Of −1 to 1 there is twice as much as of 0 to 1.
            Point { t: 0.5 + 0.5 * x, rest: 0.5 - 0.5 * x, weight: 1.0 / ((1.0 - x * x) * slope * slope) }
        };
        Self { points: (0..n).map(point).collect() }
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}

/// Legendre's polynomial of degree `n` at `x`, by Bonnet's recursion, and its derivative.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_have_their_integrals() {
        for degree in [0, 1, 2, 3, 8, 21, 64] {
            let quadrature = Quadrature::of_degree(degree);
            for power in 0..=degree as i32 {
                let integral: f64 = quadrature.points().iter().map(|p| p.weight * p.t.powi(power)).sum();
                assert!((integral - 1.0 / f64::from(power + 1)).abs() < 1e-14, "{degree} {power} {integral}");
            }
        }
    }

    #[test]
    fn two_points_are_those_of_the_textbook() {
        let points = Quadrature::of_degree(3);
        let [a, b] = points.points() else { panic!() };
        let third = (1.0f64 / 3.0).sqrt() / 2.0;
        assert!((a.t - (0.5 + third)).abs() < 1e-15 && (b.t - (0.5 - third)).abs() < 1e-15);
        assert!((a.weight - 0.5).abs() < 1e-15 && (a.rest - b.t).abs() < 1e-15);
    }
}
