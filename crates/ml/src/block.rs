//! Features of some rows, as learners read them: a dense part and a sparse part.
//!
//! The dense part is row-major (a row is one slice, a dot product one pass over memory). The sparse part is in compressed
//! sparse rows: one-hot and hashed columns write one index and one value a row. Dense and sparse features have separate
//! index spaces, each from 0. A block is filled again and again; its buffers are kept.

/// Features of some rows. Shape: `rows × dense_width`, plus any number of sparse entries a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    rows: usize,
    dense_width: usize,
    /// Row-major, `rows * dense_width` long. Transforms write columns into it with a stride.
    pub dense: Vec<f64>,
    /// Where each row's sparse entries begin; `rows + 1` long.
    pub offsets: Vec<u32>,
    /// Sparse feature indices, each below the number of sparse features known to the transforms at that moment.
    pub indices: Vec<u32>,
    /// Values of the sparse entries, as many as `indices`.
    pub values: Vec<f64>,
}

/// One row of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Values of the dense features.
    pub dense: &'a [f64],
    /// Indices of the sparse features that this row has.
    pub indices: &'a [u32],
    /// Values of those features.
    pub values: &'a [f64],
}

impl Block {
    /// Empties the block and makes room for `rows` rows of `dense_width` zeros, with no sparse entries.
    pub fn reset(&mut self, rows: usize, dense_width: usize) {
        self.rows = rows;
        self.dense_width = dense_width;
        self.dense.clear();
        self.dense.resize(rows * dense_width, 0.0);
        self.offsets.clear();
        self.offsets.resize(rows + 1, 0);
        self.indices.clear();
        self.values.clear();
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of dense features.
    pub fn dense_width(&self) -> usize {
        self.dense_width
    }

    /// One row.
    #[inline]
    pub fn row(&self, row: usize) -> Row<'_> {
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        Row {
            dense: &self.dense[row * self.dense_width..(row + 1) * self.dense_width],
            indices: &self.indices[entries.clone()],
            values: &self.values[entries],
        }
    }

    /// Rows `start .. start + rows`, copied.
    pub(crate) fn part(&self, start: usize, rows: usize) -> Self {
        let entries = self.offsets[start] as usize..self.offsets[start + rows] as usize;
        Self {
            rows,
            dense_width: self.dense_width,
            dense: self.dense[start * self.dense_width..(start + rows) * self.dense_width].to_vec(),
            offsets: self.offsets[start..=start + rows].iter().map(|offset| offset - self.offsets[start]).collect(),
            indices: self.indices[entries.clone()].to_vec(),
            values: self.values[entries].to_vec(),
        }
    }
}
