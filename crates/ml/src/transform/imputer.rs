//! In place of missing values.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::arguments::{Call, describe};
use super::categories::{Categories, NONE, SavedCategories};
use super::quantiles::Quantiles;
use super::scaler::{self, Statistics};
use super::standard_scaler::Moments;
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::rows::{Dictionary, NULL, NULL_HASH, hash_text, is_taken};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Expression, Result};

/// See its `doc`.
pub(super) static IMPUTER: TransformDef = TransformDef {
    name: "ML_IMPUTER",
    arguments: &["value, 'mean' | 'median' | 'most_frequent') OVER (", "value, 'constant', replacement"],
    doc: "Replaces missing values (NULL, and NaN) by the mean, the median or the most frequent of the values learned so far, or \
          by a constant. Texts take 'most_frequent' and 'constant'. Before any value was learned, a number becomes 0 and a \
          text stays missing. Of several most frequent values it is the one that reached the count first. The median is \
          exact for 511 values, then approximate as in ML_ROBUST_SCALER. State: 24 bytes for the mean, at most 16 KiB for \
          the median, at most max-categories values for the most frequent. Mean (up to rounding) and counts merge exactly \
          (ties then go to the value first met), the median up to the sketch's error; in parallel training, what replicas have \
          added since the last sync.",
    takes: Takes { numbers: true, categories: true, together: false },
    make,
};

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    let column = call.column().clone();
    let strategy = call.word("strategy", &["mean", "median", "most_frequent", "constant"])?;
    if strategy == "constant" {
        let value = call.value("replacement")?;
        call.finish()?;
        return match (column.dictionary, value) {
            (None, Expression::Number(value)) if is_taken(value) => Ok(Box::new(Constant { number: value })),
            (None, Expression::Flag(value)) if column.flag => {
                Ok(Box::new(Constant { number: if value { 1.0 } else { 0.0 } }))
            }
            (Some(dictionary), Expression::Text(text)) => {
                let id = call.dictionaries[dictionary].intern(&text);
                Ok(Box::new(ConstantText { dictionary, id, hash: hash_text(&text) }))
            }
            (dictionary, other) => Err(call.error(format!(
                "'{}' is a {}, which {} cannot replace",
                column.name,
                if dictionary.is_some() { "text" } else { "number" },
                describe(&other)
            ))),
        };
    }
    call.finish()?;
    if !call.learned {
        return Err(call.error(format!("'{strategy}' is learned from the rows: write OVER () after the call")));
    }
    match (strategy, column.dictionary) {
        ("mean", None) => Ok(Box::new(Imputer { statistic: Mean(Moments::default()) })),
        ("median", None) => Ok(Box::new(Imputer { statistic: Median(Quantiles::default()) })),
        ("most_frequent", _) => {
            let counts = Counts::new(Categories::new(&column, call.categories_max));
            Ok(match column.dictionary {
                None => Box::new(MostFrequentNumber { counts }),
                Some(dictionary) => Box::new(MostFrequentText { counts, dictionary, hash: 0 }),
            })
        }
        _ => Err(call.error(format!("'{}' is a text; it takes 'most_frequent' or 'constant'", column.name))),
    }
}

/// A number in place of missing ones.
#[derive(Debug)]
struct Constant {
    number: f64,
}

impl Transform for Constant {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        fill(x, out, self.number);
    }
}

#[inline]
fn or(x: f64, replacement: f64) -> f64 {
    if x.is_nan() { replacement } else { x }
}

fn fill(x: Inputs<'_>, out: &mut Values, replacement: f64) {
    out.numbers.resize(x.rows(), 0.0);
    for (x, out) in x.numbers(0).iter().zip(&mut out.numbers) {
        *out = or(*x, replacement);
    }
}

/// A statistic of numbers that can stand for a missing one.
trait Statistic: Debug + Send + Sync {
    fn update(&mut self, x: f64);
    fn value(&self) -> f64;
    fn save(&self) -> Vec<u8>;
    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError>;
    fn merge(&mut self, state: &[u8]) -> Result<(), SnapshotError>;
    fn merge_since(&mut self, replicas: &[Replica]) -> Result<()>;
    fn branch(&mut self) {}
    fn apart(&self) -> Vec<u8> {
        Vec::new()
    }
    fn load_apart(&mut self, _: &[u8]) -> Result<(), SnapshotError> {
        Ok(())
    }
    fn heap_bytes(&self) -> usize;
}

#[derive(Debug)]
struct Mean(Moments);

impl Statistic for Mean {
    #[inline]
    fn update(&mut self, x: f64) {
        self.0.update(x);
    }
    #[inline]
    fn value(&self) -> f64 {
        self.0.mean()
    }
    fn save(&self) -> Vec<u8> {
        encode(&self.0)
    }
    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.0 = decode(state)?;
        Ok(())
    }
    fn merge(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.0.merge(&decode(state)?);
        Ok(())
    }
    fn merge_since(&mut self, replicas: &[Replica]) -> Result<()> {
        scaler::merge_since(&mut self.0, replicas)
    }
    fn heap_bytes(&self) -> usize {
        0
    }
}

#[derive(Debug)]
struct Median(Quantiles);

impl Statistic for Median {
    fn update(&mut self, x: f64) {
        self.0.update(x);
    }
    fn value(&self) -> f64 {
        self.0.quartiles()[1]
    }
    fn save(&self) -> Vec<u8> {
        encode(&self.0)
    }
    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.0 = decode(state)?;
        Ok(())
    }
    fn merge(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.0.merge(&decode(state)?);
        Ok(())
    }
    fn merge_since(&mut self, replicas: &[Replica]) -> Result<()> {
        scaler::merge_since(&mut self.0, replicas)
    }
    fn branch(&mut self) {
        self.0.branch();
    }
    fn apart(&self) -> Vec<u8> {
        self.0.apart().map(encode).unwrap_or_default()
    }
    fn load_apart(&mut self, apart: &[u8]) -> Result<(), SnapshotError> {
        if !apart.is_empty() {
            self.0.set_apart(decode(apart)?);
        }
        Ok(())
    }
    fn heap_bytes(&self) -> usize {
        self.0.state_bytes()
    }
}

/// A learned statistic in place of missing numbers.
#[derive(Debug)]
struct Imputer<S> {
    statistic: S,
}

impl<S: Statistic> Transform for Imputer<S> {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        fill(x, out, self.statistic.value());
    }

    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        out.numbers.resize(after.rows(), 0.0);
        let mut earlier = before.map(|(x, out)| {
            out.numbers.resize(x.rows(), 0.0);
            x.numbers(0).iter().zip(&mut out.numbers)
        });
        for (x, out) in after.numbers(0).iter().zip(&mut out.numbers) {
            if let Some((x_before, out_before)) = earlier.as_mut().and_then(Iterator::next) {
                *out_before = or(*x_before, self.statistic.value());
            }
            *out = if x.is_nan() {
                self.statistic.value()
            } else {
                self.statistic.update(*x);
                *x
            };
        }
    }

    fn save(&self, _: &[Dictionary]) -> Vec<u8> {
        self.statistic.save()
    }

    fn load(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.statistic.load(state)
    }

    fn merge(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.statistic.merge(state)
    }

    fn branch(&mut self) {
        self.statistic.branch();
    }

    fn apart(&self) -> Vec<u8> {
        self.statistic.apart()
    }

    fn load_apart(&mut self, apart: &[u8]) -> Result<(), SnapshotError> {
        self.statistic.load_apart(apart)
    }

    fn merge_since(&mut self, replicas: &[Replica], _: &mut [Dictionary]) -> Result<()> {
        self.statistic.merge_since(replicas)
    }

    fn state_bytes(&self) -> usize {
        size_of::<S>() + self.statistic.heap_bytes()
    }
}

/// How often each category came, and which came most.
#[derive(Debug)]
struct Counts {
    categories: Categories,
    counts: Vec<u64>,
    best: u32,
}

#[derive(Serialize, Deserialize)]
struct SavedCounts<C> {
    categories: C,
    counts: Vec<u64>,
    best: u32,
}

impl Counts {
    fn new(categories: Categories) -> Self {
        Self { categories, counts: Vec::new(), best: NONE }
    }

    #[inline]
    fn add(&mut self, category: u32) {
        if category == NONE {
            return;
        }
        if self.counts.len() <= category as usize {
            self.counts.resize(category as usize + 1, 0);
        }
        self.counts[category as usize] += 1;
        let count = |category: u32| self.counts.get(category as usize).copied().unwrap_or(0);
        if count(category) > count(self.best) {
            self.best = category;
        }
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        let categories = self.categories.save(dictionaries);
        encode(&SavedCounts { categories, counts: self.counts.clone(), best: self.best })
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved = Self::read(state)?;
        self.categories.clear();
        let places = self.categories.take(saved.categories, dictionaries)?;
        if !places.iter().enumerate().all(|(i, place)| *place == i as u32) {
            return Err(SnapshotError::Content("a category stands twice, or there are too many".to_string()));
        }
        (self.counts, self.best) = (saved.counts, saved.best);
        Ok(())
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved = Self::read(state)?;
        let places = self.categories.take(saved.categories, dictionaries)?;
        for (place, count) in places.into_iter().zip(saved.counts).filter(|(place, _)| *place != NONE) {
            if self.counts.len() <= place as usize {
                self.counts.resize(place as usize + 1, 0);
            }
            let sum = &mut self.counts[place as usize];
            *sum = sum.saturating_add(count);
        }
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let first = self.counts.iter().position(|count| *count == most);
        self.best = first.map_or(NONE, |category| category as u32);
        Ok(())
    }

    /// Adds up what each replica has counted since it was as this is.
    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        let before = self.counts.clone();
        for replica in replicas {
            let saved = Self::read(&replica.state)?;
            let places = self.categories.take(saved.categories, dictionaries)?;
            for (place, count) in places.into_iter().zip(saved.counts).filter(|(place, _)| *place != NONE) {
                let place = place as usize;
                if self.counts.len() <= place {
                    self.counts.resize(place + 1, 0);
                }
                let added = count.saturating_sub(before.get(place).copied().unwrap_or(0));
                self.counts[place] = self.counts[place].saturating_add(added);
            }
        }
        self.find_best();
        Ok(())
    }

    /// The commonest, of several the one first met; the one that is stays while none has more.
    fn find_best(&mut self) {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        if self.counts.get(self.best as usize).is_some_and(|count| *count == most) {
            return;
        }
        let first = self.counts.iter().position(|count| *count == most);
        self.best = first.map_or(NONE, |category| category as u32);
    }

    fn read(state: &[u8]) -> Result<SavedCounts<SavedCategories>, SnapshotError> {
        let saved: SavedCounts<SavedCategories> = decode(state)?;
        let best_is_one = saved.best == NONE || (saved.best as usize) < saved.counts.len();
        // Far from where a running count would overflow.
        if saved.counts.len() != saved.categories.len() || !best_is_one || saved.counts.iter().any(|c| *c >> 60 != 0) {
            return Err(SnapshotError::Content("counts do not fit their categories".to_string()));
        }
        Ok(saved)
    }

    fn state_bytes(&self) -> usize {
        self.categories.state_bytes() + self.counts.capacity() * 8
    }
}

/// The most frequent number in place of missing ones.
#[derive(Debug)]
struct MostFrequentNumber {
    counts: Counts,
}

impl MostFrequentNumber {
    fn value(&self) -> f64 {
        if self.counts.best == NONE { 0.0 } else { self.counts.categories.number(self.counts.best) }
    }
}

impl Transform for MostFrequentNumber {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        fill(x, out, self.value());
    }

    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        out.numbers.resize(after.rows(), 0.0);
        let mut earlier = before.map(|(x, out)| {
            out.numbers.resize(x.rows(), 0.0);
            x.numbers(0).iter().zip(&mut out.numbers)
        });
        for (x, out) in after.numbers(0).iter().zip(&mut out.numbers) {
            if let Some((x_before, out_before)) = earlier.as_mut().and_then(Iterator::next) {
                *out_before = or(*x_before, self.value());
            }
            let category = self.counts.categories.learn_number(*x);
            self.counts.add(category);
            *out = or(*x, self.value());
        }
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        self.counts.save(dictionaries)
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.load(state, dictionaries)
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.merge(state, dictionaries)
    }

    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        self.counts.merge_since(replicas, dictionaries)
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }
}

/// Writes `id` and `hash` in place of missing texts of a row.
#[inline]
fn put_text(x: Inputs<'_>, row: usize, id: u32, hash: u64, out: &mut Values) {
    let missing = x.ids(0)[row] == NULL;
    out.ids[row] = if missing { id } else { x.ids(0)[row] };
    if x.has_hashes(0) {
        out.hashes[row] = if missing { hash } else { x.hashes(0)[row] };
    }
}

fn room_for_texts(x: Inputs<'_>, out: &mut Values) {
    out.ids.resize(x.rows(), NULL);
    out.hashes.resize(if x.has_hashes(0) { x.rows() } else { 0 }, 0);
}

/// A text in place of missing ones.
#[derive(Debug)]
struct ConstantText {
    dictionary: usize,
    id: u32,
    hash: u64,
}

impl Transform for ConstantText {
    fn output(&self) -> Output {
        Output::Category(self.dictionary)
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        room_for_texts(x, out);
        (0..x.rows()).for_each(|row| put_text(x, row, self.id, self.hash, out));
    }
}

/// The most frequent text in place of missing ones.
#[derive(Debug)]
struct MostFrequentText {
    counts: Counts,
    dictionary: usize,
    /// The hash of the most frequent text, as it was met.
    hash: u64,
}

impl MostFrequentText {
    fn id(&self) -> u32 {
        if self.counts.best == NONE { NULL } else { self.counts.categories.id(self.counts.best) }
    }

    fn find_hash(&mut self, dictionaries: &[Dictionary]) {
        self.hash = match self.counts.best {
            NONE => NULL_HASH,
            _ => hash_text(dictionaries[self.dictionary].text(self.id())),
        };
    }
}

impl Transform for MostFrequentText {
    fn output(&self) -> Output {
        Output::Category(self.dictionary)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        room_for_texts(x, out);
        (0..x.rows()).for_each(|row| put_text(x, row, self.id(), self.hash, out));
    }

    fn learn(&mut self, mut before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        room_for_texts(after, out);
        if let Some((x, out)) = &mut before {
            room_for_texts(*x, out);
        }
        for row in 0..after.rows() {
            if let Some((x, out)) = &mut before {
                put_text(*x, row, self.id(), self.hash, out);
            }
            let best = self.counts.best;
            let category = self.counts.categories.learn_id(after.ids(0)[row]);
            self.counts.add(category);
            if self.counts.best != best && after.has_hashes(0) {
                self.hash = after.hashes(0)[row];
            }
            put_text(after, row, self.id(), self.hash, out);
        }
    }

    fn open(&self) -> bool {
        self.counts.categories.open()
    }

    fn knows(&self, id: u32) -> bool {
        self.counts.categories.find_id(id) != NONE
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        self.counts.save(dictionaries)
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.load(state, dictionaries)?;
        self.find_hash(dictionaries);
        Ok(())
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.counts.merge(state, dictionaries)?;
        self.find_hash(dictionaries);
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        self.counts.merge_since(replicas, dictionaries)?;
        self.find_hash(dictionaries);
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }
}
