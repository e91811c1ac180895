//! Ways to train on a stream: one model, or replicas of it.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};

use crate::prequential::{Counts, Prequential, Processed, Snapshot};
use crate::replicas::Replicas;
use crate::spread::Spread;
use crate::{DataFault, Model, Result};

/// Rows as they come, with their times.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals<'a> {
    /// The columns of [`Model::learn`].
    pub batch: &'a RecordBatch,
    /// The event time of each row; empty where rows have none.
    pub event_time: &'a [i64],
    /// When the label of each row is known.
    pub label_time: Option<&'a Int64Array>,
    /// How far the watermark is behind the greatest event time.
    pub delay: i64,
    /// Rows of one number are learned by one replica. Left out: they are in turn.
    pub shards: Option<&'a [u64]>,
}

/// A model that learns from a stream. What it learns depends on the rows and their order alone: not on how they are cut into
/// batches, nor on what they are spread over.
pub trait Training: Debug + Send {
    /// Predicts every row of a batch, and learns what becomes due on the way: see [`Prequential::process`].
    ///
    /// # Errors
    /// As [`Prequential::process`].
    fn process(&mut self, arrivals: &Arrivals<'_>, spread: &dyn Spread) -> Result<Processed>;

    /// Ends the input: learns every row that waits. Returns the snapshots at version points not reached before.
    ///
    /// # Errors
    /// When what was learned apart cannot be put together.
    fn finish(&mut self, spread: &dyn Spread) -> Result<Vec<Snapshot>>;

    /// Tells that rows are those of history, which is there for several passes.
    fn begin_history(&mut self) {}

    /// Ends a pass over history: whether a search has more to try, in another pass over the same rows.
    ///
    /// # Errors
    /// When what is to be tried is refused.
    fn end_pass(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// What is wrong with a batch: see [`Model::check`].
    ///
    /// # Errors
    /// As [`Model::check`].
    fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>>;

    /// Predicts no row from now on: rows are only learned.
    fn predict_nothing(&mut self);

    /// Takes snapshots of the model at these event times: see [`Prequential::set_version_points`].
    fn set_version_points(&mut self, points: Vec<i64>);

    /// Gives threads for what the learner can do at once, where rows are not spread over several already. Results are the same
    /// with any. They are not saved.
    fn set_spread(&mut self, _spread: Arc<dyn Spread + Send>) {}

    /// Limits how many rows may wait.
    fn set_pending_rows_max(&mut self, max: Option<usize>);

    /// The model; what was learned apart and has not been put together is not in it.
    fn model(&self) -> &Model;

    /// What became of the rows so far.
    fn counts(&self) -> Counts;

    /// How many rows wait for their label.
    fn pending_rows(&self) -> usize;

    /// Bytes of memory that models and waiting rows take.
    fn state_bytes(&self) -> usize;

    /// All of it as bytes.
    fn save(&self) -> Vec<u8>;

    /// Goes on from bytes that [`Training::save`] gave, bit for bit. Version points come back with them; what else was set
    /// stays.
    ///
    /// # Errors
    /// When the bytes are not such a state, corrupt, or too new.
    fn restore(&mut self, bytes: &[u8]) -> Result<()>;
}

impl Training for Prequential {
    fn process(&mut self, arrivals: &Arrivals<'_>, _: &dyn Spread) -> Result<Processed> {
        Self::process(self, arrivals.batch, arrivals.event_time, arrivals.label_time, arrivals.delay)
    }

    fn finish(&mut self, _: &dyn Spread) -> Result<Vec<Snapshot>> {
        Ok(Self::finish(self))
    }

    fn begin_history(&mut self) {
        self.model_mut().begin_history();
    }

    fn end_pass(&mut self) -> Result<bool> {
        self.model_mut().end_pass()
    }

    fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        Self::model(self).check(batch)
    }

    fn predict_nothing(&mut self) {
        Self::predict_nothing(self);
    }

    fn set_version_points(&mut self, points: Vec<i64>) {
        Self::set_version_points(self, points);
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.model_mut().set_spread(spread);
    }

    fn set_pending_rows_max(&mut self, max: Option<usize>) {
        Self::set_pending_rows_max(self, max);
    }

    fn model(&self) -> &Model {
        Self::model(self)
    }

    fn counts(&self) -> Counts {
        Self::counts(self)
    }

    fn pending_rows(&self) -> usize {
        Self::pending_rows(self)
    }

    fn state_bytes(&self) -> usize {
        Self::state_bytes(self)
    }

    fn save(&self) -> Vec<u8> {
        Self::save(self)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        *self = Self::load(bytes)?.like(self);
        Ok(())
    }
}

impl Training for Replicas {
    fn process(&mut self, arrivals: &Arrivals<'_>, spread: &dyn Spread) -> Result<Processed> {
        Self::process(self, arrivals, spread)
    }

    fn finish(&mut self, spread: &dyn Spread) -> Result<Vec<Snapshot>> {
        Self::finish(self, spread)
    }

    fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        Self::check(self, batch)
    }

    fn predict_nothing(&mut self) {
        Self::predict_nothing(self);
    }

    fn set_version_points(&mut self, points: Vec<i64>) {
        Self::set_version_points(self, points);
    }

    fn set_pending_rows_max(&mut self, max: Option<usize>) {
        Self::set_pending_rows_max(self, max);
    }

    fn model(&self) -> &Model {
        Self::model(self)
    }

    fn counts(&self) -> Counts {
        Self::counts(self)
    }

    fn pending_rows(&self) -> usize {
        Self::pending_rows(self)
    }

    fn state_bytes(&self) -> usize {
        Self::state_bytes(self)
    }

    fn save(&self) -> Vec<u8> {
        Self::save(self)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        Self::restore(self, bytes)
    }
}
