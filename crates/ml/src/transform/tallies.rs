//! Statistics a category of a column.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::arguments::Argument;
use super::categories::{Categories, NONE, SavedCategories};
use super::{Inputs, Replica};
use crate::Result;
use crate::rows::{Dictionary, NULL};
use crate::snapshot::{SnapshotError, decode, encode};

/// What is counted of the rows of a category, or of all rows. Its default has counted none.
pub(super) trait Tally: Debug + Clone + Default + Send + Sync + Serialize + DeserializeOwned {
    /// Takes in what was counted of other rows.
    fn merge(&mut self, other: &Self);

    /// Becomes what `replicas` make together, which all were as this one is and have counted rows of their own since.
    fn merge_since(&mut self, replicas: &[Self]);

    /// Whether rows can have been counted to that.
    fn is_sound(&self) -> bool;

    /// Bytes of memory beyond the value itself.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A number of rows.
impl Tally for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }

    fn merge_since(&mut self, replicas: &[Self]) {
        let before = *self;
        replicas.iter().for_each(|replica| self.merge(&replica.saturating_sub(before)));
    }

    fn is_sound(&self) -> bool {
        *self <= COUNT_MAX
    }
}

/// More rows than can be met.
pub(super) const COUNT_MAX: u64 = 1 << 53;

/// A tally of all rows, and one of each category of a column. A missing value is a category of its own, which is there from the
/// start. Categories that find no room count among all rows only.
///
/// Memory: what [`Categories`] take, and a tally a category.
#[derive(Debug)]
pub(super) struct Tallies<T> {
    categories: Categories,
    /// Of missing values, then by category.
    tallies: Vec<T>,
    all: T,
}

/// Keys of some rows: ids of texts, or numbers.
struct Keys<'a> {
    ids: &'a [u32],
    numbers: &'a [f64],
}

impl<'a> Keys<'a> {
    fn of(x: &Inputs<'a>, texts: bool) -> Self {
        match texts {
            true => Self { ids: x.ids(0), numbers: &[] },
            false => Self { ids: &[], numbers: x.numbers(0) },
        }
    }

    #[inline]
    fn is_missing(&self, row: usize) -> bool {
        match self.ids.get(row) {
            Some(id) => *id == NULL,
            None => self.numbers[row].is_nan(),
        }
    }
}

/// Where the tally of a category lies.
#[inline]
fn place(category: u32) -> u32 {
    if category == NONE { NONE } else { category + 1 }
}

impl<T: Tally> Tallies<T> {
    /// Nothing counted yet, of up to `max` categories.
    pub(super) fn new(column: &Argument, max: u32) -> Self {
        Self { categories: Categories::new(column, max), tallies: vec![T::default()], all: T::default() }
    }

    /// Calls `put` with each row's number, the tally of its category, if that is known, and that of all rows.
    #[inline]
    pub(super) fn find_all(&self, x: &Inputs<'_>, mut put: impl FnMut(usize, Option<&T>, &T)) {
        let keys = Keys::of(x, self.categories.are_texts());
        for row in 0..x.rows() {
            put(row, self.find(&keys, row), &self.all);
        }
    }

    #[inline]
    fn find(&self, keys: &Keys<'_>, row: usize) -> Option<&T> {
        let place = match keys.ids.get(row) {
            _ if keys.is_missing(row) => 0,
            Some(id) => place(self.categories.find_id(*id)),
            None => place(self.categories.find_number(keys.numbers[row])),
        };
        self.tallies.get(place as usize)
    }

    /// For each row in order: calls `put_before` with what [`Tallies::find_all`] would give of the row in `before`, then `learn`
    /// with the tallies to which the row of `after` is to be added: that of its category, if there is room for it, and that
    /// of all rows.
    #[inline]
    pub(super) fn learn_all(
        &mut self,
        before: Option<&Inputs<'_>>,
        after: &Inputs<'_>,
        mut put_before: impl FnMut(usize, Option<&T>, &T),
        mut learn: impl FnMut(usize, Option<&mut T>, &mut T),
    ) {
        let texts = self.categories.are_texts();
        let before = before.map(|x| Keys::of(x, texts));
        let keys = Keys::of(after, texts);
        for row in 0..after.rows() {
            if let Some(before) = &before {
                put_before(row, self.find(before, row), &self.all);
            }
            let place = match keys.ids.get(row) {
                _ if keys.is_missing(row) => 0,
                Some(id) => place(self.categories.learn_id(*id)),
                None => place(self.categories.learn_number(keys.numbers[row])),
            };
            if place != NONE && place as usize >= self.tallies.len() {
                self.tallies.push(T::default());
            }
            learn(row, self.tallies.get_mut(place as usize), &mut self.all);
        }
    }

    /// Whether one more text could be learned.
    pub(super) fn open(&self) -> bool {
        self.categories.open()
    }

    /// Whether the text with this id is a category.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.categories.find_id(id) != NONE
    }

    pub(super) fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        encode(&(self.categories.save(dictionaries), &self.tallies, &self.all))
    }

    pub(super) fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved: Saved<T> = decode_sound(state)?;
        self.categories.clear();
        let places = self.categories.take(saved.categories, dictionaries)?;
        if places.iter().enumerate().any(|(i, place)| *place != i as u32) {
            return Err(SnapshotError::Content("a category stands twice, or there are too many".to_string()));
        }
        (self.tallies, self.all) = (saved.tallies, saved.all);
        Ok(())
    }

    pub(super) fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved: Saved<T> = decode_sound(state)?;
        self.all.merge(&saved.all);
        let places = self.categories.take(saved.categories, dictionaries)?;
        self.make_room();
        for (place, theirs) in std::iter::once(0).chain(places.into_iter().map(place)).zip(&saved.tallies) {
            if let Some(tally) = self.tallies.get_mut(place as usize) {
                tally.merge(theirs);
            }
        }
        Ok(())
    }

    pub(super) fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        let mut all = Vec::with_capacity(replicas.len());
        // By category, what the replicas have of it.
        let mut of_category = vec![Vec::new(); self.tallies.len()];
        for replica in replicas {
            let saved: Saved<T> = decode_sound(&replica.state)?;
            all.push(saved.all);
            let places = self.categories.take(saved.categories, dictionaries)?;
            self.make_room();
            of_category.resize(self.tallies.len(), Vec::new());
            for (place, theirs) in std::iter::once(0).chain(places.into_iter().map(place)).zip(saved.tallies) {
                if let Some(found) = of_category.get_mut(place as usize) {
                    found.push(theirs);
                }
            }
        }
        self.all.merge_since(&all);
        self.tallies.iter_mut().zip(&of_category).for_each(|(tally, found)| tally.merge_since(found));
        Ok(())
    }

    /// A tally for each category that has none.
    fn make_room(&mut self) {
        self.tallies.resize(self.categories.len() as usize + 1, T::default());
    }

    pub(super) fn state_bytes(&self) -> usize {
        let heap: usize = self.tallies.iter().map(T::heap_bytes).sum();
        self.categories.state_bytes() + self.tallies.capacity() * size_of::<T>() + heap
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Saved<T> {
    categories: SavedCategories,
    tallies: Vec<T>,
    all: T,
}

fn decode_sound<T: Tally>(state: &[u8]) -> Result<Saved<T>, SnapshotError> {
    let saved: Saved<T> = decode(state)?;
    let fits = saved.tallies.len() == saved.categories.len() + 1;
    if fits && saved.all.is_sound() && saved.tallies.iter().all(T::is_sound) {
        Ok(saved)
    } else {
        Err(SnapshotError::Content("statistics do not fit their categories".to_string()))
    }
}
