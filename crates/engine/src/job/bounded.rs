//! A bounded query, run by DataFusion.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use tidegate_connectors::CommitMode;

use super::sources::Sources;
use super::watch::{PROGRESS_EVERY, Watch};
use super::written::{Output, Written};
use super::{Context, Insert, open_sink};
use crate::batch::scan::with_schema;
use crate::execution::Execution;
use crate::stream::sink::SinkThread;
use crate::{Error, JobReport, Result, SinkReport};

/// Runs a query and gives its rows to `take`. The observer is looked at also while the query sorts or joins and gives nothing.
pub(super) fn query(
    execution: &Execution,
    plan: &LogicalPlan,
    watch: &mut Watch<'_>,
    resumable: bool,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    execution.run(async {
        let mut stream = execution.stream(plan.clone()).await?;
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        loop {
            tokio::select! {
                batch = stream.try_next() => match batch? {
                    Some(batch) => take(batch)?,
                    None => return Ok(()),
                },
                _ = tick.tick() => {}
            }
            if watch.look() {
                return Err(Error::Stopped { resumable });
            }
        }
    })
}

/// Runs a query into a sink. It is quick to do again, so it has no checkpoint before it has come to its end.
pub(super) fn run(
    name: &str,
    insert: &Insert,
    context: &Context<'_>,
    done: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<JobReport> {
    let sources = Sources::of(std::iter::once(&insert.plan))?;
    let before = Written::find(&context.folder)?;
    sources.begin(&context.key, &context.folder, before.as_ref().map(|written| &written.dead_letters), None)?;
    let mut watch = Watch::begin(name, &sources, sources.totals(), context.observer).answering(context.run.as_ref());
    let open = |prepared| {
        let job = format!("{}-0", context.key);
        open_sink((&insert.table, insert.overwrite), context, job, CommitMode::AtEnd, prepared, None)
    };
    let resumed_from = before.as_ref().map(|_| 1);
    let (sink, rows) = match before.map(|written| written.output) {
        Some(Output::Rows { rows, prepared }) => (open(Some(prepared))?, rows),
        Some(Output::Version(_)) => return Err(Error::Internal("a step that writes rows has made a version".into())),
        None => write(insert, context, &sources, &mut watch, open(None)?)?,
    };
    let committed = sink.finish()?;
    let mut logs = sources.finish_dead_letters()?;
    logs.extend(committed.log);
    done(&logs)?;
    watch.tell();
    Ok(JobReport {
        name: name.to_string(),
        sources: sources.reports(),
        sinks: vec![SinkReport { table: insert.table.name.clone(), rows, files: committed.files }],
        resumed_from,
        elapsed: watch.began.elapsed(),
        ..JobReport::default()
    })
}

/// Has the sink take the rows of the query, hidden yet, and keeps that it did; returns it and how many they are.
fn write(
    insert: &Insert,
    context: &Context<'_>,
    sources: &Sources,
    watch: &mut Watch<'_>,
    sink: SinkThread,
) -> Result<(SinkThread, u64)> {
    let mut rows = 0;
    let written = query(&context.setting.execution, &insert.plan, watch, true, |batch| {
        rows += batch.num_rows() as u64;
        sink.write(with_schema(batch, &insert.table.schema)?)
    });
    if let Err(error) = written {
        // What was written is dropped; the reason for it matters more than a failure to tidy up.
        let _ = sink.abort();
        return Err(error);
    }
    let output = Output::Rows { rows, prepared: sink.prepare()? };
    Written { output, dead_letters: sources.prepare_dead_letters()? }.save(&context.folder)?;
    Ok((sink, rows))
}
