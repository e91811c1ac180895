//! Replicas of a model in tasks of their own: what they learn together is one version, that has learned every row once.

use std::fmt::Write as _;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::Value;
use tidegate_tests::running::{Running, wait_until};
use tidegate_tests::{FlinkCluster, Workplace};

const ROWS: usize = 40_000;
const SEED: u64 = 17;

/// The log loss of a model that has learned nothing.
const UNTAUGHT: f64 = std::f64::consts::LN_2;

/// How much worse or better the log loss of what replicas make may be than that of the embedded run, relative to it.
const LOSS_APART_MAX: f64 = 0.05;

/// Rows of the job that loses a task manager: more than come before that has happened.
const PACED_ROWS: usize = 40_000;

/// A logistic problem.
fn events() -> String {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut text = "id,a,b,c,bought\n".to_string();
    for id in 0..ROWS {
        let [a, b, c]: [f64; 3] = std::array::from_fn(|_| random.random_range(-2.0..2.0));
        let probability = 1.0 / (1.0 + f64::exp(-(1.5 * a - b + 0.5 * c - 0.3)));
        let bought = random.random_bool(probability);
        writeln!(text, "{id},{a},{b},{c},{bought}").expect("a string takes it");
    }
    text
}

/// The model, and the statement that trains it.
fn training(mode: &str, options: &str) -> String {
    format!(
        "SET 'execution.runtime-mode' = '{mode}';
         CREATE TABLE out (id BIGINT, predicted BOOLEAN, probability DOUBLE)
         WITH ('connector' = 'filesystem', 'path' = '${{output}}/out.csv', 'format' = 'csv');
         CREATE MODEL buys
           TRANSFORM (ML_STANDARD_SCALER(a) OVER () AS a, b, c)
           INPUT (a DOUBLE, b DOUBLE, c DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
           WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
                 'training.parallelism' = '4', 'training.sync-rows' = '2000', 'training.distributed' = 'true'{options});
         INSERT INTO out SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys,
           LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(a, b, c));"
    )
}

fn bounded(mode: &str, options: &str) -> String {
    "CREATE TABLE events (id BIGINT, a DOUBLE, b DOUBLE, c DOUBLE, bought BOOLEAN)
     WITH ('connector' = 'filesystem', 'path' = 'events.csv', 'format' = 'csv');\n"
        .to_string()
        + &training(mode, options)
}

/// The one version that there is.
fn version(place: &Workplace, registry: &str) -> Value {
    let listed = place.tidegate(&["models", "versions", "buys", "--json", "--registry", registry]).succeeded();
    let mut versions = listed.of_type("version");
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions.remove(0)
}

fn submitted(place: &Workplace, cluster: &FlinkCluster, script: &str, registry: &str, more: &[&str]) -> Running {
    let path = place.write("job.sql", script).display().to_string();
    let (setting, archive) = (format!("registry.path={registry}"), FlinkCluster::archive().display().to_string());
    let output = format!("output={registry}-out");
    let arguments =
        ["submit", &path, "-s", &setting, "--param", &output, "-q", "--flink", cluster.url(), "--jar", &archive];
    Running::of(place.command(&[&arguments, more].concat()))
}

/// The ids that were written, sorted.
fn ids(place: &Workplace, registry: &str) -> Vec<usize> {
    let text = place.read(&format!("{registry}-out/out.csv"));
    let mut ids: Vec<usize> =
        text.lines().skip(1).map(|line| line.split(',').next().and_then(|id| id.parse().ok()).expect(line)).collect();
    ids.sort_unstable();
    ids
}

/// The log loss of the version over all rows.
fn log_loss(place: &Workplace, registry: &str) -> f64 {
    let whole = bounded("batch", "");
    let (script, _) = whole.split_once("INSERT INTO out").expect("it inserts");
    let select = "SELECT `result`['LogLoss'] AS loss FROM ML_EVALUATE(INPUT => TABLE events, MODEL => MODEL buys, \
                  LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(a, b, c));";
    let path = place.write("evaluate.sql", format!("{script}{select}")).display().to_string();
    let setting = format!("registry.path={registry}");
    let outcome = place.tidegate(&["run", &path, "-s", &setting, "--param", "output=none", "--json"]).succeeded();
    outcome.rows()[0]["loss"].as_f64().unwrap_or_else(|| panic!("no log loss in {}", outcome.stdout))
}

/// The numbers of merges that the replicas of a running job went on from; the least of them.
fn merges(cluster: &FlinkCluster, job: &str) -> Option<f64> {
    let shown = cluster.get(&format!("/jobs/{job}"));
    let vertices = shown["vertices"].as_array()?;
    let training =
        vertices.iter().find(|vertex| vertex["name"].as_str().is_some_and(|name| name.contains("ML_TRAIN")))?;
    let path = format!("/jobs/{job}/vertices/{}/subtasks/metrics", training["id"].as_str()?);
    let names = cluster.get(&path);
    let name =
        names.as_array()?.iter().filter_map(|metric| metric["id"].as_str()).find(|id| id.ends_with(".merges"))?;
    let figures = cluster.get(&format!("{path}?get={}", name.replace(' ', "%20")));
    figures[0]["min"].as_f64()
}

fn running_job(cluster: &FlinkCluster) -> String {
    let running = |overview: &Value| {
        let jobs = overview["jobs"].as_array()?;
        let job = jobs.iter().find(|job| job["state"] == "RUNNING")?;
        job["jid"].as_str().map(str::to_string)
    };
    running(&cluster.wait_until("/jobs/overview", |overview| running(overview).is_some())).expect("it runs")
}

#[test]
fn replicas_in_tasks_of_their_own() {
    let mut cluster = FlinkCluster::start(2, 2);
    let place = Workplace::new();
    place.write("events.csv", events());
    let path = place.write("here.sql", bounded("batch", "")).display().to_string();
    place.tidegate(&["run", &path, "-s", "registry.path=here", "--param", "output=here-out", "-q"]).succeeded();
    let here = version(&place, "here");
    assert_eq!(here["rows"], ROWS);
    let loss_here = log_loss(&place, "here");
    assert!(loss_here < 0.8 * UNTAUGHT, "{loss_here}");

    for (registry, mode, options) in
        [("batch", "batch", ""), ("streaming", "streaming", ""), ("sharded", "batch", ", 'training.shard-by' = 'id'")]
    {
        submitted(&place, &cluster, &bounded(mode, options), registry, &[]).end().succeeded();
        let there = version(&place, registry);
        assert_eq!(there["rows"], ROWS, "{registry}");
        assert_eq!(ids(&place, registry), (0..ROWS).collect::<Vec<_>>(), "{registry}");
        let loss = log_loss(&place, registry);
        assert!((loss / loss_here - 1.0).abs() < LOSS_APART_MAX, "{registry}: {loss} there, {loss_here} here");
        // What was measured on the way is of all replicas, and of models that had learned something.
        let measured = there["metrics"]["LogLoss"].as_f64();
        assert!(measured.is_some_and(|loss| loss < UNTAUGHT), "{there}");
    }

    fewer_slots_than_replicas(&place);
    a_task_manager_is_killed(&place, &mut cluster);
}

/// In batch mode replicas may run one after the other: they are put together at the end.
fn fewer_slots_than_replicas(place: &Workplace) {
    let cluster = FlinkCluster::start(1, 2);
    submitted(place, &cluster, &bounded("batch", ""), "few", &[]).end().succeeded();
    let there = version(place, "few");
    assert_eq!(there["rows"], ROWS);
    assert_eq!(ids(place, "few"), (0..ROWS).collect::<Vec<_>>());
}

fn a_task_manager_is_killed(place: &Workplace, cluster: &mut FlinkCluster) {
    let made = format!(
        "CREATE TABLE made (id BIGINT, a DOUBLE, b DOUBLE, c DOUBLE)
         WITH ('connector' = 'datagen', 'rows-per-second' = '2500', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0',
               'fields.id.end' = '{}');
         CREATE VIEW events AS SELECT id, a, b, c, 2 * a - b > 0.2 AS bought FROM made;\n",
        PACED_ROWS - 1
    );
    let script = made + &training("streaming", "");
    let going_on = submitted(place, cluster, &script, "killed", &["--checkpoint-interval", "200 ms"]);
    let job = running_job(cluster);
    let checkpoints = format!("/jobs/{job}/checkpoints");
    wait_until("they are merged", || merges(cluster, &job) >= Some(3.0));
    let taken = cluster.get(&checkpoints)["counts"]["completed"].as_u64().unwrap_or_default();
    cluster.wait_until(&checkpoints, |page| page["counts"]["completed"].as_u64() >= Some(taken + 2));
    cluster.kill_task_manager();
    cluster.start_task_manager();
    going_on.end().succeeded();
    let counts = cluster.get(&checkpoints)["counts"].clone();
    assert!(counts["restored"].as_u64() >= Some(1), "{counts}");
    assert_eq!(version(place, "killed")["rows"], PACED_ROWS);
    assert_eq!(ids(place, "killed"), (0..PACED_ROWS).collect::<Vec<_>>());
}
