//! What a streaming operator is.

use std::time::Duration;

use arrow::array::RecordBatch;

use super::lateness::Lateness;
use crate::{ModelReport, OperatorReport, Result};

/// The watermark before any row.
pub(crate) const BEFORE_ALL: i64 = i64::MIN;
/// The watermark after the last row of a bounded input.
pub(crate) const AFTER_ALL: i64 = i64::MAX;

/// A step of a dataflow. It sees batches and watermarks in their order, and nothing else: no clock, no randomness. Its
/// results do not depend on how rows are cut into batches.
pub(crate) trait Operator: Send {
    /// Takes a batch of one of its inputs in; what comes out is appended to `out`.
    fn process(&mut self, input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()>;

    /// Learns that no row before `time` (in milliseconds) will come, bar late ones; [`AFTER_ALL`] is the end of the input.
    /// What comes out is appended to `out`, and the time up to which the output is complete is returned.
    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        Ok(time)
    }

    /// The watermarks within what the last [`Operator::process`] gave: after how many of its batches each comes. For what is
    /// to happen at a row and not at the end of its batch.
    fn watermarks_within(&mut self) -> Vec<(usize, i64)> {
        Vec::new()
    }

    /// What judges which rows come too late, for operators that drop such rows.
    fn lateness(&mut self) -> Option<&mut Lateness> {
        None
    }

    /// Learns that its input is idle, while the event time of others has come to `time`: rows before it that come later are late.
    /// As [`Operator::watermark`], for operators that go by the times of their own rows.
    fn idle(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark(time, out)
    }

    /// Learns how long the job has been running, between two rounds of a job without an end: the one time of a clock that an
    /// operator may go by, in what is not exact in any case. A job that ends has no ticks, so that its results are the same each
    /// time.
    fn tick(&mut self, _running: Duration) -> Result<()> {
        Ok(())
    }

    /// Measures the memory that its state takes, in bytes; `None` for operators without one that grows.
    fn measure(&mut self) -> Option<u64> {
        None
    }

    /// The state as bytes; empty for operators without one.
    fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Goes on from a state that `snapshot` gave.
    fn restore(&mut self, _state: &[u8]) -> Result<()> {
        Ok(())
    }

    /// Ends the job: what only happens once all rows are through, such as registering a model. May be repeated after a crash.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// What it trained, for the report.
    fn model_report(&self) -> Option<ModelReport> {
        None
    }

    /// What it held, for the report.
    fn operator_report(&self) -> Option<OperatorReport> {
        None
    }
}
