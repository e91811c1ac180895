//! The groups of open windows, with an accumulator for each aggregate.
//!
//! ```text
//!  windows on a grid     10 ─► pane of the window up to 10        20 ─► pane of the window up to 20
//!  sessions              17 ─► pane of the sessions that end at 11, 14, 17        …
//! ```
//! A window on a grid has a pane of its own: it closes at once. Sessions end at any time and hold a group or two each, so that
//! a pane for each would cost more than its rows: those that come together share one. Panes hold ranges of ends that do not
//! overlap, so the groups of one window are in one pane. If the watermark closes a part of one, it is divided.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, filter_record_batch, not, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use rayon::prelude::*;

use super::{Aggregate, Inputs};
use crate::stream::keys::Keys;
use crate::{Error, Result};

/// What all panes of an operator have in common.
pub(super) struct Layout {
    pub aggregates: Vec<Aggregate>,
    pub group_schema: SchemaRef,
    /// The group column with the end of the window.
    pub window_end: Option<usize>,
    /// Windows share panes.
    pub shared: bool,
    /// Groups that have rows are marked.
    pub marks: bool,
}

/// The open windows of one shard: panes by the last of their windows' ends, in milliseconds.
#[derive(Default)]
pub(super) struct Panes(BTreeMap<i64, Pane>);

/// The groups of one window, or of several.
pub(super) struct Pane {
    first_end: i64,
    groups: Keys,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// Which groups had rows since they last came out, where that is wanted.
    touched: Vec<bool>,
}

impl Panes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, last_end: i64, pane: Pane) {
        self.0.insert(last_end, pane);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (i64, &mut Pane)> {
        self.0.iter_mut().map(|(end, pane)| (*end, pane))
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.0.values().map(Pane::state_bytes).sum()
    }

    /// Takes rows in.
    pub(super) fn update(&mut self, inputs: &Inputs, layout: &Layout) -> Result<()> {
        let ends = inputs.ends.as_primitive::<TimestampMillisecondType>();
        if ends.values().is_sorted() {
            return self.update_in_order(inputs, layout);
        }
        // The rows of a window one after the other, in the order in which they came.
        let mut order: Vec<u32> = (0..ends.len() as u32).collect();
        order.sort_by_key(|row| ends.value(*row as usize));
        let order = UInt32Array::from(order);
        let sorted = inputs.select(|column| Ok(take(column, &order, None)?))?;
        self.update_in_order(&sorted, layout)
    }

    /// The same for rows sorted by the end of their window.
    fn update_in_order(&mut self, inputs: &Inputs, layout: &Layout) -> Result<()> {
        let ends = inputs.ends.as_primitive::<TimestampMillisecondType>().values();
        let mut from = 0;
        while let Some(end) = ends.get(from) {
            let known = self.0.range(*end..).next().map(|(last, pane)| (*last, pane.first_end));
            let last = match known {
                Some((last, first)) if first <= *end => last,
                // As many of the rows as have their end before the next pane's, or this end only.
                Some((_, next)) if layout.shared => ends[ends.partition_point(|end| *end < next) - 1],
                None if layout.shared => ends[ends.len() - 1],
                _ => *end,
            };
            let rows = ends[from..].partition_point(|end| *end <= last);
            let pane = match self.0.entry(last) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Pane::new(*end, layout)?),
            };
            if rows == inputs.rows() {
                return pane.update(inputs, layout);
            }
            pane.update(&inputs.select(|column| Ok(column.slice(from, rows)))?, layout)?;
            from += rows;
        }
        Ok(())
    }

    /// Takes out the panes of windows that end at `limit` or before, each with its first end.
    pub(super) fn close(&mut self, limit: i64, layout: &Layout) -> Result<Vec<(i64, Pane)>> {
        let mut closed = Vec::new();
        while let Some(entry) = self.0.first_entry()
            && entry.get().first_end <= limit
        {
            let (last, pane) = entry.remove_entry();
            let first = pane.first_end;
            if last <= limit {
                closed.push((first, pane));
                continue;
            }
            let (before, after) = pane.divide(limit, layout)?;
            closed.push((first, before));
            self.0.insert(last, after);
            break;
        }
        Ok(closed)
    }
}

impl Pane {
    pub(super) fn new(first_end: i64, layout: &Layout) -> Result<Self> {
        let accumulators = layout.aggregates.iter().map(|a| groups_accumulator(&a.function)).collect::<Result<_>>()?;
        let groups = Keys::new(&layout.group_schema)?;
        Ok(Self { first_end, groups, accumulators, touched: Vec::new() })
    }

    pub(super) fn first_end(&self) -> i64 {
        self.first_end
    }

    /// Takes rows in.
    pub(super) fn update(&mut self, inputs: &Inputs, layout: &Layout) -> Result<()> {
        self.groups.number(&inputs.groups, inputs.rows())?;
        let (indices, total) = self.groups.numbers();
        if layout.marks {
            self.touched.resize(total, false);
            indices.iter().for_each(|group| self.touched[*group] = true);
        }
        self.accumulators.par_iter_mut().zip(&inputs.arguments).zip(&inputs.filters).try_for_each(
            |((accumulator, arguments), filter)| accumulator.update_batch(arguments, indices, filter.as_ref(), total),
        )?;
        Ok(())
    }

    /// The groups' values, then the aggregates. They are gone from the pane.
    pub(super) fn results(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.groups.emit()?;
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// The same, of a pane that goes on.
    pub(super) fn results_so_far(&mut self, layout: &Layout) -> Result<Vec<ArrayRef>> {
        let state = self.state(layout)?;
        Self::from_state(self.first_end, &state, layout)?.results()
    }

    /// Which groups had rows since this was asked last; `None` if none had.
    pub(super) fn take_touched(&mut self) -> Option<Vec<bool>> {
        let any = self.touched.contains(&true);
        any.then(|| std::mem::replace(&mut self.touched, vec![false; self.groups.len()]))
    }

    pub(super) fn touched(&self) -> &[bool] {
        &self.touched
    }

    /// Takes the marks of a checkpoint.
    pub(super) fn touch(&mut self, touched: &[bool]) {
        self.touched = touched.to_vec();
    }

    /// The groups' values, then the states of the aggregates.
    pub(super) fn state(&mut self, layout: &Layout) -> Result<RecordBatch> {
        let touched = std::mem::take(&mut self.touched);
        let batch = self.take_state()?;
        // Taking the state out has emptied the pane: it is built again from it.
        *self = Self::from_state(self.first_end, &batch, layout)?;
        self.touched = touched;
        Ok(batch)
    }

    /// The same, which are then gone from the pane.
    pub(super) fn take_state(&mut self) -> Result<RecordBatch> {
        let mut columns = self.groups.emit()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let field = |(i, column): (usize, &ArrayRef)| Field::new(format!("c{i}"), column.data_type().clone(), true);
        let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// Rebuilds a pane from its groups and states, in columns.
    pub(super) fn from_state(first_end: i64, batch: &RecordBatch, layout: &Layout) -> Result<Self> {
        let mut pane = Self::new(first_end, layout)?;
        pane.merge(batch, layout)?;
        Ok(pane)
    }

    /// Takes in the groups and states of another pane.
    pub(super) fn merge(&mut self, batch: &RecordBatch, layout: &Layout) -> Result<()> {
        let (values, mut states) = batch.columns().split_at(layout.group_schema.fields().len());
        let values = values
            .iter()
            .zip(layout.group_schema.fields())
            .map(|(column, field)| Ok(cast(column, field.data_type())?))
            .collect::<Result<Vec<_>>>()?;
        self.groups.number(&values, batch.num_rows())?;
        let (indices, total) = self.groups.numbers();
        for (accumulator, aggregate) in self.accumulators.iter_mut().zip(&layout.aggregates) {
            let (mine, rest) = states
                .split_at_checked(aggregate.function.state_fields()?.len())
                .ok_or_else(|| Error::Storage("the checkpoint's aggregates are not those of this job".into()))?;
            accumulator.merge_batch(mine, indices, total)?;
            states = rest;
        }
        Ok(())
    }

    /// The windows that end at `limit` or before, and the others.
    fn divide(mut self, limit: i64, layout: &Layout) -> Result<(Self, Self)> {
        let Some(window_end) = layout.window_end else {
            return Err(Error::Internal("a pane without windows cannot be divided".into()));
        };
        let state = self.state(layout)?;
        let ends = cast(state.column(window_end), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let ends = ends.as_primitive::<TimestampMillisecondType>();
        let before: BooleanArray = ends.values().iter().map(|end| Some(*end <= limit)).collect();
        let after = filter_record_batch(&state, &not(&before)?)?;
        let first_after = ends.values().iter().copied().filter(|end| *end > limit).min().unwrap_or(i64::MAX);
        let before = Self::from_state(self.first_end, &filter_record_batch(&state, &before)?, layout)?;
        Ok((before, Self::from_state(first_after, &after, layout)?))
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.groups.state_bytes() + self.accumulators.iter().map(|a| a.size()).sum::<usize>() + self.touched.len()
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
