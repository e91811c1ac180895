//! `tidegate jobs`: the jobs that run here, and those that were interrupted.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tidegate_engine::{Answer, JobInfo, JobStatus, Request, ask, find_job, list_jobs};

use super::run::quoted;
use crate::args::{GlobalArgs, JobsArgs, JobsCommand};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::cell::Column;
use crate::render::datetime::moment;
use crate::render::table::Table;
use crate::render::{facts, number};
use crate::stop::Stop;

pub(crate) fn jobs(global: &GlobalArgs, args: &JobsArgs, console: &Console) -> Result<(), Failure> {
    if let Some(url) = &args.flink {
        return super::cluster_jobs::jobs(url, &args.command, console);
    }
    let folder = args.dir.clone().unwrap_or_else(|| global.home.join("checkpoints"));
    match &args.command {
        JobsCommand::List => list(&list_jobs(&folder)?, console),
        JobsCommand::Show { job } => show(&find_job(&folder, job)?, console),
        JobsCommand::Savepoint { job, to } => {
            let job = find_job(&folder, job)?;
            let request = Request { savepoint: true, to: absolute(to.as_deref())?, ..Request::default() };
            let answer = asked(&job, &request)?;
            said(&job, &answer, "goes on", console)
        }
        JobsCommand::Stop { savepoint: false, to: Some(_), .. } => {
            Err(Failure::command("--to names the folder of a savepoint: say --savepoint as well"))
        }
        JobsCommand::Stop { job, savepoint, to, drain } => {
            let job = find_job(&folder, job)?;
            let to = absolute(to.as_deref())?;
            let answer = asked(&job, &Request { savepoint: *savepoint, to, stop: true, drain: *drain })?;
            let how = if *drain { "has drained its sources and come to its end" } else { "has stopped" };
            said(&job, &answer, how, console)
        }
        JobsCommand::Cancel { .. } => {
            Err(Failure::command("jobs cancel ends a job of a cluster, which --flink URL names")
                .with_help("`tidegate jobs stop` stops a job that runs here, at a checkpoint"))
        }
    }
}

/// A folder from the root on, as the job's process may be in another one.
fn absolute(folder: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let from_root = |folder: &Path| {
        std::path::absolute(folder).map_err(|error| Failure::Storage(format!("{}: {error}", folder.display())))
    };
    folder.map(from_root).transpose()
}

fn asked(job: &JobInfo, request: &Request) -> Result<Answer, Failure> {
    if job.status != JobStatus::Running {
        return Err(Failure::command(format!("job '{}' is not running", job.id)).with_help(format!(
            "`tidegate run {} --from {}` goes on from its last checkpoint, also when the script has changed",
            quoted(&job.script),
            quoted(&job.folder.display().to_string())
        )));
    }
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(ask(&job.folder, request, &|| stop.is_asked())?)
}

fn said(job: &JobInfo, answer: &Answer, how: &str, console: &Console) -> Result<(), Failure> {
    if console.json {
        let Answer { savepoint, checkpoint, .. } = answer;
        console.print_tagged("answer", json!({ "job": job.id, "savepoint": savepoint, "checkpoint": checkpoint }));
        return Ok(());
    }
    match &answer.savepoint {
        Some(folder) => {
            console.print_line(folder.display().to_string());
            console.note(format!("job '{}' {how}; the savepoint is of checkpoint {}", job.id, answer.checkpoint));
        }
        None => console.print_line(format!("job '{}' {how}, at checkpoint {}", job.id, answer.checkpoint)),
    }
    Ok(())
}

fn status(job: &JobInfo) -> &'static str {
    match job.status {
        JobStatus::Running => "RUNNING",
        JobStatus::Suspended => "SUSPENDED",
        JobStatus::Failed => "FAILED",
    }
}

/// How long ago something was.
fn ago(time: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = now.saturating_sub(std::time::Duration::from_millis(time));
    format!("{} ago", number::duration(since))
}

fn list(jobs: &[JobInfo], console: &Console) -> Result<(), Failure> {
    if console.json {
        jobs.iter().for_each(|job| console.print_tagged("job_info", job));
        return Ok(());
    }
    if jobs.is_empty() {
        console.note("no job runs or was interrupted here");
        return Ok(());
    }
    let newest = |of: fn(&tidegate_engine::CheckpointInfo) -> String| {
        jobs.iter().map(move |job| job.checkpoints.first().map(of)).collect::<Vec<_>>()
    };
    let table = Table::from_columns(vec![
        Column::texts("job id", jobs.iter().map(|job| &job.id)),
        Column::texts("status", jobs.iter().map(status)),
        Column::texts("start time", jobs.iter().map(|job| moment(job.start_time as i64))),
        Column::texts("task", jobs.iter().map(|job| &job.task)),
        Column::optional("checkpoint", newest(|checkpoint| checkpoint.number.to_string())).right_aligned(),
        Column::optional("taken", newest(|checkpoint| ago(checkpoint.time))),
        Column::optional("size", newest(|checkpoint| number::bytes(checkpoint.bytes))).right_aligned(),
    ]);
    console.print(|out| table.write(out, console.canvas()));
    Ok(())
}

fn show(job: &JobInfo, console: &Console) -> Result<(), Failure> {
    if console.json {
        console.print_tagged("job_info", job);
        return Ok(());
    }
    let checkpoint = |of: &tidegate_engine::CheckpointInfo| {
        format!(
            "{}: {}, taken {} UTC, {}",
            of.number,
            number::bytes(of.bytes),
            moment(of.time as i64),
            of.path.display()
        )
    };
    let checkpoints: Vec<String> = job.checkpoints.iter().map(checkpoint).collect();
    let rows: Vec<(String, String)> = [
        ("job id", job.id.clone()),
        ("name", job.name.clone()),
        ("status", status(job).to_string()),
        ("process", job.process.map(|process| process.to_string()).unwrap_or_default()),
        ("script", job.script.clone()),
        ("start time", format!("{} UTC", moment(job.start_time as i64))),
        ("task", format!("{} (step {} of {})", job.task, job.step, job.steps)),
        ("checkpoints", checkpoints.join("\n")),
        ("folder", job.folder.display().to_string()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_string(), value))
    .collect();
    console.print(|out| facts::write(out, console.out.paint, &rows));
    Ok(())
}
