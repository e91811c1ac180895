//! Counts by class, which nearly all measures of classification are made of.
//!
//! No matrix is needed for them: how often each class was the label, how often it was predicted, and how often both at
//! once. That is 24 bytes a class. Columns of BOOLEAN are counted 64 rows at a time: an `and` and three population
//! counts.

use std::collections::HashSet;

use arrow::buffer::{BooleanBuffer, NullBuffer};
use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::classes::{ClassIndex, ClassKind, ClassRows, ClassValue};
use super::columns::Batch;
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Result};

/// Most classes that a metric counts.
pub const MAX_CLASSES: usize = 100_000;

const SNAPSHOT_KIND: &str = "metric.class_counts";

/// How often a class was the label, was predicted, and both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClassCount {
    pub(super) actual: u64,
    pub(super) predicted: u64,
    pub(super) correct: u64,
}

/// Counts by the number of the class.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassCounts(Vec<ClassCount>);

impl ClassCounts {
    /// Adds one row.
    #[inline]
    pub(super) fn add(&mut self, label: usize, predicted: usize) {
        let needed = label.max(predicted) + 1;
        if self.0.len() < needed {
            self.0.resize(needed, ClassCount::default());
        }
        self.0[label].actual += 1;
        self.0[predicted].predicted += 1;
        self.0[label].correct += u64::from(label == predicted);
    }

    /// Adds all rows that count.
    pub(super) fn add_all(&mut self, rows: &ClassRows, batch: &Batch<'_>) {
        match rows {
            ClassRows::Boolean { label, predicted } => self.add_flags(label, predicted, batch.valid(), batch.count()),
            ClassRows::Numbered { label, predicted } => {
                batch.for_each(|row| self.add(label[row] as usize, predicted[row] as usize));
            }
        }
    }

    fn add_flags(&mut self, label: &BooleanBuffer, predicted: &BooleanBuffer, valid: Option<&NullBuffer>, rows: u64) {
        let (mut actual, mut foreseen, mut both) = (0, 0, 0);
        let mut count = |label: u64, predicted: u64| {
            actual += u64::from(label.count_ones());
            foreseen += u64::from(predicted.count_ones());
            both += u64::from((label & predicted).count_ones());
        };
        // Beyond the end the chunks hold zeros.
        let (label, predicted) = (label.bit_chunks(), predicted.bit_chunks());
        let pairs = label.iter_padded().zip(predicted.iter_padded());
        match valid {
            None => pairs.for_each(|(label, predicted)| count(label, predicted)),
            Some(valid) => pairs
                .zip(valid.inner().bit_chunks().iter_padded())
                .for_each(|((label, predicted), valid)| count(label & valid, predicted & valid)),
        }
        if self.0.len() < 2 {
            self.0.resize(2, ClassCount::default());
        }
        self.0[1].actual += actual;
        self.0[1].predicted += foreseen;
        self.0[1].correct += both;
        self.0[0].actual += rows - actual;
        self.0[0].predicted += rows - foreseen;
        self.0[0].correct += rows + both - actual - foreseen;
    }

    /// The counts with their classes, by the order of classes, of those classes that occurred.
    pub(super) fn saved(&self, index: &ClassIndex) -> Vec<(ClassValue, ClassCount)> {
        self.in_order(index).map(|(number, count)| (index.value(number), count)).collect()
    }

    fn in_order(&self, index: &ClassIndex) -> impl Iterator<Item = (usize, ClassCount)> {
        index.in_order().into_iter().filter_map(|number| {
            let count = self.0.get(number).copied().unwrap_or_default();
            (count.actual + count.predicted > 0).then_some((number, count))
        })
    }

    /// Takes in counts with their classes: all or, with an error, none.
    pub(super) fn merge(&mut self, index: &mut ClassIndex, saved: &[(ClassValue, ClassCount)]) -> Result<()> {
        let sum =
            |of: fn(&ClassCount) -> u64| saved.iter().try_fold(0u64, |sum, (_, count)| sum.checked_add(of(count)));
        let (actual, predicted) = (sum(|count| count.actual), sum(|count| count.predicted));
        // The rows that are of a class or were taken for it are rows.
        let correct_is_possible = saved.iter().all(|(_, count)| {
            let either = count.actual.checked_add(count.predicted).and_then(|both| both.checked_sub(count.correct));
            count.correct <= count.actual.min(count.predicted) && either.is_some_and(|either| actual >= Some(either))
        });
        if actual != predicted || !correct_is_possible {
            return Err(SnapshotError::Content("the counts of classes contradict each other".to_string()).into());
        }
        // Below 2⁶³ rows, products of two counts fit i128.
        let mine: u64 = self.0.iter().map(|count| count.actual).sum();
        let together = actual.and_then(|theirs| mine.checked_add(theirs));
        if together.is_none_or(|rows| i64::try_from(rows).is_err()) {
            return Err(Error::Merge("together they have more than 2^63 rows".to_string()));
        }
        let numbers = index.add(saved.iter().map(|(class, _)| class))?;
        if numbers.iter().collect::<HashSet<_>>().len() < numbers.len() {
            return Err(SnapshotError::Content("a class is counted twice".to_string()).into());
        }
        for (number, (_, count)) in numbers.into_iter().zip(saved) {
            let number = number as usize;
            if self.0.len() <= number {
                self.0.resize(number + 1, ClassCount::default());
            }
            let mine = &mut self.0[number];
            mine.actual += count.actual;
            mine.predicted += count.predicted;
            mine.correct += count.correct;
        }
        Ok(())
    }

    /// What measures are computed from.
    pub(super) fn summary(&self, index: &ClassIndex) -> Summary {
        let classes: Vec<ClassCount> = self.in_order(index).map(|(_, count)| count).collect();
        let positive = match index.kind() {
            Some(ClassKind::Boolean) => Some(1),
            Some(ClassKind::Integer) => index.number(&ClassValue::Integer(1)),
            Some(ClassKind::Text) | None => None,
        };
        let positive = positive.and_then(|number| self.0.get(number as usize).copied()).unwrap_or_default();
        Summary { rows: classes.iter().map(|count| count.actual).sum(), classes, positive }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<ClassCount>()
    }
}

/// Counts of the classes that occurred, by their order.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) rows: u64,
    pub(super) classes: Vec<ClassCount>,
    /// Of the class true or 1.
    pub(super) positive: ClassCount,
}

/// Counts of one class as numbers, which may be of rows that weigh less than one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClassShare {
    pub(super) actual: f64,
    pub(super) predicted: f64,
    pub(super) correct: f64,
    /// How often other classes were the label, and how often they were predicted.
    pub(super) others_actual: f64,
    pub(super) others_predicted: f64,
}

/// What measures are computed from where rows weigh.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) rows: f64,
    pub(super) classes: Vec<ClassShare>,
    /// Of the class true or 1.
    pub(super) positive: ClassShare,
}

impl Summary {
    /// The same as numbers.
    pub(super) fn shares(&self) -> Shares {
        let share = |count: &ClassCount| ClassShare {
            actual: count.actual as f64,
            predicted: count.predicted as f64,
            correct: count.correct as f64,
            others_actual: (self.rows - count.actual) as f64,
            others_predicted: (self.rows - count.predicted) as f64,
        };
        Shares {
            rows: self.rows as f64,
            classes: self.classes.iter().map(share).collect(),
            positive: share(&self.positive),
        }
    }

    /// How many rows were predicted right.
    pub(super) fn correct(&self) -> u64 {
        self.classes.iter().map(|count| count.correct).sum()
    }
}

/// A measure of counts.
pub(super) trait ClassMeasure: std::fmt::Debug + Send + Sync + 'static {
    /// The measure; `None` where it is undefined. There is at least one row.
    fn of(&self, counts: &Summary, kind: ClassKind) -> Option<f64>;

    /// The same of rows that weigh.
    fn of_shares(&self, shares: &Shares, kind: ClassKind) -> Option<f64>;

    /// Whether the measure takes these classes.
    fn check(&self, index: &ClassIndex) -> Result<()> {
        let _ = index;
        Ok(())
    }
}

/// The aggregate of a measure of counts.
#[derive(Debug)]
pub(super) struct Counting<M> {
    index: ClassIndex,
    measure: M,
}

impl<M: ClassMeasure> Counting<M> {
    pub(super) fn new(measure: M) -> Self {
        Self { index: ClassIndex::new(MAX_CLASSES), measure }
    }

    /// The measure, for rows that weigh.
    pub(super) fn into_measure(self) -> M {
        self.measure
    }
}

impl<M: ClassMeasure> Aggregate for Counting<M> {
    type Rows = ClassRows;
    type State = ClassCounts;
    const COLUMNS: &'static [&'static str] = &["label", "predicted"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<ClassRows> {
        let rows = self.index.read(batch)?;
        self.measure.check(&self.index)?;
        Ok(rows)
    }

    fn add(&self, state: &mut ClassCounts, rows: &ClassRows, row: usize) {
        let (label, predicted) = rows.pair(row);
        state.add(label, predicted);
    }

    fn add_all(&self, state: &mut ClassCounts, rows: &ClassRows, batch: &Batch<'_>) {
        state.add_all(rows, batch);
    }

    fn merge(&mut self, state: &mut ClassCounts, saved: &[u8]) -> Result<()> {
        let saved: Vec<(ClassValue, ClassCount)> = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        self.index.add(saved.iter().map(|(class, _)| class))?;
        self.measure.check(&self.index)?;
        state.merge(&mut self.index, &saved)
    }

    fn save(&self, state: &ClassCounts) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(&state.saved(&self.index)))
    }

    fn value(&self, state: &ClassCounts) -> Option<f64> {
        let counts = state.summary(&self.index);
        if counts.rows == 0 { None } else { self.measure.of(&counts, self.index.kind()?) }
    }

    fn heap_bytes(&self, state: &ClassCounts) -> usize {
        state.heap_bytes()
    }

    fn shared_bytes(&self) -> usize {
        self.index.heap_bytes()
    }
}
