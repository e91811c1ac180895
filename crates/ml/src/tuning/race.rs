//! Trials that learn side by side: a learner of learners.
//!
//! Every trial sees every row until it is dropped, whatever leads; so the leader, which predicts, has missed none. Losses are taken just
//! before a row is learned, and who leads is told by rows before it: predictions of a race are as honest as those of one learner.
//! All of it depends on the rows and their order alone.
//!
//! Memory: a learner a trial that is left. Not mergeable: trials that one race has dropped another may keep.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::search::{Objective, Search, Strategy};
use super::{Status, Trial};
use crate::block::Block;
use crate::explain::{Explainer, Importance};
use crate::learner::{FeatureKind, Learner, Shape, Weights, row_weight, row_weights};
use crate::metric::log_loss;
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::{InTurn, Spread, each};
use crate::{Error, Result};

/// A loss is taken to be no larger than this, so that its square is a number.
const LARGEST_LOSS: f64 = 1e100;
/// More trials than any search has; a snapshot that claims more is corrupt.
const TRIALS_MAX: usize = 20_000;
/// More classes than any model has.
const CLASSES_MAX: u32 = 100_000;

/// One trial.
#[derive(Debug)]
struct Candidate {
    point: Vec<f64>,
    /// Nothing once it is dropped.
    learner: Option<Box<dyn Learner>>,
    /// It as it was at the last origin, where the origin moves.
    held: Option<Box<dyn Learner>>,
    status: Status,
    rows: u64,
    /// The loss, each row times its weight, and the weights.
    loss: f64,
    weight: f64,
    /// Of the rows at hand.
    scores: Vec<f64>,
    losses: Vec<f64>,
}

/// Trials that learn side by side. See the [module](self).
#[derive(Debug)]
pub(crate) struct Race {
    search: Search,
    shape: Shape,
    /// Before classes were met.
    first_shape: Shape,
    kinds: Vec<FeatureKind>,
    spread: Arc<dyn Spread + Send>,
    candidates: Vec<Candidate>,
    /// The first of the candidates that are in the comparison; those before are of earlier passes.
    first: usize,
    comparison: Comparison,
    /// Whether losses are taken: until the search is over.
    measures: bool,
    /// Rows since the last origin.
    since_origin: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedCandidate {
    point: Vec<f64>,
    learner: Option<Vec<u8>>,
    held: Option<Vec<u8>>,
    status: Status,
    rows: u64,
    loss: f64,
    weight: f64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    classes: u32,
    candidates: Vec<SavedCandidate>,
    first: u32,
    comparison: Comparison,
    measures: bool,
    since_origin: u64,
}

impl Race {
    /// A race that has learned nothing.
    ///
    /// # Errors
    /// When a learner refuses its options.
    pub(crate) fn new(search: Search, shape: Shape) -> Result<Self> {
        let points = search.first_points();
        let comparison = Comparison::new(points.len(), search.warmup());
        let mut race = Self {
            search,
            shape,
            first_shape: shape,
            kinds: Vec::new(),
            spread: Arc::new(InTurn),
            comparison,
            candidates: Vec::new(),
            first: 0,
            measures: true,
            since_origin: 0,
        };
        for point in points {
            let candidate = race.candidate(point)?;
            race.candidates.push(candidate);
        }
        Ok(race)
    }

    fn candidate(&self, point: Vec<f64>) -> Result<Candidate> {
        Ok(Candidate {
            learner: Some(self.learner(&point)?),
            point,
            held: None,
            status: Status::Running,
            rows: 0,
            loss: 0.0,
            weight: 0.0,
            scores: Vec::new(),
            losses: Vec::new(),
        })
    }

    fn learner(&self, point: &[f64]) -> Result<Box<dyn Learner>> {
        let mut learner = self.search.learner(point, self.shape)?;
        learner.set_features(&self.kinds);
        learner.set_spread(Arc::clone(&self.spread));
        Ok(learner)
    }

    /// The number of the trial that leads.
    fn leading(&self) -> usize {
        self.first + self.comparison.leader()
    }

    fn leader(&self) -> Option<&dyn Learner> {
        self.candidates.get(self.leading()).and_then(|candidate| candidate.learner.as_deref())
    }

    fn leader_mut(&mut self) -> Option<&mut Box<dyn Learner>> {
        let leading = self.leading();
        self.candidates.get_mut(leading).and_then(|candidate| candidate.learner.as_mut())
    }

    /// The candidates that learn.
    fn running(&mut self) -> impl Iterator<Item = &mut Candidate> {
        self.candidates[self.first..].iter_mut().filter(|candidate| candidate.learner.is_some())
    }

    /// Learns rows by every trial that is left, and adds the scores of whoever leads before each row.
    fn run(&mut self, rows: Rows<'_>, mut scores: Option<&mut Vec<f64>>) {
        if self.search.horizon == 0 {
            self.run_from_one_origin(rows, scores);
            return;
        }
        // Rows up to an origin together.
        let mut at = 0;
        while at < rows.y.len() {
            if self.since_origin == 0 {
                self.hold();
            }
            let len = (rows.y.len() - at).min((self.search.horizon - self.since_origin) as usize);
            let (before, after) = (rows.before.part(at, len), rows.after.part(at, len));
            let weights = row_weights(rows.weights, at, len);
            let part = Rows { before: &before, after: &after, y: &rows.y[at..at + len], weights };
            self.run_from_one_origin(part, scores.as_deref_mut());
            self.since_origin = (self.since_origin + len as u64) % self.search.horizon;
            at += len;
        }
    }

    fn run_from_one_origin(&mut self, rows: Rows<'_>, mut scores: Option<&mut Vec<f64>>) {
        let (shape, objective) = (self.shape, self.search.objective);
        let spread = Arc::clone(&self.spread);
        let mut running: Vec<&mut Candidate> = self.running().collect();
        let learn = |candidate: &mut &mut Candidate| candidate.learn(rows, shape, objective);
        match running.as_mut_slice() {
            [one] => learn(one),
            several => each(&*spread, several, learn),
        }
        let each_row = shape.scores();
        let mut at = 0;
        while at < rows.y.len() {
            let len = self.comparison.rows_to_go().min(rows.y.len() - at);
            if let (Some(scores), Some(leader)) = (scores.as_deref_mut(), self.candidates.get(self.leading())) {
                scores.extend_from_slice(&leader.scores[at * each_row..(at + len) * each_row]);
            }
            self.compare(rows, at, len);
            at += len;
        }
    }

    /// Takes the losses of rows `at .. at + len` in.
    fn compare(&mut self, rows: Rows<'_>, at: usize, len: usize) {
        let (candidates, rules) = (&mut self.candidates[self.first..], self.search.rules);
        let measured = if self.comparison.is_warming_up() { &[] } else { self.comparison.left() };
        for trial in measured {
            let candidate = &mut candidates[*trial as usize];
            candidate.rows += len as u64;
            // Row by row: sums of parts would depend on how rows are cut.
            for row in at..at + len {
                candidate.loss += candidate.losses[row];
                candidate.weight += row_weight(rows.weights, row);
            }
        }
        let before = self.comparison.left().len();
        self.comparison.take(len, |trial| &candidates[trial].losses[at..at + len], rules);
        if self.comparison.left().len() < before {
            let left = self.comparison.left();
            for (trial, candidate) in candidates.iter_mut().enumerate() {
                if candidate.learner.is_some() && left.binary_search(&(trial as u32)).is_err() {
                    candidate.drop_out(Status::Stopped);
                }
            }
        }
    }

    /// Holds each trial as it is, to predict from here on.
    fn hold(&mut self) {
        let mut held = Vec::new();
        for candidate in &self.candidates[self.first..] {
            // What has been told of classes and features comes with the state.
            let copy = candidate.learner.as_ref().and_then(|learner| {
                let mut copy = self.learner(&candidate.point).ok()?;
                copy.load(&learner.save()).ok()?;
                copy.end_input();
                Some(copy)
            });
            held.push(copy);
        }
        self.candidates[self.first..].iter_mut().zip(held).for_each(|(candidate, held)| candidate.held = held);
    }
}

/// Rows to learn: see [`Learner::learn_predict`].
#[derive(Debug, Clone, Copy)]
struct Rows<'a> {
    before: &'a Block,
    after: &'a Block,
    y: &'a [f64],
    weights: &'a [f64],
}

impl Candidate {
    fn learn(&mut self, rows: Rows<'_>, shape: Shape, objective: Objective) {
        let Some(learner) = &mut self.learner else { return };
        self.scores.clear();
        match &self.held {
            Some(held) => {
                held.predict(rows.before, &mut self.scores);
                learner.learn(rows.after, rows.y, rows.weights);
            }
            None => learner.learn_predict(rows.before, rows.after, rows.y, rows.weights, &mut self.scores),
        }
        self.losses.clear();
        let each_row = self.scores.chunks_exact(shape.scores().max(1)).zip(rows.y);
        let losses = each_row.map(|(scores, y)| loss(objective, shape, scores, *y));
        self.losses.extend(losses.enumerate().map(|(row, loss)| loss * row_weight(rows.weights, row)));
    }

    fn drop_out(&mut self, status: Status) {
        (self.learner, self.held) = (None, None);
        self.status = status;
    }

    /// The mean loss.
    fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.loss / self.weight } else { f64::NAN }
    }
}

/// What a prediction has lost. What is not a number has lost all there is.
#[inline]
pub(crate) fn loss(objective: Objective, shape: Shape, scores: &[f64], y: f64) -> f64 {
    let binary = shape == Shape::Binary;
    let loss = match objective {
        Objective::LogLoss => {
            let (label, p) = match binary {
                true => (y >= 0.5, scores[0]),
                false => (true, scores.get(y as usize).copied().unwrap_or(0.0)),
            };
            // No probability is none for what came.
            log_loss(label, if p.is_nan() { f64::from(u8::from(!label)) } else { p })
        }
        Objective::ErrorRate => {
            let predicted = match binary {
                true => usize::from(scores[0] >= 0.5),
                false => (0..scores.len()).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0),
            };
            if scores.iter().all(|score| score.is_finite()) && predicted == y as usize { 0.0 } else { 1.0 }
        }
        Objective::SquaredError => (scores[0] - y) * (scores[0] - y),
        Objective::AbsoluteError => (scores[0] - y).abs(),
    };
    if loss < LARGEST_LOSS { loss } else { LARGEST_LOSS }
}

fn not_mergeable() -> Error {
    Error::Merge(
        "a model that is being tuned cannot be merged: a trial that one has dropped another may keep".to_string(),
    )
}

impl Learner for Race {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.running()
            .filter_map(|candidate| candidate.learner.as_mut())
            .for_each(|learner| learner.set_features(kinds));
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.spread = Arc::clone(&spread);
        for learner in self.running().flat_map(|candidate| [&mut candidate.learner, &mut candidate.held]).flatten() {
            learner.set_spread(Arc::clone(&spread));
        }
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        if let Some(leader) = self.leader() {
            leader.predict(x, scores);
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        match (self.measures, self.leader_mut()) {
            // Who has won learns as if it were alone.
            (false, Some(winner)) => winner.learn(x, y, weights),
            _ => self.run(Rows { before: x, after: x, y, weights }, None),
        }
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        match (self.measures, self.leader_mut()) {
            (false, Some(winner)) => winner.learn_predict(before, after, y, weights, scores),
            _ => self.run(Rows { before, after, y, weights }, Some(scores)),
        }
    }

    fn end_input(&mut self) {
        self.running().filter_map(|candidate| candidate.learner.as_mut()).for_each(|learner| learner.end_input());
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
        }
        for learner in self.running().flat_map(|candidate| [&mut candidate.learner, &mut candidate.held]).flatten() {
            learner.set_classes(classes);
        }
    }

    fn merge(&mut self, _others: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn merge_since(&mut self, _replicas: &[&[u8]]) -> Result<()> {
        Err(not_mergeable())
    }

    fn save(&self) -> Vec<u8> {
        let candidates = self.candidates.iter().map(|candidate| SavedCandidate {
            point: candidate.point.clone(),
            learner: candidate.learner.as_ref().map(|learner| learner.save()),
            held: candidate.held.as_ref().map(|learner| learner.save()),
            status: candidate.status,
            rows: candidate.rows,
            loss: candidate.loss,
            weight: candidate.weight,
        });
        encode(&Saved {
            classes: if let Shape::Classes { classes } = self.shape { classes as u32 } else { 0 },
            candidates: candidates.collect(),
            first: self.first as u32,
            comparison: self.comparison.clone(),
            measures: self.measures,
            since_origin: self.since_origin,
        })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state)?;
        let content = |what: &str| SnapshotError::Content(what.to_string());
        let first = saved.first as usize;
        let count = saved.candidates.len().checked_sub(first).filter(|_| saved.candidates.len() <= TRIALS_MAX);
        if !count.is_some_and(|count| saved.comparison.fits(count))
            || saved.since_origin >= self.search.horizon.max(1)
            || saved.classes > CLASSES_MAX
            || (self.search.horizon == 0 && saved.candidates.iter().any(|candidate| candidate.held.is_some()))
            || saved.candidates.iter().any(|candidate| !self.search.space.holds(&candidate.point))
        {
            return Err(content("trials that are not of this search").into());
        }
        let left =
            |trial: usize| trial >= first && saved.comparison.left().binary_search(&((trial - first) as u32)).is_ok();
        if saved.candidates.iter().enumerate().any(|(i, candidate)| left(i) && candidate.learner.is_none()) {
            return Err(content("a trial that is left has no state").into());
        }
        self.set_classes(saved.classes as usize);
        let mut candidates = Vec::new();
        for saved in saved.candidates {
            let read = |state: &Option<Vec<u8>>| -> Result<Option<Box<dyn Learner>>> {
                let Some(state) = state else { return Ok(None) };
                let mut learner = self.learner(&saved.point)?;
                learner.load(state)?;
                Ok(Some(learner))
            };
            let (learner, held) = (read(&saved.learner)?, read(&saved.held)?);
            let SavedCandidate { point, status, rows, loss, weight, .. } = saved;
            let (scores, losses) = (Vec::new(), Vec::new());
            candidates.push(Candidate { point, learner, held, status, rows, loss, weight, scores, losses });
        }
        self.candidates = candidates;
        (self.first, self.comparison) = (first, saved.comparison);
        (self.measures, self.since_origin) = (saved.measures, saved.since_origin);
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        self.leader().map(|leader| leader.weights()).unwrap_or_default()
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        self.leader().and_then(|leader| leader.explainer())
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        self.leader().and_then(|leader| leader.importance())
    }

    fn trials(&self) -> Vec<Trial> {
        let leading = self.leading();
        let trial = |(i, candidate): (usize, &Candidate)| Trial {
            id: i as u64 + 1,
            parameters: self.search.parameters(&candidate.point),
            objective: self.search.objective.name(),
            rows: candidate.rows,
            loss: candidate.mean(),
            status: candidate.status,
            is_optimal: i == leading,
        };
        self.candidates.iter().enumerate().map(trial).collect()
    }

    fn needs_history(&self) -> bool {
        self.search.needs_passes()
    }

    fn end_pass(&mut self) -> Result<bool> {
        if !self.measures {
            return Ok(false);
        }
        // The best of this pass; of all passes, if there were some.
        let best = (0..self.candidates.len()).filter(|i| self.candidates[*i].learner.is_some());
        let by_loss = |a: &usize, b: &usize| self.candidates[*a].mean().total_cmp(&self.candidates[*b].mean());
        let best = match self.search.strategy {
            Strategy::Racing => self.leading(),
            _ => best.min_by(by_loss).unwrap_or(0),
        };
        for (i, candidate) in self.candidates.iter_mut().enumerate() {
            candidate.held = None;
            if candidate.status == Status::Running {
                candidate.status = Status::Succeeded;
            }
            if i != best {
                candidate.learner = None;
            }
        }
        let tried: Vec<_> = self.candidates.iter().map(|trial| (trial.point.clone(), trial.mean())).collect();
        let points = self.search.next_points(&tried);
        self.since_origin = 0;
        if points.is_empty() {
            self.measures = false;
            self.first = 0;
            self.comparison = Comparison::of_one(self.candidates.len(), best);
            return Ok(false);
        }
        self.first = self.candidates.len();
        self.comparison = Comparison::new(points.len(), self.search.warmup());
        // Classes that were not declared are met again.
        self.shape = self.first_shape;
        for point in points {
            let candidate = self.candidate(point)?;
            self.candidates.push(candidate);
        }
        Ok(true)
    }

    fn state_bytes(&self) -> usize {
        let of = |candidate: &Candidate| {
            let learners =
                [&candidate.learner, &candidate.held].into_iter().flatten().map(|learner| learner.state_bytes());
            size_of::<Candidate>()
                + 8 * (candidate.point.len() + candidate.scores.len() + candidate.losses.len())
                + learners.sum::<usize>()
        };
        size_of::<Self>() + self.candidates.iter().map(of).sum::<usize>() + self.comparison.state_bytes()
    }
}
