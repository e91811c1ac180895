//! Aggregates by `HOP` windows: each row is aggregated once, and not once in every window that it is in.
//!
//! ```text
//!  size 6, step 2     0    2    4    6    8
//!  slices             [ a )[ b )[ c )[ d )          groups with their accumulators
//!  windows            [ a   b   c ) = merged when the watermark reaches 6
//!                          [ b   c   d ) = merged when it reaches 8
//! ```
//! A slice is the steps' width. When the watermark has passed a slice it is sealed: its groups become columns of values and
//! states. A window is merged from its slices, the earliest first, when the watermark reaches its end; a slice is freed with
//! the last window that it is part of.
//!
//! A row that is late for some of its windows but not for all comes with each of the others ([`crate::stream::window`] sees to that),
//! and is kept by window. So a slice has all its rows when it is sealed, and what comes out does not depend on when that is.
//!
//! Groups are spread over shards by their key, which the window is no part of. State: the groups of the slices of one window,
//! where groups by window would hold those of all windows that a moment is in.

#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::pane::{Layout, Pane};
use super::{Aggregate, Inputs, ROWS_OUT, as_declared};
use crate::batch::window::milliseconds;
use crate::plan::attribute::WindowEdge;
use crate::plan::window::Windows;
use crate::stream::operator::{BEFORE_ALL, Operator};
use crate::stream::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, OperatorReport, Result};

/// A column of the GROUP BY.
pub(crate) enum GroupColumn {
    /// An edge of the window.
    Edge(WindowEdge),
    /// Part of the key.
    Key(Arc<dyn PhysicalExpr>),
}

/// Aggregates by HOP windows and group.
pub(crate) struct HopAggregate {
    merger: Merger,
    /// Where the input has `window_start` and `window_end`.
    edges: (usize, usize),
    shards: Vec<Shard>,
    threads: Arc<rayon::ThreadPool>,
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
}

/// How windows are made of slices.
struct Merger {
    groups: Vec<GroupColumn>,
    windows: Windows,
    /// Of slices: the window is no part of their groups.
    layout: Layout,
    schema: SchemaRef,
}

/// Some of the keys.
#[derive(Default)]
struct Shard {
    /// By the end of the slice.
    slices: BTreeMap<i64, Slice>,
    /// Rows that were late for some of their windows, by the end of each of the others.
    stragglers: BTreeMap<i64, Slice>,
}

enum Slice {
    Open(Pane),
    /// The keys and the states of their accumulators, in columns.
    Sealed(RecordBatch),
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
    panes: Vec<SavedPane>,
}

#[derive(Serialize, Deserialize)]
struct SavedPane {
    shard: u32,
    end: i64,
    is_slice: bool,
    is_sealed: bool,
    /// An Arrow IPC stream.
    columns: Vec<u8>,
}

impl HopAggregate {
    /// `schema` is that of the output: the group columns, then the aggregates.
    pub(crate) fn new(
        groups: Vec<GroupColumn>,
        edges: (usize, usize),
        windows: Windows,
        aggregates: Vec<Aggregate>,
        schema: SchemaRef,
        shards: usize,
        threads: Arc<rayon::ThreadPool>,
    ) -> Self {
        let keys = groups.iter().zip(schema.fields()).filter(|(group, _)| matches!(group, GroupColumn::Key(_)));
        let keys: Vec<_> = keys.map(|(_, field)| Arc::clone(field)).collect();
        Self {
            merger: Merger {
                groups,
                windows,
                layout: Layout {
                    aggregates,
                    group_schema: Arc::new(Schema::new(keys)),
                    window_end: None,
                    shared: false,
                    marks: false,
                },
                schema,
            },
            edges,
            shards: (0..shards.max(1)).map(|_| Shard::default()).collect(),
            threads,
            watermark: BEFORE_ALL,
            rows_late: 0,
            state_bytes_max: 0,
        }
    }

    fn has_ended(&self, end: i64) -> bool {
        end.saturating_sub(1) <= self.watermark
    }

    /// Makes columns of the slices that the watermark has passed.
    fn seal(&mut self) -> Result<()> {
        let watermark = self.watermark;
        self.threads.install(|| {
            self.shards.par_iter_mut().try_for_each(|shard| {
                let last = watermark.saturating_add(1);
                let passed = shard.slices.range_mut(..=last).chain(shard.stragglers.range_mut(..=last));
                for (_, slice) in passed {
                    if let Slice::Open(pane) = slice {
                        *slice = Slice::Sealed(pane.take_state()?);
                    }
                }
                Ok(())
            })
        })
    }

    /// The ends of the windows that have ended since the watermark was `before`, and have rows.
    fn ended_since(&self, before: i64) -> BTreeSet<i64> {
        let Windows { step_ms, size_ms, .. } = self.merger.windows;
        let mut ends = BTreeSet::new();
        let mut add = |end: i64| {
            if self.has_ended(end) && end.saturating_sub(1) > before {
                ends.insert(end);
            }
        };
        for shard in &self.shards {
            for slice in shard.slices.keys() {
                (0..size_ms / step_ms).for_each(|i| add(slice.saturating_add(i * step_ms)));
            }
            shard.stragglers.keys().for_each(|end| add(*end));
        }
        ends
    }

    fn measure_state(&mut self) -> u64 {
        let of = |shard: &Shard| {
            let slices = shard.slices.values().chain(shard.stragglers.values());
            let bytes = slices.map(|slice| match slice {
                Slice::Open(pane) => pane.state_bytes(),
                Slice::Sealed(state) => state.get_array_memory_size(),
            });
            bytes.sum::<usize>()
        };
        let bytes = self.shards.iter().map(of).sum::<usize>() as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Merger {
    /// The rows of a window that a shard has.
    fn merged(&self, shard: &Shard, end: i64) -> Result<Option<RecordBatch>> {
        let first = end.saturating_sub(self.windows.size_ms).saturating_add(1);
        let mut parts = shard.slices.range(first..=end).chain(shard.stragglers.get_key_value(&end)).peekable();
        if parts.peek().is_none() {
            return Ok(None);
        }
        let mut pane = Pane::new(end, &self.layout)?;
        for (part, slice) in parts {
            match slice {
                Slice::Sealed(state) => pane.merge(state, &self.layout)?,
                Slice::Open(_) => return Err(Error::Internal(format!("the slice up to {part} is not sealed"))),
            }
        }
        let results = pane.results()?;
        let rows = results.first().map_or(0, |column| column.len());
        // The keys, then the aggregates.
        let mut results = results.into_iter();
        let start = end.saturating_sub(self.windows.size_ms);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for group in &self.groups {
            columns.push(match group {
                GroupColumn::Key(_) => results.next().ok_or_else(|| Error::Internal("a key is missing".into()))?,
                GroupColumn::Edge(edge) => {
                    let time = match edge {
                        WindowEdge::Start => start,
                        WindowEdge::End => end,
                        WindowEdge::Last => end.saturating_sub(1),
                    };
                    Arc::new(TimestampMillisecondArray::from_value(time, rows))
                }
            });
        }
        columns.extend(results);
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), as_declared(columns, &self.schema)?)?))
    }
}

/// Takes the rows of one shard in, each by its window or slice.
fn update(shard: &mut Shard, inputs: &Inputs, places: &[(bool, i64)], layout: &Layout) -> Result<()> {
    let mut from = 0;
    for run in places.chunk_by(|a, b| a == b) {
        let (is_straggler, end) = run[0];
        let part;
        let rows = match run.len() == places.len() {
            true => inputs,
            false => {
                part = inputs.select(|column| Ok(column.slice(from, run.len())))?;
                &part
            }
        };
        from += run.len();
        let slices = if is_straggler { &mut shard.stragglers } else { &mut shard.slices };
        let slice = match slices.entry(end) {
            Entry::Occupied(slice) => slice.into_mut(),
            Entry::Vacant(free) => free.insert(Slice::Open(Pane::new(end, layout)?)),
        };
        match slice {
            Slice::Open(pane) => pane.update(rows, layout)?,
            Slice::Sealed(_) => return Err(Error::Internal(format!("a row came after its slice up to {end}"))),
        }
    }
    Ok(())
}

impl Operator for HopAggregate {
    fn process(&mut self, _input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let (starts, ends) = (milliseconds(batch.column(self.edges.0))?, milliseconds(batch.column(self.edges.1))?);
        let keys = self.merger.groups.iter().filter_map(|group| match group {
            GroupColumn::Key(key) => Some(key.evaluate(&batch).and_then(|key| key.into_array(rows))),
            GroupColumn::Edge(_) => None,
        });
        let keys = keys.collect::<Result<Vec<ArrayRef>, _>>()?;
        let mut hashes = vec![0; rows];
        if !keys.is_empty() {
            create_hashes(&keys, &RandomState::with_seed(0), &mut hashes)?;
        }
        let inputs = Inputs::new(keys, Arc::new(ends.clone()), &self.merger.layout.aggregates, &batch)?;
        // Where each row goes: its shard, and there its window or slice.
        let shards = self.shards.len() as u64;
        let mut chosen: Vec<Vec<(bool, i64, u32)>> = vec![Vec::new(); self.shards.len()];
        for (row, ((start, end), hash)) in starts.values().iter().zip(ends.values()).zip(&hashes).enumerate() {
            if self.has_ended(*end) {
                self.rows_late += 1;
                continue;
            }
            let is_straggler = end.saturating_sub(*start) != self.merger.windows.step_ms;
            chosen[(hash % shards) as usize].push((is_straggler, *end, row as u32));
        }
        let layout = &self.merger.layout;
        self.threads.install(|| {
            self.shards.par_iter_mut().zip(chosen).try_for_each(|(shard, mut rows)| {
                if rows.is_empty() {
                    return Ok(());
                }
                if !rows.is_sorted() {
                    rows.sort_unstable();
                }
                let places: Vec<(bool, i64)> = rows.iter().map(|(straggler, end, _)| (*straggler, *end)).collect();
                let rows: UInt32Array = rows.into_iter().map(|(_, _, row)| row).collect::<Vec<_>>().into();
                let part = inputs.select(|column| Ok(take(column, &rows, None)?))?;
                update(shard, &part, &places, layout)
            })
        })
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        let before = self.watermark;
        self.watermark = self.watermark.max(time);
        self.measure_state();
        self.seal()?;
        let ends = self.ended_since(before);
        let (merger, shards, threads) = (&self.merger, &mut self.shards, &self.threads);
        let of_shard =
            |shard: &mut Shard| ends.iter().map(|end| merger.merged(shard, *end)).collect::<Result<Vec<_>>>();
        let of_shards = threads.install(|| shards.par_iter_mut().map(of_shard).collect::<Result<Vec<_>>>())?;
        let of_window = |window: usize| of_shards.iter().filter_map(move |shard| shard[window].as_ref());
        let merged: Vec<&RecordBatch> = (0..ends.len()).flat_map(of_window).collect();
        let mut from = 0;
        while from < merged.len() {
            let (mut to, mut rows) = (from, 0);
            while to < merged.len() && rows < ROWS_OUT {
                rows += merged[to].num_rows();
                to += 1;
            }
            out.push(concat_batches(&self.merger.schema, merged[from..to].iter().copied())?);
            from = to;
        }
        let (watermark, last) = (self.watermark, self.merger.windows.size_ms - self.merger.windows.step_ms);
        let is_open = |end: i64| end.saturating_sub(1) > watermark;
        for shard in &mut self.shards {
            shard.slices.retain(|end, _| is_open(end.saturating_add(last)));
            shard.stragglers.retain(|end, _| is_open(*end));
        }
        Ok(time)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let mut panes = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (slices, is_slice) in [(&mut shard.slices, true), (&mut shard.stragglers, false)] {
                for (end, slice) in slices {
                    let (state, is_sealed) = match slice {
                        Slice::Sealed(state) => (state.clone(), true),
                        Slice::Open(pane) => (pane.state(&self.merger.layout)?, false),
                    };
                    let columns = batch_to_bytes(&state)?;
                    panes.push(SavedPane { shard: number as u32, end: *end, is_slice, is_sealed, columns });
                }
            }
        }
        let (watermark, rows_late, state_bytes_max) = (self.watermark, self.rows_late, self.state_bytes_max);
        Ok(encode(&Saved { watermark, rows_late, state_bytes_max, panes }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.rows_late) = (saved.watermark, saved.rows_late);
        self.state_bytes_max = saved.state_bytes_max;
        for SavedPane { shard, end, is_slice, is_sealed, columns } in saved.panes {
            let state = batch_from_bytes(&columns)?;
            let Some(shard) = self.shards.get_mut(shard as usize) else {
                return Err(Error::Storage("the checkpoint has more shards than this job".into()));
            };
            let slice = match is_sealed {
                true => Slice::Sealed(state),
                false => Slice::Open(Pane::from_state(end, &state, &self.merger.layout)?),
            };
            let slices = if is_slice { &mut shard.slices } else { &mut shard.stragglers };
            slices.insert(end, slice);
        }
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "window aggregate".into(),
            rows_late: self.rows_late,
            state_bytes_max: self.state_bytes_max,
        })
    }
}
