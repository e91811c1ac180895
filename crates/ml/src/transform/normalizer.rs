//! Rows of unit length.

use super::arguments::Call;
use super::{Inputs, Output, Takes, Transform, TransformDef, Values};
use crate::Result;

/// See its `doc`.
pub(super) static NORMALIZER: TransformDef = TransformDef {
    name: "ML_NORMALIZER",
    arguments: &["value, … [, norm = 'l2']"],
    doc: "Divides several columns of a row by their norm, so that the row has length 1: 'l1' is the sum of magnitudes, 'l2' \
          the root of the sum of squares, 'max' the largest magnitude. A row of zeros stays as it is. A missing value \
          makes the whole row missing. Gives as many columns as it takes. Learns nothing.",
    takes: Takes { numbers: true, categories: false, together: true },
    make,
};

#[derive(Debug, Clone, Copy)]
enum Norm {
    L1,
    L2,
    Max,
}

#[derive(Debug)]
struct Normalizer {
    norm: Norm,
    columns: usize,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let norm = match if call.is_done() { "l2" } else { call.word("norm", &["l1", "l2", "max"])? } {
        "l1" => Norm::L1,
        "max" => Norm::Max,
        _ => Norm::L2,
    };
    call.finish()?;
    Ok(Box::new(Normalizer { norm, columns: call.columns.len() }))
}

impl Transform for Normalizer {
    fn output(&self) -> Output {
        Output::Numbers(self.columns)
    }

    fn passes_missing(&self) -> bool {
        true
    }

    fn origins(&self, column: usize, _: usize) -> Vec<usize> {
        vec![column]
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        let rows = x.rows();
        out.numbers.resize(rows * self.columns, 0.0);
        for row in 0..rows {
            let row_values = (0..self.columns).map(|column| x.numbers(column)[row]);
            let norm = match self.norm {
                Norm::L1 => row_values.map(f64::abs).sum::<f64>(),
                Norm::L2 => row_values.map(|v| v * v).sum::<f64>().sqrt(),
                // Unlike f64::max, keeps NaN.
                Norm::Max => row_values.fold(0.0, |max, v| if v.abs() <= max { max } else { v.abs() }),
            };
            let divisor = if norm == 0.0 { 1.0 } else { norm };
            for column in 0..self.columns {
                out.numbers[column * rows + row] = x.numbers(column)[row] / divisor;
            }
        }
    }
}
