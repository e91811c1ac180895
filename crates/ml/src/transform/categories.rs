//! Categories in the order in which they were learned.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::arguments::{Argument, Call, describe};
use super::{Inputs, Values};
use crate::rows::{Dictionary, UNKNOWN};
use crate::snapshot::SnapshotError;
use crate::{Expression, Result};

/// No category: a missing value, one that was never learned, or one beyond the most that may be.
pub const NONE: u32 = u32::MAX;

/// Categories of a column, numbered from 0 as they were learned or given. A column of numbers has its distinct values for
/// categories.
///
/// Memory: at most `max` categories (the model's option `max-categories`); further ones stay [`NONE`].
#[derive(Debug, Clone)]
pub struct Categories {
    keys: Keys,
    max: u32,
}

#[derive(Debug, Clone)]
enum Keys {
    Texts {
        dictionary: usize,
        /// The category of each id of the dictionary.
        of_id: Vec<u32>,
        ids: Vec<u32>,
    },
    Numbers {
        of_bits: HashMap<u64, u32>,
        bits: Vec<u64>,
        flag: bool,
    },
}

#[derive(Serialize, Deserialize)]
enum Saved {
    Texts(Vec<String>),
    Numbers(Vec<u64>),
}

/// The key of a number: its bits, with one zero.
fn bits_of(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

impl Categories {
    /// None yet, of this column, up to `max`.
    pub fn new(column: &Argument, max: u32) -> Self {
        let keys = match column.dictionary {
            Some(dictionary) => Keys::Texts { dictionary, of_id: Vec::new(), ids: Vec::new() },
            None => Keys::Numbers { of_bits: HashMap::new(), bits: Vec::new(), flag: column.flag },
        };
        Self { keys, max: max.min(NONE - 2) }
    }

    /// The categories that a call gives as a list.
    ///
    /// # Errors
    /// When they are not of the column's type, or one is given twice, or there are none.
    pub fn given(call: &mut Call<'_>, name: &str) -> Result<Self> {
        let column = call.column().clone();
        let items = call.list(name)?;
        let mut categories = Self::new(&column, NONE);
        for item in &items {
            let before = categories.len();
            match (&mut categories.keys, item) {
                (Keys::Texts { dictionary, .. }, Expression::Text(text)) => {
                    let id = call.dictionaries[*dictionary].intern(text);
                    categories.learn_id(id);
                }
                (Keys::Numbers { .. }, Expression::Number(number)) if !number.is_nan() => {
                    categories.learn_number(*number);
                }
                (Keys::Numbers { flag: true, .. }, Expression::Flag(flag)) => {
                    categories.learn_number(if *flag { 1.0 } else { 0.0 });
                }
                (Keys::Texts { .. }, other) => {
                    return Err(call.error(format!(
                        "'{}' is a text, so {name} takes texts; found {}",
                        column.name,
                        describe(other)
                    )));
                }
                (Keys::Numbers { .. }, other) => {
                    return Err(call.error(format!(
                        "'{}' is a number, so {name} takes numbers; found {}",
                        column.name,
                        describe(other)
                    )));
                }
            }
            if categories.len() == before {
                return Err(call.error(format!("{} stands twice in {name}", describe(item))));
            }
        }
        if items.is_empty() {
            return Err(call.error(format!("{name} is empty")));
        }
        Ok(categories)
    }

    /// All texts that a dictionary holds now.
    pub fn all_of(dictionary: usize, dictionaries: &[Dictionary]) -> Self {
        let ids: Vec<u32> = (0..dictionaries[dictionary].len() as u32).collect();
        Self { keys: Keys::Texts { dictionary, of_id: ids.clone(), ids }, max: NONE }
    }

    /// How many.
    pub fn len(&self) -> u32 {
        match &self.keys {
            Keys::Texts { ids, .. } => ids.len() as u32,
            Keys::Numbers { bits, .. } => bits.len() as u32,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they are texts; otherwise they are numbers.
    pub fn are_texts(&self) -> bool {
        matches!(self.keys, Keys::Texts { .. })
    }

    /// Whether one more text could be learned.
    pub fn open(&self) -> bool {
        matches!(self.keys, Keys::Texts { .. }) && self.len() < self.max
    }

    /// The category of a text's id.
    #[inline]
    pub fn find_id(&self, id: u32) -> u32 {
        match &self.keys {
            Keys::Texts { of_id, .. } => of_id.get(id as usize).copied().unwrap_or(NONE),
            Keys::Numbers { .. } => NONE,
        }
    }

    /// The category of a number.
    #[inline]
    pub fn find_number(&self, number: f64) -> u32 {
        match &self.keys {
            Keys::Numbers { of_bits, .. } => of_bits.get(&bits_of(number)).copied().unwrap_or(NONE),
            Keys::Texts { .. } => NONE,
        }
    }

    /// The category of a text's id, a new one if need be.
    #[inline]
    pub fn learn_id(&mut self, id: u32) -> u32 {
        let Keys::Texts { of_id, ids, .. } = &mut self.keys else { return NONE };
        match of_id.get(id as usize) {
            Some(&category) if category != NONE => category,
            _ if id >= UNKNOWN || ids.len() as u32 >= self.max => NONE,
            _ => {
                if of_id.len() <= id as usize {
                    of_id.resize(id as usize + 1, NONE);
                }
                let category = ids.len() as u32;
                of_id[id as usize] = category;
                ids.push(id);
                category
            }
        }
    }

    /// The category of a number, a new one if need be.
    #[inline]
    pub fn learn_number(&mut self, number: f64) -> u32 {
        let Keys::Numbers { of_bits, bits, .. } = &mut self.keys else { return NONE };
        let key = bits_of(number);
        match of_bits.get(&key) {
            Some(&category) => category,
            None if number.is_nan() || bits.len() as u32 >= self.max => NONE,
            None => {
                let category = bits.len() as u32;
                of_bits.insert(key, category);
                bits.push(key);
                category
            }
        }
    }

    /// The id of a text category.
    pub fn id(&self, category: u32) -> u32 {
        match &self.keys {
            Keys::Texts { ids, .. } => ids.get(category as usize).copied().unwrap_or(UNKNOWN),
            Keys::Numbers { .. } => UNKNOWN,
        }
    }

    /// The value of a number category.
    pub fn number(&self, category: u32) -> f64 {
        match &self.keys {
            Keys::Numbers { bits, .. } => bits.get(category as usize).map_or(f64::NAN, |bits| f64::from_bits(*bits)),
            Keys::Texts { .. } => f64::NAN,
        }
    }

    /// Calls `put` with each row's category.
    #[inline]
    pub fn find_all(&self, x: Inputs<'_>, mut put: impl FnMut(usize, u32)) {
        match &self.keys {
            Keys::Texts { .. } => x.ids(0).iter().enumerate().for_each(|(row, id)| put(row, self.find_id(*id))),
            Keys::Numbers { .. } => {
                x.numbers(0).iter().enumerate().for_each(|(row, number)| put(row, self.find_number(*number)));
            }
        }
    }

    /// Calls `put_before` with each row's category as known before the row, and `put` with it after it is learned.
    #[inline]
    pub fn learn_all(
        &mut self,
        before: Option<(Inputs<'_>, &mut Values)>,
        after: Inputs<'_>,
        out: &mut Values,
        put: impl Fn(&mut Values, usize, u32),
    ) {
        let texts = matches!(self.keys, Keys::Texts { .. });
        match (texts, before) {
            (true, Some((x, out_before))) => {
                for (row, (id_before, id)) in x.ids(0).iter().zip(after.ids(0)).enumerate() {
                    put(out_before, row, self.find_id(*id_before));
                    put(out, row, self.learn_id(*id));
                }
            }
            (true, None) => {
                for (row, id) in after.ids(0).iter().enumerate() {
                    put(out, row, self.learn_id(*id));
                }
            }
            (false, Some((x, out_before))) => {
                for (row, (number_before, number)) in x.numbers(0).iter().zip(after.numbers(0)).enumerate() {
                    put(out_before, row, self.find_number(*number_before));
                    put(out, row, self.learn_number(*number));
                }
            }
            (false, None) => {
                for (row, number) in after.numbers(0).iter().enumerate() {
                    put(out, row, self.learn_number(*number));
                }
            }
        }
    }

    /// A category as a user would write it.
    pub fn name(&self, category: u32, dictionaries: &[Dictionary]) -> Option<String> {
        if category >= self.len() {
            return None;
        }
        Some(match &self.keys {
            Keys::Texts { dictionary, ids, .. } => dictionaries[*dictionary].text(ids[category as usize]).to_string(),
            Keys::Numbers { flag: true, .. } => (self.number(category) != 0.0).to_string(),
            Keys::Numbers { .. } => self.number(category).to_string(),
        })
    }

    /// The category that [`Categories::name`] gives this name.
    pub fn of_name(&self, name: &str, dictionaries: &[Dictionary]) -> Option<u32> {
        let category = match &self.keys {
            Keys::Texts { dictionary, .. } => self.find_id(dictionaries[*dictionary].find(name)),
            Keys::Numbers { flag: true, .. } => self.find_number(if name == "true" { 1.0 } else { 0.0 }),
            Keys::Numbers { .. } => self.find_number(name.parse().ok()?),
        };
        (category != NONE).then_some(category)
    }

    /// Something to serialize in their place: the texts themselves, for ids mean nothing elsewhere.
    pub fn save(&self, dictionaries: &[Dictionary]) -> impl Serialize + use<> {
        match &self.keys {
            Keys::Texts { dictionary, ids, .. } => {
                Saved::Texts(ids.iter().map(|id| dictionaries[*dictionary].text(*id).to_string()).collect())
            }
            Keys::Numbers { bits, .. } => Saved::Numbers(bits.clone()),
        }
    }

    /// Takes in what [`Categories::save`] wrote (as part of something larger), after those that are there already. Returns
    /// the number here of each category there.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn take(&mut self, saved: SavedCategories, dictionaries: &mut [Dictionary]) -> Result<Vec<u32>, SnapshotError> {
        match (&self.keys, saved.0) {
            (Keys::Texts { dictionary, .. }, Saved::Texts(texts)) => {
                let dictionary = *dictionary;
                Ok(texts.iter().map(|text| self.learn_id(dictionaries[dictionary].intern(text))).collect())
            }
            (Keys::Numbers { .. }, Saved::Numbers(bits)) => {
                Ok(bits.iter().map(|bits| self.learn_number(f64::from_bits(*bits))).collect())
            }
            _ => Err(SnapshotError::Content("categories of another type".to_string())),
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Texts { of_id, ids, .. } => {
                of_id.clear();
                ids.clear();
            }
            Keys::Numbers { of_bits, bits, .. } => {
                of_bits.clear();
                bits.clear();
            }
        }
    }

    /// Bytes of memory that they take.
    pub fn state_bytes(&self) -> usize {
        match &self.keys {
            Keys::Texts { of_id, ids, .. } => (of_id.capacity() + ids.capacity()) * 4,
            Keys::Numbers { of_bits, bits, .. } => of_bits.allocation_size() + bits.capacity() * 8,
        }
    }
}

/// What [`Categories::save`] wrote, read back.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct SavedCategories(Saved);

impl SavedCategories {
    /// How many.
    pub fn len(&self) -> usize {
        match &self.0 {
            Saved::Texts(texts) => texts.len(),
            Saved::Numbers(bits) => bits.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
