//! Whether probabilities are what they say: of rows that are given .7, seven of ten should be positive.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::aggregate::{Aggregate, grouped, single};
use super::columns::Batch;
use super::mean::{Mean, Pairs, Probabilities, add_rows};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Expression, Result};

const SNAPSHOT_KIND: &str = "metric.reliability";
/// Bins of a reliability table and of the calibration error, where none are given.
pub const RELIABILITY_BINS: usize = 10;
/// The most bins of either.
pub const RELIABILITY_BINS_MAX: usize = 1000;
/// The normal distribution is beyond it with a probability of 2.5 % on either side.
const Z_95: f64 = 1.959_963_984_540_054;

/// How far predicted probabilities are from what happens: the expected calibration error.
///
/// Formula: probabilities fall into `bins` equal bins over [0, 1]; Σ_b (n_b / n) |share of positives in b − mean probability in b|. From
/// 0 to 1. `None` for no rows. It is biased upwards where bins have few rows: by about √(p (1 − p) / n_b) each. A probability outside
/// [0, 1] or NaN is an error.
///
/// Parameter: `bins`, from 1 to 1000, 10 if left out. Memory: about 100 bytes a bin. Source: M. P. Naeini, G. F. Cooper and
/// M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::ML_CALIBRATION_ERROR;
///
/// // One bin has a mean of .15 and no positive, the other a mean of .8 and two of two.
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true]));
/// let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 0.2, 0.75, 0.85]));
/// let mut error = (ML_CALIBRATION_ERROR.make)(&[tidegate_ml::Expression::Number(2.0)])?;
/// error.update(&[label, probability])?;
/// assert!((error.value().unwrap() - (0.5 * 0.15 + 0.5 * 0.2)).abs() < 1e-15);
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_CALIBRATION_ERROR: MetricDef = MetricDef {
    name: "ML_CALIBRATION_ERROR",
    key: "CalibrationError",
    arguments: &[Argument::Binary, Argument::Score],
    parameters: "bins BIGINT = 10",
    doc: "The expected calibration error: probabilities fall into equal bins, and of each the distance between the share of \
          positives and the mean probability counts by its rows. From 0 to 1; NULL for no rows; a probability outside [0, 1] is an \
          error. Source: M. P. Naeini, G. F. Cooper and M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian \
          binning, 2015.",
    make: |given| Ok(single(Binned { bins: bins(given)? })),
    make_grouped: |given| Ok(grouped(Binned { bins: bins(given)? })),
};

/// Rows of about the same probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// Its probabilities are at least that.
    pub lower: f64,
    /// Its probabilities are below that, or 1.
    pub upper: f64,
    /// How many rows it has.
    pub rows: u64,
    /// How many of them are positive.
    pub positives: u64,
    /// The mean of their probabilities; `None` without a row.
    pub mean_probability: Option<f64>,
    /// The share of positives, with the ends of its 95 % interval; `None` without a row.
    pub observed: Option<Share>,
}

/// A share and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Successes by trials.
    pub rate: f64,
    /// The low end of the interval.
    pub lower: f64,
    /// The high end.
    pub upper: f64,
}

impl Share {
    /// The share of `successes` in `trials`, at least 1, with the 95 % interval of E. B. Wilson ("Probable inference, the law of
    /// succession, and statistical inference", Journal of the American Statistical Association 22, 1927), which stays within [0, 1].
    pub fn wilson(successes: u64, trials: u64) -> Self {
        let (n, rate) = (trials as f64, successes as f64 / trials as f64);
        let square = Z_95 * Z_95;
        let middle = (rate + square / (2.0 * n)) / (1.0 + square / n);
        let reach = Z_95 / (1.0 + square / n) * (rate * (1.0 - rate) / n + square / (4.0 * n * n)).sqrt();
        Self { rate, lower: (middle - reach).max(0.0).min(rate), upper: (middle + reach).min(1.0).max(rate) }
    }
}

/// A reliability table: rows, positives and the mean probability in equal bins over [0, 1]. Mergeable exactly.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::metric::Reliability;
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![false, true, true, true]));
/// let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 0.6, 0.75, 1.0]));
/// let mut reliability = Reliability::new(2)?;
/// reliability.update(&label, &probability)?;
/// let upper = &reliability.bins()[1];
/// assert_eq!((upper.rows, upper.positives, upper.observed.unwrap().rate), (3, 3, 1.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reliability {
    bins: usize,
    table: Table,
}

impl Reliability {
    /// A table without rows.
    ///
    /// # Errors
    /// When `bins` is not from 1 to 1000.
    pub fn new(bins: usize) -> Result<Self> {
        if (1..=RELIABILITY_BINS_MAX).contains(&bins) {
            Ok(Self { bins, table: Table::default() })
        } else {
            Err(Error::Spec(format!("{bins} bins; expected 1 to {RELIABILITY_BINS_MAX}")))
        }
    }

    /// Takes rows in: the label of two classes and a probability.
    ///
    /// # Errors
    /// When a column's type is wrong, an integer label is neither 0 nor 1, or a probability is outside [0, 1].
    pub fn update(&mut self, label: &ArrayRef, probability: &ArrayRef) -> Result<()> {
        let columns = [label.clone(), probability.clone()];
        let Some(batch) = Batch::new(&columns, Binned::COLUMNS, None)? else { return Ok(()) };
        let rows = Probabilities::read(&batch)?;
        Binned { bins: self.bins }.add_all(&mut self.table, &rows, &batch);
        Ok(())
    }

    /// Takes in a state that [`Reliability::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state, or one with other bins. Then nothing is taken in.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        Binned { bins: self.bins }.merge(&mut self.table, saved)
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        Binned { bins: self.bins }.save(&self.table)
    }

    /// All bins, from the lowest, those without a row as well.
    pub fn bins(&self) -> Vec<ReliabilityBin> {
        let bin = |i: usize| {
            let bin = self.table.0.get(i).cloned().unwrap_or_default();
            ReliabilityBin {
                lower: i as f64 / self.bins as f64,
                upper: (i + 1) as f64 / self.bins as f64,
                rows: bin.rows,
                positives: bin.positives,
                mean_probability: bin.probability.value(),
                observed: (bin.rows > 0).then(|| Share::wilson(bin.positives, bin.rows)),
            }
        };
        (0..self.bins).map(bin).collect()
    }
}

/// A bin. Its mean is exact, so that neither order nor parts matter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Bin {
    rows: u64,
    positives: u64,
    probability: Mean,
}

/// All bins; empty before the first row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Table(Vec<Bin>);

#[derive(Debug)]
struct Binned {
    bins: usize,
}

impl Aggregate for Binned {
    type Rows = Probabilities;
    type State = Table;
    const COLUMNS: &'static [&'static str] = &["label", "probability"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<Probabilities> {
        Probabilities::read(batch)
    }

    #[inline]
    fn add(&self, state: &mut Table, rows: &Probabilities, row: usize) {
        if state.0.is_empty() {
            state.0.resize(self.bins, Bin::default());
        }
        let (label, probability) = rows.pair(row);
        // A probability of 1 belongs to the last bin.
        let bin = &mut state.0[((probability * self.bins as f64) as usize).min(self.bins - 1)];
        bin.rows += 1;
        bin.positives += u64::from(label);
        bin.probability.add(probability);
    }

    fn merge(&mut self, state: &mut Table, saved: &[u8]) -> Result<()> {
        let theirs: Table = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        if theirs.0.is_empty() {
            return Ok(());
        }
        if theirs.0.len() != self.bins {
            return Err(Error::Merge(format!("one table has {} bins, the other {}", self.bins, theirs.0.len())));
        }
        if theirs.0.iter().any(|bin| bin.positives > bin.rows || bin.rows != bin.probability.rows()) {
            return Err(
                SnapshotError::Content("the bins of a reliability table contradict each other".to_string()).into()
            );
        }
        let mut both = state.clone();
        both.0.resize(self.bins, Bin::default());
        for (mine, theirs) in both.0.iter_mut().zip(&theirs.0) {
            mine.rows = add_rows(mine.rows, theirs.rows)?;
            mine.positives += theirs.positives;
            mine.probability.merge(&theirs.probability)?;
        }
        *state = both;
        Ok(())
    }

    fn save(&self, state: &Table) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(state))
    }

    fn value(&self, state: &Table) -> Option<f64> {
        let all: u128 = state.0.iter().map(|bin| u128::from(bin.rows)).sum();
        let off = |bin: &Bin| {
            let mean = bin.probability.value()?;
            Some(bin.rows as f64 / all as f64 * (bin.positives as f64 / bin.rows as f64 - mean).abs())
        };
        (all > 0).then(|| state.0.iter().filter_map(off).sum())
    }

    fn heap_bytes(&self, state: &Table) -> usize {
        state.0.capacity() * size_of::<Bin>() + state.0.iter().map(|bin| bin.probability.heap_bytes()).sum::<usize>()
    }
}

fn bins(given: &[Expression]) -> Result<usize> {
    let mut parameters = Parameters::new(ML_CALIBRATION_ERROR.name, ML_CALIBRATION_ERROR.parameters, given);
    let bins = parameters.number("bins")?.unwrap_or(RELIABILITY_BINS as f64);
    if bins.fract() != 0.0 || !(1.0..=RELIABILITY_BINS_MAX as f64).contains(&bins) {
        let expected = format!("a whole number from 1 to {RELIABILITY_BINS_MAX}");
        return Err(parameters.refuse("bins", &bins.to_string(), &expected));
    }
    parameters.finish()?;
    Ok(bins as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `proportion_confint(count, nobs, 0.05, "wilson")` of statsmodels; by hand, the roots p of (p̂ − p)² = z² p (1 − p) / n.
    #[test]
    fn intervals_are_wilsons() {
        for (successes, trials, lower, upper) in [
            (7, 10, 0.396_778_147_461, 0.892_208_732_594),
            (0, 20, 0.0, 0.161_125_158_053),
            (500, 1000, 0.469_069_600_368, 0.530_930_399_632),
        ] {
            let share = Share::wilson(successes, trials);
            assert!((share.lower - lower).abs() < 1e-11 && (share.upper - upper).abs() < 1e-11, "{share:?}");
        }
        assert_eq!((Share::wilson(5, 5).upper, Share::wilson(0, 5).lower), (1.0, 0.0));
    }
}
