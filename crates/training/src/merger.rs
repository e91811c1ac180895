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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{BooleanArray, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::open_registry::OpenRegistry;
    use crate::trainer::TrainerRows;

    fn entry() -> Arc<ModelEntry> {
        let options = [("provider", "tidegate"), ("task", "classification"), ("algorithm", "logistic_regression")];
        let options: BTreeMap<String, String> =
            options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let input = Schema::new(vec![Field::new("x", DataType::Float64, true)]);
        let output = Schema::new(vec![
            Field::new("predicted", DataType::Boolean, true),
            Field::new("probability", DataType::Float64, true),
        ]);
        Arc::new(ModelEntry::declare("buys", &input, &output, Vec::new(), options, None).expect("it is right"))
    }

    fn run(folder: &std::path::Path) -> Run {
        Run {
            registry: Arc::new(OpenRegistry::at(folder.to_path_buf())),
            key: "run".into(),
            job: "job".into(),
            data_fingerprint: Arc::new(|| None),
            checking: false,
        }
    }

    fn threads() -> Threads {
        Threads(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool")))
    }

    /// Rows whose labels are known up to 5 ms later.
    fn rows(from: i64, take: impl FnOnce(&TrainerRows<'_>)) {
        let ids = from..from + 20;
        let x = Float64Array::from_iter_values(ids.clone().map(|id| (id * 7 % 11) as f64 / 5.0 - 1.0));
        let label = BooleanArray::from(ids.clone().map(|id| id * 7 % 11 > 5).collect::<Vec<_>>());
        let batch =
            RecordBatch::try_from_iter([("x", Arc::new(x) as _), ("label", Arc::new(label) as _)]).expect("a batch");
        let event_time: Vec<i64> = ids.clone().collect();
        let label_time = Int64Array::from_iter_values(ids.map(|id| id + id % 6));
        let label_time = Some(&label_time);
        take(&TrainerRows { batch: &batch, event_time: &event_time, label_time, delay_ms: 0, keys: &[] });
    }

    /// A replica that goes on taking rows until it is told what all have made is, in the end, as if it had been told at once.
    #[test]
    fn rows_that_are_held_are_learned_from_what_all_have_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = entry();
        let new = || Trainer::replica(&entry, None, run(folder.path()), threads()).expect("a replica");
        let mut merger = Merger::new(&entry, None, run(folder.path()), threads()).expect("a merger");
        let mut replicas = [new(), new(), new()];
        for (replica, from) in replicas.iter_mut().zip([0, 100, 0]) {
            rows(from, |rows| drop(replica.process(rows).expect("predictions")));
        }
        let [held, other, at_once] = &mut replicas;
        merger
            .merge(&[held.report_apart().expect("a report"), other.report_apart().expect("a report")])
            .expect("a merge");
        rows(20, |rows| assert_eq!(held.preview(rows.batch).expect("predictions").num_rows(), 20));
        let before = held.report().rows_learned;
        held.go_on(&merger.model()).expect("a model");
        rows(20, |rows| held.learn_previewed(rows).expect("learned"));
        [&mut *at_once, &mut *other].into_iter().for_each(|replica| replica.go_on(&merger.model()).expect("a model"));
        rows(20, |rows| drop(at_once.process(rows).expect("predictions")));
        assert!(held.report().rows_learned > before && held.report().rows_predicted == 40);
        let learned = |trainer: &Trainer| -> Vec<u8> {
            let apart: Apart = decode(&trainer.report_apart().expect("a report")).expect("an encoded one");
            apart.learned
        };
        assert!(learned(held) == learned(at_once));

        // All of it, with the rows that waited: each counts once, in the version and in what was measured.
        [&mut *held, &mut *other].into_iter().for_each(|replica| replica.end().expect("an end"));
        let last = [held.report_apart().expect("a report"), other.report_apart().expect("a report")];
        merger.finish(&last).expect("a version");
        let registry = tidegate_registry::Registry::open(folder.path()).expect("a registry");
        let versions = registry.versions("buys").expect("versions");
        assert_eq!(versions.iter().map(|version| version.facts.rows).collect::<Vec<_>>(), [60]);
        assert!(versions[0].facts.metrics.contains_key("LogLoss"));
    }
}
