//! A bounded job that dies when its output can be seen already, but it has not noted so yet.

use tidegate_tests::{Outcome, Workplace};

const TABLE: &str = "
CREATE TABLE input (x DOUBLE, y DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'input.csv', 'format' = 'csv',
  'on-error' = 'dead-letter', 'dead-letter.path' = 'dead/letters.jsonl');
";

/// Three good rows and a bad one.
const INPUT: &str = "x,y\n1,2\n2,4\nno number,5\n3,6\n";

/// Lets the first step fail where it would note that it is done, then lets it go on.
fn interrupted(script: &str) -> (Workplace, Outcome) {
    let place = Workplace::new();
    place.write("job.sql", script);
    let run = || place.tidegate(&["run", "job.sql", "--json"]);
    place.write("input.csv", INPUT);
    // A run that fails where its step begins is one to go on with.
    place.write("dead", "a file where a folder is to be made");
    assert_ne!(run().code, Some(0));
    std::fs::remove_file(place.path("dead")).expect("the file goes");
    let run_file = tidegate_tests::running::found(&place, "home/checkpoints/*/run").expect("an interrupted run");
    let obstacle = run_file.with_file_name("step-0").join("logs.unfinished");
    std::fs::create_dir_all(&obstacle).expect("a folder where the note of the end is written");
    let failed = run();
    assert_ne!(failed.code, Some(0));
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("step-0/logs"), "it fails where it notes that it is done: {said}");
    assert_eq!(place.read("dead/letters.jsonl").lines().count(), 1, "its output can be seen");
    std::fs::remove_dir(&obstacle).expect("the folder goes");
    let outcome = run().succeeded();
    (place, outcome)
}

#[test]
fn rows_that_were_added_to_a_file_are_not_added_again() {
    let (place, outcome) = interrupted(&format!(
        "{TABLE}
        CREATE TABLE output (x DOUBLE, y DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'output.csv', 'format' = 'csv');
        INSERT INTO output SELECT x, y FROM input;"
    ));
    assert_eq!(place.read("output.csv"), "x,y\n1.0,2.0\n2.0,4.0\n3.0,6.0\n");
    assert_eq!(place.read("dead/letters.jsonl").lines().count(), 1);
    assert!(outcome.stdout.contains("\"rows\":3"), "{}", outcome.stdout);
}

#[test]
fn a_model_and_dead_letters_are_not_written_again() {
    let (place, outcome) = interrupted(&format!(
        "{TABLE}
        CREATE MODEL line INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
        WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'label' = 'y')
        AS SELECT x, y FROM input;"
    ));
    assert_eq!(place.read("dead/letters.jsonl").lines().count(), 1);
    let versions = place.tidegate(&["models", "versions", "line", "--json"]).succeeded();
    assert_eq!(versions.of_type("version").len(), 1);
    assert!(outcome.stdout.contains("\"rows_learned\":3"), "{}", outcome.stdout);
}
