//! What a job leaves on disk so that it can go on after it was stopped or killed.
//!
//! ```text
//! <folder>/lock                 held by the process that runs the job
//! <folder>/run                  which script this is a run of, and how many of its steps are done
//! <folder>/step-<n>/checkpoint  the newest checkpoint of the step under way
//! <folder>/step-<n>/stage-<k>   rows that the step keeps on disk
//! <folder>/step-<n>/logs        of a step that is done: the sinks' logs that are still to be removed
//! ```
//! Files are replaced whole: written under another name, flushed, renamed. A run that ends well leaves nothing behind.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_connectors::forget;
use tidegate_ml::snapshot::{decode, encode, open, seal};

use crate::catalog::monitor::storage;
use crate::{Error, Result};

/// The folder of a job, locked while this value lives.
#[derive(Debug)]
pub(crate) struct JobFolder {
    path: PathBuf,
    _lock: File,
    run: Run,
}

/// One run of a script, from its start to its end, however often it is interrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Run {
    /// Tells this run from every other one.
    id: String,
    /// Of the script, its parameters and settings.
    fingerprint: u64,
    steps_done: u32,
}

/// Why an earlier run cannot be gone on with.
const CHANGED: &str = "the script, its parameters or its settings have changed since the job was interrupted: run with --fresh to begin anew, or put them back to go on";

impl JobFolder {
    /// Locks the folder, and finds the run to go on with or begins one. `fresh` forgets an earlier run.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds the folder; [`Error::Storage`] when the earlier run was of another script, or
    /// the disk refuses.
    pub(crate) fn open(path: &Path, fingerprint: u64, fresh: bool) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| failed("create", path, error))?;
        let lock = lock(path)?;
        let mut folder = Self { path: path.to_path_buf(), _lock: lock, run: Run::begin(fingerprint) };
        match read_sealed::<Run>(&folder.path.join("run"), "run")? {
            Some(run) if !fresh && run.fingerprint == fingerprint => {
                folder.run = run;
                for step in 0..folder.steps_done() {
                    folder.tidy_up(step)?;
                }
            }
            // A run that failed before it had done anything leaves nothing to go on with: mend the script and run it again.
            Some(run) if !fresh && (run.steps_done > 0 || folder.has_checkpoint()?) => {
                return Err(Error::Storage(format!("{}: {CHANGED}", path.display())));
            }
            _ => {
                folder.clear()?;
                folder.save_run()?;
            }
        }
        Ok(folder)
    }

    /// A folder for something that is never gone on with, such as a SELECT: `parent/.<name>-<process>`, which no job's
    /// folder is called. Those that killed processes left are removed.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn passing(parent: &Path, name: &str) -> Result<Self> {
        let prefix = format!(".{name}-");
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            // One that is in use is locked, and stays.
            if entry.file_name().to_string_lossy().starts_with(&prefix)
                && let Ok(left) = Self::open(&entry.path(), 0, true)
            {
                left.end()?;
            }
        }
        Self::open(&parent.join(format!("{prefix}{}", std::process::id())), 0, true)
    }

    /// Names this run.
    pub(crate) fn run_id(&self) -> &str {
        &self.run.id
    }

    /// How many steps of the script are done.
    pub(crate) fn steps_done(&self) -> usize {
        self.run.steps_done as usize
    }

    /// The folder of a step, made if it is not there.
    pub(crate) fn step(&self, step: usize) -> Result<PathBuf> {
        let path = self.path.join(format!("step-{step}"));
        fs::create_dir_all(&path).map_err(|error| failed("create", &path, error))?;
        Ok(path)
    }

    /// Marks a step as done, and removes what it kept: in its folder, and the logs of its sinks.
    pub(crate) fn step_done(&mut self, step: usize, logs: &[PathBuf]) -> Result<()> {
        write_sealed(&self.step(step)?.join("logs"), "logs", &logs)?;
        self.run.steps_done = step as u32 + 1;
        self.save_run()?;
        self.tidy_up(step)
    }

    /// Removes what a step kept that is done, as far as that has not been done yet.
    fn tidy_up(&self, step: usize) -> Result<()> {
        let path = self.path.join(format!("step-{step}"));
        let logs: Option<Vec<PathBuf>> = read_sealed(&path.join("logs"), "logs")?;
        for log in logs.iter().flatten() {
            forget(log).map_err(storage)?;
        }
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// The whole script is done: nothing is left to go on with.
    pub(crate) fn end(self) -> Result<()> {
        self.clear()?;
        let path = self.path.clone();
        drop(self);
        // Another job may have come in the meantime; its files keep the folder.
        let _ = fs::remove_file(path.join("lock"));
        let _ = fs::remove_dir(&path);
        Ok(())
    }

    /// Whether the step under way has come to a checkpoint.
    fn has_checkpoint(&self) -> Result<bool> {
        let entries = fs::read_dir(&self.path).map_err(|error| failed("read", &self.path, error))?;
        Ok(entries.filter_map(|entry| entry.ok()).any(|entry| entry.path().join("checkpoint").exists()))
    }

    fn save_run(&self) -> Result<()> {
        write_sealed(&self.path.join("run"), "run", &self.run)
    }

    fn clear(&self) -> Result<()> {
        let entries = fs::read_dir(&self.path).map_err(|error| failed("read", &self.path, error))?;
        for entry in entries {
            let path = entry.map_err(|error| failed("read", &self.path, error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let removed = match name.as_str() {
                name if name.starts_with("step-") => fs::remove_dir_all(&path),
                "run" | "run.unfinished" => fs::remove_file(&path),
                _ => continue,
            };
            removed.map_err(|error| failed("remove", &path, error))?;
        }
        Ok(())
    }
}

impl Run {
    fn begin(fingerprint: u64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { id: format!("{:x}-{:x}", now.as_nanos(), std::process::id()), fingerprint, steps_done: 0 }
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::Busy { folder: folder.to_path_buf(), pid: holder.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(std::process::id().to_string().as_bytes()));
    written.map_err(|error| failed("write", &path, error))?;
    Ok(file)
}

/// Replaces a file by a sealed value, so that a crash leaves the old one or the new one.
pub(crate) fn write_sealed<T: Serialize>(path: &Path, kind: &str, value: &T) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let bytes = seal(kind, 1, &encode(value));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // What little room it took may be what is missing.
        let _ = fs::remove_file(&unfinished);
        return Err(failed("write", path, error));
    }
    fs::rename(&unfinished, path).map_err(|error| failed("write", path, error))?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("flush", folder, error))?;
    }
    Ok(())
}

/// Reads a value that [`write_sealed`] wrote; `None` if there is no such file.
pub(crate) fn read_sealed<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, error)),
    };
    let damaged = |error| Error::Storage(format!("{}: {error}; run with --fresh to begin anew", path.display()));
    open(kind, 1, &bytes).and_then(decode).map(Some).map_err(damaged)
}

fn failed(action: &str, path: &Path, error: std::io::Error) -> Error {
    Error::Storage(format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_job_and_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = JobFolder::open(folder.path(), 1, false).unwrap();
        let error = JobFolder::open(folder.path(), 1, false).unwrap_err();
        assert!(matches!(error, Error::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
        drop(held);
        assert!(JobFolder::open(folder.path(), 1, false).is_ok());
    }

    #[test]
    fn a_run_is_gone_on_with_unless_the_script_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = JobFolder::open(folder.path(), 1, false).unwrap();
        first.step_done(0, &[]).unwrap();
        let id = first.run_id().to_string();
        drop(first);
        let again = JobFolder::open(folder.path(), 1, false).unwrap();
        assert_eq!((again.run_id(), again.steps_done()), (id.as_str(), 1));
        drop(again);
        assert!(JobFolder::open(folder.path(), 2, false).unwrap_err().to_string().contains("--fresh"));
        let anew = JobFolder::open(folder.path(), 2, true).unwrap();
        assert_eq!(anew.steps_done(), 0);
        // Nothing is done yet: another script may begin.
        drop(anew);
        let other = JobFolder::open(folder.path(), 3, false).unwrap();
        let step = other.step(0).unwrap();
        write_sealed(&step.join("checkpoint"), "checkpoint", &1u32).unwrap();
        drop(other);
        assert!(JobFolder::open(folder.path(), 4, false).unwrap_err().to_string().contains("--fresh"));
        JobFolder::open(folder.path(), 3, false).unwrap().end().unwrap();
        assert!(!folder.path().join("run").exists());
    }

    #[test]
    fn logs_of_a_step_that_is_done_are_removed_by_it_or_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(".tidegate-run-0-0.t.csv.commit");
        for killed in [false, true] {
            let job = folder.path().join("job");
            let mut held = JobFolder::open(&job, 1, true).unwrap();
            fs::write(&log, b"log").unwrap();
            if killed {
                // What a process leaves that is killed between marking the step as done and tidying up.
                held.run.steps_done = 1;
                held.save_run().unwrap();
                write_sealed(&held.step(0).unwrap().join("logs"), "logs", &vec![&log]).unwrap();
                drop(held);
                held = JobFolder::open(&job, 1, false).unwrap();
            } else {
                held.step_done(0, std::slice::from_ref(&log)).unwrap();
            }
            assert!(!log.exists() && !job.join("step-0").exists());
            assert_eq!(held.steps_done(), 1);
        }
        let mut held = JobFolder::open(&folder.path().join("job"), 1, true).unwrap();
        let other = folder.path().join("precious.csv");
        fs::write(&other, b"1").unwrap();
        assert!(held.step_done(0, std::slice::from_ref(&other)).is_err());
        assert!(other.exists(), "only logs are removed");
    }

    #[test]
    fn what_a_killed_process_left_of_something_passing_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join(".select-1");
        drop(JobFolder::open(&abandoned, 0, true).unwrap());
        let used = folder.path().join(".select-2");
        let held = JobFolder::open(&used, 0, true).unwrap();
        let other = folder.path().join("select-3");
        fs::create_dir(&other).unwrap();
        let own = JobFolder::passing(folder.path(), "select").unwrap();
        assert!(!abandoned.exists() && used.exists() && other.exists());
        own.end().unwrap();
        held.end().unwrap();
        assert!(!used.exists());
    }

    #[test]
    fn damaged_files_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        drop(JobFolder::open(folder.path(), 1, false).unwrap());
        fs::write(folder.path().join("run"), b"rubbish").unwrap();
        assert!(JobFolder::open(folder.path(), 1, false).unwrap_err().to_string().contains("not a Tidegate snapshot"));
    }
}
