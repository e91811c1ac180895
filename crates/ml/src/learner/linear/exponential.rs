//! The exponential and the logistic function, in plain arithmetic.
//!
//! Platform libraries round the exponential differently from machine to machine (they pick fused instructions where the
//! processor has them), so models learned on two machines would drift apart. This one is additions, multiplications and a
//! table, the same everywhere; and as the next row waits for this one's logistic function, it is made for short waiting.
//!
//! `e^x = 2^(k/64)·e^r` with `k = round(64·x / ln 2)` and `|r| ≤ ln 2 / 128` (Tang 1989): the first factor is a table and an
//! exponent, the second a Taylor polynomial of degree 5, whose rest is below 4e-17.

/// Beyond this, results or their steps are not normal numbers.
const ARGUMENT_MAX: f64 = 700.0;
/// Adding it rounds to a whole number, which then stands in the low bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
/// `64 / ln 2`.
const STEPS: f64 = 92.33248261689366;
/// `ln 2 / 64` with 21 zero bits at its end, so that its multiples by `k` are exact.
const STEP_HIGH: f64 = 0.01083042469326756;
/// The rest of `ln 2 / 64`.
const STEP_LOW: f64 = 2.9815858269852933e-12;
/// `2^(i/64)`.
#[rustfmt::skip]
const POWERS: [f64; 64] = [
    1.0, 1.0108892860517005, 1.0218971486541166, 1.0330248790212284, 1.0442737824274138,
    1.0556451783605572, 1.0671404006768237, 1.0787607977571199, 1.0905077326652577, 1.102382583307841,
    1.1143867425958924, 1.1265216186082418, 1.1387886347566916, 1.1511892299529827, 1.1637248587775775,
    1.1763969916502812, 1.189207115002721, 1.202156731452703, 1.215247359980469, 1.22848053610687,
    1.241857812073484, 1.255380757024691, 1.2690509571917332, 1.2828700160787783, 1.2968395546510096,
    1.3109612115247644, 1.3252366431597413, 1.339667524053303, 1.3542555469368927, 1.3690024229745905,
    1.383909881963832, 1.3989796725383112, std::f64::consts::SQRT_2, 1.42961333839197, 1.4451808069770467,
    1.460917794180647, 1.4768261459394993, 1.4929077282912648, 1.5091644275934228, 1.5255981507445384,
    1.5422108254079407, 1.559004400237837, 1.5759808451078865, 1.593142151342267, 1.6104903319492543,
    1.6280274218573478, 1.645755478153965, 1.6636765803267364, 1.681792830507429, 1.7001063537185235,
    1.718619298122478, 1.7373338352737062, 1.7562521603732995, 1.7753764925265212, 1.7947090750031072,
    1.8142521755003989, 1.8340080864093424, 1.8539791250833855, 1.8741676341103, 1.8945759815869656,
    1.9152065613971474, 1.9360617934922943, 1.9571441241754002, 1.978456026387951,
];

/// `e^x` where it is not a normal number.
#[cold]
#[inline(never)]
fn far(x: f64) -> f64 {
    libm::exp(x)
}

/// `2^(k/64)` and `r`.
#[inline(always)]
fn reduce(x: f64) -> (f64, f64) {
    let rounded = x * STEPS + ROUNDING;
    let bits = rounded.to_bits();
    let whole = rounded - ROUNDING;
    // Bits 6 and up of k go to the exponent; those below them choose from the table.
    let power = f64::from_bits(POWERS[(bits & 63) as usize].to_bits().wrapping_add((bits >> 6) << 52));
    (power, (x - whole * STEP_HIGH) - whole * STEP_LOW)
}

/// `start + p·(r + r²/2 + r³·(1/6 + r/24 + r²/120))`, with each product as early as can be.
#[inline(always)]
fn series(start: f64, power: f64, r: f64) -> f64 {
    let square = r * r;
    let scaled = power * square;
    let tail = (1.0 / 6.0 + r * (1.0 / 24.0)) + square * (1.0 / 120.0);
    ((start + power * r) + scaled * 0.5) + (scaled * r) * tail
}

/// `e^x`, within one unit in the last place.
///
/// ```
/// use tidegate_ml::learner::linear::exponential::exp;
/// assert_eq!((exp(0.0), exp(1.0), exp(-1000.0), exp(1000.0)), (1.0, std::f64::consts::E, 0.0, f64::INFINITY));
/// ```
#[inline]
pub fn exp(x: f64) -> f64 {
    if x.abs() <= ARGUMENT_MAX {
        let (power, r) = reduce(x);
        power + series(0.0, power, r)
    } else {
        far(x)
    }
}

/// The logistic function `1 / (1 + e^−s)`, within three units in the last place.
///
/// ```
/// use tidegate_ml::learner::linear::exponential::sigmoid;
/// assert_eq!((sigmoid(0.0), sigmoid(1e9), sigmoid(-1e9)), (0.5, 1.0, 0.0));
/// ```
#[inline]
pub fn sigmoid(score: f64) -> f64 {
    if score.abs() <= ARGUMENT_MAX {
        let (power, r) = reduce(-score);
        1.0 / series(1.0 + power, power, r)
    } else {
        1.0 / (1.0 + far(-score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held against a library in units in the last place.
    #[test]
    fn close_to_a_library() {
        let (mut exp_worst, mut sigmoid_worst) = (0f64, 0f64);
        for i in -200_000..200_000 {
            let x = f64::from(i) * 0.003_499_871 + 1e-4;
            let expected = libm::exp(x);
            exp_worst = exp_worst.max((exp(x) - expected).abs() / expected);
            let expected = 1.0 / (1.0 + libm::exp(-x));
            sigmoid_worst = sigmoid_worst.max((sigmoid(x) - expected).abs() / expected);
        }
        assert!(exp_worst <= 1.5 * f64::EPSILON && sigmoid_worst <= 2.5 * f64::EPSILON, "{exp_worst} {sigmoid_worst}");
    }

    #[test]
    fn ends() {
        assert_eq!((exp(f64::INFINITY), exp(f64::NEG_INFINITY)), (f64::INFINITY, 0.0));
        assert!(exp(f64::NAN).is_nan() && exp(-745.0) > 0.0 && exp(709.0) < f64::INFINITY);
        assert_eq!((sigmoid(f64::INFINITY), sigmoid(f64::NEG_INFINITY)), (1.0, 0.0));
        assert!(sigmoid(-700.0) > 0.0 && sigmoid(40.0) == 1.0);
    }
}
