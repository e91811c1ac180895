//! A model a key in Apache Flink: stopped, gone on with other threads, and hit, it has learned what it would have learned undisturbed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tidegate_tests::running::Running;
use tidegate_tests::{FlinkCluster, Workplace};

use crate::flink_cluster::{running, written};

/// More rows than are read before all of that has happened.
const ROWS: usize = 40_000;

/// Most of the models are in the file at any time.
const SCRIPT: &str = "
SET 'execution.runtime-mode' = 'streaming';
CREATE TABLE visits (id BIGINT, k INT, x DOUBLE)
WITH ('connector' = 'datagen', 'rows-per-second' = '${pace}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
      'fields.id.end' = '40000', 'fields.k.min' = '0', 'fields.k.max' = '700');
CREATE VIEW labelled AS SELECT *, x * (k - 350) > 0 AS label FROM visits;
CREATE MODEL each INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'learning_rate' = '0.1',
      'keyed.memory' = '20 kb');
CREATE TABLE scored (id BIGINT, k INT, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}', 'format' = 'json', 'sink.rolling-policy.file-size' = '1 mb');
INSERT INTO scored
SELECT id, k, probability
FROM ML_TRAIN(INPUT => TABLE labelled PARTITION BY k, MODEL => MODEL each, LABEL => DESCRIPTOR(label), ARGS => DESCRIPTOR(x));
";

/// The models of a registry: the hashes of their bytes.
fn models(place: &Workplace, registry: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(place.path(registry).join("artifacts")).expect("a folder of models");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn submitted(place: &Workplace, cluster: &FlinkCluster, more: &[&str]) -> Running {
    let registry = format!("registry.path={}", place.path("there").display());
    let mut arguments = vec!["submit", "job.sql", "--flink", cluster.url(), "-q", "--checkpoint-interval", "300 ms"];
    arguments.extend(["--param", "pace=2500", "--param", "output=scored_there", "-s", &registry]);
    arguments.extend(more);
    let mut command = place.command(&arguments);
    command.env("TIDEGATE_FLINK_JAR", FlinkCluster::archive());
    Running::of(command)
}

fn running_job(cluster: &FlinkCluster, checkpoints: u64) -> String {
    let overview = cluster.wait_until("/jobs/overview", |overview| running(overview).is_some());
    let id = running(&overview).expect("it runs");
    cluster.wait_until(&format!("/jobs/{id}/checkpoints"), |page| {
        page["counts"]["completed"].as_u64() >= Some(checkpoints)
    });
    id
}

#[test]
fn models_of_keys_go_on_from_savepoints_and_checkpoints() {
    let mut cluster = FlinkCluster::start(1, 2);
    let place = Workplace::new();
    place.write("job.sql", SCRIPT);
    let registry = format!("registry.path={}", place.path("here").display());
    place
        .tidegate(&[
            "run",
            "job.sql",
            "--param",
            "pace=1000000",
            "--param",
            "output=scored_here",
            "-s",
            &registry,
            "-q",
        ])
        .succeeded();

    let first = submitted(&place, &cluster, &[]);
    let id = running_job(&cluster, 2);
    let stopped = place.tidegate(&["jobs", "stop", &id, "--flink", cluster.url()]).succeeded();
    let savepoint = stopped.stdout.trim().to_string();
    first.end().succeeded();
    let before = written(&place.path("scored_there")).len();
    assert!(before < ROWS, "all rows were read before the savepoint");

    let second = submitted(&place, &cluster, &["--savepoint", &savepoint, "-s", "parallelism.default=2"]);
    let id = running_job(&cluster, 2);
    cluster.kill_task_manager();
    cluster.start_task_manager();
    second.end().succeeded();
    let counts = cluster.get(&format!("/jobs/{id}/checkpoints"))["counts"].clone();
    assert!(counts["restored"].as_u64() >= Some(2), "{counts}");

    let (here, there) = (written(&place.path("scored_here")), written(&place.path("scored_there")));
    let mut told = String::new();
    for (here, there) in here.iter().zip(&there).filter(|(here, there)| here != there).take(3) {
        writeln!(told, "here {here}, in Flink {there}").expect("a string takes it");
    }
    assert!(here.len() == ROWS && here == there, "{} rows here, {} in Flink\n{told}", here.len(), there.len());
    assert_eq!(models(&place, "here"), models(&place, "there"));
}
