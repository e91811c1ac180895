//! A linear model with one score a row: a number, or the log odds of one of two classes.
//!
//! The score of a row is `s = Σ w_i·x_i + intercept`. A row is learned by one step of an [`Optimizer`] along the gradient of a
//! [`Loss`]: with `g` the gradient with regard to the score, clipped, weight `i` has the gradient `g·x_i`.

use std::fmt;

use super::loss::Loss;
use super::optimizer::{Clock, Optimizer, Schedule};
use super::regularization::{Decay, Due, Penalty, soft_threshold};
use super::settings::Settings;
use super::state::{State, dot};
use crate::Result;
use crate::block::{Block, Row};
use crate::explain::{Explainer, Linear};
use crate::learner::{Learner, Weights, row_weight};

/// A linear model with one score a row, for a loss and an optimizer. Generic over both, so that nothing is looked up
/// while rows go by.
pub(super) struct Single<L, O, const SLOTS: usize> {
    loss: L,
    optimizer: O,
    settings: Settings,
    state: State<SLOTS>,
}

impl<L: Loss, O: Optimizer<SLOTS>, const SLOTS: usize> Single<L, O, SLOTS> {
    /// An untrained model. `binary`: the targets are classes 0 and 1, and class weights apply.
    pub(super) fn new(loss: L, optimizer: O, settings: Settings, binary: bool) -> Self {
        let counts = if binary { 2 } else { 0 };
        let (initial, rate) = (settings.initial_intercept, settings.intercept_learning_rate);
        let mut state = State::new(1, counts, 1, initial);
        optimizer.settle(rate, false, initial, &mut state.intercepts.slots[0]);
        Self { loss, optimizer, settings, state }
    }

    fn kind(&self) -> String {
        format!("linear/{}/{}", L::NAME, O::NAME)
    }

    /// The weights, ready for a batch to be learned.
    fn pass(&mut self) -> Pass<'_, L, O, SLOTS> {
        let State { clock, counts, dense, sparse, intercepts, due, paid, .. } = &mut self.state;
        Pass {
            loss: self.loss,
            optimizer: self.optimizer,
            settings: &self.settings,
            schedule: self.settings.schedule,
            learning_rate: self.settings.learning_rate,
            intercept_learning_rate: self.settings.intercept_learning_rate,
            fit_intercept: self.settings.fit_intercept,
            clip: self.settings.clip_gradient,
            penalty: self.settings.penalty,
            counts,
            dense: &mut dense.values,
            dense_slots: &mut dense.slots,
            sparse: &mut sparse.values,
            sparse_slots: &mut sparse.slots,
            paid,
            intercept: intercepts.values[0],
            intercept_slots: intercepts.slots[0],
            clock: *clock,
            due: *due,
        }
    }

    /// Learns the rows of `after`; to `PREDICT`, scores each row of `before` first. Compiled for both, as it is the hot loop.
    fn run<const PREDICT: bool>(
        &mut self,
        before: &Block,
        after: &Block,
        y: &[f64],
        weights: &[f64],
        predictions: &mut [f64],
    ) {
        self.state.fit(after, !self.settings.penalty.is_none());
        let mut pass = self.pass();
        let mut predictions = predictions.iter_mut();
        // Without learned transforms both are one block, and so are the two scores.
        let same = std::ptr::eq(before, after);
        for (row, &target) in y.iter().enumerate() {
            let features = after.row(row);
            let mut score = pass.score(if PREDICT { before.row(row) } else { features });
            if PREDICT && let Some(prediction) = predictions.next() {
                *prediction = pass.loss.prediction(score);
                if !same {
                    score = pass.score(features);
                }
            }
            pass.learn(features, score, target, row_weight(weights, row));
        }
        let learned = pass.finish();
        self.commit(learned);
    }

    /// Keeps what a batch has changed besides the weights.
    fn commit(&mut self, learned: Learned<SLOTS>) {
        self.state.clock = learned.clock;
        self.state.due = learned.due;
        self.state.intercepts.values[0] = learned.intercept;
        self.state.intercepts.slots[0] = learned.intercept_slots;
    }
}

/// A batch being learned: all that rows read and write, apart from the model, so that the compiler can keep it in registers
/// rather than suspect that a weight written is a setting changed.
struct Pass<'a, L, O, const SLOTS: usize> {
    loss: L,
    optimizer: O,
    settings: &'a Settings,
    schedule: Schedule,
    learning_rate: f64,
    intercept_learning_rate: f64,
    fit_intercept: bool,
    clip: f64,
    penalty: Penalty,
    counts: &'a mut [f64],
    dense: &'a mut [f64],
    dense_slots: &'a mut [[f64; SLOTS]],
    sparse: &'a mut [f64],
    sparse_slots: &'a mut [[f64; SLOTS]],
    paid: &'a mut [Due],
    intercept: f64,
    intercept_slots: [f64; SLOTS],
    clock: Clock,
    due: Due,
}

/// What a [`Pass`] has changed and does not write through.
struct Learned<const SLOTS: usize> {
    intercept: f64,
    intercept_slots: [f64; SLOTS],
    clock: Clock,
    due: Due,
}

impl<L: Loss, O: Optimizer<SLOTS>, const SLOTS: usize> Pass<'_, L, O, SLOTS> {
    #[inline(always)]
    fn score(&self, row: Row<'_>) -> f64 {
        score(row, self.dense, self.sparse, self.paid, self.due, self.intercept)
    }

    /// Learns a row that has this score. The weights reach all its features.
    #[inline(always)]
    fn learn(&mut self, row: Row<'_>, score: f64, target: f64, weight: f64) {
        let weight = match self.counts.len() {
            0 => weight,
            _ => self.settings.class_weight.weigh((target as usize).min(1), weight, self.counts, || 2),
        };
        // A row of weight 0 is no row.
        if weight.is_nan() || weight <= 0.0 {
            return;
        }
        let norm = if L::USES_NORM { squared_norm(row, self.fit_intercept) } else { 0.0 };
        let slope = self.loss.slope(score, target, weight, norm);
        let slope = if slope.abs() <= self.clip { slope } else { clipped(slope, self.clip) };

        self.optimizer.advance(&mut self.clock);
        let rate = self.schedule.rate(self.learning_rate, self.clock.rows);
        let step = self.optimizer.step(rate, &self.clock, true);
        if !self.penalty.is_none() {
            let weights = Weighed {
                dense: self.dense,
                dense_slots: self.dense_slots,
                sparse: self.sparse,
                sparse_slots: self.sparse_slots,
                paid: self.paid,
            };
            self.due = weights.step_penalized::<O>(self.due, self.penalty.decay(rate), row, step, slope);
        } else if !(O::ZERO_IS_NOTHING && slope == 0.0) {
            for ((weight, slots), value) in self.dense.iter_mut().zip(&mut *self.dense_slots).zip(row.dense) {
                O::update(step, weight, slots, slope, *value);
            }
            for (&feature, value) in row.indices.iter().zip(row.values) {
                let feature = feature as usize;
                O::update(step, &mut self.sparse[feature], &mut self.sparse_slots[feature], slope, *value);
            }
        }
        if self.fit_intercept {
            let rate = self.schedule.rate(self.intercept_learning_rate, self.clock.rows);
            let step = self.optimizer.step(rate, &self.clock, false);
            O::update(step, &mut self.intercept, &mut self.intercept_slots, slope, 1.0);
        }
    }

    fn finish(self) -> Learned<SLOTS> {
        let Self { intercept, intercept_slots, clock, due, .. } = self;
        Learned { intercept, intercept_slots, clock, due }
    }
}

/// The weights of a [`Pass`].
struct Weighed<'a, const SLOTS: usize> {
    dense: &'a mut [f64],
    dense_slots: &'a mut [[f64; SLOTS]],
    sparse: &'a mut [f64],
    sparse_slots: &'a mut [[f64; SLOTS]],
    paid: &'a mut [Due],
}

impl<const SLOTS: usize> Weighed<'_, SLOTS> {
    /// A step with penalties: shrink, move along the gradient, cut. Returns what is due after it. Not inlined, so as to be
    /// compiled for an optimizer and not for each loss with it; called cold, so that registers are not kept free for it.
    #[cold]
    #[inline(never)]
    fn step_penalized<O: Optimizer<SLOTS>>(
        self,
        due: Due,
        decay: Decay,
        row: Row<'_>,
        step: O::Step,
        slope: f64,
    ) -> Due {
        let mut before = due;
        if due.is_exhausted() {
            due.settle(self.sparse, 1, self.paid);
            before = Due::default();
        }
        let now = before.and(decay);
        for ((weight, slots), value) in self.dense.iter_mut().zip(self.dense_slots).zip(row.dense) {
            *weight *= decay.shrink;
            O::update(step, weight, slots, slope, *value);
            *weight = soft_threshold(*weight, decay.cut);
        }
        for (&feature, value) in row.indices.iter().zip(row.values) {
            let feature = feature as usize;
            let weight = &mut self.sparse[feature];
            let paid = &mut self.paid[feature];
            // A row may have a feature twice (hashing): it pays once.
            let pays = *paid != now;
            if pays {
                *weight = before.pay(*weight, *paid) * decay.shrink;
            }
            O::update(step, weight, &mut self.sparse_slots[feature], slope, *value);
            if pays {
                *weight = soft_threshold(*weight, decay.cut);
                *paid = now;
            }
        }
        now
    }
}

/// The score of a row. Features without a weight yet count as 0.
#[inline(always)]
fn score(row: Row<'_>, dense: &[f64], sparse: &[f64], paid: &[Due], due: Due, intercept: f64) -> f64 {
    let mut rest = intercept;
    for (&feature, value) in row.indices.iter().zip(row.values) {
        let feature = feature as usize;
        let weight = sparse.get(feature).copied().unwrap_or(0.0);
        rest += value
            * match paid.get(feature) {
                Some(paid) => due.pay(weight, *paid),
                None => weight,
            };
    }
    dot(row.dense, dense, rest)
}

/// A gradient within bounds. That of a score that overflowed both ways says nothing.
#[cold]
pub(super) fn clipped(slope: f64, clip: f64) -> f64 {
    if slope.is_nan() { 0.0 } else { slope.clamp(-clip, clip) }
}

/// The squared norm of a row; an intercept is a feature that is always 1.
#[inline]
pub(super) fn squared_norm(row: Row<'_>, intercept: bool) -> f64 {
    dot(row.dense, row.dense, 0.0) + dot(row.values, row.values, f64::from(u8::from(intercept)))
}

impl<L: Loss, O: Optimizer<SLOTS>, const SLOTS: usize> Learner for Single<L, O, SLOTS> {
    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let State { dense, sparse, intercepts, due, paid, .. } = &self.state;
        let (dense, sparse, intercept) = (&dense.values[..], &sparse.values[..], intercepts.values[0]);
        let score = |row| score(x.row(row), dense, sparse, paid, *due, intercept);
        scores.extend((0..x.rows()).map(|row| self.loss.prediction(score(row))));
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.run::<false>(x, x, y, weights, &mut []);
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        let first = scores.len();
        scores.resize(first + y.len(), 0.0);
        self.run::<true>(before, after, y, weights, &mut scores[first..]);
    }

    fn set_classes(&mut self, _classes: usize) {}

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        self.state.renumber(numbers);
        Ok(())
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let (kind, settings, optimizer) = (self.kind(), &self.settings, self.optimizer);
        self.state.merge(&kind, true, others, &|is_intercept, weight, slots| {
            optimizer.settle(settings.rate_of(is_intercept), !is_intercept, weight, slots);
        })
    }

    fn merge_since(&mut self, replicas: &[&[u8]]) -> Result<()> {
        let (kind, settings, optimizer) = (self.kind(), &self.settings, self.optimizer);
        self.state.merge_since(&kind, true, replicas, &|is_intercept, weight, slots| {
            optimizer.settle(settings.rate_of(is_intercept), !is_intercept, weight, slots);
        })
    }

    fn save(&self) -> Vec<u8> {
        self.state.save(&self.kind())
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.state = self.state.read(&self.kind(), true, state)?;
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        self.state.weights()
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        // Classes are counted where there are two.
        Some(Box::new(Linear::new(self.state.weights(), !self.state.counts.is_empty())))
    }

    fn state_bytes(&self) -> usize {
        self.state.bytes()
    }
}

impl<L: Loss, O: Optimizer<SLOTS>, const SLOTS: usize> fmt::Debug for Single<L, O, SLOTS> {
    /// What it is and how far it has come; not its weights, which may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single")
            .field("loss", &self.loss)
            .field("optimizer", &self.optimizer)
            .field("settings", &self.settings)
            .field("rows", &self.state.clock.rows)
            .finish_non_exhaustive()
    }
}
