//! Onto 0 to 1.

use serde::{Deserialize, Serialize};

use super::arguments::Call;
use super::scaler::{self, Scale, Statistics};
use super::{Takes, Transform, TransformDef};
use crate::Result;

/// See its `doc`.
pub(super) static MIN_MAX_SCALER: TransformDef = TransformDef {
    name: "ML_MIN_MAX_SCALER",
    arguments: &["value) OVER (", "value, min, max"],
    doc: "Scales the range of the column onto 0 to 1: (x − min) / (max − min). A column without spread becomes 0. A value \
          outside the range seen so far (it was not learned yet) falls outside 0 to 1. Missing values stay missing and count \
          nowhere. State: 16 bytes. Merges exactly.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    scaler::make(
        call,
        Range { min: f64::INFINITY, max: f64::NEG_INFINITY },
        |call| {
            let (min, max) = (call.number("min")?, call.number("max")?);
            if min > max {
                return Err(call.error(format!("min is {min}, above max, which is {max}")));
            }
            Ok(Scale::new(min, max - min))
        },
        false,
    )
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Range {
    min: f64,
    max: f64,
}

impl Statistics for Range {
    #[inline]
    fn update(&mut self, x: f64) {
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    #[inline]
    fn scale(&self) -> Scale {
        if self.min <= self.max { Scale::new(self.min, self.max - self.min) } else { Scale::new(0.0, 0.0) }
    }

    fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}
