//! What only DataFusion can do over the rows of a stream that ends: sort, join, aggregate without a window.
//!
//! Rows are kept in a file as they come; when the input has ended, the query runs over them and its rows go on.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use tidegate_ml::snapshot::{decode, encode};

use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::SpillWriter;
use super::stage::StageTable;
use crate::execution::Execution;
use crate::{Error, Result};

/// Collects rows, then runs a query over them.
pub(crate) struct Collect {
    path: PathBuf,
    stage: Arc<StageTable>,
    /// The columns that the query reads, in order.
    columns: Vec<usize>,
    plan: LogicalPlan,
    execution: Execution,
    writer: Option<SpillWriter>,
}

impl Collect {
    pub(crate) fn new(
        path: PathBuf,
        stage: Arc<StageTable>,
        columns: Vec<usize>,
        plan: LogicalPlan,
        execution: Execution,
    ) -> Self {
        Self { path, stage, columns, plan, execution, writer: None }
    }

    fn writer(&mut self) -> Result<&mut SpillWriter> {
        if self.writer.is_none() {
            self.writer = Some(SpillWriter::open(&self.path, 0)?);
        }
        self.writer.as_mut().ok_or_else(|| Error::Internal("the file was just opened".into()))
    }
}

impl Operator for Collect {
    fn process(&mut self, _input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        let batch = batch.project(&self.columns)?;
        self.writer()?.write(&batch)
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        if time != AFTER_ALL {
            return Ok(BEFORE_ALL);
        }
        self.writer()?.sync()?;
        self.stage.collected(&self.path, &self.columns);
        let batches = self.execution.run(async {
            let stream = self.execution.stream(self.plan.clone()).await?;
            Ok(stream.try_collect::<Vec<_>>().await?)
        })?;
        out.extend(batches);
        Ok(AFTER_ALL)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        let bytes = self.writer()?.sync()?;
        Ok(encode(&bytes))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let bytes: u64 = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        self.writer = Some(SpillWriter::open(&self.path, bytes)?);
        Ok(())
    }
}
