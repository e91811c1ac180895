//! Rows put into the order of their event time: they wait until the watermark of their own input passes them.
//!
//! Lateness is judged row by row, from the times of the rows that came before, so neither what is dropped nor the order of
//! what comes out depends on how rows are cut into batches. State: the rows between the watermark and the greatest time, in
//! [`super::waiting`].

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use serde::{Deserialize, Serialize};

use super::lateness::{self, Lateness, Origin};
use super::waiting::{Ready, Ticks, Waiting};
use crate::Result;
use crate::plan::attribute::Rowtime;

/// Rows that wait for the watermark of their own input.
pub(crate) struct InOrder {
    rowtime: Rowtime,
    lateness: Lateness,
    waiting: Waiting,
}

/// What a checkpoint holds of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Saved {
    lateness: lateness::Saved,
    /// The waiting rows as they arrived.
    rows: Option<Vec<u8>>,
}

impl InOrder {
    pub(crate) fn new(rowtime: Rowtime) -> Self {
        let lateness = Lateness::new(Origin::Rows { delay_ms: rowtime.delay_ms });
        Self { rowtime, lateness, waiting: Waiting::new(rowtime.column) }
    }

    /// The column of the event time.
    pub(crate) fn column(&self) -> usize {
        self.rowtime.column
    }

    /// The greatest time so far less the delay, in milliseconds: what comes later with a time before it is late.
    pub(crate) fn watermark(&self) -> i64 {
        self.lateness.watermark()
    }

    /// Rows that were dropped: late ones, and ones without a time.
    pub(crate) fn rows_late(&self) -> u64 {
        self.lateness.rows_late()
    }

    /// What judges the rows.
    pub(crate) fn lateness(&mut self) -> &mut Lateness {
        &mut self.lateness
    }

    /// Takes rows in, and gives those that the watermark has passed.
    pub(crate) fn add(&mut self, batch: RecordBatch) -> Result<Option<Ready>> {
        let ticks = Ticks::of(batch.column(self.rowtime.column).data_type())?;
        let times = Ticks::times(batch.column(self.rowtime.column))?;
        let in_time: BooleanArray = times
            .iter()
            .map(|time| {
                let time = time.map(|time| ticks.milliseconds(time));
                let in_time = time.is_some_and(|time| time >= self.lateness.watermark());
                self.lateness.row(time, !in_time);
                Some(in_time)
            })
            .collect();
        self.lateness.end_batch(&batch)?;
        let late = in_time.true_count() < in_time.len();
        self.waiting.push(if late { filter_record_batch(&batch, &in_time)? } else { batch })?;
        // Rows of the watermark's own time may still come: with a delay of 0, those of the greatest time.
        self.waiting.take_before(self.watermark())
    }

    /// All rows that still wait: the input has ended.
    pub(crate) fn rest(&mut self) -> Result<Option<Ready>> {
        self.waiting.take_all()
    }

    /// Bytes of the rows that wait.
    pub(crate) fn state_bytes(&self) -> usize {
        self.waiting.state_bytes()
    }

    pub(crate) fn save(&self) -> Result<Saved> {
        Ok(Saved { lateness: *self.lateness.saved(), rows: self.waiting.save()? })
    }

    pub(crate) fn restore(&mut self, saved: Saved) -> Result<()> {
        self.lateness.restore(saved.lateness);
        self.waiting.restore(saved.rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{AsArray, Int64Array, TimestampMillisecondArray};
    use arrow::datatypes::Int64Type;

    fn rows(times: &[Option<i64>]) -> RecordBatch {
        let time = Arc::new(TimestampMillisecondArray::from(times.to_vec())) as _;
        let id = Arc::new(Int64Array::from_iter_values(0..times.len() as i64)) as _;
        RecordBatch::try_from_iter_with_nullable([("ts", time, true), ("id", id, true)]).unwrap()
    }

    fn come_out(order: &mut InOrder, batch: RecordBatch) -> Vec<i64> {
        order.add(batch).unwrap().map_or(Vec::new(), |ready| ready.times)
    }

    #[test]
    fn rows_come_out_by_time_once_the_watermark_has_passed_them() {
        let mut order = InOrder::new(Rowtime { column: 0, delay_ms: 2 });
        assert_eq!(come_out(&mut order, rows(&[Some(10), Some(9), None, Some(13), Some(11), Some(10)])), [9, 10]);
        assert_eq!(order.rows_late(), 2, "the one without a time, and 10 when 13 has come; 11 is just in time");
        assert_eq!(come_out(&mut order, rows(&[Some(12), Some(16)])), [11, 12, 13]);
        assert_eq!(order.rest().unwrap().map(|ready| ready.times), Some(vec![16]));
    }

    #[test]
    fn waiting_rows_go_through_a_checkpoint_in_the_order_of_their_arrival() {
        let mut order = InOrder::new(Rowtime { column: 0, delay_ms: 100 });
        come_out(&mut order, rows(&[Some(5), Some(3)]));
        come_out(&mut order, rows(&[Some(3), Some(5), Some(4)]));
        let mut resumed = InOrder::new(Rowtime { column: 0, delay_ms: 100 });
        resumed.restore(order.save().unwrap()).unwrap();
        let ready = resumed.rest().unwrap().unwrap();
        assert_eq!(ready.times, [3, 3, 4, 5, 5]);
        assert_eq!(ready.batch.column(1).as_primitive::<Int64Type>().values(), &[1, 0, 2, 0, 1]);
    }
}
