//! Where the event times of a source's rows are.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion::physical_expr::PhysicalExpr;

use crate::Result;
use crate::plan::attribute::Rowtime;

/// The event time of a source.
#[derive(Debug, Clone)]
pub(crate) struct EventTime {
    time: Time,
    /// The watermark is the greatest time so far less this, in milliseconds.
    pub delay_ms: i64,
}

#[derive(Debug, Clone)]
enum Time {
    Column(usize),
    /// Of a computed column, which the source does not give itself: what it is computed from is among its columns.
    Computed(Arc<dyn PhysicalExpr>),
}

impl From<Rowtime> for EventTime {
    fn from(Rowtime { column, delay_ms }: Rowtime) -> Self {
        Self { time: Time::Column(column), delay_ms }
    }
}

impl EventTime {
    /// The time of a computed column.
    pub(crate) fn computed(time: Arc<dyn PhysicalExpr>, delay_ms: i64) -> Self {
        Self { time: Time::Computed(time), delay_ms }
    }

    /// The times of a batch's rows, in a unit that is the same for all batches.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        Ok(match &self.time {
            Time::Column(column) => Arc::clone(batch.column(*column)),
            Time::Computed(time) => time.evaluate(batch)?.into_array(batch.num_rows())?,
        })
    }

    /// The greatest time of a batch, in milliseconds.
    pub(super) fn latest_ms(&self, batch: &RecordBatch) -> Result<Option<i64>> {
        let times = cast(&self.of(batch)?, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        Ok(max(times.as_primitive::<TimestampMillisecondType>()))
    }
}
