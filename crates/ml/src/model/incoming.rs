//! A batch as a model reads it.

use arrow::array::RecordBatch;

use super::labels::Labels;
use crate::rows::{Rows, read};
use crate::{DataFault, Error, Result};

/// A batch as read: rows, and a label and a weight a row.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) rows: Rows,
    /// Label ids or numbers; NaN where there is none.
    pub(crate) labels: Vec<f64>,
    /// Row weights; empty for all ones.
    pub(crate) weights: Vec<f64>,
}

/// What the learner is to hit: class indices, or the labels as they are.
pub(super) fn targets_of<'a>(labels: &Labels, read: &'a [f64], targets: &'a mut Vec<f64>) -> &'a [f64] {
    if labels.are_targets() {
        return read;
    }
    targets.clear();
    targets.extend(read.iter().map(|label| labels.class(*label).map_or(f64::NAN, f64::from)));
    targets
}

pub(super) fn read_label_and_weight(
    labels: &mut Labels,
    batch: &RecordBatch,
    inputs: usize,
    incoming: &mut Incoming,
    faults: &mut Vec<DataFault>,
) -> Result<()> {
    let schema = batch.schema_ref();
    let mut next = inputs;
    if labels.are_there() {
        labels.read(batch.column(inputs), schema.field(inputs).name(), &mut incoming.labels, faults)?;
        next += 1;
    } else {
        incoming.labels.clear();
        incoming.labels.resize(batch.num_rows(), 0.0);
    }
    incoming.weights.clear();
    let Some(array) = batch.columns().get(next) else { return Ok(()) };
    let name = schema.field(next).name();
    if !array.data_type().is_numeric() {
        return Err(Error::Batch(format!("row weight '{name}' has type {}; expected a number", array.data_type())));
    }
    read::numbers(array, &mut incoming.weights);
    for (row, weight) in incoming.weights.iter().enumerate().filter(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        let found = if weight.is_nan() { "missing".to_string() } else { weight.to_string() };
        let reason = format!("is {found}; expected a row weight of at least 0");
        faults.push(DataFault { row, column: name.clone(), reason });
    }
    Ok(())
}

/// Refuses a batch by its first fault.
pub(super) fn first(faults: Vec<DataFault>) -> Result<()> {
    match faults.into_iter().min_by_key(|fault| fault.row) {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}
