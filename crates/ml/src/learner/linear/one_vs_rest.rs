//! Many classes by one binary loss a class.

use super::loss::Loss;
use super::multiclass::Scheme;

/// One-vs-rest (Rifkin & Klautau 2004): class `k` against all others, by a binary loss. Each has its own probability; those of
/// a row are divided by their sum. The weight of a row is that of its own class in all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct OneVsRest<L>(pub(super) L);

impl<L: Loss> Scheme for OneVsRest<L> {
    fn name(&self) -> String {
        format!("one_vs_rest/{}", L::NAME)
    }

    fn uses_norm(&self) -> bool {
        L::USES_NORM
    }

    fn predictions(&self, scores: &mut [f64], active: &[bool]) {
        let mut sum = 0.0;
        for (score, active) in scores.iter_mut().zip(active) {
            *score = if *active { self.0.prediction(*score) } else { 0.0 };
            sum += *score;
        }
        let taking_part = active.iter().filter(|active| **active).count();
        for (score, active) in scores.iter_mut().zip(active) {
            if sum > 0.0 {
                *score /= sum;
            } else if *active {
                *score = 1.0 / taking_part as f64;
            }
        }
    }

    fn slopes(&self, scores: &mut [f64], active: &[bool], target: usize, weight: f64, squared_norm: f64) {
        for (class, (score, active)) in scores.iter_mut().zip(active).enumerate() {
            let is_target = if class == target { 1.0 } else { 0.0 };
            *score = if *active { self.0.slope(*score, is_target, weight, squared_norm) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::loss::{Hinge, Log, ModifiedHuber};
    use super::*;

    #[test]
    fn closed_forms() {
        let mut scores = [3f64.ln(), 0.0, 7.0]; // ¾ and ½
        OneVsRest(Log).predictions(&mut scores, &[true, true, false]);
        for (p, expected) in scores.iter().zip([0.6, 0.4, 0.0]) {
            assert!((p - expected).abs() < 1e-15);
        }
        let mut none = [-5.0, -5.0];
        OneVsRest(ModifiedHuber).predictions(&mut none, &[true, true]);
        assert_eq!(none, [0.5, 0.5]);
        let mut slopes = [0.5, -2.0, 0.5];
        OneVsRest(Hinge).slopes(&mut slopes, &[true, true, false], 0, 2.0, 0.0);
        assert_eq!(slopes, [-2.0, 0.0, 0.0]);
    }
}
