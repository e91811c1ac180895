//! Aggregates by window: `GROUP BY window_start, window_end, …`; over a stream that ends also those without a window, which are
//! given at its end.
//!
//! ```text
//!  shard = hash of the group ─►  window_end ─► pane { group values, one accumulator an aggregate }
//! ```
//! A pane's groups are emitted, and its memory freed, when the watermark reaches the window's end. Groups are spread over a
//! fixed number of shards; shards work in parallel. Results depend on the number of shards only in their order, never on
//! the number of threads. State: one accumulator a group of every open window. Sessions, each with an end of its own, share
//! panes: see [`pane`]. Windows that overlap are merged from what they have in common: see [`hop`].
//!
//! Early results, if wanted, are given when the watermark passes a multiple of their interval: of each group that had rows
//! since it last came out, the result so far.

pub(crate) mod hop;
mod pane;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{cast, concat_batches, filter, filter_record_batch, take, take_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use self::pane::{Layout, Pane, Panes};
use super::lateness::{self, Lateness, Origin};
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use super::window::is_due;
use crate::function::final_result;
use crate::{Error, OperatorReport, Result};

/// Closed windows are joined into batches of about so many rows.
const ROWS_OUT: usize = 8192;

/// One aggregate: its function and what selects its rows (`FILTER (WHERE …)`).
pub(crate) struct Aggregate {
    pub function: Arc<AggregateFunctionExpr>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// Which windows' results are given when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Emission {
    /// The group column with the window's end, at which a group is complete. Without one that is the end of the input.
    pub window_end: Option<usize>,
    /// The windows are sessions: many, each with an end of its own.
    pub sessions: bool,
    /// The interval of early results in milliseconds.
    pub early_ms: Option<i64>,
}

/// Aggregates by window and group.
pub(crate) struct WindowAggregate {
    groups: Vec<Arc<dyn PhysicalExpr>>,
    emission: Emission,
    layout: Layout,
    schema: SchemaRef,
    shards: Vec<Panes>,
    threads: Arc<rayon::ThreadPool>,
    lateness: Lateness,
    state_bytes_max: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    lateness: lateness::Saved,
    state_bytes_max: u64,
    panes: Vec<SavedPane>,
}

#[derive(Serialize, Deserialize)]
struct SavedPane {
    shard: u32,
    /// The first and the last of its windows' ends.
    ends: (i64, i64),
    /// The groups with their states, as an Arrow IPC stream.
    groups: Vec<u8>,
    touched: Vec<bool>,
}

impl WindowAggregate {
    /// `schema` is that of the output: the group columns, then the aggregates.
    pub(crate) fn new(
        groups: Vec<Arc<dyn PhysicalExpr>>,
        emission: Emission,
        aggregates: Vec<Aggregate>,
        schema: SchemaRef,
        shards: usize,
        threads: Arc<rayon::ThreadPool>,
    ) -> Self {
        let group_schema = Arc::new(Schema::new(schema.fields()[..groups.len()].to_vec()));
        Self {
            groups,
            emission,
            layout: Layout {
                aggregates,
                group_schema,
                window_end: emission.window_end,
                shared: emission.sessions,
                marks: emission.early_ms.is_some(),
            },
            schema,
            shards: (0..shards.max(1)).map(|_| Panes::default()).collect(),
            threads,
            lateness: Lateness::new(Origin::Input),
            state_bytes_max: 0,
        }
    }

    /// Emits the groups of windows that have ended.
    fn close(&mut self, watermark: i64, out: &mut Vec<RecordBatch>) -> Result<()> {
        if self.groups.is_empty() && watermark == AFTER_ALL && self.shards.iter().all(Panes::is_empty) {
            // The one group is there without any row.
            let of_nothing =
                |aggregate: &Aggregate| Ok(aggregate.function.create_accumulator()?.evaluate()?.to_array()?);
            let columns = self.layout.aggregates.iter().map(of_nothing).collect::<Result<_>>()?;
            out.push(RecordBatch::try_new(Arc::clone(&self.schema), as_declared(columns, &self.schema)?)?);
            return Ok(());
        }
        let mut closed = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (end, mut pane) in shard.close(watermark.saturating_add(1), &self.layout)? {
                closed.push((end, number, pane.results()?));
            }
        }
        // By the end of the window, then by shard. Rows of shared panes are sorted one by one, below.
        if !self.emission.sessions {
            closed.sort_by_key(|(end, shard, _)| (*end, *shard));
        }
        let closed = closed.into_iter().map(|(_, _, columns)| columns).collect();
        let mut closed = self.batches(closed)?;
        if let (true, Some(end)) = (self.emission.sessions, self.emission.window_end)
            && !closed.is_empty()
        {
            closed = by_end(concat_batches(&self.schema, &closed)?, end)?;
        }
        out.extend(closed);
        Ok(())
    }

    /// Emits what is known so far of the groups that had rows since they last came out.
    fn give_early(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        let mut early = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (end, pane) in shard.iter_mut() {
                if let Some(touched) = pane.take_touched() {
                    let columns = pane.results_so_far(&self.layout)?;
                    early.push((end, number, columns, touched));
                }
            }
        }
        early.sort_by_key(|(end, shard, ..)| (*end, *shard));
        let rows: Vec<bool> = early.iter().flat_map(|(_, _, _, touched)| touched.iter().copied()).collect();
        let rows = BooleanArray::from(rows);
        let mut start = 0;
        for batch in self.batches(early.into_iter().map(|(_, _, columns, _)| columns).collect())? {
            let touched = filter_record_batch(&batch, &rows.slice(start, batch.num_rows()))?;
            start += batch.num_rows();
            out.push(self.marked_early(touched)?);
        }
        Ok(())
    }

    /// The batch with FALSE where a column tells whether a result is final.
    fn marked_early(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let tells = self.layout.aggregates.iter().map(|aggregate| final_result::is(aggregate.function.fun()));
        let mut columns = batch.columns().to_vec();
        for (column, _) in columns[self.groups.len()..].iter_mut().zip(tells).filter(|(_, tells)| *tells) {
            *column = Arc::new(BooleanArray::from(vec![false; batch.num_rows()]));
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }

    /// Panes' columns as batches: many windows of a row or two become one.
    fn batches(&self, panes: Vec<Vec<ArrayRef>>) -> Result<Vec<RecordBatch>> {
        let (mut batches, mut waiting, mut rows) = (Vec::new(), Vec::new(), 0);
        for columns in panes {
            let pane = RecordBatch::try_new(Arc::clone(&self.schema), as_declared(columns, &self.schema)?)?;
            rows += pane.num_rows();
            waiting.push(pane);
            if rows >= ROWS_OUT {
                batches.push(concat_batches(&self.schema, &std::mem::take(&mut waiting))?);
                rows = 0;
            }
        }
        if rows > 0 {
            batches.push(concat_batches(&self.schema, &waiting)?);
        }
        Ok(batches)
    }

    /// What every aggregate needs of a batch.
    fn inputs(&self, batch: &RecordBatch) -> Result<Inputs> {
        let rows = batch.num_rows();
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| Ok(expr.evaluate(batch)?.into_array(rows)?);
        let groups = self.groups.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let ends = match self.emission.window_end {
            Some(end) => cast(&groups[end], &DataType::Timestamp(TimeUnit::Millisecond, None))?,
            None => Arc::new(TimestampMillisecondArray::from_value(AFTER_ALL, rows)),
        };
        Inputs::new(groups, ends, &self.layout.aggregates, batch)
    }

    fn measure_state(&mut self) -> u64 {
        let bytes = self.shards.iter().map(Panes::state_bytes).sum::<usize>() as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

/// Rows by the end of their window, those of one window as they stand.
fn by_end(batch: RecordBatch, end: usize) -> Result<Vec<RecordBatch>> {
    let ends = cast(batch.column(end), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
    let ends = ends.as_primitive::<TimestampMillisecondType>().values();
    let sorted = if ends.is_sorted() {
        batch
    } else {
        let mut order: Vec<u32> = (0..ends.len() as u32).collect();
        order.sort_by_key(|row| ends[*row as usize]);
        take_record_batch(&batch, &UInt32Array::from(order))?
    };
    let rows = sorted.num_rows();
    Ok((0..rows).step_by(ROWS_OUT).map(|start| sorted.slice(start, ROWS_OUT.min(rows - start))).collect())
}

/// The arguments of every aggregate for some rows, with the selecting filter of each.
struct Inputs {
    groups: Vec<ArrayRef>,
    ends: ArrayRef,
    arguments: Vec<Vec<ArrayRef>>,
    filters: Vec<Option<BooleanArray>>,
}

impl Inputs {
    /// With what the aggregates need of a batch.
    fn new(groups: Vec<ArrayRef>, ends: ArrayRef, aggregates: &[Aggregate], batch: &RecordBatch) -> Result<Self> {
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| -> Result<ArrayRef> {
            Ok(expr.evaluate(batch)?.into_array(batch.num_rows())?)
        };
        let arguments = aggregates
            .iter()
            .map(|aggregate| aggregate.function.expressions().iter().map(evaluate).collect::<Result<Vec<_>>>())
            .collect::<Result<Vec<_>>>()?;
        let filters = aggregates
            .iter()
            .map(|aggregate| match &aggregate.filter {
                Some(filter) => Ok(Some(evaluate(filter)?.as_boolean().clone())),
                None => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { groups, ends, arguments, filters })
    }

    fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The same for some of the rows.
    fn select(&self, select: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<Self> {
        let all = |columns: &[ArrayRef]| columns.iter().map(&select).collect::<Result<Vec<_>>>();
        Ok(Self {
            groups: all(&self.groups)?,
            ends: select(&self.ends)?,
            arguments: self.arguments.iter().map(|columns| all(columns)).collect::<Result<_>>()?,
            filters: self
                .filters
                .iter()
                .map(|filter| match filter {
                    Some(filter) => {
                        let selected = select(&(Arc::new(filter.clone()) as ArrayRef))?;
                        Ok(Some(selected.as_boolean().clone()))
                    }
                    None => Ok(None),
                })
                .collect::<Result<_>>()?,
        })
    }
}

impl Operator for WindowAggregate {
    fn process(&mut self, _input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let mut inputs = self.inputs(&batch)?;

        let watermark = self.lateness.watermark();
        let in_time: BooleanArray = inputs
            .ends
            .as_primitive::<TimestampMillisecondType>()
            .iter()
            .map(|end| {
                let last = end.map(|end| end.saturating_sub(1));
                let in_time = last.is_some_and(|last| last > watermark);
                self.lateness.row(last, !in_time);
                Some(in_time)
            })
            .collect();
        self.lateness.end_batch(&batch)?;
        if in_time.true_count() < rows {
            inputs = inputs.select(|column| Ok(filter(column, &in_time)?))?;
        }
        if inputs.rows() == 0 {
            return Ok(());
        }

        let layout = &self.layout;
        // Groups that differ only in their window, or not at all, need no spreading.
        if self.groups.iter().enumerate().all(|(i, _)| Some(i) == self.emission.window_end) || self.shards.len() == 1 {
            let shard = &mut self.shards[0];
            return self.threads.install(|| shard.update(&inputs, layout));
        }
        let mut hashes = vec![0; inputs.rows()];
        create_hashes(&inputs.groups, &RandomState::with_seed(0), &mut hashes)?;
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); self.shards.len()];
        for (row, hash) in hashes.iter().enumerate() {
            chosen[(hash % self.shards.len() as u64) as usize].push(row as u32);
        }
        let shards = &mut self.shards;
        self.threads.install(|| {
            shards.par_iter_mut().zip(chosen).try_for_each(|(shard, rows)| {
                if rows.is_empty() {
                    return Ok(());
                }
                let rows = UInt32Array::from(rows);
                let part = inputs.select(|column| Ok(take(column, &rows, None)?))?;
                shard.update(&part, layout)
            })
        })
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        let before = self.lateness.watermark();
        let now = self.lateness.advance(time);
        self.measure_state();
        self.close(now, out)?;
        // What is still open: at the end of the input nothing.
        if let Some(every) = self.emission.early_ms
            && before != BEFORE_ALL
            && is_due(before, now, every)
        {
            self.give_early(out)?;
        }
        Ok(time)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn lateness(&mut self) -> Option<&mut Lateness> {
        Some(&mut self.lateness)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let mut panes = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (last, pane) in shard.iter_mut() {
                let groups = batch_to_bytes(&pane.state(&self.layout)?)?;
                let touched = pane.touched().to_vec();
                panes.push(SavedPane { shard: number as u32, ends: (pane.first_end(), last), groups, touched });
            }
        }
        Ok(encode(&Saved { lateness: *self.lateness.saved(), state_bytes_max: self.state_bytes_max, panes }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        self.lateness.restore(saved.lateness);
        self.state_bytes_max = saved.state_bytes_max;
        for SavedPane { shard, ends: (first, last), groups, touched } in saved.panes {
            let mut pane = Pane::from_state(first, &batch_from_bytes(&groups)?, &self.layout)?;
            pane.touch(&touched);
            match self.shards.get_mut(shard as usize) {
                Some(shard) => shard.insert(last, pane),
                None => return Err(Error::Storage("the checkpoint has more shards than this job".into())),
            }
        }
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "window aggregate".into(),
            rows_late: self.lateness.rows_late(),
            state_bytes_max: self.state_bytes_max,
        })
    }
}

/// Group values may come back in a sibling type (a view for a string).
fn as_declared(columns: Vec<ArrayRef>, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
    let fields = schema.fields().iter();
    columns.into_iter().zip(fields).map(|(column, field)| Ok(cast(&column, field.data_type())?)).collect()
}
