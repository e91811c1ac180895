//! Scores of positives and negatives, and what their order says.

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, ScalarBuffer};

use super::aggregate::Aggregate;
use super::columns::Batch;
use crate::Result;
use crate::snapshot::{SnapshotError, open, seal};

const SNAPSHOT_KIND: &str = "metric.scores";

/// All scores seen, apart by label. 8 bytes a row. Mergeable: what is computed from it does not depend on the order of
/// rows.
///
/// A score is kept as a u64 that sorts as the score does; 0 and −0 are one.
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
/// let mut others = Scores::default();
/// others.merge(&scores.save())?;
/// let ranking = others.rank();
/// assert_eq!(ranking.roc_auc(), Some(0.875));
/// assert_eq!(roc_curve(&ranking, None).len(), 3);
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scores {
    positives: Vec<u64>,
    negatives: Vec<u64>,
}

impl Scores {
    /// Takes rows in: the label of two classes and the score of the positive one.
    ///
    /// # Errors
    /// When a column's type is wrong, an integer label is neither 0 nor 1, or a score is NaN.
    pub fn update(&mut self, label: &ArrayRef, score: &ArrayRef) -> Result<()> {
        let columns = [label.clone(), score.clone()];
        let Some(batch) = Batch::new(&columns, Ranked::<RocAucOf>::COLUMNS, None)? else { return Ok(()) };
        self.add_all(&ScoreRows::read(&batch)?, &batch);
        Ok(())
    }

    /// Takes in a state that [`Scores::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state. Then nothing is taken in.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        self.merge_payload(open(SNAPSHOT_KIND, 1, saved)?)
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &self.payload())
    }

    /// How many rows have the positive label.
    pub fn positives(&self) -> u64 {
        self.positives.len() as u64
    }

    /// How many rows have the negative label.
    pub fn negatives(&self) -> u64 {
        self.negatives.len() as u64
    }

    /// Bytes of memory.
    pub fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    /// The scores in order: a sorted copy.
    pub fn rank(&self) -> Ranking {
        let mut ranking = Ranking { positives: self.positives.clone(), negatives: self.negatives.clone() };
        ranking.positives.sort_unstable();
        ranking.negatives.sort_unstable();
        ranking
    }

    #[inline]
    pub(super) fn add(&mut self, label: bool, score: f64) {
        if label { self.positives.push(key(score)) } else { self.negatives.push(key(score)) }
    }

    /// Adds all rows that count. Positives first, then negatives: neither loop branches on the label.
    pub(super) fn add_all(&mut self, rows: &ScoreRows, batch: &Batch<'_>) {
        let (positive, negative) = match batch.valid() {
            None => (rows.label.clone(), !&rows.label),
            Some(valid) => (&rows.label & valid.inner(), &!&rows.label & valid.inner()),
        };
        self.positives.extend(positive.set_indices().map(|row| key(rows.score[row])));
        self.negatives.extend(negative.set_indices().map(|row| key(rows.score[row])));
    }

    /// The number of positives as u64, then all keys; little-endian.
    pub(super) fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(8 * (1 + self.positives.len() + self.negatives.len()));
        payload.extend_from_slice(&self.positives().to_le_bytes());
        for key in self.positives.iter().chain(&self.negatives) {
            payload.extend_from_slice(&key.to_le_bytes());
        }
        payload
    }

    pub(super) fn merge_payload(&mut self, payload: &[u8]) -> Result<()> {
        let refuse = |what: &str| Err(SnapshotError::Content(what.to_string()).into());
        let (numbers, []) = payload.as_chunks::<8>() else { return refuse("scores are cut short") };
        let Some((positives, keys)) = numbers.split_first() else { return refuse("no number of scores") };
        let positives = usize::try_from(u64::from_le_bytes(*positives)).unwrap_or(usize::MAX);
        let Some((positives, negatives)) = keys.split_at_checked(positives) else {
            return refuse("more positive scores than scores");
        };
        if keys.iter().any(|&key| score(u64::from_le_bytes(key)).is_nan()) {
            return refuse("a score is NaN");
        }
        self.positives.extend(positives.iter().map(|&key| u64::from_le_bytes(key)));
        self.negatives.extend(negatives.iter().map(|&key| u64::from_le_bytes(key)));
        Ok(())
    }

    /// Takes in other scores.
    pub(super) fn append(&mut self, mut other: Self) {
        self.positives.append(&mut other.positives);
        self.negatives.append(&mut other.negatives);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        (self.positives.capacity() + self.negatives.capacity()) * size_of::<u64>()
    }
}

/// A number that sorts as the score does.
#[inline]
fn key(score: f64) -> u64 {
    // Adding 0 makes -0 into 0.
    let bits = (score + 0.0).to_bits();
    let sign_fill = (bits as i64 >> 63) as u64;
    bits ^ (sign_fill | 1 << 63)
}

/// The score of a key.
fn score(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// Scores in order. Made by [`Scores::rank`].
#[derive(Debug, Clone)]
pub struct Ranking {
    positives: Vec<u64>,
    negatives: Vec<u64>,
}

/// Rows of one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tie {
    pub(super) score: f64,
    pub(super) positives: u64,
    pub(super) negatives: u64,
}

impl Ranking {
    /// The probability that a random positive scores higher than a random negative, ties counting half: the area under
    /// the ROC curve. `None` unless there are both. Exact: counts of pairs are integers, and only their quotient is
    /// rounded.
    pub fn roc_auc(&self) -> Option<f64> {
        let (positives, negatives) = (self.positives.len() as u128, self.negatives.len() as u128);
        if positives == 0 || negatives == 0 {
            return None;
        }
        let mut half_wins: u128 = 0;
        let mut lower = negatives;
        for tie in self.ties() {
            lower -= u128::from(tie.negatives);
            half_wins += u128::from(tie.positives) * (2 * lower + u128::from(tie.negatives));
        }
        Some(half_wins as f64 / (2 * positives * negatives) as f64)
    }

    /// The average precision: Σ over scores, falling, of (rise in recall × precision). `None` without a positive.
    pub fn average_precision(&self) -> Option<f64> {
        let (mut sum, mut true_positives, mut predicted) = (0.0, 0, 0);
        for tie in self.ties() {
            true_positives += tie.positives;
            predicted += tie.positives + tie.negatives;
            if tie.positives > 0 {
                sum += tie.positives as f64 * (true_positives as f64 / predicted as f64);
            }
        }
        (true_positives > 0).then(|| sum / true_positives as f64)
    }

    /// The distinct scores, highest first.
    pub(super) fn ties(&self) -> impl Iterator<Item = Tie> {
        let (mut positives, mut negatives) = (self.positives.as_slice(), self.negatives.as_slice());
        std::iter::from_fn(move || {
            let highest = match (positives.last(), negatives.last()) {
                (Some(&p), Some(&n)) => p.max(n),
                (Some(&one), None) | (None, Some(&one)) => one,
                (None, None) => return None,
            };
            Some(Tie {
                score: score(highest),
                positives: pop_equal(&mut positives, highest),
                negatives: pop_equal(&mut negatives, highest),
            })
        })
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.positives.len() as u64, self.negatives.len() as u64)
    }
}

/// Takes all `key` off the end and counts them.
#[inline]
fn pop_equal(keys: &mut &[u64], key: u64) -> u64 {
    let mut count = 0;
    while let Some((&last, rest)) = keys.split_last()
        && last == key
    {
        *keys = rest;
        count += 1;
    }
    count
}

/// Labels and scores, read.
#[derive(Debug)]
pub(super) struct ScoreRows {
    pub(super) label: BooleanBuffer,
    pub(super) score: ScalarBuffer<f64>,
}

impl ScoreRows {
    fn read(batch: &Batch<'_>) -> Result<Self> {
        Ok(Self { label: batch.binary(0)?, score: batch.scores(1)? })
    }
}

/// A measure of a ranking.
pub(super) trait RankMeasure: std::fmt::Debug + Send + Sync + 'static {
    fn of(ranking: &Ranking) -> Option<f64>;
}

/// The area under the ROC curve.
#[derive(Debug)]
pub(super) struct RocAucOf;

impl RankMeasure for RocAucOf {
    fn of(ranking: &Ranking) -> Option<f64> {
        ranking.roc_auc()
    }
}

/// The average precision.
#[derive(Debug)]
pub(super) struct AveragePrecisionOf;

impl RankMeasure for AveragePrecisionOf {
    fn of(ranking: &Ranking) -> Option<f64> {
        ranking.average_precision()
    }
}

/// The aggregate of a measure of a ranking.
#[derive(Debug)]
pub(super) struct Ranked<M>(pub(super) std::marker::PhantomData<M>);

impl<M: RankMeasure> Aggregate for Ranked<M> {
    type Rows = ScoreRows;
    type State = Scores;
    const COLUMNS: &'static [&'static str] = &["label", "score"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<ScoreRows> {
        ScoreRows::read(batch)
    }

    fn add(&self, state: &mut Scores, rows: &ScoreRows, row: usize) {
        state.add(rows.label.value(row), rows.score[row]);
    }

    fn add_all(&self, state: &mut Scores, rows: &ScoreRows, batch: &Batch<'_>) {
        state.add_all(rows, batch);
    }

    fn merge(&mut self, state: &mut Scores, saved: &[u8]) -> Result<()> {
        state.merge(saved)
    }

    fn save(&self, state: &Scores) -> Vec<u8> {
        state.save()
    }

    fn value(&self, state: &Scores) -> Option<f64> {
        M::of(&state.rank())
    }

    fn heap_bytes(&self, state: &Scores) -> usize {
        state.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(rows: &[(bool, f64)]) -> Scores {
        let mut scores = Scores::default();
        rows.iter().for_each(|&(label, score)| scores.add(label, score));
        scores
    }

    #[test]
    fn keys_sort_as_scores_do() {
        let sorted = [f64::NEG_INFINITY, -1e300, -1.0, -5e-324, 0.0, 5e-324, 0.5, 1.0, 1e300, f64::INFINITY];
        assert!(sorted.map(key).is_sorted_by(|a, b| a < b));
        assert_eq!(sorted.map(|x| score(key(x))), sorted);
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn ties_fall_by_score() {
        let ranking = scores(&[(true, 0.5), (false, 0.5), (true, 0.9), (false, 0.1), (true, 0.5)]).rank();
        let ties: Vec<_> = ranking.ties().map(|tie| (tie.score, tie.positives, tie.negatives)).collect();
        assert_eq!(ties, [(0.9, 1, 0), (0.5, 2, 1), (0.1, 0, 1)]);
    }

    #[test]
    fn one_class() {
        assert_eq!(scores(&[(true, 0.5), (true, 0.7)]).rank().roc_auc(), None);
        assert_eq!(scores(&[(true, 0.5), (true, 0.7)]).rank().average_precision(), Some(1.0));
        assert_eq!(scores(&[(false, 0.5)]).rank().roc_auc(), None);
        assert_eq!(scores(&[(false, 0.5)]).rank().average_precision(), None);
    }

    proptest! {
        /// The definition: compare every positive with every negative.
        #[test]
        fn auc_is_the_share_of_pairs_in_order(rows in prop::collection::vec((any::<bool>(), 0u8..12), 0..40)) {
            let (mut won, mut pairs) = (0.0, 0.0);
            for &(_, p) in rows.iter().filter(|(label, _)| *label) {
                for &(_, n) in rows.iter().filter(|(label, _)| !*label) {
                    pairs += 1.0;
                    won += if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 };
                }
            }
            let rows: Vec<_> = rows.into_iter().map(|(label, score)| (label, f64::from(score) - 6.0)).collect();
            prop_assert_eq!(scores(&rows).rank().roc_auc(), (pairs > 0.0).then_some(won / pairs));
        }
    }
}
