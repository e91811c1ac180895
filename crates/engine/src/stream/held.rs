//! Rows kept until they are asked for, by number.
//!
//! ```text
//!  chunks   [ 0 1 2 3 5 6 8 ][ 9 10 12 ][ 13 ]     each a batch with the numbers of its rows
//!                    ▲ given back: its place is freed when half of the chunk is
//! ```
//! Small chunks are joined with their neighbours as they come, and when what is left of them has become small, so that there are
//! few however small the batches are: a row is copied a number of times that grows with the logarithm of the rows held.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch, interleave, interleave_record_batch};
use arrow::datatypes::SchemaRef;

use crate::batch::scan::with_schema;
use crate::{Error, Result};

/// Chunks of so many rows are not joined any more.
const CHUNK_ROWS: usize = 8192;

/// Chunks of so many rows in all are one.
const CHUNK_ROWS_SMALL: usize = 64;

/// What a row takes beside its columns: its number, here and where it is asked for from, and whether it is held.
const ROW_BYTES: usize = 17;

/// Rows kept by number. Numbers grow from one batch to the next.
pub(super) struct HeldRows {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
}

struct Chunk {
    numbers: Vec<u64>,
    batch: RecordBatch,
    /// Whether each row is still held.
    held: Vec<bool>,
    rows_held: usize,
}

impl Chunk {
    fn new(numbers: Vec<u64>, batch: RecordBatch) -> Self {
        let rows_held = numbers.len();
        Self { numbers, batch, held: vec![true; rows_held], rows_held }
    }

    /// The same without the rows that were given back.
    fn compacted(self) -> Result<Self> {
        if self.rows_held == self.held.len() {
            return Ok(self);
        }
        let batch = filter_record_batch(&self.batch, &BooleanArray::from(self.held.clone()))?;
        let numbers = self.numbers.iter().zip(&self.held).filter(|(_, held)| **held).map(|(number, _)| *number);
        Ok(Self::new(numbers.collect(), batch))
    }

    fn joined(self, next: Self) -> Result<Self> {
        let (mut first, next) = (self.compacted()?, next.compacted()?);
        let batch = concat_batches(&first.batch.schema(), [&first.batch, &next.batch])?;
        first.numbers.extend(next.numbers);
        Ok(Self::new(first.numbers, batch))
    }
}

impl HeldRows {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, chunks: Vec::new() }
    }

    /// Keeps rows. Their numbers ascend, and are greater than all before.
    pub(super) fn push(&mut self, numbers: Vec<u64>, batch: RecordBatch) -> Result<()> {
        debug_assert_eq!(numbers.len(), batch.num_rows());
        if numbers.is_empty() {
            return Ok(());
        }
        let mut last = Chunk::new(numbers, with_schema(batch, &self.schema)?);
        while let Some(before) = self.chunks.pop_if(|before| joins(before, &last)) {
            last = before.joined(last)?;
        }
        self.chunks.push(last);
        Ok(())
    }

    /// Gives rows back, in the order of `numbers`, each of which is held.
    pub(super) fn take(&mut self, numbers: &[u64]) -> Result<RecordBatch> {
        let places = numbers.iter().map(|number| self.place(*number)).collect::<Result<Vec<_>>>()?;
        let batches: Vec<&RecordBatch> = self.chunks.iter().map(|chunk| &chunk.batch).collect();
        let rows = interleave_record_batch(&batches, &places)?;
        self.release(numbers.iter().copied())?;
        Ok(rows)
    }

    /// Gives rows up, each of which is held.
    pub(super) fn release(&mut self, numbers: impl Iterator<Item = u64>) -> Result<()> {
        let mut any = false;
        for number in numbers {
            let (chunk, row) = self.place(number)?;
            self.chunks[chunk].held[row] = false;
            self.chunks[chunk].rows_held -= 1;
            any = true;
        }
        if any { self.free() } else { Ok(()) }
    }

    /// Some columns of rows, in the order of `numbers`, which stay held; `None` is a row of NULLs.
    pub(super) fn gather(&self, columns: &[usize], numbers: &[Option<u64>]) -> Result<Vec<ArrayRef>> {
        // Only the chunks that are asked for take part; before them the row of NULLs.
        let mut slots: Vec<Option<usize>> = vec![None; self.chunks.len()];
        let mut used: Vec<&Chunk> = Vec::new();
        let mut indices = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(number) = number else {
                indices.push((0, 0));
                continue;
            };
            let (chunk, row) = self.place(*number)?;
            let slot = *slots[chunk].get_or_insert_with(|| {
                used.push(&self.chunks[chunk]);
                used.len()
            });
            indices.push((slot, row));
        }
        let gather = |column: &usize| {
            let null = new_null_array(self.schema.field(*column).data_type(), 1);
            let chunks = used.iter().map(|chunk| chunk.batch.column(*column).as_ref());
            let arrays: Vec<&dyn Array> = std::iter::once(null.as_ref()).chain(chunks).collect();
            Ok(interleave(&arrays, &indices)?)
        };
        columns.iter().map(gather).collect()
    }

    /// The chunk of a row, and its place there.
    fn place(&self, number: u64) -> Result<(usize, usize)> {
        let chunk = self.chunks.partition_point(|chunk| chunk.numbers.first().is_some_and(|first| *first <= number));
        let place = chunk.checked_sub(1).and_then(|chunk| {
            let row = self.chunks[chunk].numbers.binary_search(&number).ok()?;
            self.chunks[chunk].held[row].then_some((chunk, row))
        });
        place.ok_or_else(|| Error::Internal(format!("row {number} is not held")))
    }

    /// Frees the rows that were given back where they are more than half of a chunk.
    fn free(&mut self) -> Result<()> {
        self.chunks.retain(|chunk| chunk.rows_held > 0);
        for chunk in &mut self.chunks {
            if chunk.rows_held * 2 < chunk.held.len() {
                let sparse =
                    std::mem::replace(chunk, Chunk::new(Vec::new(), RecordBatch::new_empty(self.schema.clone())));
                *chunk = sparse.compacted()?;
            }
        }
        if self.chunks.windows(2).any(|two| joins_behind(&two[0], &two[1])) {
            let mut joined: Vec<Chunk> = Vec::with_capacity(self.chunks.len());
            for mut chunk in std::mem::take(&mut self.chunks) {
                while let Some(before) = joined.pop_if(|before| joins_behind(before, &chunk)) {
                    chunk = before.joined(chunk)?;
                }
                joined.push(chunk);
            }
            self.chunks = joined;
        }
        Ok(())
    }

    /// The bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let chunk = |chunk: &Chunk| chunk.batch.get_array_memory_size() + chunk.numbers.len() * ROW_BYTES;
        self.chunks.iter().map(chunk).sum()
    }

    /// All rows as one batch, with their numbers.
    pub(super) fn all(&mut self) -> Result<(Vec<u64>, RecordBatch)> {
        let mut joined: Option<Chunk> = None;
        for chunk in self.chunks.drain(..) {
            joined = Some(match joined {
                Some(before) => before.joined(chunk)?,
                None => chunk.compacted()?,
            });
        }
        let Some(all) = joined else { return Ok((Vec::new(), RecordBatch::new_empty(self.schema.clone()))) };
        let saved = (all.numbers.clone(), all.batch.clone());
        self.chunks.push(all);
        Ok(saved)
    }
}

/// Whether two neighbours become one: a small one that is not much larger than what follows.
fn joins(before: &Chunk, next: &Chunk) -> bool {
    before.numbers.len() < CHUNK_ROWS && before.numbers.len() <= 2 * next.numbers.len()
}

/// Whether two neighbours become one after rows of them were given up: small ones, and such as are about as large as each other.
fn joins_behind(before: &Chunk, next: &Chunk) -> bool {
    let (one, other) = (before.numbers.len(), next.numbers.len());
    let alike = one <= 2 * other && other <= 2 * one;
    one + other <= CHUNK_ROWS_SMALL || alike && one + other <= CHUNK_ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    fn batch(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as _)]).unwrap()
    }

    fn values(batch: &RecordBatch) -> Vec<i64> {
        batch.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_come_back_in_the_order_asked_for() {
        let mut held = HeldRows::new(batch(&[]).schema());
        for i in 0..100 {
            held.push(vec![3 * i], batch(&[i as i64])).unwrap();
        }
        assert_eq!(values(&held.take(&[297, 0, 33]).unwrap()), [99, 0, 11]);
        assert!(held.take(&[33]).is_err(), "it was given back already");
        assert!(held.take(&[34]).is_err(), "there never was one");
        let (numbers, rows) = held.all().unwrap();
        assert_eq!((numbers.len(), rows.num_rows()), (97, 97));
        assert_eq!(values(&held.take(&[294]).unwrap()), [98]);
    }

    #[test]
    fn rows_that_were_given_back_are_freed_and_small_batches_joined() {
        let mut held = HeldRows::new(batch(&[]).schema());
        for i in 0..1000 {
            held.push(vec![i], batch(&[i as i64])).unwrap();
        }
        assert!(held.chunks.len() <= 11, "{} chunks", held.chunks.len());
        let before = held.bytes();
        held.take(&(0..900).collect::<Vec<_>>()).unwrap();
        assert!(held.bytes() * 4 < before, "{} of {before}", held.bytes());
        held.take(&(900..1000).collect::<Vec<_>>()).unwrap();
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn rows_that_stay_are_gathered_and_do_not_keep_what_is_given_up() {
        let mut held = HeldRows::new(batch(&[]).schema());
        for i in 0..200u64 {
            let numbers: Vec<u64> = (100 * i..100 * (i + 1)).collect();
            let values: Vec<i64> = numbers.iter().map(|number| -(*number as i64)).collect();
            held.push(numbers, batch(&values)).unwrap();
            // Of each hundred one stays.
            held.release((100 * i..100 * (i + 1)).filter(|number| number % 100 != 7)).unwrap();
        }
        assert!(held.chunks.len() <= 8, "{} chunks", held.chunks.len());
        assert!(held.bytes() < 200 * 64, "{} bytes", held.bytes());
        let columns = held.gather(&[0], &[Some(7), None, Some(19907), Some(7)]).unwrap();
        let found: Vec<Option<i64>> = columns[0].as_primitive::<Int64Type>().iter().collect();
        assert_eq!(found, [Some(-7), None, Some(-19907), Some(-7)]);
        assert!(held.gather(&[0], &[Some(8)]).is_err(), "it was given up");
    }
}
