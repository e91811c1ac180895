//! Products of matrices.
//!
//! `C = A·B`, where `A` may be read by rows or by columns (so that a product with a transpose needs no copy), and the rows of
//! `B` and `C` are a whole number of [`LANES`] wide. A tile of `C` is held in registers while its products are summed.
//!
//! Each number of `C` is one sum, from the first product to the last, however many rows there are and whichever tile it is in.
//! No fused instructions are used. So a row gives the same bits alone and among others, and on all machines.

/// Rows are padded to a multiple of this.
pub(super) const LANES: usize = 8;

/// A matrix to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    values: &'a [f32],
    /// How far apart the numbers of a column are.
    down: usize,
    /// How far apart the numbers of a row are.
    along: usize,
}

impl<'a> Left<'a> {
    /// A matrix whose rows begin `stride` apart.
    pub(super) fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, down: stride, along: 1 }
    }

    /// The transpose of a matrix whose rows begin `stride` apart.
    pub(super) fn transposed(values: &'a [f32], stride: usize) -> Self {
        Self { values, down: 1, along: stride }
    }
}

/// Writes `a·b` to `c`: `a` has `depth` columns and as many rows as `c`; `b` and `c` are `width` wide, a multiple of [`LANES`].
pub(super) fn multiply(a: Left<'_>, depth: usize, b: &[f32], c: &mut [f32], width: usize) {
    pulp::Arch::new().dispatch(Product { a, depth, b, c, width });
}

/// A product to be computed, compiled for each set of vector registers; which of them does not change a bit.
struct Product<'a> {
    a: Left<'a>,
    depth: usize,
    b: &'a [f32],
    c: &'a mut [f32],
    width: usize,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        compute(self.a, self.depth, self.b, self.c, self.width);
    }
}

#[inline(always)]
fn compute(a: Left<'_>, depth: usize, b: &[f32], c: &mut [f32], width: usize) {
    debug_assert!(width.is_multiple_of(LANES) && b.len() >= depth * width);
    if width == 0 || depth == 0 {
        c.fill(0.0);
        return;
    }
    let rows = c.len() / width;
    let whole = rows / ROWS * ROWS;
    let mut at = 0;
    while at < width {
        let two = at + 2 * LANES <= width;
        for row in (0..whole).step_by(ROWS) {
            match two {
                true => tile::<ROWS, { 2 * LANES }>(a, depth, b, c, width, (row, at)),
                false => tile::<ROWS, LANES>(a, depth, b, c, width, (row, at)),
            }
        }
        at += if two { 2 * LANES } else { LANES };
    }
    for row in whole..rows {
        let mut at = 0;
        while at < width {
            if at + 4 * LANES <= width {
                tile::<1, { 4 * LANES }>(a, depth, b, c, width, (row, at));
                at += 4 * LANES;
            } else {
                tile::<1, LANES>(a, depth, b, c, width, (row, at));
                at += LANES;
            }
        }
    }
}

/// Rows of a tile.
const ROWS: usize = 4;

/// A tile of `R` rows and `W` columns.
#[inline(always)]
fn tile<const R: usize, const W: usize>(
    a: Left<'_>,
    depth: usize,
    b: &[f32],
    c: &mut [f32],
    width: usize,
    (row, at): (usize, usize),
) {
    let mut sums = [[0.0f32; W]; R];
    let rows: [&[f32]; R] = std::array::from_fn(|r| a.values.get((row + r) * a.down..).unwrap_or_default());
    for k in 0..depth {
        let Some(of_b) = b[k * width + at..].first_chunk::<W>() else { return };
        for (sums, of_a) in sums.iter_mut().zip(rows) {
            let factor = of_a[k * a.along];
            for (sum, of_b) in sums.iter_mut().zip(of_b) {
                *sum += factor * of_b;
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        c[(row + r) * width + at..][..W].copy_from_slice(sums);
    }
}

/// Writes the transpose of `matrix`, whose rows begin `stride` apart, of which `columns` count, to `transpose`: its rows are
/// `width` wide, zeros behind.
pub(super) fn transpose(
    matrix: &[f32],
    stride: usize,
    columns: std::ops::Range<usize>,
    transpose: &mut Vec<f32>,
    width: usize,
) {
    transpose.clear();
    transpose.resize(columns.len() * width, 0.0);
    for (k, row) in matrix.chunks_exact(stride.max(1)).enumerate() {
        for (i, value) in row[columns.clone()].iter().enumerate() {
            transpose[i * width + k] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32).map(|i| ((i * 37 + seed) % 23) as f32 * 0.37 - 3.0).collect()
    }

    /// Against three loops, for all remainders; alone and among others to the bit.
    #[test]
    fn as_three_loops() {
        for rows in 0..9 {
            for depth in [0, 1, 3, 10] {
                for width in [8, 16, 24, 40, 56] {
                    let (a, b) = (numbers(rows * depth, 1), numbers(depth * width, 2));
                    let mut c = vec![f32::NAN; rows * width];
                    multiply(Left::new(&a, depth), depth, &b, &mut c, width);
                    for row in 0..rows {
                        for at in 0..width {
                            let mut sum = 0.0;
                            (0..depth).for_each(|k| sum += a[row * depth + k] * b[k * width + at]);
                            assert_eq!(c[row * width + at].to_bits(), sum.to_bits());
                        }
                    }
                    // A is the transpose of what is read by columns.
                    let mut by_columns = Vec::new();
                    transpose(&a, depth, 0..depth, &mut by_columns, rows);
                    let mut again = vec![f32::NAN; rows * width];
                    multiply(Left::transposed(&by_columns, rows), depth, &b, &mut again, width);
                    assert_eq!(c, again);
                }
            }
        }
    }
}
