//! One job: the INSERT statements that run as one dataflow, from its start or its last checkpoint to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tidegate_connectors::{CommitMode, OnError, SinkRequest, Table, dead_letter_schema};

use crate::batch::scan::with_schema;
use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::checkpoint::{read_sealed, write_sealed};
use crate::stream::compile::{Compiler, Setting, must_stream, tables};
use crate::stream::dataflow::{Dataflow, DataflowState, Round, Taker};
use crate::stream::sink::SinkThread;
use crate::{Error, JobReport, Observer, Progress, Result, SinkReport};

/// How long a round waits for a batch before it looks around.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

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

/// A checkpoint of a job.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    number: u64,
    /// All rows are through: what is left is to make them visible.
    ended: bool,
    dataflow: DataflowState,
    /// The sinks of dead letters, by table.
    dead_letters: BTreeMap<String, Vec<u8>>,
}

/// Runs a job to its end and reports. `done` marks it as done, between the moment when its output is visible and the moment
/// when the sinks forget how they got there.
pub(crate) fn run(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    done: impl FnOnce() -> Result<()>,
) -> Result<JobReport> {
    let stream = context.streaming
        || inserts.len() > 1
        || inserts.iter().map(|insert| must_stream(&insert.plan)).collect::<Result<Vec<_>>>()?.contains(&true);
    match (stream, inserts) {
        (false, [insert]) => run_bounded(name, insert, context, done),
        _ => run_streaming(name, inserts, context, done),
    }
}

/// How often plans read each table.
fn readings<'p>(plans: impl Iterator<Item = &'p LogicalPlan>) -> Result<Vec<Arc<dyn TableProvider>>> {
    Ok(plans.map(tables).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The tables that plans read, each once.
fn sources<'p>(plans: impl Iterator<Item = &'p LogicalPlan>) -> Result<Vec<Arc<dyn TableProvider>>> {
    let mut found: Vec<Arc<dyn TableProvider>> = Vec::new();
    for plan in plans {
        for table in tables(plan)? {
            let name = |t: &Arc<dyn TableProvider>| t.downcast_ref::<ConnectorTable>().map(|t| t.name.clone());
            if !found.iter().any(|known| name(known) == name(&table)) {
                found.push(table);
            }
        }
    }
    Ok(found)
}

/// Begins to count anew what each table gives, and opens its dead letters.
fn reset_monitors(
    sources: &[Arc<dyn TableProvider>],
    key: &str,
    restored: Option<&BTreeMap<String, Vec<u8>>>,
) -> Result<()> {
    for table in sources.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()) {
        let sink = match table.table.on_error() {
            OnError::DeadLetter => table
                .table
                .dead_letter_sink(&SinkRequest {
                    schema: dead_letter_schema(),
                    overwrite: false,
                    job: format!("{key}-dead-{}", table.name),
                    commit: CommitMode::AtEnd,
                    restore: restored.and_then(|sinks| sinks.get(&table.name).cloned()),
                })
                .map_err(storage)?,
            _ => None,
        };
        table.monitor.reset(sink);
    }
    Ok(())
}

fn finish_dead_letters(sources: &[Arc<dyn TableProvider>]) -> Result<()> {
    for table in sources.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()) {
        table.monitor.with_dead_letters(|sink| {
            sink.finish().map_err(storage)?;
            sink.complete().map_err(storage)
        })?;
        // The sink is closed; counts stay for the report.
    }
    Ok(())
}

fn open_sink(
    table: &dyn Table,
    insert: &Insert,
    job: String,
    commit: CommitMode,
    restore: Option<Vec<u8>>,
) -> Result<SinkThread> {
    let request =
        SinkRequest { schema: Arc::clone(&insert.table.schema), overwrite: insert.overwrite, job, commit, restore };
    Ok(SinkThread::new(table.sink(&request).map_err(storage)?))
}

/// A bounded query into a sink, by DataFusion. It is quick to do again, so it has no checkpoint of its own.
fn run_bounded(
    name: &str,
    insert: &Insert,
    context: &Context<'_>,
    done: impl FnOnce() -> Result<()>,
) -> Result<JobReport> {
    let began = Instant::now();
    let sources = sources(std::iter::once(&insert.plan))?;
    reset_monitors(&sources, &context.key, None)?;
    let sink = open_sink(insert.table.table.as_ref(), insert, format!("{}-0", context.key), CommitMode::AtEnd, None)?;
    let totals = totals(&readings(std::iter::once(&insert.plan))?);
    let execution = &context.setting.execution;
    let written = execution.run(async {
        let mut stream = execution.stream(insert.plan.clone()).await?;
        let mut told = Instant::now();
        let mut rows = 0;
        // The observer is looked at also while the query sorts or joins and gives nothing.
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        loop {
            tokio::select! {
                batch = stream.try_next() => match batch? {
                    Some(batch) => {
                        rows += batch.num_rows() as u64;
                        sink.write(with_schema(batch, &insert.table.schema)?)?;
                    }
                    None => break,
                },
                _ = tick.tick() => {}
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                context.observer.progress(&progress(name, &sources, totals, began));
                if context.observer.should_stop() {
                    return Err(Error::Stopped { resumable: true });
                }
            }
        }
        Ok(rows)
    });
    let rows = match written {
        Ok(rows) => rows,
        Err(error) => {
            // What was written is dropped; the reason for it matters more than a failure to tidy up.
            let _ = sink.abort();
            return Err(error);
        }
    };
    sink.prepare()?;
    let committed = sink.finish()?;
    finish_dead_letters(&sources)?;
    done()?;
    sink.complete()?;
    context.observer.progress(&progress(name, &sources, totals, began));
    Ok(JobReport {
        name: name.to_string(),
        sources: reports(&sources),
        sinks: vec![SinkReport { table: insert.table.name.clone(), rows, files: committed.files }],
        elapsed: began.elapsed(),
        ..JobReport::default()
    })
}

fn run_streaming(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    done: impl FnOnce() -> Result<()>,
) -> Result<JobReport> {
    let began = Instant::now();
    let sources = sources(inserts.iter().map(|insert| &insert.plan))?;
    let path = context.folder.join("checkpoint");
    let restored: Option<Checkpoint> = read_sealed(&path, "checkpoint")?;
    reset_monitors(&sources, &context.key, restored.as_ref().map(|checkpoint| &checkpoint.dead_letters))?;

    context.observer.progress(&Progress { stage: name.to_string(), ..Progress::default() });
    let mut compiler = Compiler::new(&context.setting);
    for insert in inserts {
        compiler.add(&insert.table.name, &insert.plan)?;
    }
    let mut dataflow = compiler.finish();
    if let Some(checkpoint) = &restored {
        dataflow.restore(&checkpoint.dataflow)?;
    }
    let bounded = dataflow.sources.iter().all(|source| source.is_bounded());
    let commit = if bounded { CommitMode::AtEnd } else { CommitMode::EachCheckpoint };
    for (index, insert) in inserts.iter().enumerate() {
        let restore = restored.as_ref().and_then(|checkpoint| checkpoint.dataflow.sink(index)).map(<[u8]>::to_vec);
        let job = format!("{}-{index}", context.key);
        let sink = open_sink(insert.table.table.as_ref(), insert, job, commit, restore.clone())?;
        if let (CommitMode::EachCheckpoint, Some(prepared)) = (commit, restore) {
            sink.commit(prepared)?;
        }
        dataflow.sinks[index].taker = Some(Taker::Table(sink, Arc::clone(&insert.table.schema)));
    }
    let mut number = restored.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let resumed_from = restored.as_ref().map(|checkpoint| checkpoint.number);
    let mut ended = restored.as_ref().is_some_and(|checkpoint| checkpoint.ended);
    dataflow.start(restored.as_ref().map(|checkpoint| &checkpoint.dataflow));

    let totals = stream_totals(&dataflow);
    let mut take_checkpoint = |dataflow: &mut Dataflow, ended: bool| -> Result<()> {
        number += 1;
        let mut dead_letters = BTreeMap::new();
        for table in sources.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()) {
            if let Some(prepared) = table.monitor.with_dead_letters(|sink| sink.prepare().map_err(storage))? {
                dead_letters.insert(table.name.clone(), prepared);
            }
        }
        let state = dataflow.snapshot()?;
        let prepared: Vec<Option<Vec<u8>>> =
            (0..dataflow.sinks.len()).map(|index| state.sink(index).map(<[u8]>::to_vec)).collect();
        write_sealed(&path, "checkpoint", &Checkpoint { number, ended, dataflow: state, dead_letters })?;
        if commit == CommitMode::EachCheckpoint {
            for (sink, prepared) in dataflow.sinks.iter().zip(prepared) {
                if let (Some(Taker::Table(sink, _)), Some(prepared)) = (&sink.taker, prepared) {
                    sink.commit(prepared)?;
                }
            }
        }
        Ok(())
    };

    let (mut told, mut checkpointed) = (Instant::now(), Instant::now());
    while !ended {
        let round = dataflow.round(PATIENCE)?;
        if round == Round::Ended {
            take_checkpoint(&mut dataflow, true)?;
            ended = true;
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            context.observer.progress(&progress(name, &sources, totals, began));
        }
        if !ended && context.observer.should_stop() {
            take_checkpoint(&mut dataflow, false)?;
            return Err(Error::Stopped { resumable: true });
        }
        if !ended && checkpointed.elapsed() >= context.checkpoint_every && !context.checkpoint_every.is_zero() {
            take_checkpoint(&mut dataflow, false)?;
            checkpointed = Instant::now();
        }
    }
    context.observer.progress(&progress(name, &sources, totals, began));

    for operator in dataflow.operators() {
        operator.finish()?;
    }
    let mut sinks = Vec::with_capacity(inserts.len());
    for sink in &dataflow.sinks {
        let Some(Taker::Table(taker, _)) = &sink.taker else { continue };
        let committed = taker.finish()?;
        sinks.push(SinkReport { table: sink.name.clone(), rows: sink.rows, files: committed.files });
    }
    finish_dead_letters(&sources)?;
    done()?;
    for sink in &dataflow.sinks {
        if let Some(Taker::Table(taker, _)) = &sink.taker {
            taker.complete()?;
        }
    }
    Ok(JobReport {
        name: name.to_string(),
        sources: reports(&sources),
        sinks,
        models: dataflow.operators().filter_map(|operator| operator.model_report()).collect(),
        operators: dataflow.operators().filter_map(|operator| operator.operator_report()).collect(),
        checkpoints: number - resumed_from.unwrap_or_default(),
        resumed_from,
        elapsed: began.elapsed(),
    })
}

/// Runs a SELECT that must stream: its rows are kept for the reader of the script.
pub(crate) fn select(
    plan: &LogicalPlan,
    context: &Context<'_>,
    bytes_max: usize,
) -> Result<(Vec<arrow::array::RecordBatch>, JobReport)> {
    let began = Instant::now();
    let sources = sources(std::iter::once(plan))?;
    if let Some(table) =
        sources.iter().filter_map(|t| t.downcast_ref::<ConnectorTable>()).find(|t| !t.table.is_bounded())
    {
        return Err(Error::Unstreamable {
            construct: "a SELECT that prints its rows",
            instead: "write them to a table with INSERT INTO",
            table: table.name.clone(),
        });
    }
    reset_monitors(&sources, &context.key, None)?;
    let mut compiler = Compiler::new(&context.setting);
    compiler.add("SELECT", plan)?;
    let mut dataflow = compiler.finish();
    dataflow.sinks[0].taker = Some(Taker::Rows { batches: Vec::new(), bytes: 0, bytes_max });
    dataflow.start(None);
    let totals = stream_totals(&dataflow);
    let mut told = Instant::now();
    while dataflow.round(PATIENCE)? != Round::Ended {
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            context.observer.progress(&progress("SELECT", &sources, totals, began));
            if context.observer.should_stop() {
                return Err(Error::Stopped { resumable: false });
            }
        }
    }
    for operator in dataflow.operators() {
        operator.finish()?;
    }
    finish_dead_letters(&sources)?;
    let batches = match dataflow.sinks[0].taker.take() {
        Some(Taker::Rows { batches, .. }) => batches,
        _ => Vec::new(),
    };
    let report = JobReport {
        name: "SELECT".to_string(),
        sources: reports(&sources),
        models: dataflow.operators().filter_map(|operator| operator.model_report()).collect(),
        operators: dataflow.operators().filter_map(|operator| operator.operator_report()).collect(),
        elapsed: began.elapsed(),
        ..JobReport::default()
    };
    Ok((batches, report))
}

type Totals = (Option<u64>, Option<u64>);

/// Rows and bytes in all; unknown if they are unknown of one.
fn sum(totals: impl Iterator<Item = Totals>) -> Totals {
    let add = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
    totals.fold((Some(0), Some(0)), |all, one| (add(all.0, one.0), add(all.1, one.1)))
}

fn stream_totals(dataflow: &Dataflow) -> Totals {
    sum(dataflow.sources.iter().map(|source| source.totals()))
}

fn totals(sources: &[Arc<dyn TableProvider>]) -> Totals {
    sum(sources.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()).map(|table| {
        match table.table.scan(&Default::default()) {
            Ok(scan) => (scan.total_rows(), scan.total_bytes()),
            Err(_) => (None, None),
        }
    }))
}

fn reports(sources: &[Arc<dyn TableProvider>]) -> Vec<crate::SourceReport> {
    sources
        .iter()
        .filter_map(|table| table.downcast_ref::<ConnectorTable>())
        .filter_map(|table| table.monitor.report(&table.name))
        .collect()
}

fn progress(stage: &str, sources: &[Arc<dyn TableProvider>], totals: Totals, began: Instant) -> Progress {
    let reports = reports(sources);
    Progress {
        stage: stage.to_string(),
        rows: reports.iter().map(|report| report.rows + report.bad).sum(),
        rows_total: totals.0,
        bytes: reports.iter().map(|report| report.bytes).sum(),
        bytes_total: totals.1,
        elapsed: began.elapsed(),
    }
}
