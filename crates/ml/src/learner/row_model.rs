//! Learners that take one row after the other: what all of them have in common around the row.
//!
//! ```text
//!  Block ──► rows ──► RowModel::learn_predict(before, after, target, weight) ──► scores, a class each or a number
//! ```
//! A [`RowModel`] knows a row, a target and a weight above 0. [`ByRow`] makes a [`Learner`] of it: blocks, weights of 0, the
//! one score of two classes, snapshots with their checks.

use std::fmt::Debug;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FeatureKind, Learner, Shape, row_weight};
use crate::block::{Block, Row};
use crate::explain::{Explainer, Importance};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::Spread;
use crate::{Error, Result};

/// An algorithm that learns from a row and predicts one.
pub(super) trait RowModel: Debug + Send + Sync {
    /// All that is learned. Options and the kinds of features are not part of it.
    type State: Serialize + DeserializeOwned;

    /// Buffers for one row.
    type Scratch: Debug + Default + Send + Sync;

    /// Tells what the dense features are. Called once, before any row.
    fn set_features(&mut self, kinds: &[FeatureKind]);

    /// Gives threads for work that can be done at once. What comes out is the same with any.
    fn set_spread(&mut self, _spread: Arc<dyn Spread + Send>) {}

    /// Tells that there are now `classes` classes, no fewer than before. Called before any row.
    fn set_classes(&mut self, classes: usize);

    /// Writes the scores of a row: probabilities of the classes known, the number, or what [`Shape::Unlabelled`] has. `scores` is as
    /// long as that.
    fn predict(&self, x: Row<'_>, scratch: &mut Self::Scratch, scores: &mut [f64]);

    /// Learns a row. `weight` is above 0.
    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Self::Scratch);

    /// Writes the scores of `x`, then learns it: for models that would look a row up twice.
    fn learn_predict(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Self::Scratch, scores: &mut [f64]) {
        self.predict(x, scratch, scores);
        self.learn(x, y, weight, scratch);
    }

    /// Tells that the input has ended.
    fn end_input(&mut self) {}

    /// What explains its predictions as it is now, where something does.
    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        None
    }

    /// How important each dense feature is to it, where it tells.
    fn importance(&self) -> Option<Vec<Importance>> {
        None
    }

    /// The state, in the form of [`RowModel::State`].
    fn state(&self) -> impl Serialize;

    /// Replaces the state with one that was saved.
    ///
    /// # Errors
    /// When it is not of a model with these features and options: whatever it indexes must be there.
    fn set_state(&mut self, state: Self::State) -> Result<(), SnapshotError>;

    /// Takes in states of models trained on other rows.
    ///
    /// # Errors
    /// [`Error::Merge`] when the algorithm cannot.
    fn merge(&mut self, _others: Vec<Self::State>) -> Result<()> {
        Err(Error::Merge("the algorithm's states cannot be merged: what each has grown fits its own rows".to_string()))
    }

    /// Becomes what replicas make together that all were as this one is.
    ///
    /// # Errors
    /// [`Error::Merge`] when the algorithm cannot.
    fn merge_since(&mut self, _replicas: Vec<Self::State>) -> Result<()> {
        Err(Error::Merge("the algorithm cannot be trained in parallel".to_string()))
    }

    /// What was class `i` is from now on class `numbers[i]`.
    ///
    /// # Errors
    /// [`Error::Merge`] when the algorithm cannot.
    fn renumber_classes(&mut self, _numbers: &[u32], _classes: usize) -> Result<()> {
        Err(Error::Merge(
            "the models met their classes in different orders; declare them with the option 'classes'".to_string(),
        ))
    }

    /// What was sparse feature `i` is from now on `numbers[i]`; `u32::MAX` means that it is gone.
    ///
    /// # Errors
    /// [`Error::Merge`] when the algorithm cannot.
    fn renumber(&mut self, _numbers: &[u32]) -> Result<()> {
        Err(Error::Merge("the models met their categories in different orders; give them as ARRAY[…]".to_string()))
    }

    /// What was category `i` of a dense feature is from now on `numbers[i]`; `u32::MAX` means that it is gone.
    ///
    /// # Errors
    /// [`Error::Merge`] when the algorithm cannot.
    fn renumber_categories(&mut self, _feature: usize, _numbers: &[u32]) -> Result<()> {
        Err(Error::Merge(
            "the models met their categories in different orders; give them as ML_LABEL_ENCODER(column, ARRAY[…])"
                .to_string(),
        ))
    }

    /// Bytes of memory beyond its own size.
    fn heap_bytes(&self) -> usize;
}

/// A row model as a learner.
#[derive(Debug)]
pub(super) struct ByRow<M: RowModel> {
    name: &'static str,
    shape: Shape,
    model: M,
    scratch: M::Scratch,
    /// Scores of one row.
    row: Vec<f64>,
}

/// The saved form.
#[derive(Serialize, Deserialize)]
struct Saved<S> {
    name: String,
    classes: usize,
    state: S,
}

impl<M: RowModel> ByRow<M> {
    /// A learner of this name.
    pub(super) fn new(name: &'static str, shape: Shape, mut model: M) -> Self {
        model.set_classes(classes_of(shape));
        Self { name, shape, model, scratch: M::Scratch::default(), row: Vec::new() }
    }

    fn read(&self, bytes: &[u8]) -> Result<Saved<M::State>, SnapshotError> {
        let saved: Saved<M::State> = decode(bytes)?;
        if saved.name != self.name {
            return Err(SnapshotError::Kind { found: saved.name, expected: self.name.to_string() });
        }
        Ok(saved)
    }

    fn read_all(&self, states: &[&[u8]]) -> Result<Vec<M::State>> {
        let read = |state: &&[u8]| self.read(state).map(|saved| saved.state);
        states.iter().map(read).collect::<Result<_, _>>().map_err(|error| Error::Merge(error.to_string()))
    }

    /// Makes room for the scores of a row.
    fn make_room(&mut self) {
        self.row.clear();
        self.row.resize(row_scores(self.shape), 0.0);
    }
}

/// Whether two rows are the same to the bit.
#[inline]
pub(super) fn alike(a: Row<'_>, b: Row<'_>) -> bool {
    let same = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    a.indices == b.indices && same(a.dense, b.dense) && same(a.values, b.values)
}

/// How many classes there are; none for a number, and without labels.
fn classes_of(shape: Shape) -> usize {
    match shape {
        Shape::Binary => 2,
        Shape::Classes { classes } => classes,
        Shape::Number | Shape::Unlabelled => 0,
    }
}

/// How many scores a row model writes: of two classes both.
fn row_scores(shape: Shape) -> usize {
    classes_of(shape).max(shape.scores())
}

/// Appends a row's scores in the form of the shape.
#[inline]
fn push(shape: Shape, row: &[f64], scores: &mut Vec<f64>) {
    match shape {
        Shape::Binary => scores.push(row[1]),
        Shape::Number => scores.push(row[0]),
        Shape::Classes { classes } => scores.extend_from_slice(&row[..classes]),
        Shape::Unlabelled => scores.extend_from_slice(&row[..2]),
    }
}

impl<M: RowModel> Learner for ByRow<M> {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.model.set_features(kinds);
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.model.set_spread(spread);
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let mut scratch = M::Scratch::default();
        let mut row = vec![0.0; row_scores(self.shape)];
        for i in 0..x.rows() {
            self.model.predict(x.row(i), &mut scratch, &mut row);
            push(self.shape, &row, scores);
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        for (i, &target) in y.iter().enumerate() {
            let weight = row_weight(weights, i);
            if weight > 0.0 {
                self.model.learn(x.row(i), target, weight, &mut self.scratch);
            }
        }
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        self.make_room();
        // Without learned transforms both are one block: a row is then looked up once.
        let same = std::ptr::eq(before, after);
        for (i, &target) in y.iter().enumerate() {
            let weight = row_weight(weights, i);
            let learns = weight > 0.0;
            // Mostly nothing that was learned from the row changes its features.
            let same = same || alike(before.row(i), after.row(i));
            if same && learns {
                self.model.learn_predict(after.row(i), target, weight, &mut self.scratch, &mut self.row);
            } else {
                self.model.predict(before.row(i), &mut self.scratch, &mut self.row);
                if learns {
                    self.model.learn(after.row(i), target, weight, &mut self.scratch);
                }
            }
            push(self.shape, &self.row, scores);
        }
    }

    fn end_input(&mut self) {
        self.model.end_input();
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
            self.model.set_classes(*known);
        }
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        self.model.explainer()
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        self.model.importance()
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.set_classes(classes);
        self.model.renumber_classes(numbers, classes)
    }

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        self.model.renumber(numbers)
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        self.model.renumber_categories(feature, numbers)
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let others = self.read_all(others)?;
        self.model.merge(others)
    }

    fn merge_since(&mut self, replicas: &[&[u8]]) -> Result<()> {
        let replicas = self.read_all(replicas)?;
        self.model.merge_since(replicas)
    }

    fn save(&self) -> Vec<u8> {
        encode(&Saved { name: self.name.to_string(), classes: classes_of(self.shape), state: self.model.state() })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved = self.read(state)?;
        if saved.classes < classes_of(self.shape) {
            let (found, expected) = (saved.classes, classes_of(self.shape));
            return Err(SnapshotError::Content(format!("{found} classes, where {expected} were expected")).into());
        }
        self.set_classes(saved.classes);
        self.model.set_state(saved.state)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.model.heap_bytes()
    }
}
