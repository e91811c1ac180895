//! A model that learns inside a job of Flink.
//!
//! What Java writes of a row: the model's inputs, the label, then the weight, the event time, the time at which the label is known, and
//! what rows are spread over replicas by, or have models by, if the task says that there are such. What it reads: the model's outputs,
//! and last whether the row was taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tidegate_ml::snapshot::{decode, encode};
use tidegate_ml::{DataFault, InputKind, ModelSpec};
use tidegate_training::{
    Error as TrainingError, ModelEntry, OpenRegistry, Place, Run, Snapshots, Threads, Trainer, TrainerRows,
};

use crate::bad_rows::{Outcome, refused};
use crate::batch::{self, Form, Rows};
use crate::exception::Failure;
use crate::kept_rows::{AllRows, KeptRows};

/// What to train, and how; as the operator was made when the job was submitted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// What the model is made of.
    spec: ModelSpec,
    /// Its options, as declared.
    options: BTreeMap<String, String>,
    /// The version to go on from.
    start: Option<u64>,
    /// The folder of the registry.
    registry: PathBuf,
    /// Names the run and its step.
    key: String,
    /// The job's name.
    job: String,
    /// Which columns there are beside inputs and label.
    weight: bool,
    event_time: bool,
    label_time: bool,
    shards: Vec<Form>,
    /// The names of the columns that are read as `shards`, if each of their values has a model of its own.
    keys: Vec<String>,
    /// How far the watermark is behind the greatest event time.
    delay_ms: i64,
    /// Whether rows that the model does not take are passed over, and not the end of the job.
    pass_over: bool,
    /// Threads for replicas, or for the models of keys.
    threads: usize,
    /// Of training on history, which predicts nothing: how often the rows are learned.
    history: Option<u64>,
    /// Whether it is one of several replicas that learn in tasks of their own.
    distributed: bool,
    /// Panics when so many rows have been seen: for a test of what becomes of a job and its task manager then. What is shipped does not
    /// know it.
    #[cfg(debug_assertions)]
    #[serde(default)]
    panic_at_row: Option<u64>,
}

impl Task {
    pub(crate) fn read(task: &str) -> Result<Self, Failure> {
        serde_json::from_str(task)
            .map_err(|error| Failure::Contract(format!("the task of a training operator: {error}")))
    }

    /// How many columns the model learns from: inputs, the label if the task has one, the weight if there is one.
    fn learned_columns(&self) -> usize {
        self.spec.inputs.len() + usize::from(self.spec.task.has_labels()) + usize::from(self.weight)
    }

    pub(crate) fn start(&self) -> Option<u64> {
        self.start
    }

    /// The model as it was declared; the registry is there.
    pub(crate) fn entry(&self) -> Result<ModelEntry, Failure> {
        let entry = ModelEntry::registered(self.spec.clone(), self.options.clone())
            .map_err(|refusal| Failure::Contract(format!("model '{}': {}", self.spec.name, refusal.message)))?;
        // Opening would make one, on a machine that does not see the folder.
        if !self.registry.is_dir() {
            return Err(Failure::Contract(format!(
                "there is no registry at '{}': it has to be a folder that the client and every task manager see",
                self.registry.display()
            )));
        }
        Ok(entry)
    }

    pub(crate) fn run(&self) -> Run {
        Run {
            registry: Arc::new(OpenRegistry::at(self.registry.clone())),
            key: self.key.clone(),
            job: self.job.clone(),
            data_fingerprint: Arc::new(|| None),
            checking: false,
        }
    }

    pub(crate) fn threads(&self) -> Result<Threads, Failure> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.max(1)).build();
        Ok(Threads(Arc::new(pool.map_err(|error| Failure::Contract(error.to_string()))?)))
    }
}

/// A model that learns, and the columns that Java writes.
pub(crate) struct JobTrainer {
    trainer: Trainer,
    task: Task,
    schema: SchemaRef,
    rows_seen: u64,
    /// The rows of a history that is learned more than once.
    kept: Option<KeptRows>,
    /// What a replica in a task of its own knows of the others.
    apart: Option<Apart>,
    /// Where the states of keys are past the limit of memory, and versions before they are registered.
    _folder: Option<TempDir>,
}

/// What a replica knows of the others.
struct Apart {
    /// The number of the merge that it went on from.
    round: u64,
    /// Whether it waits for word of the others: then rows are predicted, and learned when that has come.
    waits: bool,
    /// Rows that were predicted, and are to be learned.
    held: Vec<RecordBatch>,
}

/// The state of a replica in a task of its own.
#[derive(Serialize, Deserialize)]
struct SavedApart {
    round: u64,
    held: Vec<u8>,
    trainer: Vec<u8>,
}

impl JobTrainer {
    /// A model that has learned nothing, or what the version has that it goes on from.
    pub(crate) fn open(task: &str) -> Result<Self, Failure> {
        let task = Task::read(task)?;
        let entry = task.entry()?;
        let (entry, run, threads) = (Arc::new(entry), task.run(), task.threads()?);
        let folder = match task.keys.is_empty() {
            true => None,
            false => Some(tempfile::tempdir().map_err(|error| {
                Failure::Contract(format!("there is no folder for the models of keys of '{}': {error}", task.spec.name))
            })?),
        };
        let mut trainer = match task.distributed {
            true => Trainer::replica(&entry, task.start, run, threads)?,
            false => {
                let path = folder.as_ref().map_or(Path::new(""), TempDir::path);
                // Tasks go on anywhere.
                let place = Place { folder: path, shards: task.threads, snapshots: Snapshots::Whole };
                Trainer::new(&entry, task.start, task.keys.clone(), run, threads, place)?
            }
        };
        let apart = task.distributed.then(|| Apart { round: 0, waits: true, held: Vec::new() });
        let schema = schema(&task);
        let again = task.history.is_some() && trainer.learn_only()?;
        let kept = match task.history {
            Some(epochs) if epochs > 1 || again => Some(KeptRows::new(&schema)?),
            _ => None,
        };
        Ok(Self { schema, trainer, task, rows_seen: 0, kept, apart, _folder: folder })
    }

    /// Learns and predicts rows that Java has written, writes the outputs for Java, and gives the bytes of their texts.
    pub(crate) fn process(&mut self, rows: &Rows<'_>, output: &mut [u8]) -> Result<Vec<u8>, Failure> {
        let read = batch::read(&self.schema, rows)?;
        #[cfg(debug_assertions)]
        if self.task.panic_at_row.is_some_and(|row| row < self.rows_seen + rows.rows as u64) {
            panic!("row {} was one too many", self.rows_seen);
        }
        if self.task.history.is_some() {
            return self.learn(&read, output, rows.capacity);
        }
        let outcome = match self.learn_predict(&read) {
            Err(TrainingError::BadRow(fault)) => self.without_bad_rows(&read, fault)?,
            outputs => Outcome::of_all(outputs?),
        };
        self.rows_seen += read.num_rows() as u64;
        batch::write(&outcome.told()?, output, rows.capacity)
    }

    /// Learns rows of a history, of which nothing goes on.
    fn learn(&mut self, read: &RecordBatch, output: &mut [u8], capacity: usize) -> Result<Vec<u8>, Failure> {
        let seen = self.rows_seen;
        self.learn_predict(read).map_err(|error| match error {
            TrainingError::BadRow(fault) => Failure::Contract(format!(
                "model '{}': row {} of the query: column '{}' {}",
                self.task.spec.name,
                seen + fault.row as u64 + 1,
                fault.column,
                fault.reason
            )),
            other => other.into(),
        })?;
        if let Some(kept) = &mut self.kept {
            kept.add(read)?;
        }
        self.rows_seen += read.num_rows() as u64;
        batch::write(&Outcome::of_none(read.num_rows()).told()?, output, capacity)
    }

    fn learn_predict(&mut self, read: &RecordBatch) -> Result<RecordBatch, TrainingError> {
        let columns = Columns::of(&self.task, read)?;
        match &mut self.apart {
            Some(apart) if apart.waits => {
                let predictions = self.trainer.preview(&columns.learned)?;
                apart.held.push(read.clone());
                Ok(predictions)
            }
            _ => self.trainer.process(&columns.rows()),
        }
    }

    fn apart(&mut self) -> Result<&mut Apart, Failure> {
        self.apart.as_mut().ok_or_else(|| Failure::Contract("it is no replica in a task of its own".to_string()))
    }

    /// Learns the rows that were held while it waited.
    pub(crate) fn release(&mut self) -> Result<(), Failure> {
        let apart = self.apart()?;
        apart.waits = false;
        for batch in std::mem::take(&mut apart.held) {
            self.trainer.learn_previewed(&Columns::of(&self.task, &batch)?.rows())?;
        }
        Ok(())
    }

    /// Goes on from what all have made together, and learns the rows that were held.
    pub(crate) fn go_on(&mut self, round: u64, merged: &[u8]) -> Result<(), Failure> {
        self.trainer.go_on(merged)?;
        self.apart()?.round = round;
        self.release()
    }

    /// What was learned since it last went on; it waits from now on.
    pub(crate) fn report(&mut self) -> Result<Vec<u8>, Failure> {
        self.apart()?.waits = true;
        Ok(self.trainer.report_apart()?)
    }

    /// What was learned since it last went on, at the end of the input.
    pub(crate) fn last_report(&mut self) -> Result<Vec<u8>, Failure> {
        self.release()?;
        self.trainer.end()?;
        Ok(self.trainer.report_apart()?)
    }

    /// The merge that it went on from, the rows that it has learned, and the rows that it holds.
    pub(crate) fn progress(&mut self) -> Result<[i64; 3], Failure> {
        let learned = self.trainer.report().rows_learned as i64;
        let apart = self.apart()?;
        let held: usize = apart.held.iter().map(RecordBatch::num_rows).sum();
        Ok([apart.round as i64, learned, held as i64])
    }

    /// Learns and predicts the rows that the model takes.
    fn without_bad_rows(&mut self, read: &RecordBatch, first: DataFault) -> Result<Outcome, Failure> {
        let (seen, name) = (self.rows_seen, self.task.spec.name.clone());
        let place = |fault: &DataFault| {
            format!("row {} of the input of ML_TRAIN for model '{name}'", seen + fault.row as u64 + 1)
        };
        if !self.task.pass_over {
            return Err(refused(&place(&first), &first));
        }
        let mut faults = self.trainer.check(&read.project(&(0..self.task.learned_columns()).collect::<Vec<_>>())?)?;
        if !faults.iter().any(|fault| fault.row == first.row) {
            faults.push(first);
        }
        let outcome = Outcome::without(read, &faults, |rest| {
            self.learn_predict(rest).map_err(|error| match error {
                TrainingError::BadRow(fault) => refused(&place(&fault), &fault),
                other => other.into(),
            })
        })?;
        self.trainer.add_bad_rows(faults.len() as u64);
        Ok(outcome)
    }

    /// Learns all rows of a history once more.
    fn learn_again(&mut self, kept: Option<&AllRows>) -> Result<(), Failure> {
        let kept = kept.ok_or_else(|| Failure::Contract("the rows of a history were not kept".to_string()))?;
        for batch in kept.read()? {
            self.learn_predict(&batch?)?;
        }
        Ok(())
    }

    /// The input has ended: what waits is learned, and the last version registered.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        if let Some(epochs) = self.task.history {
            let kept = self.kept.take().map(KeptRows::done).transpose()?;
            while self.trainer.end_pass()? {
                self.learn_again(kept.as_ref())?;
            }
            for _ in 1..epochs {
                self.learn_again(kept.as_ref())?;
            }
        }
        self.trainer.end()?;
        Ok(self.trainer.finish()?)
    }

    /// All of it as bytes.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>, Failure> {
        let mut state = self.rows_seen.to_le_bytes().to_vec();
        let trainer = self.trainer.snapshot()?;
        match &self.apart {
            None => state.extend(trainer),
            Some(apart) => {
                let mut writer = StreamWriter::try_new(Vec::new(), &self.schema)?;
                apart.held.iter().try_for_each(|batch| writer.write(batch))?;
                let held = writer.into_inner()?;
                state.extend(encode(&SavedApart { round: apart.round, held, trainer }));
            }
        }
        Ok(state)
    }

    /// Goes on from what [`JobTrainer::snapshot`] gave.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        let Some((rows_seen, state)) = state.split_first_chunk() else {
            return Err(Failure::Contract(format!("the state of model '{}' is cut off", self.task.spec.name)));
        };
        match &mut self.apart {
            None => self.trainer.restore(state)?,
            Some(apart) => {
                let saved: SavedApart = decode(state).map_err(|error| Failure::Contract(error.to_string()))?;
                let held = StreamReader::try_new(saved.held.as_slice(), None)?.collect::<Result<_, _>>()?;
                *apart = Apart { round: saved.round, waits: true, held };
                self.trainer.restore(&saved.trainer)?;
            }
        }
        self.rows_seen = u64::from_le_bytes(*rows_seen);
        Ok(())
    }

    /// A line a figure: its name and its value, with a tab between them.
    pub(crate) fn figures(&self) -> String {
        let report = self.trainer.report();
        let counts = [
            ("rows_predicted", report.rows_predicted),
            ("rows_learned", report.rows_learned),
            ("rows_unlabelled", report.rows_unlabelled),
            ("rows_bad", report.rows_bad),
            ("state_bytes", report.state_bytes),
        ];
        let counts = counts.map(|(name, count)| format!("{name}\t{count}\n")).concat();
        self.trainer.measured().fold(counts, |text, (key, value)| format!("{text}{}\t{value}\n", key.to_lowercase()))
    }
}

/// The columns of rows as training takes them.
struct Columns {
    learned: RecordBatch,
    event_time: Option<ArrayRef>,
    label_time: Option<ArrayRef>,
    delay_ms: i64,
    keys: Vec<ArrayRef>,
}

impl Columns {
    fn of(task: &Task, read: &RecordBatch) -> Result<Self, TrainingError> {
        let mut rest = task.learned_columns();
        let learned = read.project(&(0..rest).collect::<Vec<_>>())?;
        let mut next = |is_there: bool| {
            let column = is_there.then(|| Arc::clone(read.column(rest)));
            rest += usize::from(is_there);
            column
        };
        let (event_time, label_time) = (next(task.event_time), next(task.label_time));
        if let Some(times) = &event_time
            && let Some(row) = (0..times.len()).find(|row| times.is_null(*row))
        {
            let column = "event time".to_string();
            return Err(TrainingError::BadRow(DataFault { row, column, reason: "is NULL".into() }));
        }
        let keys = read.columns()[rest..].to_vec();
        Ok(Self { learned, event_time, label_time, delay_ms: task.delay_ms, keys })
    }

    fn rows(&self) -> TrainerRows<'_> {
        let times = self.event_time.as_ref().map(|times| times.as_primitive::<Int64Type>());
        TrainerRows {
            batch: &self.learned,
            event_time: times.map_or(&[], |times| times.values()),
            label_time: self.label_time.as_ref().map(|times| times.as_primitive::<Int64Type>()),
            delay_ms: self.delay_ms,
            keys: &self.keys,
        }
    }
}

/// The columns that Java writes.
fn schema(task: &Task) -> SchemaRef {
    let spec = &task.spec;
    let label = spec.label.data_type().map(|data_type| ("label", data_type));
    let inputs = spec.inputs.iter().map(|input| {
        let data_type = match input.kind {
            InputKind::Number => DataType::Float64,
            InputKind::Flag => DataType::Boolean,
            InputKind::Text => DataType::Utf8,
        };
        (input.name.as_str(), data_type)
    });
    let times = [("event time", task.event_time), ("label time", task.label_time)];
    let times = times.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (name, DataType::Int64));
    let shards = task.shards.iter().map(|form| ("shard", form.data_type()));
    let weight = task.weight.then_some(("weight", DataType::Float64));
    let columns = inputs.chain(label).chain(weight).chain(times).chain(shards);
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Vec<_>>()))
}
