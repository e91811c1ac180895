//! Tails of the distributions that tests go by.
//!
//! The tail of χ² is computed as a logarithm: of features that all matter the probabilities are below what a double holds, and their
//! order is wanted all the same.

/// So many terms of a series or a continued fraction; some ten times what the largest arguments take that are met.
const TERMS_MAX: usize = 100_000;

/// What keeps a denominator from being zero (Lentz's method).
const TINY: f64 = 1e-300;

/// The logarithm of the probability that χ² with `freedom` degrees of freedom is above `x`: `ln Q(freedom / 2, x / 2)`, by the series
/// below the mean and the continued fraction above it (Press et al. 2007, "Numerical Recipes", §6.2). NaN where there is no freedom.
pub(super) fn ln_chi_square_above(x: f64, freedom: f64) -> f64 {
    if freedom <= 0.0 || x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if x == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    let (a, x) = (freedom / 2.0, x / 2.0);
    let ln_front = a * libm::log(x) - x - libm::lgamma(a);
    if x < a + 1.0 {
        // 1 − P, where P is not small nor near 1.
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for k in 1..TERMS_MAX {
            term *= x / (a + k as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        return libm::log1p(-libm::exp(ln_front + libm::log(sum)).min(1.0));
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for k in 1..TERMS_MAX {
        let k = k as f64;
        let an = -k * (k - a);
        b += 2.0;
        d = 1.0 / not_zero(an * d + b);
        c = not_zero(b + an / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    ln_front + libm::log(fraction)
}

/// The probability that F with these degrees of freedom is above `f`: the regularised incomplete beta function
/// `I_x(below / 2, above / 2)` at `x = below / (below + above · f)`, by its continued fraction (Press et al. 2007, §6.4). NaN where
/// there is no freedom.
pub(super) fn f_above(f: f64, above: f64, below: f64) -> f64 {
    if above <= 0.0 || below <= 0.0 || f.is_nan() {
        return f64::NAN;
    }
    if f <= 0.0 {
        return 1.0;
    }
    if f == f64::INFINITY {
        return 0.0;
    }
    incomplete_beta(below / 2.0, above / 2.0, below / (below + above * f), above * f / (below + above * f))
}

/// `I_x(a, b)`, where `rest` is `1 − x`.
fn incomplete_beta(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = libm::exp(a * libm::log(x) + b * libm::log(rest) - ln_beta);
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, rest) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for k in 1..TERMS_MAX {
        let k = k as f64;
        let even = k * (b - k) * x / ((a + 2.0 * k - 1.0) * (a + 2.0 * k));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + k) * (a + b + k) * x / ((a + 2.0 * k) * (a + 2.0 * k + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

#[inline]
fn not_zero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1e-300), "{found}, expected {expected}");
    }

    #[test]
    fn tails_of_chi_square_are_those_of_closed_forms() {
        // With two degrees of freedom it is exponential; with one the square of a normal.
        for x in [0.01, 0.5, 2.0, 30.0, 2000.0, 1e6] {
            near(ln_chi_square_above(x, 2.0), -x / 2.0);
        }
        near(ln_chi_square_above(3.841_458_820_694_124, 1.0), 0.05f64.ln());
        // Four: (1 + x/2)·exp(−x/2).
        near(ln_chi_square_above(500.0, 4.0), 251.0f64.ln() - 250.0);
        near(ln_chi_square_above(1.0, 4.0), 1.5f64.ln() - 0.5);
        assert!(ln_chi_square_above(1.0, 0.0).is_nan() && ln_chi_square_above(f64::NAN, 1.0).is_nan());
        assert_eq!(ln_chi_square_above(0.0, 3.0), 0.0);
    }

    #[test]
    fn tails_of_f_are_those_of_closed_forms() {
        // With two degrees above: (1 + 2f/n)^(−n/2).
        for (f, n) in [(0.3, 7.0), (4.0, 100.0), (50.0, 12.0), (1.0, 1e5f64)] {
            let exact: f64 = -n / 2.0 * (2.0 * f / n).ln_1p();
            assert!((f_above(f, 2.0, n) / exact.exp() - 1.0).abs() < 1e-9, "{f}, {n}");
        }
        // One and one: Student's t with one degree of freedom is Cauchy's.
        let exact = 1.0 - 2.0 / std::f64::consts::PI * 3.0f64.sqrt().atan();
        assert!((f_above(3.0, 1.0, 1.0) - exact).abs() < 1e-14);
        assert_eq!((f_above(0.0, 3.0, 5.0), f_above(f64::INFINITY, 3.0, 5.0)), (1.0, 0.0));
        assert!(f_above(1.0, 0.0, 5.0).is_nan() && f_above(1.0, 5.0, -1.0).is_nan());
    }
}
