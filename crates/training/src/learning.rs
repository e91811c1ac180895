//! How a model learns: by itself, by replicas, or a model a key; and where it goes on from.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidegate_ml::keyed::version::Reader;
use tidegate_ml::keys::Keys;
use tidegate_ml::prequential::{Counts, Processed, Snapshot};
use tidegate_ml::replica::Replica;
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::{DataFault, Model};

use crate::keyed::{KeyedLearning, Place};
use crate::model::ModelEntry;
use crate::open_registry::OpenRegistry;
use crate::start::{keyed_version, version_bytes};
use crate::threads::Threads;
use crate::{Error, Result, model_error};

/// How it learns.
pub(crate) enum Learning {
    /// One model from all rows.
    Whole(Box<dyn Training>),
    /// One of several replicas that are in places of their own.
    Replica(Box<Replica>),
    /// A model a key.
    Keyed(Box<KeyedLearning>),
}

/// When the rows of a batch come.
#[derive(Clone, Copy)]
pub(crate) struct Times<'a> {
    pub(crate) event_time: &'a [i64],
    pub(crate) label_time: Option<&'a Int64Array>,
    pub(crate) delay: i64,
}

/// What came of a batch.
pub(crate) struct Made {
    pub(crate) predictions: RecordBatch,
    pub(crate) versions: Vec<Version>,
}

/// A version whose time has come.
pub(crate) struct Version {
    pub(crate) time: i64,
    /// How many rows of the batch had been predicted by then.
    pub(crate) row: usize,
    pub(crate) rows_learned: u64,
    pub(crate) artifact: Artifact,
}

/// What a version holds.
pub(crate) enum Artifact {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl From<Snapshot> for Version {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { time, row, rows_learned, artifact } = snapshot;
        Self { time, row, rows_learned, artifact: Artifact::Bytes(artifact) }
    }
}

impl Learning {
    /// One that has learned nothing, or what the version `start` has; `keys` are the names of the columns whose values have a model each.
    pub(crate) fn new(
        entry: &ModelEntry,
        start: Option<u64>,
        keys: Vec<String>,
        registry: &OpenRegistry,
        place: Place<'_>,
    ) -> Result<Self> {
        if keys.is_empty() {
            return Ok(Self::Whole(whole(entry, start, registry)?));
        }
        let start = start.map(|number| keyed_start(entry, number, registry)).transpose()?;
        let learning = KeyedLearning::new(entry, keys, place, start);
        Ok(Self::Keyed(Box::new(learning.map_err(|error| model_error(&entry.name, error))?)))
    }

    /// One of several replicas of a model that has learned nothing, or what the version `start` has.
    pub(crate) fn replica(entry: &ModelEntry, start: Option<u64>, registry: &OpenRegistry) -> Result<Self> {
        let replica = Replica::new(first(entry, start, registry)?);
        let mut replica = replica.map_err(|error| model_error(&entry.name, error))?;
        // Each has its share, as those of one place have.
        let rows_max = usize::try_from(entry.training.int("label.rows-waiting-max")).ok();
        replica.set_pending_rows_max(rows_max.map(|max| max.div_ceil(entry.replicas())));
        Ok(Self::Replica(Box::new(replica)))
    }

    /// Gives threads to a learner that can use them.
    pub(crate) fn set_threads(&mut self, threads: &Threads) {
        if let Self::Whole(training) = self {
            training.set_spread(Arc::new(threads.clone()));
        }
    }

    pub(crate) fn process(
        &mut self,
        batch: &RecordBatch,
        times: Times<'_>,
        columns: &[ArrayRef],
        threads: &Threads,
    ) -> Result<Made, tidegate_ml::Error> {
        match self {
            Self::Whole(training) => {
                let shards = match columns {
                    [] => None,
                    columns => Some(Keys::read(columns, batch.num_rows())?.hashes()),
                };
                let Times { event_time, label_time, delay } = times;
                let arrivals = Arrivals { batch, event_time, label_time, delay, shards: shards.as_deref() };
                let Processed { predictions, versions } = training.process(&arrivals, threads)?;
                Ok(Made { predictions, versions: versions.into_iter().map(Version::from).collect() })
            }
            Self::Replica(replica) => {
                let Times { event_time, label_time, delay } = times;
                let arrivals = Arrivals { batch, event_time, label_time, delay, shards: None };
                let Processed { predictions, .. } = replica.process(&arrivals, threads)?;
                Ok(Made { predictions, versions: Vec::new() })
            }
            Self::Keyed(learning) => learning.process(batch, columns, times, threads),
        }
    }

    pub(crate) fn predict_nothing(&mut self) -> Result<()> {
        match self {
            Self::Whole(training) => {
                training.predict_nothing();
                Ok(())
            }
            Self::Replica(_) => Err(Error::Internal("replicas in places of their own always predict".into())),
            Self::Keyed(_) => Err(Error::Internal("models of keys always predict".into())),
        }
    }

    /// Tells that rows are those of history: whether there are to be several passes over them.
    pub(crate) fn begin_history(&mut self) -> bool {
        match self {
            Self::Whole(training) => {
                training.begin_history();
                training.model().needs_history()
            }
            Self::Replica(_) | Self::Keyed(_) => false,
        }
    }

    /// Ends a pass over history: whether a search needs another.
    pub(crate) fn end_pass(&mut self) -> Result<bool, tidegate_ml::Error> {
        match self {
            Self::Whole(training) => training.end_pass(),
            Self::Replica(_) | Self::Keyed(_) => Ok(false),
        }
    }

    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>, tidegate_ml::Error> {
        match self {
            Self::Whole(training) => training.check(batch),
            Self::Replica(replica) => replica.check(batch),
            Self::Keyed(learning) => learning.keyed().check(batch),
        }
    }

    /// Ends the input; gives the versions whose point was not reached before.
    pub(crate) fn end(&mut self, threads: &Threads) -> Result<Vec<Version>, tidegate_ml::Error> {
        match self {
            Self::Whole(training) => Ok(training.finish(threads)?.into_iter().map(Version::from).collect()),
            Self::Replica(replica) => {
                replica.finish(threads)?;
                Ok(Vec::new())
            }
            Self::Keyed(learning) => learning.end(),
        }
    }

    /// All that was learned.
    pub(crate) fn last(&mut self) -> Result<Version, tidegate_ml::Error> {
        match self {
            Self::Whole(training) => {
                let model = training.model();
                let (rows_learned, artifact) = (model.rows_learned(), Artifact::Bytes(model.save()));
                Ok(Version { time: 0, row: 0, rows_learned, artifact })
            }
            Self::Replica(replica) => {
                let model = replica.model();
                let (rows_learned, artifact) = (model.rows_learned(), Artifact::Bytes(model.save()));
                Ok(Version { time: 0, row: 0, rows_learned, artifact })
            }
            Self::Keyed(learning) => learning.last(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Whole(training) => training.counts(),
            Self::Replica(replica) => replica.counts(),
            Self::Keyed(learning) => learning.keyed().counts(),
        }
    }

    pub(crate) fn pending_rows(&self) -> usize {
        match self {
            Self::Whole(training) => training.pending_rows(),
            Self::Replica(replica) => replica.pending_rows(),
            Self::Keyed(learning) => learning.keyed().pending_rows(),
        }
    }

    pub(crate) fn state_bytes(&self) -> usize {
        match self {
            Self::Whole(training) => training.state_bytes(),
            Self::Replica(replica) => replica.state_bytes(),
            Self::Keyed(learning) => learning.state_bytes(),
        }
    }

    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Whole(training) => Ok(training.save()),
            Self::Replica(replica) => Ok(replica.save()),
            Self::Keyed(learning) => learning.snapshot(),
        }
    }

    pub(crate) fn restore(&mut self, model: &str, state: &[u8]) -> Result<()> {
        let damaged = |error| Error::Storage(format!("the checkpoint of model '{model}': {error}"));
        match self {
            Self::Whole(training) => training.restore(state).map_err(damaged),
            Self::Replica(replica) => replica.restore(state).map_err(damaged),
            Self::Keyed(learning) => learning.restore(state),
        }
    }
}

/// How one model learns from all rows, from nothing or from a version.
fn whole(entry: &ModelEntry, start: Option<u64>, registry: &OpenRegistry) -> Result<Box<dyn Training>> {
    let model = first(entry, start, registry)?;
    let mut training = entry.training(model).map_err(|error| model_error(&entry.name, error))?;
    training.set_pending_rows_max(usize::try_from(entry.training.int("label.rows-waiting-max")).ok());
    training.set_version_points(entry.version_points.iter().map(|(time, _)| *time).collect());
    Ok(training)
}

/// The model that learning begins with: untrained, or that of a version.
pub(crate) fn first(entry: &ModelEntry, start: Option<u64>, registry: &OpenRegistry) -> Result<Model> {
    Ok(match start {
        Some(number) => {
            if keyed_version(registry.open()?, &entry.name, number)?.is_some() {
                return Err(Error::Data(format!(
                    "model '{}' cannot go on from version {number}, which has a model a key: write TABLE … PARTITION BY",
                    entry.name
                )));
            }
            let bytes = version_bytes(registry.open()?, &entry.name, number)?;
            let mut model = Model::load(&bytes).map_err(|error| unreadable(entry, number, error))?;
            check_start(entry, &model, number)?;
            model.go_on().map_err(|error| model_error(&entry.name, error))?;
            model
        }
        None => Model::new(entry.spec.clone()).map_err(|error| Error::Internal(error.to_string()))?,
    })
}

/// The version that the models of keys go on from.
fn keyed_start(entry: &ModelEntry, number: u64, registry: &OpenRegistry) -> Result<Reader<BufReader<File>>> {
    let Some(reader) = keyed_version(registry.open()?, &entry.name, number)? else {
        return Err(Error::Data(format!(
            "model '{}' cannot go on from version {number}, which is one model for all rows: leave PARTITION BY out",
            entry.name
        )));
    };
    let untrained = Model::load(&reader.header().untrained).map_err(|error| unreadable(entry, number, error))?;
    check_start(entry, &untrained, number)?;
    if untrained.spec() != &entry.spec {
        return Err(Error::Data(format!(
            "model '{}' cannot go on from version {number}: models of keys go on only with what was declared then",
            entry.name
        )));
    }
    Ok(reader)
}

fn unreadable(entry: &ModelEntry, number: u64, error: tidegate_ml::Error) -> Error {
    Error::Storage(format!("version {number} of model '{}': {error}", entry.name))
}

/// Whether training can go on from a version's model.
fn check_start(entry: &ModelEntry, model: &Model, number: u64) -> Result<()> {
    if model.spec().inputs != entry.spec.inputs || model.spec().label != entry.spec.label {
        return Err(Error::Data(format!(
            "model '{}' cannot go on from version {number}: its INPUT or OUTPUT was declared otherwise then",
            entry.name
        )));
    }
    Ok(())
}
