//! Rows of a batch taken apart, and put together again.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat, interleave, take};
use arrow::error::ArrowError;

use crate::{DataFault, Error, Result};

fn wrong(error: ArrowError) -> Error {
    Error::Batch(error.to_string())
}

/// Runs of rows are copied as they lie where they have so many rows on average; else row by row.
const RUN_MIN: usize = 8;

/// Where runs of consecutive values begin and end.
fn runs<T: Copy>(values: &[T], follows: impl Fn(T, T) -> bool) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut start = 0;
    for at in 1..=values.len() {
        if at == values.len() || !follows(values[at - 1], values[at]) {
            runs.push((start, at));
            start = at;
        }
    }
    runs
}

fn concatenated(pieces: &[ArrayRef]) -> Result<ArrayRef> {
    match pieces {
        [one] => Ok(ArrayRef::clone(one)),
        pieces => concat(&pieces.iter().map(|piece| piece.as_ref()).collect::<Vec<_>>()).map_err(wrong),
    }
}

/// Some rows of a batch.
pub(crate) fn some_rows(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    let runs = runs(rows, |a, b| a + 1 == b);
    let by_runs = !rows.is_empty() && runs.len() * RUN_MIN <= rows.len();
    let indices = if by_runs { None } else { Some(UInt32Array::from(rows.to_vec())) };
    let column = |column: &ArrayRef| match &indices {
        Some(indices) => take(column, indices, None).map_err(wrong),
        None => {
            let slice = |(start, end): &(usize, usize)| column.slice(rows[*start] as usize, end - start);
            concatenated(&runs.iter().map(slice).collect::<Vec<_>>())
        }
    };
    let columns = batch.columns().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(wrong)
}

/// Puts pieces together: `places` tells for each row which piece it is in, and where. `empty` is what comes of none.
pub(crate) fn together(empty: RecordBatch, pieces: &[RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch> {
    if places.is_empty() {
        return Ok(empty);
    }
    let runs = runs(places, |(piece, at), next| (piece, at + 1) == next);
    let by_runs = runs.len() * RUN_MIN <= places.len();
    let column = |column: usize| {
        if by_runs {
            let slice = |(start, end): &(usize, usize)| {
                let (piece, at) = places[*start];
                pieces[piece].column(column).slice(at, end - start)
            };
            return concatenated(&runs.iter().map(slice).collect::<Vec<_>>());
        }
        let columns: Vec<_> = pieces.iter().map(|piece| piece.column(column).as_ref()).collect();
        interleave(&columns, places).map_err(wrong)
    };
    let columns = (0..empty.num_columns()).map(column).collect::<Result<Vec<ArrayRef>>>()?;
    RecordBatch::try_new(empty.schema(), columns).map_err(wrong)
}

impl DataFault {
    /// The outcome of several that have each read some rows: the fault of the first row that has one.
    pub(crate) fn first_of(outcomes: Vec<Result<()>>) -> Result<()> {
        let mut first: Option<DataFault> = None;
        for outcome in outcomes {
            match outcome {
                Ok(()) => {}
                Err(Error::Data(fault)) if first.as_ref().is_some_and(|first| first.row <= fault.row) => {}
                Err(Error::Data(fault)) => first = Some(fault),
                Err(other) => return Err(other),
            }
        }
        first.map_or(Ok(()), |fault| Err(fault.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn batch(from: i64, len: i64) -> RecordBatch {
        let texts: StringArray = (from..from + len).map(|i| Some(format!("t{i}"))).collect();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + len));
        RecordBatch::try_from_iter([("n", numbers), ("t", Arc::new(texts) as ArrayRef)]).unwrap()
    }

    #[test]
    fn rows_in_runs_and_scattered_are_the_same_rows() {
        let all = batch(0, 100);
        let long: Vec<u32> = (10..40).chain(60..99).collect();
        let scattered: Vec<u32> = (0..100).step_by(7).collect();
        for rows in [long, scattered, Vec::new(), vec![5]] {
            let indices = UInt32Array::from(rows.clone());
            let expected = arrow::compute::take_record_batch(&all, &indices).unwrap();
            assert_eq!(some_rows(&all, &rows).unwrap(), expected);
        }
    }

    #[test]
    fn what_was_taken_apart_comes_together() {
        let all = batch(0, 100);
        for of_piece in [|row: usize| row / 25 % 2, |row: usize| row % 2] {
            let rows: [Vec<u32>; 2] =
                [0, 1].map(|piece| (0..100).filter(|row| of_piece(*row as usize) == piece).collect());
            let pieces = rows.each_ref().map(|rows| some_rows(&all, rows).unwrap());
            let mut next = [0; 2];
            let place = |row| {
                let piece = of_piece(row);
                next[piece] += 1;
                (piece, next[piece] - 1)
            };
            let places: Vec<(usize, usize)> = (0..100).map(place).collect();
            assert_eq!(together(all.slice(0, 0), &pieces, &places).unwrap(), all);
        }
    }
}
