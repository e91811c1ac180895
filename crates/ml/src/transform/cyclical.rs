//! Numbers that go round, such as hours.

use std::f64::consts::TAU;

use super::arguments::Call;
use super::{Inputs, Output, Takes, Transform, TransformDef, Values};
use crate::Result;

/// See its `doc`.
pub(super) static CYCLICAL: TransformDef = TransformDef {
    name: "ML_CYCLICAL",
    arguments: &["value, period"],
    doc: "A place on a circle: sin(2π x / period) and cos(2π x / period), two columns. So the hour 23 lies beside the hour 0: \
          ML_CYCLICAL(hour, 24), ML_CYCLICAL(day_of_week, 7), ML_CYCLICAL(month, 12), of what EXTRACT or HOUR makes of a \
          time in the query. Where the circle begins makes no difference to a learner, so days may be numbered from 0 or from \
          1. A missing value stays missing. Learns nothing. Cost: about 50 ns a row.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

#[derive(Debug)]
struct Cyclical {
    period: f64,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let period = call.number("period")?;
    call.finish()?;
    if period <= 0.0 {
        return Err(call.error(format!("period is {period}; expected a number above 0")));
    }
    Ok(Box::new(Cyclical { period }))
}

impl Transform for Cyclical {
    fn output(&self) -> Output {
        Output::Numbers(2)
    }

    fn passes_missing(&self) -> bool {
        true
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        let rows = x.rows();
        out.numbers.resize(rows * 2, 0.0);
        let (sines, cosines) = out.numbers.split_at_mut(rows);
        for ((x, sine), cosine) in x.numbers(0).iter().zip(sines).zip(cosines) {
            // The remainder is exact, so that many periods cost no digits.
            (*sine, *cosine) = (x % self.period / self.period * TAU).sin_cos();
        }
    }
}
