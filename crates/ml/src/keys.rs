//! Keys of rows as bytes: equal where the keys are, and in the same order.
//!
//! | column | bytes |
//! |---|---|
//! | NULL | `0` |
//! | an integer (but UNSIGNED BIGINT) | `1`, then eight bytes, the greatest first, with the sign turned |
//! | BOOLEAN | `2`, then `0` or `1` |
//! | anything else, as text | `3`, the text with each `0` followed by `255`, then `0 0` |
//!
//! They are kept in versions and checkpoints, and decide which shard a row belongs to: they are the same on every machine and in
//! every version.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use twox_hash::XxHash64;

use crate::{Error, Result};

/// The keys of some rows.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A column of keys.
enum Column {
    Integers(Int64Array),
    Flags(BooleanArray),
    Texts(StringArray),
}

impl Column {
    fn read(array: &ArrayRef) -> Result<Self> {
        let wrong = |error: arrow::error::ArrowError| Error::Batch(format!("a key: {error}"));
        Ok(match array.data_type() {
            DataType::Boolean => Self::Flags(array.as_boolean().clone()),
            kind if kind.is_integer() && *kind != DataType::UInt64 => {
                Self::Integers(cast(array, &DataType::Int64).map_err(wrong)?.as_primitive::<Int64Type>().clone())
            }
            _ => Self::Texts(cast(array, &DataType::Utf8).map_err(wrong)?.as_string::<i32>().clone()),
        })
    }

    fn write(&self, row: usize, bytes: &mut Vec<u8>) {
        match self {
            Self::Integers(values) if values.is_valid(row) => {
                bytes.push(1);
                bytes.extend_from_slice(&(values.value(row) ^ i64::MIN).to_be_bytes());
            }
            Self::Flags(values) if values.is_valid(row) => bytes.extend_from_slice(&[2, values.value(row).into()]),
            Self::Texts(values) if values.is_valid(row) => {
                bytes.push(3);
                for byte in values.value(row).bytes() {
                    bytes.push(byte);
                    if byte == 0 {
                        bytes.push(255);
                    }
                }
                bytes.extend_from_slice(&[0, 0]);
            }
            _ => bytes.push(0),
        }
    }
}

impl Keys {
    /// The keys that these columns make of `rows` rows.
    ///
    /// # Errors
    /// [`Error::Batch`] when a column is of a type that no key has.
    pub fn read(columns: &[ArrayRef], rows: usize) -> Result<Self> {
        let columns = columns.iter().map(Column::read).collect::<Result<Vec<_>>>()?;
        let mut keys = Self { bytes: Vec::new(), ends: Vec::with_capacity(rows) };
        for row in 0..rows {
            columns.iter().for_each(|column| column.write(row, &mut keys.bytes));
            keys.ends.push(keys.bytes.len());
        }
        Ok(keys)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row.
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// The hash of the key of each row, by which rows are spread over shards.
    pub fn hashes(&self) -> Vec<u64> {
        (0..self.len()).map(|row| Self::hash_of(self.get(row))).collect()
    }

    /// The hash of a key.
    pub fn hash_of(key: &[u8]) -> u64 {
        XxHash64::oneshot(0, key)
    }
}

/// Whether a column of this type can be a key: whether its values can be written as text.
pub fn can_be_key(data_type: &DataType) -> bool {
    arrow::compute::can_cast_types(data_type, &DataType::Utf8) && !data_type.is_nested()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int16Array, TimestampMillisecondArray};

    use super::*;

    fn keys(columns: &[ArrayRef]) -> Vec<Vec<u8>> {
        let rows = columns[0].len();
        let keys = Keys::read(columns, rows).unwrap();
        (0..rows).map(|row| keys.get(row).to_vec()).collect()
    }

    #[test]
    fn keys_are_in_the_order_of_their_values() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(-1), Some(0), Some(7)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some(""), Some("\0"), Some("a"), Some("ab")]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![None, Some(false), Some(true), Some(true), Some(true)]));
        for columns in [vec![numbers.clone()], vec![texts.clone()], vec![flags.clone(), texts], vec![flags, numbers]] {
            assert!(keys(&columns).is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn widths_of_integers_make_no_difference_and_columns_do_not_run_together() {
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![1, -5]));
        let narrow: ArrayRef = Arc::new(Int16Array::from(vec![1, -5]));
        assert_eq!(keys(&[wide]), keys(&[narrow]));
        let text = |texts: [&str; 1]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        assert_ne!(keys(&[text(["ab"]), text(["c"])]), keys(&[text(["a"]), text(["bc"])]));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![0, 1]));
        assert_eq!(keys(&[times])[1], b"\x031970-01-01T00:00:00.001\0\0");
    }

    /// They decide which shard a row belongs to, also after an upgrade.
    #[test]
    fn hashes_are_fixed() {
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![Some(42), None]))];
        let keys = Keys::read(&columns, 2).unwrap();
        assert_eq!(keys.get(0), [1, 128, 0, 0, 0, 0, 0, 0, 42]);
        assert_eq!(keys.hashes(), [XxHash64::oneshot(0, &[1, 128, 0, 0, 0, 0, 0, 0, 42]), XxHash64::oneshot(0, &[0])]);
    }
}
