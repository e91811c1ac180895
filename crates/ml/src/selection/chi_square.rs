//! Pearson's test of independence of counts and classes.

use serde::{Deserialize, Serialize};

use super::features::Statistic;
use super::grid::{Grid, Table};
use super::probability::ln_chi_square_above;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};
use crate::learner::FeatureKind;

/// The declaration.
pub(super) static CHI_SQUARE: SelectorDef = SelectorDef {
    name: "chi_square",
    doc: "Pearson's chi-square statistic (1900) of counts by class, `Σ (observed − expected)² / expected`. A number is a count or a flag: its sums by class are held against those that the classes' shares of the rows make expected, with C − 1 degrees of freedom. A category is counted by class, with (categories − 1)(C − 1) degrees of freedom, which is the sum over its one-hot columns. Features are put in order by their p-values, in logarithms, so that many categories are no advantage. A feature with a negative number has no score. Numbers of at least 0, and categories. Source: scikit-learn's chi2.",
    takes: Takes { classes: true, numbers: false, no_label: false, categories: true, sparse: true },
    make: |setup| Box::new(Gathering::<ChiSquare>::new(setup)),
};

#[derive(Debug)]
struct ChiSquare;

/// What is gathered of a feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Counts {
    /// Of a number: the weight of the rows of each class and the sum of the feature over them.
    Number {
        rows: Vec<f64>,
        sums: Vec<f64>,
        /// Whether one was negative.
        negative: bool,
    },
    /// Of a category: rows by category and class.
    Category(Grid),
}

fn at(values: &mut Vec<f64>, index: usize) -> &mut f64 {
    if index >= values.len() {
        values.resize(index + 1, 0.0);
    }
    &mut values[index]
}

impl Statistic for Counts {
    fn new(kind: FeatureKind) -> Self {
        match kind {
            FeatureKind::Number => Self::Number { rows: Vec::new(), sums: Vec::new(), negative: false },
            FeatureKind::Category => Self::Category(Grid::of_categories()),
        }
    }

    #[inline]
    fn take(&mut self, x: f64, y: f64, weight: f64) {
        match self {
            Self::Number { rows, sums, negative } => {
                *at(rows, y as usize) += weight;
                *at(sums, y as usize) += weight * x;
                *negative |= x < 0.0;
            }
            Self::Category(grid) => grid.take(x, y, weight),
        }
    }

    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (
                Self::Number { rows, sums, negative },
                Self::Number { rows: other_rows, sums: other_sums, negative: other_negative },
            ) => {
                other_rows.iter().enumerate().for_each(|(class, weight)| *at(rows, class) += weight);
                other_sums.iter().enumerate().for_each(|(class, sum)| *at(sums, class) += sum);
                *negative |= other_negative;
            }
            (Self::Category(mine), Self::Category(theirs)) => mine.merge(theirs),
            // Loading has made sure that kinds are those of the features.
            _ => {}
        }
    }

    fn with_zeros(&self, zero: &Self) -> Self {
        match (self, zero) {
            (Self::Number { sums, negative, .. }, Self::Number { rows, .. }) => {
                Self::Number { rows: rows.clone(), sums: sums.clone(), negative: *negative }
            }
            _ => self.clone(),
        }
    }

    fn is_of(&self, kind: FeatureKind) -> bool {
        match self {
            Self::Number { .. } => kind == FeatureKind::Number,
            Self::Category(grid) => kind == FeatureKind::Category && grid.is_sound(),
        }
    }

    fn state_bytes(&self) -> usize {
        match self {
            Self::Number { rows, sums, .. } => 8 * (rows.capacity() + sums.capacity()),
            Self::Category(grid) => grid.state_bytes(),
        }
    }
}

impl Method for ChiSquare {
    type Statistic = Counts;

    fn evidence(feature: &Counts, _: u32) -> Evidence {
        match feature {
            Counts::Number { negative: true, .. } => Evidence::NONE,
            Counts::Number { rows, sums, .. } => of_sums(rows, sums),
            Counts::Category(grid) => of_table(&grid.table()),
        }
    }
}

fn evidence(statistic: f64, freedom: f64) -> Evidence {
    let ln_p = ln_chi_square_above(statistic, freedom);
    Evidence { score: statistic, p_value: Some(libm::exp(ln_p)), strength: -ln_p }
}

fn of_sums(rows: &[f64], sums: &[f64]) -> Evidence {
    let (total, sum): (f64, f64) = (rows.iter().sum(), sums.iter().sum());
    let classes = rows.iter().filter(|rows| **rows > 0.0).count() as f64;
    if total <= 0.0 || sum <= 0.0 || classes < 2.0 {
        return Evidence::NONE;
    }
    let of_class = |(class, rows): (usize, &f64)| {
        let expected = sum * rows / total;
        let difference = sums.get(class).copied().unwrap_or(0.0) - expected;
        if expected > 0.0 { difference * difference / expected } else { 0.0 }
    };
    evidence(rows.iter().enumerate().map(of_class).sum(), classes - 1.0)
}

fn of_table(table: &Table) -> Evidence {
    let (rows, columns) = (table.row_sums(), table.column_sums());
    let total: f64 = rows.iter().sum();
    let freedom = table.freedom();
    if freedom <= 0.0 {
        return Evidence::NONE;
    }
    let of_cell = |(row, column, observed): (usize, usize, f64)| {
        let expected = rows[row] * columns[column] / total;
        let difference = observed - expected;
        if expected > 0.0 { difference * difference / expected } else { 0.0 }
    };
    evidence(table.cells().map(of_cell).sum(), freedom)
}
