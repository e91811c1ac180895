//! Rows that a model does not take, where they are passed over.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{filter_record_batch, interleave};
use tidegate_ml::DataFault;

use crate::exception::Failure;

/// What comes of rows, and which of them were taken: a row that was not has NULL for outputs.
pub(crate) struct Outcome {
    pub(crate) outputs: RecordBatch,
    pub(crate) taken: BooleanArray,
}

impl Outcome {
    /// All rows were taken.
    pub(crate) fn of_all(outputs: RecordBatch) -> Self {
        let taken = BooleanArray::from(vec![true; outputs.num_rows()]);
        Self { outputs, taken }
    }

    /// What comes of the rows without those at fault.
    pub(crate) fn without(
        rows: &RecordBatch,
        faults: &[DataFault],
        of: impl FnOnce(&RecordBatch) -> Result<RecordBatch, Failure>,
    ) -> Result<Self, Failure> {
        let mut good = vec![true; rows.num_rows()];
        faults.iter().for_each(|fault| good[fault.row] = false);
        let taken = BooleanArray::from(good);
        let outputs = of(&filter_record_batch(rows, &taken)?)?;
        // A row that was left out has the one of the first array, which is NULL.
        let mut place = 0;
        let places: Vec<(usize, usize)> = taken
            .values()
            .iter()
            .map(|taken| {
                place += usize::from(taken);
                if taken { (1, place - 1) } else { (0, 0) }
            })
            .collect();
        let spread = |column: &ArrayRef| {
            let null = new_null_array(column.data_type(), 1);
            interleave(&[null.as_ref(), column.as_ref()], &places)
        };
        let names = outputs.schema();
        let columns = outputs.columns().iter().map(spread).collect::<Result<Vec<_>, _>>()?;
        let columns =
            names.fields().iter().map(|field| field.name()).zip(columns).map(|(name, column)| (name, column, true));
        Ok(Self { outputs: RecordBatch::try_from_iter_with_nullable(columns)?, taken })
    }

    /// The outputs, and last whether rows were taken.
    pub(crate) fn told(self) -> Result<RecordBatch, Failure> {
        let rows = self.taken.len();
        let columns =
            self.outputs.columns().iter().cloned().chain([Arc::new(self.taken) as ArrayRef]).collect::<Vec<_>>();
        let fields = columns.iter().enumerate();
        let fields = fields
            .map(|(place, column)| arrow::datatypes::Field::new(place.to_string(), column.data_type().clone(), true));
        let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?)
    }
}

/// What a job ends with that a row at fault stops. `place` says whose input it is, and which row if that is known.
pub(crate) fn refused(place: &str, fault: &DataFault) -> Failure {
    Failure::Contract(format!(
        "{place}: column '{}' {}\n  to pass over such rows, set 'on-error' = 'skip' on the table",
        fault.column, fault.reason
    ))
}
