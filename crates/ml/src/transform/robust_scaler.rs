//! By median and quartiles.

use super::arguments::Call;
use super::quantiles::Quantiles;
use super::scaler::{self, Scale, Statistics};
use super::{Takes, Transform, TransformDef};
use crate::Result;

/// See its `doc`.
pub(super) static ROBUST_SCALER: TransformDef = TransformDef {
    name: "ML_ROBUST_SCALER",
    arguments: &[
        "value [, centering = TRUE [, scaling = TRUE]]) OVER (",
        "value, median, q1, q3 [, centering = TRUE [, scaling = TRUE]]",
    ],
    doc: "Scales by median and quartiles, which outliers do not move: (x − median) / (q3 − q1). A column whose quartiles \
          coincide becomes 0. Quantiles are exact for the first 512 values, then those of a t-digest (Dunning and Ertl 2019, \
          arXiv:1902.04023), renewed every 512 values; in tests their rank is within 0.005 of the true one. Missing values \
          stay missing and count nowhere. State: at most 16 KiB. Merges up to the sketch's error; in parallel training each \
          replica keeps a second sketch, of the values since the last sync, and those are merged.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    scaler::make(
        call,
        Quantiles::default(),
        |call| {
            let (median, q1, q3) = (call.number("median")?, call.number("q1")?, call.number("q3")?);
            if q1 > q3 {
                return Err(call.error(format!("q1 is {q1}, above q3, which is {q3}")));
            }
            Ok(Scale::new(median, q3 - q1))
        },
        true,
    )
}

impl Statistics for Quantiles {
    fn update(&mut self, x: f64) {
        Quantiles::update(self, x);
    }

    fn scale(&self) -> Scale {
        let [q1, median, q3] = self.quartiles();
        Scale::new(median, q3 - q1)
    }

    fn merge(&mut self, other: &Self) {
        Quantiles::merge(self, other);
    }

    fn merge_since(&mut self, _: &[Self], apart: &[Self]) {
        apart.iter().for_each(|values| Quantiles::merge(self, values));
    }

    fn branch(&mut self) {
        Quantiles::branch(self);
    }

    fn apart(&self) -> Option<&Self> {
        Quantiles::apart(self)
    }

    fn set_apart(&mut self, apart: Self) {
        Quantiles::set_apart(self, apart);
    }

    fn heap_bytes(&self) -> usize {
        self.state_bytes()
    }
}
