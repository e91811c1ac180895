//! Rows kept until features are chosen, to be learned from those.

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::learner::row_weight;
use crate::snapshot::SnapshotError;

/// Some rows: features, targets, weights. Memory: 8 bytes a dense feature and 12 a sparse entry of each row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    dense: Vec<f64>,
    offsets: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f64>,
    y: Vec<f64>,
    weights: Vec<f64>,
}

impl Kept {
    /// Keeps rows.
    pub(super) fn push(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.dense.extend_from_slice(&x.dense);
        let before = self.indices.len() as u32;
        self.offsets.extend(x.offsets[1..].iter().map(|offset| offset + before));
        self.indices.extend_from_slice(&x.indices);
        self.values.extend_from_slice(&x.values);
        self.y.extend_from_slice(y);
        self.weights.extend((0..y.len()).map(|row| row_weight(weights, row)));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.y.len()
    }

    /// The rows: a block of so many dense features, targets, weights.
    pub(super) fn rows(self, width: usize) -> (Block, Vec<f64>, Vec<f64>) {
        let mut block = Block::default();
        block.reset(self.y.len(), width);
        block.dense = self.dense;
        block.offsets.truncate(1);
        block.offsets.extend(self.offsets);
        (block.indices, block.values) = (self.indices, self.values);
        (block, self.y, self.weights)
    }

    /// Checks what was read.
    ///
    /// # Errors
    /// When they are not rows of so many dense features.
    pub(super) fn check(&self, width: usize) -> Result<(), SnapshotError> {
        let rows = self.y.len();
        let fits = self.dense.len() == rows * width
            && self.weights.len() == rows
            && self.offsets.len() == rows
            && self.offsets.is_sorted()
            && self.offsets.last().map_or(0, |last| *last as usize) == self.indices.len()
            && self.values.len() == self.indices.len();
        if fits { Ok(()) } else { Err(SnapshotError::Content("rows kept do not fit their features".to_string())) }
    }

    /// Bytes of memory.
    pub(super) fn state_bytes(&self) -> usize {
        8 * (self.dense.capacity() + self.values.capacity() + self.y.capacity() + self.weights.capacity())
            + 4 * (self.offsets.capacity() + self.indices.capacity())
    }
}
