//! The models that a script can name: those it declared, and those of the registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use tidegate_ml::{Model, ModelSpec};
use tidegate_registry::{Registry, VersionRef};
use tidegate_sql::ModelVersion;
use tidegate_sql::call::ModelRef;

use crate::plan::node::LoadedModel;
use crate::{Error, Result};
use tidegate_training::{KeyedVersion, ModelEntry, OpenRegistry, keyed_version, version_bytes};

/// The models that a script can name.
#[derive(Debug)]
pub(crate) struct Models {
    declared: RwLock<BTreeMap<String, Arc<ModelEntry>>>,
    /// Registered models that the script uses without declaring them, and loaded versions, so that one is the same each time.
    registered: RwLock<BTreeMap<String, Arc<ModelEntry>>>,
    loaded: RwLock<BTreeMap<(String, u64), Arc<LoadedModel>>>,
    registry: Arc<OpenRegistry>,
    /// A script is only checked: a declared model stands in for the version that it has not got yet.
    checking: bool,
}

impl Models {
    pub(crate) fn new(registry_path: PathBuf, checking: bool) -> Self {
        Self {
            declared: RwLock::default(),
            registered: RwLock::default(),
            loaded: RwLock::default(),
            registry: Arc::new(OpenRegistry::at(registry_path)),
            checking,
        }
    }

    /// The same declarations over another registry.
    pub(crate) fn with_registry(&self, registry_path: PathBuf) -> Self {
        let other = Self::new(registry_path, self.checking);
        write(&other.declared)
            .extend(read(&self.declared).iter().map(|(name, entry)| (name.clone(), Arc::clone(entry))));
        other
    }

    /// The registry, opened when it is first needed.
    pub(crate) fn registry(&self) -> Result<&Arc<Registry>> {
        Ok(self.registry.open()?)
    }

    /// The registry, opened or not.
    pub(crate) fn open_registry(&self) -> Arc<OpenRegistry> {
        Arc::clone(&self.registry)
    }

    pub(crate) fn declare(&self, entry: ModelEntry) {
        write(&self.declared).insert(entry.name.clone(), Arc::new(entry));
    }

    pub(crate) fn declared(&self, name: &str) -> Option<Arc<ModelEntry>> {
        read(&self.declared).get(name).cloned()
    }

    pub(crate) fn undeclare(&self, name: &str) -> bool {
        write(&self.declared).remove(name).is_some()
    }

    pub(crate) fn declared_names(&self) -> Vec<String> {
        read(&self.declared).keys().cloned().collect()
    }

    /// The model to train, and the version to go on from. A version that is named is gone on from; a model that is only
    /// declared starts anew, unless it says `'warm-start' = 'true'`.
    pub(crate) fn for_training(&self, reference: &ModelRef) -> Result<(Arc<ModelEntry>, Option<u64>), ReferenceError> {
        let declared = self.declared(&reference.name);
        let warm = declared.as_ref().is_none_or(|entry| entry.training.bool("warm-start"));
        let start = match (&reference.version, warm) {
            (ModelVersion::Latest, false) => None,
            (ModelVersion::Latest, true) => match self.resolve(reference) {
                Ok(number) => Some(number),
                Err(ReferenceError::Wrong(_)) if declared.is_some() => None,
                Err(error) => return Err(error),
            },
            _ if self.checking && declared.is_some() => None,
            _ => Some(self.resolve(reference)?),
        };
        let entry = match (declared, start) {
            (Some(entry), _) => entry,
            (None, Some(number)) => self.registered_entry(&reference.name, number)?,
            (None, None) => return Err(self.unknown(&reference.name).into()),
        };
        Ok((entry, start))
    }

    /// The version that a reference means.
    fn resolve(&self, reference: &ModelRef) -> Result<u64, ReferenceError> {
        match self.registry()?.resolve(&reference.name, &version_ref(&reference.version)) {
            Ok(version) => Ok(version.number),
            Err(error) if !names_nothing(&error) => Err(storage(error).into()),
            Err(error) => Err(ReferenceError::Wrong(match self.declared(&reference.name) {
                Some(_) if matches!(reference.version, ModelVersion::Latest) => format!(
                    "model '{}' is declared but has no version yet: train it first, with ML_TRAIN or CREATE MODEL … AS SELECT",
                    reference.name
                ),
                Some(_) => error.to_string(),
                None if matches!(reference.version, ModelVersion::Latest) => self.unknown(&reference.name),
                None => error.to_string(),
            })),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let mut known = self.declared_names();
        if let Ok(registry) = self.registry()
            && let Ok(models) = registry.models()
        {
            known.extend(models.into_iter().map(|model| model.name));
        }
        match tidegate_options::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("there is no model '{name}'; did you mean '{near}'?"),
            None if known.is_empty() => format!("there is no model '{name}'; declare it with CREATE MODEL"),
            None => format!("there is no model '{name}'; there are: {}", known.join(", ")),
        }
    }

    fn registered_entry(&self, name: &str, number: u64) -> Result<Arc<ModelEntry>, ReferenceError> {
        if let Some(entry) = read(&self.registered).get(name) {
            return Ok(Arc::clone(entry));
        }
        let version = self.registry()?.resolve(name, &VersionRef::Number(number)).map_err(storage)?;
        let spec: ModelSpec = serde_json::from_value(version.facts.spec)
            .map_err(|error| format!("version {number} of model '{name}' has no readable specification: {error}"))?;
        let entry = ModelEntry::registered(spec, version.facts.parameters).map_err(|refusal| refusal.message)?;
        let entry = Arc::new(entry);
        write(&self.registered).insert(name.to_string(), Arc::clone(&entry));
        Ok(entry)
    }

    /// A version, ready to predict.
    pub(crate) fn load(&self, reference: &ModelRef) -> Result<Arc<LoadedModel>, ReferenceError> {
        let number = match self.resolve(reference) {
            Ok(number) => number,
            Err(error) => {
                return match (error, self.declared(&reference.name)) {
                    (ReferenceError::Wrong(_), Some(entry)) if self.checking => Ok(self.untrained(reference, &entry)?),
                    (error, _) => Err(error),
                };
            }
        };
        let key = (reference.name.clone(), number);
        if let Some(model) = read(&self.loaded).get(&key) {
            return Ok(Arc::clone(model));
        }
        let unreadable = |error| Error::Storage(format!("version {number} of model '{}': {error}", reference.name));
        let registry = self.registry()?;
        let (bytes, keyed) = match keyed_version(registry, &reference.name, number).map_err(Error::from)? {
            Some(reader) => (reader.header().untrained.clone(), Some(KeyedVersion::new(number, reader))),
            None => (version_bytes(registry, &reference.name, number).map_err(Error::from)?, None),
        };
        let mut model = Model::load(&bytes).map_err(unreadable)?;
        model.set_version(number);
        let reference = format!("{}${number}", reference.name);
        let loaded = Arc::new(LoadedModel { reference, model, keyed, stands_in: false });
        write(&self.loaded).insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    fn untrained(&self, reference: &ModelRef, entry: &ModelEntry) -> Result<Arc<LoadedModel>, String> {
        let model = Model::new(entry.spec.clone()).map_err(|error| error.to_string())?;
        Ok(Arc::new(LoadedModel { reference: reference.to_string(), model, keyed: None, stands_in: true }))
    }
}

/// Why a model cannot be used where a script names it.
#[derive(Debug)]
pub(crate) enum ReferenceError {
    /// The name is wrong; the message is for its place in the script.
    Wrong(String),
    /// The name may be right, but the registry failed.
    Registry(Error),
}

impl From<String> for ReferenceError {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl From<Error> for ReferenceError {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

/// Whether the registry is well, and only has not got what was asked for.
fn names_nothing(error: &tidegate_registry::Error) -> bool {
    use tidegate_registry::Error as E;
    matches!(
        error,
        E::InvalidName { .. }
            | E::UnknownModel { .. }
            | E::UnknownVersion { .. }
            | E::UnknownAlias { .. }
            | E::NoVersion { .. }
    )
}

/// How the registry writes what the language means.
pub(crate) fn version_ref(version: &ModelVersion) -> VersionRef {
    match version {
        ModelVersion::Latest => VersionRef::Current,
        ModelVersion::Number(number) => VersionRef::Number(*number),
        ModelVersion::Alias(alias) => VersionRef::Alias(alias.clone()),
    }
}

/// An error of the registry.
pub(crate) fn storage(error: tidegate_registry::Error) -> Error {
    Error::Storage(error.to_string())
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
