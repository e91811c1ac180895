//! Means of a term of each row that fades.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{Factor, contradiction};
use crate::Result;
use crate::metric::aggregate::Aggregate;
use crate::metric::columns::Batch;
use crate::metric::mean::{Pairs, Term, add_rows};
use crate::snapshot::{decode, encode, open, seal};

const SNAPSHOT_KIND: &str = "metric.fading_mean";

/// A faded sum, and the weight of its rows.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct FadingMean {
    rows: u64,
    weight: f64,
    sum: f64,
}

/// The aggregate of the faded mean of a term.
#[derive(Debug)]
pub(super) struct FadingMeanOf<T> {
    factor: Factor,
    term: PhantomData<T>,
}

impl<T> FadingMeanOf<T> {
    pub(super) fn new(factor: Factor) -> Self {
        Self { factor, term: PhantomData }
    }
}

impl<T: Term> Aggregate for FadingMeanOf<T> {
    type Rows = T::Pairs;
    type State = FadingMean;
    const COLUMNS: &'static [&'static str] = T::Pairs::COLUMNS;

    fn read(&mut self, batch: &Batch<'_>) -> Result<T::Pairs> {
        T::Pairs::read(batch)
    }

    #[inline]
    fn add(&self, state: &mut FadingMean, rows: &T::Pairs, row: usize) {
        let (label, predicted) = rows.pair(row);
        state.rows += 1;
        state.weight = state.weight * self.factor.0 + 1.0;
        state.sum = state.sum * self.factor.0 + T::of(label, predicted);
    }

    fn merge(&mut self, state: &mut FadingMean, saved: &[u8]) -> Result<()> {
        let later: FadingMean = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        if (later.rows > 0) != (later.weight >= 1.0) || !later.weight.is_finite() {
            return Err(contradiction("the weight of a fading mean does not fit its rows"));
        }
        if state.rows == 0 {
            *state = later;
            return Ok(());
        }
        let rows = add_rows(state.rows, later.rows)?;
        let left = self.factor.after(later.rows);
        *state = FadingMean { rows, weight: state.weight * left + later.weight, sum: state.sum * left + later.sum };
        Ok(())
    }

    fn save(&self, state: &FadingMean) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(state))
    }

    fn value(&self, state: &FadingMean) -> Option<f64> {
        (state.rows > 0).then(|| T::finish(state.sum / state.weight))
    }

    fn heap_bytes(&self, _: &FadingMean) -> usize {
        0
    }
}
