//! A shard: the bench on which the states of its keys are laid.

use std::ops::Range;

use arrow::array::RecordBatch;

use super::{KeyState, KeyedSettings, StatesOfShard};
use crate::keys::Keys;
use crate::model::saved::Learned;
use crate::prequential::{Counts, Prequential, Times};
use crate::rearrange::some_rows;
use crate::snapshot::{decode, encode};
use crate::{DataFault, Error, Model, ModelSpec, Result};

/// Texts that a bench keeps from batch to batch; with more it begins anew.
const TEXTS_MAX: usize = 4096;

/// A shard. What it keeps from one batch to the next are counts and buffers: no result depends on them.
#[derive(Debug)]
pub(super) struct Shard {
    spec: ModelSpec,
    bench: Prequential,
    untrained: Learned,
    settings: KeyedSettings,
    /// Rows of the batch at hand, by key and then in their order: as the bench has read them.
    pub(super) rows: Vec<u32>,
    /// Where the rows of each key are among `rows`, and how many of them are through.
    of_keys: Vec<(Range<usize>, usize)>,
    /// Counts of benches before this one.
    counts: Counts,
    /// Rows that wait. In one shard it may be less than nothing: they may have been counted in another.
    pub(super) pending: i64,
}

/// Predictions of some rows, and which of those a model made that had learned nothing.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) rows: Vec<u32>,
    pub(super) predictions: RecordBatch,
    pub(super) untaught: Vec<u32>,
}

fn bench(spec: &ModelSpec, settings: KeyedSettings) -> Result<Prequential> {
    let mut bench = Prequential::new(Model::new(spec.clone())?);
    bench.model_mut().labels.lift_limit();
    bench.model_mut().pipeline.keep_texts();
    bench.set_pending_rows_max(settings.pending_rows_max);
    Ok(bench)
}

impl Shard {
    pub(super) fn new(spec: &ModelSpec, settings: KeyedSettings) -> Result<Self> {
        let bench = bench(spec, settings)?;
        Ok(Self {
            spec: spec.clone(),
            untrained: bench.model().learned(),
            bench,
            settings,
            rows: Vec::new(),
            of_keys: Vec::new(),
            counts: Counts::default(),
            pending: 0,
        })
    }

    /// Reads the rows of a batch whose numbers are in `rows`, and groups them by key.
    pub(super) fn read(&mut self, batch: &RecordBatch, keys: &Keys) -> Result<()> {
        if self.bench.model().pipeline.texts() > TEXTS_MAX {
            // No id of a text is kept from batch to batch.
            self.counts = self.counts();
            self.bench = bench(&self.spec, self.settings)?;
        }
        self.rows.sort_by(|a, b| keys.get(*a as usize).cmp(keys.get(*b as usize)));
        self.of_keys.clear();
        let mut start = 0;
        while start < self.rows.len() {
            let key = keys.get(self.rows[start] as usize);
            let len = self.rows[start..].iter().take_while(|row| keys.get(**row as usize) == key).count();
            self.of_keys.push((start..start + len, 0));
            start += len;
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bench.read(&some_rows(batch, &self.rows)?).map_err(|error| match error {
            Error::Data(fault) => DataFault { row: self.rows[fault.row] as usize, ..fault }.into(),
            other => other,
        })
    }

    /// Processes the rows of the batch in `range`, key by key.
    pub(super) fn process(
        &mut self,
        range: Range<usize>,
        keys: &Keys,
        times: &Times,
        event_time: &[i64],
        states: &mut impl StatesOfShard,
    ) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        // Where classes are those that are met, each key numbers them in its own way.
        let by_key = !self.bench.model().labels.are_targets();
        let mut predictions = self.bench.model().predictions(self.rows.len());
        let (mut rows, mut untaught) = (Vec::new(), Vec::new());
        for k in 0..self.of_keys.len() {
            let (of_key, done) = self.of_keys[k].clone();
            let from = of_key.start + done;
            let len = self.rows[from..of_key.end].partition_point(|row| (*row as usize) < range.end);
            if len == 0 {
                continue;
            }
            self.of_keys[k].1 += len;
            let key = keys.get(self.rows[from] as usize);
            let mut seen = self.lay(states.take(key)?.as_deref())?;
            let before = self.bench.pending_rows();
            let (mut at, end) = (from, from + len);
            while at < end {
                if self.is_over(seen, times, self.rows[at] as usize) {
                    seen = self.lay(None)?;
                }
                // As far as the key is not over in between.
                let mut to = at;
                while to < end && !self.is_over(seen, times, self.rows[to] as usize) {
                    seen = seen.max(event_time.get(self.rows[to] as usize).copied().unwrap_or(seen));
                    to += 1;
                }
                let untaught_before = self.bench.untaught_rows;
                let times = times.of(&self.rows[at..to]);
                self.bench.process_read(at..to, &times, &mut predictions)?;
                let of_nothing = self.bench.untaught_rows - untaught_before;
                untaught.extend_from_slice(&self.rows[at..at + of_nothing]);
                at = to;
            }
            rows.extend_from_slice(&self.rows[from..end]);
            self.pending += self.bench.pending_rows() as i64 - before as i64;
            states.put(key, self.pick_up(seen))?;
            if by_key {
                let model = self.bench.model();
                let made = std::mem::replace(&mut predictions, model.predictions(0));
                pieces.push(Piece {
                    rows: std::mem::take(&mut rows),
                    predictions: model.finish(made)?,
                    untaught: std::mem::take(&mut untaught),
                });
            }
        }
        if !by_key && !rows.is_empty() {
            pieces.push(Piece { rows, predictions: self.bench.model().finish(predictions)?, untaught });
        }
        Ok(pieces)
    }

    /// Whether a key whose last row was at `seen` is over when a row comes. Of a key just begun no row was seen: it is not.
    fn is_over(&self, seen: i64, times: &Times, row: usize) -> bool {
        match (self.settings.ttl, times.watermarks.get(row)) {
            (Some(ttl), Some(watermark)) => seen != i64::MIN && watermark.saturating_sub(seen) >= ttl,
            _ => false,
        }
    }

    /// Lays a state on the bench, or an untrained model; returns when its key was last seen.
    fn lay(&mut self, state: Option<&[u8]>) -> Result<i64> {
        self.bench.begin_anew();
        let Some(state) = state else {
            self.bench.model_mut().resume(&self.untrained)?;
            return Ok(i64::MIN);
        };
        let state: KeyState = decode(state)?;
        self.bench.model_mut().resume(&state.learned)?;
        if let Some(waiting) = state.waiting {
            self.bench.load_waiting(waiting)?;
        }
        Ok(state.seen)
    }

    /// What lies on the bench, as bytes.
    fn pick_up(&self, seen: i64) -> Vec<u8> {
        let waiting = (self.bench.pending_rows() > 0).then(|| self.bench.save_waiting());
        encode(&KeyState { waiting, seen, learned: self.bench.model().learned() })
    }

    /// The state when all is learned that is due at `time`; `None` if that is nothing.
    pub(super) fn advance(&mut self, state: &[u8], time: i64) -> Result<Option<Vec<u8>>> {
        if state.first() == Some(&0) {
            return Ok(None);
        }
        let seen = self.lay(Some(state))?;
        let before = self.bench.pending_rows();
        self.bench.advance_to(time);
        let after = self.bench.pending_rows();
        self.pending += after as i64 - before as i64;
        Ok((after < before).then(|| self.pick_up(seen)))
    }

    pub(super) fn counts(&self) -> Counts {
        let own = self.bench.counts();
        Counts {
            rows: self.counts.rows + own.rows,
            late_rows: 0,
            learned_rows: self.counts.learned_rows + own.learned_rows,
            unlabelled_rows: self.counts.unlabelled_rows + own.unlabelled_rows,
        }
    }

    pub(super) fn set_counts(&mut self, counts: Counts, pending: u64) {
        (self.counts, self.pending) = (counts, pending as i64);
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.bench.state_bytes()
    }
}
