//! What can go wrong, told by what the caller has to do about it.

use std::path::{Path, PathBuf};

/// The result of every registry call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a registry call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the request: the name cannot be a model's or an alias's.
    #[error(
        "'{name}' cannot be the name of {}: expected a letter or '_', then letters, digits, '_', '.' and '-' (200 at most)",
        match *what { "alias" => "an alias", _ => "a model" }
    )]
    InvalidName {
        /// `model` or `alias`.
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// Fix the request: there is no such model.
    #[error("unknown model '{model}'{suggestion}")]
    UnknownModel {
        /// The name given.
        model: String,
        /// The nearest name and what exists.
        suggestion: String,
    },
    /// Fix the request: the model has no version of that number.
    #[error("model '{model}' has no version {number}; {existing}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// The number given.
        number: u64,
        /// Which numbers exist.
        existing: String,
    },
    /// Fix the request: the model has no such alias.
    #[error("model '{model}' has no alias '{alias}'{suggestion}")]
    UnknownAlias {
        /// The model.
        model: String,
        /// The alias given.
        alias: String,
        /// The nearest name and what exists.
        suggestion: String,
    },
    /// Fix the request: every version of the model was deleted.
    #[error("model '{model}' has no version: each was deleted; train it again, or delete the model")]
    NoVersion {
        /// The model.
        model: String,
    },
    /// Fix the request: a version that an alias points at cannot be deleted.
    #[error("version {number} of model '{model}' cannot be deleted: alias {} points at it; move or drop the alias first",
        aliases.iter().map(|a| format!("'{a}'")).collect::<Vec<_>>().join(" and "))]
    VersionInUse {
        /// The model.
        model: String,
        /// The version.
        number: u64,
        /// The aliases that point at it.
        aliases: Vec<String>,
    },
    /// Fix the request: a model cannot be renamed to a name that is taken.
    #[error("a model '{model}' exists already; choose another name, or delete that model first")]
    ModelExists {
        /// The name that is taken.
        model: String,
    },
    /// Restore the data: the artifact's file is gone.
    #[error("the artifact of version {number} of model '{model}' is missing: {} does not exist", path.display())]
    MissingArtifact {
        /// The model.
        model: String,
        /// The version.
        number: u64,
        /// Where the artifact should be.
        path: PathBuf,
    },
    /// Restore the data: the artifact's file is not what was registered.
    #[error(
        "the artifact of version {number} of model '{model}' is corrupt: {} has {bytes} bytes with SHA-256 {sha256}, \
         expected {bytes_expected} bytes with {sha256_expected}",
        path.display()
    )]
    CorruptArtifact {
        /// The model.
        model: String,
        /// The version.
        number: u64,
        /// The artifact's file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its digest.
        sha256: String,
        /// The length registered.
        bytes_expected: u64,
        /// The digest registered.
        sha256_expected: String,
    },
    /// Upgrade Tidegate: a newer one wrote the registry.
    #[error(
        "the registry {} has schema version {found}; this Tidegate knows versions up to {supported}: use a newer Tidegate",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        supported: i64,
    },
    /// Fix the request: the file is another program's database.
    #[error("{} is an SQLite database, but not a Tidegate registry; choose another folder", path.display())]
    NotARegistry {
        /// The database.
        path: PathBuf,
    },
    /// Restore the data: the database is damaged.
    #[error("the registry's database {} is corrupt ({reason}); restore it from a backup, or move it away", path.display())]
    CorruptDatabase {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Try again: another process held the write lock for too long.
    #[error("the registry {} is in use: another process has been writing to it for over {waited_seconds} s", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
        /// How long this call waited.
        waited_seconds: u64,
    },
    /// Look at the machine: the database could not be read or written (a full disk, missing rights).
    #[error("the registry's database {} failed: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Look at the machine: a file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err` around a file operation.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
