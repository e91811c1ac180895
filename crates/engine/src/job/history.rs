//! `CREATE MODEL … AS SELECT`: a model learns from the rows of a bounded query, several times over if wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
use tidegate_ml::{DataFault, Model};
use tidegate_registry::VersionFacts;

use super::sources::Sources;
use super::watch::Watch;
use super::{Context, bounded};
use crate::catalog::model::ModelEntry;
use crate::catalog::models;
use crate::stream::spill::{SpillReader, SpillWriter};
use crate::stream::train::{batch_of, model_error};
use crate::{Error, JobReport, ModelReport, Result};

/// Which columns of a query a model learns from.
pub(crate) struct HistoryColumns {
    pub inputs: Vec<usize>,
    pub label: usize,
    pub label_type: DataType,
    pub weight: Option<usize>,
}

impl HistoryColumns {
    /// The columns for [`Model::learn`].
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Self { inputs, label, label_type, weight } = self;
        let mut columns: Vec<_> = inputs.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        columns.push(cast(batch.column(*label), label_type)?);
        if let Some(weight) = weight {
            columns.push(cast(batch.column(*weight), &DataType::Float64)?);
        }
        let schema = batch.schema();
        let names = inputs.iter().chain([label]).chain(weight).map(|i| schema.field(*i).name().as_str());
        batch_of(names, columns, batch.num_rows())
    }
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
    sources.begin(&context.key, None, None)?;
    let mut watch = Watch::begin(&name, &sources, sources.totals(), context.observer).answering(context.run.as_ref());
    let mut model = Model::new(entry.spec.clone()).map_err(|error| model_error(&entry.name, error))?;
    let epochs = entry.training.int("epochs") as u64;
    // The order of rows is the order of learning: one thread, unless the query sorts.
    let execution = match plan {
        LogicalPlan::Sort(_) => context.setting.execution.clone(),
        _ => context.setting.execution.with_partitions(1),
    };
    let rows_file = context.folder.join("history");
    let mut kept = if epochs > 1 { Some(SpillWriter::open(&rows_file, 0)?) } else { None };
    let mut rows = 0;
    bounded::query(&execution, plan, &mut watch, true, |batch| {
        let batch = columns.of(&batch)?;
        if let Some(kept) = &mut kept {
            kept.write(&batch)?;
        }
        model.learn(&batch).map_err(|error| match error {
            // Which row of the query it is, not of the batch.
            tidegate_ml::Error::Data(fault) => {
                let row = fault.row + rows as usize;
                model_error(&entry.name, DataFault { row, ..fault }.into())
            }
            other => model_error(&entry.name, other),
        })?;
        rows += batch.num_rows() as u64;
        Ok(())
    })?;
    for epoch in 2..=epochs {
        watch.pass(format!("{name}: epoch {epoch} of {epochs}"), rows);
        let mut reader = SpillReader::open(&rows_file, 0)?;
        while let Some((batch, _)) = reader.next()? {
            model.learn(&batch).map_err(|error| model_error(&entry.name, error))?;
            if watch.look_after(batch.num_rows() as u64) {
                return Err(Error::Stopped { resumable: true });
            }
        }
    }
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
    let registry = context.setting.train.models.registry()?;
    let number = registry.register(&entry.name, &model.save(), &facts).map_err(models::storage)?;
    done(&sources.finish_dead_letters()?)?;
    Ok(JobReport {
        name,
        sources: sources.reports(),
        models: vec![ModelReport {
            model: entry.name.clone(),
            versions: vec![number],
            rows_learned: model.rows_learned(),
            state_bytes: model.state_bytes() as u64,
            ..ModelReport::default()
        }],
        elapsed: watch.began.elapsed(),
        ..JobReport::default()
    })
}
