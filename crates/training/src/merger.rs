//! Puts together what replicas in places of their own have learned.

use std::sync::Arc;

use tidegate_ml::Model;
use tidegate_ml::replica::merged;
use tidegate_ml::snapshot::decode;

use crate::learning::first;
use crate::model::ModelEntry;
use crate::threads::Threads;
use crate::trainer::{Apart, Run, Trainer};
use crate::{Error, Result, model_error};

/// What replicas have made together, by what [`Trainer::report_apart`] gives of each.
#[derive(Debug)]
pub struct Merger {
    trainer: Trainer,
    merged: Model,
}

impl Merger {
    /// Begins with what the replicas begin with.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn new(entry: &Arc<ModelEntry>, start: Option<u64>, run: Run, threads: Threads) -> Result<Self> {
        let merged = first(entry, start, &run.registry)?;
        Ok(Self { trainer: Trainer::replica(entry, start, run, threads)?, merged })
    }

    /// Takes in the reports of replicas that all went on from what is here.
    ///
    /// # Errors
    /// They cannot be put together; then nothing has changed.
    pub fn merge(&mut self, reports: &[Vec<u8>]) -> Result<()> {
        self.take(&read(reports)?)
    }

    /// Takes in the last reports of all replicas, and registers the last version if the declaration wants one.
    ///
    /// # Errors
    /// They cannot be put together, or the version cannot be registered.
    pub fn finish(&mut self, reports: &[Vec<u8>]) -> Result<()> {
        let reports = read(reports)?;
        self.take(&reports)?;
        let measured: Vec<_> = reports.into_iter().map(|report| report.measures).collect();
        self.trainer.finish_with(&self.merged, &measured)
    }

    fn take(&mut self, reports: &[Apart]) -> Result<()> {
        let learned: Vec<&[u8]> = reports.iter().map(|report| report.learned.as_slice()).collect();
        self.merged = merged(&self.merged, &learned).map_err(|error| model_error(&self.trainer.entry().name, error))?;
        Ok(())
    }

    /// What the replicas have made together so far, to go on from.
    pub fn model(&self) -> Vec<u8> {
        self.merged.save()
    }

    /// Goes on from what [`Merger::model`] gave.
    ///
    /// # Errors
    /// The bytes are no such model.
    pub fn restore(&mut self, model: &[u8]) -> Result<()> {
        self.merged =
            Model::load(model).map_err(|error| Error::Storage(format!("what replicas made together: {error}")))?;
        Ok(())
    }
}

fn read(reports: &[Vec<u8>]) -> Result<Vec<Apart>> {
    let damaged = |error| Error::Storage(format!("the report of a replica: {error}"));
    reports.iter().map(|report| decode(report).map_err(damaged)).collect()
}
