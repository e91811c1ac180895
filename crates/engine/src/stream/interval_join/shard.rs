//! The rows of some keys of both sides, met in the order of event time.
//!
//! ```text
//!  arrived ──► waiting (a heap by time) ──watermark──► log of its side ──no match possible any more──► freed
//!                                            └ probes the log of the other side
//! ```
//! A row leaves the heap when the watermark has passed it. All rows before it have left by then, whichever side they are on,
//! so each pair is found once, when its later row leaves, and the logs are sorted by time. A log's rows of one key are a
//! list from the latest to the earliest; freeing takes rows from the log's front, which is the far end of the lists.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::Interval;
use super::buffer::NO_ROW;
use crate::stream::join::Side;
use crate::stream::operator::AFTER_ALL;

/// A row that the watermark has not passed, in the order in which it will leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub time: i64,
    pub side: Side,
    pub number: u64,
    /// Of its key; `None` where the key has a NULL, which nothing matches.
    pub hash: Option<u64>,
}

/// Two rows whose keys have one hash and whose times fit, or a row of the left side and [`NO_ROW`]; in the order in which
/// they are emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub time: i64,
    pub left: u64,
    pub right: u64,
}

/// Rows freed: of the left side with their times, since some have not found a match.
#[derive(Default)]
pub(super) struct Freed {
    pub left: Vec<(i64, u64)>,
    pub right: Vec<u64>,
}

/// Some of the keys.
#[derive(Default)]
pub(super) struct Shard {
    waiting: BinaryHeap<Reverse<Waiting>>,
    left: Log,
    right: Log,
}

impl Shard {
    pub(super) fn push(&mut self, row: Waiting) {
        self.waiting.push(Reverse(row));
    }

    /// Meets the rows that the watermark has passed.
    pub(super) fn advance(&mut self, watermark: i64, interval: Interval) -> Vec<Pair> {
        let mut pairs = Vec::new();
        while let Some(row) = self.next(watermark) {
            let Waiting { time, number, .. } = row;
            if let Some(hash) = row.hash {
                match row.side {
                    Side::Left => {
                        let (from, to) = interval.of_right(time);
                        self.right.find(hash, from, to, |right| pairs.push(Pair { time, left: number, right }));
                    }
                    Side::Right => {
                        let (from, to) = interval.of_left(time);
                        self.left.find(hash, from, to, |left| pairs.push(Pair { time, left, right: number }));
                    }
                }
            }
            self.log(row.side).push(row);
        }
        pairs
    }

    /// Puts rows back that had met those before them when the state was saved.
    pub(super) fn settle(&mut self, watermark: i64) {
        while let Some(row) = self.next(watermark) {
            self.log(row.side).push(row);
        }
    }

    /// Frees the rows that no row to come can match.
    pub(super) fn free(&mut self, watermark: i64, interval: Interval) -> Freed {
        let mut freed = Freed::default();
        let over = |latest: i64| latest < watermark || watermark == AFTER_ALL;
        while let Some(row) = self.left.pop_front(|time| over(interval.of_right(time).1)) {
            freed.left.push((row.time, row.number));
        }
        while let Some(row) = self.right.pop_front(|time| over(interval.of_left(time).1)) {
            freed.right.push(row.number);
        }
        freed
    }

    /// The numbers of the rows of a side that are kept.
    pub(super) fn numbers(&self, side: Side) -> impl Iterator<Item = u64> {
        let log = match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        };
        let waiting = self.waiting.iter().filter(move |row| row.0.side == side).map(|row| row.0.number);
        log.rows.iter().map(|row| row.number).chain(waiting)
    }

    pub(super) fn bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Waiting>() + self.left.bytes() + self.right.bytes()
    }

    fn next(&mut self, watermark: i64) -> Option<Waiting> {
        let first = self.waiting.peek()?.0;
        if first.time >= watermark && watermark != AFTER_ALL {
            return None;
        }
        self.waiting.pop().map(|row| row.0)
    }

    fn log(&mut self, side: Side) -> &mut Log {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

/// Rows of a side, by time.
#[derive(Default)]
struct Log {
    rows: VecDeque<Row>,
    /// How many were freed: the place of a row is counted from the first ever.
    freed: u64,
    /// For each hash of a key, the place of its latest row.
    latest: HashTable<(u64, u64)>,
}

struct Row {
    time: i64,
    number: u64,
    hash: Option<u64>,
    /// The place of the row before it with the same hash, which may have been freed; [`NO_ROW`] if there was none.
    before: u64,
}

impl Log {
    fn push(&mut self, row: Waiting) {
        let place = self.freed + self.rows.len() as u64;
        let before = match row.hash {
            None => NO_ROW,
            Some(hash) => match self.latest.entry(hash, |known| known.0 == hash, |known| known.0) {
                Slot::Occupied(mut known) => std::mem::replace(&mut known.get_mut().1, place),
                Slot::Vacant(free) => {
                    free.insert((hash, place));
                    NO_ROW
                }
            },
        };
        self.rows.push_back(Row { time: row.time, number: row.number, hash: row.hash, before });
    }

    /// The rows of a hash with times between two, ends included, from the latest back.
    fn find(&self, hash: u64, from: i64, to: i64, mut found: impl FnMut(u64)) {
        let Some((_, latest)) = self.latest.find(hash, |known| known.0 == hash) else { return };
        let at = |place: u64| self.rows.get(place.checked_sub(self.freed)? as usize);
        let mut row = at(*latest);
        while let Some(Row { time, number, before, .. }) = row {
            if *time < from {
                return;
            }
            if *time <= to {
                found(*number);
            }
            row = if *before == NO_ROW { None } else { at(*before) };
        }
    }

    /// Takes the earliest row out if its time is over.
    fn pop_front(&mut self, over: impl Fn(i64) -> bool) -> Option<Row> {
        if !over(self.rows.front()?.time) {
            return None;
        }
        let row = self.rows.pop_front()?;
        // Its key is forgotten with its last row.
        if let Some(hash) = row.hash
            && let Ok(latest) = self.latest.find_entry(hash, |known| known.0 == hash)
            && latest.get().1 == self.freed
        {
            latest.remove();
        }
        self.freed += 1;
        Some(row)
    }

    fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.latest.allocation_size()
    }
}
