//! The mean of values as they come.

use serde::{Deserialize, Serialize};

/// A running mean (Welford 1962).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mean {
    /// How many values: a whole number.
    pub(super) count: f64,
    /// Their mean; 0 if there are none.
    pub(super) mean: f64,
}

impl Mean {
    /// Takes in a value.
    #[inline]
    pub(super) fn update(&mut self, value: f64) {
        self.count += 1.0;
        self.mean += (1.0 / self.count) * (value - self.mean);
    }

    /// Whether it can have come from values.
    pub(super) fn is_sound(&self) -> bool {
        self.count >= 0.0 && self.count.is_finite() && self.mean.is_finite()
    }
}
