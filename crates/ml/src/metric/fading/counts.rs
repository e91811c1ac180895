//! Counts by class that fade.
//!
//! Counts of a class are brought up to date when it occurs, and all of them when the value is asked for: a row costs as much with
//! many classes as with two.

use serde::{Deserialize, Serialize};

use super::{Factor, contradiction};
use crate::metric::aggregate::Aggregate;
use crate::metric::classes::{ClassIndex, ClassKind, ClassRows, ClassValue};
use crate::metric::columns::Batch;
use crate::metric::counts::{ClassMeasure, ClassShare, MAX_CLASSES, Shares};
use crate::metric::mean::add_rows;
use crate::snapshot::{decode, encode, open, seal};
use crate::{Error, Result};

const SNAPSHOT_KIND: &str = "metric.fading_counts";

/// The faded counts of one class.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct FadedCount {
    actual: f64,
    predicted: f64,
    correct: f64,
    /// At which row they were brought up to date, counted from 1; 0: the class has not occurred.
    at: u64,
}

impl FadedCount {
    fn fade(&mut self, factor: Factor, to: u64) {
        let left = factor.after(to - self.at);
        self.actual *= left;
        self.predicted *= left;
        self.correct *= left;
        self.at = to;
    }

    fn is_sound(&self, rows: u64) -> bool {
        let counts = [self.actual, self.predicted, self.correct];
        counts.iter().all(|count| count.is_finite() && *count >= 0.0)
            && self.correct <= self.actual.min(self.predicted)
            && (1..=rows).contains(&self.at)
    }
}

/// Faded counts by the number of the class.
#[derive(Debug, Clone, Default)]
pub(super) struct FadingCounts {
    rows: u64,
    classes: Vec<FadedCount>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    rows: u64,
    classes: Vec<(ClassValue, FadedCount)>,
}

impl FadingCounts {
    #[inline]
    fn class(&mut self, number: usize, factor: Factor) -> &mut FadedCount {
        if self.classes.len() <= number {
            self.classes.resize(number + 1, FadedCount::default());
        }
        let class = &mut self.classes[number];
        if class.at < self.rows {
            class.fade(factor, self.rows);
        }
        class
    }

    /// The counts of all classes at the last row.
    fn shares(&self, index: &ClassIndex, factor: Factor) -> Shares {
        let positive = match index.kind() {
            Some(ClassKind::Boolean) => Some(1),
            Some(ClassKind::Integer) => index.number(&ClassValue::Integer(1)),
            Some(ClassKind::Text) | None => None,
        };
        let (mut classes, mut place) = (Vec::with_capacity(self.classes.len()), None);
        for number in index.in_order() {
            let Some(mut count) = self.classes.get(number).copied().filter(|count| count.at > 0) else { continue };
            count.fade(factor, self.rows);
            // A class may have faded to nothing.
            if count.actual + count.predicted > 0.0 {
                if positive == Some(number as u32) {
                    place = Some(classes.len());
                }
                let FadedCount { actual, predicted, correct, .. } = count;
                classes.push(ClassShare { actual, predicted, correct, ..ClassShare::default() });
            }
        }
        // What others weigh, as sums of them from both ends: a difference would lose its digits beside a class that outweighs all.
        let (mut actual, mut predicted) = (0.0, 0.0);
        for class in &mut classes {
            (class.others_actual, class.others_predicted) = (actual, predicted);
            (actual, predicted) = (actual + class.actual, predicted + class.predicted);
        }
        let rows = actual;
        (actual, predicted) = (0.0, 0.0);
        for class in classes.iter_mut().rev() {
            class.others_actual += actual;
            class.others_predicted += predicted;
            (actual, predicted) = (actual + class.actual, predicted + class.predicted);
        }
        let absent = ClassShare { others_actual: rows, others_predicted: predicted, ..ClassShare::default() };
        let positive = place.map_or(absent, |place| classes[place]);
        Shares { rows, classes, positive }
    }
}

/// The aggregate of a measure of faded counts.
#[derive(Debug)]
pub(super) struct FadingCounting<M> {
    index: ClassIndex,
    measure: M,
    factor: Factor,
}

impl<M: ClassMeasure> FadingCounting<M> {
    pub(super) fn new(measure: M, factor: Factor) -> Self {
        Self { index: ClassIndex::new(MAX_CLASSES), measure, factor }
    }
}

impl<M: ClassMeasure> Aggregate for FadingCounting<M> {
    type Rows = ClassRows;
    type State = FadingCounts;
    const COLUMNS: &'static [&'static str] = &["label", "predicted"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<ClassRows> {
        let rows = self.index.read(batch)?;
        self.measure.check(&self.index)?;
        Ok(rows)
    }

    #[inline]
    fn add(&self, state: &mut FadingCounts, rows: &ClassRows, row: usize) {
        let (label, predicted) = rows.pair(row);
        state.rows += 1;
        let class = state.class(label, self.factor);
        class.actual += 1.0;
        if label == predicted {
            class.predicted += 1.0;
            class.correct += 1.0;
        } else {
            state.class(predicted, self.factor).predicted += 1.0;
        }
    }

    fn merge(&mut self, state: &mut FadingCounts, saved: &[u8]) -> Result<()> {
        let later: Saved = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        let empty = later.classes.is_empty();
        if empty != (later.rows == 0) || !later.classes.iter().all(|(_, count)| count.is_sound(later.rows)) {
            return Err(contradiction("the fading counts of classes contradict each other"));
        }
        let rows = add_rows(state.rows, later.rows)?;
        if i64::try_from(rows).is_err() {
            return Err(Error::Merge("together they have more than 2^63 rows".to_string()));
        }
        let numbers = self.index.add(later.classes.iter().map(|(class, _)| class))?;
        self.measure.check(&self.index)?;
        let before = state.rows;
        for (number, (_, count)) in numbers.into_iter().zip(&later.classes) {
            // The class as of the row at which the later rows' counts are.
            state.rows = before + count.at;
            let mine = state.class(number as usize, self.factor);
            mine.actual += count.actual;
            mine.predicted += count.predicted;
            mine.correct += count.correct;
        }
        state.rows = rows;
        Ok(())
    }

    fn save(&self, state: &FadingCounts) -> Vec<u8> {
        let occurred = |number: usize| state.classes.get(number).copied().filter(|count| count.at > 0);
        let numbers = self.index.in_order().into_iter();
        let classes = numbers.filter_map(|number| Some((self.index.value(number), occurred(number)?))).collect();
        seal(SNAPSHOT_KIND, 1, &encode(&Saved { rows: state.rows, classes }))
    }

    fn value(&self, state: &FadingCounts) -> Option<f64> {
        if state.rows == 0 {
            return None;
        }
        self.measure.of_shares(&state.shares(&self.index, self.factor), self.index.kind()?)
    }

    fn heap_bytes(&self, state: &FadingCounts) -> usize {
        state.classes.capacity() * size_of::<FadedCount>()
    }

    fn shared_bytes(&self) -> usize {
        self.index.heap_bytes()
    }
}
