//! Jobs that run for ever: savepoints, changed scripts, restarts, draining, and what `tidegate jobs` says.

mod changed;
mod endless;
mod restarts;
mod savepoints;

use tidegate_tests::Workplace;
use tidegate_tests::running::{Running, found, wait_until};

/// Checkpoints follow each other closely, so that a test need not wait for one.
const OFTEN: [&str; 2] = ["-s", "execution.checkpointing.interval=20ms"];

/// Starts a script as `job.sql` and waits until it has taken a checkpoint.
fn started(place: &Workplace, script: &str) -> Running {
    place.write("job.sql", script);
    let running = Running::start(place, &[&["run", "job.sql", "--json"], &OFTEN[..]].concat());
    wait_until("there is a checkpoint", || found(place, "home/checkpoints/*/step-*/checkpoint").is_some());
    running
}

/// Stops a job with a savepoint, and gives the savepoint's folder.
fn stopped(place: &Workplace, running: Running) -> String {
    let answer = place.tidegate(&["jobs", "stop", "job", "--savepoint", "--json"]).succeeded().of_type("answer");
    let savepoint = answer[0]["savepoint"].as_str().expect("a savepoint").to_string();
    let error = running.end().failed(130).of_type("error").remove(0);
    assert!(error["help"].as_str().is_some_and(|help| help.contains(&format!("--from {savepoint}"))), "{error}");
    assert!(found(place, "home/checkpoints/*").is_none(), "the savepoint alone goes on");
    savepoint
}

/// Runs `job.sql` from a savepoint.
fn from(place: &Workplace, savepoint: &str, more: &[&str]) -> tidegate_tests::Outcome {
    place.tidegate(&[&["run", "job.sql", "--json", "--from", savepoint], &OFTEN[..], more].concat())
}

/// The message of a failed command that printed JSON.
fn message(outcome: &tidegate_tests::Outcome) -> String {
    outcome.of_type("error")[0]["message"].as_str().expect("a message").to_string()
}

/// Events of fifty visitors, 20,000 in a second of the clock and of event time. Without `rows` there is no end of them.
fn events(rows: Option<u32>) -> String {
    let rows = rows.map(|rows| format!(", 'number-of-rows' = '{rows}'")).unwrap_or_default();
    format!(
        "CREATE TABLE events (ts TIMESTAMP(3), visitor BIGINT, x DOUBLE, WATERMARK FOR ts AS ts)
         WITH ('connector' = 'datagen', 'rows-per-second' = '20000', 'seed' = '3'{rows},
               'fields.visitor.min' = '0', 'fields.visitor.max' = '49');
         CREATE VIEW seconds AS SELECT window_start, visitor, COUNT(*) AS events, SUM(x) AS total
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, visitor;
         CREATE TABLE out (window_start TIMESTAMP(3), visitor BIGINT, events BIGINT, total DOUBLE)
         WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         CREATE TABLE kept (ts TIMESTAMP(3), visitor BIGINT, x DOUBLE)
         WITH ('connector' = 'filesystem', 'path' = 'kept.csv', 'format' = 'csv');\n"
    )
}

/// The lines of a file, in order.
fn sorted_lines(place: &Workplace, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = place.read(name).lines().map(str::to_string).collect();
    lines.sort();
    lines
}
