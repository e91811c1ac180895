//! The SQLite file: opening it, its schema, and what its errors mean.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::error::{Error, Result};

/// The schema that this program writes. Raise it with every change to [`SCHEMA`] and add the step that upgrades.
const SCHEMA_VERSION: i64 = 1;

/// Marks the file as ours: "Tide" in ASCII.
const APPLICATION_ID: i64 = 0x5469_6465;

/// How long a write waits for another process's. A write takes as long as its artifact takes to reach the disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// Times are milliseconds since 1970-01-01 UTC. A metric that is not a number is NULL, as SQLite stores it.
const SCHEMA: &str = "
CREATE TABLE model (
  id          INTEGER PRIMARY KEY,
  name        TEXT    NOT NULL UNIQUE,
  created_at  INTEGER NOT NULL,
  next_number INTEGER NOT NULL
) STRICT;
CREATE TABLE version (
  id               INTEGER PRIMARY KEY,
  model_id         INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  number           INTEGER NOT NULL,
  key              TEXT    NOT NULL,
  job              TEXT    NOT NULL,
  created_at       INTEGER NOT NULL,
  spec             TEXT    NOT NULL,
  parameters       TEXT    NOT NULL,
  rows_learned     INTEGER NOT NULL,
  data_fingerprint TEXT,
  trained_until    INTEGER,
  artifact_sha256  TEXT    NOT NULL,
  artifact_bytes   INTEGER NOT NULL,
  UNIQUE (model_id, number),
  UNIQUE (model_id, key)
) STRICT;
CREATE INDEX version_artifact ON version (artifact_sha256);
CREATE TABLE metric (
  version_id INTEGER NOT NULL REFERENCES version (id) ON DELETE CASCADE,
  name       TEXT    NOT NULL,
  value      REAL,
  PRIMARY KEY (version_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE alias (
  model_id   INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  name       TEXT    NOT NULL,
  version_id INTEGER NOT NULL REFERENCES version (id),
  PRIMARY KEY (model_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_version ON alias (version_id);
";

/// The open database. One connection, used by one thread at a time: every call is short.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens the database and creates its tables if it is new.
    ///
    /// The lock file is held throughout, because SQLite's change to write-ahead logging does not wait for its turn: of two
    /// processes that create one registry at the same moment, one would fail.
    pub(crate) fn open(path: PathBuf, lock: &Path) -> Result<Self> {
        let lock_file = File::create(lock).map_err(Error::file("create", lock))?;
        lock_file.lock().map_err(Error::file("lock", lock))?;
        let mut connection = Connection::open(&path).map_err(|e| explain(&path, e))?;
        prepare(&mut connection, &path)?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// Runs `work` in one transaction on a consistent view of the facts. It must not write.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// Runs `work` in one transaction that holds the write lock from its beginning: all of it happens or none.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut connection = self.lock();
        let run = |connection: &mut Connection| -> Result<T, Failure> {
            let transaction: Transaction<'_> = connection.transaction_with_behavior(behavior)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run(&mut connection).map_err(|failure| match failure {
            Failure::Told(error) => error,
            Failure::Sqlite(error) => explain(&self.path, error),
        })
    }

    /// A thread that panicked inside a transaction has rolled it back, so the connection is still good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the work in a transaction failed: for a reason of ours, or in SQLite.
pub(crate) enum Failure {
    Told(Error),
    Sqlite(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    let sqlite = |e| explain(path, e);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    // Before anything is changed: is it ours, and do we know it?
    let pragma = |connection: &Connection, name| connection.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    let found = pragma(connection, "user_version").map_err(sqlite)?;
    let application = pragma(connection, "application_id").map_err(sqlite)?;
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(sqlite)?;
    let is_new = tables == 0 && found == 0 && application == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(Error::NotARegistry { path: path.to_owned() });
    }
    if found > SCHEMA_VERSION {
        return Err(Error::NewerSchema { path: path.to_owned(), found, supported: SCHEMA_VERSION });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sqlite)?;
    // A version that was registered must outlast a power failure.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    if is_new {
        let create = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            transaction.commit()
        };
        create(connection).map_err(sqlite)?;
    }
    Ok(())
}

/// What an error of SQLite's means to the caller.
fn explain(path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::CorruptDatabase { path, reason: source.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Busy { path, waited_seconds: BUSY_TIMEOUT.as_secs() }
        }
        _ => Error::Database { path, source },
    }
}
