//! Jobs that fail for a reason that passes, and are restarted from their last checkpoint.

use tidegate_tests::Workplace;
use tidegate_tests::running::{Running, wait_until};

use super::{OFTEN, events};

/// Plain rows into a folder of part files.
fn script(rows: Option<u32>) -> String {
    format!(
        "{}CREATE TABLE parts (visitor BIGINT, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'parts', 'format' = 'csv');
         INSERT INTO parts SELECT visitor, x FROM events WHERE x < 0.1;",
        events(rows)
    )
}

fn parts(place: &Workplace) -> usize {
    glob::glob(place.path("parts/part-*").to_str().expect("UTF-8")).expect("a pattern").count()
}

/// Takes the folder that the job writes away, as a disk that is gone.
fn break_it(place: &Workplace) {
    std::fs::rename(place.path("parts"), place.path("away")).expect("it can be moved");
    place.write("parts", "in the way");
}

fn mend(place: &Workplace) {
    std::fs::remove_file(place.path("parts")).expect("it can be removed");
    std::fs::rename(place.path("away"), place.path("parts")).expect("it can be moved");
}

/// All rows, in the order of the parts.
fn rows(place: &Workplace) -> Vec<String> {
    let mut files: Vec<(u64, std::path::PathBuf)> = glob::glob(place.path("parts/part-*").to_str().expect("UTF-8"))
        .expect("a pattern")
        .map(|path| path.expect("a path"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap()["part-".len()..].parse().expect("a number"), path))
        .collect();
    files.sort();
    let read = |(_, path): &(u64, std::path::PathBuf)| std::fs::read_to_string(path).expect("a file");
    files.iter().flat_map(|file| read(file).lines().skip(1).map(str::to_string).collect::<Vec<_>>()).collect()
}

#[test]
fn a_job_without_end_is_restarted_when_its_folder_was_gone_for_a_while() {
    let place = Workplace::new();
    place.write("job.sql", script(None));
    let soon = ["-s", "restart-strategy.exponential-delay.initial-backoff=10ms"];
    let log = place.path("log");
    let mut command = place.command(&[&["run", "job.sql", "--drain"], &OFTEN[..], &soon].concat());
    command.stderr(std::fs::File::create(&log).expect("a file"));
    let running = Running::of(command);
    wait_until("there are parts", || parts(&place) > 2);
    break_it(&place);
    wait_until("it has tried twice", || place.read("log").contains("restart 2 from its last checkpoint in 15 ms"));
    mend(&place);
    let before = parts(&place);
    wait_until("it writes again", || parts(&place) > before + 2);
    running.signal("INT");
    running.end().succeeded();
    let log = place.read("log");
    assert!(log.contains("warning: INSERT INTO parts failed: cannot "), "{log}");
    assert!(log.contains("restarted") && log.contains("times from its last checkpoint"), "{log}");

    let whole = Workplace::new();
    let seen = rows(&place);
    let generated = seen.len() as u32 * 11 + 20_000;
    whole.write("job.sql", script(Some(generated)).replace("'path' = 'parts'", "'path' = 'parts.csv'"));
    whole.tidegate(&["run", "job.sql", "-s", "parallelism.default=1"]).succeeded();
    let text = whole.read("parts.csv");
    let expected: Vec<&str> = text.lines().skip(1).take(seen.len()).collect();
    assert_eq!(seen, expected, "each row once");
}

#[test]
fn a_job_that_may_not_be_restarted_again_ends_and_one_that_waits_is_stopped_by_ctrl_c() {
    let place = Workplace::new();
    place.write("job.sql", script(None));
    let fixed = ["-s", "restart-strategy.type=fixed-delay", "-s", "restart-strategy.fixed-delay.delay=1ms"];
    let running = Running::start(&place, &[&["run", "job.sql"], &OFTEN[..], &fixed].concat());
    wait_until("there are parts", || parts(&place) > 0);
    break_it(&place);
    running.end().failed(4).says(&["restart 1 from its last checkpoint in 1 ms"]);
    mend(&place);

    let long = ["-s", "restart-strategy.exponential-delay.initial-backoff=1h", "--fresh"];
    let log = place.path("log");
    let mut command = place.command(&[&["run", "job.sql"], &OFTEN[..], &long].concat());
    command.stderr(std::fs::File::create(&log).expect("a file"));
    let before = parts(&place);
    let running = Running::of(command);
    wait_until("there are parts", || parts(&place) > before);
    break_it(&place);
    wait_until("it waits", || place.read("log").contains("restart 1"));
    running.signal("INT");
    running.end().failed(130);
    mend(&place);
}

#[test]
fn bad_data_and_bounded_jobs_are_not_restarted() {
    let place = Workplace::new();
    place.write("in.csv", "x\n1\nrubbish\n");
    let script = "CREATE TABLE t (x DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');
                  CREATE TABLE nothing (x DOUBLE) WITH ('connector' = 'blackhole');
                  SET 'execution.runtime-mode' = 'streaming'; SET 'restart-strategy.type' = 'fixed-delay';
                  INSERT INTO nothing SELECT x FROM t;";
    let outcome = place.run_with(script, &[]).failed(3);
    assert!(!outcome.stderr.contains("restart"), "{}", outcome.stderr);
}
