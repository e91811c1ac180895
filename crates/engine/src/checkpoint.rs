//! What a job leaves on disk so that it can go on after it was stopped or killed.
//!
//! ```text
//! <folder>/lock                 held by the process that runs the job
//! <folder>/run                  which script this is a run of, and how many of its steps are done
//! <folder>/step-<n>/checkpoint  the newest checkpoint of the step under way: see [`crate::job::checkpoints`]
//! <folder>/step-<n>/written     of a bounded step: what it wrote is complete, and is about to be seen
//! <folder>/step-<n>/stage-<k>   rows that the step keeps on disk
//! <folder>/step-<n>/carried/…   hidden rows of sinks that came with a savepoint
//! <folder>/step-<n>/logs        of a step that is done: the sinks' logs that are still to be removed
//! <folder>/request-…, answer-…  what others ask of the job: see [`crate::requests`]
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
use crate::job::checkpoints::Checkpoints;
use crate::job::written::Written;
use crate::requests;
use crate::savepoint::Savepoint;
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
pub(crate) struct Run {
    /// Tells this run from every other one.
    pub id: String,
    /// The job's name.
    pub job: String,
    pub script: ScriptFacts,
    pub steps_done: u32,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// The savepoint that it began from.
    from: Option<String>,
    /// State that the script has no place for any more may be dropped.
    allow_dropped: bool,
}

/// What a script and what it was given say, as far as that matters to its checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScriptFacts {
    pub name: String,
    pub text: String,
    pub parameters: Vec<(String, String)>,
    pub settings: Vec<(String, String)>,
    pub steps: Vec<StepFacts>,
}

/// A step of a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepFacts {
    /// In a few words: `INSERT INTO scored`.
    pub summary: String,
    /// What it writes: tables, or a model.
    pub writes: Vec<String>,
}

/// What a run begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// The interrupted run of the same script, if there is one.
    Resume,
    /// Nothing: an interrupted run is forgotten.
    Fresh,
    /// A savepoint, or the checkpoint of an interrupted run. The script may have changed.
    From { path: &'a Path, allow_dropped: bool, fresh: bool },
}

/// What a step needs to know of the run that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct RunHandle {
    /// The job's folder.
    pub folder: PathBuf,
    pub run: Run,
    pub step: usize,
}

impl RunHandle {
    /// Whether state that has no place in the script may be dropped.
    pub(crate) fn allow_dropped(&self) -> bool {
        self.run.allow_dropped
    }

    /// The script's state was taken over: from here on this is the run to go on with.
    pub(crate) fn accept(&self) -> Result<()> {
        write_sealed(&self.folder.join("run"), "run", &self.run)
    }

    /// Nothing is to be gone on with here any more.
    pub(crate) fn give_up(&self) -> Result<()> {
        let path = self.folder.join("run");
        fs::remove_file(&path).map_err(|error| failed("remove", &path, error))
    }
}

impl ScriptFacts {
    /// Whether both are the same script, given the same. Where the script lies makes no difference.
    fn is_same(&self, other: &Self) -> bool {
        (&self.text, &self.parameters, &self.settings) == (&other.text, &other.parameters, &other.settings)
    }

    /// The step that a step of another version of this script has become.
    fn step_like(&self, other: &Self, step: usize) -> Result<usize> {
        if self.steps.len() == other.steps.len() {
            return Ok(step);
        }
        let Some(was) = other.steps.get(step) else {
            return Err(Error::Storage("the savepoint does not say which step of its script it is of".into()));
        };
        let shared = |step: &StepFacts| step.writes.iter().filter(|table| was.writes.contains(table)).count();
        let most = self.steps.iter().map(shared).max().unwrap_or(0);
        let best: Vec<usize> = (0..self.steps.len()).filter(|i| most > 0 && shared(&self.steps[*i]) == most).collect();
        match best.as_slice() {
            [one] => Ok(*one),
            _ => Err(Error::Usage(format!(
                "the state is of {}, and the script has no step any more that is clearly the same: it should write the same tables",
                was.summary
            ))),
        }
    }
}

impl JobFolder {
    /// Locks the folder, and finds the run to go on with or begins one.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds the folder; [`Error::Storage`] when the earlier run was of another script, or
    /// the disk refuses.
    pub(crate) fn open(path: &Path, job: &str, script: ScriptFacts, start: Start<'_>) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| failed("create", path, error))?;
        let lock = lock(path)?;
        requests::clear(path);
        let mut folder = Self { path: path.to_path_buf(), _lock: lock, run: Run::begin(job, script) };
        let forgets = matches!(start, Start::Fresh | Start::From { fresh: true, .. });
        let known = match read_sealed::<Run>(&folder.path.join("run"), "run") {
            Err(_) if forgets => None,
            known => known?,
        };
        let has_progress =
            known.is_some() && (known.as_ref().is_some_and(|run| run.steps_done > 0) || folder.has_checkpoint()?);
        match (start, known) {
            (Start::Resume, Some(run)) if run.script.is_same(&folder.run.script) => folder.go_on(run)?,
            // A run that failed before it had done anything leaves nothing to go on with: mend the script and run it again.
            (Start::Resume, Some(_)) if has_progress => {
                return Err(Error::Storage(format!(
                    "{0}: the script, its parameters or its settings have changed since the job was interrupted: put them back to go on, run with --from {0} to go on with the state that still fits, or with --fresh to begin anew",
                    path.display()
                )));
            }
            (Start::From { path: from, allow_dropped, .. }, known) if is_within(from, path) => {
                let Some(run) = known.filter(|_| has_progress) else {
                    return Err(Error::Usage(format!("{} has no checkpoint to go on from", path.display())));
                };
                folder.change_script(run, allow_dropped)?;
            }
            (Start::From { path: from, allow_dropped, fresh }, known) => {
                let savepoint = Savepoint::read(from)?;
                match known.filter(|_| has_progress && !fresh) {
                    Some(run) if run.from.as_ref() == Some(&savepoint.id) && run.script.is_same(&folder.run.script) => {
                        folder.go_on(run)?;
                    }
                    Some(_) => {
                        return Err(Error::Storage(format!(
                            "{}: an interrupted run of this job is there, and would be lost: run without --from to go on with it, or with --fresh and --from to give it up for the savepoint",
                            path.display()
                        )));
                    }
                    None => folder.import(&savepoint, from, allow_dropped)?,
                }
            }
            _ => {
                folder.clear()?;
                folder.save_run()?;
            }
        }
        Ok(folder)
    }

    fn go_on(&mut self, run: Run) -> Result<()> {
        self.run = run;
        (0..self.steps_done()).try_for_each(|step| self.tidy_up(step))
    }

    /// Goes on with a run, in a script that has changed since. It is not the run's script before [`RunHandle::accept`].
    fn change_script(&mut self, run: Run, allow_dropped: bool) -> Result<()> {
        let script = std::mem::take(&mut self.run.script);
        let step = run.steps_done as usize;
        if script.step_like(&run.script, step)? != step {
            return Err(Error::Usage(format!(
                "the job was interrupted in its step {}, and that step has another number in the script now: keep the steps before it, or take a savepoint of the script as it was",
                step + 1
            )));
        }
        self.go_on(Run { script, allow_dropped, ..run })
    }

    /// Begins a run with the state of a savepoint, as if it had come to a checkpoint with it.
    fn import(&mut self, savepoint: &Savepoint, from: &Path, allow_dropped: bool) -> Result<()> {
        let step = self.run.script.step_like(&savepoint.script, savepoint.step as usize)?;
        self.clear()?;
        self.run.steps_done = step as u32;
        self.run.from = Some(savepoint.id.clone());
        self.run.allow_dropped = allow_dropped;
        let folder = self.step(step)?;
        savepoint.copy_files(from, &folder)?;
        write_sealed(&folder.join("checkpoint"), "checkpoint", &savepoint.checkpoint)
    }

    /// What a step needs to know.
    pub(crate) fn handle(&self, step: usize) -> RunHandle {
        RunHandle { folder: self.path.clone(), run: self.run.clone(), step }
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
                && let Ok(left) = Self::open(&entry.path(), name, ScriptFacts::default(), Start::Fresh)
            {
                left.end()?;
            }
        }
        let path = parent.join(format!("{prefix}{}", std::process::id()));
        Self::open(&path, name, ScriptFacts::default(), Start::Fresh)
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

    /// Whether the step under way has come to a checkpoint, or to its end.
    fn has_checkpoint(&self) -> Result<bool> {
        let entries = fs::read_dir(&self.path).map_err(|error| failed("read", &self.path, error))?;
        let mut steps = entries.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(steps.any(|step| Checkpoints::any(&step) || Written::any(&step)))
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
    fn begin(job: &str, script: ScriptFacts) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            id: format!("{:x}-{:x}", now.as_nanos(), std::process::id()),
            job: job.to_string(),
            script,
            steps_done: 0,
            began_ms: now.as_millis() as u64,
            from: None,
            allow_dropped: false,
        }
    }
}

/// Whether a path is a folder or something in it.
fn is_within(path: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(path), fs::canonicalize(folder)) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => false,
    }
}

/// How often a folder that is held is looked at again: whoever lists jobs holds it for an instant.
const LOCK_ATTEMPTS: usize = 5;

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    let mut locked = file.try_lock();
    for _ in 1..LOCK_ATTEMPTS {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        locked = file.try_lock();
    }
    match locked {
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

/// The process that holds a job's folder, if one does; `Some(None)` if it left no number.
pub(crate) fn holder(folder: &Path) -> Option<Option<u32>> {
    let mut file = File::open(folder.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Some(holder.trim().parse().ok())
        }
        _ => None,
    }
}

pub(crate) fn failed(action: &str, path: &Path, error: std::io::Error) -> Error {
    Error::Unavailable(format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, text: &str, fresh: bool) -> Result<JobFolder> {
        let script = ScriptFacts { text: text.into(), ..ScriptFacts::default() };
        JobFolder::open(path, "job", script, if fresh { Start::Fresh } else { Start::Resume })
    }

    #[test]
    fn a_folder_is_held_by_one_job_and_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = open(folder.path(), "1", false).unwrap();
        let error = open(folder.path(), "1", false).unwrap_err();
        assert!(matches!(error, Error::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
        drop(held);
        assert!(open(folder.path(), "1", false).is_ok());
    }

    #[test]
    fn a_run_is_gone_on_with_unless_the_script_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(folder.path(), "1", false).unwrap();
        first.step_done(0, &[]).unwrap();
        let id = first.run_id().to_string();
        drop(first);
        let again = open(folder.path(), "1", false).unwrap();
        assert_eq!((again.run_id(), again.steps_done()), (id.as_str(), 1));
        drop(again);
        assert!(open(folder.path(), "2", false).unwrap_err().to_string().contains("--fresh"));
        let anew = open(folder.path(), "2", true).unwrap();
        assert_eq!(anew.steps_done(), 0);
        // Nothing is done yet: another script may begin.
        drop(anew);
        let other = open(folder.path(), "3", false).unwrap();
        let step = other.step(0).unwrap();
        write_sealed(&step.join("checkpoint"), "checkpoint", &1u32).unwrap();
        drop(other);
        assert!(open(folder.path(), "4", false).unwrap_err().to_string().contains("--fresh"));
        open(folder.path(), "3", false).unwrap().end().unwrap();
        assert!(!folder.path().join("run").exists());
    }

    #[test]
    fn logs_of_a_step_that_is_done_are_removed_by_it_or_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(".tidegate-run-0-0.t.csv.commit");
        for killed in [false, true] {
            let job = folder.path().join("job");
            let mut held = open(&job, "1", true).unwrap();
            fs::write(&log, b"log").unwrap();
            if killed {
                // What a process leaves that is killed between marking the step as done and tidying up.
                held.run.steps_done = 1;
                held.save_run().unwrap();
                write_sealed(&held.step(0).unwrap().join("logs"), "logs", &vec![&log]).unwrap();
                drop(held);
                held = open(&job, "1", false).unwrap();
            } else {
                held.step_done(0, std::slice::from_ref(&log)).unwrap();
            }
            assert!(!log.exists() && !job.join("step-0").exists());
            assert_eq!(held.steps_done(), 1);
        }
        let mut held = open(&folder.path().join("job"), "1", true).unwrap();
        let other = folder.path().join("precious.csv");
        fs::write(&other, b"1").unwrap();
        assert!(held.step_done(0, std::slice::from_ref(&other)).is_err());
        assert!(other.exists(), "only logs are removed");
    }

    #[test]
    fn what_a_killed_process_left_of_something_passing_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join(".select-1");
        drop(open(&abandoned, "0", true).unwrap());
        let used = folder.path().join(".select-2");
        let held = open(&used, "0", true).unwrap();
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
        drop(open(folder.path(), "1", false).unwrap());
        fs::write(folder.path().join("run"), b"rubbish").unwrap();
        assert!(open(folder.path(), "1", false).unwrap_err().to_string().contains("not a Tidegate snapshot"));
    }
}
