//! A model a key: one for each store, device or household.
//!
//! ```text
//!            by hash of the key   ┌ shard 0: a bench ◄──► states of its keys ┐
//!  rows ──►  ───────────────────► ┤ shard 1 …                                ├──► predictions
//!                                 └ shard 2 …                                ┘
//! ```
//! Each key's model is exactly what a model of its own would be that has seen the rows of the key alone, with one difference:
//! the watermark is that of all rows. A key's label that waits is learned at the latest before the key's next row, before a
//! version, and at the end; when in between makes no difference.
//!
//! What a key has learned is kept as bytes, a few hundred for a small model, and laid on the shard's bench to be used: a model
//! with its specification, buffers and dictionaries, which all keys of the shard share. Where the bytes are kept is up to the
//! [`States`]. Rows of a batch are grouped by key, so that each state is read and written once a batch.
//!
//! Shards work at once. Nothing depends on their number.

use std::collections::VecDeque;
use std::ops::Range;

use arrow::array::{Int64Array, RecordBatch};
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::Error;
use crate::keys::Keys;
use crate::model::labels::Labels;
use crate::model::saved::Learned;
use crate::prequential::{Counts, EventTime, Prequential, SavedWaiting, Times, check_times};
use crate::rearrange::together;
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::spread::{InTurn, Spread, Work, each};
use crate::{DataFault, Model, ModelSpec, Result};

mod shard;
pub mod version;

use shard::{Piece, Shard};

/// The name of this kind of snapshot.
const KIND: &str = "keyed";

/// The newest format written here.
const FORMAT: u8 = 1;

/// Rows below which shards working at once costs more than it gains.
const ROWS_TO_SPREAD_MIN: usize = if cfg!(test) { 16 } else { 512 };

/// Gives for a key and its state another state, or `None` to leave it as it is.
pub type Change<'a> = dyn FnMut(&[u8], &[u8]) -> Result<Option<Vec<u8>>> + 'a;

/// What keeps the states of keys, in as many parts as there are shards.
pub trait States: Send {
    /// A part, which has keys of its own.
    type Part: StatesOfShard;

    /// The parts.
    fn parts(&mut self) -> &mut [Self::Part];

    /// Replaces every state for which `change` gives another. `None` from it leaves the state as it is.
    ///
    /// # Errors
    /// When the store fails, or `change`.
    fn change_all(&mut self, change: &mut Change<'_>) -> Result<()>;
}

/// The states of the keys of one shard.
pub trait StatesOfShard: Send {
    /// Takes the state of a key out, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    fn take(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Keeps the state of a key.
    ///
    /// # Errors
    /// When the store fails.
    fn put(&mut self, key: &[u8], state: Vec<u8>) -> Result<()>;
}

/// What predicts a row whose key's model has learned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unknown {
    /// That model, untrained as it is.
    Untrained,
    /// Nothing: predictions are NULL.
    Null,
    /// A model of its own that learns from the rows of all keys.
    Prior,
}

/// How models of keys are kept.
#[derive(Debug, Clone, Copy)]
pub struct KeyedSettings {
    /// What predicts where a key's model has learned nothing.
    pub unknown: Unknown,
    /// A key is forgotten when the watermark is so far from the event time of its last row; `None`: never.
    pub ttl: Option<i64>,
    /// How many rows of one key may wait for their label.
    pub pending_rows_max: Option<usize>,
}

/// Rows as they come, with keys and times.
#[derive(Debug, Clone, Copy)]
pub struct KeyedArrivals<'a> {
    /// The columns of [`Model::learn`].
    pub batch: &'a RecordBatch,
    /// The key of each row.
    pub keys: &'a Keys,
    /// The event time of each row; empty where rows have none.
    pub event_time: &'a [i64],
    /// When the label of each row is known.
    pub label_time: Option<&'a Int64Array>,
    /// How far the watermark is behind the greatest event time.
    pub delay: i64,
}

/// A version point that was reached: all states have learned what was due by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The version point, as an event time.
    pub time: i64,
    /// How many rows of the batch had been predicted by then.
    pub row: usize,
    /// How many rows the models had learned.
    pub rows_learned: u64,
}

/// Models of keys that learn from a stream. See the [module](self).
pub struct Keyed<S: States> {
    states: S,
    shards: Vec<Shard>,
    prior: Option<Prequential>,
    /// One that has learned nothing, to tell what is wrong with rows.
    untrained: Model,
    /// Every label met, of whichever key: for the limit on their number, which is of all of them.
    labels: Labels,
    settings: KeyedSettings,
    time: EventTime,
    version_points: VecDeque<i64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    counts: Counts,
    pending: u64,
    time: EventTime,
    version_points: VecDeque<i64>,
    labels: Vec<String>,
    prior: Option<Vec<u8>>,
}

/// What is kept of a key.
#[derive(Serialize, Deserialize)]
struct KeyState {
    /// First, so that the first byte tells whether any row waits.
    waiting: Option<SavedWaiting>,
    /// The greatest event time of its rows.
    seen: i64,
    learned: Learned,
}

impl<S: States> Keyed<S> {
    /// Models for the keys of rows to come, all of this specification.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn new(spec: &ModelSpec, states: S, settings: KeyedSettings) -> Result<Self> {
        let untrained = Model::new(spec.clone())?;
        let prior = match settings.unknown {
            Unknown::Prior => {
                let mut prior = Prequential::new(Model::new(spec.clone())?);
                prior.model_mut().labels.lift_limit();
                Some(prior)
            }
            _ => None,
        };
        let mut keyed = Self {
            labels: untrained.labels.clone(),
            untrained,
            states,
            shards: Vec::new(),
            prior,
            settings,
            time: EventTime::default(),
            version_points: VecDeque::new(),
        };
        for _ in 0..keyed.states.parts().len() {
            keyed.shards.push(Shard::new(spec, settings)?);
        }
        Ok(keyed)
    }

    /// Stops at these event times: when the watermark first reaches each, [`Keyed::process`] tells so.
    pub fn set_version_points(&mut self, mut points: Vec<i64>) {
        points.sort_unstable();
        points.dedup();
        self.version_points = points.into_iter().filter(|point| *point > self.time.watermark()).collect();
    }

    /// What keeps the states.
    pub fn states(&mut self) -> &mut S {
        &mut self.states
    }

    /// What keeps the states.
    pub fn store(&self) -> &S {
        &self.states
    }

    /// Begins with what a model of all keys has learned before. Without a prior nothing happens.
    pub fn set_prior(&mut self, mut model: Model) {
        model.labels.lift_limit();
        if let Some(prior) = &mut self.prior {
            *prior = Prequential::new(model);
        }
    }

    /// A model that has learned nothing.
    pub fn untrained(&self) -> &Model {
        &self.untrained
    }

    /// The model that learns from all keys, where there is one.
    pub fn prior(&self) -> Option<&Model> {
        self.prior.as_ref().map(Prequential::model)
    }

    /// The watermark.
    pub fn watermark(&self) -> i64 {
        self.time.watermark()
    }

    /// What became of the rows so far.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts { late_rows: self.time.late_rows, ..Counts::default() };
        for shard in &self.shards {
            let counts = shard.counts();
            sum.rows += counts.rows;
            sum.learned_rows += counts.learned_rows;
            sum.unlabelled_rows += counts.unlabelled_rows;
        }
        sum
    }

    /// How many rows wait for their label, or have not been learned since it is known.
    pub fn pending_rows(&self) -> usize {
        self.shards.iter().map(|shard| shard.pending).sum::<i64>().max(0) as usize
    }

    /// Bytes of memory that benches and the prior take; states are not among them.
    pub fn state_bytes(&self) -> usize {
        self.shards.iter().map(Shard::state_bytes).sum::<usize>()
            + self.prior.as_ref().map_or(0, Prequential::state_bytes)
    }

    /// What is wrong with a batch: see [`Model::check`].
    ///
    /// # Errors
    /// As [`Model::check`].
    pub fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        self.untrained.check_with(&self.labels, batch)
    }

    /// Predicts every row of a batch by its key's model, and learns what becomes due on the way. `reached` is told of each
    /// version point on the way, when all states stand as of then.
    ///
    /// # Errors
    /// As [`Prequential::process`]; and when the store fails, or `reached`.
    pub fn process(
        &mut self,
        arrivals: &KeyedArrivals<'_>,
        spread: &dyn Spread,
        reached: &mut dyn FnMut(&mut Self, Reached) -> Result<()>,
    ) -> Result<RecordBatch> {
        let KeyedArrivals { batch, keys, event_time, label_time, delay } = *arrivals;
        let rows = batch.num_rows();
        check_times(rows, event_time, label_time)?;
        let spread = if rows < ROWS_TO_SPREAD_MIN { &InTurn } else { spread };
        self.read(batch, keys, spread)?;
        let times = self.time.take(event_time, label_time, delay);
        let mut places = vec![(0, 0); rows];
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < rows {
            if let Some(watermark) = times.watermarks.get(start).copied() {
                self.pass_version_points(watermark, start, reached)?;
            }
            let end = match (self.version_points.front(), times.watermarks.get(start..rows)) {
                (Some(point), Some(watermarks)) => start + watermarks.partition_point(|time| time < point),
                _ => rows,
            };
            self.run(start..end, keys, &times, event_time, spread, &mut pieces, &mut places)?;
            start = end;
        }
        let empty = self.untrained.finish(self.untrained.predictions(0))?;
        together(empty, &pieces, &places)
    }

    /// Has each shard read its rows of a batch, grouped by key, and the prior all of them.
    fn read(&mut self, batch: &RecordBatch, keys: &Keys, spread: &dyn Spread) -> Result<()> {
        let count = self.shards.len() as u64;
        self.shards.iter_mut().for_each(|shard| shard.rows.clear());
        for (row, hash) in keys.hashes().into_iter().enumerate() {
            self.shards[(hash % count) as usize].rows.push(row as u32);
        }
        let mark = self.labels.mark();
        let mut outcomes = vec![self.untrained.count_labels(&mut self.labels, batch)];
        let mut readers: Vec<_> = self.shards.iter_mut().map(|shard| (shard, Ok(()))).collect();
        each(spread, &mut readers, |(shard, outcome)| *outcome = shard.read(batch, keys));
        outcomes.extend(readers.into_iter().map(|(_, outcome)| outcome));
        if let Some(prior) = &mut self.prior {
            outcomes.push(prior.read(batch));
        }
        DataFault::first_of(outcomes).inspect_err(|_| self.labels.forget(mark))
    }

    /// Processes rows between two version points.
    #[allow(clippy::too_many_arguments)]
    fn run(
        &mut self,
        range: Range<usize>,
        keys: &Keys,
        times: &Times,
        event_time: &[i64],
        spread: &dyn Spread,
        pieces: &mut Vec<RecordBatch>,
        places: &mut [(usize, usize)],
    ) -> Result<()> {
        let mut prior_outcome = Ok(None);
        let mut outcomes: Vec<Result<Vec<Piece>>> = self.shards.iter().map(|_| Ok(Vec::new())).collect();
        let mut work: Vec<Work<'_>> = Vec::new();
        for ((shard, part), outcome) in self.shards.iter_mut().zip(self.states.parts()).zip(&mut outcomes) {
            if !shard.rows.is_empty() {
                let range = range.clone();
                work.push(Box::new(move || *outcome = shard.process(range, keys, times, event_time, part)));
            }
        }
        if let Some(prior) = &mut self.prior {
            let (outcome, range) = (&mut prior_outcome, range.clone());
            work.push(Box::new(move || {
                let rows: Vec<u32> = range.clone().map(|row| row as u32).collect();
                let mut predictions = prior.model().predictions(rows.len());
                let done = prior.process_read(range, &times.of(&rows), &mut predictions);
                *outcome = done.and_then(|_| prior.model().finish(predictions).map(Some));
            }));
        }
        spread.run(work);
        let of_prior = prior_outcome?.map(|predictions| {
            pieces.push(predictions);
            pieces.len() - 1
        });
        let mut of_nobody = None;
        for outcome in outcomes {
            for piece in outcome? {
                let own = pieces.len();
                for (place, row) in piece.rows.iter().enumerate() {
                    places[*row as usize] = (own, place);
                }
                pieces.push(piece.predictions);
                for row in piece.untaught {
                    match (self.settings.unknown, of_prior) {
                        (Unknown::Untrained, _) => {}
                        (Unknown::Prior, Some(prior)) => places[row as usize] = (prior, row as usize - range.start),
                        _ => {
                            let nobody = match of_nobody {
                                Some(nobody) => nobody,
                                None => {
                                    pieces.push(self.untrained.no_prediction()?);
                                    *of_nobody.insert(pieces.len() - 1)
                                }
                            };
                            places[row as usize] = (nobody, 0);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Every state learns what is due at `time`. Keys that are over then are left as they are: they are forgotten when they
    /// come again, and in no version.
    fn advance_to(&mut self, time: i64) -> Result<()> {
        if let Some(prior) = &mut self.prior {
            prior.advance_to(time);
        }
        let Some(shard) = self.shards.first_mut() else { return Ok(()) };
        self.states.change_all(&mut |_, state| shard.advance(state, time))
    }

    fn pass_version_points(
        &mut self,
        watermark: i64,
        row: usize,
        reached: &mut dyn FnMut(&mut Self, Reached) -> Result<()>,
    ) -> Result<()> {
        while let Some(time) = self.version_points.front().copied().filter(|point| *point <= watermark) {
            self.version_points.pop_front();
            self.advance_to(time)?;
            let rows_learned = self.counts().learned_rows;
            reached(self, Reached { time, row, rows_learned })?;
        }
        Ok(())
    }

    /// Ends the input: learns every row that waits.
    ///
    /// # Errors
    /// When the store fails, or `reached`.
    pub fn finish(&mut self, reached: &mut dyn FnMut(&mut Self, Reached) -> Result<()>) -> Result<()> {
        self.pass_version_points(i64::MAX, 0, reached)?;
        self.advance_to(i64::MAX)
    }

    /// All of it as bytes, but for the states of keys.
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved {
            counts: self.counts(),
            pending: self.pending_rows() as u64,
            time: self.time,
            version_points: self.version_points.clone(),
            labels: self.labels.known_names(),
            prior: self.prior.as_ref().map(Prequential::save),
        };
        seal(KIND, FORMAT, &encode(&saved))
    }

    /// Goes on from what [`Keyed::save`] wrote, when the states are those of then.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the bytes are not such a snapshot, corrupt, or too new.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved: Saved = decode(open(KIND, FORMAT, bytes)?)?;
        if saved.prior.is_some() != self.prior.is_some() {
            return Err(SnapshotError::Content("a prior is missing, or one too many".to_string()).into());
        }
        if let Some(bytes) = &saved.prior {
            let mut prior = Prequential::load(bytes)?;
            prior.model_mut().labels.lift_limit();
            self.prior = Some(prior);
        }
        for name in &saved.labels {
            self.labels.label_of_name(name);
        }
        // Which shard counted what is no part of the state.
        for (i, shard) in self.shards.iter_mut().enumerate() {
            let first = i == 0;
            shard.set_counts(
                if first { saved.counts } else { Counts::default() },
                if first { saved.pending } else { 0 },
            );
        }
        self.time = saved.time;
        self.version_points = saved.version_points;
        Ok(())
    }
}

impl<S: States> std::fmt::Debug for Keyed<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Whether the state of a key is over at `time`, as [`KeyedSettings::ttl`] says.
///
/// # Errors
/// [`Error::Snapshot`] when the bytes are not the state of a key.
pub fn is_over(state: &[u8], ttl: Option<i64>, time: i64) -> Result<bool> {
    let Some(ttl) = ttl else { return Ok(false) };
    let (_, seen): (Option<SavedWaiting>, i64) = first_part(state)?;
    Ok(seen != i64::MIN && time.saturating_sub(seen) >= ttl)
}

/// The first fields of a state, without reading what was learned.
fn first_part<'a, T: Deserialize<'a>>(state: &'a [u8]) -> Result<T> {
    match postcard::take_from_bytes(state) {
        Ok((part, _)) => Ok(part),
        Err(error) => Err(SnapshotError::Content(error.to_string()).into()),
    }
}

/// What a key has learned, as versions keep it: the state without rows that wait.
///
/// # Errors
/// [`Error::Snapshot`] when the bytes are not the state of a key.
pub fn learned_of(state: &[u8]) -> Result<Vec<u8>> {
    let state: KeyState = decode(state)?;
    Ok(encode(&state.learned))
}
