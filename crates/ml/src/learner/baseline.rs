//! Baselines: what a learner must beat.
//!
//! They look at labels only. Print one beside every result: on many streams the last label, or the commonest, is hard to
//! beat (on Electricity the last label is right 85.3 % of the time, more often than a Hoeffding tree; Bifet et al. 2013,
//! "Pitfalls in benchmarking data stream classification").

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_options::Options;

use super::{Features, Learner, LearnerDef, Shape, row_weight};
use crate::block::Block;
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Error, Result, Task};

/// `no_change`: predicts the label it learned last, a class with probability 1. Before any: the declared classes alike,
/// or 0. Log loss clips such probabilities.
///
/// Cost a row: one write. Memory: one number. Merges: the last of the merged states that has learned a row wins; in parallel
/// training the last replica whose label is another than at the last sync.
pub static NO_CHANGE: LearnerDef = LearnerDef {
    name: "no_change",
    doc: "Predicts the label it learned last: what a learner must beat where labels come in runs (Bifet et al. 2013).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::NUMBERS,
    options: &[],
    merge: "the last of the merged states that has learned a row wins; in parallel training, the last replica whose label is \
            another than at the last sync",
    make: |_: &Options, shape| Ok(Box::new(Baseline::<LastLabel>::new(shape))),
};

/// `majority_class`: the probability of a class is its share of the rows learned so far, by weight. Before any: the
/// declared classes alike (½ of two).
///
/// Cost a row: one addition a class. Memory: a number a class. Merges exactly: counts are added; in parallel training, what
/// each replica has added since the last sync.
pub static MAJORITY_CLASS: LearnerDef = LearnerDef {
    name: "majority_class",
    doc: "Predicts the commonest class so far, with its share as the probability: what a learner that uses the features \
          must beat.",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[],
    merge: "exactly: counts are added; in parallel training, those since the last sync",
    make: |_, shape| match shape {
        Shape::Number | Shape::Unlabelled => {
            Err(Error::Spec("algorithm 'majority_class' does classification only".to_string()))
        }
        shape => Ok(Box::new(Baseline::<ClassShares>::new(shape))),
    },
};

/// `mean`: predicts the mean of the labels learned so far, by weight. Before any: 0.
///
/// Cost a row: a few additions. Memory: three numbers. Merges: sums are added, exact but for their last rounding (they
/// carry what rounding took, Neumaier 1974).
pub static MEAN: LearnerDef = LearnerDef {
    name: "mean",
    doc: "Predicts the mean of the labels so far: what a regression that uses the features must beat.",
    tasks: &[Task::Regression],
    features: Features::NUMBERS,
    options: &[],
    merge: "exactly: sums are added; in parallel training, those since the last sync",
    make: |_, shape| match shape {
        Shape::Number => Ok(Box::new(Baseline::<RunningMean>::new(shape))),
        _ => Err(Error::Spec("algorithm 'mean' does regression only".to_string())),
    },
};

/// What a baseline remembers of the labels.
trait Memory: fmt::Debug + Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Part of what a saved state says it is.
    const NAME: &'static str;

    /// Takes in a label of a weight above 0.
    fn learn(&mut self, label: f64, weight: f64);

    /// The number predicted.
    fn number(&self) -> f64;

    /// Appends the share of each of `classes` classes, or nothing when no label was met.
    fn shares(&self, classes: usize, shares: &mut Vec<f64>);

    /// What was class `i` is from now on class `numbers[i]`.
    fn renumber_classes(&mut self, numbers: &[u32]);

    /// Takes in what a memory of later rows holds.
    fn merge(&mut self, later: &Self);

    /// Takes in what a memory holds of rows that it has learned since it was as `before`.
    fn merge_since(&mut self, before: &Self, later: &Self);

    /// Bytes beyond its own size.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A learner that looks at labels only.
#[derive(Debug)]
struct Baseline<M> {
    shape: Shape,
    /// Classes that were declared, and so are likely before any label was met.
    declared: usize,
    memory: M,
}

/// The saved form of a baseline.
#[derive(Serialize, Deserialize)]
struct Saved<M> {
    kind: String,
    memory: M,
}

impl<M: Memory> Baseline<M> {
    fn new(shape: Shape) -> Self {
        let declared = match shape {
            Shape::Binary => 2,
            Shape::Classes { classes } => classes,
            Shape::Number | Shape::Unlabelled => 0,
        };
        Self { shape, declared, memory: M::default() }
    }

    fn predict_row(&self, scores: &mut Vec<f64>) {
        let classes = match self.shape {
            Shape::Number | Shape::Unlabelled => return scores.push(self.memory.number()),
            Shape::Binary => 2,
            Shape::Classes { classes } => classes,
        };
        let first = scores.len();
        self.memory.shares(classes, scores);
        if scores.len() == first {
            let share = 1.0 / self.declared.max(1) as f64;
            scores.extend((0..classes).map(|class| if class < self.declared { share } else { 0.0 }));
        }
        if self.shape == Shape::Binary {
            scores.remove(first);
        }
    }

    fn read(bytes: &[u8]) -> Result<M, SnapshotError> {
        let saved: Saved<M> = decode(bytes)?;
        if saved.kind != M::NAME {
            return Err(SnapshotError::Kind { found: saved.kind, expected: M::NAME.to_string() });
        }
        Ok(saved.memory)
    }
}

impl<M: Memory> Learner for Baseline<M> {
    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        (0..x.rows()).for_each(|_| self.predict_row(scores));
    }

    fn learn(&mut self, _: &Block, y: &[f64], weights: &[f64]) {
        for (row, &label) in y.iter().enumerate() {
            let weight = row_weight(weights, row);
            if weight > 0.0 {
                self.memory.learn(label, weight);
            }
        }
    }

    fn learn_predict(&mut self, _: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        for row in 0..y.len() {
            self.predict_row(scores);
            self.learn(after, &y[row..=row], weights.get(row..=row).unwrap_or_default());
        }
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
        }
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let others = others.iter().map(|state| Self::read(state)).collect::<Result<Vec<_>, _>>();
        others.map_err(|error| Error::Merge(error.to_string()))?.iter().for_each(|other| self.memory.merge(other));
        Ok(())
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.set_classes(classes);
        self.memory.renumber_classes(numbers);
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[&[u8]]) -> Result<()> {
        let before = self.memory.clone();
        let replicas = replicas.iter().map(|state| Self::read(state)).collect::<Result<Vec<_>, _>>();
        let replicas = replicas.map_err(|error| Error::Merge(error.to_string()))?;
        replicas.iter().for_each(|replica| self.memory.merge_since(&before, replica));
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        encode(&Saved { kind: M::NAME.to_string(), memory: self.memory.clone() })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.memory = Self::read(state)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.memory.heap_bytes()
    }
}

/// The label learned last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct LastLabel(Option<f64>);

impl Memory for LastLabel {
    const NAME: &'static str = "no_change";

    fn learn(&mut self, label: f64, _: f64) {
        self.0 = Some(label);
    }

    fn number(&self) -> f64 {
        self.0.unwrap_or(0.0)
    }

    fn shares(&self, classes: usize, shares: &mut Vec<f64>) {
        if let Some(label) = self.0 {
            shares.extend((0..classes).map(|class| if class as f64 == label { 1.0 } else { 0.0 }));
        }
    }

    fn renumber_classes(&mut self, numbers: &[u32]) {
        if let Some(number) = self.0.and_then(|label| numbers.get(label as usize)) {
            self.0 = Some(f64::from(*number));
        }
    }

    fn merge(&mut self, later: &Self) {
        self.0 = later.0.or(self.0);
    }

    fn merge_since(&mut self, before: &Self, later: &Self) {
        if later.0 != before.0 {
            self.0 = later.0;
        }
    }
}

/// The weight of the labels of each class.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ClassShares {
    counts: Vec<f64>,
    total: f64,
}

impl Memory for ClassShares {
    const NAME: &'static str = "majority_class";

    fn learn(&mut self, label: f64, weight: f64) {
        let class = label as usize;
        if class >= self.counts.len() {
            self.counts.resize(class + 1, 0.0);
        }
        self.counts[class] += weight;
        self.total += weight;
    }

    fn number(&self) -> f64 {
        0.0
    }

    fn shares(&self, classes: usize, shares: &mut Vec<f64>) {
        if self.total > 0.0 {
            shares.extend((0..classes).map(|class| self.counts.get(class).copied().unwrap_or(0.0) / self.total));
        }
    }

    fn renumber_classes(&mut self, numbers: &[u32]) {
        let counts = std::mem::take(&mut self.counts);
        for (count, number) in counts.into_iter().zip(numbers) {
            let class = *number as usize;
            if class >= self.counts.len() {
                self.counts.resize(class + 1, 0.0);
            }
            self.counts[class] = count;
        }
    }

    fn merge_since(&mut self, before: &Self, later: &Self) {
        if later.counts.len() > self.counts.len() {
            self.counts.resize(later.counts.len(), 0.0);
        }
        for (class, count) in later.counts.iter().enumerate() {
            self.counts[class] += count - before.counts.get(class).copied().unwrap_or(0.0);
        }
        self.total += later.total - before.total;
    }

    fn merge(&mut self, later: &Self) {
        if later.counts.len() > self.counts.len() {
            self.counts.resize(later.counts.len(), 0.0);
        }
        self.counts.iter_mut().zip(&later.counts).for_each(|(count, later)| *count += later);
        self.total += later.total;
    }

    fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<f64>()
    }
}

/// The mean of the labels.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct RunningMean {
    sum: f64,
    /// What rounding took from `sum`.
    lost: f64,
    weight: f64,
}

impl RunningMean {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }
}

impl Memory for RunningMean {
    const NAME: &'static str = "mean";

    fn learn(&mut self, label: f64, weight: f64) {
        self.add(label * weight);
        self.weight += weight;
    }

    fn number(&self) -> f64 {
        if self.weight > 0.0 { (self.sum + self.lost) / self.weight } else { 0.0 }
    }

    fn shares(&self, _: usize, _: &mut Vec<f64>) {}

    fn renumber_classes(&mut self, _: &[u32]) {}

    fn merge(&mut self, later: &Self) {
        self.add(later.sum);
        self.lost += later.lost;
        self.weight += later.weight;
    }

    fn merge_since(&mut self, before: &Self, later: &Self) {
        self.add(later.sum);
        self.add(-before.sum);
        self.lost += later.lost - before.lost;
        self.weight += later.weight - before.weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(def: &LearnerDef, shape: Shape) -> Box<dyn Learner> {
        (def.make)(&Options::default(), shape).unwrap()
    }

    /// Prequential scores of labels.
    fn scores(learner: &mut dyn Learner, y: &[f64], weights: &[f64]) -> Vec<f64> {
        let (mut x, mut scores) = (Block::default(), Vec::new());
        x.reset(y.len(), 0);
        learner.learn_predict(&x, &x, y, weights, &mut scores);
        scores
    }

    #[test]
    fn no_change_says_the_last_label() {
        assert_eq!(scores(&mut *make(&NO_CHANGE, Shape::Binary), &[1.0, 0.0, 1.0], &[]), [0.5, 1.0, 0.0]);
        assert_eq!(scores(&mut *make(&NO_CHANGE, Shape::Number), &[2.5, -1.0, 7.0], &[1.0, 0.0, 1.0]), [0.0, 2.5, 2.5]);
        let three = scores(&mut *make(&NO_CHANGE, Shape::Classes { classes: 3 }), &[2.0, 0.0], &[]);
        assert_eq!(three, [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn no_change_merges_to_the_last_that_has_learned() {
        let [mut a, mut b, c] = [(); 3].map(|()| make(&NO_CHANGE, Shape::Number));
        scores(&mut *a, &[1.0], &[]);
        scores(&mut *b, &[2.0], &[]);
        a.merge(&[&b.save(), &c.save()]).unwrap();
        assert_eq!(scores(&mut *a, &[9.0], &[]), [2.0]);
    }

    #[test]
    fn majority_class_says_shares() {
        let binary = scores(&mut *make(&MAJORITY_CLASS, Shape::Binary), &[1.0, 0.0, 0.0, 1.0], &[1.0, 2.0, 1.0, 1.0]);
        assert_eq!(binary, [0.5, 1.0, 1.0 / 3.0, 0.25]);
        let mut growing = make(&MAJORITY_CLASS, Shape::Classes { classes: 0 });
        growing.set_classes(2);
        assert_eq!(scores(&mut *growing, &[0.0, 1.0], &[]), [0.0, 0.0, 1.0, 0.0]);
        growing.set_classes(3);
        assert_eq!(scores(&mut *growing, &[2.0], &[]), [0.5, 0.5, 0.0]);
        let refusal = (MAJORITY_CLASS.make)(&Options::default(), Shape::Number).unwrap_err();
        assert_eq!(refusal.to_string(), "algorithm 'majority_class' does classification only");
    }

    #[test]
    fn mean_is_the_mean() {
        let mut mean = make(&MEAN, Shape::Number);
        assert_eq!(scores(&mut *mean, &[1.0, 3.0, 8.0], &[1.0, 3.0, 4.0]), [0.0, 1.0, 2.5]);
        assert_eq!(scores(&mut *mean, &[0.0], &[]), [5.25]);
        // What rounding takes is carried along: 1e16 + 1 − 1e16 = 1.
        let mut large = make(&MEAN, Shape::Number);
        scores(&mut *large, &[1e16, 1.0, -1e16, 3.0], &[]);
        assert_eq!(scores(&mut *large, &[0.0], &[]), [1.0]);
    }

    #[test]
    fn states_of_others_are_refused() {
        let mean = make(&MEAN, Shape::Number).save();
        let refusal = make(&NO_CHANGE, Shape::Number).load(&mean).unwrap_err();
        assert!(refusal.to_string().contains("'mean'") || refusal.to_string().contains("corrupt"), "{refusal}");
        assert!(make(&MEAN, Shape::Number).load(&mean[..3]).is_err());
    }
}
