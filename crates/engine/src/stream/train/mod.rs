//! `ML_TRAIN`: each row is predicted as it comes, and learned when its label is known.
//!
//! The learning itself is that of [`learning`]; this operator gives it the right
//! columns, deals with rows that the model does not take, and registers versions.
//!
//! | file | what it is |
//! |---|---|
//! | [`learning`] | how it learns: one model, replicas of it, or a model a key |
//! | [`keyed`] | a model a key |
//! | [`store`] | where the states of keys are kept: in memory, and on disk |

mod keyed;
mod learning;
mod store;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use tidegate_ml::metric::{METRICS, Metric};
use tidegate_ml::snapshot::{decode, encode};
use tidegate_ml::{DataFault, LabelKind, OutputRole, Task};
use tidegate_registry::VersionFacts;

pub(crate) use self::keyed::Place;
use self::learning::{Artifact, Learning, Made, Times, Version};
pub(crate) use self::store::is_store;
use super::operator::{AFTER_ALL, Operator};
use crate::batch::window;
use crate::catalog::bad_rows::BadRows;
use crate::catalog::model::ModelEntry;
use crate::catalog::models::{self, Models};
use crate::plan::attribute::Rowtime;
use crate::plan::node::TrainNode;
use crate::threads::Threads;
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
    label: usize,
    label_time: Option<usize>,
    weight: Option<usize>,
    rowtime: Option<Rowtime>,
    /// By which rows are spread over replicas; empty: in turn.
    shard_by: Vec<usize>,
    /// Whose values have a model each; empty: one model for all rows.
    keys: Vec<usize>,
}

/// Trains a model on a stream.
pub(crate) struct Train {
    entry: Arc<ModelEntry>,
    setting: TrainSetting,
    columns: Columns,
    schema: SchemaRef,
    learning: Learning,
    threads: Threads,
    /// The type that labels are cast to before the model sees them.
    label_type: DataType,
    bad_rows: BadRows,
    /// What is measured on the way, each with its key: metrics whose state does not grow.
    measures: Vec<(&'static str, Box<dyn Metric>)>,
    /// Places of the predicted column and of the probability among the outputs.
    predicted: usize,
    probability: Option<usize>,
    report: ModelReport,
    rows_seen: u64,
    /// Most rows that waited at the end of a batch.
    rows_waiting_peak: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    learning: Vec<u8>,
    measures: Vec<Vec<u8>>,
    versions: Vec<u64>,
    rows_bad: u64,
    rows_seen: u64,
    rows_waiting_peak: u64,
}

impl Train {
    pub(crate) fn new(
        node: &TrainNode,
        bad_rows: BadRows,
        setting: &TrainSetting,
        threads: &Arc<rayon::ThreadPool>,
        place: Place<'_>,
    ) -> Result<Self> {
        let entry = Arc::clone(&node.model.0);
        let learning = Learning::new(node, &setting.models, place)?;
        let role = |role: OutputRole| entry.spec.outputs.iter().position(|output| output.role == role);
        let two_classes = entry.spec.label == LabelKind::Boolean;
        let probability = role(OutputRole::Probability).filter(|_| two_classes);
        let columns = Columns {
            args: node.args.clone(),
            label: node.label,
            label_time: node.label_time,
            weight: node.weight,
            rowtime: node.rowtime,
            shard_by: node.shard_by.clone(),
            keys: node.keys.clone(),
        };
        let label_type = match entry.spec.label {
            LabelKind::Boolean => DataType::Boolean,
            LabelKind::Integer => DataType::Int64,
            LabelKind::Text => DataType::Utf8,
            LabelKind::Number => DataType::Float64,
        };
        Ok(Self {
            report: ModelReport { model: entry.name.clone(), ..ModelReport::default() },
            schema: Arc::clone(node.schema.inner()),
            measures: measures(entry.spec.task, probability.is_some()),
            predicted: role(OutputRole::Predicted).unwrap_or_default(),
            probability,
            entry,
            setting: setting.clone(),
            columns,
            learning,
            threads: Threads(Arc::clone(threads)),
            label_type,
            bad_rows,
            rows_seen: 0,
            rows_waiting_peak: 0,
        })
    }

    /// The columns that the model reads, in its order.
    fn model_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Columns { args, label, weight, .. } = &self.columns;
        let mut columns: Vec<ArrayRef> = args.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        columns.push(cast(batch.column(*label), &self.label_type)?);
        if let Some(weight) = weight {
            columns.push(cast(batch.column(*weight), &DataType::Float64)?);
        }
        let schema = batch.schema();
        let names = args.iter().chain([label]).chain(weight).map(|i| schema.field(*i).name().as_str());
        batch_of(names, columns, batch.num_rows())
    }

    fn learn_predict(&mut self, batch: &RecordBatch) -> Result<Made, tidegate_ml::Error> {
        let wrong = |error: Error| tidegate_ml::Error::Batch(error.to_string());
        let model_batch = self.model_batch(batch).map_err(wrong)?;
        let event_time = match self.columns.rowtime {
            Some(rowtime) => Some(milliseconds(batch.column(rowtime.column)).map_err(wrong)?),
            None => None,
        };
        if let (Some(times), Some(rowtime)) = (&event_time, self.columns.rowtime)
            && let Some(row) = (0..times.len()).find(|row| times.is_null(*row))
        {
            let column = batch.schema().field(rowtime.column).name().clone();
            return Err(DataFault { row, column, reason: "is NULL; an event time is expected".into() }.into());
        }
        let label_time = match self.columns.label_time {
            Some(column) => Some(milliseconds(batch.column(column)).map_err(wrong)?),
            None => None,
        };
        let times: &[i64] = event_time.as_ref().map_or(&[], |times| times.values());
        let delay_ms = self.columns.rowtime.map_or(0, |rowtime| rowtime.delay_ms);
        let Columns { keys, shard_by, .. } = &self.columns;
        let columns: Vec<ArrayRef> = keys.iter().chain(shard_by).map(|i| Arc::clone(batch.column(*i))).collect();
        let times = Times { event_time: times, label_time: label_time.as_ref(), delay: delay_ms };
        self.learning.process(&model_batch, times, &columns, &self.threads)
    }

    /// Takes out the rows that the model refuses, as `on-error` says.
    fn without_bad_rows(&mut self, batch: &RecordBatch, first: DataFault) -> Result<RecordBatch> {
        let rows_before = self.rows_seen;
        let name = &self.entry.name;
        let place =
            |row: usize| format!("row {} of the input of ML_TRAIN for model '{name}'", rows_before + row as u64 + 1);
        if self.bad_rows.stop_the_job() {
            return Err(self.bad_rows.error(&place(first.row), batch, &first));
        }
        let model_batch = self.model_batch(batch)?;
        let mut faults = self.learning.check(&model_batch).map_err(|e| Error::Internal(e.to_string()))?;
        if !faults.iter().any(|fault| fault.row == first.row) {
            faults.push(first);
        }
        self.report.rows_bad += faults.len() as u64;
        self.bad_rows.pass_over(batch, &faults, place)
    }

    /// Registers a version whose time has come.
    fn register_point(&mut self, version: &Version) -> Result<()> {
        let mut points = self.entry.version_points.iter();
        let alias = points.find(|(point, _)| *point == version.time).and_then(|(_, alias)| alias.clone());
        let point = format!("at-{}", version.time);
        self.register(&point, &version.artifact, version.rows_learned, Some(version.time), alias.as_deref())
    }

    /// Takes rows `from .. to` of a batch into the measures.
    fn measure(&mut self, label: &ArrayRef, outputs: &RecordBatch, from: usize, to: usize) -> Result<()> {
        for (key, measure) in &mut self.measures {
            let given = match (*key, self.probability) {
                ("LogLoss", Some(probability)) => probability,
                _ => self.predicted,
            };
            let columns = [label.slice(from, to - from), outputs.column(given).slice(from, to - from)];
            measure.update(&columns).map_err(|error| model_error(&self.entry.name, error))?;
        }
        Ok(())
    }

    fn register(
        &mut self,
        point: &str,
        artifact: &Artifact,
        rows: u64,
        until: Option<i64>,
        alias: Option<&str>,
    ) -> Result<()> {
        if self.setting.checking {
            return Ok(());
        }
        let number = self.register_artifact(point, artifact, rows, until)?;
        if let Some(alias) = alias {
            self.setting.models.registry()?.set_alias(&self.entry.name, alias, number).map_err(models::storage)?;
        }
        if !self.report.versions.contains(&number) {
            self.report.versions.push(number);
        }
        Ok(())
    }

    fn register_artifact(&self, point: &str, artifact: &Artifact, rows: u64, until: Option<i64>) -> Result<u64> {
        let metrics = self.measures.iter().filter_map(|(key, measure)| Some((key.to_string(), measure.value()?)));
        let fingerprint: Vec<String> = self.bad_rows.tables().filter_map(|table| table.fingerprint()).collect();
        let facts = VersionFacts {
            key: format!("{}-{}-{point}", self.setting.key, self.entry.name),
            job: self.setting.job.clone(),
            spec: serde_json::to_value(&self.entry.spec).map_err(|error| Error::Internal(error.to_string()))?,
            parameters: self.entry.options.clone(),
            metrics: metrics.collect(),
            rows,
            data_fingerprint: Some(fingerprint.join("; ")),
            trained_until: until,
        };
        let registry = self.setting.models.registry()?;
        let name = &self.entry.name;
        let number = match artifact {
            Artifact::Bytes(bytes) => registry.register(name, bytes, &facts).map_err(models::storage)?,
            Artifact::File(path) => {
                let number = registry.register_file(name, path, &facts).map_err(models::storage)?;
                // The registry has a copy.
                let _ = std::fs::remove_file(path);
                number
            }
        };
        Ok(number)
    }
}

impl Operator for Train {
    fn process(&mut self, _input: usize, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let mut batch = batch;
        let Made { predictions: outputs, versions } = loop {
            match self.learn_predict(&batch) {
                Ok(processed) => break processed,
                Err(tidegate_ml::Error::Data(fault)) => batch = self.without_bad_rows(&batch, fault)?,
                Err(error) => return Err(model_error(&self.entry.name, error)),
            }
        };
        self.rows_seen += rows;
        let label = cast(batch.column(self.columns.label), &self.label_type)?;
        // A version's facts are of the rows predicted before it, wherever the batch ends.
        let mut measured = 0;
        for version in versions {
            self.measure(&label, &outputs, measured, version.row)?;
            measured = version.row;
            self.register_point(&version)?;
        }
        self.measure(&label, &outputs, measured, batch.num_rows())?;
        self.rows_waiting_peak = self.rows_waiting_peak.max(self.learning.pending_rows() as u64);
        let columns = batch.columns().iter().chain(outputs.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        out.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
    }

    fn watermark(&mut self, time: i64, _out: &mut Vec<RecordBatch>) -> Result<i64> {
        // The watermark that counts for learning is that of this operator's own rows, row by row: see Prequential.
        if time == AFTER_ALL {
            let versions = self.learning.end(&self.threads).map_err(|error| model_error(&self.entry.name, error))?;
            for version in versions {
                self.register_point(&version)?;
            }
        }
        Ok(time)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&Saved {
            learning: self.learning.snapshot()?,
            measures: self.measures.iter().map(|(_, measure)| measure.save()).collect(),
            versions: self.report.versions.clone(),
            rows_bad: self.report.rows_bad,
            rows_seen: self.rows_seen,
            rows_waiting_peak: self.rows_waiting_peak,
        }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = |error: String| Error::Storage(format!("the checkpoint of model '{}': {error}", self.entry.name));
        let saved: Saved = decode(state).map_err(|error| damaged(error.to_string()))?;
        self.learning.restore(&self.entry.name, &saved.learning)?;
        for ((_, measure), state) in self.measures.iter_mut().zip(&saved.measures) {
            measure.merge(state).map_err(|error| damaged(error.to_string()))?;
        }
        self.report.versions = saved.versions;
        self.report.rows_bad = saved.rows_bad;
        self.rows_seen = saved.rows_seen;
        self.rows_waiting_peak = saved.rows_waiting_peak;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.entry.training.bool("version.final") {
            let last = self.learning.last().map_err(|error| model_error(&self.entry.name, error))?;
            self.register("final", &last.artifact, last.rows_learned, None, None)?;
        }
        Ok(())
    }

    fn model_report(&self) -> Option<ModelReport> {
        let counts = self.learning.counts();
        Some(ModelReport {
            rows_predicted: counts.rows,
            rows_learned: counts.learned_rows,
            rows_unlabelled: counts.unlabelled_rows,
            rows_waiting_max: self.rows_waiting_peak,
            state_bytes: self.learning.state_bytes() as u64,
            ..self.report.clone()
        })
    }
}

/// What is measured prequentially, for the facts of a version.
fn measures(task: Task, probability: bool) -> Vec<(&'static str, Box<dyn Metric>)> {
    let keys: &[&str] = match (task, probability) {
        (Task::Classification, true) => &["Accuracy", "LogLoss"],
        (Task::Classification, false) => &["Accuracy"],
        (Task::Regression, _) => &["MAE", "RMSE"],
    };
    let wanted = METRICS.iter().filter(|def| keys.contains(&def.key));
    wanted.filter_map(|def| Some((def.key, (def.make)(&[]).ok()?))).collect()
}

/// A refusal of a model, by what must be done about it.
pub(crate) fn model_error(name: &str, error: tidegate_ml::Error) -> Error {
    match error {
        tidegate_ml::Error::Data(_) => Error::Data(format!("model '{name}': {error}")),
        tidegate_ml::Error::Store(_) => Error::Storage(format!("model '{name}': {error}")),
        tidegate_ml::Error::Limit(_) => Error::Limit(format!("model '{name}': {error}")),
        other => Error::Internal(format!("model '{name}': {other}")),
    }
}

/// Columns as a batch for a model, which goes by their order and names them in its messages.
pub(crate) fn batch_of<'a>(
    names: impl Iterator<Item = &'a str>,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let field = |(name, column): (&str, &ArrayRef)| Field::new(name, column.data_type().clone(), true);
    let fields: Vec<Field> = names.zip(&columns).map(field).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Times in milliseconds.
fn milliseconds(column: &ArrayRef) -> Result<Int64Array> {
    Ok(window::milliseconds(column)?.reinterpret_cast())
}
