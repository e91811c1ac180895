//! LAG, FIRST_VALUE and LAST_VALUE: values of other rows, of any type.
//!
//! ```text
//!  key ─► places of its rows ─► chunk 0 | chunk 1 | …      (a chunk: the values of rows that were emitted together)
//! ```
//! A chunk is freed when no key refers to it; when most of what chunks hold is referred to by no key, or chunks are many and
//! small, what is referred to is moved into one. State: one value and its place for each row that a key still refers to.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{interleave, take};
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::encode;

use super::frame::{Frame, Rows, retain};
use super::function::OverFunction;
use crate::stream::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, Result};

/// Which row's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// The row so many rows before; without one, the default.
    Lag(u64),
    /// The first row of the frame.
    First(Frame),
}

/// The value of an earlier row.
pub(crate) struct EarlierValue {
    which: Which,
    /// What is given where there is no such row.
    default: ArrayRef,
    keys: Vec<VecDeque<Place>>,
    chunks: Vec<Option<Chunk>>,
    free: Vec<u32>,
    /// Values that chunks hold, and those that keys refer to.
    held: usize,
    referred: usize,
}

/// Where a value is.
#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: u32,
    row: u32,
}

struct Chunk {
    values: ArrayRef,
    referred: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// How many values each key refers to.
    counts: Vec<u64>,
    /// The values, key by key.
    values: Option<Vec<u8>>,
}

/// Values that chunks may hold without any key referring to them.
const UNREFERRED_MAX: usize = if cfg!(test) { 8 } else { 16 * 1024 };
/// Chunks that there may be, besides one for each sixteen values.
const CHUNKS_MAX: usize = if cfg!(test) { 4 } else { 256 };

impl EarlierValue {
    pub(crate) fn new(which: Which, default: &ScalarValue) -> Result<Self> {
        let default = default.to_array()?;
        let (chunks, free) = (Vec::new(), Vec::new());
        Ok(Self { which, default, keys: Vec::new(), chunks, free, held: 0, referred: 0 })
    }

    fn add_chunk(&mut self, values: ArrayRef) -> u32 {
        self.held += values.len();
        let chunk = Some(Chunk { values, referred: 0 });
        match self.free.pop() {
            Some(number) => {
                self.chunks[number as usize] = chunk;
                number
            }
            None => {
                self.chunks.push(chunk);
                self.chunks.len() as u32 - 1
            }
        }
    }

    fn refer(&mut self, key: usize, place: Place) {
        if let Some(chunk) = &mut self.chunks[place.chunk as usize] {
            chunk.referred += 1;
        }
        self.referred += 1;
        self.keys[key].push_back(place);
    }

    /// Lets go of the key's earliest value. Chunks that nothing refers to any more are added to `spent`.
    fn release(&mut self, key: usize, spent: &mut Vec<u32>) {
        let Some(place) = self.keys[key].pop_front() else { return };
        self.referred -= 1;
        if let Some(chunk) = &mut self.chunks[place.chunk as usize] {
            chunk.referred -= 1;
            if chunk.referred == 0 {
                spent.push(place.chunk);
            }
        }
    }

    /// Frees chunks if nothing refers to them.
    fn free(&mut self, spent: Vec<u32>) {
        for number in spent {
            let chunk = &mut self.chunks[number as usize];
            if let Some(freed) = chunk.take_if(|chunk| chunk.referred == 0) {
                self.held -= freed.values.len();
                self.free.push(number);
            }
        }
    }

    /// The values at some places.
    fn values(&self, places: &[Option<Place>]) -> Result<ArrayRef> {
        let mut used: Vec<u32> = places.iter().flatten().map(|place| place.chunk).collect();
        used.sort_unstable();
        used.dedup();
        let mut arrays: Vec<&dyn Array> = Vec::with_capacity(used.len() + 1);
        for number in &used {
            match &self.chunks[*number as usize] {
                Some(chunk) => arrays.push(&chunk.values),
                None => return Err(Error::Internal("a value of an earlier row was freed too early".into())),
            }
        }
        arrays.push(&self.default);
        let default = (used.len(), 0);
        let chosen: Vec<(usize, usize)> = places
            .iter()
            .map(|place| match place {
                Some(place) => (used.partition_point(|number| *number < place.chunk), place.row as usize),
                None => default,
            })
            .collect();
        Ok(interleave(&arrays, &chosen)?)
    }

    /// Moves what keys refer to into one chunk.
    fn compact(&mut self) -> Result<()> {
        let places: Vec<Option<Place>> = self.keys.iter().flatten().map(|place| Some(*place)).collect();
        let values = if places.is_empty() { self.default.slice(0, 0) } else { self.values(&places)? };
        self.held = values.len();
        self.free.clear();
        self.chunks = vec![Some(Chunk { referred: values.len() as u32, values })];
        for (row, place) in self.keys.iter_mut().flatten().enumerate() {
            *place = Place { chunk: 0, row: row as u32 };
        }
        Ok(())
    }

    fn is_loose(&self) -> bool {
        let chunks = self.chunks.len() - self.free.len();
        self.held > 2 * self.referred + UNREFERRED_MAX || chunks > CHUNKS_MAX + self.referred / 16
    }
}

impl OverFunction for EarlierValue {
    fn evaluate(&mut self, rows: &Rows<'_>, leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef> {
        self.keys.resize(rows.key_count, VecDeque::new());
        let chunk = self.add_chunk(Arc::clone(&arguments[0]));
        let mut spent = vec![chunk];
        let mut places = Vec::with_capacity(rows.keys.len());
        for (row, key) in rows.keys.iter().copied().enumerate() {
            let place = Place { chunk, row: row as u32 };
            match self.which {
                Which::Lag(offset) => {
                    let offset = offset as usize;
                    self.refer(key, place);
                    let known = self.keys[key].len() > offset;
                    places.push(if known { self.keys[key].front().copied() } else { None });
                    if known {
                        self.release(key, &mut spent);
                    }
                }
                Which::First(frame) => {
                    for _ in 0..leaving.get(row).copied().unwrap_or_default() {
                        self.release(key, &mut spent);
                    }
                    if frame.is_bounded() || self.keys[key].is_empty() {
                        self.refer(key, place);
                    }
                    places.push(self.keys[key].front().copied());
                }
            }
        }
        let values = self.values(&places)?;
        self.free(spent);
        if self.is_loose() {
            self.compact()?;
        }
        Ok(values)
    }

    fn retain(&mut self, kept: &[bool]) {
        let mut spent = Vec::new();
        for (key, kept) in kept.iter().enumerate() {
            while !kept && !self.keys[key].is_empty() {
                self.release(key, &mut spent);
            }
        }
        self.free(spent);
        retain(&mut self.keys, kept);
    }

    fn state_bytes(&self) -> usize {
        let places: usize = self.keys.iter().map(|places| places.capacity() * size_of::<Place>()).sum();
        let chunks = self.chunks.iter().flatten().map(|chunk| chunk.values.get_array_memory_size());
        places + self.keys.capacity() * size_of::<VecDeque<Place>>() + chunks.sum::<usize>()
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        self.compact()?;
        let counts = self.keys.iter().map(|places| places.len() as u64).collect();
        let values = match &self.chunks[0] {
            Some(chunk) if !chunk.values.is_empty() => {
                let batch = RecordBatch::try_from_iter_with_nullable([("v", Arc::clone(&chunk.values), true)])?;
                Some(batch_to_bytes(&batch)?)
            }
            _ => None,
        };
        Ok(encode(&Saved { counts, values }))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved: Saved = super::saved(bytes)?;
        self.keys = saved.counts.iter().map(|_| VecDeque::new()).collect();
        let Some(values) = saved.values else { return Ok(()) };
        let values = Arc::clone(batch_from_bytes(&values)?.column(0));
        if saved.counts.iter().sum::<u64>() != values.len() as u64 {
            return Err(Error::Storage("the checkpoint's values are not as many as its keys refer to".into()));
        }
        let chunk = self.add_chunk(values);
        let keys = saved.counts.iter().enumerate().flat_map(|(key, count)| (0..*count).map(move |_| key));
        for (row, key) in keys.enumerate() {
            self.refer(key, Place { chunk, row: row as u32 });
        }
        Ok(())
    }
}

/// `LAST_VALUE(x)`: of the current row, or under RANGE of the last row of its time. Stateless: all rows of a time come at once.
pub(crate) struct LastValue {
    frame: Frame,
    /// The last row of each key, in the block being evaluated.
    last: Vec<u32>,
}

impl LastValue {
    pub(crate) fn new(frame: Frame) -> Self {
        Self { frame, last: Vec::new() }
    }
}

impl OverFunction for LastValue {
    fn evaluate(&mut self, rows: &Rows<'_>, _leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef> {
        self.last.resize(rows.key_count, 0);
        let mut chosen = Vec::with_capacity(rows.keys.len());
        for block in rows.blocks(self.frame.has_peers()) {
            for row in block.clone() {
                self.last[rows.keys[row]] = row as u32;
            }
            chosen.extend(block.map(|row| self.last[rows.keys[row]]));
        }
        Ok(take(&arguments[0], &UInt32Array::from(chosen), None)?)
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.last, kept);
    }

    fn state_bytes(&self) -> usize {
        0
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
}
