//! Operators without state: filter, project, unnest, and row-wise ones.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use rayon::prelude::*;

use super::operator::Operator;
use crate::batch::rowwise::Rowwise;
use crate::batch::unnest::Unnest;
use crate::{Error, Result};

/// `WHERE`: rows for which the predicate is true.
pub(crate) struct Filter {
    pub predicate: Arc<dyn PhysicalExpr>,
}

impl Operator for Filter {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let verdict = self.predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
        let Some(verdict) = verdict.as_boolean_opt() else {
            return Err(Error::Internal("a filter must be a BOOLEAN".into()));
        };
        let kept = filter_record_batch(&batch, verdict)?;
        if kept.num_rows() > 0 {
            out.push(kept);
        }
        Ok(())
    }
}

/// `SELECT`: computed columns.
pub(crate) struct Project {
    pub columns: Vec<Arc<dyn PhysicalExpr>>,
    pub schema: SchemaRef,
}

impl Operator for Project {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let columns = self
            .columns
            .iter()
            .map(|column| Ok(column.evaluate(&batch)?.into_array(batch.num_rows())?))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        out.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
    }
}

/// Elements that come out in one batch, unless one row has more.
const ELEMENTS_A_BATCH: usize = 8192;

/// `UNNEST`: each row once for each element of one of its columns.
pub(crate) struct Elements {
    pub unnest: Unnest,
    pub schema: SchemaRef,
}

impl Operator for Elements {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        for run in self.unnest.runs(&batch, ELEMENTS_A_BATCH)? {
            let expanded = self.unnest.apply(&batch.slice(run.start, run.len()), &self.schema)?;
            if expanded.num_rows() > 0 {
                out.push(expanded);
            }
        }
        Ok(())
    }
}

/// Rows below which splitting a batch over threads costs more than it gains.
const ROWS_A_THREAD_MIN: usize = 2048;

/// `ML_PREDICT` and `ML_EXPLAIN_PREDICT`: the rows of a batch are spread over the threads; each row's prediction is its own.
pub(crate) struct Predict {
    pub rowwise: Rowwise,
    pub schema: SchemaRef,
    pub threads: Arc<rayon::ThreadPool>,
}

impl Operator for Predict {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let pieces = (rows / ROWS_A_THREAD_MIN).clamp(1, self.threads.current_num_threads());
        if pieces == 1 {
            out.push(self.rowwise.apply(&batch, &self.schema)?);
            return Ok(());
        }
        let piece = |piece| {
            let (from, to) = (piece * rows / pieces, (piece + 1) * rows / pieces);
            self.rowwise.apply(&batch.slice(from, to - from), &self.schema)
        };
        let predicted = self.threads.install(|| (0..pieces).into_par_iter().map(piece).collect::<Result<Vec<_>>>());
        out.extend(predicted?);
        Ok(())
    }
}
