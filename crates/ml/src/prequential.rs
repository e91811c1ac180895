//! Test, then train, with labels that come late.
//!
//! Each row is predicted when it happens and learned when its label is known, both in event time, so that a model is judged
//! as it would have done live:
//!
//! ```text
//!             predict      label known: learn
//!  row a ───────●──────────────────●
//!  row b ─────────────●─────●
//!  row c ─────────────────●───────────────────●
//!        event time ───────────────────────────────►
//! ```
//! The watermark is the greatest event time so far less the allowed delay, and moves with every row. When row *i* arrives:
//! 1. the watermark moves;
//! 2. every waiting row whose label time is not above it is learned, in the order of label time, then of arrival;
//! 3. row *i* is predicted;
//! 4. if it has a label, it is learned at once when its label time is not above the watermark, else it waits.
//!
//! All of it depends on the rows and their order alone: batches of one row or of thousands give the same predictions and
//! the same state, bit for bit. Inside, rows between two steps of learning are predicted together, and rows due together
//! are learned together.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

use arrow::array::{Int64Array, RecordBatch};

use crate::model::predictions::Predictions;
use crate::model::{Buffers, Incoming};
use crate::{Error, Model, Result};

mod saved;
mod time;
mod waiting;

pub(crate) use saved::SavedWaiting;
pub(crate) use time::{EventTime, Times, check_times};
use waiting::Waiting;

/// How many due rows are gathered before they are learned.
const GATHERED_MAX: usize = 4096;

/// A model that learns as labels become known. See the [module](self).
///
/// Memory: the model, and for each waiting row 8 bytes an input column (and form in which it is read) and 40 more.
#[derive(Debug)]
pub struct Prequential {
    model: Model,
    waiting: Waiting,
    /// Waiting rows by label time, then arrival: with the slot where they lie.
    due: BinaryHeap<Reverse<(i64, u64, u32)>>,
    arrivals: u64,
    /// How far learning has come: the watermark of the last row.
    watermark: i64,
    time: EventTime,
    /// Whether rows are predicted at all.
    predicts: bool,
    /// Rows predicted by the model before it had learned any.
    pub(crate) untaught_rows: usize,
    /// Whether any batch carried row weights.
    weighted: bool,
    version_points: VecDeque<i64>,
    pending_rows_max: Option<usize>,
    counts: Counts,
    incoming: Incoming,
    gathered: Incoming,
    buffers: Buffers,
}

/// What became of the rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows predicted.
    pub rows: u64,
    /// Rows whose event time was below the watermark when they came. They are treated as any other.
    pub late_rows: u64,
    /// Rows learned.
    pub learned_rows: u64,
    /// Rows without a label.
    pub unlabelled_rows: u64,
}

/// What [`Prequential::process`] gives.
#[derive(Debug)]
pub struct Processed {
    /// The output columns, a row an input row.
    pub predictions: RecordBatch,
    /// Snapshots of the model at version points that the watermark has reached, in their order.
    pub versions: Vec<Snapshot>,
}

/// A model as it was at a version point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The version point, as an event time.
    pub time: i64,
    /// How many rows of the batch had been predicted by then; 0 if it was not taken in a batch.
    pub row: usize,
    /// How many rows the model had learned.
    pub rows_learned: u64,
    /// The model, by [`Model::save`].
    pub artifact: Vec<u8>,
}

/// What happens to the rows that are gathered into a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Predict,
    LearnPredict,
}

impl Prequential {
    /// Wraps a model. No rows wait.
    pub fn new(model: Model) -> Self {
        let waiting = Waiting::new(&model.pipeline);
        let empty = || Incoming { rows: crate::rows::Rows::new(model.pipeline.columns()), ..Incoming::default() };
        let (incoming, gathered) = (empty(), empty());
        Self {
            model,
            waiting,
            due: BinaryHeap::new(),
            arrivals: 0,
            watermark: i64::MIN,
            time: EventTime::default(),
            predicts: true,
            untaught_rows: 0,
            weighted: false,
            version_points: VecDeque::new(),
            pending_rows_max: None,
            counts: Counts::default(),
            incoming,
            gathered,
            buffers: Buffers::default(),
        }
    }

    /// Takes snapshots of the model at these event times: each when the watermark first reaches it, when the model has
    /// learned exactly the rows whose label time is not above it (of those that came in time). Points that the watermark
    /// has passed already are left out.
    pub fn set_version_points(&mut self, mut points: Vec<i64>) {
        points.sort_unstable();
        points.dedup();
        self.version_points = points.into_iter().filter(|point| *point > self.watermark).collect();
    }

    /// Limits how many rows may wait.
    pub fn set_pending_rows_max(&mut self, max: Option<usize>) {
        self.pending_rows_max = max;
    }

    /// The model, as it stands.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to set its version.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// The model, as it stands; rows that wait are let go.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Predicts no row from now on: rows are only learned, and [`Prequential::process`] gives no predictions.
    pub fn predict_nothing(&mut self) {
        self.predicts = false;
    }

    /// Becomes one whose model is going to be another: no rows wait, and no time has gone by. Counts go on.
    pub(crate) fn begin_anew(&mut self) {
        self.let_go();
        self.watermark = i64::MIN;
    }

    /// With the settings of another that are not saved.
    pub(crate) fn like(self, other: &Self) -> Self {
        Self { predicts: other.predicts, pending_rows_max: other.pending_rows_max, ..self }
    }

    /// What became of the rows so far.
    pub fn counts(&self) -> Counts {
        Counts { late_rows: self.time.late_rows, ..self.counts }
    }

    /// How many rows wait for their label.
    pub fn pending_rows(&self) -> usize {
        self.due.len()
    }

    /// The watermark; `None` before the first row.
    pub fn watermark(&self) -> Option<i64> {
        (self.watermark != i64::MIN).then_some(self.watermark)
    }

    /// Bytes of memory that the model and the waiting rows take.
    pub fn state_bytes(&self) -> usize {
        self.model.state_bytes()
            + self.waiting.state_bytes()
            + self.due.capacity() * size_of::<Reverse<(i64, u64, u32)>>()
    }

    /// Predicts every row of a batch, and learns what becomes due on the way. Columns are those of [`Model::learn`].
    ///
    /// Times are numbers of one unit, whichever it is. `event_time` has one a row. `label_time` tells when a row's label
    /// is known; where it is NULL, at its event time. Without `label_time` each row is learned right after its prediction,
    /// and `event_time` may be empty.
    ///
    /// # Errors
    /// As [`Model::learn`]; then nothing has changed. [`Error::Limit`] when more rows would wait than allowed: then the
    /// batch is half done and this value of no more use.
    pub fn process(
        &mut self,
        batch: &RecordBatch,
        event_time: &[i64],
        label_time: Option<&Int64Array>,
        delay: i64,
    ) -> Result<Processed> {
        check_times(batch.num_rows(), event_time, label_time)?;
        self.read(batch)?;
        let times = self.time.take(event_time, label_time, delay);
        let mut predictions = self.model.predictions(batch.num_rows());
        let versions = self.process_read(0..batch.num_rows(), &times, &mut predictions)?;
        Ok(Processed { predictions: self.model.finish(predictions)?, versions })
    }

    /// Reads a batch for [`Prequential::process_read`]. On an error nothing has changed.
    pub(crate) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let result = self.model.read(batch, &mut incoming);
        self.incoming = incoming;
        result
    }

    /// Predicts some rows of the batch that was read, and learns what becomes due on the way. `times` are of these rows.
    pub(crate) fn process_read(
        &mut self,
        rows: Range<usize>,
        times: &Times,
        predictions: &mut Predictions,
    ) -> Result<Vec<Snapshot>> {
        let incoming = std::mem::take(&mut self.incoming);
        let result = self.process_rows(&incoming, rows, times, predictions);
        self.incoming = incoming;
        result
    }

    fn process_rows(
        &mut self,
        incoming: &Incoming,
        rows: Range<usize>,
        times: &Times,
        predictions: &mut Predictions,
    ) -> Result<Vec<Snapshot>> {
        let mut versions = Vec::new();
        self.weighted |= !incoming.weights.is_empty();
        let (mut start, mut run) = (rows.start, Run::Predict);
        for row in rows.clone() {
            if let Some(&watermark) = times.watermarks.get(row - rows.start)
                && watermark > self.watermark
            {
                if self.is_due(watermark) {
                    self.run(run, incoming, start, row, predictions);
                    start = row;
                    self.learn_due(watermark, row, &mut versions);
                }
                self.watermark = watermark;
            }
            let known_at = times.known.get(row - rows.start).copied().unwrap_or(i64::MIN);
            let labelled = !incoming.labels[row].is_nan();
            self.counts.unlabelled_rows += u64::from(!labelled);
            // Before the first row there is no watermark, and so nothing that is not above it but what has no time.
            let at_once = labelled && known_at <= self.watermark;
            let next = if at_once { Run::LearnPredict } else { Run::Predict };
            if next != run {
                self.run(run, incoming, start, row, predictions);
                (start, run) = (row, next);
            }
            if labelled && !at_once {
                self.wait(incoming, row, known_at)?;
            }
        }
        self.run(run, incoming, start, rows.end, predictions);
        self.counts.rows += rows.len() as u64;
        Ok(versions)
    }

    /// Moves the watermark to `time` if that is later, and learns every row that is due then. Returns the snapshots at
    /// version points passed.
    pub fn advance_to(&mut self, time: i64) -> Vec<Snapshot> {
        let mut versions = Vec::new();
        if time > self.watermark {
            self.learn_due(time, 0, &mut versions);
            self.watermark = time;
            self.time.advance(time);
        }
        versions
    }

    /// Ends the input: learns every row that waits. Returns the snapshots at version points not reached before.
    pub fn finish(&mut self) -> Vec<Snapshot> {
        let versions = self.advance_to(i64::MAX);
        self.model.end_input();
        versions
    }

    /// Whether a watermark makes rows due, or reaches a version point.
    #[inline]
    fn is_due(&self, watermark: i64) -> bool {
        self.due.peek().is_some_and(|Reverse((time, ..))| *time <= watermark)
            || self.version_points.front().is_some_and(|point| *point <= watermark)
    }

    /// Predicts, and if so learns, rows `start .. end` of a batch.
    fn run(&mut self, run: Run, incoming: &Incoming, start: usize, end: usize, predictions: &mut Predictions) {
        let len = end - start;
        if self.model.rows_learned() == 0 {
            self.untaught_rows += if run == Run::Predict { len } else { len.min(1) };
        }
        match run {
            _ if len == 0 => {}
            Run::Predict if !self.predicts => {}
            Run::LearnPredict if !self.predicts => {
                self.model.learn_rows(incoming, start, len);
                self.counts.learned_rows += len as u64;
            }
            Run::Predict => self.model.predict_rows(&incoming.rows, start, len, &mut self.buffers, predictions),
            Run::LearnPredict => {
                self.model.learn_predict_rows(incoming, start, len, predictions);
                self.counts.learned_rows += len as u64;
            }
        }
    }

    fn wait(&mut self, incoming: &Incoming, row: usize, known_at: i64) -> Result<()> {
        if let Some(max) = self.pending_rows_max.filter(|max| self.due.len() >= *max) {
            return Err(Error::Limit(format!(
                "more than {max} rows wait for their label at watermark {}: raise 'label.rows-waiting-max', or give labels an \
                 earlier time",
                self.watermark
            )));
        }
        let slot = self.waiting.put(incoming, row)?;
        self.due.push(Reverse((known_at, self.arrivals, slot)));
        self.arrivals += 1;
        Ok(())
    }

    /// Learns every row due at `time`, stopping at version points on the way for a snapshot. `row` is the next of the batch.
    fn learn_due(&mut self, time: i64, row: usize, versions: &mut Vec<Snapshot>) {
        while let Some(point) = self.version_points.front().copied().filter(|point| *point <= time) {
            self.version_points.pop_front();
            self.learn_up_to(point);
            let rows_learned = self.model.rows_learned();
            versions.push(Snapshot { time: point, row, rows_learned, artifact: self.model.save() });
        }
        self.learn_up_to(time);
    }

    fn learn_up_to(&mut self, time: i64) {
        while self.due.peek().is_some_and(|Reverse((due, ..))| *due <= time) {
            self.gathered.rows.clear();
            self.gathered.labels.clear();
            self.gathered.weights.clear();
            while self.gathered.rows.len() < GATHERED_MAX {
                let Some(next) = self.due.peek_mut().filter(|next| next.0.0 <= time) else { break };
                let Reverse((_, _, slot)) = std::collections::binary_heap::PeekMut::pop(next);
                self.waiting.take(slot, self.weighted, &mut self.gathered);
            }
            let rows = self.gathered.rows.len();
            self.model.learn_rows(&self.gathered, 0, rows);
            self.counts.learned_rows += rows as u64;
        }
    }
}
