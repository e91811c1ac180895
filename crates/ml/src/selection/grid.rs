//! How often values of a feature meet values of the target: counts over a grid that grows with them, and merges exactly.
//!
//! An axis of categories has a place a category. An axis of numbers has cells of one width over `asinh(2¹⁶ · x)`: over numbers near
//! 0 that is a straight line, over larger ones a logarithm, so that a cell spans a share of its number and an outlier takes little
//! of the grid. The width is a power of two, the least with which all numbers met fit into so many cells: when one comes that does
//! not fit, the width doubles and cells become one in pairs. So the grid depends on the least and the largest number alone, not on
//! the order of rows, and two grids are put together without loss.
//!
//! Memory: 8 bytes a place of the grid that the numbers span.

use serde::{Deserialize, Serialize};

/// Numbers below 2⁻¹⁶ or so are told apart by their difference, larger ones by their ratio.
const SCALE: f64 = 65_536.0;

/// The finest width is the inverse of it.
const FINEST: f64 = (1u64 << 40) as f64;

/// The coarsest width: all numbers fit into two cells.
const LEVEL_MAX: u8 = 62;

/// The finest cell of a number.
#[inline]
fn finest_cell(number: f64) -> i64 {
    (libm::asinh(number * SCALE) * FINEST).floor() as i64
}

/// What one side of a grid holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Axis {
    /// Categories, or classes, by number.
    Categories {
        /// How many there are so far.
        len: u32,
    },
    /// Numbers, in cells.
    Numbers {
        /// How often the width was doubled.
        level: u8,
        /// The first cell.
        low: i64,
        /// How many cells there are.
        len: u32,
        /// How many there may be.
        len_max: u32,
    },
}

impl Axis {
    fn len(self) -> usize {
        match self {
            Self::Categories { len } | Self::Numbers { len, .. } => len as usize,
        }
    }

    /// Where a value is, if it fits.
    #[inline]
    fn place(self, value: f64) -> Option<usize> {
        match self {
            Self::Categories { len } => Some(value as usize).filter(|place| *place < len as usize),
            Self::Numbers { level, low, len, .. } => {
                let place = (finest_cell(value) >> level) - low;
                (0..i64::from(len)).contains(&place).then_some(place as usize)
            }
        }
    }

    /// The axis that holds this value as well.
    fn with(self, value: f64) -> Self {
        match self {
            Self::Categories { .. } => self.union(Self::Categories { len: (value as u32).saturating_add(1) }),
            Self::Numbers { len_max, .. } => {
                self.union(Self::Numbers { level: 0, low: finest_cell(value), len: 1, len_max })
            }
        }
    }

    /// The axis that holds all values of both.
    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Categories { len }, Self::Categories { len: others }) => Self::Categories { len: len.max(others) },
            (own, Self::Numbers { len: 0, .. } | Self::Categories { .. }) => own,
            (Self::Numbers { len: 0, .. } | Self::Categories { .. }, other) => other,
            (
                Self::Numbers { level: a, low: low_a, len: len_a, len_max },
                Self::Numbers { level: b, low: low_b, len: len_b, .. },
            ) => {
                let mut level = a.max(b);
                let high = |low: i64, len: u32, own: u8| (low + i64::from(len) - 1) >> (level - own);
                let (mut low, mut high) = (
                    (low_a >> (level - a)).min(low_b >> (level - b)),
                    high(low_a, len_a, a).max(high(low_b, len_b, b)),
                );
                while high - low >= i64::from(len_max) && level < LEVEL_MAX {
                    (level, low, high) = (level + 1, low >> 1, high >> 1);
                }
                Self::Numbers { level, low, len: (high - low + 1) as u32, len_max }
            }
        }
    }

    /// Where what was at `place` is on an axis that [`Axis::union`] made of this one.
    #[inline]
    fn place_on(self, wider: Self, place: usize) -> usize {
        match (self, wider) {
            (Self::Numbers { level, low, .. }, Self::Numbers { level: wide, low: first, .. }) => {
                (((low + place as i64) >> (wide - level)) - first) as usize
            }
            _ => place,
        }
    }

    fn is_sound(self) -> bool {
        match self {
            Self::Categories { .. } => true,
            Self::Numbers { level, low, len, len_max } => {
                level <= LEVEL_MAX && low.unsigned_abs() < 1 << 62 && len <= len_max && len_max <= 4096
            }
        }
    }
}

/// Counts of pairs of values. See the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Grid {
    x: Axis,
    y: Axis,
    /// The weight of each pair, a row a place of `x`.
    counts: Vec<f64>,
}

impl Grid {
    fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, counts: Vec::new() }
    }

    /// Categories against classes.
    pub(super) fn of_categories() -> Self {
        Self::new(Axis::Categories { len: 0 }, Axis::Categories { len: 0 })
    }

    /// Numbers, in up to so many cells, against classes.
    pub(super) fn of_numbers(cells_max: u32) -> Self {
        Self::new(Axis::Numbers { level: 0, low: 0, len: 0, len_max: cells_max }, Axis::Categories { len: 0 })
    }

    /// The same against numbers, in up to so many cells.
    pub(super) fn against_numbers(self, cells_max: u32) -> Self {
        Self { y: Axis::Numbers { level: 0, low: 0, len: 0, len_max: cells_max }, ..self }
    }

    /// Counts a pair.
    #[inline]
    pub(super) fn take(&mut self, x: f64, y: f64, weight: f64) {
        let place = match (self.x.place(x), self.y.place(y)) {
            (Some(row), Some(column)) => row * self.y.len() + column,
            _ => {
                self.widen(self.x.with(x), self.y.with(y));
                let (row, column) = (self.x.place(x).unwrap_or(0), self.y.place(y).unwrap_or(0));
                row * self.y.len() + column
            }
        };
        self.counts[place] += weight;
    }

    fn widen(&mut self, x: Axis, y: Axis) {
        if (x, y) == (self.x, self.y) {
            return;
        }
        let mut wider = Self { x, y, counts: vec![0.0; x.len() * y.len()] };
        wider.add(self);
        *self = wider;
    }

    /// Adds a grid whose values all have their place here.
    fn add(&mut self, other: &Self) {
        let columns = other.y.len().max(1);
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count != 0.0) {
            let row = other.x.place_on(self.x, at / columns);
            let column = other.y.place_on(self.y, at % columns);
            self.counts[row * self.y.len() + column] += count;
        }
    }

    /// Takes in the pairs of another.
    pub(super) fn merge(&mut self, other: &Self) {
        self.widen(self.x.union(other.x), self.y.union(other.y));
        self.add(other);
    }

    /// With the rows of `zero`, in all of which the feature is 0, that are not counted here.
    pub(super) fn with_zeros(&self, zero: &Self) -> Self {
        let mut own = self.clone();
        own.widen(self.x, self.y.union(zero.y));
        let mut absent = Self { x: zero.x, y: own.y, counts: vec![0.0; zero.x.len() * own.y.len()] };
        absent.add(zero);
        let columns = own.y.len().max(1);
        for (column, count) in absent.counts.iter_mut().enumerate() {
            let counted: f64 = own.counts.iter().skip(column % columns).step_by(columns).sum();
            // Weights may leave a rest of rounding.
            *count = if *count - counted > 1e-12 * *count { *count - counted } else { 0.0 };
        }
        if absent.counts.iter().any(|count| *count > 0.0) {
            own.widen(self.x.union(zero.x), own.y);
            own.add(&absent);
        }
        own
    }

    /// The counts as they are.
    pub(super) fn table(&self) -> Table {
        Table { columns: self.y.len().max(1), counts: self.counts.clone() }
    }

    /// The counts with cells of numbers put together into at most `bins` bins that weigh about the same: a cell goes to bin
    /// `⌊bins · r⌋`, where r is the share of the weight below its middle.
    pub(super) fn binned(&self, bins: u32) -> Table {
        let table = self.table();
        let bins_of = |axis: Axis, sums: &[f64]| -> Vec<usize> {
            let total: f64 = sums.iter().sum();
            let mut below = 0.0;
            let bin = |(place, sum): (usize, &f64)| {
                let middle = below + sum / 2.0;
                below += sum;
                match axis {
                    Axis::Categories { .. } => place,
                    Axis::Numbers { .. } => ((middle / total * f64::from(bins)) as usize).min(bins as usize - 1),
                }
            };
            sums.iter().enumerate().map(bin).collect()
        };
        let (rows, columns) = (bins_of(self.x, &table.row_sums()), bins_of(self.y, &table.column_sums()));
        let length = |bins: &[usize]| bins.iter().map(|bin| bin + 1).max().unwrap_or(0);
        let width = length(&columns).max(1);
        let mut counts = vec![0.0; length(&rows) * width];
        for (row, column, count) in table.cells() {
            counts[rows[row] * width + columns[column]] += count;
        }
        Table { columns: width, counts }
    }

    /// Whether both sides are of the same make as those of another.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let like = |a: Axis, b: Axis| match (a, b) {
            (Axis::Categories { .. }, Axis::Categories { .. }) => true,
            (Axis::Numbers { len_max: a, .. }, Axis::Numbers { len_max: b, .. }) => a == b,
            _ => false,
        };
        like(self.x, other.x) && like(self.y, other.y)
    }

    /// Whether the bytes it came from were those of a grid.
    pub(super) fn is_sound(&self) -> bool {
        self.x.is_sound() && self.y.is_sound() && self.counts.len() == self.x.len() * self.y.len()
    }

    /// Bytes of memory beyond the value itself.
    pub(super) fn state_bytes(&self) -> usize {
        8 * self.counts.capacity()
    }
}

/// Counts of pairs: a contingency table.
#[derive(Debug)]
pub(super) struct Table {
    columns: usize,
    counts: Vec<f64>,
}

impl Table {
    /// The pairs that occur: row, column, weight.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        self.counts.iter().enumerate().map(|(at, count)| (at / self.columns, at % self.columns, *count))
    }

    /// The weight of each row.
    pub(super) fn row_sums(&self) -> Vec<f64> {
        self.counts.chunks(self.columns).map(|row| row.iter().sum()).collect()
    }

    /// The weight of each column.
    pub(super) fn column_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        self.cells().for_each(|(_, column, count)| sums[column] += count);
        sums
    }

    /// The degrees of freedom of independence: of rows and columns that occur, one less each, multiplied.
    pub(super) fn freedom(&self) -> f64 {
        let occur = |sums: Vec<f64>| sums.iter().filter(|sum| **sum > 0.0).count() as f64;
        (occur(self.row_sums()) - 1.0).max(0.0) * (occur(self.column_sums()) - 1.0).max(0.0)
    }

    /// The mutual information of row and column in nats, `Σ p(r, c) ln(p(r, c) / (p(r) p(c)))`; NaN of no rows.
    pub(super) fn mutual_information(&self) -> f64 {
        let (rows, columns) = (self.row_sums(), self.column_sums());
        let total: f64 = rows.iter().sum();
        if total <= 0.0 {
            return f64::NAN;
        }
        let term = |(row, column, count): (usize, usize, f64)| {
            if count > 0.0 { count / total * libm::log(count * total / (rows[row] * columns[column])) } else { 0.0 }
        };
        self.cells().map(term).sum::<f64>().max(0.0)
    }

    /// The weight of all.
    pub(super) fn total(&self) -> f64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Grid {
        let mut grid = Grid::of_numbers(8).against_numbers(4);
        pairs.iter().for_each(|(x, y)| grid.take(*x, *y, 1.0));
        grid
    }

    #[test]
    fn a_grid_depends_on_its_pairs_and_not_on_their_order() {
        let pairs: Vec<(f64, f64)> =
            (0..200).map(|i| ((f64::from(i * 37 % 200) - 90.0).powi(3), f64::from(i * 91 % 200) - 20.0)).collect();
        let whole = of(&pairs);
        let mut turned = pairs.clone();
        turned.reverse();
        assert_eq!(of(&turned), whole);
        assert!(whole.x.len() <= 8 && whole.y.len() <= 4 && whole.is_sound());
        for cut in [0, 1, 17, 150, 200] {
            let mut parts = of(&pairs[..cut]);
            parts.merge(&of(&pairs[cut..]));
            assert_eq!(parts, whole, "cut at {cut}");
        }
        assert_eq!(whole.table().total(), 200.0);
    }

    #[test]
    fn what_tells_all_and_what_tells_nothing() {
        let mut grid = Grid::of_numbers(256);
        for i in 0..400 {
            grid.take(f64::from(i % 4), f64::from(i % 4 / 2), 1.0);
        }
        assert!((grid.binned(16).mutual_information() - 2f64.ln()).abs() < 1e-15);
        let mut grid = Grid::of_numbers(256);
        for i in 0..400 {
            grid.take(f64::from(i % 20), f64::from(i / 20 % 2), 1.0);
        }
        assert!(grid.binned(16).mutual_information() < 1e-15);
        assert_eq!(grid.binned(4).freedom(), 3.0);
        assert!(Grid::of_numbers(256).binned(16).mutual_information().is_nan());
    }

    #[test]
    fn zeros_left_out_are_counted_as_if_they_had_been_there() {
        let (mut all, mut sparse, mut zero) = (Grid::of_numbers(16), Grid::of_numbers(16), Grid::of_numbers(16));
        for i in 0..100 {
            let (x, y) = (f64::from(i % 5 / 3), f64::from(i % 3));
            all.take(x, y, 1.0);
            zero.take(0.0, y, 1.0);
            if x != 0.0 {
                sparse.take(x, y, 1.0);
            }
        }
        assert_eq!(sparse.with_zeros(&zero), all);
    }
}
