//! One model trained by several replicas, which are merged now and then.
//!
//! ```text
//!            rows 0 … 255         ┌─► replica 0 ─┐          ┌─► replica 0 ─┐
//!  rows ──►  rows 256 … 511   ────┼─► replica 1 ─┼─► merged ┼─► replica 1 ─┼─► merged …
//!            rows 512 … 767       └─► replica 2 ─┘          └─► replica 2 ─┘
//!                                 `sync_rows` rows          `sync_rows` rows
//! ```
//! A row belongs to one replica: replicas take 256 rows each in turn (fewer where not every one could before the next sync), or
//! each the rows of its shards. The replica predicts it, and learns it when its
//! label is known, by the watermark of all rows. Before row `k · sync_rows` all replicas learn what is due by then, are merged,
//! and go on from what they make together. How learners and transforms merge is theirs ([`Learner::merge_since`],
//! [`Transform::merge_since`]); what replicas have in common, having all begun with it, counts once. A snapshot at a version
//! point is of the replicas merged; taking it changes nothing.
//!
//! All of it depends on the rows, their order, the number of replicas and `sync_rows` alone. Replicas do not see each other
//! between two syncs, so they work at once.
//!
//! Cost: a row's own, over as many processors as there are; at a sync, writing and reading each replica's state once or twice.
//! Memory: a model for each replica, and one more; each keeps the texts that it has read since it last sorted them out.
//!
//! [`Learner::merge_since`]: crate::learner::Learner::merge_since
//! [`Transform::merge_since`]: crate::transform::Transform::merge_since

use std::collections::VecDeque;
use std::ops::Range;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::model::labels::Labels;
use crate::model::saved::Learned;
use crate::prequential::{Counts, EventTime, Prequential, Processed, Snapshot, Times, check_times};
use crate::rearrange::{some_rows, together};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::spread::{InTurn, Spread, each};
use crate::training::Arrivals;
use crate::{DataFault, Error, Model, Result};

/// The name of this kind of snapshot.
const KIND: &str = "replicas";

/// The newest format written here.
const FORMAT: u8 = 1;

/// Rows of a replica below which working at once costs more than it gains.
const ROWS_TO_SPREAD_MIN: usize = if cfg!(test) { 4 } else { 64 };

/// So many rows a replica takes at a time, if between two syncs there are as many for each: neighbours, which are copied in one
/// go, and resemble each other on many streams.
const ROWS_IN_TURN_MAX: u64 = 256;

/// Texts that a replica keeps below which those of no use are not looked for.
pub(crate) const TEXTS_TO_SWEEP_MIN: usize = if cfg!(test) { 8 } else { 65_536 };

/// A model trained by replicas. See the [module](self).
#[derive(Debug)]
pub struct Replicas {
    /// What all replicas went on from at the last sync.
    merged: Model,
    replicas: Vec<Prequential>,
    /// How many texts each of them may keep before those of no use go.
    texts_max: Vec<usize>,
    /// Every label met, whichever replica it went to: for the limit on their number, which is of all of them.
    labels: Labels,
    sync_rows: u64,
    /// Rows that have come.
    rows: u64,
    time: EventTime,
    version_points: VecDeque<i64>,
    predicts: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    merged: Vec<u8>,
    replicas: Vec<SavedReplica>,
    rows: u64,
    time: EventTime,
    version_points: VecDeque<i64>,
}

#[derive(Serialize, Deserialize)]
struct SavedReplica {
    prequential: Vec<u8>,
    /// What its transforms keep apart since the last sync.
    apart: Vec<Vec<u8>>,
}

/// Rows of a replica between two times at which it meets the others.
struct Part<'a> {
    replica: &'a mut Prequential,
    /// Rows of the batch.
    rows: &'a [u32],
    /// Which of the rows that the replica has read they are.
    range: Range<usize>,
    outcome: Result<Option<RecordBatch>>,
}

impl Part<'_> {
    fn process(&mut self, times: &Times) {
        if !self.rows.is_empty() {
            let mut predictions = self.replica.model().predictions(self.rows.len());
            let times = times.of(self.rows);
            let processed = self.replica.process_read(self.range.clone(), &times, &mut predictions);
            let model = self.replica.model();
            self.outcome = processed.and_then(|_| model.finish(predictions).map(Some));
        }
    }
}

impl Replicas {
    /// `count` replicas of a model, merged before every `sync_rows`-th row.
    ///
    /// # Errors
    /// [`Error::Merge`] when the learner or a transform cannot be trained in parallel.
    pub fn new(model: Model, count: usize, sync_rows: u64) -> Result<Self> {
        let learned = model.learned();
        let replica = |_| {
            let mut replica = Model::load(&model.save())?;
            replica.labels.lift_limit();
            replica.pipeline.keep_texts();
            replica.branch_from(&learned)?;
            Ok(Prequential::new(replica))
        };
        let replicas = (0..count.max(1)).map(replica).collect::<Result<Vec<_>>>()?;
        let labels = model.labels.clone();
        let mut merged = model;
        merged.labels.lift_limit();
        merged.merge_since(&replicas.iter().map(Prequential::model).collect::<Vec<_>>())?;
        Ok(Self {
            merged,
            texts_max: vec![TEXTS_TO_SWEEP_MIN; replicas.len()],
            replicas,
            labels,
            sync_rows: sync_rows.max(1),
            rows: 0,
            time: EventTime::default(),
            version_points: VecDeque::new(),
            predicts: true,
        })
    }

    /// Predicts no row from now on: rows are only learned, and [`Replicas::process`] gives no predictions.
    pub fn predict_nothing(&mut self) {
        self.predicts = false;
        self.replicas.iter_mut().for_each(Prequential::predict_nothing);
    }

    /// Takes snapshots of the replicas merged at these event times: see [`Prequential::set_version_points`].
    pub fn set_version_points(&mut self, mut points: Vec<i64>) {
        points.sort_unstable();
        points.dedup();
        self.version_points = points.into_iter().filter(|point| *point > self.time.watermark()).collect();
    }

    /// Limits how many rows may wait: each replica has its share of them.
    pub fn set_pending_rows_max(&mut self, max: Option<usize>) {
        let share = max.map(|max| max.div_ceil(self.replicas.len()));
        self.replicas.iter_mut().for_each(|replica| replica.set_pending_rows_max(share));
    }

    /// The model as it was at the last sync; after [`Replicas::finish`], all that was learned.
    pub fn model(&self) -> &Model {
        &self.merged
    }

    /// What became of the rows so far.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts { late_rows: self.time.late_rows, ..Counts::default() };
        for counts in self.replicas.iter().map(Prequential::counts) {
            sum.rows += counts.rows;
            sum.learned_rows += counts.learned_rows;
            sum.unlabelled_rows += counts.unlabelled_rows;
        }
        sum
    }

    /// How many rows wait for their label.
    pub fn pending_rows(&self) -> usize {
        self.replicas.iter().map(Prequential::pending_rows).sum()
    }

    /// Bytes of memory that the models and the waiting rows take.
    pub fn state_bytes(&self) -> usize {
        self.merged.state_bytes() + self.replicas.iter().map(Prequential::state_bytes).sum::<usize>()
    }

    /// What is wrong with a batch: see [`Model::check`].
    ///
    /// # Errors
    /// As [`Model::check`].
    pub fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        self.merged.check_with(&self.labels, batch)
    }

    /// Predicts every row of a batch, and learns what becomes due on the way.
    ///
    /// # Errors
    /// As [`Prequential::process`].
    pub fn process(&mut self, arrivals: &Arrivals<'_>, spread: &dyn Spread) -> Result<Processed> {
        let Arrivals { batch, event_time, label_time, delay, shards } = *arrivals;
        let rows = batch.num_rows();
        check_times(rows, event_time, label_time)?;
        let count = self.replicas.len();
        let spread = if rows < ROWS_TO_SPREAD_MIN * count { &InTurn } else { spread };
        let mut of_replica = vec![Vec::with_capacity(rows / count + 1); count];
        for row in 0..rows {
            let number = shards.map_or((self.rows + row as u64) / self.rows_in_turn(), |shards| shards[row]);
            of_replica[(number % count as u64) as usize].push(row as u32);
        }
        self.read(batch, &of_replica, spread)?;

        let mut watermark = self.time.watermark();
        let times = self.time.take(event_time, label_time, delay);
        let (mut pieces, mut places) = (Vec::new(), vec![(0, 0); if self.predicts { rows } else { 0 }]);
        let mut versions = Vec::new();
        let mut done = vec![0; count];
        let mut start = 0;
        while start < rows {
            if self.rows > 0 && self.rows.is_multiple_of(self.sync_rows) {
                self.sync(watermark, spread)?;
            }
            if let Some(reached) = times.watermarks.get(start) {
                versions.extend(self.pass_version_points(*reached, start, spread)?);
            }
            let end = self.end_of_run(start, rows, &times);
            let mut parts: Vec<Part<'_>> = self
                .replicas
                .iter_mut()
                .zip(&of_replica)
                .zip(&done)
                .map(|((replica, rows), done)| {
                    let next = done + rows[*done..].partition_point(|row| (*row as usize) < end);
                    Part { replica, rows: &rows[*done..next], range: *done..next, outcome: Ok(None) }
                })
                .collect();
            each(spread, &mut parts, |part| part.process(&times));
            for (part, done) in parts.into_iter().zip(&mut done) {
                *done = part.range.end;
                if let Some(predictions) = part.outcome?
                    && self.predicts
                {
                    for (place, row) in part.rows.iter().enumerate() {
                        places[*row as usize] = (pieces.len(), place);
                    }
                    pieces.push(predictions);
                }
            }
            self.rows += (end - start) as u64;
            watermark = times.watermarks.get(end - 1).copied().unwrap_or(watermark);
            start = end;
        }
        let predictions = together(self.merged.finish(self.merged.predictions(0))?, &pieces, &places)?;
        Ok(Processed { predictions, versions })
    }

    /// How many rows a replica takes before it is the next one's turn.
    fn rows_in_turn(&self) -> u64 {
        (self.sync_rows / self.replicas.len() as u64).clamp(1, ROWS_IN_TURN_MAX)
    }

    /// Has each replica read its rows of a batch. On an error, which is that of the first row with one, nothing has changed.
    fn read(&mut self, batch: &RecordBatch, of_replica: &[Vec<u32>], spread: &dyn Spread) -> Result<()> {
        let mark = self.labels.mark();
        let mut outcomes = vec![self.merged.count_labels(&mut self.labels, batch)];
        let mut readers: Vec<_> =
            self.replicas.iter_mut().zip(of_replica).map(|(replica, rows)| (replica, rows, Ok(()))).collect();
        each(spread, &mut readers, |(replica, rows, outcome)| {
            *outcome = some_rows(batch, rows).and_then(|part| replica.read(&part)).map_err(|error| match error {
                Error::Data(fault) => DataFault { row: rows[fault.row] as usize, ..fault }.into(),
                other => other,
            });
        });
        outcomes.extend(readers.into_iter().map(|(_, _, outcome)| outcome));
        DataFault::first_of(outcomes).inspect_err(|_| self.labels.forget(mark))
    }

    /// How far replicas go on from row `start` without seeing each other.
    fn end_of_run(&self, start: usize, rows: usize, times: &Times) -> usize {
        let to_sync = self.sync_rows - self.rows % self.sync_rows;
        let end = rows.min(start.saturating_add(usize::try_from(to_sync).unwrap_or(usize::MAX)));
        match (self.version_points.front(), times.watermarks.get(start..end)) {
            // Watermarks never fall.
            (Some(point), Some(watermarks)) => start + watermarks.partition_point(|time| time < point),
            _ => end,
        }
    }

    /// All replicas learn what is due, and go on from what they make together.
    fn sync(&mut self, watermark: i64, spread: &dyn Spread) -> Result<()> {
        self.advance_to(watermark, spread);
        self.merged.merge_since(&self.replicas.iter().map(Prequential::model).collect::<Vec<_>>())?;
        let learned = self.merged.learned();
        let branches = self.replicas.iter_mut().zip(&mut self.texts_max);
        let mut branches: Vec<_> = branches.map(|(replica, texts_max)| (replica, texts_max, Ok(()))).collect();
        each(spread, &mut branches, |(replica, texts_max, outcome)| *outcome = go_on(replica, &learned, texts_max));
        branches.into_iter().try_for_each(|(_, _, outcome)| outcome)
    }

    fn advance_to(&mut self, time: i64, spread: &dyn Spread) {
        each(spread, &mut self.replicas, |replica| {
            replica.advance_to(time);
        });
    }

    /// The snapshots at version points that the watermark reaches before row `row`.
    fn pass_version_points(&mut self, watermark: i64, row: usize, spread: &dyn Spread) -> Result<Vec<Snapshot>> {
        let mut versions = Vec::new();
        while let Some(time) = self.version_points.front().copied().filter(|point| *point <= watermark) {
            self.version_points.pop_front();
            self.advance_to(time, spread);
            let mut model = Model::load(&self.merged.save())?;
            model.labels.lift_limit();
            model.merge_since(&self.replicas.iter().map(Prequential::model).collect::<Vec<_>>())?;
            versions.push(Snapshot { time, row, rows_learned: model.rows_learned(), artifact: model.save() });
        }
        Ok(versions)
    }

    /// Ends the input: learns every row that waits, and merges. Returns the snapshots at version points not reached before.
    ///
    /// # Errors
    /// [`Error::Merge`] when what was learned cannot be put together.
    pub fn finish(&mut self, spread: &dyn Spread) -> Result<Vec<Snapshot>> {
        let versions = self.pass_version_points(i64::MAX, 0, spread)?;
        self.time.advance(i64::MAX);
        self.sync(i64::MAX, spread)?;
        Ok(versions)
    }

    /// All of it as bytes.
    pub fn save(&self) -> Vec<u8> {
        let replicas = self
            .replicas
            .iter()
            .map(|replica| SavedReplica { prequential: replica.save(), apart: replica.model().pipeline.apart() });
        let saved = Saved {
            merged: self.merged.save(),
            replicas: replicas.collect(),
            rows: self.rows,
            time: self.time,
            version_points: self.version_points.clone(),
        };
        seal(KIND, FORMAT, &encode(&saved))
    }

    /// Goes on from what [`Replicas::save`] wrote, bit for bit, if there were as many replicas. The limit on waiting rows
    /// stays.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the bytes are not such a snapshot, corrupt, or too new.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved: Saved = decode(open(KIND, FORMAT, bytes)?)?;
        if saved.replicas.len() != self.replicas.len() {
            let what = format!("{} replicas, where {} were expected", saved.replicas.len(), self.replicas.len());
            return Err(SnapshotError::Content(what).into());
        }
        self.merged = Model::load(&saved.merged)?;
        // The limit is that of the declaration.
        self.labels = self.merged.labels.clone();
        self.merged.labels.lift_limit();
        for (replica, saved) in self.replicas.iter_mut().zip(&saved.replicas) {
            let mut loaded = load(&saved.prequential)?.like(replica);
            loaded.model_mut().pipeline.load_apart(&saved.apart)?;
            self.labels.know(&loaded.model().labels);
            *replica = loaded;
        }
        self.rows = saved.rows;
        self.time = saved.time;
        self.version_points = saved.version_points;
        Ok(())
    }
}

/// A replica that was saved, but for what its transforms keep apart.
pub(crate) fn load(bytes: &[u8]) -> Result<Prequential> {
    let mut replica = Prequential::load(bytes)?;
    let model = replica.model_mut();
    model.labels.lift_limit();
    model.pipeline.keep_texts();
    model.pipeline.branch();
    Ok(replica)
}

/// Goes on from what replicas have become together. Texts that are of no use any more go when there are many of them.
pub(crate) fn go_on(replica: &mut Prequential, learned: &Learned, texts_max: &mut usize) -> Result<()> {
    replica.model_mut().branch_from(learned)?;
    if replica.model().pipeline.texts() > *texts_max {
        *replica = load(&replica.save())?.like(replica);
        *texts_max = (2 * replica.model().pipeline.texts()).max(TEXTS_TO_SWEEP_MIN);
    }
    Ok(())
}
