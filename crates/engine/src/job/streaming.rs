//! INSERTs that run as one dataflow, in rounds, with checkpoints.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tidegate_connectors::CommitMode;

use super::sources::Sources;
use super::watch::{Totals, Watch};
use super::{Context, Insert, PATIENCE, open_sink};
use crate::catalog::table::ConnectorTable;
use crate::checkpoint::{read_sealed, write_sealed};
use crate::stream::compile::Compiler;
use crate::stream::dataflow::{Dataflow, DataflowState, Round, Taker};
use crate::{Error, JobReport, Result, SinkReport};

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

/// Runs INSERTs to the end of their sources, from the last checkpoint if there is one.
pub(super) fn run(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    done: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<JobReport> {
    let sources = Sources::of(inserts.iter().map(|insert| &insert.plan))?;
    let path = context.folder.join("checkpoint");
    let restored: Option<Checkpoint> = read_sealed(&path, "checkpoint")?;
    sources.begin(&context.key, restored.as_ref().map(|checkpoint| &checkpoint.dead_letters))?;
    let mut watch = Watch::begin(name, &sources, Totals::default(), context.observer);

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
    let late_rows = context.setting.late_rows.as_deref().filter(|_| dataflow.late_rows().is_some());
    let late_rows = late_rows.map(|table| (table, false));
    let tables: Vec<(&ConnectorTable, bool)> =
        inserts.iter().map(|insert| (insert.table.as_ref(), insert.overwrite)).chain(late_rows).collect();
    for (index, (table, overwrite)) in tables.iter().enumerate() {
        let restore = restored.as_ref().and_then(|checkpoint| checkpoint.dataflow.sink(index)).map(<[u8]>::to_vec);
        let job = format!("{}-{index}", context.key);
        let sink = open_sink(table, *overwrite, job, commit, restore.clone())?;
        if let (CommitMode::EachCheckpoint, Some(prepared)) = (commit, restore) {
            sink.commit(prepared)?;
        }
        dataflow.sinks[index].taker = Some(Taker::Table(sink, Arc::clone(&table.schema)));
    }
    let mut number = restored.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let resumed_from = restored.as_ref().map(|checkpoint| checkpoint.number);
    let mut ended = restored.as_ref().is_some_and(|checkpoint| checkpoint.ended);
    dataflow.start(restored.as_ref().map(|checkpoint| &checkpoint.dataflow));

    watch.set_totals(Totals::sum(dataflow.sources.iter().map(|source| source.totals())));
    let mut take_checkpoint = |dataflow: &mut Dataflow, ended: bool| -> Result<()> {
        number += 1;
        let dead_letters = sources.prepare_dead_letters()?;
        let state = dataflow.snapshot()?;
        let prepared: Vec<Option<Vec<u8>>> =
            (0..dataflow.sinks.len()).map(|index| state.sink(index).map(<[u8]>::to_vec)).collect();
        let checkpoint = Checkpoint { number, ended, dataflow: state, dead_letters };
        write_sealed(&path, "checkpoint", &checkpoint)?;
        dataflow.checkpointed(&checkpoint.dataflow);
        if commit == CommitMode::EachCheckpoint {
            for (sink, prepared) in dataflow.sinks.iter().zip(prepared) {
                if let (Some(Taker::Table(sink, _)), Some(prepared)) = (&sink.taker, prepared) {
                    sink.commit(prepared)?;
                }
            }
        }
        Ok(())
    };

    let mut checkpointed = Instant::now();
    while !ended {
        let round = dataflow.round(PATIENCE)?;
        if round == Round::Ended {
            take_checkpoint(&mut dataflow, true)?;
            ended = true;
        }
        watch.look();
        if !ended && watch.should_stop() {
            take_checkpoint(&mut dataflow, false)?;
            return Err(Error::Stopped { resumable: true });
        }
        if !ended && checkpointed.elapsed() >= context.checkpoint_every && !context.checkpoint_every.is_zero() {
            take_checkpoint(&mut dataflow, false)?;
            checkpointed = Instant::now();
        }
    }
    watch.tell();

    for operator in dataflow.operators() {
        operator.finish()?;
    }
    let (mut sinks, mut logs) = (Vec::with_capacity(tables.len()), Vec::new());
    for sink in &dataflow.sinks {
        let Some(Taker::Table(taker, _)) = &sink.taker else { continue };
        let committed = taker.finish()?;
        sinks.push(SinkReport { table: sink.name.clone(), rows: sink.rows, files: committed.files });
        logs.extend(committed.log);
    }
    logs.extend(sources.finish_dead_letters()?);
    done(&logs)?;
    Ok(JobReport {
        name: name.to_string(),
        sources: sources.reports(),
        sinks,
        models: dataflow.operators().filter_map(|operator| operator.model_report()).collect(),
        operators: dataflow.operators().filter_map(|operator| operator.operator_report()).collect(),
        checkpoints: number - resumed_from.unwrap_or_default(),
        resumed_from,
        elapsed: watch.began.elapsed(),
    })
}
