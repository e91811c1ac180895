//! The snapshot of a model together with the rows that wait.

use std::cmp::Reverse;
use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Counts, EventTime, Prequential};
use crate::model::Incoming;
use crate::model::saved::COUNT_MAX;
use crate::rows::words::WORDS_MAX;
use crate::rows::{NULL, Reads, Rows, UNKNOWN, Words, is_taken};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Model, Result};

/// The name of this kind of snapshot.
const KIND: &str = "prequential";

/// The newest format written here.
const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    model: Vec<u8>,
    arrivals: u64,
    watermark: i64,
    event_time_max: i64,
    weighted: bool,
    version_points: VecDeque<i64>,
    counts: Counts,
    /// Label time and number of arrival of each waiting row, ascending.
    due: Vec<(i64, u64)>,
    labels: Vec<f64>,
    /// The names of the classes that `labels` are numbers of, where a model meets its classes.
    label_names: Vec<String>,
    weights: Vec<f64>,
    columns: Vec<SavedColumn>,
}

/// The rows that wait.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedWaiting {
    arrivals: u64,
    weighted: bool,
    due: Vec<(i64, u64)>,
    labels: Vec<f64>,
    label_names: Vec<String>,
    weights: Vec<f64>,
    columns: Vec<SavedColumn>,
}

/// Values of the waiting rows in one input column.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedColumn {
    numbers: Vec<f64>,
    /// 0 is NULL, 1 an unknown text, from 2 on `texts`.
    texts_of_rows: Vec<u32>,
    texts: Vec<String>,
    /// Hashes, where they are read; then, where words are, a row's number of words and their hashes, row after row.
    hashes: Vec<u64>,
}

fn refuse(what: &str) -> SnapshotError {
    SnapshotError::Content(format!("waiting rows: {what}"))
}

/// The hashes, and the words, that [`SavedColumn::hashes`] holds of `count` rows.
fn load_hashes(mut hashes: Vec<u64>, count: usize, reads: Reads) -> Result<(Vec<u64>, Words), SnapshotError> {
    let of_rows = if reads.hashes { count } else { 0 };
    let fault = || refuse("a column does not have a value a row");
    let mut words = Words::default();
    let (_, mut rest) = hashes.split_at_checked(of_rows).ok_or_else(fault)?;
    if reads.words {
        for _ in 0..count {
            let (len, after) = rest.split_first().ok_or_else(fault)?;
            let len = usize::try_from(*len).ok().filter(|len| *len <= WORDS_MAX).ok_or_else(fault)?;
            let (of_row, after) = after.split_at_checked(len).ok_or_else(fault)?;
            words.push(of_row);
            rest = after;
        }
    }
    if !rest.is_empty() {
        return Err(fault());
    }
    hashes.truncate(of_rows);
    Ok((hashes, words))
}

/// Numbers things in the order in which they are first asked for.
#[derive(Default)]
struct Numbering {
    numbers: HashMap<u32, u32>,
    order: Vec<u32>,
}

impl Numbering {
    fn of(&mut self, id: u32) -> u32 {
        let next = self.order.len() as u32;
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.order.push(id);
        }
        number
    }
}

impl Prequential {
    /// The model and the waiting rows as bytes.
    pub fn save(&self) -> Vec<u8> {
        let waiting = self.save_waiting();
        let saved = Saved {
            model: self.model.save(),
            arrivals: self.arrivals,
            watermark: self.watermark,
            event_time_max: self.time.latest,
            weighted: self.weighted,
            version_points: self.version_points.clone(),
            counts: self.counts(),
            due: waiting.due,
            label_names: waiting.label_names,
            columns: waiting.columns,
            labels: waiting.labels,
            weights: waiting.weights,
        };
        seal(KIND, FORMAT, &encode(&saved))
    }

    /// The rows that wait.
    pub(crate) fn save_waiting(&self) -> SavedWaiting {
        let mut order: Vec<_> = self.due.iter().map(|Reverse(row)| *row).collect();
        order.sort_unstable();
        let mut waiting = Incoming { rows: Rows::new(self.model.pipeline.columns()), ..Incoming::default() };
        for (_, _, slot) in &order {
            self.waiting.copy(*slot, self.weighted, &mut waiting);
        }
        let mut label_names = Vec::new();
        if !self.model.labels.are_targets() {
            let mut numbering = Numbering::default();
            for label in &mut waiting.labels {
                *label = numbering.of(*label as u32).into();
            }
            label_names = numbering.order.iter().map(|id| self.model.labels.label_name(f64::from(*id))).collect();
        }
        let columns = (0..self.model.pipeline.columns().len()).map(|column| self.save_column(&waiting.rows, column));
        SavedWaiting {
            arrivals: self.arrivals,
            weighted: self.weighted,
            due: order.iter().map(|(time, arrival, _)| (*time, *arrival)).collect(),
            label_names,
            columns: columns.collect(),
            labels: waiting.labels,
            weights: waiting.weights,
        }
    }

    fn save_column(&self, rows: &Rows, column: usize) -> SavedColumn {
        let pipeline = &self.model.pipeline;
        let mut numbering = Numbering::default();
        let mut texts_of_rows = Vec::new();
        let mut texts = Vec::new();
        if let Some(dictionary) = pipeline.columns()[column].dictionary {
            let number = |id: &u32| match *id {
                NULL => 0,
                // A text that no transform can make anything of any more is as good as unknown.
                id if id == UNKNOWN || !pipeline.has_use_for(dictionary, id) => 1,
                id => numbering.of(id) + 2,
            };
            texts_of_rows = rows.ids(column).iter().map(number).collect();
            texts =
                numbering.order.iter().map(|id| pipeline.dictionaries()[dictionary].text(*id).to_string()).collect();
        }
        let (numbers, mut hashes) = (rows.numbers(column).to_vec(), rows.hashes(column).to_vec());
        for row in 0..rows.words(column).len() {
            let words = rows.words(column).of(row);
            hashes.push(words.len() as u64);
            hashes.extend_from_slice(words);
        }
        SavedColumn { numbers, texts_of_rows, texts, hashes }
    }

    /// What [`Prequential::save`] wrote. It goes on as the saved one would, bit for bit. The limit on waiting rows is to be
    /// set anew.
    ///
    /// # Errors
    /// [`crate::Error::Snapshot`] when the bytes are not such a snapshot, corrupt, or too new.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let saved: Saved = decode(open(KIND, FORMAT, bytes)?)?;
        let mut loaded = Self::new(Model::load(&saved.model)?);
        let Counts { rows, late_rows, learned_rows, unlabelled_rows } = saved.counts;
        if [rows, late_rows, learned_rows, unlabelled_rows, saved.arrivals].iter().any(|count| *count > COUNT_MAX) {
            return Err(refuse("more rows than can have come").into());
        }
        loaded.load_waiting(SavedWaiting {
            arrivals: saved.arrivals,
            weighted: saved.weighted,
            due: saved.due,
            labels: saved.labels,
            label_names: saved.label_names,
            weights: saved.weights,
            columns: saved.columns,
        })?;
        loaded.watermark = saved.watermark;
        loaded.time =
            EventTime { latest: saved.event_time_max, watermark: saved.watermark, late_rows: saved.counts.late_rows };
        loaded.version_points = saved.version_points;
        loaded.counts = saved.counts;
        Ok(loaded)
    }

    /// Has these rows wait, and no others.
    pub(crate) fn load_waiting(&mut self, saved: SavedWaiting) -> Result<()> {
        self.let_go();
        let count = saved.due.len();
        if saved.due.iter().any(|(_, arrival)| *arrival >= saved.arrivals) || !saved.due.is_sorted() {
            return Err(refuse("their order makes no sense").into());
        }
        let mut waiting = Incoming { rows: Rows::new(self.model.pipeline.columns()), ..Incoming::default() };
        waiting.labels = self.load_labels(&saved)?;
        if saved.weighted
            && (saved.weights.len() != count || saved.weights.iter().any(|w| !(*w >= 0.0 && w.is_finite())))
        {
            return Err(refuse("their weights make no sense").into());
        }
        waiting.weights = saved.weights;
        self.load_columns(saved.columns, count, &mut waiting.rows)?;
        for (row, (time, arrival)) in saved.due.iter().enumerate() {
            let slot = self.waiting.put(&waiting, row)?;
            self.due.push(Reverse((*time, *arrival, slot)));
        }
        self.arrivals = saved.arrivals;
        self.weighted = saved.weighted;
        Ok(())
    }

    /// Lets the rows go that wait.
    pub(crate) fn let_go(&mut self) {
        while let Some(Reverse((_, _, slot))) = self.due.pop() {
            self.waiting.free(slot);
        }
        self.arrivals = 0;
        self.weighted = false;
    }

    fn load_labels(&mut self, saved: &SavedWaiting) -> Result<Vec<f64>, SnapshotError> {
        if saved.labels.len() != saved.due.len() {
            return Err(refuse("labels and rows differ in number"));
        }
        let labels = &mut self.model.labels;
        if labels.are_targets() {
            let classes = labels.count() as f64;
            let fits = |label: &f64| match classes {
                0.0 => is_taken(*label),
                _ => label.fract() == 0.0 && (0.0..classes).contains(label),
            };
            return if saved.labels.iter().all(fits) {
                Ok(saved.labels.clone())
            } else {
                Err(refuse("a label is no label"))
            };
        }
        let names = saved.label_names.iter().map(|name| labels.label_of_name(name));
        let names = names.collect::<Option<Vec<f64>>>().ok_or_else(|| refuse("a class is no class"))?;
        let of = |label: &f64| (*label >= 0.0).then(|| names.get(*label as usize).copied()).flatten();
        saved.labels.iter().map(of).collect::<Option<Vec<f64>>>().ok_or_else(|| refuse("a label has no class"))
    }

    fn load_columns(&mut self, saved: Vec<SavedColumn>, count: usize, rows: &mut Rows) -> Result<(), SnapshotError> {
        if saved.len() != self.model.pipeline.columns().len() {
            return Err(refuse("the number of columns differs"));
        }
        let mut parts = Vec::with_capacity(saved.len());
        for (column, saved) in saved.into_iter().enumerate() {
            let known = &self.model.pipeline.columns()[column];
            let fits = |wanted: bool, len: usize| len == if wanted { count } else { 0 };
            let reads = known.reads;
            if !fits(reads.numbers, saved.numbers.len()) || !fits(reads.ids, saved.texts_of_rows.len()) {
                return Err(refuse("a column does not have a value a row"));
            }
            let (hashes, words) = load_hashes(saved.hashes, count, reads)?;
            let taken = |v: &f64| is_taken(*v) || (v.is_nan() && !known.required);
            if !saved.numbers.iter().all(taken) {
                return Err(refuse("a number is out of range"));
            }
            let mut ids = Vec::with_capacity(saved.texts_of_rows.len());
            if let Some(dictionary) = known.dictionary {
                let of_texts = self.model.pipeline.intern(dictionary, &saved.texts);
                for number in &saved.texts_of_rows {
                    ids.push(match number {
                        0 => NULL,
                        1 => UNKNOWN,
                        _ => *of_texts.get(*number as usize - 2).ok_or_else(|| refuse("a text is missing"))?,
                    });
                }
            }
            parts.push((saved.numbers, ids, hashes, words));
        }
        rows.set(count, parts);
        Ok(())
    }
}
