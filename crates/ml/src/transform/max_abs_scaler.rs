//! Onto −1 to 1, zero staying zero.

use serde::{Deserialize, Serialize};

use super::arguments::Call;
use super::scaler::{self, Scale, Statistics};
use super::{Takes, Transform, TransformDef};
use crate::Result;

/// See its `doc`.
pub(super) static MAX_ABS_SCALER: TransformDef = TransformDef {
    name: "ML_MAX_ABS_SCALER",
    arguments: &["value) OVER (", "value, abs_max"],
    doc: "Divides by the largest magnitude of the column: x / max|x|, so that zero stays zero. A column of zeros becomes 0. \
          Missing values stay missing and count nowhere. State: 8 bytes. Merges exactly.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    scaler::make(
        call,
        Magnitude { max: 0.0 },
        |call| {
            let max = call.number("abs_max")?;
            if max < 0.0 {
                return Err(call.error(format!("abs_max is {max}; expected a number of at least 0")));
            }
            Ok(Scale::new(0.0, max))
        },
        false,
    )
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Magnitude {
    max: f64,
}

impl Statistics for Magnitude {
    #[inline]
    fn update(&mut self, x: f64) {
        self.max = self.max.max(x.abs());
    }

    #[inline]
    fn scale(&self) -> Scale {
        Scale::new(0.0, self.max)
    }

    fn merge(&mut self, other: &Self) {
        self.max = self.max.max(other.max);
    }
}
