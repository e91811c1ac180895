//! One job: the INSERT statements that run as one, from their start or their last checkpoint to their end;
//! or a SELECT; or training on history.
//!
//! ```text
//! run ─┬─ one bounded query ──► bounded.rs    DataFusion's plan ──► sink
//!      └─ anything else ──────► streaming.rs  dataflow in rounds, checkpoints ──► sinks
//! select ─────────────────────► select.rs     either, its rows kept
//! train ──────────────────────► history.rs    a bounded query ──► a model, in one pass or several
//! ```

mod bounded;
pub(crate) mod checkpoints;
mod history;
pub(crate) mod restart;
mod saving;
mod select;
mod sources;
mod streaming;
mod watch;
pub(crate) mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::LogicalPlan;
use tidegate_connectors::{CommitMode, SinkRequest};

use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::checkpoint::RunHandle;
use crate::stream::compile::{Setting, must_stream};
use crate::stream::sink::SinkThread;
use crate::{JobReport, Observer, Result};

use self::checkpoints::Checkpoints;
pub(crate) use history::{HistoryColumns, train};
pub(crate) use select::select;

/// How long a round waits for a batch before it looks around.
const PATIENCE: Duration = Duration::from_millis(100);

/// An INSERT, planned.
pub(crate) struct Insert {
    /// The table.
    pub table: Arc<ConnectorTable>,
    pub overwrite: bool,
    /// The query, with the columns of the table in their order and of their types.
    pub plan: LogicalPlan,
    /// The statement that declares the table, and the line of the INSERT.
    pub declared: String,
    pub line: u32,
}

/// What a job needs besides its plans.
pub(crate) struct Context<'a> {
    pub setting: Setting,
    /// Names this run and this step, for temporary files and versions.
    pub key: String,
    /// The step's folder.
    pub folder: PathBuf,
    pub checkpoint_every: Duration,
    /// How many checkpoints are kept.
    pub retained: usize,
    /// Where savepoints go that nobody names a place for.
    pub savepoints: PathBuf,
    /// When it is restarted; `None`: never.
    pub restart: Option<restart::Setting>,
    /// When the user asks it to stop, sources are ended and the job comes to its end.
    pub drain: bool,
    /// When the user asks it to stop, its checkpoints go as well.
    pub delete_on_stop: bool,
    /// The run that it is a step of; `None` for what is never gone on with.
    pub run: Option<RunHandle>,
    pub streaming: bool,
    pub observer: &'a dyn Observer,
}

impl Context<'_> {
    /// Whether state that has no place in the script may be dropped.
    fn allow_dropped(&self) -> bool {
        self.run.as_ref().is_some_and(RunHandle::allow_dropped)
    }
}

/// Runs a job to its end and reports. `done` marks it as done, when its output is visible. It is given the sinks' logs of how
/// that came about, which are of no more use then.
pub(crate) fn run(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    done: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<JobReport> {
    let stream = context.streaming
        || inserts.len() > 1
        || Checkpoints::any(&context.folder)
        || inserts.iter().map(|insert| must_stream(&insert.plan)).collect::<Result<Vec<_>>>()?.contains(&true);
    match (stream, inserts) {
        (false, [insert]) => bounded::run(name, insert, context, done),
        _ => streaming::run(name, inserts, context, done),
    }
}

/// Opens the sink of a table, whose rows are replaced or added to. `carried`: the folder of a savepoint's files with the hidden rows
/// that `restore` speaks of.
fn open_sink(
    (table, overwrite): (&ConnectorTable, bool),
    context: &Context<'_>,
    job: String,
    commit: CommitMode,
    restore: Option<Vec<u8>>,
    carried: Option<&Path>,
) -> Result<SinkThread> {
    let (schema, folder) = (Arc::clone(&table.schema), context.folder.clone());
    let request = SinkRequest { schema, overwrite, job, folder, commit, restore };
    if let Some(folder) = carried {
        table.table.adopt(&request, folder).map_err(storage)?;
    }
    Ok(SinkThread::new(table.table.sink(&request).map_err(storage)?))
}
