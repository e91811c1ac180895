//! Tests of linear learners as a whole.

use tidegate_options::resolve;

use crate::block::Block;
use crate::learner::{LEARNERS, Learner, Shape};

mod properties;
mod reference;
mod robustness;

/// A new learner.
fn make(algorithm: &str, options: &[(&str, &str)], shape: Shape) -> Box<dyn Learner> {
    let def = LEARNERS.iter().find(|def| def.name == algorithm).unwrap();
    (def.make)(&resolve(def.options, options.iter().copied()).unwrap(), shape).unwrap()
}

/// Why a learner is refused.
fn refused(algorithm: &str, options: &[(&str, &str)], shape: Shape) -> String {
    let def = LEARNERS.iter().find(|def| def.name == algorithm).unwrap();
    (def.make)(&resolve(def.options, options.iter().copied()).unwrap(), shape).unwrap_err().to_string()
}

/// The features of a row: dense values, and sparse entries.
type Features = (Vec<f64>, Vec<(u32, f64)>);

/// A block of rows.
fn block(rows: &[Features]) -> Block {
    let mut block = Block::default();
    block.reset(rows.len(), rows.first().map_or(0, |row| row.0.len()));
    let width = block.dense_width();
    for (row, (dense, sparse)) in rows.iter().enumerate() {
        block.dense[row * width..][..width].copy_from_slice(dense);
        block.indices.extend(sparse.iter().map(|entry| entry.0));
        block.values.extend(sparse.iter().map(|entry| entry.1));
        block.offsets[row + 1] = block.indices.len() as u32;
    }
    block
}

/// The weights as one list: for each class dense, sparse and intercept.
fn flat(learner: &dyn Learner) -> Vec<f64> {
    let weights = learner.weights();
    weights.iter().flat_map(|w| w.dense.iter().chain(&w.sparse).chain([&w.intercept])).copied().collect()
}
