//! Rows of a batch taken apart, and put together again.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{interleave, take};
use arrow::error::ArrowError;

use crate::{DataFault, Error, Result};

fn wrong(error: ArrowError) -> Error {
    Error::Batch(error.to_string())
}

/// Some rows of a batch.
pub(crate) fn some_rows(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    let indices = UInt32Array::from(rows.to_vec());
    let columns = batch.columns().iter().map(|column| take(column, &indices, None)).collect::<Result<Vec<_>, _>>();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(batch.schema(), columns.map_err(wrong)?, &options).map_err(wrong)
}

/// Puts pieces together: `places` tells for each row which piece it is in, and where. `empty` is what comes of none.
pub(crate) fn together(empty: RecordBatch, pieces: &[RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch> {
    if pieces.is_empty() {
        return Ok(empty);
    }
    let column = |column: usize| {
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
