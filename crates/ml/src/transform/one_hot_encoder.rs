//! A feature a category.

use super::arguments::{Argument, Call};
use super::categories::{Categories, NONE, SavedCategories};
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::Dictionary;
use crate::snapshot::{SnapshotError, decode, encode};

/// See its `doc`.
pub(super) static ONE_HOT_ENCODER: TransformDef = TransformDef {
    name: "ML_ONE_HOT_ENCODER",
    arguments: &[
        "value [, handle_unknown = 'ignore' | 'keep']) OVER (",
        "value, ARRAY[category, …] [, drop_last = FALSE [, handle_unknown = 'ignore' | 'keep']]",
    ],
    doc: "A feature a category, which is 1 where the value is that category and 0 elsewhere. Categories are learned in the \
          order in which they come, or given. With 'ignore', missing values, categories never learned and those beyond \
          max-categories have no feature: all zeros. With 'keep' they share a feature of their own, named (unknown). drop_last \
          leaves the last given category without a feature, so that features are not linearly dependent. Takes texts, \
          numbers and flags. Features are sparse: cost and memory a row do not grow with the categories. State: the \
          categories. Merges exactly: categories of the other are appended in the order in which it learned them.",
    takes: Takes { numbers: true, categories: true, together: false },
    make,
};

/// The name of the feature that unknown categories share.
const UNKNOWN_NAME: &str = "(unknown)";

#[derive(Debug)]
pub(super) struct OneHotEncoder {
    categories: Categories,
    learns: bool,
    /// Whether index 0 stands for unknown categories, and category `c` is at `c + 1`.
    keep: bool,
    /// Whether the last category has no feature.
    drop_last: bool,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    let mut encoder = if call.learned {
        OneHotEncoder::over(call.column(), call.categories_max)
    } else {
        let categories = Categories::given(call, "categories")?;
        let drop_last = call.flag_or("drop_last", false)?;
        OneHotEncoder { categories, learns: false, keep: false, drop_last }
    };
    if !call.is_done() {
        encoder.keep = call.word("handle_unknown", &["ignore", "keep"])? == "keep";
    }
    call.finish()?;
    Ok(Box::new(encoder))
}

impl OneHotEncoder {
    /// One that learns the categories of a column.
    pub(super) fn over(column: &Argument, max: u32) -> Self {
        Self { categories: Categories::new(column, max), learns: true, keep: false, drop_last: false }
    }

    /// One for all categories that a dictionary holds now.
    pub(super) fn all_of(dictionary: usize, dictionaries: &[Dictionary]) -> Self {
        let categories = Categories::all_of(dictionary, dictionaries);
        Self { categories, learns: false, keep: false, drop_last: false }
    }

    #[inline]
    fn index(&self, category: u32) -> u32 {
        index(category, self.keep, self.last())
    }

    /// The category without a feature.
    fn last(&self) -> u32 {
        if self.drop_last { self.categories.len() - 1 } else { NONE }
    }

    fn count(&self) -> u32 {
        self.categories.len() + u32::from(self.keep) - u32::from(self.drop_last)
    }
}

#[inline]
fn index(category: u32, keep: bool, last: u32) -> u32 {
    match category {
        NONE if keep => 0,
        NONE => NONE,
        // With 'keep', a dropped category still differs from an unknown one.
        _ if category == last => NONE,
        _ => category + u32::from(keep),
    }
}

impl Transform for OneHotEncoder {
    fn output(&self) -> Output {
        Output::Sparse { columns: 1, features: (!self.learns).then(|| self.count()), values: false }
    }

    fn learns(&self) -> bool {
        self.learns
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.ids.resize(x.rows(), NONE);
        self.categories.find_all(x, |row, category| out.ids[row] = self.index(category));
    }

    fn learn(&mut self, mut before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        out.ids.resize(after.rows(), NONE);
        if let Some((x, out)) = &mut before {
            out.ids.resize(x.rows(), NONE);
        }
        let keep = self.keep;
        self.categories.learn_all(before, after, out, |out, row, category| out.ids[row] = index(category, keep, NONE));
    }

    fn open(&self) -> bool {
        self.learns && self.categories.open()
    }

    fn knows(&self, id: u32) -> bool {
        self.categories.find_id(id) != NONE
    }

    fn category(&self, index: u32, dictionaries: &[Dictionary]) -> Option<String> {
        match index.checked_sub(self.keep.into()) {
            None => Some(UNKNOWN_NAME.to_string()),
            Some(category) => self.categories.name(category, dictionaries),
        }
    }

    fn categories(&self) -> u32 {
        self.count()
    }

    fn index_of(&self, category: &str, dictionaries: &[Dictionary]) -> Option<u32> {
        let found = self.categories.of_name(category, dictionaries).map(|category| self.index(category));
        found.or((self.keep && category == UNKNOWN_NAME).then_some(0))
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
        let places = self.categories.take(saved, dictionaries)?;
        if places.iter().enumerate().all(|(i, place)| *place == i as u32) {
            Ok(())
        } else {
            Err(SnapshotError::Content("a category stands twice, or there are too many".to_string()))
        }
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
