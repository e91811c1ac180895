//! Leaves late rows out of a stream, so that what reads it may rely on its watermark.
//!
//! An operator of two inputs cannot judge lateness from the watermarks that it is told: these move with batches, and a filter
//! below it may have removed the very row that moved them. So each of its inputs passes here first, below its filters and
//! projections. A row is late if its time is below the watermark, which is the greatest time of the rows before it less the
//! delay: that depends on this input's rows and their order alone. What is passed on is that same watermark, a promise that
//! no row below it follows.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use crate::plan::attribute::Rowtime;
use crate::{Error, OperatorReport, Result};

/// Drops late rows, and rows without a time.
pub(crate) struct InTime {
    /// What it is part of, for the report.
    name: String,
    rowtime: Rowtime,
    state: State,
}

#[derive(Serialize, Deserialize)]
struct State {
    watermark: i64,
    rows_late: u64,
}

impl InTime {
    pub(crate) fn new(name: String, rowtime: Rowtime) -> Self {
        Self { name, rowtime, state: State { watermark: BEFORE_ALL, rows_late: 0 } }
    }
}

impl Operator for InTime {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let time = cast(batch.column(self.rowtime.column), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let State { watermark, rows_late } = &mut self.state;
        let kept: BooleanArray = time
            .as_primitive::<TimestampMillisecondType>()
            .iter()
            .map(|time| {
                let Some(time) = time else { return Some(false) };
                let in_time = time >= *watermark;
                *watermark = (*watermark).max(time.saturating_sub(self.rowtime.delay_ms));
                Some(in_time)
            })
            .collect();
        let late = kept.len() - kept.true_count();
        *rows_late += late as u64;
        let batch = if late == 0 { batch } else { filter_record_batch(&batch, &kept)? };
        if batch.num_rows() > 0 {
            out.push(batch);
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        Ok(if time == AFTER_ALL { AFTER_ALL } else { self.state.watermark })
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&self.state))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.state = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport { operator: self.name.clone(), rows_late: self.state.rows_late, state_bytes_max: 0 })
    }
}
