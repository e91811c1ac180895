//! The threshold of least cost, where one mistake costs more than the other.

use serde::{Deserialize, Serialize};

use super::ranking::Ranking;
use crate::{Error, Result};

/// What a row costs that is taken for what it is not: a finite number of at least 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Serialize, Deserialize)]
pub struct Cost(u64);

impl Cost {
    /// A cost.
    ///
    /// # Errors
    /// When it is negative, infinite or NaN.
    pub fn new(cost: f64) -> Result<Self> {
        match cost >= 0.0 && cost.is_finite() {
            // Of numbers that are not negative the bits sort as the numbers do; adding 0 makes -0 into 0.
            true => Ok(Self((cost + 0.0).to_bits())),
            false => Err(Error::Spec(format!("a cost of {cost}; expected a number of at least 0"))),
        }
    }

    fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What each mistake costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Serialize, Deserialize)]
pub struct Costs {
    /// A negative that is called positive.
    pub false_positive: Cost,
    /// A positive that is called negative.
    pub false_negative: Cost,
}

/// What comes of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestThreshold {
    /// Rows with this probability or a higher one are called positive. Infinite where none is to be.
    pub threshold: f64,
    /// What all mistakes cost together, by the number of rows.
    pub cost: f64,
    /// Positives called positive.
    pub true_positives: u64,
    /// Negatives called positive.
    pub false_positives: u64,
    /// Negatives called negative.
    pub true_negatives: u64,
    /// Positives called negative.
    pub false_negatives: u64,
}

impl BestThreshold {
    /// The share of rows called positive that are; `None` if none is called so.
    pub fn precision(&self) -> Option<f64> {
        let called = self.true_positives + self.false_positives;
        (called > 0).then(|| self.true_positives as f64 / called as f64)
    }

    /// The share of positives that are called so; `None` without a positive.
    pub fn recall(&self) -> Option<f64> {
        let positives = self.true_positives + self.false_negatives;
        (positives > 0).then(|| self.true_positives as f64 / positives as f64)
    }
}

/// The threshold at which mistakes cost least on these rows; of several the highest. `None` for no rows.
///
/// Formula: argmin_t (c_fp FP(t) + c_fn FN(t)) / n over the distinct scores and +∞. Of calibrated probabilities it is near c_fp / (c_fp +
/// c_fn). Source: C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001. It is chosen on the rows that it is measured on: on
/// others it costs more, the more so the fewer there are.
pub fn best_threshold(ranking: &Ranking, costs: Costs) -> Option<BestThreshold> {
    let (positives, negatives) = ranking.counts();
    let rows = positives + negatives;
    let none_called = BestThreshold {
        threshold: f64::INFINITY,
        cost: f64::NAN,
        true_positives: 0,
        false_positives: 0,
        true_negatives: negatives,
        false_negatives: positives,
    };
    let cost = |point: &BestThreshold| {
        let (false_positive, false_negative) = (costs.false_positive.value(), costs.false_negative.value());
        (false_positive * point.false_positives as f64 + false_negative * point.false_negatives as f64) / rows as f64
    };
    let mut at = none_called;
    let mut best = BestThreshold { cost: cost(&at), ..at };
    for tie in ranking.ties() {
        at.threshold = tie.score;
        at.true_positives += tie.positives;
        at.false_positives += tie.negatives;
        at.true_negatives -= tie.negatives;
        at.false_negatives -= tie.positives;
        at.cost = cost(&at);
        if at.cost < best.cost {
            best = at;
        }
    }
    (rows > 0).then_some(best)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array};
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Scores;

    fn best(rows: &[(bool, f64)], false_positive: f64, false_negative: f64) -> Option<BestThreshold> {
        let label: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<BooleanArray>());
        let score: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Float64Array>());
        let mut scores = Scores::default();
        scores.update(&label, &score).unwrap();
        let cost = |cost| Cost::new(cost).unwrap();
        best_threshold(
            &scores.rank(),
            Costs { false_positive: cost(false_positive), false_negative: cost(false_negative) },
        )
    }

    #[test]
    fn what_is_dear_is_avoided() {
        let rows = [(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.2)];
        // To find the second positive costs one false alarm.
        let found = best(&rows, 1.0, 5.0).unwrap();
        assert_eq!((found.threshold, found.cost, found.false_positives), (0.7, 0.25, 1));
        assert_eq!((found.precision(), found.recall()), (Some(2.0 / 3.0), Some(1.0)));
        let found = best(&rows, 5.0, 1.0).unwrap();
        assert_eq!((found.threshold, found.cost, found.false_negatives), (0.9, 0.25, 1));
        let found = best(&[(false, 0.9)], 1.0, 1.0).unwrap();
        assert_eq!((found.threshold, found.cost, found.precision()), (f64::INFINITY, 0.0, None));
        assert_eq!(best(&[], 1.0, 1.0), None);
        assert!(Cost::new(-1.0).is_err() && Cost::new(f64::NAN).is_err() && Cost::new(f64::INFINITY).is_err());
    }

    proptest! {
        /// No threshold costs less: each is tried.
        #[test]
        fn none_costs_less(
            rows in prop::collection::vec((any::<bool>(), (0u8..9).prop_map(f64::from)), 1..40), a in 0.0..3.0f64, b in 0.0..3.0f64,
        ) {
            let found = best(&rows, a, b).unwrap();
            let cost = |threshold: f64| {
                let of = |(label, score): &(bool, f64)| match (label, *score >= threshold) {
                    (false, true) => a,
                    (true, false) => b,
                    _ => 0.0,
                };
                rows.iter().map(of).sum::<f64>() / rows.len() as f64
            };
            prop_assert!((cost(found.threshold) - found.cost).abs() < 1e-12);
            for threshold in (0..10).map(f64::from) {
                prop_assert!(cost(threshold) >= found.cost - 1e-12);
            }
        }
    }
}
