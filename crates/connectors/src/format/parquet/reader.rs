//! Reads a part of a Parquet file.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};

use super::file::{ParquetFile, Part};
use super::guarded;
use crate::format::{BadRows, ReadPlan, stop_at};
use crate::{BadRecord, Chunk, Error, Position, Reader, Result};

/// Reads some rows of a row group.
pub(crate) struct ParquetReader {
    plan: ReadPlan,
    file: Arc<ParquetFile>,
    part: Part,
    batches: Option<ParquetRecordBatchReader>,
    position: Position,
    /// What to stop with at the next call: the rows before it went out first.
    failure: Option<Error>,
}

impl ParquetReader {
    /// Opens a part at its start or at a position in it.
    pub(crate) fn open(plan: &ReadPlan, file: Arc<ParquetFile>, part: Part, position: Position) -> Result<Self> {
        let mut reader = Self { plan: plan.clone(), file, part, batches: None, position, failure: None };
        let left = reader.part.rows.saturating_sub(reader.position.records);
        if !reader.part.pruned && left > 0 {
            reader.batches = Some(reader.open_rows(reader.part.first_row + reader.position.records, left)?);
        }
        Ok(reader)
    }

    fn open_rows(&self, first: u64, rows: u64) -> Result<ParquetRecordBatchReader> {
        let path = &self.file.path;
        let handle = File::open(path).map_err(Error::io("open", path))?;
        let count = |rows: u64| {
            usize::try_from(rows).map_err(|_| Error::corrupt(path, format!("a row group has {rows} rows and more")))
        };
        let selection = RowSelection::from(vec![RowSelector::skip(count(first)?), RowSelector::select(count(rows)?)]);
        guarded(&self.file.label, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(handle, self.file.metadata.clone())
                .with_row_groups(vec![self.part.row_group])
                .with_projection(self.file.mask.clone())
                .with_row_selection(selection)
                .with_batch_size(self.plan.batch_rows)
                .build()
        })
    }

    /// The declared columns of a batch, and the rows of it that are bad.
    fn convert(&self, batch: &RecordBatch) -> Result<(Vec<arrow::array::ArrayRef>, BadRows)> {
        let mut bad = BadRows::new(batch.num_rows());
        let columns: Result<_> =
            self.file.columns.iter().map(|column| column.convert(batch.column(column.at), &mut bad)).collect();
        Ok((columns?, bad))
    }

    fn bytes_done(&self) -> u64 {
        (self.part.bytes as f64 * self.position.records as f64 / self.part.rows.max(1) as f64) as u64
    }
}

impl Reader for ParquetReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let left = self.plan.limit.saturating_sub(usize::try_from(self.position.rows).unwrap_or(usize::MAX));
        let Some(batches) = self.batches.as_mut().filter(|_| left > 0) else { return Ok(None) };
        let next = guarded(&self.file.label, || Ok(batches.next().transpose()?));
        let Some(batch) = next? else {
            self.batches = None;
            let (wanted, found) = (self.part.rows, self.position.records);
            if found < wanted {
                let message = format!("its row group {} ends {} rows early", self.part.row_group, wanted - found);
                return Err(Error::Corrupt { path: self.file.label.clone(), message });
            }
            return Ok(None);
        };
        let batch = batch.slice(0, batch.num_rows().min(left));
        let (columns, bad_rows) = self.convert(&batch)?;
        let good = (!bad_rows.is_empty()).then(|| bad_rows.good());
        let first = self.part.first_row + self.position.records + 1;
        let place = |row: usize| match self.file.metadata.metadata().num_row_groups() {
            1 => format!("{} row {}", self.file.label, first + row as u64),
            _ => format!("{} row group {} row {}", self.file.label, self.part.row_group, first + row as u64),
        };
        let mut bad: Vec<(usize, BadRecord)> = bad_rows
            .into_reasons()
            .into_iter()
            .map(|(row, reason)| (row, BadRecord::new(place(row), b"", reason)))
            .collect();
        let mut records = batch.num_rows();
        let (columns, rows) = match (stop_at(self.plan.on_error, &mut bad), good) {
            (Some((0, failure)), _) => return Err(failure),
            (Some((row, failure)), _) => {
                self.failure = Some(failure);
                records = row;
                (columns.iter().map(|column| column.slice(0, row)).collect(), row)
            }
            (None, Some(good)) => {
                let kept: Result<Vec<_>, _> = columns.iter().map(|column| filter(column, &good)).collect();
                (kept.map_err(Error::arrow("dropping bad rows"))?, good.true_count())
            }
            (None, None) => (columns, records),
        };
        let batch = self.plan.batch(columns, rows)?;
        self.position.records += records as u64;
        self.position.rows += rows as u64;
        let bad = bad.into_iter().map(|(_, record)| record).collect();
        Ok(Some(Chunk { batch, position: self.position.clone(), bytes: self.bytes_done(), bad }))
    }
}
