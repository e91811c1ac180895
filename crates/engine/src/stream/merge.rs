//! `UNION ALL` of streams in the order of their event time.
//!
//! ```text
//!  input 0 ─► waits ┐
//!  input 1 ─► waits ┼─ watermark of all of them ─► rows before it, by (time, input, arrival)
//! ```
//! Batches of several inputs follow each other as they happen to be read: what goes by the times of the rows before each row, as
//! windows and OVER do, would take those of one input for late that have to wait for another. So below such an operator a union
//! holds its rows until no earlier one can come from any input. It relies on its inputs to bring no row below their watermark:
//! [`super::in_time`] sees to that. State: the rows between the watermark and the greatest time.

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::join::batch;
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::waiting::{Ready, Waiting};
use crate::{Error, OperatorReport, Result};

/// Rows that come out at once.
const ROWS_A_BATCH: usize = 8192;

/// Puts the rows of several inputs into one order.
pub(crate) struct Merge {
    schema: SchemaRef,
    inputs: Vec<Waiting>,
    watermark: i64,
    state_bytes_max: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    state_bytes_max: u64,
    inputs: Vec<Option<Vec<u8>>>,
}

impl Merge {
    /// `time` is the column of the event time.
    pub(crate) fn new(schema: SchemaRef, inputs: usize, time: usize) -> Self {
        let inputs = (0..inputs).map(|_| Waiting::new(time)).collect();
        Self { schema, inputs, watermark: BEFORE_ALL, state_bytes_max: 0 }
    }

    fn measure_state(&mut self) -> u64 {
        let bytes = self.inputs.iter().map(Waiting::state_bytes).sum::<usize>() as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Operator for Merge {
    fn process(&mut self, input: usize, rows: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        // The inputs' columns have names of their own.
        let rows = batch(&self.schema, rows.columns().to_vec(), rows.num_rows())?;
        self.inputs[input].push(rows)
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        let watermark = self.watermark;
        let take = |input: &mut Waiting| match watermark {
            AFTER_ALL => input.take_all(),
            time => input.take_before(time),
        };
        let ready = self.inputs.iter_mut().map(take).collect::<Result<Vec<_>>>()?;
        let ready: Vec<Ready> = ready.into_iter().flatten().collect();
        if let [only] = ready.as_slice() {
            out.push(only.batch.clone());
        } else {
            let mut places: Vec<(i64, usize, usize)> = Vec::new();
            for (input, ready) in ready.iter().enumerate() {
                places.extend(ready.times.iter().enumerate().map(|(row, time)| (*time, input, row)));
            }
            places.sort_unstable();
            let batches: Vec<&RecordBatch> = ready.iter().map(|ready| &ready.batch).collect();
            for places in places.chunks(ROWS_A_BATCH) {
                let places: Vec<(usize, usize)> = places.iter().map(|(_, input, row)| (*input, *row)).collect();
                out.push(interleave_record_batch(&batches, &places)?);
            }
        }
        // A row of the watermark's own time may still come.
        Ok(if watermark == AFTER_ALL { AFTER_ALL } else { watermark.saturating_sub(1) })
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let inputs = self.inputs.iter().map(Waiting::save).collect::<Result<_>>()?;
        Ok(encode(&Saved { watermark: self.watermark, state_bytes_max: self.state_bytes_max, inputs }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        if saved.inputs.len() != self.inputs.len() {
            return Err(Error::Storage("the checkpoint is of another union; run with --fresh".into()));
        }
        (self.watermark, self.state_bytes_max) = (saved.watermark, saved.state_bytes_max);
        self.inputs.iter_mut().zip(saved.inputs).try_for_each(|(input, rows)| input.restore(rows))
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let operator = "UNION".to_string();
        Some(OperatorReport { operator, rows_late: 0, state_bytes_max: self.state_bytes_max })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMillisecondArray};
    use arrow::datatypes::Int64Type;

    fn rows(times: &[i64], first: i64) -> RecordBatch {
        let time = Arc::new(TimestampMillisecondArray::from(times.to_vec())) as ArrayRef;
        let id = Arc::new(Int64Array::from_iter_values(first..first + times.len() as i64)) as ArrayRef;
        RecordBatch::try_from_iter([("ts", time), ("id", id)]).unwrap()
    }

    fn ids(out: &mut Vec<RecordBatch>) -> Vec<i64> {
        let ids = |batch: RecordBatch| batch.column(1).as_primitive::<Int64Type>().values().to_vec();
        out.drain(..).flat_map(ids).collect()
    }

    #[test]
    fn rows_come_by_time_then_input_whichever_came_first() {
        let mut out = Vec::new();
        let merge = || Merge::new(rows(&[], 0).schema(), 2, 0);
        let mut operator = merge();
        operator.process(1, rows(&[1, 5, 3, 9], 20), &mut out).unwrap();
        operator.process(0, rows(&[5, 2, 9], 10), &mut out).unwrap();
        assert_eq!(operator.watermark(5, &mut out).unwrap(), 4);
        assert_eq!(ids(&mut out), [20, 11, 22]);
        let saved = operator.snapshot().unwrap();
        let mut operator = merge();
        operator.restore(&saved).unwrap();
        operator.process(0, rows(&[5], 30), &mut out).unwrap();
        operator.watermark(AFTER_ALL, &mut out).unwrap();
        assert_eq!(ids(&mut out), [10, 30, 21, 12, 23]);
        assert_eq!(operator.measure(), Some(0));
    }
}
