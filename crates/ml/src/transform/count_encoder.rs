//! Categories by how often they come.

use super::arguments::Call;
use super::tallies::Tallies;
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::Dictionary;
use crate::snapshot::SnapshotError;

/// See its `doc`.
pub(super) static COUNT_ENCODER: TransformDef = TransformDef {
    name: "ML_COUNT_ENCODER",
    arguments: &["value) OVER ("],
    doc: "How many of the rows learned so far are of the row's category; 0 for a category never learned. A missing value is a \
          category of its own. The count of a row that is learned includes it, the one it is predicted by does not. Counts grow \
          with the rows, and over several epochs with each of them: ML_FREQUENCY_ENCODER does not. Takes texts, numbers and \
          flags. Row weights do not count. State: the categories, at most max-categories, and 8 bytes each; further categories \
          have 0. Cost: about 10 ns a row. Merges exactly, in parallel training as well.",
    takes: Takes { numbers: true, categories: true, together: false },
    make: |call| make(call, false),
};

/// See its `doc`.
pub(super) static FREQUENCY_ENCODER: TransformDef = TransformDef {
    name: "ML_FREQUENCY_ENCODER",
    arguments: &["value) OVER ("],
    doc: "The share of the rows learned so far that are of the row's category, from 0 to 1: ML_COUNT_ENCODER divided by the \
          number of rows; 0 while there are none. A missing value is a category of its own; a category never learned, or beyond \
          max-categories, has 0. Takes texts, numbers and flags. State, cost and merging are those of ML_COUNT_ENCODER.",
    takes: Takes { numbers: true, categories: true, together: false },
    make: |call| make(call, true),
};

#[derive(Debug)]
struct CountEncoder {
    counts: Tallies<u64>,
    /// Whether counts are divided by the number of rows.
    shares: bool,
}

fn make(call: &mut Call<'_>, shares: bool) -> Result<Box<dyn Transform>> {
    call.must_learn()?;
    call.finish()?;
    Ok(Box::new(CountEncoder { counts: Tallies::new(call.column(), call.categories_max), shares }))
}

#[inline]
fn number(count: Option<u64>, all: u64, shares: bool) -> f64 {
    let count = count.unwrap_or(0) as f64;
    if shares { count / all.max(1) as f64 } else { count }
}

impl Transform for CountEncoder {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.numbers.resize(x.rows(), 0.0);
        self.counts.find_all(&x, |row, count, all| out.numbers[row] = number(count.copied(), *all, self.shares));
    }

    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        let shares = self.shares;
        let (x, mut earlier) = before.unzip();
        if let Some(earlier) = &mut earlier {
            earlier.numbers.resize(after.rows(), 0.0);
        }
        out.numbers.resize(after.rows(), 0.0);
        self.counts.learn_all(
            x.as_ref(),
            &after,
            |row, count, all| {
                if let Some(earlier) = &mut earlier {
                    earlier.numbers[row] = number(count.copied(), *all, shares);
                }
            },
            |row, mut count, all| {
                *all = all.saturating_add(1);
                if let Some(count) = &mut count {
                    **count = count.saturating_add(1);
                }
                out.numbers[row] = number(count.copied(), *all, shares);
            },
        );
    }

    fn open(&self) -> bool {
        self.counts.open()
    }

    fn knows(&self, id: u32) -> bool {
        self.counts.knows(id)
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        self.counts.save(dictionaries)
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.load(state, dictionaries)
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.merge(state, dictionaries)
    }

    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        self.counts.merge_since(replicas, dictionaries)
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }
}
