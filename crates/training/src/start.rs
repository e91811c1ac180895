//! What a version of the registry holds.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use tidegate_ml::keyed::version::{Reader, is_keyed};
use tidegate_registry::{Registry, VersionRef};

use crate::{Error, Result};

/// The saved bytes of a version.
///
/// # Errors
/// There is no such version, or it cannot be read.
pub fn version_bytes(registry: &Registry, name: &str, number: u64) -> Result<Vec<u8>> {
    let version = registry.resolve(name, &VersionRef::Number(number))?;
    Ok(registry.load(&version)?)
}

/// A version, if it has a model a key.
///
/// # Errors
/// There is no such version, or it cannot be read.
pub fn keyed_version(registry: &Registry, name: &str, number: u64) -> Result<Option<Reader<BufReader<File>>>> {
    let version = registry.resolve(name, &VersionRef::Number(number))?;
    let unreadable = |error: String| Error::Storage(format!("version {number} of model '{name}': {error}"));
    let mut file = registry.open_artifact(&version)?;
    let mut start = Vec::new();
    file.by_ref().take(5).read_to_end(&mut start).map_err(|error| unreadable(error.to_string()))?;
    if !is_keyed(&start) {
        return Ok(None);
    }
    file.rewind().map_err(|error| unreadable(error.to_string()))?;
    Reader::open(BufReader::new(file)).map(Some).map_err(|error| unreadable(error.to_string()))
}
