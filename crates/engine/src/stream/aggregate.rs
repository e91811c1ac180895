//! Aggregates by window: `GROUP BY window_start, window_end, …`; over a stream that ends also those without a window, which are
//! given at its end.
//!
//! ```text
//!  shard = hash of the group ─►  window_end ─► pane { group values, one accumulator an aggregate }
//! ```
//! A pane's groups are emitted, and its memory freed, when the watermark reaches the window's end. Groups are spread over a
//! fixed number of shards; shards work in parallel. Results depend on the number of shards only in their order, never on
//! the number of threads. State: one accumulator a group of every open window.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{cast, concat_batches, filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::groups::Groups;
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, OperatorReport, Result};

/// Closed windows are joined into batches of about so many rows.
const ROWS_OUT: usize = 8192;

/// One aggregate: its function and what selects its rows (`FILTER (WHERE …)`).
pub(crate) struct Aggregate {
    pub function: Arc<AggregateFunctionExpr>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// Aggregates by window and group.
pub(crate) struct WindowAggregate {
    /// The group columns; the one at `window_end` tells when a group is complete. Without one that is the end of the input.
    groups: Vec<Arc<dyn PhysicalExpr>>,
    window_end: Option<usize>,
    aggregates: Vec<Aggregate>,
    group_schema: SchemaRef,
    schema: SchemaRef,
    shards: Vec<Shard>,
    threads: Arc<rayon::ThreadPool>,
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
}

/// The open windows of one shard, by their end in milliseconds.
type Shard = BTreeMap<i64, Pane>;

/// The groups of one window.
pub(super) struct Pane {
    groups: Groups,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    indices: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
    /// A shard, a window's end, and the groups with their states as an Arrow IPC stream.
    panes: Vec<(u32, i64, Vec<u8>)>,
}

impl WindowAggregate {
    /// `schema` is that of the output: the group columns, then the aggregates.
    pub(crate) fn new(
        groups: Vec<Arc<dyn PhysicalExpr>>,
        window_end: Option<usize>,
        aggregates: Vec<Aggregate>,
        schema: SchemaRef,
        shards: usize,
        threads: Arc<rayon::ThreadPool>,
    ) -> Self {
        let group_schema = Arc::new(Schema::new(schema.fields()[..groups.len()].to_vec()));
        Self {
            groups,
            window_end,
            aggregates,
            group_schema,
            schema,
            shards: (0..shards.max(1)).map(|_| Shard::new()).collect(),
            threads,
            watermark: BEFORE_ALL,
            rows_late: 0,
            state_bytes_max: 0,
        }
    }

    /// Emits the panes of windows that have ended.
    fn close(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        if self.groups.is_empty() && self.watermark == AFTER_ALL && self.shards.iter().all(Shard::is_empty) {
            // The one group is there without any row.
            let of_nothing =
                |aggregate: &Aggregate| Ok(aggregate.function.create_accumulator()?.evaluate()?.to_array()?);
            let columns = self.aggregates.iter().map(of_nothing).collect::<Result<_>>()?;
            out.push(RecordBatch::try_new(Arc::clone(&self.schema), as_declared(columns, &self.schema)?)?);
            return Ok(());
        }
        let has_ended = |end: &i64| end.saturating_sub(1) <= self.watermark;
        let ended = |(number, shard): (usize, &Shard)| {
            shard.keys().copied().take_while(has_ended).map(move |end| (end, number)).collect::<Vec<_>>()
        };
        let mut panes: Vec<(i64, usize)> = self.shards.iter().enumerate().flat_map(ended).collect();
        panes.sort_unstable();
        // Sessions end at any time: many windows of a row or two become one batch.
        let (mut closed, mut rows) = (Vec::new(), 0);
        for (end, shard) in panes {
            let Some(pane) = self.shards[shard].remove(&end) else { continue };
            let (mut columns, values) = pane.evaluate()?;
            columns.extend(values);
            let pane = RecordBatch::try_new(Arc::clone(&self.schema), as_declared(columns, &self.schema)?)?;
            rows += pane.num_rows();
            closed.push(pane);
            if rows >= ROWS_OUT {
                out.push(concat_batches(&self.schema, &std::mem::take(&mut closed))?);
                rows = 0;
            }
        }
        if rows > 0 {
            out.push(concat_batches(&self.schema, &closed)?);
        }
        Ok(())
    }

    /// What every aggregate needs of a batch.
    fn inputs(&self, batch: &RecordBatch) -> Result<Inputs> {
        let rows = batch.num_rows();
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| Ok(expr.evaluate(batch)?.into_array(rows)?);
        let groups = self.groups.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let ends = match self.window_end {
            Some(end) => cast(&groups[end], &DataType::Timestamp(TimeUnit::Millisecond, None))?,
            None => Arc::new(TimestampMillisecondArray::from_value(AFTER_ALL, rows)),
        };
        Inputs::new(groups, ends, &self.aggregates, batch)
    }

    fn state_bytes(&self) -> u64 {
        self.shards.iter().flat_map(|shard| shard.values()).map(Pane::state_bytes).sum::<usize>() as u64
    }
}

/// The arguments of every aggregate for some rows, with the selecting filter of each.
pub(super) struct Inputs {
    groups: Vec<ArrayRef>,
    ends: ArrayRef,
    arguments: Vec<Vec<ArrayRef>>,
    filters: Vec<Option<BooleanArray>>,
}

impl Inputs {
    /// With what the aggregates need of a batch.
    pub(super) fn new(
        groups: Vec<ArrayRef>,
        ends: ArrayRef,
        aggregates: &[Aggregate],
        batch: &RecordBatch,
    ) -> Result<Self> {
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
    pub(super) fn select(&self, select: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<Self> {
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

        let in_time: BooleanArray = inputs
            .ends
            .as_primitive::<TimestampMillisecondType>()
            .iter()
            .map(|end| Some(end.is_some_and(|end| end.saturating_sub(1) > self.watermark)))
            .collect();
        if in_time.true_count() < rows {
            self.rows_late += (rows - in_time.true_count()) as u64;
            inputs = inputs.select(|column| Ok(filter(column, &in_time)?))?;
        }
        if inputs.rows() == 0 {
            return Ok(());
        }

        let (aggregates, group_schema) = (&self.aggregates, &self.group_schema);
        // Groups that differ only in their window, or not at all, need no spreading.
        if self.groups.iter().enumerate().all(|(i, _)| Some(i) == self.window_end) || self.shards.len() == 1 {
            let shard = &mut self.shards[0];
            return self.threads.install(|| update_shard(shard, &inputs, aggregates, group_schema));
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
                update_shard(shard, &part, aggregates, group_schema)
            })
        })
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        if out.is_empty() {
            self.state_bytes_max = self.state_bytes_max.max(self.state_bytes());
        }
        self.close(out)?;
        Ok(time)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.state_bytes_max = self.state_bytes_max.max(self.state_bytes());
        let mut panes = Vec::new();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (end, pane) in shard.iter_mut() {
                let batch = pane.take_state()?;
                panes.push((number as u32, *end, batch_to_bytes(&batch)?));
                // Taking the state out has emptied the pane: it is built again from what was saved.
                *pane = Pane::from_saved(&batch, &self.aggregates, &self.group_schema)?;
            }
        }
        let (watermark, rows_late, state_bytes_max) = (self.watermark, self.rows_late, self.state_bytes_max);
        Ok(encode(&Saved { watermark, rows_late, state_bytes_max, panes }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        (self.watermark, self.rows_late) = (saved.watermark, saved.rows_late);
        self.state_bytes_max = saved.state_bytes_max;
        for (number, end, bytes) in saved.panes {
            let pane = Pane::from_saved(&batch_from_bytes(&bytes)?, &self.aggregates, &self.group_schema)?;
            match self.shards.get_mut(number as usize) {
                Some(shard) => shard.insert(end, pane),
                None => return Err(Error::Storage("the checkpoint has more shards than this job".into())),
            };
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

/// Group values may come back in a sibling type (a view for a string).
pub(super) fn as_declared(columns: Vec<ArrayRef>, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
    let fields = schema.fields().iter();
    columns.into_iter().zip(fields).map(|(column, field)| Ok(cast(&column, field.data_type())?)).collect()
}

/// Takes rows into the panes of one shard.
fn update_shard(shard: &mut Shard, inputs: &Inputs, aggregates: &[Aggregate], groups: &SchemaRef) -> Result<()> {
    let ends = inputs.ends.as_primitive::<TimestampMillisecondType>();
    if ends.values().is_sorted() {
        return update_panes(shard, inputs, aggregates, groups);
    }
    // The rows of a window one after the other, in the order in which they came.
    let mut order: Vec<u32> = (0..ends.len() as u32).collect();
    order.sort_by_key(|row| ends.value(*row as usize));
    let order = UInt32Array::from(order);
    let sorted = inputs.select(|column| Ok(take(column, &order, None)?))?;
    update_panes(shard, &sorted, aggregates, groups)
}

/// The same for rows sorted by the end of their window.
fn update_panes(shard: &mut Shard, inputs: &Inputs, aggregates: &[Aggregate], groups: &SchemaRef) -> Result<()> {
    let ends = inputs.ends.as_primitive::<TimestampMillisecondType>();
    let mut from = 0;
    for run in ends.values().chunk_by(|a, b| a == b) {
        let pane = match shard.entry(run[0]) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Pane::new(aggregates, groups)?),
        };
        if run.len() == inputs.rows() {
            return pane.update(inputs);
        }
        pane.update(&inputs.select(|column| Ok(column.slice(from, run.len())))?)?;
        from += run.len();
    }
    Ok(())
}

impl Pane {
    pub(super) fn new(aggregates: &[Aggregate], groups: &SchemaRef) -> Result<Self> {
        let accumulators = aggregates.iter().map(|a| groups_accumulator(&a.function)).collect::<Result<_>>()?;
        Ok(Self { groups: Groups::new(groups)?, accumulators, indices: Vec::new() })
    }

    pub(super) fn update(&mut self, inputs: &Inputs) -> Result<()> {
        self.groups.intern(&inputs.groups, inputs.rows(), &mut self.indices)?;
        let (total, indices) = (self.groups.len(), &self.indices);
        self.accumulators.par_iter_mut().zip(&inputs.arguments).zip(&inputs.filters).try_for_each(
            |((accumulator, arguments), filter)| accumulator.update_batch(arguments, indices, filter.as_ref(), total),
        )?;
        Ok(())
    }

    /// Rebuilds a pane from its groups and states, in columns.
    pub(super) fn from_saved(state: &RecordBatch, aggregates: &[Aggregate], groups: &SchemaRef) -> Result<Self> {
        let mut pane = Self::new(aggregates, groups)?;
        pane.merge(state, aggregates, groups)?;
        Ok(pane)
    }

    /// Takes the groups and states of another pane in.
    pub(super) fn merge(&mut self, state: &RecordBatch, aggregates: &[Aggregate], groups: &SchemaRef) -> Result<()> {
        let (values, mut states) = state.columns().split_at(groups.fields().len());
        let values = values
            .iter()
            .zip(groups.fields())
            .map(|(column, field)| Ok(cast(column, field.data_type())?))
            .collect::<Result<Vec<_>>>()?;
        self.groups.intern(&values, state.num_rows(), &mut self.indices)?;
        for (accumulator, aggregate) in self.accumulators.iter_mut().zip(aggregates) {
            let (mine, rest) = states
                .split_at_checked(aggregate.function.state_fields()?.len())
                .ok_or_else(|| Error::Storage("the checkpoint's aggregates are not those of this job".into()))?;
            accumulator.merge_batch(mine, &self.indices, self.groups.len())?;
            states = rest;
        }
        Ok(())
    }

    /// The groups and their states, in columns, which are then gone.
    pub(super) fn take_state(&mut self) -> Result<RecordBatch> {
        let mut columns = self.groups.emit()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(i, column)| Field::new(format!("c{i}"), column.data_type().clone(), true))
            .collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// The groups, and the values of their aggregates.
    pub(super) fn evaluate(mut self) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        let groups = self.groups.emit()?;
        let values = self.accumulators.iter_mut().map(|accumulator| Ok(accumulator.evaluate(EmitTo::All)?));
        Ok((groups, values.collect::<Result<_>>()?))
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.groups.state_bytes() + self.accumulators.iter().map(|a| a.size()).sum::<usize>()
    }
}

/// The vectorised accumulator of a function, or one made of an accumulator a group.
fn groups_accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return Ok(function.create_groups_accumulator()?);
    }
    let function = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
}
