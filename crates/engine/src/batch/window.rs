//! Rows with their windows, as columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};

use crate::Result;

/// Times in milliseconds.
pub(crate) fn milliseconds(time: &ArrayRef) -> Result<TimestampMillisecondArray> {
    let time = cast(time, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
    Ok(time.as_primitive::<TimestampMillisecondType>().clone())
}

/// Which rows of a batch are in which windows: pairs of a row and a window, in the order in which they come out.
#[derive(Debug, Default)]
pub(crate) struct Assigned {
    rows: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Assigned {
    pub(crate) fn push(&mut self, row: usize, start: i64, end: i64) {
        self.rows.push(row as u32);
        self.starts.push(start);
        self.ends.push(end);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, each with its window.
    pub(crate) fn apply(self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        // Often each row is in one window.
        let as_it_is =
            self.rows.len() == batch.num_rows() && self.rows.iter().enumerate().all(|(i, row)| i == *row as usize);
        if as_it_is {
            return with_windows(batch, self.starts, self.ends, schema);
        }
        let rows = take_record_batch(batch, &UInt32Array::from(self.rows))?;
        with_windows(&rows, self.starts, self.ends, schema)
    }
}

/// Adds `window_start`, `window_end` and `window_time` to a batch: a start and an end a row, in milliseconds.
pub(crate) fn with_windows(
    batch: &RecordBatch,
    starts: Vec<i64>,
    ends: Vec<i64>,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let last: Vec<i64> = ends.iter().map(|end| end.saturating_sub(1)).collect();
    let mut columns = batch.columns().to_vec();
    for edge in [starts, ends, last] {
        let data_type = schema.field(columns.len()).data_type();
        columns.push(cast(&(Arc::new(TimestampMillisecondArray::from(edge)) as ArrayRef), data_type)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
