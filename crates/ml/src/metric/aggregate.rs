//! One computation, two shapes: a metric of all rows, and the same of many groups at once.
//!
//! ```text
//!               ┌── Single: one state                     (Metric)
//!  Aggregate ───┤
//!               └── Grouped: a state a group, one pass    (GroupedMetric)
//! ```

use std::fmt::Debug;

use arrow::array::{ArrayRef, BooleanArray};

use super::columns::Batch;
use super::{GroupedMetric, Metric};
use crate::{Error, Result};

/// What a metric computes, apart from how many states there are of it.
pub(super) trait Aggregate: Debug + Send + Sync + 'static {
    /// Columns of a batch, read.
    type Rows;
    /// What is remembered. Takes no heap memory while no row has come.
    type State: Default + Debug + Send + Sync;

    /// What the columns are called in errors.
    const COLUMNS: &'static [&'static str];

    /// Reads and checks the columns, so that [`Aggregate::add`] cannot fail.
    fn read(&mut self, batch: &Batch<'_>) -> Result<Self::Rows>;

    /// Adds one row.
    fn add(&self, state: &mut Self::State, rows: &Self::Rows, row: usize);

    /// Adds all rows that count.
    fn add_all(&self, state: &mut Self::State, rows: &Self::Rows, batch: &Batch<'_>) {
        batch.for_each(|row| self.add(state, rows, row));
    }

    /// Takes in a saved state: all of it or, with an error, nothing.
    fn merge(&mut self, state: &mut Self::State, saved: &[u8]) -> Result<()>;

    /// The state as bytes.
    fn save(&self, state: &Self::State) -> Vec<u8>;

    /// The measure.
    fn value(&self, state: &Self::State) -> Option<f64>;

    /// Bytes on the heap that a state takes.
    fn heap_bytes(&self, state: &Self::State) -> usize;

    /// Bytes on the heap that all states share.
    fn shared_bytes(&self) -> usize {
        0
    }
}

/// The metric of all rows.
#[derive(Debug)]
struct Single<A: Aggregate> {
    aggregate: A,
    state: A::State,
}

/// A metric of all rows.
pub(super) fn single<A: Aggregate>(aggregate: A) -> Box<dyn Metric> {
    Box::new(Single { aggregate, state: A::State::default() })
}

impl<A: Aggregate> Metric for Single<A> {
    fn update(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let Some(batch) = Batch::new(columns, A::COLUMNS, None)? else { return Ok(()) };
        let rows = self.aggregate.read(&batch)?;
        self.aggregate.add_all(&mut self.state, &rows, &batch);
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        self.aggregate.merge(&mut self.state, state)
    }

    fn value(&self) -> Option<f64> {
        self.aggregate.value(&self.state)
    }

    fn save(&self) -> Vec<u8> {
        self.aggregate.save(&self.state)
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.aggregate.heap_bytes(&self.state) + self.aggregate.shared_bytes()
    }
}

/// The metric of many groups.
#[derive(Debug)]
struct Grouped<A: Aggregate> {
    aggregate: A,
    states: Vec<A::State>,
}

/// A metric of many groups.
pub(super) fn grouped<A: Aggregate>(aggregate: A) -> Box<dyn GroupedMetric> {
    Box::new(Grouped { aggregate, states: Vec::new() })
}

impl<A: Aggregate> Grouped<A> {
    fn make_room(&mut self, groups: usize) {
        if self.states.len() < groups {
            self.states.resize_with(groups, A::State::default);
        }
    }
}

impl<A: Aggregate> GroupedMetric for Grouped<A> {
    fn update(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.make_room(total_groups);
        let Some(batch) = Batch::new(columns, A::COLUMNS, filter)? else { return Ok(()) };
        if groups.len() != batch.len() {
            return Err(Error::Batch(format!("{} group numbers given for {} rows", groups.len(), batch.len())));
        }
        if let Some(group) = groups.iter().find(|&&group| group >= self.states.len()) {
            return Err(Error::Batch(format!("group {group} given; there are {}", self.states.len())));
        }
        let rows = self.aggregate.read(&batch)?;
        let (aggregate, states) = (&self.aggregate, &mut self.states);
        batch.for_each(|row| aggregate.add(&mut states[groups[row]], &rows, row));
        Ok(())
    }

    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        self.make_room(group + 1);
        self.aggregate.merge(&mut self.states[group], state)
    }

    fn value(&self, group: usize) -> Option<f64> {
        self.states.get(group).and_then(|state| self.aggregate.value(state))
    }

    fn save(&self, group: usize) -> Vec<u8> {
        match self.states.get(group) {
            Some(state) => self.aggregate.save(state),
            None => self.aggregate.save(&A::State::default()),
        }
    }

    fn discard(&mut self, groups: usize) {
        self.states.drain(..groups.min(self.states.len()));
    }

    fn state_bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|state| self.aggregate.heap_bytes(state)).sum();
        size_of::<Self>() + self.states.capacity() * size_of::<A::State>() + states + self.aggregate.shared_bytes()
    }
}
