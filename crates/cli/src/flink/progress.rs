//! How a job on a cluster goes: read from its REST API, and told in a line or in a table.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::jobs::{Checkpoints, checkpoints, count, text};
use super::rest::{Client, encoded};
use crate::failure::Failure;
use crate::render::cell::Column;
use crate::render::number;
use crate::render::table::Table;

/// The most metrics that one request asks for.
const ASKED_MAX: usize = 60;
/// The most metrics of ours of a vertex that are shown.
const OURS_MAX: usize = 20;
/// What the names of our metrics begin with.
const OURS: &str = "tidegate.";
/// Below this part of its time a task is not said to be held up.
const BACKPRESSURE_MIN: f64 = 0.01;

/// How a job goes.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct JobProgress {
    /// Its state, in Flink's words.
    pub(crate) status: String,
    /// How long it has run, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Records that its sources have read.
    pub(crate) records_in: u64,
    /// Records that its sinks have taken.
    pub(crate) records_out: u64,
    /// Records a second that its sources read, of late.
    pub(crate) in_per_second: f64,
    /// Records a second that its sinks take, of late.
    pub(crate) out_per_second: f64,
    /// Its checkpoints.
    pub(crate) checkpoints: Checkpoints,
    /// What it is made of.
    pub(crate) vertices: Vec<Vertex>,
    /// Metrics of Tidegate's operators, means over their tasks.
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// A part of a job whose operators run in one task.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Vertex {
    #[serde(skip)]
    id: String,
    /// Its operators' names.
    pub(crate) name: String,
    /// Its state, in Flink's words.
    pub(crate) status: String,
    /// Its tasks.
    pub(crate) parallelism: u64,
    /// Records that it has read: of the vertices before it, or of its sources.
    pub(crate) records_in: u64,
    /// Records that it has given to vertices after it, or to its sinks.
    pub(crate) records_out: u64,
    /// The part of its time that its slowest task is held up by what comes after it.
    pub(crate) backpressure: Option<f64>,
    /// The part of its time that its busiest task works.
    pub(crate) busy: Option<f64>,
    /// Records that its sources have read.
    #[serde(skip)]
    source_records: u64,
    /// Records that its sinks have taken.
    #[serde(skip)]
    sink_records: u64,
}

/// Reads how a job goes, again and again.
pub(crate) struct Probe<'a> {
    client: &'a Client,
    id: &'a str,
    read: Pace,
    written: Pace,
}

impl<'a> Probe<'a> {
    /// Of a job, by its id.
    pub(crate) fn new(client: &'a Client, id: &'a str) -> Self {
        Self { client, id, read: Pace::default(), written: Pace::default() }
    }

    /// How it goes now.
    pub(crate) fn read(&mut self) -> Result<JobProgress, Failure> {
        let page = self.client.get(&format!("/jobs/{}", self.id))?;
        let mut progress = JobProgress {
            status: text(&page["state"]),
            duration_ms: count(&page["duration"]),
            checkpoints: checkpoints(self.client, self.id)?,
            vertices: page["vertices"].as_array().into_iter().flatten().map(Vertex::of).collect(),
            ..JobProgress::default()
        };
        for vertex in &mut progress.vertices {
            if super::jobs::is_id(&vertex.id) {
                let metrics = self.metrics(&vertex.id)?;
                vertex.add(&metrics, &mut progress.metrics);
            }
            progress.records_in += vertex.source_records;
            progress.records_out += vertex.sink_records;
        }
        let now = Instant::now();
        progress.in_per_second = self.read.rate(now, progress.records_in);
        progress.out_per_second = self.written.rate(now, progress.records_out);
        Ok(progress)
    }

    /// The metrics of a vertex that are shown, by name. None are there before its tasks run.
    fn metrics(&self, vertex: &str) -> Result<Vec<(String, Value)>, Failure> {
        let path = format!("/jobs/{}/vertices/{vertex}/subtasks/metrics", self.id);
        let Ok(names) = self.client.try_get(&path)? else { return Ok(Vec::new()) };
        let names = names.as_array().into_iter().flatten().filter_map(|metric| metric["id"].as_str());
        let names: Vec<String> = names.filter(|name| is_shown(name)).take(ASKED_MAX).map(encoded).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(values) = self.client.try_get(&format!("{path}?get={}", names.join(",")))? else {
            return Ok(Vec::new());
        };
        let values =
            values.as_array().into_iter().flatten().filter_map(|metric| Some((metric["id"].as_str()?, metric)));
        Ok(values.map(|(name, metric)| (name.to_string(), metric.clone())).collect())
    }
}

/// What a metric of a vertex says.
enum Meaning<'a> {
    BackPressure,
    Busy,
    SourceRecords,
    SinkRecords,
    Ours(&'a str),
}

fn meaning(name: &str) -> Option<Meaning<'_>> {
    match name {
        "backPressuredTimeMsPerSecond" => return Some(Meaning::BackPressure),
        "busyTimeMsPerSecond" => return Some(Meaning::Busy),
        _ => {}
    }
    // Those of operators have the operator's name first.
    if name.starts_with("Source__") && name.ends_with(".numRecordsOut") {
        return Some(Meaning::SourceRecords);
    }
    if name.ends_with("__Writer.numRecordsIn") || (name.starts_with("Sink__") && name.ends_with(".numRecordsIn")) {
        return Some(Meaning::SinkRecords);
    }
    let at = if name.starts_with(OURS) { 0 } else { name.find(".tidegate.")? + 1 };
    Some(Meaning::Ours(&name[at + OURS.len()..]))
}

fn is_shown(name: &str) -> bool {
    // What stands between names in a request cannot stand in them.
    !name.contains(',') && meaning(name).is_some()
}

impl Vertex {
    fn of(vertex: &Value) -> Self {
        let metrics = &vertex["metrics"];
        Self {
            id: text(&vertex["id"]),
            name: text(&vertex["name"]),
            status: text(&vertex["status"]),
            parallelism: count(&vertex["parallelism"]),
            records_in: count(&metrics["read-records"]),
            records_out: count(&metrics["write-records"]),
            ..Self::default()
        }
    }

    /// Adds what the metrics of its tasks and operators say.
    fn add(&mut self, metrics: &[(String, Value)], ours: &mut BTreeMap<String, f64>) {
        let of_second = |metric: &Value| metric["max"].as_f64().map(|ms| (ms / 1000.0).clamp(0.0, 1.0));
        for (name, metric) in metrics {
            match meaning(name) {
                Some(Meaning::BackPressure) => self.backpressure = of_second(metric),
                Some(Meaning::Busy) => self.busy = of_second(metric),
                Some(Meaning::SourceRecords) => self.source_records += count(&metric["sum"]),
                Some(Meaning::SinkRecords) => self.sink_records += count(&metric["sum"]),
                Some(Meaning::Ours(name)) if ours.len() < OURS_MAX => {
                    ours.extend(metric["avg"].as_f64().map(|mean| (name.to_string(), mean)));
                }
                Some(Meaning::Ours(_)) | None => {}
            }
        }
        // A vertex counts only what passes between tasks.
        self.records_in = self.records_in.max(self.source_records);
        self.records_out = self.records_out.max(self.sink_records);
    }
}

impl JobProgress {
    /// The facts in one line: `RUNNING, 1,200 rows in, 500 rows/s, …`.
    pub(crate) fn line(&self, separator: &str) -> String {
        let mut parts = vec![
            if self.waits_for_slots() { "waits for task slots".to_string() } else { self.status.clone() },
            format!("{} in, {}", number::counted(self.records_in, "row"), number::rate(self.in_per_second)),
            format!("{} out, {}", number::count(self.records_out), number::rate(self.out_per_second)),
        ];
        let Checkpoints { latest, failed, .. } = &self.checkpoints;
        parts.extend(latest.as_ref().map(|checkpoint| {
            let (bytes, span) = (number::bytes(checkpoint.bytes), Duration::from_millis(checkpoint.duration_ms));
            format!("checkpoint {}: {bytes} in {}", checkpoint.number, number::duration(span))
        }));
        if *failed > 0 {
            parts.push(format!("{} failed", number::counted(*failed, "checkpoint")));
        }
        parts.extend(self.held_up().map(|(name, part)| format!("back-pressure {:.0} % at {name}", part * 100.0)));
        // Counts are in the table and in --json; what tells how good a model is stands here.
        let told = self.metrics.iter().filter(|(name, value)| value.is_finite() && !is_count(name));
        parts.extend(told.map(|(name, value)| format!("{name} {}", number::float(*value))));
        parts.join(separator)
    }

    /// Whether the cluster has no room for the job, or not yet.
    fn waits_for_slots(&self) -> bool {
        let has = |status: &str| self.vertices.iter().any(|vertex| vertex.status == status);
        has("SCHEDULED") && !has("RUNNING") && !has("FINISHED") && !has("INITIALIZING") && !has("DEPLOYING")
    }

    /// The vertex that is held up most, if one is.
    fn held_up(&self) -> Option<(&str, f64)> {
        let held_up = self.vertices.iter().filter_map(|vertex| Some((vertex.name.as_str(), vertex.backpressure?)));
        held_up.filter(|(_, part)| *part >= BACKPRESSURE_MIN).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The vertices.
    pub(crate) fn table(&self) -> Table {
        let vertices = &self.vertices;
        let percent = |part: Option<f64>| part.map(|part| format!("{:.0} %", part * 100.0));
        let texts = |name: &str, of: fn(&Vertex) -> String| Column::texts(name, vertices.iter().map(of));
        Table::from_columns(vec![
            texts("vertex", |vertex| vertex.name.clone()),
            texts("status", |vertex| vertex.status.clone()),
            texts("tasks", |vertex| number::count(vertex.parallelism)).right_aligned(),
            texts("rows in", |vertex| number::count(vertex.records_in)).right_aligned(),
            texts("rows out", |vertex| number::count(vertex.records_out)).right_aligned(),
            Column::optional("busy", vertices.iter().map(|vertex| percent(vertex.busy))).right_aligned(),
            Column::optional("back-pressure", vertices.iter().map(|vertex| percent(vertex.backpressure)))
                .right_aligned(),
        ])
    }

    /// As an object of `--json`.
    pub(crate) fn object(&self, job: &str) -> Value {
        let mut object = json!(self);
        object["job"] = json!(job);
        object
    }
}

/// A rate from a total that is asked for often and changes now and then, as a cluster's counts do.
#[derive(Debug, Default)]
struct Pace {
    changed: Option<(Instant, u64)>,
    rate: f64,
}

impl Pace {
    /// Flink counts anew every ten seconds: after this long without a change nothing comes.
    const STILL: Duration = Duration::from_secs(25);

    fn rate(&mut self, now: Instant, total: u64) -> f64 {
        match self.changed {
            Some((then, before)) if total == before => {
                if now.duration_since(then) > Self::STILL {
                    self.rate = 0.0;
                }
            }
            Some((then, before)) => {
                let seconds = now.duration_since(then).as_secs_f64();
                // Counts begin anew when a job is restarted.
                self.rate = if seconds > 0.0 { total.saturating_sub(before) as f64 / seconds } else { 0.0 };
                self.changed = Some((now, total));
            }
            None => self.changed = Some((now, total)),
        }
        self.rate
    }
}

/// Whether a metric of an operator counts something.
fn is_count(name: &str) -> bool {
    name.starts_with("rows_") || name.ends_with("_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::jobs::CompletedCheckpoint;

    #[test]
    fn metrics_are_given_to_what_they_are_of() {
        let mut vertex = Vertex::of(&json!({"name": "Source: a[1] -> b[2]: Writer", "metrics": {"read-records": 0}}));
        let metrics = [
            ("Source__a[1].numRecordsOut", json!({"sum": 40.0})),
            ("b[2]__Writer.numRecordsIn", json!({"sum": 30.0})),
            ("busyTimeMsPerSecond", json!({"max": "NaN"})),
            ("backPressuredTimeMsPerSecond", json!({"max": 250.0})),
            ("ML_TRAIN.tidegate.accuracy", json!({"avg": 0.75})),
            ("b[2]__Writer.numBytesOut", json!({"sum": 7.0})),
        ]
        .map(|(name, value)| (name.to_string(), value));
        let mut ours = BTreeMap::new();
        vertex.add(&metrics, &mut ours);
        assert_eq!((vertex.records_in, vertex.records_out), (40, 30));
        assert_eq!((vertex.busy, vertex.backpressure), (None, Some(0.25)));
        assert_eq!(ours, BTreeMap::from([("accuracy".to_string(), 0.75)]));
        assert!(!is_shown("Source__a, b.numRecordsOut") && !is_shown("numBytesIn"));
    }

    #[test]
    fn the_line_says_what_matters() {
        let latest = CompletedCheckpoint { number: 8, time: 0, bytes: 2048, duration_ms: 35, path: None };
        let held_up = Vertex { name: "Calc".to_string(), backpressure: Some(0.5), ..Vertex::default() };
        let progress = JobProgress {
            status: "RUNNING".to_string(),
            records_in: 1200,
            in_per_second: 500.0,
            records_out: 3,
            checkpoints: Checkpoints { latest: Some(latest), failed: 1, ..Checkpoints::default() },
            vertices: vec![held_up, Vertex::default()],
            metrics: BTreeMap::from([("accuracy".to_string(), 0.75)]),
            ..JobProgress::default()
        };
        assert_eq!(
            progress.line("; "),
            "RUNNING; 1,200 rows in, 500 rows/s; 3 out, 0 rows/s; checkpoint 8: 2.0 KiB in 35 ms; 1 checkpoint failed; \
             back-pressure 50 % at Calc; accuracy 0.75"
        );
    }

    #[test]
    fn a_job_without_room_says_so() {
        let vertex = |status: &str| Vertex { status: status.to_string(), ..Vertex::default() };
        let line = |vertices: Vec<Vertex>| {
            let metrics = [("rows_learned", 7.0), ("logloss", f64::NAN), ("accuracy", 0.5)];
            let metrics = metrics.map(|(name, value)| (name.to_string(), value)).into();
            JobProgress { status: "RUNNING".to_string(), vertices, metrics, ..JobProgress::default() }.line("; ")
        };
        let rest = "; 0 rows in, 0 rows/s; 0 out, 0 rows/s; accuracy 0.5";
        assert_eq!(line(vec![vertex("SCHEDULED"), vertex("CREATED")]), format!("waits for task slots{rest}"));
        assert_eq!(line(vec![vertex("RUNNING"), vertex("SCHEDULED")]), format!("RUNNING{rest}"));
    }

    #[test]
    fn a_rate_is_that_between_changes() {
        let (began, mut pace) = (Instant::now(), Pace::default());
        let mut at = |seconds: u64, total| pace.rate(began + Duration::from_secs(seconds), total);
        assert_eq!(at(0, 0), 0.0);
        assert_eq!(at(1, 0), 0.0);
        assert_eq!(at(10, 1000), 100.0);
        assert_eq!(at(12, 1000), 100.0);
        assert_eq!(at(20, 3000), 200.0);
        assert_eq!(at(21, 10), 0.0);
        assert_eq!(at(60, 10), 0.0);
    }
}
