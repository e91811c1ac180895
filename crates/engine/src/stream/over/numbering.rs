//! ROW_NUMBER, RANK and DENSE_RANK. State: three numbers and a time a key.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::encode;

use super::frame::{Rows, retain};
use super::function::OverFunction;
use crate::Result;

/// How rows of the same time are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// One after the other.
    RowNumber,
    /// Alike, leaving out as many numbers as there are of them.
    Rank,
    /// Alike, leaving out none.
    DenseRank,
}

/// Numbers the rows of each key.
pub(crate) struct Numbered {
    numbering: Numbering,
    keys: Vec<Numbers>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Numbers {
    rows: u64,
    rank: u64,
    dense_rank: u64,
    time: Option<i64>,
}

impl Numbered {
    pub(crate) fn new(numbering: Numbering) -> Self {
        Self { numbering, keys: Vec::new() }
    }
}

impl OverFunction for Numbered {
    fn evaluate(&mut self, rows: &Rows<'_>, _leaving: &[u32], _arguments: &[ArrayRef]) -> Result<ArrayRef> {
        self.keys.resize(rows.key_count, Numbers::default());
        let numbers = rows.keys.iter().zip(rows.times).map(|(key, time)| {
            let numbers = &mut self.keys[*key];
            numbers.rows += 1;
            if numbers.time != Some(*time) {
                numbers.time = Some(*time);
                numbers.rank = numbers.rows;
                numbers.dense_rank += 1;
            }
            match self.numbering {
                Numbering::RowNumber => numbers.rows,
                Numbering::Rank => numbers.rank,
                Numbering::DenseRank => numbers.dense_rank,
            }
        });
        Ok(Arc::new(UInt64Array::from_iter_values(numbers)))
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.keys, kept);
    }

    fn state_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Numbers>()
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&self.keys))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.keys = super::saved(bytes)?;
        Ok(())
    }
}
