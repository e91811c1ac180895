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
mod history;
mod select;
mod sources;
mod streaming;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::LogicalPlan;
use tidegate_connectors::{CommitMode, SinkRequest};

use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::stream::compile::{Setting, must_stream};
use crate::stream::sink::SinkThread;
use crate::{JobReport, Observer, Result};

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
}

/// What a job needs besides its plans.
pub(crate) struct Context<'a> {
    pub setting: Setting,
    /// Names this run and this step, for temporary files and versions.
    pub key: String,
    /// The step's folder.
    pub folder: PathBuf,
    pub checkpoint_every: Duration,
    pub streaming: bool,
    pub observer: &'a dyn Observer,
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
        || inserts.iter().map(|insert| must_stream(&insert.plan)).collect::<Result<Vec<_>>>()?.contains(&true);
    match (stream, inserts) {
        (false, [insert]) => bounded::run(name, insert, context, done),
        _ => streaming::run(name, inserts, context, done),
    }
}

fn open_sink(
    table: &ConnectorTable,
    overwrite: bool,
    job: String,
    commit: CommitMode,
    restore: Option<Vec<u8>>,
) -> Result<SinkThread> {
    let request = SinkRequest { schema: Arc::clone(&table.schema), overwrite, job, commit, restore };
    Ok(SinkThread::new(table.table.sink(&request).map_err(storage)?))
}
