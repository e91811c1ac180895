//! A linear model with a score a class, for any number of classes, which may grow.
//!
//! How scores become probabilities and gradients is a [`Scheme`]: softmax, or one binary loss a class (one-vs-rest). A class
//! that was declared takes part from the start. One that was not takes part from the first row that has it; before, its
//! probability is 0. So it does not matter how early a class is told.

use std::fmt;

use super::optimizer::Optimizer;
use super::regularization::{Decay, soft_threshold};
use super::settings::Settings;
use super::single::{clipped, squared_norm};
use super::state::{LANES, State};
use crate::Result;
use crate::block::{Block, Row};
use crate::explain::{Explainer, Linear};
use crate::learner::{Learner, Weights, row_weight};

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
        let state = State::new(classes, classes, LANES, settings.initial_intercept);
        let mut model = Self { scheme, optimizer, settings, state, slopes: Vec::new() };
        model.settle_intercepts(0);
        model
    }

    /// Makes the slots of the intercepts of the classes from `first`, which are new, agree with them.
    fn settle_intercepts(&mut self, first: usize) {
        let intercepts = &mut self.state.intercepts;
        for (intercept, slots) in intercepts.values.iter().zip(&mut intercepts.slots).skip(first) {
            self.optimizer.settle(self.settings.intercept_learning_rate, false, *intercept, slots);
        }
    }

    fn kind(&self) -> String {
        format!("linear/{}/{}", self.scheme.name(), O::NAME)
    }

    /// Makes room for the scores of a row; those of spare classes stay 0.
    fn make_room(&mut self) {
        self.slopes.clear();
        self.slopes.resize(self.state.stride, 0.0);
    }

    /// Learns rows, and predicts each before if there is a place for the predictions.
    fn run(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], predictions: &mut [f64]) {
        self.state.fit(after, !self.settings.penalty.is_none());
        self.make_room();
        let classes = self.state.classes;
        let mut predictions = predictions.chunks_exact_mut(classes.max(1));
        // Without learned transforms both are one block, and so are the two scores.
        let same = std::ptr::eq(before, after);
        for (row, &target) in y.iter().enumerate() {
            self.state.score(before.row(row), &mut self.slopes[..classes]);
            if let Some(predictions) = predictions.next() {
                predictions.copy_from_slice(&self.slopes[..classes]);
                self.scheme.predictions(predictions, &self.state.active);
            }
            let features = after.row(row);
            if !same {
                self.state.score(features, &mut self.slopes[..classes]);
            }
            self.learn_row(features, target, row_weight(weights, row));
        }
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
            state.step_penalized::<O>(row, step, &self.slopes, settings.penalty.decay(rate));
        } else if !(O::ZERO_IS_NOTHING && self.slopes.iter().all(|slope| *slope == 0.0)) {
            state.step::<O>(row, step, &self.slopes);
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
}

/// What rows do to the weights. Not inlined, so as to be compiled for an optimizer and not for each scheme with it; a call
/// a row is little beside a row of many classes.
impl<const SLOTS: usize> State<SLOTS> {
    /// Writes the score of each class. Features without weights yet count as 0.
    #[inline(never)]
    fn score(&self, row: Row<'_>, scores: &mut [f64]) {
        let stride = self.stride.max(1);
        let intercepts = self.intercepts.values.chunks(LANES);
        for ((chunk, scores), intercepts) in scores.chunks_mut(LANES).enumerate().zip(intercepts) {
            let first = chunk * LANES;
            let mut sums = [0.0; LANES];
            for (&value, weights) in row.dense.iter().zip(self.dense.values.chunks_exact(stride)) {
                if value != 0.0 {
                    add(&mut sums, value, lanes(weights, first));
                }
            }
            for (&feature, &value) in row.indices.iter().zip(row.values) {
                let feature = feature as usize;
                let Some(weights) = self.sparse.values.get(feature * stride..(feature + 1) * stride) else { continue };
                let weights = lanes(weights, first);
                match self.paid.get(feature) {
                    None => add(&mut sums, value, weights),
                    Some(paid) => add(&mut sums, value, &weights.map(|weight| self.due.pay(weight, *paid))),
                }
            }
            for ((score, sum), intercept) in scores.iter_mut().zip(sums).zip(intercepts) {
                *score = sum + intercept;
            }
        }
    }

    /// A step along the gradient.
    #[inline(never)]
    fn step<O: Optimizer<SLOTS>>(&mut self, row: Row<'_>, step: O::Step, slopes: &[f64]) {
        let stride = self.stride;
        let weights = self.dense.values.chunks_exact_mut(stride).zip(self.dense.slots.chunks_exact_mut(stride));
        for ((weights, slots), value) in weights.zip(row.dense) {
            if !(O::ZERO_IS_NOTHING && *value == 0.0) {
                update::<O, SLOTS>(step, weights, slots, slopes, *value);
            }
        }
        for (&feature, value) in row.indices.iter().zip(row.values) {
            let weights = &mut self.sparse.values[feature as usize * stride..][..stride];
            let slots = &mut self.sparse.slots[feature as usize * stride..][..stride];
            update::<O, SLOTS>(step, weights, slots, slopes, *value);
        }
    }

    /// A step with penalties: shrink, move along the gradient, cut.
    #[inline(never)]
    fn step_penalized<O: Optimizer<SLOTS>>(&mut self, row: Row<'_>, step: O::Step, slopes: &[f64], decay: Decay) {
        if self.due.is_exhausted() {
            self.settle_penalties();
        }
        let before = self.due;
        self.due = before.and(decay);
        let stride = self.stride;
        let weights = self.dense.values.chunks_exact_mut(stride).zip(self.dense.slots.chunks_exact_mut(stride));
        for ((weights, slots), value) in weights.zip(row.dense) {
            weights.iter_mut().for_each(|weight| *weight *= decay.shrink);
            update::<O, SLOTS>(step, weights, slots, slopes, *value);
            weights.iter_mut().for_each(|weight| *weight = soft_threshold(*weight, decay.cut));
        }
        for (&feature, value) in row.indices.iter().zip(row.values) {
            let feature = feature as usize;
            let weights = &mut self.sparse.values[feature * stride..][..stride];
            let slots = &mut self.sparse.slots[feature * stride..][..stride];
            let paid = &mut self.paid[feature];
            // A row may have a feature twice (hashing): it pays once.
            let pays = *paid != self.due;
            if pays {
                weights.iter_mut().for_each(|weight| *weight = before.pay(*weight, *paid) * decay.shrink);
            }
            update::<O, SLOTS>(step, weights, slots, slopes, *value);
            if pays {
                weights.iter_mut().for_each(|weight| *weight = soft_threshold(*weight, decay.cut));
                *paid = self.due;
            }
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
            self.state.score(x.row(row), scores);
            self.scheme.predictions(scores, &self.state.active);
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.run(x, x, y, weights, &mut []);
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        let first = scores.len();
        scores.resize(first + y.len() * self.state.classes, 0.0);
        self.run(before, after, y, weights, &mut scores[first..]);
    }

    fn set_classes(&mut self, classes: usize) {
        let known = self.state.classes;
        self.state.set_classes(classes);
        self.settle_intercepts(known);
    }

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        self.state.renumber(numbers);
        Ok(())
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let (kind, settings, optimizer) = (self.kind(), &self.settings, self.optimizer);
        let known = self.state.classes;
        self.state.merge(&kind, false, others, &|is_intercept, weight, slots| {
            optimizer.settle(settings.rate_of(is_intercept), !is_intercept, weight, slots);
        })?;
        self.settle_intercepts(known);
        Ok(())
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.set_classes(classes);
        self.state.renumber_classes(numbers);
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[&[u8]]) -> Result<()> {
        let (kind, settings, optimizer) = (self.kind(), &self.settings, self.optimizer);
        let known = self.state.classes;
        self.state.merge_since(&kind, false, replicas, &|is_intercept, weight, slots| {
            optimizer.settle(settings.rate_of(is_intercept), !is_intercept, weight, slots);
        })?;
        self.settle_intercepts(known);
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

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        Some(Box::new(Linear::new(self.state.weights(), false)))
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
