//! The jobs of a cluster: which there are, what is known of one, and how they are ended.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::reason::Reason;
use super::rest::Client;
use crate::failure::Failure;

/// How long a savepoint may take.
const SAVEPOINT_MAX: Duration = Duration::from_secs(30 * 60);
/// How often is asked whether it is done.
const ASK_INTERVAL: Duration = Duration::from_millis(200);
/// The most failures of a job that are told of.
const FAILURES_MAX: usize = 5;

/// A job of a cluster in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClusterJob {
    /// Flink's id of it.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its state, in Flink's words.
    pub(crate) status: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) start_time: u64,
    /// How long it has run, or ran, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Tasks that run.
    pub(crate) tasks_running: u64,
    /// All its tasks.
    pub(crate) tasks: u64,
}

impl ClusterJob {
    fn of(job: &Value) -> Self {
        Self {
            id: text(&job["jid"]),
            name: text(&job["name"]),
            status: text(&job["state"]),
            start_time: count(&job["start-time"]),
            duration_ms: count(&job["duration"]),
            tasks_running: count(&job["tasks"]["running"]),
            tasks: count(&job["tasks"]["total"]),
        }
    }

    /// Whether it has come to its end, in whatever way.
    pub(crate) fn has_ended(&self) -> bool {
        has_ended(&self.status)
    }
}

/// Whether a job in this state does nothing any more.
pub(crate) fn has_ended(status: &str) -> bool {
    matches!(status, "FINISHED" | "FAILED" | "CANCELED" | "SUSPENDED")
}

/// A savepoint or a checkpoint that was completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CompletedCheckpoint {
    /// Its number.
    pub(crate) number: u64,
    /// When it was begun, in milliseconds since 1970.
    pub(crate) time: u64,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// How long it took, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Where it is, if it can be begun from.
    pub(crate) path: Option<String>,
}

/// The checkpoints of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Checkpoints {
    /// How many were completed.
    pub(crate) completed: u64,
    /// How many failed.
    pub(crate) failed: u64,
    /// The last checkpoint.
    pub(crate) latest: Option<CompletedCheckpoint>,
    /// The last savepoint.
    pub(crate) savepoint: Option<CompletedCheckpoint>,
    /// What the job began from.
    pub(crate) restored: Option<String>,
}

/// The jobs of a cluster: those that go on first, then the newest.
pub(crate) fn list(client: &Client) -> Result<Vec<ClusterJob>, Failure> {
    let overview = client.get("/jobs/overview")?;
    let jobs = overview["jobs"].as_array().into_iter().flatten().map(ClusterJob::of);
    // An id is put into addresses, so it must be one.
    let mut jobs: Vec<ClusterJob> = jobs.filter(|job| is_id(&job.id)).collect();
    jobs.sort_by_key(|job| (job.has_ended(), std::cmp::Reverse(job.start_time), job.id.clone()));
    Ok(jobs)
}

/// The job of an id, of the beginning of one, or of a name.
pub(crate) fn find(client: &Client, wanted: &str) -> Result<ClusterJob, Failure> {
    found(list(client)?, wanted, client.url())
}

fn found(mut jobs: Vec<ClusterJob>, wanted: &str, url: &str) -> Result<ClusterJob, Failure> {
    let candidates: Vec<usize> = {
        let by = |fits: &dyn Fn(&ClusterJob) -> bool| {
            (0..jobs.len()).filter(|index| fits(&jobs[*index])).collect::<Vec<usize>>()
        };
        let by_id = by(&|job| job.id.starts_with(&wanted.to_lowercase()));
        let running = by(&|job| job.name == wanted && !job.has_ended());
        let by_name = by(&|job| job.name == wanted);
        let all = [by_id, running, by_name];
        all.into_iter().find(|found| !found.is_empty()).filter(|_| !wanted.is_empty()).unwrap_or_default()
    };
    let shown = |job: &ClusterJob| format!("{} ({}, {})", job.id, job.name, job.status);
    match candidates.as_slice() {
        [index] => Ok(jobs.swap_remove(*index)),
        [] => {
            let failure = Failure::command(format!("there is no job '{wanted}' at {url}"));
            let names = jobs.iter().flat_map(|job| [job.id.as_str(), job.name.as_str()]);
            Err(match tidegate_options::nearest(wanted, names) {
                Some(near) => failure.with_help(format!("did you mean '{near}'?")),
                None if jobs.is_empty() => failure.with_help("no job runs or ran there"),
                None => failure.with_help(format!("`tidegate jobs list --flink {url}` lists the jobs there")),
            })
        }
        several => {
            let several: Vec<String> = several.iter().map(|index| shown(&jobs[*index])).collect();
            Err(Failure::command(format!("several jobs are called '{wanted}': {}", several.join(", ")))
                .with_help("say more digits of the id"))
        }
    }
}

/// The checkpoints of a job.
pub(crate) fn checkpoints(client: &Client, id: &str) -> Result<Checkpoints, Failure> {
    // A job that takes none has no page for them.
    Ok(client.try_get(&format!("/jobs/{id}/checkpoints"))?.map(|page| checkpoints_of(&page)).unwrap_or_default())
}

fn checkpoints_of(page: &Value) -> Checkpoints {
    let latest = &page["latest"];
    Checkpoints {
        completed: count(&page["counts"]["completed"]),
        failed: count(&page["counts"]["failed"]),
        latest: completed(&latest["completed"]),
        savepoint: completed(&latest["savepoint"]),
        restored: latest["restored"]["external_path"].as_str().map(str::to_string),
    }
}

fn completed(checkpoint: &Value) -> Option<CompletedCheckpoint> {
    Some(CompletedCheckpoint {
        number: checkpoint["id"].as_u64()?,
        time: count(&checkpoint["trigger_timestamp"]),
        bytes: count(&checkpoint["state_size"]),
        duration_ms: count(&checkpoint["end_to_end_duration"]),
        // Flink says in brackets that it is in memory.
        path: checkpoint["external_path"].as_str().filter(|path| !path.starts_with('<')).map(str::to_string),
    })
}

/// Why a job failed, or was started again, the newest first: when, and the cause.
pub(crate) fn failures(client: &Client, id: &str) -> Result<Vec<(u64, Reason)>, Failure> {
    let page = client.get(&format!("/jobs/{id}/exceptions?maxExceptions={FAILURES_MAX}"))?;
    Ok(page["exceptionHistory"]["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .take(FAILURES_MAX)
        .filter_map(cause)
        .collect())
}

fn cause(entry: &Value) -> Option<(u64, Reason)> {
    let reason = Reason::of_trace(entry["stacktrace"].as_str()?);
    let others = entry["concurrentExceptions"].as_array().into_iter().flatten();
    let mut others = others.filter_map(|other| other["stacktrace"].as_str()).map(Reason::of_trace);
    let reason = if reason.is_of_restarts() { others.next().unwrap_or(reason) } else { reason };
    Some((count(&entry["timestamp"]), reason))
}

/// Takes a savepoint of a job, and stops it if asked to. Returns where the savepoint is.
pub(crate) fn savepoint(
    client: &Client,
    job: &ClusterJob,
    folder: Option<&str>,
    stop: Option<bool>,
    is_asked_to_end: &dyn Fn() -> bool,
) -> Result<String, Failure> {
    let id = &job.id;
    let trigger = match stop {
        Some(drain) => {
            client.try_post(&format!("/jobs/{id}/stop"), &json!({"targetDirectory": folder, "drain": drain}))?
        }
        None => client
            .try_post(&format!("/jobs/{id}/savepoints"), &json!({"target-directory": folder, "cancel-job": false}))?,
    };
    let trigger = match trigger {
        Ok(answer) => text(&answer["request-id"]),
        Err(refusal) if refusal.reason.message.contains("execution.checkpointing.savepoint-dir") => {
            return Err(Failure::command(format!("the cluster at {} has no folder for savepoints", client.url())).with_help(
                "name one by --savepoint --to DIR, which all its machines see, or set 'execution.checkpointing.savepoint-dir'",
            ));
        }
        Err(refusal) => return Err(client.refused(&refusal)),
    };
    if !is_id(&trigger) {
        return Err(Failure::cluster(format!("Flink at {} takes no savepoint and gives no reason", client.url())));
    }
    let began = Instant::now();
    loop {
        let answer = client.get(&format!("/jobs/{id}/savepoints/{trigger}"))?;
        if answer["status"]["id"] == "COMPLETED" {
            return taken(&answer, job);
        }
        if is_asked_to_end() {
            return Err(Failure::command(format!("not waited for: the savepoint of job {id} may still be completed")));
        }
        if began.elapsed() > SAVEPOINT_MAX {
            return Err(Failure::cluster(format!("the savepoint of job {id} is not there after {SAVEPOINT_MAX:?}")));
        }
        std::thread::sleep(ASK_INTERVAL);
    }
}

fn taken(answer: &Value, job: &ClusterJob) -> Result<String, Failure> {
    let operation = &answer["operation"];
    if let Some(path) = operation["location"].as_str() {
        return Ok(path.to_string());
    }
    let cause = &operation["failure-cause"];
    let trace = cause["stack-trace"].as_str().or(cause["serialized-throwable"].as_str()).unwrap_or_default();
    let reason = Reason::of_trace(trace);
    Err(Failure::cluster(format!("no savepoint of job '{}' was taken: {}", job.name, reason.message)))
}

/// Ends a job without a savepoint, and waits until it has ended.
pub(crate) fn cancel(client: &Client, job: &ClusterJob, is_asked_to_end: &dyn Fn() -> bool) -> Result<(), Failure> {
    let path = format!("/jobs/{}", job.id);
    if let Err(refusal) = client.try_patch(&path)? {
        return Err(client.refused(&refusal));
    }
    let began = Instant::now();
    while !has_ended(&status(client, &job.id)?) {
        if is_asked_to_end() || began.elapsed() > SAVEPOINT_MAX {
            return Err(Failure::cluster(format!("job {} is still being cancelled", job.id)));
        }
        std::thread::sleep(ASK_INTERVAL);
    }
    Ok(())
}

/// The state of a job.
pub(crate) fn status(client: &Client, id: &str) -> Result<String, Failure> {
    Ok(text(&client.get(&format!("/jobs/{id}/status"))?["status"]))
}

/// Whether it is what Flink numbers jobs and requests with.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A text, empty if it is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// A count, 0 if it is none: Flink has -1 for what it does not know.
pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_f64().filter(|value| *value >= 0.0).map(|value| value as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: char, name: &str, status: &str) -> ClusterJob {
        let id: String = std::iter::repeat_n(id, 32).collect();
        ClusterJob::of(&json!({"jid": id, "name": name, "state": status}))
    }

    #[test]
    fn a_job_is_found_by_what_tells_it_from_the_others() {
        let jobs =
            || vec![job('a', "quality", "RUNNING"), job('b', "scored", "FINISHED"), job('c', "quality", "CANCELED")];
        let find = |wanted: &str| found(jobs(), wanted, "http://here");
        assert_eq!(find("bb").unwrap().name, "scored");
        assert_eq!(find("B").unwrap().name, "scored");
        assert_eq!(find("quality").unwrap().status, "RUNNING");
        let failure = find("scores").unwrap_err();
        assert_eq!(failure.to_string(), "there is no job 'scores' at http://here");
        assert_eq!(failure.help(), Some("did you mean 'scored'?".to_string()));
        assert!(find("").is_err());
        let twice = vec![job('a', "x", "RUNNING"), job('b', "x", "RUNNING")];
        let failure = found(twice, "x", "http://here").unwrap_err();
        assert!(failure.to_string().starts_with("several jobs are called 'x': aaaa"), "{failure}");
    }

    #[test]
    fn the_cause_is_not_that_it_is_not_started_again() {
        let entry = json!({
            "stacktrace": "org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy\n\tat a.B.c(D)",
            "timestamp": 7,
            "concurrentExceptions": [{"stacktrace": "java.lang.ArithmeticException: / by zero\n\tat a.B.c(D)"}, {}],
        });
        let (time, reason) = cause(&entry).unwrap();
        assert_eq!((time, reason.message.as_str()), (7, "ArithmeticException: / by zero"));
        assert_eq!(cause(&json!({"stacktrace": 3})), None);
    }

    #[test]
    fn odd_answers_are_no_panic() {
        for odd in
            [json!(null), json!([]), json!({"latest": []}), json!({"counts": {"completed": -1, "failed": "NaN"}})]
        {
            assert_eq!(checkpoints_of(&odd), Checkpoints::default());
            assert_eq!(ClusterJob::of(&odd).status, "");
        }
        assert!(taken(&json!({"operation": {"failure-cause": 3}}), &job('a', "x", "RUNNING")).is_err());
        assert_eq!(count(&json!(-1)), 0);
        assert_eq!(count(&json!(2.5)), 2);
    }
}
