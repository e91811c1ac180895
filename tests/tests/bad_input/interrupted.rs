//! Ctrl-C, a damaged checkpoint, and two jobs on one checkpoint folder.

use tidegate_tests::Workplace;
use tidegate_tests::running::{Running, found, wait_until};

/// Two seconds of rows, so that there is time to interrupt it.
fn job(rows: u32) -> String {
    format!(
        "CREATE TABLE g (id BIGINT, x DOUBLE) WITH ('connector' = 'datagen', 'rows-per-second' = '20000', 'seed' = '3',
           'number-of-rows' = '{rows}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}');
         CREATE TABLE out (id BIGINT, x DOUBLE, predicted DOUBLE)
         WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
         WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression');
         CREATE VIEW v AS SELECT id, x, 2 * x AS y FROM g;
         INSERT INTO out SELECT id, x, predicted FROM ML_TRAIN(TABLE v, MODEL m, DESCRIPTOR(y), DESCRIPTOR(x));"
    )
}

const RUN: [&str; 5] = ["run", "job.sql", "--json", "-s", "execution.checkpointing.interval=20ms"];

/// A job that was stopped by Ctrl-C after its first checkpoint.
fn interrupted(rows: u32) -> Workplace {
    let place = Workplace::new();
    place.write("job.sql", job(rows));
    let running = Running::start(&place, &RUN);
    wait_until("there is a checkpoint", || found(&place, "home/checkpoints/*/step-*/checkpoint").is_some());
    running.signal("INT");
    let outcome = running.end().failed(130);
    let error = outcome.of_type("error").remove(0);
    assert_eq!(error["exit_code"], 130);
    assert!(error["help"].as_str().is_some_and(|help| help.contains("goes on from here")), "{error}");
    assert!(!place.path("out.csv").exists(), "half of a result is not shown");
    place
}

#[test]
fn an_interrupted_job_goes_on_where_it_was() {
    let place = interrupted(40_000);
    let outcome = place.tidegate(&RUN).succeeded();
    let job_report = &outcome.of_type("job")[0];
    assert!(job_report["resumed_from"].as_u64().is_some_and(|number| number >= 1), "{job_report}");
    assert_eq!(job_report["models"][0]["rows_learned"], 40_000);

    let undisturbed = Workplace::new();
    undisturbed.write("job.sql", job(40_000));
    undisturbed.tidegate(&RUN).succeeded();
    assert_eq!(place.read("out.csv"), undisturbed.read("out.csv"));
    let versions = place.tidegate(&["models", "versions", "m", "--json"]).succeeded().of_type("version");
    assert_eq!(versions.len(), 1);
}

#[test]
fn a_script_that_changed_does_not_go_on_by_accident() {
    let place = interrupted(40_000);
    let script = place.read("job.sql");
    place.write("job.sql", script.replace("2 * x", "3 * x"));
    let error = place.tidegate(&RUN).failed(4).of_type("error").remove(0);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("--fresh")), "{error}");
    place.write("job.sql", script);
    place.tidegate(&RUN).succeeded();
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = interrupted(40_000);
    let checkpoint = found(&place, "home/checkpoints/*/step-*/checkpoint").expect("a checkpoint");
    let mut bytes = std::fs::read(&checkpoint).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&checkpoint, bytes).expect("it can be written");
    let error = place.tidegate(&RUN).failed(4).of_type("error").remove(0);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("corrupt snapshot: the checksum does not match"), "{message}");
    assert!(message.contains("--fresh"), "{message}");
    // That is how one gets out of it.
    place.tidegate(&[&RUN[..], &["--fresh"]].concat()).succeeded();
    assert_eq!(place.read("out.csv").lines().count(), 40_001);
}

#[test]
fn a_second_job_on_the_same_checkpoints_is_refused_and_names_the_first() {
    let place = Workplace::new();
    place.write(
        "job.sql",
        "CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000');
         CREATE TABLE nothing (id BIGINT) WITH ('connector' = 'blackhole');
         INSERT INTO nothing SELECT id FROM g;",
    );
    let first = Running::start(&place, &["run", "job.sql"]);
    wait_until("the first job has its folder", || found(&place, "home/checkpoints/*/run").is_some());
    let holder = format!("another job (process {})", first.id());
    place.tidegate(&["run", "job.sql"]).failed(5).says(&[&holder, "SET 'job.name'"]);

    // Under a name of its own it runs beside the first, until it is stopped as well.
    let second = Running::start(&place, &["run", "job.sql", "-s", "job.name=second"]);
    wait_until("the second job has its folder", || found(&place, "home/checkpoints/second*/run").is_some());
    second.signal("TERM");
    second.end().failed(130);

    // A job that was killed holds nothing.
    first.signal("KILL");
    assert_eq!(first.end().code, None);
    let again = Running::start(&place, &["run", "job.sql"]);
    wait_until("it runs again", || {
        found(&place, "home/checkpoints/job*/lock").is_some_and(|lock| {
            std::fs::read_to_string(lock).is_ok_and(|holder| holder.trim() == again.id().to_string())
        })
    });
    // Twice: the second time it does not wait for a checkpoint.
    again.signal("INT");
    again.end().failed(130);
}
