//! Which rows a frame holds: which peers come in together, and how many rows have left before a row comes in.

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Where a frame begins. It ends at the current row, or under RANGE at the last row of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW`.
    AllRows,
    /// `ROWS BETWEEN n PRECEDING AND CURRENT ROW`.
    Rows(u64),
    /// `RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW`.
    AllTime,
    /// `RANGE BETWEEN INTERVAL … PRECEDING AND CURRENT ROW`, in the unit of the time column.
    Range(i64),
}

impl Frame {
    /// Whether rows leave it.
    pub(crate) fn is_bounded(self) -> bool {
        matches!(self, Frame::Rows(_) | Frame::Range(_))
    }

    /// Whether rows of the same time are in each other's frames.
    pub(crate) fn has_peers(self) -> bool {
        matches!(self, Frame::AllTime | Frame::Range(_))
    }
}

/// Rows of one shard that are emitted together, in the order of (time, arrival). All rows of one time are among them.
pub(crate) struct Rows<'a> {
    /// The number of each row's key.
    pub keys: &'a [usize],
    pub times: &'a [i64],
    /// How many keys there are by now.
    pub key_count: usize,
}

impl Rows<'_> {
    /// The rows in groups that come in together: those of one time if there are peers, else one by one.
    pub(crate) fn blocks(&self, peers: bool) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut start = 0;
        std::iter::from_fn(move || {
            let time = self.times.get(start)?;
            let same = if peers { self.times[start..].iter().take_while(|t| *t == time).count() } else { 1 };
            let block = start..start + same;
            start = block.end;
            Some(block)
        })
    }
}

/// What a bounded frame still holds of each key, to tell when rows leave.
pub(crate) struct Leaving {
    frame: Frame,
    held: Held,
}

#[derive(Serialize, Deserialize)]
enum Held {
    /// Nothing leaves.
    Unbounded,
    /// How many rows of each key.
    Rows(Vec<u64>),
    /// The times of each key's rows.
    Times(Vec<VecDeque<i64>>),
}

impl Leaving {
    pub(crate) fn new(frame: Frame) -> Self {
        let held = match frame {
            Frame::AllRows | Frame::AllTime => Held::Unbounded,
            Frame::Rows(_) => Held::Rows(Vec::new()),
            Frame::Range(_) => Held::Times(Vec::new()),
        };
        Self { frame, held }
    }

    /// For each row, how many rows of its key leave the frame before it comes in; empty if none ever do.
    pub(crate) fn before(&mut self, rows: &Rows<'_>, leaving: &mut Vec<u32>) {
        leaving.clear();
        match (self.frame, &mut self.held) {
            (Frame::Rows(preceding), Held::Rows(held)) => {
                held.resize(rows.key_count, 0);
                leaving.extend(rows.keys.iter().map(|key| {
                    let full = held[*key] > preceding;
                    held[*key] += u64::from(!full);
                    u32::from(full)
                }));
            }
            (Frame::Range(reach), Held::Times(held)) => {
                held.resize(rows.key_count, VecDeque::new());
                leaving.extend(rows.keys.iter().zip(rows.times).map(|(key, time)| {
                    let (held, from) = (&mut held[*key], time.saturating_sub(reach));
                    let mut left = 0;
                    while held.front().is_some_and(|time| *time < from) {
                        held.pop_front();
                        left += 1;
                    }
                    held.push_back(*time);
                    left
                }));
            }
            _ => {}
        }
    }

    /// Whether no row after `time` can have a row of this key in its frame.
    pub(crate) fn is_idle(&self, key: usize, time: i64) -> bool {
        match (self.frame, &self.held) {
            (Frame::Range(reach), Held::Times(held)) => {
                held[key].back().is_none_or(|last| *last < time.saturating_sub(reach))
            }
            _ => false,
        }
    }

    /// Keeps some of the keys.
    pub(crate) fn retain(&mut self, kept: &[bool]) {
        match &mut self.held {
            Held::Unbounded => {}
            Held::Rows(held) => retain(held, kept),
            Held::Times(held) => retain(held, kept),
        }
    }

    pub(crate) fn state_bytes(&self) -> usize {
        match &self.held {
            Held::Unbounded => 0,
            Held::Rows(held) => held.capacity() * 8,
            Held::Times(held) => held.iter().map(|times| times.capacity() * 8 + size_of_val(times)).sum(),
        }
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        tidegate_ml::snapshot::encode(&self.held)
    }

    pub(crate) fn restore(&mut self, bytes: &[u8]) -> crate::Result<()> {
        self.held = super::saved(bytes)?;
        Ok(())
    }
}

/// Keeps the elements of a list whose keys are kept.
pub(crate) fn retain<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next().copied().unwrap_or(false));
}
