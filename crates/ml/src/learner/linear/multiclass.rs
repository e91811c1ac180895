//! A linear model with a score a class, for any number of classes, which may grow.
//!
//! How scores become probabilities and gradients is a [`Scheme`]: softmax, or one binary loss a class (one-vs-rest). A class
//! that was declared takes part from the start. One that was not takes part from the first row that has it; before, its
//! probability is 0. So it does not matter how early a class is told.

use std::fmt;

use super::optimizer::Optimizer;
use super::regularization::soft_threshold;
use super::settings::Settings;
use super::single::{clipped, squared_norm};
use super::state::{LANES, State};
use crate::block::{Block, Row};
use crate::learner::{Learner, Weights, row_weight};
use crate::{Error, Result};

/// What the scores of a row mean, and which way to move them.
pub(super) trait Scheme: fmt::Debug + Send + Sync {
    /// Its name; part of what a saved state says it is.
    fn name(&self) -> String;

    /// Whether [`Scheme::slopes`] reads the squared norm of the row.
    fn uses_norm(&self) -> bool {
        false
    }

    /// Turns scores into probabilities of the classes that take part; of the others it is 0.
    fn predictions(&self, scores: &mut [f64], active: &[bool]);

    /// Turns scores into gradients with regard to them, each times `weight`; of classes that take no part it is 0.
    fn slopes(&self, scores: &mut [f64], active: &[bool], target: usize, weight: f64, squared_norm: f64);
}

/// A linear model with a score a class.
pub(super) struct Multiclass<M, O, const SLOTS: usize> {
    scheme: M,
    optimizer: O,
    settings: Settings,
    state: State<SLOTS>,
    /// Scores, then gradients, of the row at hand; as long as there is room for classes.
    slopes: Vec<f64>,
}

impl<M: Scheme, O: Optimizer<SLOTS>, const SLOTS: usize> Multiclass<M, O, SLOTS> {
    /// An untrained model of `classes` declared classes.
    pub(super) fn new(scheme: M, optimizer: O, settings: Settings, classes: usize) -> Self {
        let mut model =
            Self { scheme, optimizer, settings, state: State::new(classes, classes, LANES), slopes: Vec::new() };
        model.begin_intercepts(0);
        model
    }

    /// Sets the intercepts of the classes from `first`.
    fn begin_intercepts(&mut self, first: usize) {
        let (initial, rate) = (self.settings.initial_intercept, self.settings.intercept_learning_rate);
        for class in first..self.state.classes {
            self.state.intercepts.values[class] = initial;
            self.optimizer.settle(rate, false, initial, &mut self.state.intercepts.slots[class]);
        }
    }

    fn kind(&self) -> String {
        format!("linear/{}/{}", self.scheme.name(), O::NAME)
    }

    /// Writes the score of each class.
    #[inline]
    fn score(&self, row: Row<'_>, scores: &mut [f64]) {
        let state = &self.state;
        let stride = state.stride.max(1);
        let intercepts = state.intercepts.values.chunks(LANES);
        for ((chunk, scores), intercepts) in scores.chunks_mut(LANES).enumerate().zip(intercepts) {
            let first = chunk * LANES;
            let mut sums = [0.0; LANES];
            for (&value, weights) in row.dense.iter().zip(state.dense.values.chunks_exact(stride)) {
                if value != 0.0 {
                    add(&mut sums, value, lanes(weights, first));
                }
            }
            for (&feature, &value) in row.indices.iter().zip(row.values) {
                let feature = feature as usize;
                let Some(weights) = state.sparse.values.get(feature * stride..(feature + 1) * stride) else { continue };
                let weights = lanes(weights, first);
                match state.paid.get(feature) {
                    None => add(&mut sums, value, weights),
                    Some(paid) => add(&mut sums, value, &weights.map(|weight| state.due.pay(weight, *paid))),
                }
            }
            for ((score, sum), intercept) in scores.iter_mut().zip(sums).zip(intercepts) {
                *score = sum + intercept;
            }
        }
    }

    /// Makes room for the scores of a row; those of spare classes stay 0.
    fn make_room(&mut self) {
        self.slopes.clear();
        self.slopes.resize(self.state.stride, 0.0);
    }

    /// Writes the scores of a row into `self.slopes`.
    #[inline]
    fn score_row(&mut self, row: Row<'_>) {
        let mut scores = std::mem::take(&mut self.slopes);
        self.score(row, &mut scores[..self.state.classes]);
        self.slopes = scores;
    }

    /// Learns a row whose scores are in `self.slopes`.
    fn learn_row(&mut self, row: Row<'_>, target: f64, weight: f64) {
        let target = target as usize;
        debug_assert!(target < self.state.classes, "class {target} was not told by set_classes");
        if target >= self.state.classes {
            return;
        }
        let (settings, state) = (&self.settings, &mut self.state);
        let met = || (0..state.classes).filter(|class| state.active[*class] || *class == target).count();
        let weight = settings.class_weight.weigh(target, weight, &mut state.counts, met);
        // A row of weight 0 is no row.
        if weight.is_nan() || weight <= 0.0 {
            return;
        }
        state.active[target] = true;
        let norm = if self.scheme.uses_norm() { squared_norm(row, settings.fit_intercept) } else { 0.0 };
        self.scheme.slopes(&mut self.slopes[..state.classes], &state.active, target, weight, norm);
        let clip = settings.clip_gradient;
        for slope in &mut self.slopes {
            *slope = if slope.abs() <= clip { *slope } else { clipped(*slope, clip) };
        }

        self.optimizer.advance(&mut state.clock);
        let rate = settings.schedule.rate(settings.learning_rate, state.clock.rows);
        let step = self.optimizer.step(rate, &state.clock, true);
        if !settings.penalty.is_none() {
            Self::step_penalized(settings, state, row, step, &self.slopes, rate);
        } else if !(O::ZERO_IS_NOTHING && self.slopes.iter().all(|slope| *slope == 0.0)) {
            Self::step(state, row, step, &self.slopes);
        }
        if settings.fit_intercept {
            let rate = settings.schedule.rate(settings.intercept_learning_rate, state.clock.rows);
            let step = self.optimizer.step(rate, &state.clock, false);
            let intercepts = state.intercepts.values.iter_mut().zip(&mut state.intercepts.slots);
            for (((intercept, slots), slope), active) in intercepts.zip(&self.slopes).zip(&state.active) {
                if *active {
                    O::update(step, intercept, slots, *slope, 1.0);
                }
            }
        }
    }

    #[inline]
    fn step(state: &mut State<SLOTS>, row: Row<'_>, step: O::Step, slopes: &[f64]) {
        let stride = state.stride;
        let weights = state.dense.values.chunks_exact_mut(stride).zip(state.dense.slots.chunks_exact_mut(stride));
        for ((weights, slots), value) in weights.zip(row.dense) {
            if !(O::ZERO_IS_NOTHING && *value == 0.0) {
                update::<O, SLOTS>(step, weights, slots, slopes, *value);
            }
        }
        for (&feature, value) in row.indices.iter().zip(row.values) {
            let weights = &mut state.sparse.values[feature as usize * stride..][..stride];
            let slots = &mut state.sparse.slots[feature as usize * stride..][..stride];
            update::<O, SLOTS>(step, weights, slots, slopes, *value);
        }
    }

    /// A step with penalties: shrink, move along the gradient, cut.
    fn step_penalized(
        settings: &Settings,
        state: &mut State<SLOTS>,
        row: Row<'_>,
        step: O::Step,
        slopes: &[f64],
        rate: f64,
    ) {
        if state.due.is_exhausted() {
            state.settle_penalties();
        }
        let decay = settings.penalty.decay(rate);
        let before = state.due;
        state.due.add(decay);
        let stride = state.stride;
        let weights = state.dense.values.chunks_exact_mut(stride).zip(state.dense.slots.chunks_exact_mut(stride));
        for ((weights, slots), value) in weights.zip(row.dense) {
            for ((weight, slots), slope) in weights.iter_mut().zip(slots).zip(slopes) {
                *weight *= decay.shrink;
                O::update(step, weight, slots, *slope, *value);
                *weight = soft_threshold(*weight, decay.cut);
            }
        }
        for (&feature, value) in row.indices.iter().zip(row.values) {
            let feature = feature as usize;
            let weights = &mut state.sparse.values[feature * stride..][..stride];
            let slots = &mut state.sparse.slots[feature * stride..][..stride];
            let paid = &mut state.paid[feature];
            // A row may have a feature twice (hashing): it pays once.
            let pays = *paid != state.due;
            for ((weight, slots), slope) in weights.iter_mut().zip(slots).zip(slopes) {
                if pays {
                    *weight = before.pay(*weight, *paid) * decay.shrink;
                }
                O::update(step, weight, slots, *slope, *value);
                if pays {
                    *weight = soft_threshold(*weight, decay.cut);
                }
            }
            *paid = state.due;
        }
    }
}

/// The weights of some classes side by side.
#[inline(always)]
fn lanes(weights: &[f64], first: usize) -> &[f64; LANES] {
    // There is room for whole groups of classes.
    weights[first..].first_chunk().unwrap_or(&[0.0; LANES])
}

#[inline(always)]
fn add(sums: &mut [f64; LANES], value: f64, weights: &[f64; LANES]) {
    for lane in 0..LANES {
        sums[lane] += value * weights[lane];
    }
}

/// Moves the weights of a feature.
#[inline(always)]
fn update<O: Optimizer<SLOTS>, const SLOTS: usize>(
    step: O::Step,
    weights: &mut [f64],
    slots: &mut [[f64; SLOTS]],
    slopes: &[f64],
    value: f64,
) {
    let weights = weights.as_chunks_mut::<LANES>().0.iter_mut().zip(slots.as_chunks_mut::<LANES>().0);
    for ((weights, slots), slopes) in weights.zip(slopes.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            O::update(step, &mut weights[lane], &mut slots[lane], slopes[lane], value);
        }
    }
}

impl<M: Scheme, O: Optimizer<SLOTS>, const SLOTS: usize> Learner for Multiclass<M, O, SLOTS> {
    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let classes = self.state.classes;
        let first = scores.len();
        scores.resize(first + x.rows() * classes, 0.0);
        for (row, scores) in scores[first..].chunks_exact_mut(classes.max(1)).enumerate() {
            self.score(x.row(row), scores);
            self.scheme.predictions(scores, &self.state.active);
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.state.fit(x, !self.settings.penalty.is_none());
        self.make_room();
        for (row, &target) in y.iter().enumerate() {
            let features = x.row(row);
            self.score_row(features);
            self.learn_row(features, target, row_weight(weights, row));
        }
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        self.state.fit(after, !self.settings.penalty.is_none());
        let classes = self.state.classes;
        self.make_room();
        scores.reserve(y.len() * classes);
        // Without learned transforms both are one block, and so are the two scores.
        let same = std::ptr::eq(before, after);
        for (row, &target) in y.iter().enumerate() {
            self.score_row(before.row(row));
            let first = scores.len();
            scores.extend_from_slice(&self.slopes[..classes]);
            self.scheme.predictions(&mut scores[first..], &self.state.active);
            let features = after.row(row);
            if !same {
                self.score_row(features);
            }
            self.learn_row(features, target, row_weight(weights, row));
        }
    }

    fn set_classes(&mut self, classes: usize) {
        let known = self.state.classes;
        self.state.set_classes(classes);
        self.begin_intercepts(known);
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let kind = self.kind();
        let read = |state: &&[u8]| self.state.read(&kind, false, state);
        let others =
            others.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|error| Error::Merge(error.to_string()))?;
        let rates = [self.settings.learning_rate, self.settings.intercept_learning_rate];
        self.state.merge(others, &self.optimizer, rates);
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        self.state.save(&self.kind())
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.state = self.state.read(&self.kind(), false, state)?;
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        self.state.weights()
    }

    fn state_bytes(&self) -> usize {
        self.state.bytes()
    }
}

impl<M: Scheme, O: Optimizer<SLOTS>, const SLOTS: usize> fmt::Debug for Multiclass<M, O, SLOTS> {
    /// What it is and how far it has come; not its weights, which may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multiclass")
            .field("scheme", &self.scheme)
            .field("optimizer", &self.optimizer)
            .field("settings", &self.settings)
            .field("classes", &self.state.classes)
            .field("rows", &self.state.clock.rows)
            .finish_non_exhaustive()
    }
}
