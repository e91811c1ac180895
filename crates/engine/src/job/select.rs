//! A SELECT whose rows are kept for the reader of the script.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use tidegate_connectors::{CommitMode, forget};

use super::sources::Sources;
use super::watch::{Totals, Watch};
use super::{Context, PATIENCE, bounded, open_sink};
use crate::catalog::monitor::storage;
use crate::stream::compile::{Compiler, must_stream};
use crate::stream::dataflow::{Round, Taker};
use crate::{Error, JobReport, Result};

/// What tells the user that the rows do not fit.
const TOO_LARGE: &str = "the result of the SELECT is larger than 'execution.memory-limit': write it to a table with INSERT INTO, or add LIMIT";

/// Runs a SELECT and gives its rows, of `bytes_max` at the most.
pub(crate) fn select(
    plan: &LogicalPlan,
    context: &Context<'_>,
    bytes_max: usize,
) -> Result<(Vec<RecordBatch>, JobReport)> {
    let sources = Sources::of(std::iter::once(plan))?;
    if let Some(table) = sources.tables().find(|table| !table.table.is_bounded()) {
        return Err(Error::Unstreamable {
            construct: "a SELECT that prints its rows",
            instead: "write them to a table with INSERT INTO",
            table: table.name.clone(),
        });
    }
    sources.begin(&context.key, &context.folder, None, None)?;
    let mut watch = Watch::begin("SELECT", &sources, sources.totals(), context.observer);
    let (batches, mut report) = match context.streaming || must_stream(plan)? {
        true => streaming(plan, context, bytes_max, &mut watch)?,
        false => (bounded_rows(plan, context, bytes_max, &mut watch)?, JobReport::default()),
    };
    for log in sources.finish_dead_letters()? {
        forget(&log).map_err(storage)?;
    }
    report.name = "SELECT".to_string();
    report.sources = sources.reports();
    report.elapsed = watch.began.elapsed();
    Ok((batches, report))
}

fn bounded_rows(
    plan: &LogicalPlan,
    context: &Context<'_>,
    bytes_max: usize,
    watch: &mut Watch<'_>,
) -> Result<Vec<RecordBatch>> {
    let (mut batches, mut bytes) = (Vec::new(), 0);
    bounded::query(&context.setting.execution, plan, watch, false, |batch| {
        bytes += batch.get_array_memory_size();
        if bytes > bytes_max {
            return Err(Error::Limit(TOO_LARGE.into()));
        }
        batches.push(batch);
        Ok(())
    })?;
    Ok(batches)
}

fn streaming(
    plan: &LogicalPlan,
    context: &Context<'_>,
    bytes_max: usize,
    watch: &mut Watch<'_>,
) -> Result<(Vec<RecordBatch>, JobReport)> {
    let mut compiler = Compiler::new(&context.setting);
    compiler.add("SELECT", "", 0, plan)?;
    let mut dataflow = compiler.finish();
    dataflow.sinks[0].taker = Some(Taker::Rows { batches: Vec::new(), bytes: 0, bytes_max });
    if let (Some(late_rows), Some(place)) = (&context.setting.late_rows, dataflow.late_rows()) {
        let job = format!("{}-late", context.key);
        let sink = open_sink((&late_rows.table, false), context, job, CommitMode::AtEnd, None, None)?;
        dataflow.sinks[place].taker = Some(Taker::Table(sink, Arc::clone(&late_rows.table.schema)));
    }
    dataflow.start(None);
    watch.set_totals(Totals::sum(dataflow.sources.iter().map(|source| source.totals())));
    while dataflow.round(PATIENCE)? != Round::Ended {
        if watch.look() {
            return Err(Error::Stopped { resumable: false });
        }
    }
    for operator in dataflow.operators() {
        operator.finish()?;
    }
    let late_rows = dataflow.late_rows().and_then(|place| dataflow.sinks[place].taker.take());
    if let Some(Taker::Table(late_rows, _)) = late_rows {
        late_rows.prepare()?;
        if let Some(log) = late_rows.finish()?.log {
            forget(&log).map_err(storage)?;
        }
    }
    let batches = match dataflow.sinks[0].taker.take() {
        Some(Taker::Rows { batches, .. }) => batches,
        _ => Vec::new(),
    };
    let report = JobReport {
        models: dataflow.operators().filter_map(|operator| operator.model_report()).collect(),
        operators: dataflow.operators().filter_map(|operator| operator.operator_report()).collect(),
        ..JobReport::default()
    };
    Ok((batches, report))
}
