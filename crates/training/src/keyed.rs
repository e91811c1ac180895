//! A model a key, as ML_TRAIN over `TABLE t PARTITION BY key` trains it: [`Keyed`] with its states in a [`Store`], and versions
//! as files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use serde::{Deserialize, Serialize};
use tidegate_ml::keyed::version::{Header, Reader, Writer, state_of};
use tidegate_ml::keyed::{Keyed, KeyedArrivals, KeyedSettings, Reached, Unknown, is_over, learned_of};
use tidegate_ml::keys::Keys;
use tidegate_ml::snapshot::{decode, encode};
use tidegate_ml::{Error as MlError, Model, Result as MlResult};

use crate::learning::{Artifact, Made, Times, Version};
use crate::model::ModelEntry;
use crate::store::Store;
use crate::threads::Threads;
use crate::{Error, Result, model_error};

/// Models of keys that learn from a stream.
pub(crate) struct KeyedLearning {
    keyed: Keyed<Store>,
    about: About,
    /// The version to go on from, until it is read.
    start: Option<Reader<BufReader<File>>>,
}

/// What versions say of themselves, and where they are written.
struct About {
    folder: PathBuf,
    model: String,
    key_columns: Vec<String>,
    settings: KeyedSettings,
    snapshots: Snapshots,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    keyed: Vec<u8>,
    states: SavedStates,
}

#[derive(Serialize, Deserialize)]
enum SavedStates {
    Savepoint(u64),
    Whole(Vec<u8>),
}

/// Where the states of keys are kept, and in how many parts.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The folder of their file, if there is one.
    pub folder: &'a Path,
    /// The parts, each of which is worked on by one thread.
    pub shards: usize,
    /// What snapshots hold of them.
    pub snapshots: Snapshots,
}

/// What a snapshot holds of the states of keys.
#[derive(Debug, Clone, Copy)]
pub enum Snapshots {
    /// The name of a savepoint in their file, which stays: taking one costs what has changed.
    Savepoints {
        /// How many must be able to be gone back to.
        retained: usize,
    },
    /// All of them: nothing in the folder needs to be there later.
    Whole,
}

impl KeyedLearning {
    pub(crate) fn new(
        entry: &ModelEntry,
        key_columns: Vec<String>,
        place: Place<'_>,
        start: Option<Reader<BufReader<File>>>,
    ) -> MlResult<Self> {
        let settings = settings(entry);
        let memory_bytes_max = entry.training.bytes("keyed.memory").and_then(|bytes| usize::try_from(bytes).ok());
        let store = Store::new(place, &entry.name, memory_bytes_max.unwrap_or(usize::MAX));
        let mut keyed = Keyed::new(&entry.spec, store, settings)?;
        keyed.set_version_points(entry.version_points.iter().map(|(time, _)| *time).collect());
        let (folder, model, snapshots) = (place.folder.to_path_buf(), entry.name.clone(), place.snapshots);
        let about = About { folder, model, key_columns, settings, snapshots };
        Ok(Self { keyed, about, start })
    }

    /// Takes in what the version has learned that training goes on from.
    fn begin(&mut self) -> MlResult<()> {
        let Some(mut from) = self.start.take() else { return Ok(()) };
        if let Some(prior) = &from.header().prior {
            self.keyed.set_prior(Model::load(prior)?);
        }
        let store = self.keyed.states();
        let mut taking = store.taking();
        from.each(&mut |key, learned| taking.take(key, state_of(learned)?).map_err(store_error))
    }

    pub(crate) fn process(
        &mut self,
        batch: &RecordBatch,
        keys: &[ArrayRef],
        times: Times<'_>,
        threads: &Threads,
    ) -> MlResult<Made> {
        self.begin()?;
        let keys = Keys::read(keys, batch.num_rows())?;
        let Times { event_time, label_time, delay } = times;
        let arrivals = KeyedArrivals { batch, keys: &keys, event_time, label_time, delay };
        let (about, mut versions) = (&self.about, Vec::new());
        let predictions = self.keyed.process(&arrivals, threads, &mut |keyed, reached| {
            versions.push(about.version(keyed, reached)?);
            Ok(())
        })?;
        self.keyed.states().settle().map_err(store_error)?;
        Ok(Made { predictions, versions })
    }

    /// Ends the input; returns versions whose point was not reached before.
    pub(crate) fn end(&mut self) -> MlResult<Vec<Version>> {
        self.begin()?;
        let (about, mut versions) = (&self.about, Vec::new());
        self.keyed.finish(&mut |keyed, reached| {
            versions.push(about.version(keyed, reached)?);
            Ok(())
        })?;
        Ok(versions)
    }

    /// All that was learned, as a version.
    pub(crate) fn last(&mut self) -> MlResult<Version> {
        self.begin()?;
        let (time, rows_learned) = (self.keyed.watermark(), self.keyed.counts().learned_rows);
        let artifact = Artifact::File(self.about.write(&mut self.keyed, "final", time)?);
        Ok(Version { time, row: 0, rows_learned, artifact })
    }

    pub(crate) fn keyed(&self) -> &Keyed<Store> {
        &self.keyed
    }

    /// Bytes of memory that all of it takes.
    pub(crate) fn state_bytes(&self) -> usize {
        self.keyed.state_bytes() + self.keyed.store().bytes()
    }

    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.begin().map_err(|error| model_error(&self.about.model, error))?;
        let (ttl, watermark) = (self.about.settings.ttl, self.keyed.watermark());
        let over = |state: &[u8]| is_over(state, ttl, watermark).map_err(|error| Error::Storage(error.to_string()));
        let states = match self.about.snapshots {
            Snapshots::Savepoints { .. } => SavedStates::Savepoint(self.keyed.states().checkpoint(&over)?),
            Snapshots::Whole => SavedStates::Whole(self.keyed.states().export(&over)?),
        };
        Ok(encode(&Saved { keyed: self.keyed.save(), states }))
    }

    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.start = None;
        let damaged =
            |error: String| Error::Storage(format!("the checkpoint of model '{}': {error}", self.about.model));
        let saved: Saved = decode(state).map_err(|error| damaged(error.to_string()))?;
        self.keyed.restore(&saved.keyed).map_err(|error| damaged(error.to_string()))?;
        match saved.states {
            SavedStates::Savepoint(savepoint) => self.keyed.states().restore(savepoint),
            SavedStates::Whole(states) => self.keyed.states().import(&states),
        }
    }
}

impl About {
    fn version(&self, keyed: &mut Keyed<Store>, reached: Reached) -> MlResult<Version> {
        let Reached { time, row, rows_learned } = reached;
        // At the end of the input no time has come beyond that of the rows.
        let until = time.min(keyed.watermark());
        let artifact = Artifact::File(self.write(keyed, &format!("at-{time}"), until)?);
        Ok(Version { time, row, rows_learned, artifact })
    }

    /// Writes what all keys have learned that are not over at `time`.
    fn write(&self, keyed: &mut Keyed<Store>, point: &str, time: i64) -> MlResult<PathBuf> {
        let path = self.folder.join(format!("version-{}-{point}", self.model));
        let failed = |error: std::io::Error| MlError::Store(format!("cannot write {}: {error}", path.display()));
        let header = Header {
            untrained: keyed.untrained().save(),
            prior: keyed.prior().map(Model::save),
            key_columns: self.key_columns.clone(),
            unknown: self.settings.unknown,
        };
        let file = BufWriter::new(File::create(&path).map_err(failed)?);
        let mut writer = Writer::new(file, &header)?;
        let ttl = self.settings.ttl;
        let written = keyed.states().each(&mut |key, state| {
            let add = || match is_over(state, ttl, time)? {
                true => Ok(None),
                false => learned_of(state).map(Some),
            };
            let learned = add().map_err(|error: MlError| Error::Storage(error.to_string()))?;
            learned.map_or(Ok(()), |learned| writer.add(key, learned).map_err(|e| Error::Storage(e.to_string())))
        });
        written.map_err(store_error)?;
        let (_, mut file) = writer.finish()?;
        file.flush().map_err(failed)?;
        Ok(path)
    }
}

/// How the models of keys are kept, as the declaration says.
fn settings(entry: &ModelEntry) -> KeyedSettings {
    let ttl = entry.training.duration("keyed.ttl").filter(|ttl| !ttl.is_zero());
    KeyedSettings {
        unknown: match entry.training.text("keyed.unknown") {
            "null" => Unknown::Null,
            "prior" => Unknown::Prior,
            _ => Unknown::Untrained,
        },
        ttl: ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
        pending_rows_max: usize::try_from(entry.training.int("label.rows-waiting-max")).ok(),
    }
}

fn store_error(error: Error) -> MlError {
    MlError::Store(error.to_string())
}
