//! `SESSION` over a stream: rows wait until their session has closed, and then come out with its window.
//!
//! ```text
//!  gap 5      time  0    5    10   15   20
//!  key a            [x──x───)                    two rows, one session: from the first to 5 after the last
//!  key b              [y────)     [y────)
//!                              [z────)           a row in between, late but not too late, would join the two
//! ```
//! A row opens a session from its time to `gap` later; sessions of one key that touch are one. A session is closed when the
//! watermark reaches its end: no row that could touch it is to come. A row whose session would be closed when it comes is
//! dropped and counted. Both are judged row by row, as in [`super::window`].
//!
//! Closed sessions come out by their end, those with the same end by their first row. Keys are spread over a fixed number of
//! shards, which work in parallel; results do not depend on it. State: the rows of open sessions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::held::HeldRows;
use super::lateness::{self, LateRow, Lateness};
use super::operator::{AFTER_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::batch::window::{milliseconds, with_windows};
use crate::{Error, OperatorReport, Result};

/// The most rows that come out in one batch.
const ROWS_OUT: usize = 8192;

/// Finds sessions.
pub(crate) struct Sessions {
    time: Arc<dyn PhysicalExpr>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    converter: RowConverter,
    gap_ms: i64,
    lateness: Lateness,
    schema: SchemaRef,
    threads: Arc<rayon::ThreadPool>,
    shards: Vec<Shard>,
    held: HeldRows,
    /// How many rows have come: the number of the next.
    arrived: u64,
    state_bytes_max: u64,
}

/// A session that has not come out yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    start: i64,
    /// The gap after its last row.
    end: i64,
    /// Its rows, by when they arrived.
    rows: Vec<u64>,
}

/// The sessions of some of the keys.
#[derive(Default)]
struct Shard {
    keys: HashMap<Arc<[u8]>, OfKey>,
    /// When to look at a key: at the latest when its first session ends. What is not [`OfKey::due`] is out of date.
    due: BinaryHeap<Reverse<(i64, Arc<[u8]>)>>,
    key_bytes: usize,
}

/// The sessions of one key: as a rule one, or a few where rows come out of order.
#[derive(Default)]
struct OfKey {
    sessions: Vec<Session>,
    due: i64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    lateness: lateness::Saved,
    arrived: u64,
    state_bytes_max: u64,
    /// A shard, a key's bytes, its sessions.
    keys: Vec<(u32, Vec<u8>, Vec<Session>)>,
    /// The numbers of the rows held, and the rows as an Arrow IPC stream.
    numbers: Vec<u64>,
    rows: Vec<u8>,
}

/// A row that a shard takes in.
#[derive(Clone, Copy)]
struct Arrival {
    row: u32,
    time: i64,
    /// The watermark from the rows before.
    watermark: i64,
}

impl Arrival {
    fn late(self) -> LateRow {
        LateRow { row: self.row as usize, time: Some(self.time), watermark: self.watermark }
    }
}

impl Sessions {
    /// `input` and `schema` are those of the rows that come in and that go out.
    #[expect(clippy::too_many_arguments, reason = "what an operator is made of; called in one place")]
    pub(crate) fn new(
        time: Arc<dyn PhysicalExpr>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        gap_ms: i64,
        lateness: Lateness,
        input: SchemaRef,
        schema: SchemaRef,
        shards: usize,
        threads: Arc<rayon::ThreadPool>,
    ) -> Result<Self> {
        let fields = keys.iter().map(|key| Ok(SortField::new(key.data_type(&input)?))).collect::<Result<_>>()?;
        Ok(Self {
            converter: RowConverter::new(fields)?,
            // Without a key there is nothing to spread.
            shards: (0..if keys.is_empty() { 1 } else { shards.max(1) }).map(|_| Shard::default()).collect(),
            held: HeldRows::new(input),
            time,
            keys,
            gap_ms,
            lateness,
            schema,
            threads,
            arrived: 0,
            state_bytes_max: 0,
        })
    }

    /// The rows with a time, for each shard.
    fn spread(&mut self, times: &ArrayRef, keys: &[ArrayRef]) -> Result<Vec<Vec<Arrival>>> {
        let mut hashes = vec![0; times.len()];
        if self.shards.len() > 1 {
            create_hashes(keys, &RandomState::with_seed(0), &mut hashes)?;
        }
        let mut spread = vec![Vec::new(); self.shards.len()];
        for (row, time) in milliseconds(times)?.iter().enumerate() {
            let watermark = self.lateness.watermark();
            // A row without a time is in no session.
            self.lateness.row(time, time.is_none());
            if let Some(time) = time {
                let shard = (hashes[row] % self.shards.len() as u64) as usize;
                spread[shard].push(Arrival { row: row as u32, time, watermark });
            }
        }
        Ok(spread)
    }

    /// Sends out the sessions that have closed.
    fn close(&mut self, watermark: i64, out: &mut Vec<RecordBatch>) -> Result<()> {
        let mut closed: Vec<Session> = self.shards.iter_mut().flat_map(|shard| shard.close(watermark)).collect();
        for session in &mut closed {
            // Two sessions that became one hold their rows one after the other.
            session.rows.sort_unstable();
        }
        closed.sort_unstable_by_key(|session| (session.end, session.rows.first().copied()));
        let (mut rows, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for session in closed {
            for number in session.rows {
                rows.push(number);
                starts.push(session.start);
                ends.push(session.end);
                if rows.len() == ROWS_OUT {
                    self.send(&mut rows, &mut starts, &mut ends, out)?;
                }
            }
        }
        match rows.is_empty() {
            true => Ok(()),
            false => self.send(&mut rows, &mut starts, &mut ends, out),
        }
    }

    fn send(
        &mut self,
        rows: &mut Vec<u64>,
        starts: &mut Vec<i64>,
        ends: &mut Vec<i64>,
        out: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        let batch = self.held.take(rows)?;
        rows.clear();
        out.push(with_windows(&batch, std::mem::take(starts), std::mem::take(ends), &self.schema)?);
        Ok(())
    }

    fn measure_state(&mut self) -> u64 {
        let keys: usize = self.shards.iter().map(|shard| shard.key_bytes).sum();
        let bytes = (self.held.bytes() + keys) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Shard {
    /// Takes rows in, and gives back those that came too late. `first` is the number of the batch's first row.
    fn take_in(&mut self, arrivals: &[Arrival], keys: Option<&Rows>, gap_ms: i64, first: u64) -> Vec<LateRow> {
        let mut late = Vec::new();
        for arrival in arrivals {
            let keyed = keys.map(|keys| keys.row(arrival.row as usize));
            let key = keyed.as_ref().map_or(&[] as &[u8], |key| key.as_ref());
            let number = first + u64::from(arrival.row);
            if let Some(of_key) = self.keys.get_mut(key) {
                if !of_key.take_in(*arrival, gap_ms, number) {
                    late.push(arrival.late());
                } else if of_key.first_end() < of_key.due {
                    of_key.due = of_key.first_end();
                    self.due.push(Reverse((of_key.due, Arc::from(key))));
                }
                continue;
            }
            let mut of_key = OfKey::default();
            match of_key.take_in(*arrival, gap_ms, number) {
                true => self.insert(Arc::from(key), of_key),
                false => late.push(arrival.late()),
            }
        }
        late
    }

    fn insert(&mut self, key: Arc<[u8]>, mut of_key: OfKey) {
        of_key.due = of_key.first_end();
        self.key_bytes += key_bytes(&key);
        self.due.push(Reverse((of_key.due, Arc::clone(&key))));
        self.keys.insert(key, of_key);
    }

    /// Takes out the sessions that a watermark closes.
    fn close(&mut self, watermark: i64) -> Vec<Session> {
        let mut closed = Vec::new();
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= watermark) {
            let Some(Reverse((at, key))) = self.due.pop() else { break };
            let Some(of_key) = self.keys.get_mut(&key).filter(|of_key| of_key.due == at) else { continue };
            closed.extend(of_key.sessions.extract_if(.., |session| session.end <= watermark));
            if of_key.sessions.is_empty() {
                self.key_bytes -= key_bytes(&key);
                self.keys.remove(&key);
            } else {
                of_key.due = of_key.first_end();
                self.due.push(Reverse((of_key.due, key)));
            }
        }
        closed
    }
}

/// What a key takes, with a session and the note of when it is due.
fn key_bytes(key: &[u8]) -> usize {
    key.len() + size_of::<OfKey>() + size_of::<Session>() + size_of::<Reverse<(i64, Arc<[u8]>)>>()
}

impl OfKey {
    /// Takes a row into the session that it touches, which may join two, or opens one for it. `false`: it came too late.
    fn take_in(&mut self, arrival: Arrival, gap_ms: i64, number: u64) -> bool {
        let Arrival { time, watermark, .. } = arrival;
        let end = time.saturating_add(gap_ms);
        let mut mine: Option<usize> = None;
        let mut next = 0;
        while let Some(session) = self.sessions.get(next) {
            // A session that the watermark has closed may still be here, until the end of the batch.
            let open = session.end > watermark;
            if !open || session.start > end || time > session.end {
                next += 1;
                continue;
            }
            match mine {
                None => {
                    let session = &mut self.sessions[next];
                    session.start = session.start.min(time);
                    session.end = session.end.max(end);
                    session.rows.push(number);
                    mine = Some(next);
                    next += 1;
                }
                Some(mine) => {
                    let other = self.sessions.swap_remove(next);
                    let session = &mut self.sessions[mine];
                    session.start = session.start.min(other.start);
                    session.end = session.end.max(other.end);
                    session.rows.extend(other.rows);
                }
            }
        }
        if mine.is_none() {
            if end <= watermark {
                return false;
            }
            self.sessions.push(Session { start: time, end, rows: vec![number] });
        }
        true
    }

    /// When the first of its sessions ends.
    fn first_end(&self) -> i64 {
        self.sessions.iter().map(|session| session.end).min().unwrap_or(i64::MAX)
    }
}

impl Operator for Sessions {
    fn process(&mut self, _input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let times = self.time.evaluate(&batch)?.into_array(rows)?;
        let keys =
            self.keys.iter().map(|key| Ok(key.evaluate(&batch)?.into_array(rows)?)).collect::<Result<Vec<_>>>()?;
        let arrivals = self.spread(&times, &keys)?;
        let keys = if keys.is_empty() { None } else { Some(self.converter.convert_columns(&keys)?) };
        let (keys, gap_ms, first) = (keys.as_ref(), self.gap_ms, self.arrived);
        let shards = &mut self.shards;
        let late: Vec<LateRow> = self.threads.install(|| {
            let take_in = |(shard, arrivals): (&mut Shard, Vec<Arrival>)| shard.take_in(&arrivals, keys, gap_ms, first);
            shards.par_iter_mut().zip(arrivals).flat_map_iter(take_in).collect()
        });
        self.arrived += rows as u64;

        let mut kept: Vec<bool> = (0..rows).map(|row| times.is_valid(row)).collect();
        for late in late {
            kept[late.row] = false;
            self.lateness.late(late);
        }
        self.lateness.end_batch(&batch)?;
        let numbers = (first..).zip(&kept).filter(|(_, kept)| **kept).map(|(number, _)| number).collect();
        let batch = filter_record_batch(&batch, &BooleanArray::from(kept))?;
        self.held.push(numbers, batch)
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        let watermark = self.lateness.advance(time);
        self.measure_state();
        self.close(watermark, out)?;
        // A session that ends just after the watermark has a window_time that equals it, and is yet to come.
        Ok(if watermark == AFTER_ALL { AFTER_ALL } else { watermark.saturating_sub(1) })
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn lateness(&mut self) -> Option<&mut Lateness> {
        Some(&mut self.lateness)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let (numbers, rows) = self.held.all()?;
        let keys = self.shards.iter_mut().enumerate().flat_map(|(shard, of)| {
            of.keys.iter().map(move |(key, of_key)| (shard as u32, key.to_vec(), of_key.sessions.clone()))
        });
        Ok(encode(&Saved {
            lateness: *self.lateness.saved(),
            arrived: self.arrived,
            state_bytes_max: self.state_bytes_max,
            keys: keys.collect(),
            numbers,
            rows: batch_to_bytes(&rows)?,
        }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        self.lateness.restore(saved.lateness);
        (self.arrived, self.state_bytes_max) = (saved.arrived, saved.state_bytes_max);
        for (shard, key, sessions) in saved.keys {
            match self.shards.get_mut(shard as usize) {
                Some(shard) => shard.insert(Arc::from(key), OfKey { sessions, due: i64::MAX }),
                None => return Err(Error::Storage("the checkpoint has more shards than this job".into())),
            }
        }
        self.held.push(saved.numbers, batch_from_bytes(&saved.rows)?)
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "SESSION".into(),
            rows_late: self.lateness.rows_late(),
            state_bytes_max: self.state_bytes_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::lateness::Origin;
    use arrow::array::{AsArray, Int64Array, TimestampMillisecondArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMillisecondType};
    use datafusion::physical_expr::expressions::Column;
    use proptest::prelude::*;

    const GAP: i64 = 5;

    fn schemas() -> (SchemaRef, SchemaRef) {
        let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true);
        let input = vec![Field::new("id", DataType::Int64, true), Field::new("k", DataType::Int64, true), time("t")];
        let added = ["window_start", "window_end", "window_time"].map(time);
        let output = input.iter().cloned().chain(added).collect::<Vec<_>>();
        (Arc::new(Schema::new(input)), Arc::new(Schema::new(output)))
    }

    fn operator(delay_ms: i64, shards: usize) -> Sessions {
        let (input, output) = schemas();
        let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        let lateness = Lateness::new(Origin::Rows { delay_ms });
        let keys: Vec<Arc<dyn PhysicalExpr>> = vec![Arc::new(Column::new("k", 1))];
        Sessions::new(Arc::new(Column::new("t", 2)), keys, GAP, lateness, input, output, shards, threads).unwrap()
    }

    fn batch(first: usize, rows: &[(i64, Option<i64>)]) -> RecordBatch {
        let ids = Int64Array::from_iter_values((first..).take(rows.len()).map(|id| id as i64));
        let keys: Int64Array = rows.iter().map(|(key, _)| (*key > 0).then_some(*key)).collect();
        let times: TimestampMillisecondArray = rows.iter().map(|(_, time)| *time).collect();
        RecordBatch::try_new(schemas().0, vec![Arc::new(ids), Arc::new(keys), Arc::new(times)]).unwrap()
    }

    /// What comes out: each row's number, and its session.
    fn seen(out: &[RecordBatch]) -> Vec<(i64, i64, i64)> {
        let rows = |batch: &RecordBatch| {
            let time =
                |column: usize| batch.column(column).as_primitive::<TimestampMillisecondType>().values().to_vec();
            let ids = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
            ids.into_iter().zip(time(3)).zip(time(4)).map(|((id, start), end)| (id, start, end)).collect::<Vec<_>>()
        };
        out.iter().flat_map(rows).collect()
    }

    /// Runs the operator over rows cut into batches of a size; after each of them it is replaced by its snapshot if wanted.
    fn run(
        rows: &[(i64, Option<i64>)],
        delay: i64,
        size: usize,
        shards: usize,
        resume: bool,
    ) -> (Vec<(i64, i64, i64)>, u64) {
        let (mut operator, mut out) = (operator(delay, shards), Vec::new());
        for (number, part) in rows.chunks(size).enumerate() {
            operator.process(0, batch(number * size, part), &mut out).unwrap();
            // What the source says does not count: the operator has its own watermark.
            operator.watermark(1_000_000, &mut out).unwrap();
            if resume {
                let state = operator.snapshot().unwrap();
                operator = self::operator(delay, shards);
                operator.restore(&state).unwrap();
            }
        }
        operator.watermark(AFTER_ALL, &mut out).unwrap();
        assert_eq!(operator.held.bytes() + operator.shards.iter().map(|shard| shard.key_bytes).sum::<usize>(), 0);
        (seen(&out), operator.lateness.rows_late())
    }

    /// The same, a row at a time, over a plain list of sessions.
    fn expected(rows: &[(i64, Option<i64>)], delay: i64) -> (Vec<(i64, i64, i64)>, u64) {
        let mut sessions: Vec<(i64, i64, i64, Vec<i64>)> = Vec::new();
        let (mut watermark, mut late) = (i64::MIN, 0);
        for (number, (key, time)) in rows.iter().enumerate() {
            let Some(time) = *time else {
                late += 1;
                continue;
            };
            let mut mine = (*key, time, time + GAP, vec![number as i64]);
            let (touched, others): (Vec<_>, Vec<_>) = sessions
                .into_iter()
                .partition(|(k, start, end, _)| k == key && *end > watermark && *start <= time + GAP && time <= *end);
            for (_, start, end, rows) in touched {
                mine = (*key, mine.1.min(start), mine.2.max(end), [rows, mine.3].concat());
            }
            sessions = others;
            if mine.2 > watermark {
                sessions.push(mine);
            } else {
                late += 1;
            }
            watermark = watermark.max(time - delay);
        }
        for session in &mut sessions {
            session.3.sort_unstable();
        }
        sessions.sort_by_key(|(_, _, end, rows)| (*end, rows[0]));
        let out = sessions.iter().flat_map(|(_, start, end, rows)| rows.iter().map(|row| (*row, *start, *end)));
        (out.collect(), late)
    }

    #[test]
    fn a_session_comes_out_when_the_watermark_reaches_its_end() {
        let (mut operator, mut out) = (operator(0, 4), Vec::new());
        operator.process(0, batch(0, &[(1, Some(10)), (2, Some(14))]), &mut out).unwrap();
        // The watermark is 14: a row of key 1 at 15 would still join.
        assert_eq!((operator.watermark(14, &mut out).unwrap(), out.len()), (13, 0));
        operator.process(0, batch(2, &[(2, Some(15))]), &mut out).unwrap();
        assert_eq!(operator.watermark(15, &mut out).unwrap(), 14);
        assert_eq!(seen(&out), [(0, 10, 15)]);
        assert_eq!(operator.watermark(AFTER_ALL, &mut out).unwrap(), AFTER_ALL);
        assert_eq!(seen(&out), [(0, 10, 15), (1, 14, 20), (2, 14, 20)]);
        assert!(operator.operator_report().is_some_and(|report| report.state_bytes_max > 0));
    }

    proptest! {
        #[test]
        fn batches_shards_and_checkpoints_do_not_matter(
            rows in prop::collection::vec((0i64..4, prop::option::weighted(0.95, -30i64..60)), 0..80),
            drift in 0i64..3, delay in 0i64..20,
        ) {
            // Times that drift onwards, so that sessions close in between.
            let rows: Vec<_> = rows
                .into_iter()
                .enumerate()
                .map(|(i, (key, time))| (key, time.map(|time| time + i as i64 * drift)))
                .collect();
            let expected = expected(&rows, delay);
            for (size, shards, resume) in [(1, 1, false), (1, 4, true), (7, 4, false), (7, 1, true), (100, 4, false)] {
                prop_assert_eq!(&run(&rows, delay, size, shards, resume), &expected);
            }
        }
    }
}
