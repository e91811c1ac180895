//! The points of a ROC curve.

use super::ranking::Ranking;

/// What calling rows of this score and above positive leads to. Fields as the columns of BigQuery's `ML.ROC_CURVE`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Rows with this score or a higher one are called positive.
    pub threshold: f64,
    /// The share of positives that are called so; `None` without a positive.
    pub recall: Option<f64>,
    /// The share of negatives that are called positive; `None` without a negative.
    pub false_positive_rate: Option<f64>,
    /// Positives called positive.
    pub true_positives: u64,
    /// Negatives called positive.
    pub false_positives: u64,
    /// Negatives called negative.
    pub true_negatives: u64,
    /// Positives called negative.
    pub false_negatives: u64,
}

/// The ROC curve, threshold by threshold, highest first: one point for each distinct score.
///
/// With `thresholds`, at most that many points (two at least), about equally many rows apart; the first and the last
/// are always among them. The point (0, 0) of no row called positive is not: it has no finite threshold.
///
/// Source: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006, algorithm 1.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::{Scores, roc_curve};
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
/// let score: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.6, 0.6, 0.1]));
/// let mut scores = Scores::default();
/// scores.update(&label, &score)?;
/// let curve = roc_curve(&scores.rank(), None);
/// assert_eq!(curve[1].threshold, 0.6);
/// assert_eq!((curve[1].recall, curve[1].false_positive_rate), (Some(1.0), Some(0.5)));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub fn roc_curve(ranking: &Ranking, thresholds: Option<usize>) -> Vec<RocPoint> {
    let (positives, negatives) = ranking.counts();
    let share = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
    let (mut true_positives, mut false_positives) = (0, 0);
    let mut points: Vec<RocPoint> = Vec::new();
    let mut last_step = 0;
    for tie in ranking.ties() {
        true_positives += tie.positives;
        false_positives += tie.negatives;
        if let Some(thresholds) = thresholds {
            // The rows are divided into equal steps; a threshold counts when it is the first to enter a new one.
            let (done, all) = (true_positives + false_positives, positives + negatives);
            let steps = thresholds.max(2) as u128 - 1;
            let step = if all > 1 { u128::from(done - 1) * steps / u128::from(all - 1) } else { 0 };
            if !points.is_empty() && step == last_step {
                continue;
            }
            last_step = step;
        }
        points.push(RocPoint {
            threshold: tie.score,
            recall: share(true_positives, positives),
            false_positive_rate: share(false_positives, negatives),
            true_positives,
            false_positives,
            true_negatives: negatives - false_positives,
            false_negatives: positives - true_positives,
        });
    }
    points
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array};

    use super::*;
    use crate::metric::Scores;

    fn ranking(rows: &[(bool, f64)]) -> Ranking {
        let label: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<BooleanArray>());
        let score: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Float64Array>());
        let mut scores = Scores::default();
        scores.update(&label, &score).unwrap();
        scores.rank()
    }

    #[test]
    fn the_trapezes_below_sum_to_the_area() {
        let rows: Vec<_> = (0..500u32).map(|i| (i * 7 % 11 < 4, f64::from(i * 37 % 101) / 101.0)).collect();
        let ranking = ranking(&rows);
        let curve = roc_curve(&ranking, None);
        assert_eq!(curve.len(), 101);
        let corners = curve.iter().map(|point| (point.false_positive_rate.unwrap(), point.recall.unwrap()));
        let (area, _) = corners.fold((0.0, (0.0, 0.0)), |(area, (x, y)), (next_x, next_y)| {
            (area + (next_x - x) * (y + next_y) / 2.0, (next_x, next_y))
        });
        assert!((area - ranking.roc_auc().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_limit() {
        let rows: Vec<_> = (0..1000).map(|i| (i % 3 == 0, f64::from(i))).collect();
        let ranking = ranking(&rows);
        for limit in [0, 1, 2, 3, 10, 99, 1000, 5000] {
            let curve = roc_curve(&ranking, Some(limit));
            assert_eq!(curve.len(), limit.clamp(2, 1000));
            assert_eq!((curve[0].threshold, curve[curve.len() - 1].threshold), (999.0, 0.0));
        }
        // Heavily tied: steps that no threshold enters are left out.
        let rows: Vec<_> = (0..1000).map(|i| (i % 3 == 0, f64::from(u8::from(i > 10)))).collect();
        assert_eq!(roc_curve(&self::ranking(&rows), Some(10)).len(), 2);
    }

    #[test]
    fn one_class_and_no_row() {
        let point = roc_curve(&ranking(&[(true, 0.5)]), Some(5))[0];
        assert_eq!((point.recall, point.false_positive_rate), (Some(1.0), None));
        assert!(roc_curve(&ranking(&[]), None).is_empty());
    }
}
