//! What native code must not do to a cluster of Flink: take a task manager down, or stay when its job is gone.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::running::wait_until;
use tidegate_tests::{FlinkCluster, Outcome, Workplace};

const SCRIPT: &str = "
CREATE TABLE events (id BIGINT, x DOUBLE, y DOUBLE)
WITH ('connector' = 'datagen', 'number-of-rows' = '4000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '4000');
CREATE VIEW labelled AS SELECT id, x, x > y AS label FROM events;
CREATE MODEL larger INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
CREATE TABLE figures (accuracy DOUBLE, loss DOUBLE, seen BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'figures.csv', 'format' = 'csv');
INSERT OVERWRITE figures
SELECT ML_ACCURACY(label, predicted), ML_LOG_LOSS(label, probability), COUNT(*)
FROM ML_TRAIN(INPUT => TABLE labelled, MODEL => MODEL larger, LABEL => DESCRIPTOR(label), ARGS => DESCRIPTOR(x));
";

fn submit(place: &Workplace, cluster: &FlinkCluster, file: &str) -> Outcome {
    let archive = FlinkCluster::archive().display().to_string();
    place.tidegate(&["submit", file, "--flink", cluster.url(), "--jar", &archive, "-q"])
}

#[test]
fn a_panic_in_native_code_fails_the_job_and_no_more() {
    let cluster = FlinkCluster::start(1, 2);
    let place = Workplace::new();
    let script = place.write("job.sql", SCRIPT).display().to_string();
    let explained = place.tidegate(&["explain", "--flink", "--json", &script]).succeeded();
    let mut program: Value = serde_json::from_str(&explained.stdout).expect("a program");
    std::fs::create_dir_all(place.path("registry")).expect("a folder");
    for statement in program["statements"].as_array_mut().expect("statements") {
        if let Some(task) = statement.pointer_mut("/operator/task") {
            task["panic_at_row"] = json!(2_000);
            task["registry"] = json!(place.path("registry").display().to_string());
        }
    }
    program["settings"]["restart-strategy.type"] = json!("none");
    let file = place.write("panics.json", program.to_string()).display().to_string();
    let panicked = submit(&place, &cluster, &file);
    assert_eq!(panicked.code, Some(4), "{}", panicked.stderr);
    assert!(panicked.stderr.contains("a bug in Tidegate: row"), "{}", panicked.stderr);
    assert!(panicked.stderr.contains("was one too many"), "{}", panicked.stderr);

    // The same task manager runs the next job.
    let before = cluster.task_manager_pid();
    submit(&place, &cluster, &script).succeeded();
    assert_eq!((cluster.get("/overview")["taskmanagers"].as_u64(), cluster.task_manager_pid()), (Some(1), before));
    assert!(place.path("figures.csv").is_file());
}

/// How many copies of the native library a process has in its memory.
fn libraries(process: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("the maps of a process");
    let paths =
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).filter(|path| path.ends_with(".library"));
    paths.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_job_that_is_gone_leaves_nothing_in_its_processes() {
    const TIMES: usize = 10;
    let cluster = FlinkCluster::start(1, 2);
    let place = Workplace::new();
    let script = place.write("job.sql", SCRIPT).display().to_string();
    for _ in 0..TIMES {
        submit(&place, &cluster, &script).succeeded();
    }
    // Each job has closed all that it had opened: what the last operator of a job that closes says.
    let log = cluster.task_manager_log();
    let held: Vec<&str> =
        log.lines().filter_map(|line| line.split(" native values are held").next().filter(|l| *l != line)).collect();
    assert!(held.len() >= TIMES, "{log}");
    assert!(held.iter().filter(|line| line.ends_with(" 0")).count() >= TIMES, "{}", held.join("\n"));

    // Class loaders go when memory is looked through, and with each its copy of the library. The newest may still be known.
    for process in [cluster.task_manager_pid(), cluster.job_manager_pid()] {
        wait_until("class loaders of jobs that are gone are collected", || {
            let collected = Command::new("jcmd").args([&process.to_string(), "GC.run"]).output().expect("jcmd");
            assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
            libraries(process) <= 2
        });
    }
}
