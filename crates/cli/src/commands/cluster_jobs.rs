//! `tidegate jobs --flink URL`: the jobs of a cluster of Apache Flink.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::args::JobsCommand;
use crate::console::Console;
use crate::failure::Failure;
use crate::flink::jobs::{self, ClusterJob, CompletedCheckpoint};
use crate::flink::progress::Probe;
use crate::flink::rest::Client;
use crate::flink::submit::path_on_cluster;
use crate::render::cell::{Column, printable};
use crate::render::datetime::moment;
use crate::render::table::Table;
use crate::render::{facts, number};
use crate::stop::Stop;

pub(crate) fn jobs(url: &str, command: &JobsCommand, console: &Console) -> Result<(), Failure> {
    let client = Client::new(url)?;
    match command {
        JobsCommand::List => list(&jobs::list(&client)?, console),
        JobsCommand::Show { job } => return show(&client, &jobs::find(&client, job)?, console),
        JobsCommand::Savepoint { job, to } => {
            let job = running(&client, job)?;
            let savepoint = saved(&client, &job, to.as_deref(), None)?;
            said(&job, Some(&savepoint), "goes on", console);
        }
        JobsCommand::Stop { job, to, drain, .. } => {
            let job = running(&client, job)?;
            let savepoint = saved(&client, &job, to.as_deref(), Some(*drain))?;
            let how = if *drain { "has drained its sources and come to its end" } else { "has stopped" };
            said(&job, Some(&savepoint), how, console);
        }
        JobsCommand::Cancel { job } => {
            let job = running(&client, job)?;
            let stop = on_signals()?;
            jobs::cancel(&client, &job, &|| stop.is_asked())?;
            said(&job, None, "was cancelled", console);
        }
    }
    Ok(())
}

fn on_signals() -> Result<Stop, Failure> {
    Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))
}

/// The job of a name or an id, if it goes on.
fn running(client: &Client, wanted: &str) -> Result<ClusterJob, Failure> {
    let job = jobs::find(client, wanted)?;
    match job.has_ended() {
        true => Err(Failure::command(format!("job {} ({}) is not running: it is {}", job.id, job.name, job.status))),
        false => Ok(job),
    }
}

fn saved(client: &Client, job: &ClusterJob, to: Option<&Path>, stop: Option<bool>) -> Result<String, Failure> {
    let folder = to.map(path_on_cluster).transpose()?;
    let signals = on_signals()?;
    jobs::savepoint(client, job, folder.as_deref(), stop, &|| signals.is_asked())
}

fn said(job: &ClusterJob, savepoint: Option<&str>, how: &str, console: &Console) {
    if console.json {
        return console.print_tagged("answer", json!({ "job": job.id, "savepoint": savepoint }));
    }
    let name = printable(&job.name);
    match savepoint {
        Some(savepoint) => {
            console.print_line(savepoint);
            console.note(format!("job '{name}' {how}"));
        }
        None => console.print_line(format!("job '{name}' {how}")),
    }
}

fn list(jobs: &[ClusterJob], console: &Console) {
    if console.json {
        return jobs.iter().for_each(|job| console.print_tagged("job_info", job));
    }
    if jobs.is_empty() {
        return console.note("no job runs or ran there");
    }
    let span = |job: &ClusterJob| number::duration(Duration::from_millis(job.duration_ms));
    let table = Table::from_columns(vec![
        Column::texts("job id", jobs.iter().map(|job| &job.id)),
        Column::texts("name", jobs.iter().map(|job| &job.name)),
        Column::texts("status", jobs.iter().map(|job| &job.status)),
        Column::texts("start time", jobs.iter().map(|job| moment(job.start_time as i64))),
        Column::texts("duration", jobs.iter().map(span)).right_aligned(),
        Column::texts("tasks", jobs.iter().map(|job| format!("{} of {}", job.tasks_running, job.tasks)))
            .right_aligned(),
    ]);
    console.print(|out| table.write(out, console.canvas()));
}

fn show(client: &Client, job: &ClusterJob, console: &Console) -> Result<(), Failure> {
    let progress = Probe::new(client, &job.id).read()?;
    let failures = jobs::failures(client, &job.id)?;
    if console.json {
        let failures: Vec<_> =
            failures.iter().map(|(time, reason)| json!({ "time": time, "message": reason.message })).collect();
        let info = json!({ "job": job, "progress": progress, "failures": failures });
        console.print_tagged("job_info", info);
        return Ok(());
    }
    let checkpoints = &progress.checkpoints;
    let checkpoint = |checkpoint: &CompletedCheckpoint| {
        let (bytes, span) = (number::bytes(checkpoint.bytes), Duration::from_millis(checkpoint.duration_ms));
        let path = checkpoint.path.as_ref().map(|path| format!(", {path}")).unwrap_or_default();
        let (number, taken, span) = (checkpoint.number, moment(checkpoint.time as i64), number::duration(span));
        format!("{number}: {bytes}, taken {taken} UTC in {span}{path}")
    };
    let counts = match (checkpoints.completed, checkpoints.failed) {
        (0, 0) => String::new(),
        (completed, failed) => format!("{} completed, {} failed", number::count(completed), number::count(failed)),
    };
    let failed = |(time, reason): &(u64, crate::flink::reason::Reason)| {
        let lines: Vec<String> = reason.message.lines().map(printable).collect();
        format!("{} UTC: {}", moment(*time as i64), lines.join("\n"))
    };
    let metrics = progress.metrics.iter().map(|(name, value)| format!("{} {}", printable(name), number::float(*value)));
    let rows: Vec<(String, String)> = [
        ("job id", job.id.clone()),
        ("name", printable(&job.name)),
        ("status", progress.status.clone()),
        ("start time", format!("{} UTC", moment(job.start_time as i64))),
        ("duration", number::duration(Duration::from_millis(progress.duration_ms))),
        ("tasks", format!("{} of {} run", job.tasks_running, job.tasks)),
        ("rows in", number::count(progress.records_in)),
        ("rows out", number::count(progress.records_out)),
        ("quality", metrics.collect::<Vec<_>>().join("\n")),
        ("checkpoints", counts),
        ("checkpoint", checkpoints.latest.as_ref().map(checkpoint).unwrap_or_default()),
        ("savepoint", checkpoints.savepoint.as_ref().map(checkpoint).unwrap_or_default()),
        ("began from", checkpoints.restored.clone().unwrap_or_default()),
        ("failures", failures.iter().map(failed).collect::<Vec<_>>().join("\n")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_string(), value))
    .collect();
    console.print(|out| {
        facts::write(out, console.out.paint, &rows)?;
        writeln!(out)?;
        progress.table().write(out, console.canvas())
    });
    Ok(())
}
