//! Means of a term of each row, such as its squared error.

use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::columns::Batch;
use super::exact_sum::ExactSum;
use crate::snapshot::{decode, encode, open, seal};
use crate::{Error, Result};

const SNAPSHOT_KIND: &str = "metric.mean";

/// A mean that is being taken. The sum is exact: neither order nor parts matter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Mean {
    rows: u64,
    sum: ExactSum,
}

impl Mean {
    #[inline]
    pub(super) fn add(&mut self, term: f64) {
        self.rows += 1;
        self.sum.add(term);
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        self.rows = add_rows(self.rows, other.rows)?;
        self.sum.merge(&other.sum);
        Ok(())
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn value(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum.value() / self.rows as f64)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.sum.heap_bytes()
    }
}

/// The rows of two states together.
pub(super) fn add_rows(mine: u64, theirs: u64) -> Result<u64> {
    mine.checked_add(theirs).ok_or_else(|| Error::Merge("together they have more than 2^64 rows".to_string()))
}

/// Two columns of which each row gives a term.
pub(super) trait Pairs: Sized + 'static {
    /// A label.
    type Label: Copy;
    /// What the columns are called.
    const COLUMNS: &'static [&'static str];

    /// Reads and checks both columns.
    fn read(batch: &Batch<'_>) -> Result<Self>;

    /// Label and number of a row.
    fn pair(&self, row: usize) -> (Self::Label, f64);
}

/// Labels of two classes, and probabilities.
pub(super) struct Probabilities {
    label: BooleanBuffer,
    probability: ScalarBuffer<f64>,
}

impl Pairs for Probabilities {
    type Label = bool;
    const COLUMNS: &'static [&'static str] = &["label", "probability"];

    fn read(batch: &Batch<'_>) -> Result<Self> {
        Ok(Self { label: batch.binary(0)?, probability: batch.probabilities(1)? })
    }

    #[inline]
    fn pair(&self, row: usize) -> (bool, f64) {
        (self.label.value(row), self.probability[row])
    }
}

/// Labels and predictions that are numbers.
pub(super) struct Numbers {
    label: ScalarBuffer<f64>,
    predicted: ScalarBuffer<f64>,
}

impl Pairs for Numbers {
    type Label = f64;
    const COLUMNS: &'static [&'static str] = &["label", "predicted"];

    fn read(batch: &Batch<'_>) -> Result<Self> {
        Ok(Self { label: batch.numbers(0)?, predicted: batch.numbers(1)? })
    }

    #[inline]
    fn pair(&self, row: usize) -> (f64, f64) {
        (self.label[row], self.predicted[row])
    }
}

/// A term of a row's label and prediction, and what becomes of the mean.
pub(super) trait Term: std::fmt::Debug + Send + Sync + 'static {
    /// The columns.
    type Pairs: Pairs;

    /// The term.
    fn of(label: <Self::Pairs as Pairs>::Label, predicted: f64) -> f64;

    /// The measure, from the mean.
    fn finish(mean: f64) -> f64 {
        mean
    }
}

/// The aggregate of the mean of a term.
#[derive(Debug)]
pub(super) struct MeanOf<T>(pub(super) std::marker::PhantomData<T>);

impl<T: Term> Aggregate for MeanOf<T> {
    type Rows = T::Pairs;
    type State = Mean;
    const COLUMNS: &'static [&'static str] = T::Pairs::COLUMNS;

    fn read(&mut self, batch: &Batch<'_>) -> Result<T::Pairs> {
        T::Pairs::read(batch)
    }

    #[inline]
    fn add(&self, state: &mut Mean, rows: &T::Pairs, row: usize) {
        let (label, predicted) = rows.pair(row);
        state.add(T::of(label, predicted));
    }

    fn merge(&mut self, state: &mut Mean, saved: &[u8]) -> Result<()> {
        state.merge(&decode(open(SNAPSHOT_KIND, 1, saved)?)?)
    }

    fn save(&self, state: &Mean) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(state))
    }

    fn value(&self, state: &Mean) -> Option<f64> {
        state.value().map(T::finish)
    }

    fn heap_bytes(&self, state: &Mean) -> usize {
        state.heap_bytes()
    }
}
