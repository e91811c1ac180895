//! The area under the ROC curve in bounded memory.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::aggregate::{Aggregate, grouped, single};
use super::columns::Batch;
use super::mean::{Pairs, Probabilities};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Expression, Result};

const SNAPSHOT_KIND: &str = "metric.score_histogram";
const DEFAULT_BINS: usize = 1024;
const MAX_BINS: usize = 1 << 20;

/// The area under the ROC curve, from a histogram of scores in [0, 1]: approximate, in bounded memory.
///
/// Formula: scores fall into `bins` equal bins, and pairs of a positive and a negative in one bin count half:
/// (Σ_b pos_b (Σ_{c<b} neg_c + neg_b / 2)) / (P N). From 0 to 1. `None` unless there are rows of both classes. A score
/// outside [0, 1] or NaN is an error.
///
/// Error: at most (1/2) Σ_b pos_b neg_b / (P N) either way, since only pairs within a bin are in doubt;
/// [`ScoreHistogram::error_bound`] gives it for the data at hand. With scores spread evenly this is about 1 / (2 bins).
/// It is large when scores crowd in few bins (a rare positive class whose scores all lie near 0): take more bins, or
/// [`crate::metric::ML_ROC_AUC`].
///
/// Parameter: `bins`, from 2 to 1048576, 1024 if left out. Memory: 16 bytes a bin. Source: the histogram estimate
/// follows J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982
/// (rating data).
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::{Expression, metric::ML_APPROX_ROC_AUC};
///
/// // With ten bins 0.61 and 0.65 are one: that pair counts half.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
/// let score: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.61, 0.65, 0.1]));
/// let mut auc = (ML_APPROX_ROC_AUC.make)(&[Expression::Number(10.0)])?;
/// auc.update(&[label, score])?;
/// assert_eq!(auc.value(), Some(0.875));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_APPROX_ROC_AUC: MetricDef = MetricDef {
    name: "ML_APPROX_ROC_AUC",
    key: "ApproxRocAuc",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "bins BIGINT = 1024",
    doc: "The area under the ROC curve from a histogram of scores in [0, 1]: pairs of a positive and a negative in one \
          bin count half. Off by at most half the sum over bins of (positives x negatives) / (all positives x all \
          negatives), about 1 / (2 bins) for scores spread evenly. From 0 to 1; NULL unless both classes occur; a \
          score outside [0, 1] is an error. 16 bytes a bin. Source: J. A. Hanley and B. J. McNeil, The meaning and use \
          of the area under a ROC curve, 1982.",
    make: |given| Ok(single(Binned { bins: bins(given)? })),
    make_grouped: |given| Ok(grouped(Binned { bins: bins(given)? })),
};

/// Counts of positives and negatives by score, in equal bins over [0, 1]. Mergeable exactly.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ScoreHistogram;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
/// let score: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.61, 0.65, 0.1]));
/// let mut histogram = ScoreHistogram::new(10)?;
/// histogram.update(&label, &score)?;
/// // One pair of four is in doubt, by half.
/// assert_eq!((histogram.roc_auc(), histogram.error_bound()), (Some(0.875), Some(0.125)));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScoreHistogram {
    bins: usize,
    counts: BinCounts,
}

impl ScoreHistogram {
    /// An empty histogram.
    ///
    /// # Errors
    /// When `bins` is not from 2 to 1048576.
    pub fn new(bins: usize) -> Result<Self> {
        if (2..=MAX_BINS).contains(&bins) {
            Ok(Self { bins, counts: BinCounts::default() })
        } else {
            Err(Error::Spec(format!("{bins} bins; expected 2 to {MAX_BINS}")))
        }
    }

    /// Takes rows in: the label of two classes and a score in [0, 1].
    ///
    /// # Errors
    /// When a column's type is wrong, an integer label is neither 0 nor 1, or a score is outside [0, 1].
    pub fn update(&mut self, label: &ArrayRef, score: &ArrayRef) -> Result<()> {
        let columns = [label.clone(), score.clone()];
        let Some(batch) = Batch::new(&columns, Binned::COLUMNS, None)? else { return Ok(()) };
        let rows = Probabilities::read(&batch)?;
        Binned { bins: self.bins }.add_all(&mut self.counts, &rows, &batch);
        Ok(())
    }

    /// Takes in a state that [`ScoreHistogram::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state, or one with other bins. Then nothing is taken in.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        Binned { bins: self.bins }.merge(&mut self.counts, saved)
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        Binned { bins: self.bins }.save(&self.counts)
    }

    /// The area under the ROC curve, off by at most [`ScoreHistogram::error_bound`]; `None` unless both classes occur.
    pub fn roc_auc(&self) -> Option<f64> {
        self.counts.roc_auc()
    }

    /// How far [`ScoreHistogram::roc_auc`] can be from the exact area: half the share of pairs that lie in one bin.
    pub fn error_bound(&self) -> Option<f64> {
        let (positives, negatives) = self.counts.totals();
        let doubtful: u128 = self.counts.0.iter().map(|[p, n]| u128::from(*p) * u128::from(*n)).sum();
        (positives > 0 && negatives > 0).then(|| doubtful as f64 / (2 * positives * negatives) as f64)
    }
}

/// Positives and negatives in each bin; empty before the first row.
#[derive(Debug, Clone, Default)]
struct BinCounts(Vec<[u64; 2]>);

impl BinCounts {
    fn totals(&self) -> (u128, u128) {
        self.0.iter().fold((0, 0), |sum, [p, n]| (sum.0 + u128::from(*p), sum.1 + u128::from(*n)))
    }

    fn roc_auc(&self) -> Option<f64> {
        let (positives, negatives) = self.totals();
        let (mut half_wins, mut lower) = (0, 0);
        for [p, n] in &self.0 {
            half_wins += u128::from(*p) * (2 * lower + u128::from(*n));
            lower += u128::from(*n);
        }
        (positives > 0 && negatives > 0).then(|| half_wins as f64 / (2 * positives * negatives) as f64)
    }
}

/// What is saved: bins that are not empty, as (bin, positives, negatives).
#[derive(Serialize, Deserialize)]
struct SavedBins {
    bins: u32,
    counts: Vec<(u32, u64, u64)>,
}

#[derive(Debug)]
struct Binned {
    bins: usize,
}

impl Aggregate for Binned {
    type Rows = Probabilities;
    type State = BinCounts;
    const COLUMNS: &'static [&'static str] = &["label", "score"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<Probabilities> {
        Probabilities::read(batch)
    }

    #[inline]
    fn add(&self, state: &mut BinCounts, rows: &Probabilities, row: usize) {
        if state.0.is_empty() {
            state.0.resize(self.bins, [0, 0]);
        }
        let (label, score) = rows.pair(row);
        // A score of 1 belongs to the last bin.
        let bin = ((score * self.bins as f64) as usize).min(self.bins - 1);
        state.0[bin][usize::from(!label)] += 1;
    }

    fn merge(&mut self, state: &mut BinCounts, saved: &[u8]) -> Result<()> {
        let saved: SavedBins = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        if saved.bins as usize != self.bins {
            return Err(Error::Merge(format!("one histogram has {} bins, the other {}", self.bins, saved.bins)));
        }
        let in_order = saved.counts.is_sorted_by(|a, b| a.0 < b.0);
        if !in_order || saved.counts.last().is_some_and(|last| last.0 >= saved.bins) {
            return Err(SnapshotError::Content("the bins of a histogram are out of order".to_string()).into());
        }
        let theirs = saved.counts.iter().try_fold(0u64, |sum, &(_, p, n)| sum.checked_add(p)?.checked_add(n));
        let mine = state.0.iter().flatten().sum::<u64>();
        // Below 2⁶³ rows, twice the number of pairs fits u128.
        if theirs.and_then(|theirs| mine.checked_add(theirs)).is_none_or(|rows| i64::try_from(rows).is_err()) {
            return Err(Error::Merge("together they have more than 2^63 rows".to_string()));
        }
        if state.0.is_empty() && !saved.counts.is_empty() {
            state.0.resize(self.bins, [0, 0]);
        }
        for (bin, positives, negatives) in saved.counts {
            let counts = &mut state.0[bin as usize];
            counts[0] += positives;
            counts[1] += negatives;
        }
        Ok(())
    }

    fn save(&self, state: &BinCounts) -> Vec<u8> {
        let filled = (0u32..).zip(&state.0).filter(|(_, counts)| **counts != [0, 0]);
        let counts = filled.map(|(bin, counts)| (bin, counts[0], counts[1])).collect();
        seal(SNAPSHOT_KIND, 1, &encode(&SavedBins { bins: self.bins as u32, counts }))
    }

    fn value(&self, state: &BinCounts) -> Option<f64> {
        state.roc_auc()
    }

    fn heap_bytes(&self, state: &BinCounts) -> usize {
        state.0.capacity() * size_of::<[u64; 2]>()
    }
}

fn bins(given: &[Expression]) -> Result<usize> {
    let mut parameters = Parameters::new(ML_APPROX_ROC_AUC.name, ML_APPROX_ROC_AUC.parameters, given);
    let bins = parameters.number("bins")?.unwrap_or(DEFAULT_BINS as f64);
    if bins.fract() != 0.0 || !(2.0..=MAX_BINS as f64).contains(&bins) {
        let expected = format!("a whole number from 2 to {MAX_BINS}");
        return Err(parameters.refuse("bins", &bins.to_string(), &expected));
    }
    parameters.finish()?;
    Ok(bins as usize)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array};
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Scores;

    proptest! {
        /// Scores of several shapes: even, crowded near 0, tied. The exact area lies within the stated bound.
        #[test]
        fn the_error_is_within_the_bound(
            rows in prop::collection::vec((any::<bool>(), 0.0f64..=1.0), 2..200),
            power in prop::sample::select(vec![0.2, 1.0, 4.0]),
            bins in prop::sample::select(vec![2usize, 3, 10, 64, 1024]),
        ) {
            let label: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<BooleanArray>());
            let score: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1.powf(power))).collect::<Float64Array>());
            let mut exact = Scores::default();
            exact.update(&label, &score)?;
            let mut histogram = ScoreHistogram::new(bins)?;
            histogram.update(&label, &score)?;
            match (histogram.roc_auc(), exact.rank().roc_auc(), histogram.error_bound()) {
                (Some(approximate), Some(exact), Some(bound)) => {
                    prop_assert!((approximate - exact).abs() <= bound + 1e-15, "{} {} {}", approximate, exact, bound);
                }
                (None, None, None) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn the_bound_for_scores_spread_evenly() {
        let label: ArrayRef = Arc::new((0..10_000).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>());
        let score: ArrayRef = Arc::new((0..10_000).map(|i| Some(f64::from(i) / 10_000.0)).collect::<Float64Array>());
        let mut histogram = ScoreHistogram::new(100).unwrap();
        histogram.update(&label, &score).unwrap();
        // 100 bins of 50 positives and 50 negatives: 100 · 50 · 50 / 2 of 5000 · 5000 pairs.
        assert_eq!(histogram.error_bound(), Some(0.005));
    }
}
