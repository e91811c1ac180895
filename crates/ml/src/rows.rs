//! Rows as numbers and ids: input columns, read from Arrow once.
//!
//! ```text
//!  Float64, Int32, Decimal128 …  ──►  numbers: f64, NaN = NULL
//!  Boolean                       ──►  numbers: 0 or 1, NaN = NULL
//!  Utf8, Dictionary(_, Utf8) …   ──►  ids into the column's Dictionary (if a transform asks for categories)
//!                                     and hashes (if a transform hashes the text)
//!                                     and words (if a transform counts them)
//! ```
//! A column is read only in the forms that the model's transforms ask for ([`Reads`]); a column that none asks for is not
//! read at all. Nothing is allocated per row, and the buffers are kept from batch to batch.

mod dictionary;
pub(crate) mod read;
pub(crate) mod words;

pub use dictionary::{Dictionary, NULL, NULL_HASH, UNKNOWN, hash_text};
pub use words::Words;

use arrow::array::{Array, ArrayRef};

use crate::{DataFault, Error, InputKind, Result};

/// The largest magnitude that a model takes. Within it no sum of squares of an imaginable stream overflows.
pub const LARGEST: f64 = 1e100;

/// Whether a number is one that a model takes: not NaN, not infinite, not beyond [`LARGEST`].
#[inline]
pub(crate) fn is_taken(number: f64) -> bool {
    number.abs() <= LARGEST
}

/// The forms in which an input column is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// As numbers.
    pub numbers: bool,
    /// As ids of a [`Dictionary`].
    pub ids: bool,
    /// As hashes of the text.
    pub hashes: bool,
    /// As the words of the text.
    pub words: bool,
}

/// How one input column is read.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: InputKind,
    /// The forms wanted.
    pub reads: Reads,
    /// Whether a missing number would reach the learner: then it is a fault.
    pub required: bool,
    /// Which of the model's dictionaries gives its texts ids.
    pub dictionary: Option<usize>,
}

/// Where the texts of a batch get their ids.
pub enum Texts<'a> {
    /// From what is known; others are [`UNKNOWN`]. For prediction.
    Find(&'a [Dictionary]),
    /// New texts are taken in, but only of rows that will be learned: those whose `label` is not NaN, and only into
    /// dictionaries that are still `open` (some transform can take in more categories).
    Intern {
        /// The model's dictionaries.
        dictionaries: &'a mut [Dictionary],
        /// Which of them take in new texts.
        open: &'a [bool],
        /// A label a row; empty: every row counts as one with a label.
        labels: &'a [f64],
    },
}

/// Values of one input column, in the forms wanted.
#[derive(Debug, Clone, Default)]
struct Values {
    reads: Reads,
    numbers: Vec<f64>,
    ids: Vec<u32>,
    hashes: Vec<u64>,
    words: Words,
}

/// Numbers, ids, hashes and words of a column, in the forms wanted.
pub(crate) type Forms = (Vec<f64>, Vec<u32>, Vec<u64>, Words);

/// Some rows of input columns.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    len: usize,
    columns: Vec<Values>,
}

impl Rows {
    /// No rows of these columns.
    pub fn new(columns: &[Column]) -> Self {
        let columns = columns.iter().map(|column| Values { reads: column.reads, ..Values::default() }).collect();
        Self { len: 0, columns }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Numbers of a column; NaN is missing.
    #[inline]
    pub fn numbers(&self, column: usize) -> &[f64] {
        &self.columns[column].numbers
    }

    /// Ids of a column's texts.
    #[inline]
    pub fn ids(&self, column: usize) -> &[u32] {
        &self.columns[column].ids
    }

    /// Hashes of a column's texts.
    #[inline]
    pub fn hashes(&self, column: usize) -> &[u64] {
        &self.columns[column].hashes
    }

    /// The words of a column's texts.
    #[inline]
    pub fn words(&self, column: usize) -> &Words {
        &self.columns[column].words
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.len = 0;
        for values in &mut self.columns {
            values.numbers.clear();
            values.ids.clear();
            values.hashes.clear();
            values.words.clear();
        }
    }

    /// Reads the numbers of a batch in place of what was held. Texts follow by [`Rows::read_texts`], once it is known that
    /// the batch holds no fault.
    ///
    /// # Errors
    /// [`Error::Batch`] when a column is not of its declared kind.
    pub fn read_numbers(&mut self, columns: &[Column], arrays: &[ArrayRef], rows: usize) -> Result<()> {
        self.clear();
        self.len = rows;
        for ((column, array), values) in columns.iter().zip(arrays).zip(&mut self.columns) {
            if InputKind::of(array.data_type()) != Some(column.kind) {
                let expected = match column.kind {
                    InputKind::Number => "a number",
                    InputKind::Flag => "BOOLEAN",
                    InputKind::Text => "STRING",
                };
                return Err(Error::Batch(format!(
                    "column '{}' has type {}; the model expects {expected}",
                    column.name,
                    array.data_type()
                )));
            }
            if values.reads.numbers {
                read::numbers(array, &mut values.numbers);
            }
        }
        Ok(())
    }

    /// Faults among the numbers read, at most one a column and row, by column: a missing one where it is required, an
    /// infinite one, one beyond [`LARGEST`].
    pub fn faults(&self, columns: &[Column], arrays: &[ArrayRef], found: &mut Vec<DataFault>) {
        for ((column, array), values) in columns.iter().zip(arrays).zip(&self.columns) {
            // One pass that the compiler vectorises; the search for rows is for batches that hold a fault.
            let suspicious = values.numbers.iter().fold(false, |any, v| any | !is_taken(*v));
            if !suspicious {
                continue;
            }
            for (row, value) in values.numbers.iter().enumerate().filter(|(_, v)| !is_taken(**v)) {
                let reason = if value.is_nan() {
                    if !column.required {
                        continue;
                    }
                    let missing = if array.is_null(row) { "NULL" } else { "NaN" };
                    format!("is {missing}; expected a number: wrap it in ML_IMPUTER, or filter such rows")
                } else if value.is_infinite() {
                    "is infinite; expected a finite number".to_string()
                } else {
                    format!("{value:e} is too large; expected a magnitude of at most {LARGEST:e}")
                };
                found.push(DataFault { row, column: column.name.clone(), reason });
            }
        }
    }

    /// Reads the texts of the batch whose numbers were read.
    pub fn read_texts(&mut self, columns: &[Column], arrays: &[ArrayRef], mut texts: Texts<'_>) {
        for ((column, array), values) in columns.iter().zip(arrays).zip(&mut self.columns) {
            if values.reads.hashes {
                read::hashes(array, &mut values.hashes);
            }
            if values.reads.words {
                read::words(array, &mut values.words);
            }
            let (true, Some(dictionary)) = (values.reads.ids, column.dictionary) else { continue };
            match &mut texts {
                Texts::Find(dictionaries) => {
                    let dictionary = &dictionaries[dictionary];
                    read::ids(array, &mut values.ids, |_, text| dictionary.find(text));
                }
                Texts::Intern { dictionaries, open, labels } => {
                    let is_open = open[dictionary];
                    let dictionary = &mut dictionaries[dictionary];
                    read::ids(array, &mut values.ids, |row, text| {
                        if is_open && labels.get(row).is_none_or(|label| !label.is_nan()) {
                            dictionary.intern(text)
                        } else {
                            dictionary.find(text)
                        }
                    });
                }
            }
        }
    }

    /// Keeps only these rows, which must ascend.
    pub fn keep(&mut self, rows: &[u32]) {
        fn gather<T: Copy>(values: &mut Vec<T>, rows: &[u32]) {
            if !values.is_empty() {
                for (to, &from) in rows.iter().enumerate() {
                    values[to] = values[from as usize];
                }
                values.truncate(rows.len());
            }
        }
        for values in &mut self.columns {
            gather(&mut values.numbers, rows);
            gather(&mut values.ids, rows);
            gather(&mut values.hashes, rows);
            if values.reads.words {
                values.words.keep(rows);
            }
        }
        self.len = rows.len();
    }

    /// How many words a packed row takes.
    pub fn packed_words(&self) -> usize {
        let forms =
            |reads: Reads| [reads.numbers, reads.ids, reads.hashes, reads.words].map(usize::from).iter().sum::<usize>();
        self.columns.iter().map(|values| forms(values.reads)).sum()
    }

    /// Writes one row into `words`: all forms of all columns side by side, so that a row that waits somewhere in a large
    /// store is a touch of one or two cache lines. Of the words of texts only their number; see [`Rows::words_of`].
    pub fn pack(&self, row: usize, words: &mut [u64]) {
        let mut words = words.iter_mut();
        let mut put = |word: u64| {
            if let Some(place) = words.next() {
                *place = word;
            }
        };
        for values in &self.columns {
            if values.reads.numbers {
                put(values.numbers[row].to_bits());
            }
            if values.reads.ids {
                put(values.ids[row].into());
            }
            if values.reads.hashes {
                put(values.hashes[row]);
            }
            if values.reads.words {
                put(values.words.of(row).len() as u64);
            }
        }
    }

    /// Whether words of texts are read.
    pub fn have_words(&self) -> bool {
        self.columns.iter().any(|values| values.reads.words)
    }

    /// Appends the words of a row's texts, column after column, to `out`.
    pub fn words_of(&self, row: usize, out: &mut Vec<u64>) {
        for values in self.columns.iter().filter(|values| values.reads.words) {
            out.extend_from_slice(values.words.of(row));
        }
    }

    /// Appends a row that [`Rows::pack`] wrote, with what [`Rows::words_of`] did.
    pub fn push_packed(&mut self, words: &[u64], mut of_texts: &[u64]) {
        let mut words = words.iter().copied();
        let mut take = || words.next().unwrap_or_default();
        for values in &mut self.columns {
            if values.reads.numbers {
                values.numbers.push(f64::from_bits(take()));
            }
            if values.reads.ids {
                values.ids.push(take() as u32);
            }
            if values.reads.hashes {
                values.hashes.push(take());
            }
            if values.reads.words {
                let (hashes, rest) = of_texts.split_at((take() as usize).min(of_texts.len()));
                values.words.push(hashes);
                of_texts = rest;
            }
        }
        self.len += 1;
    }

    /// Replaces what is held by `len` rows of these columns.
    pub(crate) fn set(&mut self, len: usize, columns: Vec<Forms>) {
        self.len = len;
        for (values, (numbers, ids, hashes, words)) in self.columns.iter_mut().zip(columns) {
            (values.numbers, values.ids, values.hashes, values.words) = (numbers, ids, hashes, words);
        }
    }

    /// Bytes of memory that the buffers take.
    pub fn state_bytes(&self) -> usize {
        let bytes = |v: &Values| {
            v.numbers.capacity() * 8 + v.ids.capacity() * 4 + v.hashes.capacity() * 8 + v.words.state_bytes()
        };
        self.columns.iter().map(bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, DictionaryArray, Float64Array, Int32Array, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn column(name: &str, kind: InputKind, reads: Reads, required: bool) -> Column {
        let dictionary = reads.ids.then_some(0);
        Column { name: name.to_string(), kind, reads, required, dictionary }
    }

    const NUMBERS: Reads = Reads { numbers: true, ids: false, hashes: false, words: false };
    const ALL: Reads = Reads { numbers: false, ids: true, hashes: true, words: true };

    #[test]
    fn faults_name_row_column_and_reason() {
        let columns = [
            column("a", InputKind::Number, NUMBERS, true),
            column("b", InputKind::Number, NUMBERS, false),
            column("c", InputKind::Flag, NUMBERS, true),
        ];
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(-1e101), Some(1e100)])),
            Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None, Some(f64::NAN), Some(0.0), Some(0.0)])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), Some(true)])),
        ];
        let mut rows = Rows::new(&columns);
        rows.read_numbers(&columns, &arrays, 5).unwrap();
        let mut found = Vec::new();
        rows.faults(&columns, &arrays, &mut found);
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "row 1, column 'a': is NULL; expected a number: wrap it in ML_IMPUTER, or filter such rows",
                "row 2, column 'a': is NaN; expected a number: wrap it in ML_IMPUTER, or filter such rows",
                "row 3, column 'a': -1e101 is too large; expected a magnitude of at most 1e100",
                "row 0, column 'b': is infinite; expected a finite number",
                "row 2, column 'c': is NULL; expected a number: wrap it in ML_IMPUTER, or filter such rows",
            ]
        );
        let wrong: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["x"]))];
        assert_eq!(
            rows.read_numbers(&columns[..1], &wrong, 1).unwrap_err().to_string(),
            "column 'a' has type Utf8; the model expects a number"
        );
    }

    #[test]
    fn every_text_type_reads_the_same() {
        let texts = vec![Some("x ray"), None, Some("y"), Some("x ray")];
        let coded: DictionaryArray<Int32Type> = texts.iter().copied().collect();
        let arrays: [ArrayRef; 3] = [
            Arc::new(StringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
            Arc::new(coded),
        ];
        for array in arrays {
            let columns = [column("t", InputKind::Text, ALL, false)];
            let mut dictionaries = [Dictionary::default()];
            let mut rows = Rows::new(&columns);
            let arrays = [array];
            rows.read_numbers(&columns, &arrays, 4).unwrap();
            // Row 2 has no label: its text is not taken in.
            let labels = [1.0, 1.0, f64::NAN, 0.0];
            rows.read_texts(
                &columns,
                &arrays,
                Texts::Intern { dictionaries: &mut dictionaries, open: &[true], labels: &labels },
            );
            assert_eq!(rows.ids(0), [0, NULL, UNKNOWN, 0]);
            assert_eq!(rows.hashes(0), [hash_text("x ray"), NULL_HASH, hash_text("y"), hash_text("x ray")]);
            let words: Vec<&[u64]> = (0..4).map(|row| rows.words(0).of(row)).collect();
            let ray = [hash_text("ray")];
            assert_eq!(words, [&ray[..], &[], &[], &ray[..]], "one letter is no word");
        }
    }

    #[test]
    fn packed_rows_come_back() {
        let columns = [column("n", InputKind::Number, NUMBERS, false), column("t", InputKind::Text, ALL, false)];
        let arrays: [ArrayRef; 2] = [
            Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("one word")])),
        ];
        let mut rows = Rows::new(&columns);
        rows.read_numbers(&columns, &arrays, 3).unwrap();
        rows.read_texts(&columns, &arrays, Texts::Find(&[Dictionary::default()]));
        let mut words = vec![0; rows.packed_words()];
        assert_eq!(words.len(), 4);
        let mut copy = Rows::new(&columns);
        for row in [2, 1] {
            rows.pack(row, &mut words);
            let mut of_texts = Vec::new();
            rows.words_of(row, &mut of_texts);
            copy.push_packed(&words, &of_texts);
        }
        rows.keep(&[2]);
        assert_eq!((rows.len(), rows.numbers(0), rows.hashes(1)), (1, &[3.0][..], &[hash_text("one word")][..]));
        assert_eq!(rows.words(1), &{
            let mut words = Words::default();
            words.push_text("one word");
            words
        });
        assert_eq!((copy.len(), copy.numbers(0)[0], copy.numbers(0)[1].is_nan()), (2, 3.0, true));
        assert_eq!((copy.ids(1), copy.hashes(1)), (&[UNKNOWN, NULL][..], &[hash_text("one word"), NULL_HASH][..]));
        assert_eq!((copy.words(1).of(0), copy.words(1).of(1)), (&[hash_text("one"), hash_text("word")][..], &[][..]));
    }
}
