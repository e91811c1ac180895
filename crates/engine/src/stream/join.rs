//! What the joins have in common: when two rows belong together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::NullBuffer;
use arrow::compute::and;
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use crate::{Error, Result};

/// Results that are put together at once.
pub(super) const ROWS_A_BATCH: usize = 8192;

/// A side of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Left,
    Right,
}

/// What must hold of two rows beside the equality of their keys: a predicate over some columns of both.
pub(crate) struct Residual {
    pub predicate: Arc<dyn PhysicalExpr>,
    /// Places of the columns that it reads among those of the left side, and of the right side.
    pub left: Vec<usize>,
    pub right: Vec<usize>,
    /// These columns, the left side's first.
    pub schema: SchemaRef,
}

/// For which pairs the condition holds: keys that are equal, and columns for which the residual predicate is true.
pub(super) fn holds(
    rows: usize,
    (left_keys, right_keys): (&[ArrayRef], &[ArrayRef]),
    residual: Option<(&Residual, Vec<ArrayRef>)>,
) -> Result<BooleanArray> {
    let mut holds = BooleanArray::from(vec![true; rows]);
    for (left, right) in left_keys.iter().zip(right_keys) {
        holds = and(&holds, &eq(left, right)?)?;
    }
    if let Some((residual, columns)) = residual {
        let batch = batch(&residual.schema, columns, rows)?;
        let verdict = residual.predicate.evaluate(&batch)?.into_array(rows)?;
        let Some(verdict) = verdict.as_boolean_opt() else {
            return Err(Error::Internal("the condition of a join must be a BOOLEAN".into()));
        };
        holds = and(&holds, verdict)?;
    }
    Ok(holds)
}

/// Which rows have a value in every key; `None` if all have. A NULL equals nothing.
pub(super) fn keyed(keys: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls = keys.iter().fold(None, |nulls, key| NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref()));
    nulls.filter(|nulls| nulls.null_count() > 0)
}

/// The values of some expressions.
pub(super) fn evaluated(exprs: &[Arc<dyn PhysicalExpr>], rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|expr| Ok(expr.evaluate(rows)?.into_array(rows.num_rows())?)).collect()
}

/// Columns as a batch, of which there may be none.
pub(super) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
