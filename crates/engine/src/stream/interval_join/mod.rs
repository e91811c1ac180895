//! Joins two streams where the time of one bounds the time of the other:
//! `a.id = b.id AND b.ts BETWEEN a.ts - INTERVAL x AND a.ts + INTERVAL y`.
//!
//! ```text
//!   left  a ──────●──────────────────────────►      a waits until the watermark has passed a.ts + y:
//!           a.ts-x├───────────┤a.ts+y               then it is freed, and if nothing matched, emitted with NULLs
//!   right b ────────────●────────────────────►      a and b are emitted when the watermark has passed both
//! ```
//! The watermark is the least of both inputs'. Results come in the order of the later of their two times (of a row without a
//! match: the end of its interval), then of the arrival of the left row, then of the right one. All rows up to the watermark
//! have arrived by then, so neither what is emitted nor its order depends on how batches of the two inputs follow each
//! other, or on how long they are. It relies on its inputs to bring no row below their watermark: [`super::in_time`] sees to
//! that.
//!
//! **Event time of the result.** Both time columns go on as event times. The left time of a result is never after the moment
//! at which it is emitted, and at most `y` before it (0 if `y` is negative), so with a delay of `y` no result is late for
//! what comes next; the right time likewise with `x`. These delays take the place of the tables' own, since the join has put
//! the rows in order. The right time of a left join is no event time, as it may be NULL; nor are other times that the inputs
//! have. The watermark that is passed on is the join's less the greater of both delays.
//!
//! State: the rows of both sides from the interval before the watermark on, and about 70 bytes more for each. Work: a row
//! visits the rows of its key on the other side back to the start of its interval. Keys are spread over shards, which work in
//! parallel.

mod buffer;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use self::buffer::{Buffer, NO_ROW};
use self::shard::{Freed, Pair, Shard, Waiting};
use super::join::{ROWS_A_BATCH, Residual, Side, batch, holds, keyed};
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, OperatorReport, Result};

/// How far the right time may lie from the left one, in milliseconds: `left + lower <= right <= left + upper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub lower_ms: i64,
    pub upper_ms: i64,
}

impl Interval {
    /// The right times that match a left one.
    fn of_right(self, left: i64) -> (i64, i64) {
        (left.saturating_add(self.lower_ms), left.saturating_add(self.upper_ms))
    }

    /// The left times that match a right one.
    fn of_left(self, right: i64) -> (i64, i64) {
        (right.saturating_sub(self.upper_ms), right.saturating_sub(self.lower_ms))
    }

    /// How long after its left time a result may be emitted.
    pub(crate) fn left_delay_ms(self) -> i64 {
        self.upper_ms.max(0)
    }

    /// How long after its right time a result may be emitted.
    pub(crate) fn right_delay_ms(self) -> i64 {
        self.lower_ms.saturating_neg().max(0)
    }
}

/// What a side of a join is joined by.
pub(crate) struct JoinInput {
    pub schema: SchemaRef,
    /// The time column.
    pub time: usize,
    /// The values that must be equal, in the order of the other side's.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
}

/// Joins two streams.
pub(crate) struct IntervalJoin {
    left: Input,
    right: Input,
    interval: Interval,
    residual: Option<Residual>,
    /// Whether rows of the left side without a match are kept, with NULLs.
    outer: bool,
    schema: SchemaRef,
    shards: Vec<Shard>,
    threads: Arc<rayon::ThreadPool>,
    watermark: i64,
    state_bytes_max: u64,
}

/// A side of the join.
struct Input {
    time: usize,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Where the keys lie among the columns kept: the input's own, then keys that are computed.
    key_columns: Vec<usize>,
    /// The input's own columns.
    own_columns: Vec<usize>,
    buffer: Buffer,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    state_bytes_max: u64,
    /// The rows of each side as an Arrow IPC stream.
    left: Vec<u8>,
    right: Vec<u8>,
    /// Which of the left have found a match.
    matched: Vec<bool>,
}

impl IntervalJoin {
    pub(crate) fn new(
        (left, right): (JoinInput, JoinInput),
        interval: Interval,
        residual: Option<Residual>,
        outer: bool,
        schema: SchemaRef,
        shards: usize,
        threads: Arc<rayon::ThreadPool>,
    ) -> Result<Self> {
        Ok(Self {
            left: Input::new(left)?,
            right: Input::new(right)?,
            interval,
            residual,
            outer,
            schema,
            shards: (0..shards.max(1)).map(|_| Shard::default()).collect(),
            threads,
            watermark: BEFORE_ALL,
            state_bytes_max: 0,
        })
    }

    /// The pairs for which keys are equal, not only their hashes, and the residual predicate is true.
    fn verified(&self, pairs: Vec<Pair>) -> Result<Vec<Pair>> {
        let verify = |pairs: &[Pair]| {
            let (left, right) = numbers(pairs);
            let keys = self.left.buffer.gather(&self.left.key_columns, &left)?;
            let others = self.right.buffer.gather(&self.right.key_columns, &right)?;
            let residual = match &self.residual {
                None => None,
                Some(residual) => {
                    let mut columns = self.left.buffer.gather(&residual.left, &left)?;
                    columns.extend(self.right.buffer.gather(&residual.right, &right)?);
                    Some((residual, columns))
                }
            };
            let holds = holds(pairs.len(), (&keys, &others), residual)?;
            let holds = holds.iter().zip(pairs).filter(|(holds, _)| *holds == Some(true));
            Ok(holds.map(|(_, pair)| *pair).collect::<Vec<_>>())
        };
        let parts = self.threads.install(|| pairs.par_chunks(ROWS_A_BATCH).map(verify).collect::<Result<Vec<_>>>())?;
        Ok(parts.concat())
    }

    /// The rows of pairs, side by side.
    fn joined(&self, pairs: &[Pair]) -> Result<RecordBatch> {
        let (left, right) = numbers(pairs);
        let mut columns = self.left.buffer.gather(&self.left.own_columns, &left)?;
        columns.extend(self.right.buffer.gather(&self.right.own_columns, &right)?);
        batch(&self.schema, columns, pairs.len())
    }

    /// Takes rows of a side in.
    fn take(&mut self, side: Side, rows: RecordBatch, keys: &[ArrayRef]) -> Result<()> {
        let input = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        let time = cast(rows.column(input.time), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let time = time.as_primitive::<TimestampMillisecondType>();
        let nulls = keyed(keys);
        let mut hashes = vec![0; rows.num_rows()];
        create_hashes(keys, &RandomState::with_seed(0), &mut hashes)?;
        let first = input.buffer.push(rows)?;
        for (row, (time, hash)) in time.values().iter().zip(hashes).enumerate() {
            let keyed = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            // The low and the high bits of a hash are those that the tables inside a shard go by.
            let shard = (hash >> 24) % self.shards.len() as u64;
            let hash = keyed.then_some(hash);
            self.shards[shard as usize].push(Waiting { time: *time, side, number: first + row as u64, hash });
        }
        Ok(())
    }

    fn measure_state(&mut self) -> u64 {
        let shards: usize = self.shards.iter().map(Shard::bytes).sum();
        let bytes = (self.left.buffer.bytes() + self.right.buffer.bytes() + shards) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }

    /// The rows of a side that are kept, and their numbers, in the order of arrival.
    fn kept(&self, side: Side) -> Result<(RecordBatch, Vec<u64>)> {
        let input = match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        };
        let mut numbers: Vec<u64> = self.shards.iter().flat_map(|shard| shard.numbers(side)).collect();
        numbers.sort_unstable();
        let schema = input.buffer.schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let rows = match numbers.is_empty() {
            true => RecordBatch::new_empty(Arc::clone(schema)),
            false => batch(schema, input.buffer.gather(&columns, &numbers)?, numbers.len())?,
        };
        Ok((rows, numbers))
    }
}

impl Input {
    fn new(input: JoinInput) -> Result<Self> {
        let own = input.schema.fields().len();
        let mut fields: Vec<Field> = input.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut key_columns = Vec::with_capacity(input.keys.len());
        for key in &input.keys {
            key_columns.push(match key.downcast_ref::<Column>() {
                Some(column) => column.index(),
                None => {
                    fields.push(Field::new(format!("key {}", fields.len()), key.data_type(&input.schema)?, true));
                    fields.len() - 1
                }
            });
        }
        let buffer = Buffer::new(Arc::new(Schema::new(fields)));
        Ok(Self { time: input.time, keys: input.keys, key_columns, own_columns: (0..own).collect(), buffer })
    }

    /// The batch with the keys that are computed, which are kept, too.
    fn with_keys(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for (key, column) in self.keys.iter().zip(&self.key_columns) {
            if *column >= self.own_columns.len() {
                columns.push(key.evaluate(rows)?.into_array(rows.num_rows())?);
            }
        }
        batch(self.buffer.schema(), columns, rows.num_rows())
    }

    fn keys_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key_columns.iter().map(|column| Arc::clone(rows.column(*column))).collect()
    }
}

impl Operator for IntervalJoin {
    fn process(&mut self, input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let (side, input) = match input {
            0 => (Side::Left, &self.left),
            _ => (Side::Right, &self.right),
        };
        let mut rows = input.with_keys(&batch)?;
        let mut keys = input.keys_of(&rows);
        // A row whose key has a NULL matches nothing: it is only kept if it is to be emitted all the same.
        if !(self.outer && side == Side::Left)
            && let Some(nulls) = keyed(&keys)
        {
            rows = filter_record_batch(&rows, &BooleanArray::new(nulls.into_inner(), None))?;
            keys = input.keys_of(&rows);
        }
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.take(side, rows, &keys)
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        let (watermark, interval) = (self.watermark, self.interval);
        self.measure_state();

        let (shards, threads) = (&mut self.shards, &self.threads);
        let met: Vec<Vec<Pair>> =
            threads.install(|| shards.par_iter_mut().map(|shard| shard.advance(watermark, interval)).collect());
        let freed: Vec<Freed> =
            threads.install(|| shards.par_iter_mut().map(|shard| shard.free(watermark, interval)).collect());

        let mut pairs = self.verified(met.concat())?;
        if self.outer {
            pairs.iter().for_each(|pair| self.left.buffer.set_matched(pair.left));
            for (time, left) in freed.iter().flat_map(|freed| &freed.left) {
                if !self.left.buffer.is_matched(*left) {
                    let time = interval.of_right(*time).1.max(*time);
                    pairs.push(Pair { time, left: *left, right: NO_ROW });
                }
            }
        }
        let joined = self.threads.install(|| {
            pairs.par_sort_unstable();
            pairs.par_chunks(ROWS_A_BATCH).map(|pairs| self.joined(pairs)).collect::<Result<Vec<_>>>()
        });
        out.extend(joined?);
        self.left.buffer.release(freed.iter().flat_map(|freed| &freed.left).map(|(_, number)| *number));
        self.right.buffer.release(freed.iter().flat_map(|freed| &freed.right).copied());
        Ok(match watermark {
            AFTER_ALL => AFTER_ALL,
            _ => watermark.saturating_sub(interval.left_delay_ms().max(interval.right_delay_ms())),
        })
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let ((left, numbers), (right, _)) = (self.kept(Side::Left)?, self.kept(Side::Right)?);
        Ok(encode(&Saved {
            watermark: self.watermark,
            state_bytes_max: self.state_bytes_max,
            left: batch_to_bytes(&left)?,
            right: batch_to_bytes(&right)?,
            matched: numbers.iter().map(|number| self.left.buffer.is_matched(*number)).collect(),
        }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.state_bytes_max) = (saved.watermark, saved.state_bytes_max);
        for (side, bytes) in [(Side::Left, &saved.left), (Side::Right, &saved.right)] {
            let rows = batch_from_bytes(bytes)?;
            let input = if side == Side::Left { &self.left } else { &self.right };
            if rows.num_columns() != input.buffer.schema().fields().len() {
                return Err(Error::Storage("the checkpoint is of another join; run with --fresh".into()));
            }
            let keys = input.keys_of(&rows);
            if rows.num_rows() > 0 {
                self.take(side, rows, &keys)?;
            }
        }
        for (number, _) in saved.matched.iter().enumerate().filter(|(_, matched)| **matched) {
            self.left.buffer.set_matched(number as u64);
        }
        self.shards.iter_mut().for_each(|shard| shard.settle(saved.watermark));
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let operator = "interval join".to_string();
        Some(OperatorReport { operator, rows_late: 0, state_bytes_max: self.state_bytes_max })
    }
}

/// The numbers of the left and the right rows of pairs.
fn numbers(pairs: &[Pair]) -> (Vec<u64>, Vec<u64>) {
    pairs.iter().map(|pair| (pair.left, pair.right)).unzip()
}
