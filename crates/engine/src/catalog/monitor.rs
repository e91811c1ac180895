//! Counts of what a table gave in the running job, and its dead letters.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tidegate_connectors::{BadRecord, Sink, dead_letters};

use crate::{Error, Result, SourceReport};

/// How many bad records are remembered: 8 bytes each. Beyond, one that several scans meet is counted by each.
const BAD_SEEN_MAX: usize = 1 << 20;

/// What a table gave in the running job. Shared by the threads that read it.
#[derive(Default)]
pub(crate) struct SourceMonitor {
    rows: AtomicU64,
    bytes: AtomicU64,
    bad: AtomicU64,
    scans: AtomicU64,
    /// Hashes of the places of bad records, so that one that several scans meet is counted and written once.
    bad_seen: Mutex<HashSet<u64>>,
    dead_letters: Mutex<Option<Box<dyn Sink>>>,
}

impl std::fmt::Debug for SourceMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceMonitor").field("rows", &self.rows).field("bad", &self.bad).finish_non_exhaustive()
    }
}

impl SourceMonitor {
    /// Begins a new job: counts from zero, writes bad records to `dead_letters` if given.
    pub(crate) fn reset(&self, dead_letters: Option<Box<dyn Sink>>) {
        self.restore(&SourceReport::default());
        self.scans.store(0, Ordering::Relaxed);
        self.bad_seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.lock() = dead_letters;
    }

    /// Goes on counting from a checkpoint.
    pub(crate) fn restore(&self, report: &SourceReport) {
        self.rows.store(report.rows, Ordering::Relaxed);
        self.bytes.store(report.bytes, Ordering::Relaxed);
        self.bad.store(report.bad, Ordering::Relaxed);
    }

    /// The job reads the table, once more.
    pub(crate) fn begin_scan(&self) {
        self.scans.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes in what a reader gave: rows, bytes since its last chunk, bad records.
    pub(crate) fn add(&self, rows: u64, bytes: u64, bad: &[BadRecord]) -> Result<()> {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if bad.is_empty() {
            return Ok(());
        }
        let new: Vec<BadRecord> = {
            let mut seen = self.bad_seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut is_new = |record: &&BadRecord| {
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&record.location);
                seen.len() >= BAD_SEEN_MAX || seen.insert(hash)
            };
            bad.iter().filter(|record| is_new(record)).cloned().collect()
        };
        self.add_bad(&new)
    }

    /// Takes in records found bad later on, such as rows that a model refuses.
    pub(crate) fn add_bad(&self, bad: &[BadRecord]) -> Result<()> {
        if bad.is_empty() {
            return Ok(());
        }
        self.bad.fetch_add(bad.len() as u64, Ordering::Relaxed);
        if let Some(sink) = self.lock().as_mut() {
            sink.write(&dead_letters(bad).map_err(storage)?).map_err(storage)?;
        }
        Ok(())
    }

    /// Runs `act` on the sink of dead letters, if there is one.
    pub(crate) fn with_dead_letters<T>(&self, act: impl FnOnce(&mut dyn Sink) -> Result<T>) -> Result<Option<T>> {
        match self.lock().as_mut() {
            Some(sink) => act(sink.as_mut()).map(Some),
            None => Ok(None),
        }
    }

    /// Makes the dead letters visible and closes their sink; the counts stay for the report. Gives the log of the commit.
    pub(crate) fn finish_dead_letters(&self) -> Result<Option<PathBuf>> {
        match self.lock().take() {
            Some(mut sink) => Ok(sink.finish().map_err(storage)?.log),
            None => Ok(None),
        }
    }

    /// The counts, under the table's name; `None` if the job did not read it.
    pub(crate) fn report(&self, table: &str) -> Option<SourceReport> {
        let scans = self.scans.load(Ordering::Relaxed);
        (scans > 0).then(|| SourceReport {
            table: table.to_string(),
            scans,
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            bad: self.bad.load(Ordering::Relaxed),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn Sink>>> {
        self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of a connector, sorted by what the caller must do.
pub(crate) fn storage(error: tidegate_connectors::Error) -> Error {
    use tidegate_connectors::Error as E;
    match error {
        E::BadRecord { .. } | E::Corrupt { .. } => Error::Data(error.to_string()),
        _ if error.is_transient() => Error::Unavailable(error.to_string()),
        _ => Error::Storage(error.to_string()),
    }
}
