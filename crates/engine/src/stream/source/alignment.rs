//! Parts that go on side by side, such as the partitions of a topic, made one stream in the order of their event times.
//!
//! ```text
//!  part 0   10  12  11  20 │            key of a row: the greatest time of its part up to it
//!  part 1    9  13  13     │  ──►       9  10  12  11  13  13  20       by (key, part)
//! ```
//! A row's key is what its part's watermark is made of, so a row of the merged stream is late, by the rows before it, exactly if
//! it is late among the rows of its own part. That is a watermark a part, without the operators knowing of parts. And no part is
//! read far ahead of another, so that what operators hold for the slowest stays small.
//!
//! A row comes out when every other part has shown a row with a greater key, or is known to be at its end, or is idle: it has
//! given all that there is and nothing has come for a while. Rows of a part that was idle may be late when they come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, interleave_record_batch};
use serde::{Deserialize, Serialize};
use tidegate_connectors::{BadRecord, Chunk, Position};

use crate::Result;
use crate::stream::operator::BEFORE_ALL;

/// No more is read of a part that has so many rows waiting, in batches.
const BATCHES_WAITING_MAX: usize = 2;
/// Shorter runs are put together row by row.
const ROWS_A_RUN_MIN: usize = 32;
/// Nor of one that has so many bytes waiting.
const BYTES_WAITING_MAX: usize = 16 << 20;

/// How far a part has been taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PartPlace {
    /// A place at which the part can be read from again.
    pub position: Position,
    /// How many rows after it were taken too.
    pub rows_after: u64,
    /// The greatest event time so far, in the column's unit.
    pub time_max: i64,
}

impl PartPlace {
    pub(super) fn at(position: Position) -> Self {
        Self { position, rows_after: 0, time_max: BEFORE_ALL }
    }
}

/// Rows that came out, and how far that takes their parts.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    /// The rows; `None` when only bad records or positions moved on.
    pub batch: Option<RecordBatch>,
    pub moved: Vec<(u64, PartPlace)>,
    pub bytes: u64,
    pub bad: Vec<BadRecord>,
}

/// Merges parts.
#[derive(Debug)]
pub(super) struct Alignment {
    parts: BTreeMap<u64, Part>,
    batch_rows: usize,
    /// After how long without rows a part that has given all there is is idle; `None`: never.
    idle_after: Option<Duration>,
}

#[derive(Debug)]
struct Part {
    place: PartPlace,
    pieces: VecDeque<Piece>,
    /// Rows that a checkpoint has taken already and that come again.
    again: u64,
    /// Keys of rows that came in: greater than that of the place by what waits.
    time_max: i64,
    bytes_read: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// More may be on its way.
    Going,
    /// All there was at this moment has come.
    CaughtUp(Instant),
    Idle,
    Ended,
}

/// A chunk that came in.
#[derive(Debug)]
struct Piece {
    batch: RecordBatch,
    keys: Vec<i64>,
    /// Rows before it came out.
    next: usize,
    end: Position,
    bytes: u64,
    bad: Vec<BadRecord>,
}

impl Alignment {
    pub(super) fn new(batch_rows: usize, idle_after: Option<Duration>) -> Self {
        Self { parts: BTreeMap::new(), batch_rows: batch_rows.max(1), idle_after }
    }

    /// A part that will be read from here on.
    pub(super) fn begin(&mut self, part: u64, place: PartPlace) {
        self.parts.entry(part).or_insert_with(|| Part {
            again: place.rows_after,
            time_max: place.time_max,
            place,
            pieces: VecDeque::new(),
            bytes_read: 0,
            state: State::Going,
        });
    }

    /// Takes in a chunk; `times` are the event times of its rows in one unit, where they have one.
    pub(super) fn add(&mut self, chunk: Chunk, times: impl Iterator<Item = Option<i64>>) {
        let number = chunk.position.part;
        self.begin(number, PartPlace::at(Position { part: number, ..Position::default() }));
        let Some(part) = self.parts.get_mut(&number) else { return };
        part.state = State::Going;
        let rows = chunk.batch.num_rows();
        let next = part.again.min(rows as u64) as usize;
        part.again -= next as u64;
        let keys = times.enumerate().map(|(row, time)| {
            // Rows that come again are in the greatest time already.
            if let Some(time) = time.filter(|_| row >= next) {
                part.time_max = part.time_max.max(time);
            }
            part.time_max
        });
        let keys: Vec<i64> = keys.collect();
        let bytes = chunk.bytes.saturating_sub(part.bytes_read);
        part.bytes_read = chunk.bytes;
        part.pieces.push_back(Piece { batch: chunk.batch, keys, next, end: chunk.position, bytes, bad: chunk.bad });
    }

    /// The part has given all that there is at this moment.
    pub(super) fn caught_up(&mut self, part: u64, now: Instant) {
        if let Some(part) = self.parts.get_mut(&part)
            && part.state == State::Going
        {
            part.state = State::CaughtUp(now);
        }
    }

    /// No more will come of the part.
    pub(super) fn ended(&mut self, part: u64) {
        if let Some(part) = self.parts.get_mut(&part) {
            part.state = State::Ended;
        }
    }

    /// Nothing has come until now: parts that have been silent for long are idle.
    pub(super) fn silent(&mut self, now: Instant) {
        let Some(idle_after) = self.idle_after else { return };
        for part in self.parts.values_mut() {
            if let State::CaughtUp(since) = part.state
                && now.saturating_duration_since(since) >= idle_after
            {
                part.state = State::Idle;
            }
        }
    }

    /// Whether nothing waits and no part is awaited.
    pub(super) fn is_idle(&self) -> bool {
        self.parts.values().all(|part| part.pieces.is_empty() && matches!(part.state, State::Idle | State::Ended))
    }

    /// Parts of which enough waits.
    pub(super) fn held(&self) -> BTreeSet<u64> {
        let is_full = |part: &Part| {
            let rows: usize = part.pieces.iter().map(|piece| piece.batch.num_rows() - piece.next).sum();
            let bytes = || part.pieces.iter().map(|piece| piece.batch.get_array_memory_size()).sum::<usize>();
            rows >= BATCHES_WAITING_MAX * self.batch_rows || (part.pieces.len() > 1 && bytes() >= BYTES_WAITING_MAX)
        };
        self.parts.iter().filter(|(_, part)| is_full(part)).map(|(number, _)| *number).collect()
    }

    /// The next rows, up to a batch of them; `None` when a part must be waited for, or nothing waits.
    pub(super) fn take(&mut self) -> Result<Option<Aligned>> {
        let mut out = Aligned::default();
        let mut moved = BTreeSet::new();
        self.end_pieces(&mut out, &mut moved);
        // A row may only come out before anything that an awaited part could still show.
        let awaited = self.parts.iter().filter(|(_, part)| part.is_awaited());
        let limit = awaited.map(|(number, part)| (part.time_max, *number)).min();
        let waiting = self.parts.iter().filter_map(|(number, part)| Some(Reverse((part.key()?, *number))));
        let mut waiting: BinaryHeap<Reverse<(i64, u64)>> = waiting.collect();
        let mut runs: Vec<RecordBatch> = Vec::new();
        let mut rows = 0;
        while rows < self.batch_rows
            && let Some(Reverse((key, number))) = waiting.pop()
        {
            if limit.is_some_and(|limit| (key, number) >= limit) {
                break;
            }
            let Some(part) = self.parts.get_mut(&number) else { break };
            let other = waiting.peek().map(|Reverse(other)| *other);
            let bound = limit.into_iter().chain(other).min();
            let Some((run, more)) = part.take_run(number, bound, self.batch_rows - rows) else { break };
            rows += run.num_rows();
            runs.push(run);
            moved.insert(number);
            if !more && part.is_awaited() {
                // What it shows next is not known, and nothing greater may come out before that.
                break;
            }
            waiting.extend(part.key().map(|key| Reverse((key, number))));
        }
        self.end_pieces(&mut out, &mut moved);
        out.batch = joined(&runs)?;
        out.moved = moved.iter().filter_map(|part| Some((*part, self.parts.get(part)?.place.clone()))).collect();
        Ok((!out.moved.is_empty()).then_some(out))
    }

    /// Takes leave of chunks all of whose rows came out: their bad records count from now on.
    fn end_pieces(&mut self, out: &mut Aligned, moved: &mut BTreeSet<u64>) {
        for (number, part) in &mut self.parts {
            while let Some(piece) = part.pieces.pop_front_if(|piece| piece.next == piece.batch.num_rows()) {
                // Rows of the next chunk may be out already, or rows may still come again.
                part.place.rows_after = part.pieces.front().map_or(part.again, |next| next.next as u64);
                part.place.position = piece.end;
                out.bytes += piece.bytes;
                out.bad.extend(piece.bad);
                moved.insert(*number);
            }
        }
    }
}

impl Part {
    /// Whether what it shows next must be waited for.
    fn is_awaited(&self) -> bool {
        self.key().is_none() && matches!(self.state, State::Going | State::CaughtUp(_))
    }

    /// The key of its next row.
    fn key(&self) -> Option<i64> {
        self.pieces.iter().find_map(|piece| piece.keys.get(piece.next).copied())
    }

    /// Rows of its next piece that come before `bound`, and whether more wait.
    fn take_run(&mut self, number: u64, bound: Option<(i64, u64)>, rows_max: usize) -> Option<(RecordBatch, bool)> {
        let at = self.pieces.iter().position(|piece| piece.next < piece.batch.num_rows())?;
        let piece = &mut self.pieces[at];
        let keys = &piece.keys[piece.next..];
        let before = |bound| keys.partition_point(|key| (*key, number) < bound);
        let rows = bound.map_or(keys.len(), before).clamp(1, rows_max.max(1));
        let run = piece.batch.slice(piece.next, rows);
        self.place.time_max = keys[rows - 1];
        piece.next += rows;
        self.place.rows_after += rows as u64;
        Some((run, self.key().is_some()))
    }
}

/// Runs of rows as one batch.
fn joined(runs: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    let Some(first) = runs.first() else { return Ok(None) };
    if runs.len() == 1 {
        return Ok(Some(first.clone()));
    }
    let rows: usize = runs.iter().map(RecordBatch::num_rows).sum();
    if rows / runs.len() >= ROWS_A_RUN_MIN {
        return Ok(Some(concat_batches(&first.schema(), runs)?));
    }
    let places = runs.iter().enumerate().flat_map(|(i, run)| (0..run.num_rows()).map(move |row| (i, row)));
    let places: Vec<(usize, usize)> = places.collect();
    Ok(Some(interleave_record_batch(&runs.iter().collect::<Vec<_>>(), &places)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;

    const IDLE_AFTER: Duration = Duration::from_secs(5);

    fn chunk(part: u64, offset: u64, times: &[i64]) -> Chunk {
        let times = Arc::new(Int64Array::from(times.to_vec())) as _;
        let batch = RecordBatch::try_from_iter([("time", times)]).unwrap();
        let end = offset + batch.num_rows() as u64;
        let position = Position { part, offset: end, ..Position::default() };
        Chunk { batch, position, bytes: end, bad: Vec::new() }
    }

    fn add(alignment: &mut Alignment, chunk: Chunk) {
        let times: Vec<Option<i64>> = times(&chunk.batch).into_iter().map(Some).collect();
        alignment.add(chunk, times.into_iter());
    }

    fn times(batch: &RecordBatch) -> Vec<i64> {
        batch.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    /// All that may come out now.
    fn take(alignment: &mut Alignment) -> Vec<i64> {
        let mut out = Vec::new();
        while let Some(aligned) = alignment.take().unwrap() {
            out.extend(aligned.batch.iter().flat_map(times));
        }
        out
    }

    fn begun(parts: u64) -> Alignment {
        let mut alignment = Alignment::new(8192, Some(IDLE_AFTER));
        (0..parts).for_each(|part| alignment.begin(part, PartPlace::at(Position { part, ..Position::default() })));
        alignment
    }

    #[test]
    fn rows_come_out_by_the_watermark_of_their_part() {
        let mut alignment = begun(2);
        add(&mut alignment, chunk(0, 0, &[10, 12, 11, 20]));
        assert_eq!(take(&mut alignment), [0; 0], "the other part may have something before 10");
        add(&mut alignment, chunk(1, 0, &[9, 13, 13]));
        assert_eq!(take(&mut alignment), [9, 10, 12, 11, 13, 13]);
        alignment.ended(1);
        assert_eq!(take(&mut alignment), [20]);
    }

    #[test]
    fn a_part_is_waited_for_until_it_is_idle() {
        let (mut alignment, now) = (begun(2), Instant::now());
        add(&mut alignment, chunk(0, 0, &[1, 2]));
        alignment.silent(now + IDLE_AFTER * 100);
        assert_eq!(take(&mut alignment), [0; 0], "more of part 1 may be on its way: silence says nothing");
        alignment.caught_up(1, now);
        alignment.silent(now + IDLE_AFTER / 2);
        assert_eq!(take(&mut alignment), [0; 0]);
        alignment.silent(now + IDLE_AFTER);
        assert_eq!(take(&mut alignment), [1, 2]);
        assert!(!alignment.is_idle(), "part 0 is not");
        // What comes after all comes at once, and part 0 waits for its turn.
        add(&mut alignment, chunk(1, 0, &[0, 5]));
        add(&mut alignment, chunk(0, 2, &[6]));
        assert_eq!(take(&mut alignment), [0, 5]);
        alignment.caught_up(1, now);
        alignment.caught_up(0, now);
        alignment.silent(now + IDLE_AFTER);
        assert_eq!(take(&mut alignment), [6]);
        assert!(alignment.is_idle());
    }

    #[test]
    fn parts_that_are_far_ahead_are_held() {
        let mut alignment = Alignment::new(2, None);
        (0..2).for_each(|part| alignment.begin(part, PartPlace::at(Position { part, ..Position::default() })));
        add(&mut alignment, chunk(0, 0, &[1, 2, 3]));
        assert!(alignment.held().is_empty());
        add(&mut alignment, chunk(0, 3, &[4]));
        assert_eq!(alignment.held(), BTreeSet::from([0]));
    }

    #[test]
    fn bad_records_count_when_the_rows_of_their_chunk_are_out() {
        let mut alignment = Alignment::new(1, None);
        let bad = BadRecord { location: "topic".into(), raw: String::new(), reason: "odd".into() };
        add(&mut alignment, Chunk { bad: vec![bad.clone()], ..chunk(0, 0, &[1, 2]) });
        alignment.ended(0);
        let first = alignment.take().unwrap().unwrap();
        assert_eq!((first.bad.len(), first.moved[0].1.rows_after), (0, 1));
        let second = alignment.take().unwrap().unwrap();
        assert_eq!((second.bad.len(), second.bytes, second.moved[0].1.rows_after), (1, 2, 0));
        // A chunk of bad records alone moves the place all the same.
        add(&mut alignment, Chunk { bad: vec![bad], ..chunk(0, 2, &[]) });
        let third = alignment.take().unwrap().unwrap();
        assert_eq!((third.bad.len(), third.batch.is_none()), (1, true));
    }

    /// Reads parts from their places, in chunks of these sizes, and takes `rows` rows or all.
    fn read(
        parts: &[Vec<i64>],
        places: &mut BTreeMap<u64, PartPlace>,
        sizes: &[usize],
        batch_rows: usize,
        batches: usize,
    ) -> Vec<i64> {
        let mut alignment = Alignment::new(batch_rows, None);
        let mut next: Vec<u64> = Vec::new();
        for part in 0..parts.len() as u64 {
            let start = PartPlace::at(Position { part, ..Position::default() });
            let place = places.entry(part).or_insert(start).clone();
            next.push(place.position.offset);
            alignment.begin(part, place);
        }
        let (mut out, mut taken) = (Vec::new(), 0);
        let mut sizes = sizes.iter().cycle();
        let mut any = true;
        loop {
            while let Some(aligned) = alignment.take().unwrap() {
                out.extend(aligned.batch.iter().flat_map(times));
                places.extend(aligned.moved);
                taken += 1;
                if taken == batches {
                    return out;
                }
            }
            if !any {
                return out;
            }
            let held = alignment.held();
            any = !held.is_empty();
            for (part, rows) in parts.iter().enumerate() {
                let (number, from) = (part as u64, next[part] as usize);
                if held.contains(&number) {
                    continue;
                }
                let to = (from + sizes.next().unwrap()).min(rows.len());
                if to == from {
                    any |= alignment.parts[&number].state != State::Ended;
                    alignment.ended(number);
                    continue;
                }
                any = true;
                add(&mut alignment, chunk(number, from as u64, &rows[from..to]));
                next[part] = to as u64;
            }
        }
    }

    proptest! {
        /// The order is that of the keys, whatever the chunks and batches, and however often it is interrupted.
        #[test]
        fn the_order_depends_on_the_rows_alone(
            parts in prop::collection::vec(prop::collection::vec(0_i64..40, 0..30), 1..5),
            sizes in prop::collection::vec(1_usize..9, 1..6),
            batch_rows in 1_usize..12,
            interrupted_after in 1_usize..7,
        ) {
            let mut expected: Vec<(i64, usize, usize)> = Vec::new();
            for (part, rows) in parts.iter().enumerate() {
                let mut key = BEFORE_ALL;
                for (row, time) in rows.iter().enumerate() {
                    key = key.max(*time);
                    expected.push((key, part, row));
                }
            }
            expected.sort_unstable();
            let expected: Vec<i64> = expected.iter().map(|(_, part, row)| parts[*part][*row]).collect();
            let mut places = BTreeMap::new();
            let mut out = Vec::new();
            loop {
                let more = read(&parts, &mut places, &sizes, batch_rows, interrupted_after);
                if more.is_empty() {
                    break;
                }
                out.extend(more);
            }
            prop_assert_eq!(out, expected);
        }
    }
}
