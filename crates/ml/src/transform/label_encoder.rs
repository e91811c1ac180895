//! Categories as numbers.

use super::arguments::Call;
use super::categories::{Categories, NONE, SavedCategories};
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::Dictionary;
use crate::snapshot::{SnapshotError, decode, encode};

/// See its `doc`.
pub(super) static LABEL_ENCODER: TransformDef = TransformDef {
    name: "ML_LABEL_ENCODER",
    arguments: &["value [, include_zero = FALSE]) OVER (", "value, ARRAY[category, …] [, include_zero = FALSE]"],
    doc: "The number of a category: 1, 2, … in the order in which categories were learned, or given; 0 for missing values and \
          categories never learned. With include_zero numbers start at 0, and those have −1. Takes texts, numbers and \
          flags. State: the categories, at most max-categories. Merges exactly: categories of the other are appended.",
    takes: Takes { numbers: true, categories: true, together: false },
    make: make_label,
};

/// See its `doc`.
pub(super) static ORDINAL_ENCODER: TransformDef = TransformDef {
    name: "ML_ORDINAL_ENCODER",
    arguments: &["value, ARRAY[lowest, …, highest]"],
    doc: "The rank of a category in a given order: 0, 1, …; −1 for missing values and categories that are not in it. Takes \
          texts, numbers and flags. Learns nothing.",
    takes: Takes { numbers: true, categories: true, together: false },
    make: make_ordinal,
};

#[derive(Debug)]
pub(super) struct LabelEncoder {
    categories: Categories,
    learns: bool,
    /// The number of the first category.
    first: f64,
    /// What stands for a missing value, and a category that is not known.
    unknown: f64,
}

impl LabelEncoder {
    /// The categories of a column as a learner that takes them as they are has them: 0, 1, …; missing and unknown are NaN.
    pub(super) fn as_they_are(categories: Categories, learns: bool) -> Self {
        Self { categories, learns, first: 0.0, unknown: f64::NAN }
    }
}

fn make_label(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    let categories = if call.learned {
        Categories::new(call.column(), call.categories_max)
    } else {
        Categories::given(call, "categories")?
    };
    let first = if call.flag_or("include_zero", false)? { 0.0 } else { 1.0 };
    call.finish()?;
    Ok(Box::new(LabelEncoder { categories, learns: call.learned, first, unknown: first - 1.0 }))
}

fn make_ordinal(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    if call.learned {
        return Err(call.error("the order of categories cannot be learned; give it as ARRAY[lowest, …, highest]"));
    }
    let categories = Categories::given(call, "order")?;
    call.finish()?;
    Ok(Box::new(LabelEncoder { categories, learns: false, first: 0.0, unknown: -1.0 }))
}

#[inline]
fn number(category: u32, first: f64, unknown: f64) -> f64 {
    if category == NONE { unknown } else { f64::from(category) + first }
}

impl Transform for LabelEncoder {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn learns(&self) -> bool {
        self.learns
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.numbers.resize(x.rows(), 0.0);
        self.categories.find_all(x, |row, category| out.numbers[row] = number(category, self.first, self.unknown));
    }

    fn learn(&mut self, mut before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        out.numbers.resize(after.rows(), 0.0);
        if let Some((x, out)) = &mut before {
            out.numbers.resize(x.rows(), 0.0);
        }
        let (first, unknown) = (self.first, self.unknown);
        self.categories
            .learn_all(before, after, out, |out, row, category| out.numbers[row] = number(category, first, unknown));
    }

    fn open(&self) -> bool {
        self.learns && self.categories.open()
    }

    fn knows(&self, id: u32) -> bool {
        self.categories.find_id(id) != NONE
    }

    fn category(&self, index: u32, dictionaries: &[Dictionary]) -> Option<String> {
        self.categories.name(index, dictionaries)
    }

    fn categories(&self) -> u32 {
        self.categories.len()
    }

    fn index_of(&self, category: &str, dictionaries: &[Dictionary]) -> Option<u32> {
        self.categories.of_name(category, dictionaries)
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        if self.learns { encode(&self.categories.save(dictionaries)) } else { Vec::new() }
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        if !self.learns {
            return if state.is_empty() {
                Ok(())
            } else {
                Err(SnapshotError::Content("given categories have no state".into()))
            };
        }
        let saved: SavedCategories = decode(state)?;
        self.categories.clear();
        self.categories.take(saved, dictionaries)?;
        Ok(())
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        if self.learns {
            self.categories.take(decode(state)?, dictionaries)?;
        }
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        // Categories in common are the same ones.
        Ok(replicas.iter().try_for_each(|replica| self.merge(&replica.state, dictionaries))?)
    }

    fn state_bytes(&self) -> usize {
        self.categories.state_bytes()
    }
}
