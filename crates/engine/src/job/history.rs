//! `CREATE MODEL … AS SELECT`: a model learns from the rows of a bounded query, several times over if wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};
use datafusion::logical_expr::LogicalPlan;
use tidegate_ml::keys::Keys;
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::{DataFault, Model};
use tidegate_registry::{VersionFacts, VersionRef};

use super::sources::Sources;
use super::watch::Watch;
use super::written::{Output, Written};
use super::{Context, bounded};
use crate::catalog::models;
use crate::stream::spill::{SpillReader, SpillWriter};
use crate::{Error, JobReport, ModelReport, Result};
use tidegate_training::ModelEntry;
use tidegate_training::Threads;
use tidegate_training::{batch_of, model_error};

/// Which columns of a query a model learns from.
pub(crate) struct HistoryColumns {
    pub inputs: Vec<usize>,
    /// With the type it is learned as; none where the task has no labels.
    pub label: Option<(usize, DataType)>,
    pub weight: Option<usize>,
    /// By which rows are spread over replicas; empty: in turn.
    pub shard_by: Vec<usize>,
}

impl HistoryColumns {
    /// The columns for [`Model::learn`].
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Self { inputs, label, weight, .. } = self;
        let mut columns: Vec<_> = inputs.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        if let Some((label, label_type)) = label {
            columns.push(cast(batch.column(*label), label_type)?);
        }
        if let Some(weight) = weight {
            columns.push(cast(batch.column(*weight), &DataType::Float64)?);
        }
        let schema = batch.schema();
        let label = label.as_ref().map(|(label, _)| label);
        let names = inputs.iter().chain(label).chain(weight).map(|i| schema.field(*i).name().as_str());
        Ok(batch_of(names, columns, batch.num_rows())?)
    }

    /// The shard of each row, where there are shards.
    fn shards(&self, batch: &RecordBatch) -> tidegate_ml::Result<Option<UInt64Array>> {
        if self.shard_by.is_empty() {
            return Ok(None);
        }
        let columns: Vec<_> = self.shard_by.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        Ok(Some(Keys::read(&columns, batch.num_rows())?.hashes().into()))
    }
}

/// A model that learns from history, and nothing else.
struct Learning {
    name: String,
    training: Box<dyn Training>,
    threads: Threads,
}

impl Learning {
    fn begin(entry: &ModelEntry, threads: &Arc<rayon::ThreadPool>) -> Result<Self> {
        let begun = Model::new(entry.spec.clone()).and_then(|model| entry.training(model));
        let mut training = begun.map_err(|error| model_error(&entry.name, error))?;
        let threads = Threads(Arc::clone(threads));
        training.predict_nothing();
        training.begin_history();
        training.set_spread(Arc::new(threads.clone()));
        Ok(Self { name: entry.name.clone(), training, threads })
    }

    /// Learns from a batch whose first row is the query's `first`.
    fn learn(&mut self, batch: &RecordBatch, shards: Option<&UInt64Array>, first: usize) -> Result<()> {
        let shards = shards.map(|shards| &shards.values()[..]);
        let arrivals = Arrivals { batch, event_time: &[], label_time: None, delay: 0, shards };
        let learned = self.training.process(&arrivals, &self.threads).map_err(|error| match error {
            // Which row of the query it is, not of the batch.
            tidegate_ml::Error::Data(fault) => {
                model_error(&self.name, DataFault { row: fault.row + first, ..fault }.into())
            }
            other => model_error(&self.name, other),
        });
        Ok(learned.map(drop)?)
    }

    /// Ends a pass over the rows: whether a search, or a choice of features, needs another.
    fn end_pass(&mut self) -> Result<bool> {
        Ok(self.training.end_pass().map_err(|error| model_error(&self.name, error))?)
    }

    fn finish(mut self) -> Result<Box<dyn Training>> {
        self.training.finish(&self.threads).map_err(|error| model_error(&self.name, error))?;
        Ok(self.training)
    }
}

/// A batch with its shards as one more column, to be kept.
fn with_shards(batch: &RecordBatch, shards: Option<&UInt64Array>) -> Result<RecordBatch> {
    let Some(shards) = shards else { return Ok(batch.clone()) };
    let columns = batch.columns().iter().cloned().chain([Arc::new(shards.clone()) as ArrayRef]).collect();
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str()).chain(["shard"]);
    Ok(batch_of(names, columns, batch.num_rows())?)
}

/// What [`with_shards`] put together.
fn without_shards(batch: RecordBatch, has_shards: bool) -> Result<(RecordBatch, Option<UInt64Array>)> {
    let Some(last) = batch.num_columns().checked_sub(1).filter(|_| has_shards) else { return Ok((batch, None)) };
    let shards = batch.column(last).as_primitive_opt::<UInt64Type>().cloned();
    let shards = shards.ok_or_else(|| Error::Internal("rows were kept without their shards".into()))?;
    Ok((batch.project(&(0..last).collect::<Vec<_>>())?, Some(shards)))
}

/// Trains a model on the rows of `plan` and registers a version. `done` marks the job as done, as in [`super::run`].
pub(crate) fn train(
    entry: &ModelEntry,
    plan: &LogicalPlan,
    columns: &HistoryColumns,
    context: &Context<'_>,
    done: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<JobReport> {
    let name = format!("CREATE MODEL {}", entry.name);
    let sources = Sources::of(std::iter::once(plan))?;
    let before = Written::find(&context.folder)?;
    sources.begin(&context.key, &context.folder, before.as_ref().map(|written| &written.dead_letters), None)?;
    let mut watch = Watch::begin(&name, &sources, sources.totals(), context.observer).answering(context.run.as_ref());
    let resumed_from = before.as_ref().map(|_| 1);
    let registry = context.setting.train.models.registry()?;
    let trained = match before.map(|written| written.output) {
        Some(Output::Version(number)) => {
            let version = registry.resolve(&entry.name, &VersionRef::Number(number)).map_err(models::storage)?;
            let model = Model::load(&registry.load(&version).map_err(models::storage)?);
            report(&entry.name, number, &model.map_err(|error| model_error(&entry.name, error))?)
        }
        Some(Output::Rows { .. }) => {
            return Err(Error::Internal("a step that makes a version has written rows".into()));
        }
        None => {
            let training = learn(&name, (entry, plan, columns), context, &mut watch)?;
            let model = training.model();
            let facts = VersionFacts {
                key: format!("{}-{}-final", context.key, entry.name),
                job: context.setting.train.job.clone(),
                spec: serde_json::to_value(&entry.spec).map_err(|error| Error::Internal(error.to_string()))?,
                parameters: entry.options.clone(),
                metrics: BTreeMap::new(),
                rows: model.rows_learned(),
                data_fingerprint: Some(sources.fingerprint()),
                trained_until: None,
            };
            let number = registry.register(&entry.name, &model.save(), &facts).map_err(models::storage)?;
            let dead_letters = sources.prepare_dead_letters()?;
            // Without dead letters all of it can be done again: the version has its key.
            if !dead_letters.is_empty() {
                Written { output: Output::Version(number), dead_letters }.save(&context.folder)?;
            }
            report(&entry.name, number, model)
        }
    };
    done(&sources.finish_dead_letters()?)?;
    Ok(JobReport {
        name,
        sources: sources.reports(),
        models: vec![trained],
        resumed_from,
        elapsed: watch.began.elapsed(),
        ..JobReport::default()
    })
}

fn report(name: &str, number: u64, model: &Model) -> ModelReport {
    ModelReport {
        model: name.to_string(),
        versions: vec![number],
        rows_learned: model.rows_learned(),
        state_bytes: model.state_bytes() as u64,
        ..ModelReport::default()
    }
}

/// A model learns from the rows of a query.
fn learn(
    name: &str,
    (entry, plan, columns): (&ModelEntry, &LogicalPlan, &HistoryColumns),
    context: &Context<'_>,
    watch: &mut Watch<'_>,
) -> Result<Box<dyn Training>> {
    let mut learning = Learning::begin(entry, &context.setting.threads)?;
    let epochs = entry.training.int("epochs") as u64;
    // The order of rows is the order of learning: one thread, unless the query sorts.
    let execution = match plan {
        LogicalPlan::Sort(_) => context.setting.execution.clone(),
        _ => context.setting.execution.with_partitions(1),
    };
    let rows_file = context.folder.join("history");
    let again = epochs > 1 || learning.training.model().needs_history();
    let mut kept = if again { Some(SpillWriter::open(&rows_file, 0)?) } else { None };
    let mut rows = 0;
    bounded::query(&execution, plan, watch, true, |batch| {
        let shards = columns.shards(&batch).map_err(|error| model_error(&entry.name, error))?;
        let batch = columns.of(&batch)?;
        if let Some(kept) = &mut kept {
            kept.write(&with_shards(&batch, shards.as_ref())?)?;
        }
        learning.learn(&batch, shards.as_ref(), rows as usize)?;
        rows += batch.num_rows() as u64;
        Ok(())
    })?;
    let mut pass = |learning: &mut Learning, what: String| -> Result<()> {
        watch.pass(what, rows);
        let mut reader = SpillReader::open(&rows_file, 0)?;
        while let Some((batch, _)) = reader.next()? {
            let (batch, shards) = without_shards(batch, !columns.shard_by.is_empty())?;
            learning.learn(&batch, shards.as_ref(), 0)?;
            if watch.look_after(batch.num_rows() as u64) {
                return Err(Error::Stopped { resumable: true });
            }
        }
        Ok(())
    };
    let mut tried = learning.training.model().trials().len();
    while learning.end_pass()? {
        let trials = learning.training.model().trials().len();
        let what = match trials > tried {
            true => format!("{name}: trials {} to {trials}", tried + 1),
            false => format!("{name}: learning from the features chosen"),
        };
        pass(&mut learning, what)?;
        tried = trials;
    }
    for epoch in 2..=epochs {
        pass(&mut learning, format!("{name}: epoch {epoch} of {epochs}"))?;
    }
    learning.finish()
}
