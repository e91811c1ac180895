//! How much of the labels' spread the predictions explain, of rows that fade.
//!
//! Means and squares around them are updated with each row: D. H. D. West, "Updating mean and variance estimates: an improved
//! method", Communications of the ACM 22, 1979; parts are joined as in T. F. Chan, G. H. Golub and R. J. LeVeque, 1979.

use serde::{Deserialize, Serialize};

use super::{Factor, contradiction};
use crate::Result;
use crate::metric::aggregate::Aggregate;
use crate::metric::columns::Batch;
use crate::metric::mean::{Numbers, Pairs, add_rows};
use crate::snapshot::{decode, encode, open, seal};

const SNAPSHOT_KIND: &str = "metric.fading_moments";

/// A mean, as the distance from the first number, and the sum of squares around it. Numbers that are large beside their spread
/// would lose it in their mean.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Moments {
    first: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// The first number.
    fn begin(x: f64) -> Self {
        Self { first: x, mean: 0.0, squares: 0.0 }
    }

    /// `weight` is that of all rows, this one included.
    #[inline]
    fn add(&mut self, x: f64, factor: f64, weight: f64) {
        let x = x - self.first;
        let off = x - self.mean;
        self.mean += off / weight;
        self.squares = self.squares * factor + off * (x - self.mean);
    }

    fn merge(&mut self, later: &Self, left: f64, mine: f64, theirs: f64) {
        let off = (later.first - self.first) + (later.mean - self.mean);
        let share = theirs / (mine + theirs);
        self.mean += off * share;
        self.squares = self.squares * left + later.squares + off * off * mine * share;
    }
}

/// Faded moments of labels and errors.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct FadingMoments {
    rows: u64,
    weight: f64,
    labels: Moments,
    errors: Moments,
    error_squares: f64,
}

impl FadingMoments {
    pub(super) fn r2(&self) -> Option<f64> {
        self.one_minus(self.error_squares)
    }

    pub(super) fn explained_variance(&self) -> Option<f64> {
        self.one_minus(self.errors.squares)
    }

    fn one_minus(&self, unexplained: f64) -> Option<f64> {
        if self.rows < 2 {
            return None;
        }
        let value = match (unexplained == 0.0, self.labels.squares == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => 1.0 - unexplained / self.labels.squares,
        };
        value.is_finite().then_some(value)
    }
}

/// The aggregate of a measure of faded moments.
#[derive(Debug)]
pub(super) struct FadingExplained {
    measure: fn(&FadingMoments) -> Option<f64>,
    factor: Factor,
}

impl FadingExplained {
    pub(super) fn new(measure: fn(&FadingMoments) -> Option<f64>, factor: Factor) -> Self {
        Self { measure, factor }
    }
}

impl Aggregate for FadingExplained {
    type Rows = Numbers;
    type State = FadingMoments;
    const COLUMNS: &'static [&'static str] = Numbers::COLUMNS;

    fn read(&mut self, batch: &Batch<'_>) -> Result<Numbers> {
        Numbers::read(batch)
    }

    fn add(&self, state: &mut FadingMoments, rows: &Numbers, row: usize) {
        let (label, predicted) = rows.pair(row);
        let (error, factor) = (label - predicted, self.factor.0);
        state.rows += 1;
        state.weight = state.weight * factor + 1.0;
        if state.rows == 1 {
            (state.labels, state.errors) = (Moments::begin(label), Moments::begin(error));
        } else {
            state.labels.add(label, factor, state.weight);
            state.errors.add(error, factor, state.weight);
        }
        state.error_squares = state.error_squares * factor + error * error;
    }

    fn merge(&mut self, state: &mut FadingMoments, saved: &[u8]) -> Result<()> {
        let later: FadingMoments = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        if (later.rows > 0) != (later.weight >= 1.0) || !later.weight.is_finite() {
            return Err(contradiction("the weight of fading moments does not fit their rows"));
        }
        if state.rows == 0 {
            *state = later;
            return Ok(());
        }
        if later.rows == 0 {
            return Ok(());
        }
        state.rows = add_rows(state.rows, later.rows)?;
        let left = self.factor.after(later.rows);
        let (mine, theirs) = (state.weight * left, later.weight);
        state.labels.merge(&later.labels, left, mine, theirs);
        state.errors.merge(&later.errors, left, mine, theirs);
        state.error_squares = state.error_squares * left + later.error_squares;
        state.weight = mine + theirs;
        Ok(())
    }

    fn save(&self, state: &FadingMoments) -> Vec<u8> {
        seal(SNAPSHOT_KIND, 1, &encode(state))
    }

    fn value(&self, state: &FadingMoments) -> Option<f64> {
        (self.measure)(state)
    }

    fn heap_bytes(&self, _: &FadingMoments) -> usize {
        0
    }
}
