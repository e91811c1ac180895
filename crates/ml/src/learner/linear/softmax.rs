//! Multinomial logistic regression.

use super::exponential::exp;
use super::multiclass::Scheme;

/// Softmax: `p_k = e^{s_k} / Σ_j e^{s_j}` over the classes that take part; the loss is `−ln p_y`, with gradient
/// `p_k − [k = y]` (Böhning 1992).
#[derive(Debug, Clone, Copy)]
pub(super) struct Softmax;

impl Scheme for Softmax {
    fn name(&self) -> String {
        "softmax".to_string()
    }

    fn predictions(&self, scores: &mut [f64], active: &[bool]) {
        // The greatest is taken off, so that no exponential overflows. What overflowed both ways counts as the least.
        let taking_part = scores.iter().zip(active).filter(|(score, active)| **active && !score.is_nan());
        let greatest =
            taking_part.map(|(score, _)| *score).fold(f64::NEG_INFINITY, f64::max).clamp(-f64::MAX, f64::MAX);
        let mut sum = 0.0;
        for (score, active) in scores.iter_mut().zip(active) {
            let distance = score.clamp(-f64::MAX, f64::MAX) - greatest;
            *score = if *active && !distance.is_nan() { exp(distance) } else { 0.0 };
            sum += *score;
        }
        if sum > 0.0 {
            scores.iter_mut().for_each(|score| *score /= sum);
        }
    }

    fn slopes(&self, scores: &mut [f64], active: &[bool], target: usize, weight: f64, _: f64) {
        self.predictions(scores, active);
        scores[target] -= 1.0;
        scores.iter_mut().for_each(|slope| *slope *= weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let mut scores = [0.0, 2f64.ln(), 5f64.ln(), 99.0];
        Softmax.predictions(&mut scores, &[true, true, true, false]);
        for (p, expected) in scores.iter().zip([0.125, 0.25, 0.625, 0.0]) {
            assert!((p - expected).abs() < 1e-15);
        }
        let mut scores = [0.0, 0.0];
        Softmax.slopes(&mut scores, &[true, true], 1, 4.0, 0.0);
        assert_eq!(scores, [2.0, -2.0]);
    }

    #[test]
    fn far_scores() {
        let mut scores = [1e308, -1e308, f64::INFINITY, f64::NAN];
        Softmax.predictions(&mut scores, &[true; 4]);
        assert_eq!(scores, [0.0, 0.0, 1.0, 0.0]);
        let mut none = [1.0, 2.0];
        Softmax.predictions(&mut none, &[false; 2]);
        assert_eq!(none, [0.0, 0.0]);
    }
}
