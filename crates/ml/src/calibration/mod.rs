//! Calibration: probabilities that are what they say, whatever the learner's own are.
//!
//! ```text
//!  row ─► learner ─► score p ─► calibrator ─► probability
//!                       │           ▲
//!                       └── label ──┘   learned after the row was predicted, from the score made before it was learned
//! ```
//! The option `'calibration'` puts a [`Calibrated`] around the learner of a model: it is a learner itself, so that it works wherever models
//! do. What a calibrator learns from are scores of rows that the learner had not learned yet (test-then-train): those of rows that were
//! learned would be too good. Of several classes each has a calibrator of its own, one against the rest, and the results are brought to a
//! sum of 1 (Zadrozny & Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates").
//!
//! With late labels the scores are those just before a row is learned, not those that were given out when it happened.

mod isotonic;
mod platt;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::explain::Importance;
use crate::learner::{FeatureKind, Learner, Shape, Weights, row_weight};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::Spread;
use crate::tuning::Trial;
use crate::{Error, Result};
use isotonic::Isotonic;
use platt::Platt;

/// The values of the option `'calibration'`.
pub(crate) const METHODS: &[&str] = &["none", "platt", "isotonic"];

/// What becomes of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// A logistic function of the log odds.
    Platt,
    /// Any rising function.
    Isotonic,
}

impl Method {
    /// The method that the option names; `None` for none.
    pub(crate) fn of(option: &str) -> Option<Self> {
        match option {
            "platt" => Some(Self::Platt),
            "isotonic" => Some(Self::Isotonic),
            _ => None,
        }
    }

    fn calibrator(self) -> Calibrator {
        match self {
            Self::Platt => Calibrator::Platt(Platt::default()),
            Self::Isotonic => Calibrator::Isotonic(Isotonic::default()),
        }
    }
}

/// What turns scores of one class into probabilities.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Calibrator {
    Platt(Platt),
    Isotonic(Isotonic),
}

impl Calibrator {
    #[inline]
    fn probability(&self, score: f64) -> f64 {
        match self {
            Self::Platt(platt) => platt.probability(score),
            Self::Isotonic(isotonic) => isotonic.probability(score),
        }
    }

    #[inline]
    fn learn(&mut self, score: f64, positive: bool, weight: f64) {
        match self {
            Self::Platt(platt) => platt.learn(score, positive, weight),
            Self::Isotonic(isotonic) => isotonic.learn(score, positive, weight),
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Platt(platt) => platt.is_sound(),
            Self::Isotonic(isotonic) => isotonic.is_sound(),
        }
    }

    fn state_bytes(&self) -> usize {
        match self {
            Self::Platt(_) => 0,
            Self::Isotonic(isotonic) => isotonic.state_bytes(),
        }
    }
}

/// A learner of classes whose probabilities are calibrated. See the [module](self).
#[derive(Debug)]
pub(crate) struct Calibrated {
    learner: Box<dyn Learner>,
    method: Method,
    shape: Shape,
    /// One of the positive class, or one a class.
    calibrators: Vec<Calibrator>,
    /// Scores of the rows at hand.
    raw: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    learner: Vec<u8>,
    calibrators: Vec<Calibrator>,
}

impl Calibrated {
    /// A learner of these classes, with calibrators that have learned nothing.
    pub(crate) fn new(learner: Box<dyn Learner>, method: Method, shape: Shape) -> Self {
        let calibrators = (0..shape.scores()).map(|_| method.calibrator()).collect();
        Self { learner, method, shape, calibrators, raw: Vec::new() }
    }

    /// Calibrates the scores of a row in place.
    fn calibrate(&self, scores: &mut [f64]) {
        calibrate(&self.calibrators, scores);
    }

    /// Learns from the scores of a row.
    fn learn_row(&mut self, row: usize, target: f64, weight: f64) {
        let each = self.shape.scores();
        if target.is_nan() || weight == 0.0 {
            return;
        }
        for (class, score) in
            self.raw[row * each..(row + 1) * each].iter().enumerate().filter(|(_, score)| !score.is_nan())
        {
            let positive = if self.shape == Shape::Binary { target == 1.0 } else { target as usize == class };
            self.calibrators[class].learn(*score, positive, weight);
        }
    }
}

fn calibrate(calibrators: &[Calibrator], scores: &mut [f64]) {
    let several = scores.len() > 1;
    let mut sum = 0.0;
    for (score, calibrator) in scores.iter_mut().zip(calibrators) {
        // A class that has not been met has no chance, and keeps none.
        let has_none = score.is_nan() || (several && *score == 0.0);
        if !has_none {
            *score = calibrator.probability(*score);
        }
        sum += *score;
    }
    if several && sum > 0.0 {
        scores.iter_mut().for_each(|score| *score /= sum);
    }
}

impl Learner for Calibrated {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.learner.set_features(kinds);
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.learner.set_spread(spread);
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let start = scores.len();
        self.learner.predict(x, scores);
        scores[start..].chunks_exact_mut(self.shape.scores().max(1)).for_each(|row| self.calibrate(row));
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        self.learner.learn_predict(x, x, y, weights, &mut raw);
        self.raw = raw;
        for (row, target) in y.iter().enumerate() {
            self.learn_row(row, *target, row_weight(weights, row));
        }
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        self.learner.learn_predict(before, after, y, weights, &mut raw);
        self.raw = raw;
        let each = self.shape.scores();
        for (row, target) in y.iter().enumerate() {
            let start = scores.len();
            scores.extend_from_slice(&self.raw[row * each..(row + 1) * each]);
            self.calibrate(&mut scores[start..]);
            self.learn_row(row, *target, row_weight(weights, row));
        }
    }

    fn end_input(&mut self) {
        self.learner.end_input();
    }

    fn set_classes(&mut self, classes: usize) {
        self.learner.set_classes(classes);
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
            let method = self.method;
            self.calibrators.resize_with(*known, || method.calibrator());
        }
    }

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        self.learner.renumber(numbers)
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        self.learner.renumber_categories(feature, numbers)
    }

    fn merge(&mut self, _others: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn merge_since(&mut self, _replicas: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn save(&self) -> Vec<u8> {
        encode(&Saved { learner: self.learner.save(), calibrators: self.calibrators.clone() })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state)?;
        let of_method = |calibrator: &Calibrator| {
            matches!(
                (self.method, calibrator),
                (Method::Platt, Calibrator::Platt(_)) | (Method::Isotonic, Calibrator::Isotonic(_))
            )
        };
        if saved.calibrators.len() != self.calibrators.len()
            || !saved.calibrators.iter().all(|calibrator| of_method(calibrator) && calibrator.is_sound())
        {
            return Err(SnapshotError::Content("calibrators that are not of this model".to_string()).into());
        }
        self.learner.load(&saved.learner)?;
        self.calibrators = saved.calibrators;
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        self.learner.weights()
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        self.learner.importance()
    }

    fn trials(&self) -> Vec<Trial> {
        self.learner.trials()
    }

    fn needs_history(&self) -> bool {
        self.learner.needs_history()
    }

    fn end_pass(&mut self) -> Result<bool> {
        let more = self.learner.end_pass()?;
        if more {
            // What comes is as if nothing had been learned.
            let method = self.method;
            self.calibrators.iter_mut().for_each(|calibrator| *calibrator = method.calibrator());
        }
        Ok(more)
    }

    fn state_bytes(&self) -> usize {
        let calibrators: usize = self.calibrators.iter().map(|c| size_of::<Calibrator>() + c.state_bytes()).sum();
        self.learner.state_bytes() + calibrators + 8 * self.raw.capacity()
    }
}

fn not_mergeable() -> Error {
    Error::Merge("a model with 'calibration' cannot be trained in parallel: leave one of both out".to_string())
}
