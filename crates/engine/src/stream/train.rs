//! `ML_TRAIN`: each row is predicted as it comes, and learned when its label is known.
//!
//! The learning itself is that of a [`Trainer`]; this operator gives it the right columns, and deals with rows that the model does not
//! take.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use tidegate_ml::DataFault;
use tidegate_ml::snapshot::{decode, encode};
use tidegate_training::{Error as TrainingError, Place, Run, Threads, Trainer, TrainerRows};

use super::operator::{AFTER_ALL, Operator};
use crate::batch::window;
use crate::catalog::bad_rows::BadRows;
use crate::catalog::models::Models;
use crate::plan::attribute::Rowtime;
use crate::plan::node::TrainNode;
use crate::{Error, ModelReport, Result};

/// What training needs from the job.
#[derive(Clone)]
pub(crate) struct TrainSetting {
    pub models: Arc<Models>,
    /// Names the run and the step: a version registered twice under it is one version.
    pub key: String,
    /// The job's name, kept with each version.
    pub job: String,
    /// Only check: register nothing.
    pub checking: bool,
}

/// The columns of the input that training reads.
struct Columns {
    args: Vec<usize>,
    label: Option<usize>,
    label_time: Option<usize>,
    weight: Option<usize>,
    rowtime: Option<Rowtime>,
    /// Those whose values have a model each; or, of one model, those by which rows are spread over replicas.
    keys: Vec<usize>,
}

/// Trains a model on a stream.
pub(crate) struct Train {
    columns: Columns,
    schema: SchemaRef,
    trainer: Trainer,
    bad_rows: BadRows,
    rows_seen: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    trainer: Vec<u8>,
    rows_seen: u64,
}

impl Train {
    pub(crate) fn new(
        node: &TrainNode,
        bad_rows: BadRows,
        setting: &TrainSetting,
        threads: &Arc<rayon::ThreadPool>,
        place: Place<'_>,
    ) -> Result<Self> {
        let names = node.keys.iter().map(|key| node.input.schema().field(*key).name().clone()).collect();
        let columns = Columns {
            args: node.args.clone(),
            label: node.label,
            label_time: node.label_time,
            weight: node.weight,
            rowtime: node.rowtime,
            keys: node.keys.iter().chain(&node.shard_by).copied().collect(),
        };
        let tables = bad_rows.clone();
        let fingerprint = move || {
            let of_tables: Vec<String> = tables.tables().filter_map(|table| table.fingerprint()).collect();
            Some(of_tables.join("; "))
        };
        let run = Run {
            registry: setting.models.open_registry(),
            key: setting.key.clone(),
            job: setting.job.clone(),
            data_fingerprint: Arc::new(fingerprint),
            checking: setting.checking,
        };
        let trainer = Trainer::new(&node.model.0, node.start, names, run, Threads(Arc::clone(threads)), place)?;
        Ok(Self { columns, schema: Arc::clone(node.schema.inner()), trainer, bad_rows, rows_seen: 0 })
    }

    /// The columns that the model reads, in its order.
    fn model_batch(&self, batch: &RecordBatch) -> Result<RecordBatch, TrainingError> {
        let schema = batch.schema();
        let name = |i: usize| schema.field(i).name().as_str();
        let Columns { args, label, weight, .. } = &self.columns;
        let inputs = args.iter().map(|i| (name(*i), Arc::clone(batch.column(*i)))).collect();
        let column = |i: usize| (name(i), batch.column(i));
        self.trainer.batch(inputs, label.map(column), weight.map(column), batch.num_rows())
    }

    fn learn_predict(&mut self, batch: &RecordBatch) -> Result<RecordBatch, TrainingError> {
        let model_batch = self.model_batch(batch)?;
        let event_time = match self.columns.rowtime {
            Some(rowtime) => Some(milliseconds(batch.column(rowtime.column))?),
            None => None,
        };
        if let (Some(times), Some(rowtime)) = (&event_time, self.columns.rowtime)
            && let Some(row) = (0..times.len()).find(|row| times.is_null(*row))
        {
            let column = batch.schema().field(rowtime.column).name().clone();
            let reason = "is NULL; an event time is expected".into();
            return Err(TrainingError::BadRow(DataFault { row, column, reason }));
        }
        let label_time = match self.columns.label_time {
            Some(column) => Some(milliseconds(batch.column(column))?),
            None => None,
        };
        let keys: Vec<ArrayRef> = self.columns.keys.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        self.trainer.process(&TrainerRows {
            batch: &model_batch,
            event_time: event_time.as_ref().map_or(&[], |times| times.values()),
            label_time: label_time.as_ref(),
            delay_ms: self.columns.rowtime.map_or(0, |rowtime| rowtime.delay_ms),
            keys: &keys,
        })
    }

    /// Takes out the rows that the model refuses, as `on-error` says.
    fn without_bad_rows(&mut self, batch: &RecordBatch, first: DataFault) -> Result<RecordBatch> {
        let rows_before = self.rows_seen;
        let name = &self.trainer.entry().name;
        let place =
            |row: usize| format!("row {} of the input of ML_TRAIN for model '{name}'", rows_before + row as u64 + 1);
        if self.bad_rows.stop_the_job() {
            return Err(self.bad_rows.error(&place(first.row), batch, &first));
        }
        let mut faults = self.trainer.check(&self.model_batch(batch)?)?;
        if !faults.iter().any(|fault| fault.row == first.row) {
            faults.push(first);
        }
        let good = self.bad_rows.pass_over(batch, &faults, place)?;
        self.trainer.add_bad_rows(faults.len() as u64);
        Ok(good)
    }
}

impl Operator for Train {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let mut batch = batch;
        let outputs = loop {
            match self.learn_predict(&batch) {
                Ok(outputs) => break outputs,
                Err(TrainingError::BadRow(fault)) => batch = self.without_bad_rows(&batch, fault)?,
                Err(error) => return Err(error.into()),
            }
        };
        self.rows_seen += rows;
        let columns = batch.columns().iter().chain(outputs.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        out.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        // The watermark that counts for learning is that of this operator's own rows, row by row: see Prequential.
        if time == AFTER_ALL {
            self.trainer.end()?;
        }
        Ok(time)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&Saved { trainer: self.trainer.snapshot()?, rows_seen: self.rows_seen }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let name = &self.trainer.entry().name;
        let saved: Saved =
            decode(state).map_err(|error| Error::Storage(format!("the checkpoint of model '{name}': {error}")))?;
        self.trainer.restore(&saved.trainer)?;
        self.rows_seen = saved.rows_seen;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.trainer.finish()?)
    }

    fn model_report(&self) -> Option<ModelReport> {
        Some(self.trainer.report())
    }
}

/// Times in milliseconds.
fn milliseconds(column: &ArrayRef) -> Result<Int64Array, TrainingError> {
    let times = window::milliseconds(column).map_err(|error| TrainingError::Internal(error.to_string()))?;
    Ok(times.reinterpret_cast())
}
