//! How often each class was predicted for each label.

use std::collections::BTreeSet;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::classes::{ClassIndex, ClassRows, ClassValue};
use super::columns::Batch;
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Result};

const SNAPSHOT_KIND: &str = "metric.confusion_matrix";
/// Most classes of a matrix: 1000 × 1000 counts are 8 MB, and nobody reads more columns.
const MAX_CLASSES: usize = 1000;

/// A confusion matrix that is being taken. Mergeable exactly.
///
/// Rows whose label or prediction is NULL count nowhere. Memory: 8 bytes for each pair of classes, of which there may
/// be 1000; one more is an error.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, StringArray};
/// use tidegate_ml::metric::{ClassValue, ConfusionMatrix};
///
/// let label: ArrayRef = Arc::new(StringArray::from(vec!["ham", "ham", "spam"]));
/// let predicted: ArrayRef = Arc::new(StringArray::from(vec!["ham", "spam", "spam"]));
/// let mut matrix = ConfusionMatrix::default();
/// matrix.update(&label, &predicted)?;
/// assert_eq!(matrix.classes(), [ClassValue::Text("ham".into()), ClassValue::Text("spam".into())]);
/// let rows = matrix.rows();
/// assert_eq!(rows[0].expected_label.to_string(), "ham");
/// assert_eq!(rows[0].counts, [1, 1]);
/// assert_eq!(rows[1].counts, [0, 1]);
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
#[derive(Debug)]
pub struct ConfusionMatrix {
    index: ClassIndex,
    /// `counts[label × width + predicted]`
    counts: Vec<u64>,
    width: usize,
}

/// One row of a confusion matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionRow {
    /// The label.
    pub expected_label: ClassValue,
    /// How often each class was predicted for it, in the order of [`ConfusionMatrix::classes`].
    pub counts: Vec<u64>,
}

/// What is saved: pairs that occurred, by their classes.
#[derive(Serialize, Deserialize)]
struct SavedMatrix {
    classes: Vec<ClassValue>,
    /// Label and prediction as places in `classes`, and the count.
    counts: Vec<(u32, u32, u64)>,
}

impl Default for ConfusionMatrix {
    fn default() -> Self {
        Self { index: ClassIndex::new(MAX_CLASSES), counts: Vec::new(), width: 0 }
    }
}

impl ConfusionMatrix {
    /// Takes rows in. Classes are BOOLEAN, integers or texts; both columns are of one type.
    ///
    /// # Errors
    /// When the types are wrong, or there are more than 1000 classes.
    pub fn update(&mut self, label: &ArrayRef, predicted: &ArrayRef) -> Result<()> {
        let columns = [label.clone(), predicted.clone()];
        let Some(batch) = Batch::new(&columns, &["label", "predicted"], None)? else { return Ok(()) };
        let rows = self.index.read(&batch)?;
        self.make_room();
        let (width, counts) = (self.width, &mut self.counts);
        match &rows {
            ClassRows::Numbered { label, predicted } => {
                batch.for_each(|row| counts[label[row] as usize * width + predicted[row] as usize] += 1);
            }
            ClassRows::Boolean { .. } => batch.for_each(|row| {
                let (label, predicted) = rows.pair(row);
                counts[label * width + predicted] += 1;
            }),
        }
        Ok(())
    }

    /// Takes in a state that [`ConfusionMatrix::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state, or its classes are of another type or too many. Then nothing is taken in.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        let saved: SavedMatrix = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        let known = saved.classes.len();
        if saved.counts.iter().any(|&(label, predicted, _)| label.max(predicted) as usize >= known) {
            return Err(SnapshotError::Content("a count names a class that is not there".to_string()).into());
        }
        let mut theirs = saved.counts.iter().map(|&(_, _, count)| count);
        if theirs.try_fold(self.counts.iter().sum::<u64>(), u64::checked_add).is_none() {
            return Err(Error::Merge("together they have more than 2^64 rows".to_string()));
        }
        let numbers = self.index.add(saved.classes.iter())?;
        self.make_room();
        for (label, predicted, count) in saved.counts {
            let (label, predicted) = (numbers[label as usize] as usize, numbers[predicted as usize] as usize);
            self.counts[label * self.width + predicted] += count;
        }
        Ok(())
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        let order = self.present();
        let mut counts = Vec::new();
        for (label, &row) in (0u32..).zip(&order) {
            for (predicted, &column) in (0u32..).zip(&order) {
                let count = self.count(row, column);
                if count > 0 {
                    counts.push((label, predicted, count));
                }
            }
        }
        let classes = order.iter().map(|&number| self.index.value(number)).collect();
        seal(SNAPSHOT_KIND, 1, &encode(&SavedMatrix { classes, counts }))
    }

    /// The classes that occurred, as label or as prediction, in order: false before true, integers by size, texts by
    /// bytes.
    pub fn classes(&self) -> Vec<ClassValue> {
        self.present().into_iter().map(|number| self.index.value(number)).collect()
    }

    /// One row a class, in the order of [`ConfusionMatrix::classes`].
    pub fn rows(&self) -> Vec<ConfusionRow> {
        let classes = self.present();
        let row = |&label: &usize| ConfusionRow {
            expected_label: self.index.value(label),
            counts: classes.iter().map(|&predicted| self.count(label, predicted)).collect(),
        };
        classes.iter().map(row).collect()
    }

    /// The rows for classes that are given, such as those that a model declares. Classes that never occurred have
    /// zeros.
    ///
    /// # Errors
    /// When a class occurred that is not among them.
    pub fn rows_for(&self, classes: &[ClassValue]) -> Result<Vec<ConfusionRow>> {
        let declared: BTreeSet<&ClassValue> = classes.iter().collect();
        if let Some(odd) = self.classes().iter().find(|class| !declared.contains(class)) {
            return Err(Error::Batch(format!("the class '{odd}' occurs, which is not among those declared")));
        }
        let numbers: Vec<Option<u32>> = classes.iter().map(|class| self.index.number(class)).collect();
        let count = |label: Option<u32>, predicted: Option<u32>| match (label, predicted) {
            (Some(label), Some(predicted)) => self.count(label as usize, predicted as usize),
            _ => 0,
        };
        let row = |(class, &label): (&ClassValue, &Option<u32>)| ConfusionRow {
            expected_label: class.clone(),
            counts: numbers.iter().map(|&predicted| count(label, predicted)).collect(),
        };
        Ok(classes.iter().zip(&numbers).map(row).collect())
    }

    /// Bytes of memory.
    pub fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * size_of::<u64>() + self.index.heap_bytes()
    }

    fn count(&self, label: usize, predicted: usize) -> u64 {
        if label.max(predicted) < self.width { self.counts[label * self.width + predicted] } else { 0 }
    }

    /// Numbers of the classes that occurred, by the order of classes.
    fn present(&self) -> Vec<usize> {
        let mut occurs = vec![false; self.index.len()];
        for label in 0..self.width.min(occurs.len()) {
            for predicted in 0..self.width.min(occurs.len()) {
                if self.count(label, predicted) > 0 {
                    occurs[label] = true;
                    occurs[predicted] = true;
                }
            }
        }
        self.index.in_order().into_iter().filter(|&number| occurs[number]).collect()
    }

    /// Widens the matrix, in doublings, to hold all classes of the index.
    fn make_room(&mut self) {
        let classes = self.index.len();
        if classes <= self.width {
            return;
        }
        let width = classes.max(2 * self.width).min(MAX_CLASSES);
        let mut counts = vec![0; width * width];
        if self.width > 0 {
            for (old, new) in self.counts.chunks(self.width).zip(counts.chunks_mut(width)) {
                new[..self.width].copy_from_slice(old);
            }
        }
        (self.counts, self.width) = (counts, width);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int32Array};

    use super::*;

    fn integers(values: &[i32]) -> ArrayRef {
        Arc::new(Int32Array::from(values.to_vec()))
    }

    fn integer_rows(matrix: &ConfusionMatrix) -> Vec<(String, Vec<u64>)> {
        matrix.rows().into_iter().map(|row| (row.expected_label.to_string(), row.counts)).collect()
    }

    #[test]
    fn grows_and_orders_its_classes() {
        let mut matrix = ConfusionMatrix::default();
        matrix.update(&integers(&[5, 5]), &integers(&[5, 5])).unwrap();
        matrix.update(&integers(&[3, -1, 5]), &integers(&[-1, -1, 9])).unwrap();
        let expected: Vec<(String, Vec<u64>)> = vec![
            ("-1".into(), vec![1, 0, 0, 0]),
            ("3".into(), vec![1, 0, 0, 0]),
            ("5".into(), vec![0, 0, 2, 1]),
            ("9".into(), vec![0, 0, 0, 0]),
        ];
        assert_eq!(integer_rows(&matrix), expected);
        let mut other = ConfusionMatrix::default();
        other.update(&integers(&[9]), &integers(&[9])).unwrap();
        other.merge(&matrix.save()).unwrap();
        matrix.update(&integers(&[9]), &integers(&[9])).unwrap();
        assert_eq!(other.save(), matrix.save());
        assert_eq!(integer_rows(&other)[3], ("9".into(), vec![0, 0, 0, 1]));
    }

    #[test]
    fn declared_classes() {
        let mut matrix = ConfusionMatrix::default();
        matrix.update(&integers(&[1, 2]), &integers(&[1, 1])).unwrap();
        let classes = [2, 1, 7].map(ClassValue::Integer);
        let counts: Vec<_> = matrix.rows_for(&classes).unwrap().into_iter().map(|row| row.counts).collect();
        assert_eq!(counts, [[0, 1, 0], [0, 1, 0], [0, 0, 0]]);
        let error = matrix.rows_for(&classes[1..]).unwrap_err().to_string();
        assert_eq!(error, "the class '2' occurs, which is not among those declared");
    }

    #[test]
    fn nulls_count_nowhere_and_types_must_agree() {
        let mut matrix = ConfusionMatrix::default();
        let label: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(true), None]));
        matrix.update(&label, &predicted).unwrap();
        assert_eq!(integer_rows(&matrix), [("true".to_string(), vec![1])]);
        assert!(matrix.update(&label, &integers(&[1, 1, 1])).unwrap_err().to_string().contains("one type"));
        assert!(matrix.update(&integers(&[1]), &integers(&[1])).unwrap_err().to_string().contains("were BOOLEAN"));
    }

    #[test]
    fn too_many_classes() {
        let values: Vec<i32> = (0..1001).collect();
        let error = ConfusionMatrix::default().update(&integers(&values), &integers(&values)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 1000, column 'label': more than 1000 different classes; is 'label' really a class?"
        );
    }
}
