//! Leaves late rows out of a stream, so that what reads it may rely on its watermark.
//!
//! An operator of two inputs cannot judge lateness from the watermarks that it is told: these move with batches, and a filter
//! below it may have removed the very row that moved them. So each of its inputs passes here first, below its filters and
//! projections. A row is late if its time is below the watermark, which is the greatest time of the rows before it less the
//! delay: that depends on this input's rows and their order alone. What is passed on is that same watermark, a promise that
//! no row below it follows.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use tidegate_ml::snapshot::{decode, encode};

use super::lateness::{Lateness, Origin};
use super::operator::Operator;
use crate::batch::window::milliseconds;
use crate::plan::attribute::Rowtime;
use crate::{Error, OperatorReport, Result};

/// Drops late rows, and rows without a time.
pub(crate) struct InTime {
    /// What it is part of, for the report.
    name: String,
    column: usize,
    lateness: Lateness,
}

impl InTime {
    pub(crate) fn new(name: String, rowtime: Rowtime) -> Self {
        Self { name, column: rowtime.column, lateness: Lateness::new(Origin::Rows { delay_ms: rowtime.delay_ms }) }
    }
}

impl Operator for InTime {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let kept: BooleanArray = milliseconds(batch.column(self.column))?
            .iter()
            .map(|time| {
                let in_time = time.is_some_and(|time| time >= self.lateness.watermark());
                self.lateness.row(time, !in_time);
                Some(in_time)
            })
            .collect();
        self.lateness.end_batch(&batch)?;
        let batch = if kept.true_count() == kept.len() { batch } else { filter_record_batch(&batch, &kept)? };
        if batch.num_rows() > 0 {
            out.push(batch);
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        Ok(self.lateness.advance(time))
    }

    fn lateness(&mut self) -> Option<&mut Lateness> {
        Some(&mut self.lateness)
    }

    fn idle(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        Ok(self.lateness.idle(time))
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(encode(self.lateness.saved()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.lateness.restore(decode(state).map_err(|error| Error::Storage(error.to_string()))?);
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport { operator: self.name.clone(), rows_late: self.lateness.rows_late(), state_bytes_max: 0 })
    }
}
