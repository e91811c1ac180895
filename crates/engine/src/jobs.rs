//! The jobs of this machine, by the folders that they keep.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::checkpoint::{Run, holder, read_sealed};
use crate::job::checkpoints;
use crate::{Error, Result};

/// What state a job is in, in Flink's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// A process runs it.
    Running,
    /// It was interrupted: running its script again goes on from its last checkpoint.
    Suspended,
    /// It ended before its first checkpoint: running its script again begins anew.
    Failed,
}

/// A job that runs, or that was interrupted. One that ended well leaves nothing behind.
#[derive(Debug, Clone, Serialize)]
pub struct JobInfo {
    /// The name of its folder, which tells it from other jobs.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: JobStatus,
    /// The process that runs it.
    pub process: Option<u32>,
    /// The script, as it was called.
    pub script: String,
    /// When the run began, in milliseconds since 1970. Interruptions do not change it.
    pub start_time: u64,
    /// The step that is under way, from 1, and how many there are.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// The step in a few words, such as `INSERT INTO scored`.
    pub task: String,
    /// The checkpoints that it could go on from, the newest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// Its folder.
    pub folder: PathBuf,
}

/// A checkpoint.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointInfo {
    /// Its number, from 1 within the run.
    pub number: u64,
    /// When it was taken, in milliseconds since 1970.
    pub time: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its file.
    pub path: PathBuf,
}

/// The jobs that keep their folders in `folder`, by name.
///
/// # Errors
/// The folder cannot be read. That there is none means that there are no jobs.
pub fn list_jobs(folder: &Path) -> Result<Vec<JobInfo>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(crate::checkpoint::failed("read", folder, error)),
    };
    let mut jobs = Vec::new();
    for entry in entries.flatten() {
        // What begins with a dot is passing: a SELECT, a shell.
        if !entry.file_name().to_string_lossy().starts_with('.')
            && let Some(job) = job(&entry.path())?
        {
            jobs.push(job);
        }
    }
    jobs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(jobs)
}

/// The job of this name or id.
///
/// # Errors
/// There is none, or several have the name.
pub fn find_job(folder: &Path, name: &str) -> Result<JobInfo> {
    let mut jobs = list_jobs(folder)?;
    if let Some(index) = jobs.iter().position(|job| job.id == name) {
        return Ok(jobs.swap_remove(index));
    }
    let ids: Vec<String> = jobs.iter().map(|job| job.id.clone()).collect();
    jobs.retain(|job| job.name == name);
    match jobs.len() {
        1 => Ok(jobs.swap_remove(0)),
        0 => {
            let hint = match tidegate_options::nearest(name, ids.iter().map(String::as_str)) {
                Some(near) => format!("; did you mean '{near}'?"),
                None if ids.is_empty() => String::new(),
                None => format!("; there is: {}", ids.join(", ")),
            };
            Err(Error::Usage(format!("there is no job '{name}' in {}{hint}", folder.display())))
        }
        _ => {
            let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
            Err(Error::Usage(format!("several jobs are called '{name}': say which one, {}", ids.join(" or "))))
        }
    }
}

/// The job of a folder, if it is one.
fn job(folder: &Path) -> Result<Option<JobInfo>> {
    let process = holder(folder);
    // One that is being made or removed right now is none.
    let Some(run) = read_sealed::<Run>(&folder.join("run"), "run")? else { return Ok(None) };
    let step = run.steps_done as usize;
    let checkpoints = checkpoints::all(&folder.join(format!("step-{step}")));
    let checkpoints: Vec<CheckpointInfo> = checkpoints.into_iter().filter_map(checkpoint).collect();
    let status = match process {
        Some(_) => JobStatus::Running,
        None if step > 0 || !checkpoints.is_empty() => JobStatus::Suspended,
        None => JobStatus::Failed,
    };
    Ok(Some(JobInfo {
        id: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        name: run.job,
        status,
        process: process.flatten(),
        script: run.script.name,
        start_time: run.began_ms,
        step: step + 1,
        steps: run.script.steps.len(),
        task: run.script.steps.get(step).map(|step| step.summary.clone()).unwrap_or_default(),
        checkpoints,
        folder: folder.to_path_buf(),
    }))
}

fn checkpoint(path: PathBuf) -> Option<CheckpointInfo> {
    let metadata = fs::metadata(&path).ok()?;
    let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_millis() as u64;
    Some(CheckpointInfo { number: checkpoints::number(&path)?, time, bytes: metadata.len(), path })
}
