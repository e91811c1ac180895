//! Sums of floating-point numbers without rounding.
//!
//! Ordinary sums depend on the order of their terms, and so on batch sizes and on how rows were spread over shards. An
//! [`ExactSum`] holds the sum itself: a long fixed-point number in base 2³². A finite number is three whole digits in
//! it, so adding is integer arithmetic, and order cannot matter. The value is rounded once, when it is asked for.
//!
//! The idea is the small superaccumulator of R. M. Neal, "Fast exact summation using small and large
//! superaccumulators", 2015, <https://arxiv.org/abs/1505.05571>. Here only the digits in use are stored: sums of
//! numbers of like size take some six of them.

use serde::{Deserialize, Serialize};

/// Adds between two carries. Each adds less than 2³² to a digit, so that an i64 is far from full.
const ADDS_PER_CARRY: u32 = 1 << 29;
const DIGIT_MASK: i64 = 0xffff_ffff;
/// The lowest digit that the product of two finite numbers reaches (2⁻²¹⁴⁸), and one past the highest with room for 2⁶⁴
/// terms.
const DIGIT_RANGE: std::ops::Range<i32> = -68..70;

/// A sum of numbers, or of products of two numbers, without rounding.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Canonical", into = "Canonical")]
pub(super) struct ExactSum {
    /// Digit `i` counts units of 2^(32 × (lowest + i)). Between carries a digit may have any sign and pass 2³².
    digits: Vec<i64>,
    lowest: i32,
    adds: u32,
    /// What infinities and NaN added up to; 0 when there were none.
    not_finite: f64,
}

/// The one form that every way to the same sum leads to: a sign and trimmed digits.
#[derive(Serialize, Deserialize)]
struct Canonical {
    negative: bool,
    lowest: i32,
    digits: Vec<u32>,
    not_finite: f64,
}

impl ExactSum {
    /// Adds a number. Infinities and NaN act as in ordinary sums.
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        if x.is_finite() {
            let (mantissa, exponent) = parts(x);
            self.add_scaled(mantissa, exponent, x.is_sign_negative());
        } else {
            self.not_finite += x;
        }
    }

    /// Adds a × b, not rounded.
    pub(super) fn add_product(&mut self, a: f64, b: f64) {
        if !a.is_finite() || !b.is_finite() {
            self.not_finite += a * b;
            return;
        }
        let ((m, e), (n, f)) = (parts(a), parts(b));
        let product = u128::from(m) * u128::from(n);
        let negative = a.is_sign_negative() != b.is_sign_negative();
        self.add_scaled(product as u64, e + f, negative);
        self.add_scaled((product >> 64) as u64, e + f + 64, negative);
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        let (negative, lowest, digits) = other.magnitude();
        self.not_finite += other.not_finite;
        if digits.is_empty() {
            return;
        }
        self.carry();
        let start = self.make_room(lowest, digits.len());
        for (mine, theirs) in self.digits[start..].iter_mut().zip(digits) {
            *mine += if negative { -i64::from(theirs) } else { i64::from(theirs) };
        }
        self.adds += 1;
    }

    /// The sum, rounded to the nearest.
    pub(super) fn value(&self) -> f64 {
        if self.not_finite != 0.0 {
            return self.not_finite;
        }
        let (negative, lowest, digits) = self.magnitude();
        let [rest @ .., c, b, a] = digits.as_slice() else {
            // Two digits or fewer fit 64 bits, of which the conversion rounds once.
            let whole = digits.iter().rev().fold(0u64, |sum, &digit| (sum << 32) | u64::from(digit));
            return signed(scale(whole as f64, 32 * lowest), negative);
        };
        // Three digits hold at least 65 bits; what is below decides only whether a half is more than a half.
        let mut top = u128::from(*a) << 64 | u128::from(*b) << 32 | u128::from(*c);
        if rest.iter().any(|&digit| digit != 0) {
            top |= 1;
        }
        signed(scale(top as f64, 32 * (lowest + rest.len() as i32)), negative)
    }

    /// The sum as numbers that add up to it, each the rounding of what those before leave: at most `terms`.
    pub(super) fn expansion(&self, terms: usize) -> Vec<f64> {
        let mut rest = self.clone();
        let mut expansion = Vec::with_capacity(terms);
        for _ in 0..terms {
            let next = rest.value();
            if next == 0.0 {
                break;
            }
            expansion.push(next);
            if !next.is_finite() {
                break;
            }
            rest.add(-next);
        }
        expansion
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.digits.capacity() * size_of::<i64>()
    }

    /// Adds ± mantissa × 2^exponent.
    #[inline]
    fn add_scaled(&mut self, mantissa: u64, exponent: i32, negative: bool) {
        if mantissa == 0 {
            return;
        }
        let (digit, shift) = (exponent >> 5, exponent & 31);
        let wide = u128::from(mantissa) << shift;
        let start = self.make_room(digit, 3);
        // -1 or 1 rather than a branch: the sign of errors cannot be predicted.
        let sign = 1 - 2 * i64::from(negative);
        if let Some([low, middle, high]) = self.digits.get_mut(start..start + 3) {
            *low += sign * (wide as i64 & DIGIT_MASK);
            *middle += sign * ((wide >> 32) as i64 & DIGIT_MASK);
            *high += sign * ((wide >> 64) as i64 & DIGIT_MASK);
        }
        self.adds += 1;
        if self.adds >= ADDS_PER_CARRY {
            self.carry();
        }
    }

    /// Where `digit` is stored, after making sure that `count` digits from there on are.
    #[inline]
    fn make_room(&mut self, digit: i32, count: usize) -> usize {
        let offset = digit - self.lowest;
        if offset >= 0 && offset as usize + count <= self.digits.len() {
            offset as usize
        } else {
            self.grow(digit, count)
        }
    }

    #[cold]
    fn grow(&mut self, digit: i32, count: usize) -> usize {
        if self.digits.is_empty() {
            self.lowest = digit;
        }
        if digit < self.lowest {
            let more = (self.lowest - digit) as usize;
            self.digits.splice(0..0, std::iter::repeat_n(0, more));
            self.lowest = digit;
        }
        let start = (digit - self.lowest) as usize;
        if self.digits.len() < start + count {
            self.digits.resize(start + count, 0);
        }
        start
    }

    /// Brings all digits but the highest into 0..2³².
    fn carry(&mut self) {
        carry(&mut self.digits);
        self.adds = 0;
    }

    /// Sign, lowest digit's place and digits, without zeros at either end.
    fn magnitude(&self) -> (bool, i32, Vec<u32>) {
        let mut digits = self.digits.clone();
        carry(&mut digits);
        let negative = digits.last().is_some_and(|&top| top < 0);
        if negative {
            digits.iter_mut().for_each(|digit| *digit = -*digit);
            carry(&mut digits);
        }
        let end = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        let start = digits[..end].iter().position(|&digit| digit != 0).unwrap_or(end);
        let lowest = if start == end { 0 } else { self.lowest + start as i32 };
        (negative, lowest, digits[start..end].iter().map(|&digit| digit as u32).collect())
    }
}

fn carry(digits: &mut Vec<i64>) {
    let mut over = 0;
    let last = digits.len().saturating_sub(1);
    for digit in digits.iter_mut().take(last) {
        *digit += over;
        over = *digit >> 32;
        *digit &= DIGIT_MASK;
    }
    let Some(top) = digits.last_mut() else { return };
    *top += over;
    // The highest digit keeps the sign, and -1 is a digit too.
    while let Some(top) = digits.last_mut() {
        let over = *top >> 32;
        if over == 0 || over == -1 {
            return;
        }
        *top &= DIGIT_MASK;
        digits.push(over);
    }
}

/// |x| as mantissa × 2^exponent, of a finite x.
#[inline]
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

/// x × 2^exponent, in steps that neither overflow nor underflow before their time.
fn scale(mut x: f64, mut exponent: i32) -> f64 {
    let power = |e: i32| f64::from_bits(((e + 1023) as u64) << 52);
    while exponent > 1000 {
        x *= power(1000);
        exponent -= 1000;
    }
    while exponent < -1000 {
        x *= power(-1000);
        exponent += 1000;
    }
    x * power(exponent)
}

fn signed(x: f64, negative: bool) -> f64 {
    if negative { -x } else { x }
}

impl From<ExactSum> for Canonical {
    fn from(sum: ExactSum) -> Self {
        let (negative, lowest, digits) = sum.magnitude();
        Self { negative, lowest, digits, not_finite: sum.not_finite }
    }
}

impl TryFrom<Canonical> for ExactSum {
    type Error = &'static str;

    fn try_from(saved: Canonical) -> Result<Self, Self::Error> {
        let length = i32::try_from(saved.digits.len()).map_err(|_| "a sum has too many digits")?;
        let end = saved.lowest.checked_add(length).ok_or("a sum's digits are out of place")?;
        if !saved.digits.is_empty() && (saved.lowest < DIGIT_RANGE.start || end > DIGIT_RANGE.end) {
            return Err("a sum's digits are out of place");
        }
        if saved.not_finite.is_finite() && saved.not_finite != 0.0 {
            return Err("a sum's sum of infinities is finite");
        }
        let sign = if saved.negative { -1 } else { 1 };
        let digits = saved.digits.into_iter().map(|digit| sign * i64::from(digit)).collect();
        Ok(Self { digits, lowest: saved.lowest, adds: 0, not_finite: saved.not_finite })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::{decode, encode};

    fn sum(numbers: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|&x| sum.add(x));
        sum
    }

    #[test]
    fn rounds_once_where_ordinary_sums_lose() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]).value(), 1.0);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        assert_eq!(sum(&[1.0, 2f64.powi(-53), 2f64.powi(-200)]).value(), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0, 2f64.powi(-53)]).value(), 1.0);
        assert_eq!(sum(&[-1.0, -(2f64.powi(-53)), -(2f64.powi(-200))]).value(), -1.0 - f64::EPSILON);
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[5e-324, 5e-324]).value(), 1e-323);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 1.0]).value(), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
    }

    #[test]
    fn products_are_not_rounded() {
        let mut squares = ExactSum::default();
        let x = 1.0 + f64::EPSILON;
        squares.add_product(x, x);
        squares.add(-1.0);
        squares.add(-2.0 * f64::EPSILON);
        assert_eq!(squares.value(), f64::EPSILON * f64::EPSILON);
        squares.add_product(f64::MAX, f64::MAX);
        assert_eq!(squares.value(), f64::INFINITY);
        squares.add_product(-f64::MAX, f64::MAX);
        assert_eq!(squares.value(), f64::EPSILON * f64::EPSILON);
        squares.add_product(5e-324, -5e-324);
        assert_eq!(squares.expansion(4), [f64::EPSILON * f64::EPSILON]);
    }

    #[test]
    fn an_expansion_adds_up() {
        assert_eq!(sum(&[1e30, 1.0, 1e-30]).expansion(4), [1e30, 1.0, 1e-30]);
        assert_eq!(sum(&[1e30, 1.0, 1e-30]).expansion(2), [1e30, 1.0]);
    }

    #[test]
    fn nonsense_is_refused() {
        let bytes = encode(&Canonical { negative: false, lowest: i32::MAX, digits: vec![1, 2], not_finite: 0.0 });
        assert!(decode::<ExactSum>(&bytes).is_err());
        let bytes = encode(&Canonical { negative: false, lowest: 0, digits: vec![1; 500], not_finite: 0.0 });
        assert!(decode::<ExactSum>(&bytes).is_err());
        let bytes = encode(&Canonical { negative: true, lowest: 0, digits: vec![], not_finite: 1.0 });
        assert!(decode::<ExactSum>(&bytes).is_err());
    }

    proptest! {
        /// Integers below 2⁵³ sum in i128 too: the same sum, and the same bytes whatever the order and the parts.
        #[test]
        fn equals_integer_arithmetic(
            numbers in prop::collection::vec((any::<i32>(), 0u32..60), 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let terms: Vec<f64> = numbers.iter().map(|&(n, shift)| f64::from(n) * 2f64.powi(shift as i32)).collect();
            let expected: i128 = numbers.iter().map(|&(n, shift)| i128::from(n) << shift).sum();
            let whole = sum(&terms);
            prop_assert_eq!(whole.value(), expected as f64);
            let (head, tail) = terms.split_at(cut.index(terms.len() + 1));
            let mut parts = sum(tail);
            parts.merge(&sum(head));
            prop_assert_eq!(encode(&parts), encode(&whole));
            let back: ExactSum = decode(&encode(&whole)).unwrap();
            prop_assert_eq!(encode(&back), encode(&whole));
        }

        #[test]
        fn order_never_matters(
            mut numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, 0..40),
        ) {
            let forward = sum(&numbers);
            numbers.reverse();
            prop_assert_eq!(encode(&forward), encode(&sum(&numbers)));
        }
    }
}
