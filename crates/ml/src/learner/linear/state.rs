//! What a linear learner has learned: weights with their optimizer's slots, and counts.
//!
//! Weights lie feature-major: the weights of a feature for all classes side by side, so that a row touches one stretch of
//! memory a feature however many classes there are. A learner with one score has one "class".

use serde::{Deserialize, Serialize};

use super::optimizer::Clock;
use super::regularization::Due;
use crate::block::Block;
use crate::learner::Weights;
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Error, Result};

/// So many classes are computed side by side where there is a score a class.
pub(super) const LANES: usize = 4;

/// Weights and the `SLOTS` numbers that an optimizer keeps beside each.
#[derive(Debug, Clone, Default)]
pub(super) struct Coefficients<const SLOTS: usize> {
    pub(super) values: Vec<f64>,
    pub(super) slots: Vec<[f64; SLOTS]>,
}

impl<const SLOTS: usize> Coefficients<SLOTS> {
    /// Makes room for `len` weights; new ones are 0. Never shrinks.
    fn grow(&mut self, len: usize) {
        if len > self.values.len() {
            self.values.resize(len, 0.0);
            self.slots.resize(len, [0.0; SLOTS]);
        }
    }

    /// Moves rows of `from` weights apart, or together, to rows of `to`.
    fn restride(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        let rows = self.values.len().checked_div(from).unwrap_or(0);
        let mut moved = Self::default();
        moved.grow(rows * to);
        let kept = from.min(to);
        for row in 0..rows {
            moved.values[row * to..][..kept].copy_from_slice(&self.values[row * from..][..kept]);
            moved.slots[row * to..][..kept].copy_from_slice(&self.slots[row * from..][..kept]);
        }
        *self = moved;
    }

    /// Multiplies everything.
    fn scale(&mut self, by: f64) {
        self.values.iter_mut().chain(self.slots.as_flattened_mut()).for_each(|value| *value *= by);
    }

    /// Adds `by` times another, which is no longer than this.
    fn add(&mut self, other: &Self, by: f64) {
        self.values.iter_mut().zip(&other.values).for_each(|(value, other)| *value += by * other);
        let others = other.slots.as_flattened();
        self.slots.as_flattened_mut().iter_mut().zip(others).for_each(|(value, other)| *value += by * other);
    }

    /// Adds `by` times how far another has gone from `before`, which is where both were. All are of one length.
    fn add_way(&mut self, other: &Self, before: &Self, by: f64) {
        let way = |value: &mut f64, (now, then): (&f64, &f64)| *value += by * (now - then);
        self.values.iter_mut().zip(other.values.iter().zip(&before.values)).for_each(|(value, ends)| way(value, ends));
        let slots = other.slots.as_flattened().iter().zip(before.slots.as_flattened());
        self.slots.as_flattened_mut().iter_mut().zip(slots).for_each(|(value, ends)| way(value, ends));
    }

    /// Moves the weight of class `i` of each feature to class `to[i]`, which is a permutation.
    fn permute(&mut self, to: &[usize], stride: usize) {
        let mut kept = Vec::with_capacity(stride);
        for weights in self.values.chunks_exact_mut(stride.max(1)) {
            kept.clear();
            kept.extend_from_slice(weights);
            to.iter().zip(&kept).for_each(|(to, weight)| weights[*to] = *weight);
        }
        let mut kept = Vec::with_capacity(stride);
        for slots in self.slots.chunks_exact_mut(stride.max(1)) {
            kept.clear();
            kept.extend_from_slice(slots);
            to.iter().zip(&kept).for_each(|(to, slot)| slots[*to] = *slot);
        }
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>() + self.slots.capacity() * size_of::<[f64; SLOTS]>()
    }

    fn write(&self) -> SavedCoefficients {
        SavedCoefficients { values: self.values.clone(), slots: self.slots.as_flattened().to_vec() }
    }

    fn read(saved: SavedCoefficients, len: usize, of: &str) -> Result<Self, SnapshotError> {
        let SavedCoefficients { values, slots } = saved;
        if values.len() != len || slots.len() != len * SLOTS {
            return Err(SnapshotError::Content(format!(
                "{} {of} weights with {} slots, where {len} with {} were expected",
                values.len(),
                slots.len(),
                len * SLOTS
            )));
        }
        let slots = match SLOTS {
            0 => vec![[0.0; SLOTS]; len],
            _ => slots.chunks_exact(SLOTS.max(1)).map(|slots| std::array::from_fn(|i| slots[i])).collect(),
        };
        Ok(Self { values, slots })
    }
}

/// The learned part of a linear learner.
#[derive(Debug, Clone)]
pub(super) struct State<const SLOTS: usize> {
    /// Rows learned.
    pub(super) clock: Clock,
    /// Known classes: scores a row.
    pub(super) classes: usize,
    /// Room for classes: weights a feature. A multiple of `lanes`; spare weights stay 0.
    pub(super) stride: usize,
    lanes: usize,
    /// Where the intercept of a class begins.
    initial_intercept: f64,
    /// Classes that take part: declared ones, and others from the first row that has them.
    pub(super) active: Vec<bool>,
    /// Weights of the rows by class, for balanced class weights.
    pub(super) counts: Vec<f64>,
    pub(super) dense: Coefficients<SLOTS>,
    pub(super) sparse: Coefficients<SLOTS>,
    pub(super) intercepts: Coefficients<SLOTS>,
    /// What weights of sparse features owe to the penalties, and when each feature last paid. `paid` is empty without
    /// penalties.
    pub(super) due: Due,
    pub(super) paid: Vec<Due>,
}

/// The saved form of [`State`], whatever the optimizer.
#[derive(Serialize, Deserialize)]
struct Saved {
    kind: String,
    clock: Clock,
    classes: u64,
    active: Vec<bool>,
    counts: Vec<f64>,
    dense: SavedCoefficients,
    sparse: SavedCoefficients,
    intercepts: SavedCoefficients,
    dense_width: u64,
    sparse_width: u64,
    due: Due,
    paid: Vec<Due>,
}

#[derive(Serialize, Deserialize)]
struct SavedCoefficients {
    values: Vec<f64>,
    slots: Vec<f64>,
}

impl<const SLOTS: usize> State<SLOTS> {
    /// An untrained state of `classes` classes, all of which take part, with room for `counts` class counts. `lanes` classes
    /// are computed side by side.
    pub(super) fn new(classes: usize, counts: usize, lanes: usize, initial_intercept: f64) -> Self {
        let mut intercepts = Coefficients::default();
        intercepts.grow(classes);
        intercepts.values.fill(initial_intercept);
        Self {
            clock: Clock::default(),
            classes,
            stride: classes.next_multiple_of(lanes),
            lanes,
            initial_intercept,
            active: vec![true; classes],
            counts: vec![0.0; counts],
            dense: Coefficients::default(),
            sparse: Coefficients::default(),
            intercepts,
            due: Due::default(),
            paid: Vec::new(),
        }
    }

    /// Makes room for every feature of a block.
    pub(super) fn fit(&mut self, x: &Block, penalized: bool) {
        self.dense.grow(x.dense_width() * self.stride);
        if let Some(last) = x.indices.iter().copied().max() {
            let width = last as usize + 1;
            self.sparse.grow(width * self.stride);
            if penalized && self.paid.len() < width {
                self.paid.resize(width, Due::default());
            }
        }
    }

    /// Makes room for more classes, which do not take part yet. The room grows by half at least, so that meeting class
    /// after class costs little.
    pub(super) fn set_classes(&mut self, classes: usize) {
        if classes <= self.classes {
            return;
        }
        if classes > self.stride {
            self.set_stride(classes.max(self.stride + self.stride / 2).next_multiple_of(self.lanes));
        }
        self.intercepts.grow(classes);
        self.intercepts.values[self.classes..].fill(self.initial_intercept);
        self.classes = classes;
        self.active.resize(classes, false);
        self.counts.resize(classes, 0.0);
    }

    fn set_stride(&mut self, stride: usize) {
        self.dense.restride(self.stride, stride);
        self.sparse.restride(self.stride, stride);
        self.stride = stride;
    }

    /// What was sparse feature `i` is from now on `numbers[i]`; `u32::MAX`, or no number, means that it is gone.
    pub(super) fn renumber(&mut self, numbers: &[u32]) {
        let moves =
            || numbers.iter().enumerate().filter(|(_, to)| **to != u32::MAX).map(|(from, to)| (from, *to as usize));
        let known = self.sparse.values.len().checked_div(self.stride).unwrap_or(0).min(numbers.len());
        let moves = || moves().take_while(|(from, _)| *from < known);
        let width = moves().map(|(_, to)| to + 1).max().unwrap_or(0);
        let mut sparse = Coefficients::default();
        sparse.grow(width * self.stride);
        let mut paid = vec![self.due; if self.paid.is_empty() { 0 } else { width }];
        for (from, to) in moves() {
            let (from_weights, to_weights) = (from * self.stride, to * self.stride);
            let taken = from_weights..from_weights + self.stride;
            sparse.values[to_weights..][..self.stride].copy_from_slice(&self.sparse.values[taken.clone()]);
            sparse.slots[to_weights..][..self.stride].copy_from_slice(&self.sparse.slots[taken]);
            if let (Some(to), Some(from)) = (paid.get_mut(to), self.paid.get(from)) {
                *to = *from;
            }
        }
        self.sparse = sparse;
        self.paid = paid;
    }

    /// What was class `i` is from now on class `numbers[i]`, of as many as there are. Classes beyond `numbers` have learned
    /// nothing, and take the places that are left.
    pub(super) fn renumber_classes(&mut self, numbers: &[u32]) {
        let mut taken = vec![false; self.classes];
        for number in numbers {
            if let Some(taken) = taken.get_mut(*number as usize) {
                *taken = true;
            }
        }
        let mut left = (0..self.classes).filter(|class| !taken[*class]);
        let to: Vec<usize> = (0..self.classes)
            .filter_map(|class| numbers.get(class).map(|number| *number as usize).or_else(|| left.next()))
            .collect();
        if to.len() != self.classes {
            return;
        }
        self.dense.permute(&to, self.stride);
        self.sparse.permute(&to, self.stride);
        self.intercepts.permute(&to, self.classes);
        let (active, counts) = (self.active.clone(), self.counts.clone());
        for (class, to) in to.into_iter().enumerate() {
            self.active[to] = active[class];
            self.counts[to] = counts[class];
        }
    }

    /// The weight of a sparse feature with its penalties paid.
    #[inline]
    pub(super) fn sparse_weight(&self, feature: usize, class: usize) -> f64 {
        let weight = self.sparse.values[feature * self.stride + class];
        match self.paid.get(feature) {
            Some(paid) => self.due.pay(weight, *paid),
            None => weight,
        }
    }

    /// Lets every sparse weight pay what it owes, and begins a new account.
    pub(super) fn settle_penalties(&mut self) {
        self.due.settle(&mut self.sparse.values, self.stride, &mut self.paid);
        self.due = Due::default();
    }

    /// The learned weights of each class.
    pub(super) fn weights(&self) -> Vec<Weights> {
        if self.stride == 0 {
            return Vec::new();
        }
        let widths = (self.dense.values.len() / self.stride, self.sparse.values.len() / self.stride);
        (0..self.classes)
            .map(|class| Weights {
                dense: (0..widths.0).map(|feature| self.dense.values[feature * self.stride + class]).collect(),
                sparse: (0..widths.1).map(|feature| self.sparse_weight(feature, class)).collect(),
                intercept: self.intercepts.values[class],
            })
            .collect()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.dense.bytes()
            + self.sparse.bytes()
            + self.intercepts.bytes()
            + self.paid.capacity() * size_of::<Due>()
            + self.counts.capacity() * size_of::<f64>()
            + self.active.capacity()
    }

    /// The whole state; `kind` says of what.
    pub(super) fn save(&self, kind: &str) -> Vec<u8> {
        // Spare room for classes is an accident of when they were told, and no part of the state.
        let mut compact;
        let state = if self.stride == self.classes {
            self
        } else {
            compact = self.clone();
            compact.set_stride(self.classes);
            &compact
        };
        let stride = state.stride.max(1);
        encode(&Saved {
            kind: kind.to_string(),
            clock: state.clock,
            classes: state.classes as u64,
            active: state.active.clone(),
            counts: state.counts.clone(),
            dense: state.dense.write(),
            sparse: state.sparse.write(),
            intercepts: state.intercepts.write(),
            dense_width: (state.dense.values.len() / stride) as u64,
            sparse_width: (state.sparse.values.len() / stride) as u64,
            due: state.due,
            paid: state.paid.clone(),
        })
    }

    /// Reads what [`State::save`] wrote, in a learner like this one. Where the number of scores is `fixed`, the state must have
    /// as many, and as many class counts.
    pub(super) fn read(&self, kind: &str, fixed: bool, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let saved: Saved = decode(bytes)?;
        let wrong = |what: &str| Err(SnapshotError::Content(what.to_string()));
        if saved.kind != kind {
            return Err(SnapshotError::Kind { found: saved.kind, expected: kind.to_string() });
        }
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (classes, widths) = (size(saved.classes), (size(saved.dense_width), size(saved.sparse_width)));
        if (fixed && self.classes != classes) || saved.active.len() != classes {
            return wrong("the number of classes does not agree with the learner");
        }
        if saved.counts.len() != if fixed { self.counts.len() } else { classes } {
            return wrong("the class counts do not agree with the number of classes");
        }
        let (Some(dense), Some(sparse)) = (widths.0.checked_mul(classes), widths.1.checked_mul(classes)) else {
            return wrong("more weights than memory can hold");
        };
        if !saved.clock.is_sound() {
            return wrong("the number of rows makes no sense");
        }
        if saved.paid.len() > widths.1 || !saved.due.is_sound() || !saved.paid.iter().all(Due::is_sound) {
            return wrong("the penalties do not agree with the weights");
        }
        let mut state = Self {
            clock: saved.clock,
            classes,
            stride: classes,
            lanes: self.lanes,
            initial_intercept: self.initial_intercept,
            active: saved.active,
            counts: saved.counts,
            dense: Coefficients::read(saved.dense, dense, "dense")?,
            sparse: Coefficients::read(saved.sparse, sparse, "sparse")?,
            intercepts: Coefficients::read(saved.intercepts, classes, "constant")?,
            due: saved.due,
            paid: saved.paid,
        };
        state.set_stride(classes.next_multiple_of(self.lanes));
        Ok(state)
    }

    /// Averages with states that [`State::save`] wrote, each by the rows it has learned (parameter mixing). Slots are
    /// averaged alike, then `settle` makes them agree with the averaged weights; counts are added.
    ///
    /// `settle` takes whether a weight is an intercept, the weight, and its slots.
    pub(super) fn merge(
        &mut self,
        kind: &str,
        fixed: bool,
        others: &[&[u8]],
        settle: &dyn Fn(bool, f64, &mut [f64; SLOTS]),
    ) -> Result<()> {
        let read = others.iter().map(|state| self.read(kind, fixed, state)).collect::<Result<Vec<_>, _>>();
        let mut others = read.map_err(|error| Error::Merge(error.to_string()))?;
        let classes = others.iter().map(|other| other.classes).fold(self.classes, usize::max);
        self.set_classes(classes);
        let rows = others.iter().map(|other| other.clock.rows).fold(self.clock.rows, u64::saturating_add);
        if rows == self.clock.rows {
            // The others have learned nothing.
            return Ok(());
        }
        let share = |state: &Self| state.clock.rows as f64 / rows as f64;
        self.settle_penalties();
        let own = share(self);
        for part in [&mut self.dense, &mut self.sparse, &mut self.intercepts] {
            part.scale(own);
        }
        for other in &mut others {
            other.settle_penalties();
            other.set_classes(classes);
            other.set_stride(self.stride);
            let by = share(other);
            for (part, theirs) in [
                (&mut self.dense, &other.dense),
                (&mut self.sparse, &other.sparse),
                (&mut self.intercepts, &other.intercepts),
            ] {
                part.grow(theirs.values.len());
                part.add(theirs, by);
            }
            self.paid.resize(self.paid.len().max(other.paid.len()), Due::default());
            self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
            self.active.iter_mut().zip(&other.active).for_each(|(active, other)| *active |= other);
            self.clock.merge(&other.clock);
        }
        for (part, is_intercept) in [(&mut self.dense, false), (&mut self.sparse, false), (&mut self.intercepts, true)]
        {
            for (weight, slots) in part.values.iter().zip(&mut part.slots) {
                settle(is_intercept, *weight, slots);
            }
        }
        Ok(())
    }
}

impl<const SLOTS: usize> State<SLOTS> {
    /// Becomes the average of `replicas`, which went on from here, each by the rows it has learned since. Slots are averaged
    /// alike, then `settle` makes them agree with the weights, as in [`State::merge`]; rows and class counts that were added
    /// since are added up. A weight that no replica has moved stays as it is, to the bit.
    pub(super) fn merge_since(
        &mut self,
        kind: &str,
        fixed: bool,
        replicas: &[&[u8]],
        settle: &dyn Fn(bool, f64, &mut [f64; SLOTS]),
    ) -> Result<()> {
        let read = replicas.iter().map(|state| self.read(kind, fixed, state)).collect::<Result<Vec<_>, _>>();
        let mut replicas = read.map_err(|error| Error::Merge(error.to_string()))?;
        let classes = replicas.iter().map(|replica| replica.classes).fold(self.classes, usize::max);
        self.set_classes(classes);
        let counts_before = self.counts.clone();
        for replica in &mut replicas {
            replica.set_classes(classes);
            replica.set_stride(self.stride);
            let added = replica.counts.iter().zip(&counts_before).map(|(now, then)| now - then);
            self.counts.iter_mut().zip(added).for_each(|(count, added)| *count += added);
            self.active.iter_mut().zip(&replica.active).for_each(|(active, theirs)| *active |= theirs);
        }
        let learned: Vec<u64> =
            replicas.iter().map(|replica| replica.clock.rows.saturating_sub(self.clock.rows)).collect();
        let rows = learned.iter().fold(0u64, |sum, rows| sum.saturating_add(*rows));
        if rows == 0 {
            return Ok(());
        }
        let shares: Vec<f64> = learned.iter().map(|rows_since| *rows_since as f64 / rows as f64).collect();
        self.settle_penalties();
        let longest = |of: fn(&Self) -> usize| replicas.iter().map(of).fold(of(self), usize::max);
        let (dense, sparse) = (longest(|state| state.dense.values.len()), longest(|state| state.sparse.values.len()));
        let paid = longest(|state| state.paid.len());
        let fit = |state: &mut Self| {
            state.dense.grow(dense);
            state.sparse.grow(sparse);
        };
        fit(self);
        let before = self.clone();
        for (replica, share) in replicas.iter_mut().zip(&shares) {
            replica.settle_penalties();
            fit(replica);
            self.dense.add_way(&replica.dense, &before.dense, *share);
            self.sparse.add_way(&replica.sparse, &before.sparse, *share);
            self.intercepts.add_way(&replica.intercepts, &before.intercepts, *share);
        }
        self.paid.resize(paid, Due::default());
        let clocks: Vec<Clock> = replicas.iter().map(|replica| replica.clock).collect();
        self.clock.merge_since(&clocks, &shares);
        for (part, then, is_intercept) in [
            (&mut self.dense, &before.dense, false),
            (&mut self.sparse, &before.sparse, false),
            (&mut self.intercepts, &before.intercepts, true),
        ] {
            let moved = part.values.iter().zip(&mut part.slots).zip(then.values.iter().zip(&then.slots));
            for ((weight, slots), then) in moved {
                if (weight, &*slots) != then {
                    settle(is_intercept, *weight, slots);
                }
            }
        }
        Ok(())
    }
}

/// `start` and the dot product, over the length of the shorter.
///
/// Eight sums run side by side, so that it vectorises on any machine and in the same order on all: the result depends on
/// the numbers alone.
#[inline]
pub(super) fn dot(a: &[f64], b: &[f64], start: f64) -> f64 {
    let len = a.len().min(b.len());
    let (a, a_rest) = a[..len].as_chunks::<8>();
    let (b, b_rest) = b[..len].as_chunks::<8>();
    let mut eight = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            eight[lane] += a[lane] * b[lane];
        }
    }
    let mut four: [f64; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    let (a, a_rest) = a_rest.as_chunks::<4>();
    let (b, b_rest) = b_rest.as_chunks::<4>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            four[lane] += a[lane] * b[lane];
        }
    }
    let mut rest = start;
    for (a, b) in a_rest.iter().zip(b_rest) {
        rest += a * b;
    }
    ((four[0] + four[2]) + (four[1] + four[3])) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_products_of_all_lengths() {
        let a: Vec<f64> = (0..40).map(f64::from).collect();
        let b: Vec<f64> = (0..41).map(|i| f64::from(i % 7) - 3.0).collect();
        for len in 0..=40 {
            let expected: f64 = (0..len).map(|i| a[i] * b[i]).sum();
            assert_eq!(dot(&a[..len], &b, 0.5), expected + 0.5);
        }
    }

    #[test]
    fn more_classes_keep_the_weights() {
        let mut state = State::<1>::new(2, 2, 1, 0.0);
        state.dense.values = vec![1.0, 2.0, 3.0, 4.0];
        state.dense.slots = vec![[5.0], [6.0], [7.0], [8.0]];
        state.set_classes(3);
        assert_eq!(state.dense.values, [1.0, 2.0, 0.0, 3.0, 4.0, 0.0]);
        assert_eq!(state.dense.slots, [[5.0], [6.0], [0.0], [7.0], [8.0], [0.0]]);
        state.set_classes(4);
        assert_eq!((state.stride, state.classes, &state.active[..]), (4, 4, &[true, true, false, false][..]));
    }

    #[test]
    fn spare_room_is_not_saved() {
        let (mut at_once, mut one_by_one) = (State::<2>::new(0, 0, LANES, 0.0), State::<2>::new(0, 0, LANES, 0.0));
        at_once.set_classes(13);
        (1..=13).for_each(|classes| one_by_one.set_classes(classes));
        for state in [&mut at_once, &mut one_by_one] {
            state.dense.grow(3 * state.stride);
            for feature in 0..3 {
                state.dense.values[feature * state.stride + 12] = feature as f64;
            }
        }
        assert_ne!(at_once.stride, one_by_one.stride);
        assert_eq!(at_once.save("kind"), one_by_one.save("kind"));
    }
}
