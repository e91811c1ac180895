//! `TUMBLE`, `HOP` and `CUMULATE` over a stream: each row comes out with each of its windows; windows that have closed are
//! left out, and a row all of whose windows have closed is dropped and counted.
//!
//! Lateness is judged row by row, from the times of the rows that came before on this operator's own input, so it does not
//! depend on how rows are cut into batches. For the same reason the operator passes on its own watermark: see [`Lateness`].
//!
//! For early results it cuts its output where its watermark passes a multiple of their interval, and passes the watermark on
//! right there, so that an aggregate above gives them after the same row, however rows are cut into batches.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use tidegate_ml::snapshot::{decode, encode};

use super::lateness::Lateness;
use super::operator::Operator;
use crate::batch::window::{Assigned, milliseconds};
use crate::plan::window::Windows;
use crate::{OperatorReport, Result};

/// Assigns windows.
pub(crate) struct AssignWindows {
    time: Arc<dyn PhysicalExpr>,
    windows: Windows,
    schema: SchemaRef,
    lateness: Lateness,
    /// The interval of early results in milliseconds, if an aggregate above gives them.
    early_ms: Option<i64>,
    /// See [`Operator::watermarks_within`].
    within: Vec<(usize, i64)>,
    sliced: bool,
}

impl AssignWindows {
    pub(crate) fn new(
        time: Arc<dyn PhysicalExpr>,
        windows: Windows,
        lateness: Lateness,
        schema: SchemaRef,
        early_ms: Option<i64>,
    ) -> Self {
        Self { time, windows, schema, lateness, early_ms, within: Vec::new(), sliced: false }
    }

    /// For HOP without early results: a row that is late for none of its windows comes once, with the slice that it is in. That is
    /// as long as a step, and ends with the earliest of the windows.
    pub(crate) fn sliced(self) -> Self {
        Self { sliced: true, ..self }
    }
}

/// Whether early results are due when a watermark moves: it passes a multiple of their interval. The first watermark of all
/// only says where time begins.
pub(super) fn is_due(before: i64, now: i64, every_ms: i64) -> bool {
    before.div_euclid(every_ms) < now.div_euclid(every_ms)
}

impl Operator for AssignWindows {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let time = self.time.evaluate(&batch)?.into_array(batch.num_rows())?;
        let mut assigned = Assigned::default();
        for (row, time) in milliseconds(&time)?.iter().enumerate() {
            let watermark = self.lateness.watermark();
            let mut late = true;
            let earliest = time.filter(|_| self.sliced).and_then(|time| self.windows.of(time).next());
            if let Some((_, end)) = earliest.filter(|(_, end)| end.saturating_sub(1) > watermark) {
                assigned.push(row, end.saturating_sub(self.windows.step_ms), end);
                self.lateness.row(time, false);
                continue;
            }
            // A row without a time is in no window.
            for (start, end) in time.into_iter().flat_map(|time| self.windows.of(time)) {
                if end.saturating_sub(1) > watermark {
                    assigned.push(row, start, end);
                    late = false;
                }
            }
            self.lateness.row(time, late);
            if self.early_ms.is_some_and(|every| is_due(watermark, self.lateness.watermark(), every)) {
                if !assigned.is_empty() {
                    out.push(std::mem::take(&mut assigned).apply(&batch, &self.schema)?);
                }
                self.within.push((out.len(), self.lateness.watermark()));
            }
        }
        self.lateness.end_batch(&batch)?;
        if !assigned.is_empty() {
            out.push(assigned.apply(&batch, &self.schema)?);
        }
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        Ok(self.lateness.advance(time))
    }

    fn watermarks_within(&mut self) -> Vec<(usize, i64)> {
        std::mem::take(&mut self.within)
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
        self.lateness.restore(decode(state).map_err(|error| crate::Error::Storage(error.to_string()))?);
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: self.windows.function.name().into(),
            rows_late: self.lateness.rows_late(),
            state_bytes_max: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::window::WindowFunction;
    use crate::stream::lateness::Origin;
    use crate::stream::operator::AFTER_ALL;
    use arrow::array::{AsArray, TimestampMillisecondArray};
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMillisecondType};
    use datafusion::physical_expr::expressions::Column;

    fn operator(origin: Origin) -> AssignWindows {
        let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true);
        let schema = Arc::new(Schema::new(["t", "window_start", "window_end", "window_time"].map(time).to_vec()));
        let windows = Windows { function: WindowFunction::Hop, step_ms: 5, size_ms: 10, offset_ms: 0 };
        AssignWindows::new(Arc::new(Column::new("t", 0)), windows, Lateness::new(origin), schema, None)
    }

    fn process(operator: &mut AssignWindows, times: &[Option<i64>]) -> Vec<(i64, i64)> {
        let times = Arc::new(TimestampMillisecondArray::from(times.to_vec())) as _;
        let mut out = Vec::new();
        operator.process(0, RecordBatch::try_from_iter([("t", times)]).unwrap(), &mut out).unwrap();
        let values = |batch: &RecordBatch, i: usize| {
            batch.column(i).as_primitive::<TimestampMillisecondType>().values().to_vec()
        };
        out.iter().flat_map(|batch| values(batch, 0).into_iter().zip(values(batch, 2))).collect()
    }

    #[test]
    fn closed_windows_of_a_row_are_left_out_and_it_is_late_when_all_are() {
        let mut operator = operator(Origin::Rows { delay_ms: 1 });
        assert_eq!(process(&mut operator, &[Some(1), Some(6)]), [(1, 5), (1, 10), (6, 10), (6, 15)]);
        // The watermark is 5: the window up to 5 has closed, that up to 10 has not.
        assert_eq!(process(&mut operator, &[Some(2), Some(-6), None]), [(2, 10)]);
        assert_eq!(operator.operator_report().map(|report| report.rows_late), Some(2));
        let state = operator.snapshot().unwrap();
        let mut resumed = self::operator(Origin::Rows { delay_ms: 1 });
        resumed.restore(&state).unwrap();
        assert_eq!((resumed.watermark(100, &mut Vec::new()).unwrap(), resumed.lateness.rows_late()), (5, 2));
        assert_eq!(resumed.watermark(AFTER_ALL, &mut Vec::new()).unwrap(), AFTER_ALL);
    }

    #[test]
    fn output_is_cut_where_early_results_are_due() {
        let mut operator = operator(Origin::Rows { delay_ms: 0 });
        operator.early_ms = Some(4);
        // At 3 time begins; 5 passes 4, and 12 passes 8 and 12.
        assert_eq!(process(&mut operator, &[Some(3), Some(5), Some(7), Some(12), Some(13)]).len(), 10);
        assert_eq!(operator.watermarks_within(), [(1, 3), (2, 5), (3, 12)]);
        assert!(operator.watermarks_within().is_empty());
    }

    /// Over the time of windows: several rows have the time at which their window closed, and none is late.
    #[test]
    fn the_watermark_of_windows_is_passed_on_as_it_is() {
        let mut operator = operator(Origin::Input);
        assert_eq!(process(&mut operator, &[Some(9), Some(9)]), [(9, 10), (9, 15), (9, 10), (9, 15)]);
        assert_eq!(operator.watermark(9, &mut Vec::new()).unwrap(), 9);
        assert_eq!(process(&mut operator, &[Some(14)]), [(14, 15), (14, 20)]);
    }
}
