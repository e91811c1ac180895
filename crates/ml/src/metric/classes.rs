//! Classes: their values, and columns of them read as small numbers.

use std::fmt;

use arrow::array::{Array, ArrayAccessor, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::columns::Batch;
use super::numbering::{Integers, OneTooMany, Texts};
use crate::{Error, Result};

/// What is expected of a column of classes.
const CLASS_TYPES: &str = "a class: BOOLEAN, an integer or STRING";

/// The value of a class, as it stands in a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClassValue {
    /// Of a BOOLEAN column.
    Boolean(bool),
    /// Of a column of integers.
    Integer(i64),
    /// Of a column of texts.
    Text(String),
}

impl fmt::Display for ClassValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Two columns of classes, `label` and `predicted`, read.
#[derive(Debug)]
pub(super) enum ClassRows {
    /// The bits as they are: class 0 is false, class 1 is true.
    Boolean { label: BooleanBuffer, predicted: BooleanBuffer },
    /// Numbers of an index. Rows that do not count hold any.
    Numbered { label: Vec<u32>, predicted: Vec<u32> },
}

impl ClassRows {
    /// The numbers of the true and the predicted class.
    #[inline]
    pub(super) fn pair(&self, row: usize) -> (usize, usize) {
        match self {
            Self::Boolean { label, predicted } => (usize::from(label.value(row)), usize::from(predicted.value(row))),
            Self::Numbered { label, predicted } => (label[row] as usize, predicted[row] as usize),
        }
    }

    /// Which rows have this class for label.
    pub(super) fn label_is(&self, class: u32) -> BooleanBuffer {
        match self {
            Self::Boolean { label, .. } if class == 1 => label.clone(),
            Self::Boolean { label, .. } => !label,
            Self::Numbered { label, .. } => BooleanBuffer::collect_bool(label.len(), |row| label[row] == class),
        }
    }
}

/// The classes met so far, numbered from 0. All are of one type, that of the first.
#[derive(Debug)]
pub(super) struct ClassIndex {
    classes: Classes,
    limit: usize,
}

#[derive(Debug)]
enum Classes {
    Unknown,
    Boolean,
    Integer(Integers),
    Text(Texts),
}

/// The types of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassKind {
    Boolean,
    Integer,
    Text,
}

impl ClassKind {
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Dictionary(_, value) => Self::of(value).filter(|kind| *kind != Self::Boolean),
            other if other.is_integer() => Some(Self::Integer),
            _ => None,
        }
    }

    fn of_value(value: &ClassValue) -> Self {
        match value {
            ClassValue::Boolean(_) => Self::Boolean,
            ClassValue::Integer(_) => Self::Integer,
            ClassValue::Text(_) => Self::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer => "integers",
            Self::Text => "STRING",
        }
    }
}

impl ClassIndex {
    /// An index of at most `limit` classes.
    pub(super) fn new(limit: usize) -> Self {
        Self { classes: Classes::Unknown, limit }
    }

    /// How many classes there are.
    pub(super) fn len(&self) -> usize {
        match &self.classes {
            Classes::Unknown => 0,
            Classes::Boolean => 2,
            Classes::Integer(integers) => integers.values().len(),
            Classes::Text(texts) => texts.values().len(),
        }
    }

    /// Their type, once known.
    pub(super) fn kind(&self) -> Option<ClassKind> {
        match &self.classes {
            Classes::Unknown => None,
            Classes::Boolean => Some(ClassKind::Boolean),
            Classes::Integer(_) => Some(ClassKind::Integer),
            Classes::Text(_) => Some(ClassKind::Text),
        }
    }

    /// The class of a number below [`ClassIndex::len`].
    pub(super) fn value(&self, number: usize) -> ClassValue {
        match &self.classes {
            Classes::Integer(integers) => ClassValue::Integer(integers.values()[number]),
            Classes::Text(texts) => ClassValue::Text(texts.values()[number].to_string()),
            Classes::Boolean | Classes::Unknown => ClassValue::Boolean(number == 1),
        }
    }

    /// The number of a class, if it has been met.
    pub(super) fn number(&self, class: &ClassValue) -> Option<u32> {
        match (&self.classes, class) {
            (Classes::Boolean, ClassValue::Boolean(flag)) => Some(u32::from(*flag)),
            (Classes::Integer(integers), ClassValue::Integer(integer)) => integers.find(*integer),
            (Classes::Text(texts), ClassValue::Text(text)) => texts.find(text),
            _ => None,
        }
    }

    /// All numbers, by the order of their classes: false before true, integers by size, texts by their bytes.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        match &self.classes {
            Classes::Unknown | Classes::Boolean => {}
            Classes::Integer(integers) => order.sort_unstable_by_key(|&number| integers.values()[number]),
            Classes::Text(texts) => order.sort_unstable_by_key(|&number| &texts.values()[number]),
        }
        order
    }

    /// Numbers classes that come from elsewhere: all of them or, with an error, none.
    pub(super) fn add<'a>(&mut self, classes: impl Iterator<Item = &'a ClassValue> + Clone) -> Result<Vec<u32>> {
        let Some(first) = classes.clone().next() else { return Ok(Vec::new()) };
        let kind = ClassKind::of_value(first);
        let known = self.kind().unwrap_or(kind);
        if let Some(odd) = classes.clone().map(ClassKind::of_value).find(|&odd| odd != known) {
            let (known, odd) = (known.name(), odd.name());
            return Err(Error::Merge(format!("classes of one state are {known}, those of the other {odd}")));
        }
        let new = classes.clone().filter(|class| self.number(class).is_none()).count();
        if kind != ClassKind::Boolean && self.len() + new > self.limit {
            return Err(Error::Merge(format!("together they have more than {} classes", self.limit)));
        }
        self.begin(kind);
        classes
            .map(|class| match (&mut self.classes, class) {
                (Classes::Integer(integers), ClassValue::Integer(integer)) => integers.number(*integer),
                (Classes::Text(texts), ClassValue::Text(text)) => texts.number(text),
                (_, class) => Ok(u32::from(*class == ClassValue::Boolean(true))),
            })
            .collect::<Result<_, OneTooMany>>()
            .map_err(|OneTooMany| Error::Merge(format!("together they have more than {} classes", self.limit)))
    }

    /// Reads columns 0 and 1 of the batch.
    pub(super) fn read(&mut self, batch: &Batch<'_>) -> Result<ClassRows> {
        let kind_of =
            |place| ClassKind::of(batch.column(place).data_type()).ok_or_else(|| batch.wrong_type(place, CLASS_TYPES));
        let (label, predicted) = (kind_of(0)?, kind_of(1)?);
        if label != predicted {
            let (label, predicted) = (batch.column(0).data_type(), batch.column(1).data_type());
            return Err(Error::Batch(format!(
                "column 'label' has type {label} and 'predicted' has type {predicted}; expected one type, \
                 such as BOOLEAN"
            )));
        }
        if let Some(known) = self.kind().filter(|&known| known != label) {
            let (known, found) = (known.name(), label.name());
            return Err(Error::Batch(format!("classes are {found}; those of rows before were {known}")));
        }
        self.begin(label);
        if let (Some(label), Some(predicted)) = (batch.column(0).as_boolean_opt(), batch.column(1).as_boolean_opt()) {
            return Ok(ClassRows::Boolean { label: label.values().clone(), predicted: predicted.values().clone() });
        }
        Ok(ClassRows::Numbered { label: self.number_column(batch, 0)?, predicted: self.number_column(batch, 1)? })
    }

    /// Reads one column of the batch. Rows that do not count hold any number.
    pub(super) fn read_column(&mut self, batch: &Batch<'_>, place: usize) -> Result<Vec<u32>> {
        let column = batch.column(place);
        let kind = ClassKind::of(column.data_type()).ok_or_else(|| batch.wrong_type(place, CLASS_TYPES))?;
        if let Some(known) = self.kind().filter(|&known| known != kind) {
            let (name, known, found) = (batch.name(place), known.name(), kind.name());
            return Err(Error::Batch(format!("column '{name}' has {found}; that of rows before had {known}")));
        }
        self.begin(kind);
        match column.as_boolean_opt() {
            Some(flags) => Ok(flags.values().iter().map(u32::from).collect()),
            None => self.number_column(batch, place),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.classes {
            Classes::Unknown | Classes::Boolean => 0,
            Classes::Integer(integers) => integers.heap_bytes(),
            Classes::Text(texts) => texts.heap_bytes(),
        }
    }

    fn begin(&mut self, kind: ClassKind) {
        if let Classes::Unknown = self.classes {
            self.classes = match kind {
                ClassKind::Boolean => Classes::Boolean,
                ClassKind::Integer => Classes::Integer(Integers::new(self.limit)),
                ClassKind::Text => Classes::Text(Texts::new(self.limit)),
            };
        }
    }

    fn number_column(&mut self, batch: &Batch<'_>, place: usize) -> Result<Vec<u32>> {
        let limit = self.limit;
        let column = batch.column(place);
        match &mut self.classes {
            Classes::Integer(known) => {
                let integers = batch.integers(place)?;
                number_rows(batch, place, limit, |row| known.number(integers[row]))
            }
            Classes::Text(known) => match column.data_type() {
                DataType::Utf8 => number_texts(batch, place, limit, column.as_string::<i32>(), known),
                DataType::LargeUtf8 => number_texts(batch, place, limit, column.as_string::<i64>(), known),
                DataType::Utf8View => number_texts(batch, place, limit, column.as_string_view(), known),
                _ => {
                    let dictionary = column.as_any_dictionary();
                    let (keys, texts) = (dictionary.normalized_keys(), dictionary.values());
                    match texts.data_type() {
                        DataType::Utf8 => number_keys(batch, place, limit, &keys, texts.as_string::<i32>(), known),
                        DataType::LargeUtf8 => number_keys(batch, place, limit, &keys, texts.as_string::<i64>(), known),
                        DataType::Utf8View => number_keys(batch, place, limit, &keys, texts.as_string_view(), known),
                        _ => Err(batch.wrong_type(place, CLASS_TYPES)),
                    }
                }
            },
            Classes::Unknown | Classes::Boolean => Err(batch.wrong_type(place, CLASS_TYPES)),
        }
    }
}

/// Numbers the rows of one column that count.
#[inline]
fn number_rows(
    batch: &Batch<'_>,
    place: usize,
    limit: usize,
    mut number: impl FnMut(usize) -> Result<u32, OneTooMany>,
) -> Result<Vec<u32>> {
    let mut rows = vec![0; batch.len()];
    batch.try_for_each(|row| {
        rows[row] = number(row).map_err(|OneTooMany| {
            let name = batch.name(place);
            batch.fault(place, row, format!("more than {limit} different classes; is '{name}' really a class?"))
        })?;
        Ok(())
    })?;
    Ok(rows)
}

fn number_texts<'t, T: ArrayAccessor<Item = &'t str>>(
    batch: &Batch<'_>,
    place: usize,
    limit: usize,
    texts: T,
    known: &mut Texts,
) -> Result<Vec<u32>> {
    number_rows(batch, place, limit, |row| known.number(texts.value(row)))
}

/// Numbers the rows of a dictionary column. Entries that no row uses are no classes.
fn number_keys<'t, T: ArrayAccessor<Item = &'t str>>(
    batch: &Batch<'_>,
    place: usize,
    limit: usize,
    keys: &[usize],
    texts: T,
    known: &mut Texts,
) -> Result<Vec<u32>> {
    const NOT_YET: u32 = u32::MAX;
    if texts.len() > batch.len() {
        // A large dictionary, a small batch: a table would cost more than the look-ups it saves.
        return number_rows(batch, place, limit, |row| known.number(texts.value(keys[row])));
    }
    let mut table = vec![NOT_YET; texts.len()];
    number_rows(batch, place, limit, |row| {
        let key = keys[row];
        if table[key] == NOT_YET {
            table[key] = known.number(texts.value(key))?;
        }
        Ok(table[key])
    })
}
