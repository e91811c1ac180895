//! `TUMBLE` over a stream: each row gets its window; rows whose window has closed are dropped and counted.
//!
//! Lateness is judged row by row, from the times of the rows that came before on this operator's own input, so it does not
//! depend on how rows are cut into batches. For the same reason the operator passes on its own watermark.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};
use datafusion::physical_expr::PhysicalExpr;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use crate::batch::rowwise::{Rowwise, window_start};
use crate::{OperatorReport, Result};

/// Assigns windows.
pub(crate) struct Tumble {
    time: Arc<dyn PhysicalExpr>,
    size_ms: i64,
    offset_ms: i64,
    delay_ms: i64,
    rowwise: Rowwise,
    schema: SchemaRef,
    state: State,
}

#[derive(Serialize, Deserialize)]
struct State {
    /// The greatest time so far less the delay.
    watermark: i64,
    rows_late: u64,
}

impl Tumble {
    pub(crate) fn new(
        time: Arc<dyn PhysicalExpr>,
        size_ms: i64,
        offset_ms: i64,
        delay_ms: i64,
        schema: SchemaRef,
    ) -> Self {
        let rowwise = Rowwise::Tumble { time: Arc::clone(&time), size_ms, offset_ms };
        let state = State { watermark: BEFORE_ALL, rows_late: 0 };
        Self { time, size_ms, offset_ms, delay_ms, rowwise, schema, state }
    }
}

impl Operator for Tumble {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let time = self.time.evaluate(&batch)?.into_array(batch.num_rows())?;
        let time = cast(&time, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let time = time.as_primitive::<TimestampMillisecondType>();
        let mut late = 0;
        let kept: BooleanArray = time
            .iter()
            .map(|time| {
                // A row without a time belongs to no window.
                let Some(time) = time else {
                    late += 1;
                    return Some(false);
                };
                let end = window_start(time, self.size_ms, self.offset_ms).saturating_add(self.size_ms);
                let in_time = end.saturating_sub(1) > self.state.watermark;
                self.state.watermark = self.state.watermark.max(time.saturating_sub(self.delay_ms));
                late += u64::from(!in_time);
                Some(in_time)
            })
            .collect();
        self.state.rows_late += late;
        let batch = if late == 0 { batch } else { filter_record_batch(&batch, &kept)? };
        if batch.num_rows() > 0 {
            out.push(self.rowwise.apply(&batch, &self.schema)?);
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
        self.state = decode(state).map_err(|error| crate::Error::Storage(error.to_string()))?;
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport { operator: "TUMBLE".into(), rows_late: self.state.rows_late, state_bytes_max: 0 })
    }
}
