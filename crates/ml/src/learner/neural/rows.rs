//! Rows as a network reads them.

use serde::{Deserialize, Serialize};

use super::settings::INPUT_MAX;
use crate::learner::bayes::Columns;

/// A category that is missing or has no embedding.
pub(super) const MISSING: u32 = u32::MAX;

/// Some rows: numbers, and categories by their number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rows {
    rows: usize,
    /// `rows × numbers`. A missing number is 0.
    pub(super) numbers: Vec<f32>,
    /// `rows × categories`.
    pub(super) categories: Vec<u32>,
}

impl Rows {
    /// Adds a row.
    pub(super) fn push(&mut self, dense: &[f64], columns: &Columns, categories_max: usize) {
        self.rows += 1;
        let at = |feature: &u32| dense.get(*feature as usize).copied().unwrap_or(f64::NAN);
        let number = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(-INPUT_MAX, INPUT_MAX) as f32 };
        let category =
            |value: f64| if (value as usize) < categories_max && value >= 0.0 { value as u32 } else { MISSING };
        self.numbers.extend(columns.numbers.iter().map(|feature| number(at(feature))));
        self.categories.extend(columns.categories.iter().map(|feature| category(at(feature))));
    }

    pub(super) fn clear(&mut self) {
        self.rows = 0;
        self.numbers.clear();
        self.categories.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// What was category `i` of the column at `at` is from now on `numbers[i]`, or gone.
    pub(super) fn renumber(&mut self, at: usize, columns: usize, numbers: &[u32], categories_max: usize) {
        for category in self.categories.iter_mut().skip(at).step_by(columns.max(1)) {
            let number = numbers.get(*category as usize).copied().unwrap_or(MISSING);
            *category = if (number as usize) < categories_max { number } else { MISSING };
        }
    }

    /// Whether they are of these columns.
    pub(super) fn are_sound(&self, columns: &Columns, categories_max: usize) -> bool {
        let fits = |length: usize, width: usize| self.rows.checked_mul(width) == Some(length);
        fits(self.numbers.len(), columns.numbers.len())
            && fits(self.categories.len(), columns.categories.len())
            && self.numbers.iter().all(|number| f64::from(number.abs()) <= INPUT_MAX)
            && self.categories.iter().all(|category| *category == MISSING || (*category as usize) < categories_max)
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        4 * (self.numbers.capacity() + self.categories.capacity())
    }
}
