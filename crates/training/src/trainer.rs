//! A model that learns from a stream: each row is predicted as it comes, and learned when its label is known. It is measured on the way
//! and registers versions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use tidegate_ml::metric::{METRICS, Metric};
use tidegate_ml::replica::Replica;
use tidegate_ml::snapshot::{decode, encode};
use tidegate_ml::training::Training as _;
use tidegate_ml::{DataFault, LabelKind, Model, OutputRole, Task};
use tidegate_registry::VersionFacts;

use crate::keyed::Place;
use crate::learning::{Artifact, Learning, Made, Times, Version};
use crate::model::ModelEntry;
use crate::open_registry::OpenRegistry;
use crate::report::ModelReport;
use crate::threads::Threads;
use crate::{Error, Result, model_error};

/// The run that training is part of.
#[derive(Clone)]
pub struct Run {
    /// Where versions are registered.
    pub registry: Arc<OpenRegistry>,
    /// Names the run and the step: a version registered twice under it is one version.
    pub key: String,
    /// The job's name, kept with each version.
    pub job: String,
    /// Tells what the rows come from, which is kept with each version.
    pub data_fingerprint: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Only check: register nothing.
    pub checking: bool,
}

/// Rows as they come.
#[derive(Debug, Clone, Copy)]
pub struct TrainerRows<'a> {
    /// The model's inputs, then the label, then the weight if there is one: the columns of [`tidegate_ml::Model::learn`].
    pub batch: &'a RecordBatch,
    /// The event time of each row in milliseconds; empty where rows have none.
    pub event_time: &'a [i64],
    /// When the label of each row is known, in milliseconds.
    pub label_time: Option<&'a Int64Array>,
    /// How far the watermark is behind the greatest event time, in milliseconds.
    pub delay_ms: i64,
    /// The columns whose values have a model each; or, of one model, those by which rows are spread over replicas.
    pub keys: &'a [ArrayRef],
}

/// A declared model that learns from a stream.
pub struct Trainer {
    entry: Arc<ModelEntry>,
    run: Run,
    learning: Learning,
    threads: Threads,
    /// What is measured on the way, each with its key: metrics whose state does not grow.
    measures: Vec<(&'static str, Box<dyn Metric>)>,
    /// Places of the predicted column and of the probability among the outputs.
    predicted: usize,
    probability: Option<usize>,
    report: ModelReport,
    /// Most rows that waited at the end of a batch.
    rows_waiting_peak: u64,
    /// Whether the declaration has no say in whether the last version is registered.
    always_registers: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    learning: Vec<u8>,
    measures: Vec<Vec<u8>>,
    versions: Vec<u64>,
    rows_bad: u64,
    rows_waiting_peak: u64,
}

/// What a replica in a place of its own tells.
#[derive(Serialize, Deserialize)]
pub(crate) struct Apart {
    pub(crate) learned: Vec<u8>,
    pub(crate) measures: Vec<Vec<u8>>,
}

fn no_replica<T>() -> Result<T> {
    Err(Error::Internal("it is no replica in a place of its own".into()))
}

impl Trainer {
    /// A model that has learned nothing, or what the version `start` has. `keys` are the names of the columns whose values have a model
    /// each; none: one model for all rows.
    ///
    /// # Errors
    /// The version is not there, cannot be read, or was declared otherwise; or the model cannot be trained so.
    pub fn new(
        entry: &Arc<ModelEntry>,
        start: Option<u64>,
        keys: Vec<String>,
        run: Run,
        threads: Threads,
        place: Place<'_>,
    ) -> Result<Self> {
        let learning = Learning::new(entry, start, keys, &run.registry, place)?;
        Ok(Self::with(learning, entry, run, threads))
    }

    /// One of several replicas of a model, which are in places of their own and merged by a [`crate::Merger`].
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn replica(entry: &Arc<ModelEntry>, start: Option<u64>, run: Run, threads: Threads) -> Result<Self> {
        let learning = Learning::replica(entry, start, &run.registry)?;
        Ok(Self::with(learning, entry, run, threads))
    }

    fn with(mut learning: Learning, entry: &Arc<ModelEntry>, run: Run, threads: Threads) -> Self {
        learning.set_threads(&threads);
        let role = |role: OutputRole| entry.spec.outputs.iter().position(|output| output.role == role);
        let two_classes = entry.spec.label == LabelKind::Boolean;
        let probability = role(OutputRole::Probability).filter(|_| two_classes);
        Self {
            report: ModelReport { model: entry.name.clone(), ..ModelReport::default() },
            measures: measures(entry.spec.task, probability.is_some()),
            predicted: role(OutputRole::Predicted).unwrap_or_default(),
            probability,
            entry: Arc::clone(entry),
            run,
            learning,
            threads,
            rows_waiting_peak: 0,
            always_registers: false,
        }
    }

    /// Predicts no row from now on, and measures none: [`Trainer::process`] gives no outputs. A version is registered at the end in any
    /// case: this is for training on history. Says whether one pass over the rows may not be enough.
    ///
    /// # Errors
    /// There is a model a key.
    pub fn learn_only(&mut self) -> Result<bool> {
        self.learning.predict_nothing()?;
        let again = self.learning.begin_history();
        self.measures.clear();
        self.always_registers = true;
        Ok(again)
    }

    /// Ends a pass over history: whether a search has more to try, in another pass over the same rows.
    ///
    /// # Errors
    /// What is to be tried is refused.
    pub fn end_pass(&mut self) -> Result<bool> {
        self.learning.end_pass().map_err(|error| model_error(&self.entry.name, error))
    }

    /// The model as it was declared.
    pub fn entry(&self) -> &ModelEntry {
        &self.entry
    }

    /// The type that labels have in [`TrainerRows::batch`]; none where the task has no labels.
    pub fn label_type(&self) -> Option<DataType> {
        self.entry.spec.label.data_type()
    }

    /// The columns of [`TrainerRows::batch`]: inputs as they are, the label if the task has one, and the weight, by their names.
    ///
    /// # Errors
    /// A label or a weight cannot be of its type.
    pub fn batch(
        &self,
        inputs: Vec<(&str, ArrayRef)>,
        label: Option<(&str, &ArrayRef)>,
        weight: Option<(&str, &ArrayRef)>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let (mut names, mut columns): (Vec<&str>, Vec<ArrayRef>) = inputs.into_iter().unzip();
        if let (Some((name, label)), Some(label_type)) = (label, self.label_type()) {
            names.push(name);
            columns.push(cast(label, &label_type)?);
        }
        if let Some((name, weight)) = weight {
            names.push(name);
            columns.push(cast(weight, &DataType::Float64)?);
        }
        batch_of(names.into_iter(), columns, rows)
    }

    /// Predicts every row, and learns what becomes due on the way; registers the versions whose time comes. Gives the model's outputs, a
    /// row an input row.
    ///
    /// # Errors
    /// [`Error::BadRow`] when a row cannot be learned: then nothing has changed. Others end the training.
    pub fn process(&mut self, rows: &TrainerRows<'_>) -> Result<RecordBatch> {
        let TrainerRows { batch, event_time, label_time, delay_ms, keys } = *rows;
        let times = Times { event_time, label_time, delay: delay_ms };
        let Made { predictions, versions } =
            self.learning.process(batch, times, keys, &self.threads).map_err(|error| match error {
                tidegate_ml::Error::Data(fault) => Error::BadRow(fault),
                error => model_error(&self.entry.name, error),
            })?;
        // A version's facts are of the rows predicted before it, wherever the batch ends.
        let mut measured = 0;
        for version in versions {
            self.measure(batch, &predictions, measured, version.row)?;
            measured = version.row;
            self.register_point(&version)?;
        }
        self.measure(batch, &predictions, measured, batch.num_rows())?;
        self.rows_waiting_peak = self.rows_waiting_peak.max(self.learning.pending_rows() as u64);
        Ok(predictions)
    }

    /// The rows of a batch that cannot be learned.
    ///
    /// # Errors
    /// The batch is not one of the model's at all.
    pub fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        self.learning.check(batch).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Predicts rows of a replica that are going to be learned later, by [`Trainer::learn_previewed`], and measures them.
    ///
    /// # Errors
    /// [`Error::BadRow`] when a row cannot be learned: then nothing has changed. Others end the training.
    pub fn preview(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let failed = |error| model_error(&self.entry.name, error);
        let model = self.replica_of()?.model();
        let faults = model.check(batch).map_err(failed)?;
        if let Some(fault) = faults.into_iter().min_by_key(|fault| fault.row) {
            return Err(Error::BadRow(fault));
        }
        let predictions = model.predict(batch).map_err(failed)?;
        self.measure(batch, &predictions, 0, batch.num_rows())?;
        Ok(predictions)
    }

    /// Learns rows of a replica that were predicted before.
    ///
    /// # Errors
    /// They cannot be learned.
    pub fn learn_previewed(&mut self, rows: &TrainerRows<'_>) -> Result<()> {
        let times = Times { event_time: rows.event_time, label_time: rows.label_time, delay: rows.delay_ms };
        let learned = self.learning.process(rows.batch, times, &[], &self.threads);
        learned.map_err(|error| model_error(&self.entry.name, error))?;
        self.rows_waiting_peak = self.rows_waiting_peak.max(self.learning.pending_rows() as u64);
        Ok(())
    }

    /// What a replica has learned since it last went on from what all have made together, and what was measured.
    ///
    /// # Errors
    /// It is no replica.
    pub fn report_apart(&self) -> Result<Vec<u8>> {
        let learned = self.replica_of()?.report();
        let measures = self.measures.iter().map(|(_, measure)| measure.save()).collect();
        Ok(encode(&Apart { learned, measures }))
    }

    /// A replica goes on from a model that all have made together.
    ///
    /// # Errors
    /// It is no replica, or the bytes are no such model.
    pub fn go_on(&mut self, merged: &[u8]) -> Result<()> {
        let Learning::Replica(replica) = &mut self.learning else { return no_replica() };
        let gone_on = Model::load(merged).and_then(|model| replica.go_on(&model));
        gone_on.map_err(|error| model_error(&self.entry.name, error))
    }

    fn replica_of(&self) -> Result<&Replica> {
        match &self.learning {
            Learning::Replica(replica) => Ok(replica),
            _ => no_replica(),
        }
    }

    /// Registers what replicas have made together as the last version, if the declaration wants one, with what they have measured.
    pub(crate) fn finish_with(&mut self, model: &Model, measured: &[Vec<Vec<u8>>]) -> Result<()> {
        for states in measured {
            for ((_, measure), state) in self.measures.iter_mut().zip(states) {
                measure.merge(state).map_err(|error| model_error(&self.entry.name, error))?;
            }
        }
        match self.entry.training.bool("version.final") {
            true => self.register("final", &Artifact::Bytes(model.save()), model.rows_learned(), None, None),
            false => Ok(()),
        }
    }

    /// Counts rows that were left out, because they cannot be learned.
    pub fn add_bad_rows(&mut self, rows: u64) {
        self.report.rows_bad += rows;
    }

    /// Ends the input: every row that waits is learned, and versions whose point was not reached before are registered.
    ///
    /// # Errors
    /// What was learned cannot be put together, or a version cannot be registered.
    pub fn end(&mut self) -> Result<()> {
        let versions = self.learning.end(&self.threads).map_err(|error| model_error(&self.entry.name, error))?;
        versions.iter().try_for_each(|version| self.register_point(version))
    }

    /// Registers the last version, if the declaration wants one.
    ///
    /// # Errors
    /// It cannot be registered.
    pub fn finish(&mut self) -> Result<()> {
        if self.always_registers || self.entry.training.bool("version.final") {
            let last = self.learning.last().map_err(|error| model_error(&self.entry.name, error))?;
            self.register("final", &last.artifact, last.rows_learned, None, None)?;
        }
        Ok(())
    }

    /// All of it as bytes, to go on from.
    ///
    /// # Errors
    /// The states of keys cannot be written.
    pub fn snapshot(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&Saved {
            learning: self.learning.snapshot()?,
            measures: self.measures.iter().map(|(_, measure)| measure.save()).collect(),
            versions: self.report.versions.clone(),
            rows_bad: self.report.rows_bad,
            rows_waiting_peak: self.rows_waiting_peak,
        }))
    }

    /// Goes on from what [`Trainer::snapshot`] gave, bit for bit.
    ///
    /// # Errors
    /// The bytes are damaged, or of another model.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = |error: String| Error::Storage(format!("the checkpoint of model '{}': {error}", self.entry.name));
        let saved: Saved = decode(state).map_err(|error| damaged(error.to_string()))?;
        self.learning.restore(&self.entry.name, &saved.learning)?;
        self.learning.set_threads(&self.threads);
        for ((_, measure), state) in self.measures.iter_mut().zip(&saved.measures) {
            measure.merge(state).map_err(|error| damaged(error.to_string()))?;
        }
        self.report.versions = saved.versions;
        self.report.rows_bad = saved.rows_bad;
        self.rows_waiting_peak = saved.rows_waiting_peak;
        Ok(())
    }

    /// What became of the model so far.
    pub fn report(&self) -> ModelReport {
        let counts = self.learning.counts();
        ModelReport {
            rows_predicted: counts.rows,
            rows_learned: counts.learned_rows,
            rows_unlabelled: counts.unlabelled_rows,
            rows_waiting_max: self.rows_waiting_peak,
            state_bytes: self.learning.state_bytes() as u64,
            ..self.report.clone()
        }
    }

    /// What was measured so far, each with its key: the predictions made before rows were learned.
    pub fn measured(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.measures.iter().filter_map(|(key, measure)| Some((*key, measure.value()?)))
    }

    /// Takes rows `from .. to` of a batch into the measures, of which there are none without labels.
    fn measure(&mut self, batch: &RecordBatch, outputs: &RecordBatch, from: usize, to: usize) -> Result<()> {
        let label = self.entry.spec.inputs.len();
        for (key, measure) in &mut self.measures {
            let given = match (*key, self.probability) {
                ("LogLoss", Some(probability)) => probability,
                _ => self.predicted,
            };
            let columns = [batch.column(label).slice(from, to - from), outputs.column(given).slice(from, to - from)];
            measure.update(&columns).map_err(|error| model_error(&self.entry.name, error))?;
        }
        Ok(())
    }

    /// Registers a version whose time has come.
    fn register_point(&mut self, version: &Version) -> Result<()> {
        let mut points = self.entry.version_points.iter();
        let alias = points.find(|(point, _)| *point == version.time).and_then(|(_, alias)| alias.clone());
        let point = format!("at-{}", version.time);
        self.register(&point, &version.artifact, version.rows_learned, Some(version.time), alias.as_deref())
    }

    fn register(
        &mut self,
        point: &str,
        artifact: &Artifact,
        rows: u64,
        until: Option<i64>,
        alias: Option<&str>,
    ) -> Result<()> {
        if self.run.checking {
            return Ok(());
        }
        let number = self.register_artifact(point, artifact, rows, until)?;
        if let Some(alias) = alias {
            self.run.registry.open()?.set_alias(&self.entry.name, alias, number)?;
        }
        if !self.report.versions.contains(&number) {
            self.report.versions.push(number);
        }
        Ok(())
    }

    fn register_artifact(&self, point: &str, artifact: &Artifact, rows: u64, until: Option<i64>) -> Result<u64> {
        let facts = VersionFacts {
            key: format!("{}-{}-{point}", self.run.key, self.entry.name),
            job: self.run.job.clone(),
            spec: serde_json::to_value(&self.entry.spec).map_err(|error| Error::Internal(error.to_string()))?,
            parameters: self.entry.options.clone(),
            metrics: self.measured().map(|(key, value)| (key.to_string(), value)).collect(),
            rows,
            data_fingerprint: (self.run.data_fingerprint)(),
            trained_until: until,
        };
        let registry = self.run.registry.open()?;
        let name = &self.entry.name;
        Ok(match artifact {
            Artifact::Bytes(bytes) => registry.register(name, bytes, &facts)?,
            Artifact::File(path) => {
                let number = registry.register_file(name, path, &facts)?;
                // The registry has a copy.
                let _ = std::fs::remove_file(path);
                number
            }
        })
    }
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("model", &self.entry.name).field("run", &self.run.key).finish_non_exhaustive()
    }
}

/// What is measured prequentially, for the facts of a version.
fn measures(task: Task, probability: bool) -> Vec<(&'static str, Box<dyn Metric>)> {
    let keys: &[&str] = match (task, probability) {
        (Task::Classification, true) => &["Accuracy", "LogLoss"],
        (Task::Classification, false) => &["Accuracy"],
        (Task::Regression, _) => &["MAE", "RMSE"],
        (Task::Clustering | Task::AnomalyDetection | Task::ChangeDetection, _) => &[],
    };
    let wanted = METRICS.iter().filter(|def| keys.contains(&def.key));
    wanted.filter_map(|def| Some((def.key, (def.make)(&[]).ok()?))).collect()
}

/// Columns as a batch for a model, which goes by their order and names them in its messages.
///
/// # Errors
/// The columns do not have `rows` rows each.
pub fn batch_of<'a>(names: impl Iterator<Item = &'a str>, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let field = |(name, column): (&str, &ArrayRef)| Field::new(name, column.data_type().clone(), true);
    let fields: Vec<Field> = names.zip(&columns).map(field).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}
