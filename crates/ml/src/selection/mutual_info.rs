//! Mutual information of a feature and the target: how much one tells of the other, in whatever shape.

use serde::{Deserialize, Serialize};

use super::features::Statistic;
use super::grid::Grid;
use super::probability::ln_chi_square_above;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};
use crate::learner::FeatureKind;

/// Cells of a number.
const CELLS_MAX: u32 = 256;

/// Cells of the number to be predicted.
const TARGET_CELLS_MAX: u32 = 64;

/// The declaration.
pub(super) static MUTUAL_INFO: SelectorDef = SelectorDef {
    name: "mutual_info",
    doc: "Mutual information in nats (Shannon 1948), `Σ p(x, y) ln(p(x, y) / (p(x) p(y)))`, of the feature in bins and the class, or the number to be predicted in bins. It sees dependence of any shape of one feature. Numbers are counted in up to 256 cells (64 of the number to be predicted) of one width over asinh(2^16·x), which doubles when one comes that is outside; for the score cells become 'select.bins' bins of about the same weight. So it is one pass, and merges exactly. Categories are counted as they are. Features are put in order by the score less its bias, (rows − 1)(columns − 1) / 2n of the table (Miller 1955), so that many categories are no advantage; the p-value is that of the G-test. Numbers and categories. Source: scikit-learn's mutual_info_score on the same bins.",
    takes: Takes { classes: true, numbers: true, no_label: false, categories: true, sparse: true },
    make: |setup| match setup.numbers {
        true => Box::new(Gathering::<Information<AgainstNumbers>>::new(setup)),
        false => Box::new(Gathering::<Information<AgainstClasses>>::new(setup)),
    },
};

/// Counts of a feature by class.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AgainstClasses(Grid);

/// Counts of a feature by the number to be predicted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AgainstNumbers(Grid);

trait Counts: Statistic {
    fn grid(&self) -> &Grid;
}

macro_rules! counts {
    ($name:ident, $new:expr) => {
        impl Counts for $name {
            fn grid(&self) -> &Grid {
                &self.0
            }
        }

        impl Statistic for $name {
            fn new(kind: FeatureKind) -> Self {
                let grid = match kind {
                    FeatureKind::Number => Grid::of_numbers(CELLS_MAX),
                    FeatureKind::Category => Grid::of_categories(),
                };
                Self($new(grid))
            }

            #[inline]
            fn take(&mut self, x: f64, y: f64, weight: f64) {
                self.0.take(x, y, weight);
            }

            fn merge(&mut self, other: &Self) {
                self.0.merge(&other.0);
            }

            fn with_zeros(&self, zero: &Self) -> Self {
                Self(self.0.with_zeros(&zero.0))
            }

            fn is_of(&self, kind: FeatureKind) -> bool {
                self.0.is_sound() && self.0.is_like(&Self::new(kind).0)
            }

            fn state_bytes(&self) -> usize {
                self.0.state_bytes()
            }
        }
    };
}

counts!(AgainstClasses, |grid: Grid| grid);
counts!(AgainstNumbers, |grid: Grid| grid.against_numbers(TARGET_CELLS_MAX));

#[derive(Debug)]
struct Information<S>(std::marker::PhantomData<S>);

impl<S: Counts + std::fmt::Debug + Send + Sync + 'static> Method for Information<S> {
    type Statistic = S;

    fn evidence(feature: &S, bins: u32) -> Evidence {
        let table = feature.grid().binned(bins);
        let (score, freedom, rows) = (table.mutual_information(), table.freedom(), table.total());
        if freedom <= 0.0 {
            // It does not vary, or the target does not.
            return Evidence { strength: f64::NEG_INFINITY, ..Evidence::of_score(score, None) };
        }
        let p_value = libm::exp(ln_chi_square_above(2.0 * rows * score, freedom));
        Evidence { score, p_value: Some(p_value), strength: score - freedom / (2.0 * rows) }
    }
}
