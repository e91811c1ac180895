//! The rows that one side of a join keeps, by their number: how many came before.

use std::collections::VecDeque;
use std::iter::once;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{concat_batches, interleave};
use arrow::datatypes::SchemaRef;

use crate::{Error, Result};

/// Stands for no row: what is gathered there is NULL.
pub(super) const NO_ROW: u64 = u64::MAX;

/// Batches smaller than this are put together.
const PIECE_ROWS_MAX: usize = 8192;

/// Rows in the batches that they came in.
pub(super) struct Buffer {
    schema: SchemaRef,
    /// By their first row; not every number is still there.
    pieces: VecDeque<Piece>,
    next: u64,
    bytes: usize,
}

struct Piece {
    first: u64,
    rows: RecordBatch,
    /// Which rows have found a match.
    matched: Vec<bool>,
    /// Rows still needed. A piece is freed whole.
    live: usize,
    bytes: usize,
}

impl Piece {
    fn new(first: u64, rows: RecordBatch, matched: Vec<bool>, live: usize) -> Self {
        let bytes = rows.get_array_memory_size() + matched.len();
        Self { first, rows, matched, live, bytes }
    }

    fn end(&self) -> u64 {
        self.first + self.rows.num_rows() as u64
    }
}

impl Buffer {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, pieces: VecDeque::new(), next: 0, bytes: 0 }
    }

    /// The columns of its rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes rows in, and returns the number of the first.
    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<u64> {
        let first = self.next;
        self.next += rows.num_rows() as u64;
        // Like a binary counter: each row is copied as often as the logarithm of the size, however small the batches.
        let mut size = rows.num_rows();
        let mut from = self.pieces.len();
        while let Some(before) = from.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            let follows = before.end() == self.pieces.get(from).map_or(first, |piece| piece.first);
            let rows = before.rows.num_rows();
            if !follows || rows > size || rows + size > PIECE_ROWS_MAX {
                break;
            }
            size += rows;
            from -= 1;
        }
        let small: Vec<Piece> = self.pieces.drain(from..).collect();
        self.bytes -= small.iter().map(|piece| piece.bytes).sum::<usize>();
        let new = rows.num_rows();
        let piece = match small.first().map(|piece| piece.first) {
            None => Piece::new(first, rows, vec![false; new], new),
            Some(first) => {
                let merged = concat_batches(&self.schema, small.iter().map(|piece| &piece.rows).chain(once(&rows)))?;
                let mut matched = Vec::with_capacity(merged.num_rows());
                small.iter().for_each(|piece| matched.extend_from_slice(&piece.matched));
                matched.resize(merged.num_rows(), false);
                Piece::new(first, merged, matched, small.iter().map(|piece| piece.live).sum::<usize>() + new)
            }
        };
        self.bytes += piece.bytes;
        self.pieces.push_back(piece);
        Ok(first)
    }

    /// The piece that holds a row.
    fn piece(&self, number: u64) -> usize {
        self.pieces.partition_point(|piece| piece.first <= number).saturating_sub(1)
    }

    /// Notes that a row has found a match.
    pub(super) fn set_matched(&mut self, number: u64) {
        let piece = self.piece(number);
        let piece = &mut self.pieces[piece];
        piece.matched[(number - piece.first) as usize] = true;
    }

    /// Whether a row has found a match.
    pub(super) fn is_matched(&self, number: u64) -> bool {
        let piece = &self.pieces[self.piece(number)];
        piece.matched[(number - piece.first) as usize]
    }

    /// Frees rows that are not needed any more.
    pub(super) fn release(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut emptied = false;
        for number in numbers {
            let piece = self.piece(number);
            let piece = &mut self.pieces[piece];
            piece.live -= 1;
            emptied |= piece.live == 0;
        }
        if emptied {
            self.pieces.retain(|piece| piece.live > 0);
            self.bytes = self.pieces.iter().map(|piece| piece.bytes).sum();
        }
    }

    /// Some columns of some rows, in the order given; NULL for [`NO_ROW`].
    pub(super) fn gather(&self, columns: &[usize], numbers: &[u64]) -> Result<Vec<ArrayRef>> {
        // Only the pieces that are asked for take part; before them a row of NULLs, if that is.
        let nulls = usize::from(numbers.contains(&NO_ROW));
        let mut slots: Vec<Option<usize>> = vec![None; self.pieces.len()];
        let mut used: Vec<&Piece> = Vec::new();
        let mut indices = Vec::with_capacity(numbers.len());
        let mut current = 0;
        for number in numbers {
            if *number == NO_ROW {
                indices.push((0, 0));
                continue;
            }
            let here = |piece: &Piece| (piece.first..piece.end()).contains(number);
            if !self.pieces.get(current).is_some_and(here) {
                current = self.piece(*number);
            }
            let Some(piece) = self.pieces.get(current) else {
                return Err(Error::Internal(format!("row {number} of a join is gone")));
            };
            let slot = *slots[current].get_or_insert_with(|| {
                used.push(piece);
                nulls + used.len() - 1
            });
            indices.push((slot, (number - piece.first) as usize));
        }
        let gather = |column: &usize| {
            let null = new_null_array(self.schema.field(*column).data_type(), nulls);
            let pieces = used.iter().map(|piece| piece.rows.column(*column).as_ref());
            let arrays: Vec<&dyn Array> = std::iter::repeat_n(null.as_ref(), nulls).chain(pieces).collect();
            Ok(interleave(&arrays, &indices)?)
        };
        columns.iter().map(gather).collect()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
