//! `OVER (PARTITION BY … ORDER BY event time …)`: each row with aggregates of the rows before it.
//!
//! ```text
//!            in order of (time, arrival)          ┌ shard 0 { keys, what leaves each frame, functions } ┐
//!  rows ─► [`super::in_order`] ─► hash of the key ┼ shard 1 …                                           ┼─► rows with results
//!                                                 └ shard 2 …                                           ┘
//! ```
//! A row waits until the watermark, judged on this operator's own input, has passed its time: only then are all rows before it,
//! and all of the same time, known. So rows come out in the order of (time, arrival), and none later than the watermark that
//! is passed on. Late rows are dropped and counted. Shards work in parallel; results depend neither on their number nor on
//! which rows are emitted together.
//!
//! | file | what it is |
//! |---|---|
//! | [`frame`] | which rows a frame holds |
//! | [`function`] | what a function is |
//! | [`running`] | COUNT, SUM, AVG, MIN, MAX, variances |
//! | [`accumulated`] | every other aggregate |
//! | [`value`] | LAG, FIRST_VALUE, LAST_VALUE |
//! | [`numbering`] | ROW_NUMBER, RANK, DENSE_RANK |
//!
//! State: the rows that wait; of each key what its frames still hold. Where all frames are bounded by time, keys without a row
//! in reach are forgotten.

pub(crate) mod accumulated;
pub(crate) mod frame;
pub(crate) mod function;
pub(crate) mod numbering;
pub(crate) mod running;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{interleave, nullif, take};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use self::frame::{Frame, Leaving, Rows};
use self::function::OverFunction;
use super::in_order::{self, InOrder};
use super::keys::{Keys, key_schema};
use super::lateness::Lateness;
use super::operator::{AFTER_ALL, Operator};
use super::waiting::Ready;
use crate::plan::attribute::Rowtime;
use crate::{Error, OperatorReport, Result};

/// Makes a function for one shard.
pub(crate) type MakeFunction = Box<dyn Fn() -> Result<Box<dyn OverFunction>> + Send>;

/// One function, its arguments and its frame.
pub(crate) struct Call {
    pub make: MakeFunction,
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// `FILTER (WHERE …)`: elsewhere its arguments are NULL, which it must ignore.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub frame: Frame,
    /// Whether it refers to rows outside of a frame, as LAG and ROW_NUMBER do: then a key is never forgotten.
    pub remembers: bool,
}

/// Where an operator's keyed work is spread.
#[derive(Clone)]
pub(crate) struct Sharding {
    pub shards: usize,
    pub threads: Arc<rayon::ThreadPool>,
}

/// Computes functions OVER the rows of a key in the order of event time.
pub(crate) struct Over {
    rows: InOrder,
    partition: Vec<Arc<dyn PhysicalExpr>>,
    calls: Vec<Call>,
    schema: SchemaRef,
    shards: Vec<Shard>,
    threads: Arc<rayon::ThreadPool>,
    state_bytes_max: u64,
}

/// The keys that hash alike.
struct Shard {
    keys: Keys,
    /// One a distinct frame, and which of them each function has.
    frames: Vec<Leaving>,
    frame_of: Vec<usize>,
    functions: Vec<Box<dyn OverFunction>>,
    /// Whether keys can be forgotten, and how many there may be before the next look for idle ones.
    forgets: bool,
    keys_before_sweep: usize,
    leaving: Vec<Vec<u32>>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    rows: in_order::Saved,
    state_bytes_max: u64,
    shards: Vec<SavedShard>,
}

#[derive(Serialize, Deserialize)]
struct SavedShard {
    keys: Vec<u8>,
    frames: Vec<Vec<u8>>,
    functions: Vec<Vec<u8>>,
}

/// Rows below which spreading them over the threads costs more than it gains.
const ROWS_TO_SPREAD_MIN: usize = if cfg!(test) { 8 } else { 2048 };
/// Keys of a shard below which idle ones are not looked for.
const KEYS_TO_SWEEP_MIN: usize = if cfg!(test) { 2 } else { 1024 };

impl Over {
    /// `schema` is that of the output: the columns of the input, then one a call.
    pub(crate) fn new(
        rowtime: Rowtime,
        partition: Vec<Arc<dyn PhysicalExpr>>,
        calls: Vec<Call>,
        input: &Schema,
        schema: SchemaRef,
        sharding: &Sharding,
    ) -> Result<Self> {
        let keys = key_schema(&partition, input)?;
        let shards = if partition.is_empty() { 1 } else { sharding.shards.max(1) };
        let shards = (0..shards).map(|_| Shard::new(&keys, &calls)).collect::<Result<_>>()?;
        let threads = Arc::clone(&sharding.threads);
        Ok(Self { rows: InOrder::new(rowtime), partition, calls, schema, shards, threads, state_bytes_max: 0 })
    }

    /// The column of the event time.
    pub(crate) fn time(&self) -> usize {
        self.rows.column()
    }

    /// The rows with their results.
    fn evaluate(&mut self, ready: Ready) -> Result<RecordBatch> {
        let Ready { batch, times } = ready;
        let rows = batch.num_rows();
        let column = |expr: &Arc<dyn PhysicalExpr>| Ok(expr.evaluate(&batch)?.into_array(rows)?);
        let keys = self.partition.iter().map(column).collect::<Result<Vec<_>>>()?;
        let mut arguments = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let mut columns = call.arguments.iter().map(column).collect::<Result<Vec<_>>>()?;
            if let Some(filter) = &call.filter {
                let chosen = column(filter)?;
                let left_out: BooleanArray =
                    chosen.as_boolean().iter().map(|chosen| Some(chosen != Some(true))).collect();
                columns = columns.iter().map(|column| Ok(nullif(column, &left_out)?)).collect::<Result<_>>()?;
            }
            arguments.push(columns);
        }
        let part = Part { keys, times, arguments };
        let results = match self.shards.as_mut_slice() {
            [shard] => self.threads.install(|| shard.evaluate(&part))?,
            shards => in_shards(shards, &part, &self.threads)?,
        };
        let columns = batch.columns().iter().cloned().chain(results).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn measure_state(&mut self) -> u64 {
        let shards: usize = self.shards.iter().map(Shard::state_bytes).sum();
        let bytes = (self.rows.state_bytes() + shards) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

/// Rows in order, with what functions and frames need of them.
struct Part {
    keys: Vec<ArrayRef>,
    times: Vec<i64>,
    arguments: Vec<Vec<ArrayRef>>,
}

impl Part {
    /// The same of some rows.
    fn select(&self, rows: &UInt32Array) -> Result<Self> {
        let some = |columns: &Vec<ArrayRef>| {
            columns.iter().map(|column| Ok(take(column, rows, None)?)).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            keys: some(&self.keys)?,
            times: rows.values().iter().map(|row| self.times[*row as usize]).collect(),
            arguments: self.arguments.iter().map(some).collect::<Result<_>>()?,
        })
    }
}

/// Spreads rows over shards by their keys, and puts the results together in the order of the rows.
fn in_shards(shards: &mut [Shard], part: &Part, threads: &rayon::ThreadPool) -> Result<Vec<ArrayRef>> {
    let mut hashes = vec![0; part.times.len()];
    create_hashes(&part.keys, &RandomState::with_seed(0), &mut hashes)?;
    let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); shards.len()];
    let mut places: Vec<(usize, usize)> = Vec::with_capacity(hashes.len());
    for (row, hash) in hashes.iter().enumerate() {
        let shard = (hash % shards.len() as u64) as usize;
        places.push((shard, chosen[shard].len()));
        chosen[shard].push(row as u32);
    }
    // Shards without rows are left out, and the others counted anew.
    let mut used = 0;
    let slots: Vec<usize> = chosen
        .iter()
        .map(|rows| {
            used += usize::from(!rows.is_empty());
            used.saturating_sub(1)
        })
        .collect();
    places.iter_mut().for_each(|(shard, _)| *shard = slots[*shard]);
    let mut work: Vec<(&mut Shard, Vec<u32>)> = shards.iter_mut().zip(chosen).collect();
    work.retain(|(_, rows)| !rows.is_empty());
    let one = |(shard, rows): (&mut Shard, Vec<u32>)| shard.evaluate(&part.select(&UInt32Array::from(rows))?);
    let results: Vec<Vec<ArrayRef>> = match part.times.len() < ROWS_TO_SPREAD_MIN {
        true => work.into_iter().map(one).collect::<Result<_>>()?,
        false => threads.install(|| work.into_par_iter().map(one).collect::<Result<_>>())?,
    };
    (0..part.arguments.len())
        .map(|call| {
            let columns: Vec<&dyn Array> = results.iter().map(|columns| columns[call].as_ref()).collect();
            Ok(interleave(&columns, &places)?)
        })
        .collect()
}

impl Shard {
    fn new(keys: &SchemaRef, calls: &[Call]) -> Result<Self> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut frame_of = Vec::with_capacity(calls.len());
        for call in calls {
            let known = frames.iter().position(|frame| *frame == call.frame);
            frame_of.push(known.unwrap_or(frames.len()));
            if known.is_none() {
                frames.push(call.frame);
            }
        }
        Ok(Self {
            keys: Keys::new(keys)?,
            leaving: vec![Vec::new(); frames.len()],
            frames: frames.into_iter().map(Leaving::new).collect(),
            frame_of,
            functions: calls.iter().map(|call| (call.make)()).collect::<Result<_>>()?,
            forgets: calls.iter().all(|call| !call.remembers && matches!(call.frame, Frame::Range(_))),
            keys_before_sweep: KEYS_TO_SWEEP_MIN,
        })
    }

    /// The results of each function.
    fn evaluate(&mut self, part: &Part) -> Result<Vec<ArrayRef>> {
        self.keys.number(&part.keys, part.times.len())?;
        let (keys, key_count) = self.keys.numbers();
        let rows = Rows { keys, times: &part.times, key_count };
        for (frame, leaving) in self.frames.iter_mut().zip(&mut self.leaving) {
            frame.before(&rows, leaving);
        }
        let (leaving, frame_of) = (&self.leaving, &self.frame_of);
        let results = self.functions.iter_mut().zip(frame_of).zip(&part.arguments);
        let results = results
            .map(|((function, frame), arguments)| function.evaluate(&rows, &leaving[*frame], arguments))
            .collect::<Result<Vec<_>>>()?;
        if let Some(time) = part.times.last()
            && self.forgets
            && key_count > self.keys_before_sweep
        {
            self.sweep(*time)?;
        }
        Ok(results)
    }

    /// Forgets keys without a row in reach of rows from `time` on.
    fn sweep(&mut self, time: i64) -> Result<()> {
        let kept: Vec<bool> =
            (0..self.keys.len()).map(|key| !self.frames.iter().all(|frame| frame.is_idle(key, time))).collect();
        self.keys.retain(&BooleanArray::from(kept.clone()))?;
        self.frames.iter_mut().for_each(|frame| frame.retain(&kept));
        self.functions.iter_mut().for_each(|function| function.retain(&kept));
        // Twice what is left: the cost of looking is spread over as many new keys.
        self.keys_before_sweep = (2 * self.keys.len()).max(KEYS_TO_SWEEP_MIN);
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.keys.state_bytes()
            + self.frames.iter().map(Leaving::state_bytes).sum::<usize>()
            + self.functions.iter().map(|function| function.state_bytes()).sum::<usize>()
    }

    fn save(&mut self) -> Result<SavedShard> {
        Ok(SavedShard {
            keys: self.keys.save()?,
            frames: self.frames.iter().map(Leaving::save).collect(),
            functions: self.functions.iter_mut().map(|function| function.save()).collect::<Result<_>>()?,
        })
    }

    fn restore(&mut self, saved: &SavedShard) -> Result<()> {
        if saved.frames.len() != self.frames.len() || saved.functions.len() != self.functions.len() {
            return Err(Error::Storage("the checkpoint's OVER functions are not those of this job".into()));
        }
        self.keys.restore(&saved.keys)?;
        for (frame, bytes) in self.frames.iter_mut().zip(&saved.frames) {
            frame.restore(bytes)?;
        }
        for (function, bytes) in self.functions.iter_mut().zip(&saved.functions) {
            function.restore(bytes)?;
        }
        Ok(())
    }
}

impl Operator for Over {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if let Some(ready) = self.rows.add(batch)? {
            out.push(self.evaluate(ready)?);
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        if time != AFTER_ALL {
            return Ok(self.rows.watermark());
        }
        self.measure_state();
        if let Some(ready) = self.rows.rest()? {
            out.push(self.evaluate(ready)?);
        }
        Ok(AFTER_ALL)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn lateness(&mut self) -> Option<&mut Lateness> {
        Some(self.rows.lateness())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        Ok(encode(&Saved {
            rows: self.rows.save()?,
            state_bytes_max: self.state_bytes_max,
            shards: self.shards.iter_mut().map(Shard::save).collect::<Result<_>>()?,
        }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let state: Saved = saved(state)?;
        if state.shards.len() != self.shards.len() {
            return Err(Error::Storage("the checkpoint has another number of shards than this job".into()));
        }
        self.rows.restore(state.rows)?;
        self.state_bytes_max = state.state_bytes_max;
        self.shards.iter_mut().zip(&state.shards).try_for_each(|(shard, saved)| shard.restore(saved))
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "OVER".into(),
            rows_late: self.rows.rows_late(),
            state_bytes_max: self.state_bytes_max,
        })
    }
}

/// A part of a checkpoint.
fn saved<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    decode(bytes).map_err(|error| Error::Storage(error.to_string()))
}
