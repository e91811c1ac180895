//! What a run tells its caller: progress while it runs, results of each statement, a report at the end.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::Serialize;
use tidegate_training::ModelReport;

/// Someone who watches a run. Called from the thread that runs the job, between rounds; it should return at once.
pub trait Observer {
    /// A statement is about to run. `index` counts from 0 within the script.
    fn statement(&self, _index: usize, _summary: &str) {}

    /// A job goes on. Called a few times a second at most.
    fn progress(&self, _progress: &Progress) {}

    /// Rows for the reader of the script: the result of a `SELECT`, `SHOW` or `DESCRIBE`.
    fn rows(&self, _schema: &SchemaRef, _batches: &[RecordBatch]) {}

    /// Something the user should know that does not stop the job.
    fn warning(&self, _message: &str) {}

    /// A statement that gives no rows is done.
    fn done(&self, _done: &Done) {}

    /// Whether the job should stop: it then takes a checkpoint and ends with [`crate::Error::Stopped`].
    fn should_stop(&self) -> bool {
        false
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// How far a job is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Progress {
    /// What it is doing, such as `intent: learning` or `INSERT INTO features`.
    pub stage: String,
    /// Rows read from the sources so far.
    pub rows: u64,
    /// Rows that will have been read at the end, where the sources know.
    pub rows_total: Option<u64>,
    /// Bytes read so far.
    pub bytes: u64,
    /// Bytes that will have been read at the end, where the sources know.
    pub bytes_total: Option<u64>,
    /// Since the stage began.
    pub elapsed: Duration,
    /// What a stream has waited for so far.
    pub backpressure: Backpressure,
}

/// Which shares of the time of a stream were spent waiting, each from 0 to 1. What is left is its own work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Backpressure {
    /// For sources to give rows: they are the slowest part.
    pub waiting_for_sources: f64,
    /// For sinks to take rows, to make them durable and to show them.
    pub waiting_for_sinks: f64,
}

/// How a statement that gives no rows ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Done {
    /// A definition or setting took effect.
    Statement {
        /// In words, such as `table visits created`.
        message: String,
    },
    /// An `INSERT`, a `STATEMENT SET` or a `CREATE MODEL … AS SELECT` ran.
    Job(JobReport),
    /// The statement had already run to its end before the job was interrupted, and was not run again.
    AlreadyDone {
        /// In words, such as `INSERT INTO features`.
        message: String,
    },
}

/// What a job did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JobReport {
    /// What ran, such as `INSERT INTO predictions`.
    pub name: String,
    /// Its sources.
    pub sources: Vec<SourceReport>,
    /// Its sinks.
    pub sinks: Vec<SinkReport>,
    /// Models it trained.
    pub models: Vec<ModelReport>,
    /// Other stateful operators, with the memory they held.
    pub operators: Vec<OperatorReport>,
    /// Checkpoints it took.
    pub checkpoints: u64,
    /// The checkpoint that it went on from, if it had been interrupted.
    pub resumed_from: Option<u64>,
    /// How often it failed and was restarted from its last checkpoint.
    pub restarts: u64,
    /// What a stream waited for.
    pub backpressure: Backpressure,
    /// From start to end, of this run.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
}

/// What a source gave.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceReport {
    /// The table.
    pub table: String,
    /// How often the job read the table.
    pub scans: u64,
    /// Good rows read, in all scans.
    pub rows: u64,
    /// Bad records skipped or written to the dead letters.
    pub bad: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// What a sink took.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SinkReport {
    /// The table.
    pub table: String,
    /// Rows written.
    pub rows: u64,
    /// Files that hold them, where the sink writes files.
    pub files: Vec<String>,
}

/// What a stateful operator held.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OperatorReport {
    /// The operator, such as `TUMBLE`.
    pub operator: String,
    /// Rows left out because they came too late: after their window had closed, or below the watermark of a join's input.
    pub rows_late: u64,
    /// Most bytes of state at a checkpoint or at the end.
    pub state_bytes_max: u64,
}

/// Writes a duration in seconds.
pub(crate) fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
