//! A savepoint stands alone, is left as it is, and is whole whenever the job is killed.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_tests::Workplace;
use tidegate_tests::running::{Running, wait_until};

use super::{OFTEN, events, from, message, sorted_lines, started, stopped};

/// Three seconds of events: a window aggregate and plain rows.
fn script() -> String {
    format!(
        "{}EXECUTE STATEMENT SET BEGIN
           INSERT INTO out SELECT * FROM seconds;
           INSERT INTO kept SELECT * FROM events WHERE x < 0.1;
         END;",
        events(Some(60_000))
    )
}

/// What an uninterrupted run writes.
fn undisturbed(script: &str) -> Workplace {
    let place = Workplace::new();
    place.write("job.sql", script);
    place.tidegate(&["run", "job.sql", "--json"]).succeeded();
    place
}

/// Every file below a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let pattern = folder.join("**/*");
    let files = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").map(|path| path.expect("a path"));
    files
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("it can be read")))
        .collect()
}

#[test]
fn a_job_goes_on_from_a_savepoint_that_was_moved_as_often_as_one_likes() {
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, &script()));
    assert!(!place.path("out.csv").exists(), "half of a result is not shown");
    // Nothing of the stopped run is left but the savepoint, which may be anywhere.
    std::fs::rename(savepoint, place.path("moved")).expect("it can be moved");
    let before = contents(&place.path("moved"));
    let expected = undisturbed(&script());
    for _ in 0..2 {
        let job = from(&place, "moved", &[]).succeeded().of_type("job").remove(0);
        assert!(job["resumed_from"].as_u64().is_some_and(|number| number >= 1), "{job}");
        for file in ["out.csv", "kept.csv"] {
            assert_eq!(sorted_lines(&place, file), sorted_lines(&expected, file), "{file}");
            std::fs::remove_file(place.path(file)).expect("it can be removed");
        }
    }
    assert_eq!(contents(&place.path("moved")), before, "a savepoint stays as it is");
}

#[test]
fn a_savepoint_is_taken_while_the_job_goes_on() {
    let place = Workplace::new();
    let running = started(&place, &script());
    let answer = place.tidegate(&["jobs", "savepoint", "job", "--to", "here"]).succeeded();
    let savepoint = answer.stdout.trim().to_string();
    assert!(Path::new(&savepoint).starts_with(place.path("here")), "{savepoint}");
    running.end().succeeded();
    let whole = (sorted_lines(&place, "out.csv"), sorted_lines(&place, "kept.csv"));
    for file in ["out.csv", "kept.csv"] {
        std::fs::remove_file(place.path(file)).expect("it can be removed");
    }
    from(&place, &savepoint, &[]).succeeded();
    assert_eq!((sorted_lines(&place, "out.csv"), sorted_lines(&place, "kept.csv")), whole);
}

#[test]
fn a_model_and_what_waits_for_its_labels_are_in_a_savepoint() {
    let script = "CREATE TABLE g (id BIGINT, x DOUBLE) WITH ('connector' = 'datagen', 'rows-per-second' = '20000',
           'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '40000');
         CREATE TABLE out (id BIGINT, predicted DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
         WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression');
         CREATE VIEW v AS SELECT id, x, 2 * x AS y FROM g;
         INSERT INTO out SELECT id, predicted FROM ML_TRAIN(TABLE v, MODEL m, DESCRIPTOR(y), DESCRIPTOR(x));";
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, script));
    let error = {
        place.write("job.sql", script.replace("'linear_regression'", "'linear_regression', 'learning_rate' = '0.5'"));
        message(&from(&place, &savepoint, &[]).failed(2))
    };
    assert!(error.contains("the state of ML_TRAIN m in INSERT INTO out (line 7) was made with"), "{error}");
    assert!(error.contains("option 'learning_rate'"), "{error}");
    place.write("job.sql", script);
    let job = from(&place, &savepoint, &[]).succeeded().of_type("job").remove(0);
    assert_eq!(job["models"][0]["rows_learned"], 40_000);
    assert_eq!(place.read("out.csv"), undisturbed(script).read("out.csv"));
}

#[test]
fn a_job_killed_while_it_saves_leaves_whole_savepoints_and_can_go_on() {
    let expected = undisturbed(&script());
    for delay in [0, 3, 9, 20, 40] {
        let place = Workplace::new();
        let job = started(&place, &script());
        let mut asking = Running::start(&place, &["jobs", "savepoint", "job", "--to", "here"]);
        // From when it is asked on, until somewhere in or after its answer.
        wait_until("it is asked", || {
            asking.has_ended() || tidegate_tests::running::found(&place, "home/checkpoints/*/request-*").is_some()
        });
        std::thread::sleep(std::time::Duration::from_millis(delay));
        job.signal("KILL");
        assert_eq!(job.end().code, None);
        let asked = asking.end();
        if asked.code != Some(0) {
            asked.failed(2).says(&["ended before it did what was asked"]);
        }
        // What is there is whole.
        for savepoint in glob::glob(place.path("here/savepoint-*").to_str().expect("UTF-8")).expect("a pattern") {
            let savepoint = savepoint.expect("a path").display().to_string();
            let other = Workplace::new();
            other.write("job.sql", script());
            from(&other, &savepoint, &[]).succeeded();
            assert_eq!(sorted_lines(&other, "out.csv"), sorted_lines(&expected, "out.csv"));
        }
        // And the job itself goes on from its checkpoint.
        place.tidegate(&[&["run", "job.sql", "--json"], &OFTEN[..]].concat()).succeeded();
        for file in ["out.csv", "kept.csv"] {
            assert_eq!(sorted_lines(&place, file), sorted_lines(&expected, file), "killed after {delay} ms: {file}");
        }
    }
}

#[test]
fn a_run_from_a_savepoint_that_is_interrupted_goes_on_without_it() {
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, &script()));
    let again = Running::start(&place, &[&["run", "job.sql", "--json", "--from", &savepoint], &OFTEN[..]].concat());
    wait_until("it has its run", || tidegate_tests::running::found(&place, "home/checkpoints/*/run").is_some());
    again.signal("INT");
    let error = again.end().failed(130).of_type("error").remove(0);
    assert!(error["help"].as_str().is_some_and(|help| !help.contains("--from")), "{error}");
    // Another savepoint would lose what has been done since; the same one goes on.
    let copy = place.path("copy");
    std::fs::create_dir(&copy).expect("a folder");
    place.tidegate(&["run", "job.sql", "--json", "--from", "copy"]).failed(2);
    place.tidegate(&[&["run", "job.sql", "--json"], &OFTEN[..]].concat()).succeeded();
    let expected = undisturbed(&script());
    for file in ["out.csv", "kept.csv"] {
        assert_eq!(sorted_lines(&place, file), sorted_lines(&expected, file));
    }
}

#[test]
fn a_damaged_savepoint_is_refused() {
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, &script()));
    let carried = tidegate_tests::running::found(&place, "home/savepoints/*/carried/sink-1/0").expect("hidden rows");
    let whole = std::fs::read(&carried).expect("it can be read");
    std::fs::write(&carried, &whole[1..]).expect("it can be written");
    let error = message(&from(&place, &savepoint, &[]).failed(4));
    assert!(error.contains("the savepoint is damaged") && error.contains("sink-1"), "{error}");
    std::fs::write(&carried, &whole).expect("it can be written");
    from(&place, &savepoint, &[]).succeeded();

    let error = message(&from(&place, "nowhere", &[]).failed(2));
    assert!(error.contains("nowhere is neither a savepoint nor the folder of a job"), "{error}");
}

#[test]
fn rows_kept_for_the_end_and_dead_letters_are_in_a_savepoint() {
    const ROWS: usize = 60_000;
    let lines: Vec<String> = (0..ROWS)
        .map(|i| if i % 1000 == 7 { format!("{i},rubbish\n") } else { format!("{i},{}\n", (i * 7919) % 1000) })
        .collect();
    let script = "SET 'execution.batch-size' = '1';
         CREATE TABLE t (id BIGINT, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv',
           'on-error' = 'dead-letter', 'dead-letter.path' = 'dead.json');
         CREATE TABLE out (id BIGINT, x DOUBLE, predicted DOUBLE)
         WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
         WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.0000001');
         CREATE VIEW v AS SELECT id, x, 2 * x AS y FROM t;
         INSERT INTO out SELECT id, x, predicted FROM ML_TRAIN(TABLE v, MODEL m, DESCRIPTOR(y), DESCRIPTOR(x))
         ORDER BY x DESC, id;";
    let place = Workplace::new();
    place.write("in.csv", format!("id,x\n{}", lines.concat()));
    let savepoint = stopped(&place, started(&place, script));
    assert!(tidegate_tests::running::found(&place, ".tidegate-*").is_none(), "hidden rows are in the savepoint alone");
    // The query at the end is another one to the program: the rows kept for it are the same.
    place.write("job.sql", script.replace("x DESC, id", "x DESC, id ASC"));
    from(&place, &savepoint, &[]).succeeded();
    let expected = Workplace::new();
    expected.write("in.csv", place.read("in.csv"));
    expected.write("job.sql", script);
    expected.tidegate(&["run", "job.sql"]).succeeded();
    assert_eq!(place.read("out.csv"), expected.read("out.csv"));
    assert_eq!(place.read("dead.json").lines().count(), ROWS / 1000);
    assert_eq!(place.read("dead.json"), expected.read("dead.json"));
}
