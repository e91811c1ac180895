//! Records that cannot be read or learned go by the table's `on-error`: fail with the position, skip and count, or dead
//! letters.

use serde_json::{Value, json};
use tidegate_tests::{Outcome, Workplace};

use super::MODEL;

/// The rows of a file of JSON lines.
fn dead_letters(place: &Workplace) -> Vec<Value> {
    place.read("dead.jsonl").lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The options that a policy needs.
fn on_error(policy: &str) -> String {
    let path = if policy == "dead-letter" { ", 'dead-letter.path' = 'dead.jsonl'" } else { "" };
    format!("'on-error' = '{policy}'{path}")
}

fn copy(place: &Workplace, policy: &str) -> Outcome {
    place.run_with(
        &format!(
            "CREATE TABLE t (a INT, b STRING)
             WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv', {});
             CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
             INSERT INTO s SELECT * FROM t;",
            on_error(policy)
        ),
        &["--json"],
    )
}

const BAD_CSV: &str = "a,b\n1,x\ntwo,y\n3,z\n4\n5,\"open\n";

#[test]
fn a_malformed_row_stops_the_job_and_is_named() {
    let place = Workplace::new();
    place.write("in.csv", BAD_CSV);
    let outcome = copy(&place, "fail").failed(3);
    let error = outcome.of_type("error").remove(0);
    assert_eq!(error["message"], "in.csv line 3: column 'a': 'two' is not of type INT\n  in: two,y");
    assert!(!place.path("out.csv").exists(), "a job that failed shows no output");
    // The same for people.
    place.tidegate(&["run", "job.sql"]).failed(3).says(&["error: in.csv line 3: column 'a': 'two' is not of type INT"]);
}

#[test]
fn malformed_rows_are_skipped_and_counted() {
    let place = Workplace::new();
    place.write("in.csv", BAD_CSV);
    let outcome = copy(&place, "skip").succeeded();
    let job = &outcome.of_type("job")[0];
    assert_eq!(job["sources"][0]["rows"], 2);
    assert_eq!(job["sources"][0]["bad"], 3);
    assert_eq!(place.read("out.csv"), "a,b\n1,x\n3,z\n");
}

#[test]
fn malformed_rows_go_to_the_dead_letters_with_place_and_reason() {
    let place = Workplace::new();
    place.write("in.csv", BAD_CSV);
    copy(&place, "dead-letter").succeeded();
    let letters = dead_letters(&place);
    assert_eq!(
        letters[..2],
        [
            json!({"location": "in.csv line 3", "reason": "column 'a': 'two' is not of type INT", "raw": "two,y"}),
            json!({"location": "in.csv line 5", "reason": "it has 1 fields; expected 2", "raw": "4"}),
        ]
    );
    assert_eq!(letters.len(), 3);
    assert_eq!(letters[2]["location"], "in.csv line 6");
    assert_eq!(place.read("out.csv"), "a,b\n1,x\n3,z\n");
}

#[test]
fn lines_that_are_not_json_are_bad_records_too() {
    let place = Workplace::new();
    place.write("in.json", "{\"a\": 1}\n{\"a\": \n{\"a\": \"x\"}\n{\"a\": 4}\n");
    let script = |policy: &str| {
        format!(
            "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json', {});
             CREATE TABLE s (a INT) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
             INSERT OVERWRITE s SELECT a FROM t;",
            on_error(policy)
        )
    };
    place.run(&script("fail")).failed(3).says(&["in.json line 2"]);
    place.run(&script("skip")).succeeded();
    assert_eq!(place.read("out.csv"), "a\n1\n4\n");
    place.run(&script("dead-letter")).succeeded();
    let locations: Vec<Value> = dead_letters(&place).iter().map(|letter| letter["location"].clone()).collect();
    assert_eq!(locations, ["in.json line 2", "in.json line 3"]);
}

fn train(place: &Workplace, policy: &str) -> Outcome {
    let script = format!(
        "CREATE TABLE t (x DOUBLE, y DOUBLE, label BOOLEAN)
         WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv', {});
         CREATE TABLE s (x DOUBLE, p DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         {MODEL}
         INSERT INTO s SELECT x, p
         FROM ML_TRAIN(TABLE t, MODEL m, DESCRIPTOR(label), DESCRIPTOR(x, y));",
        on_error(policy)
    );
    place.run_json(&script)
}

/// What is wrong with row 2, in a file of three rows; the two others are learned the same in all cases.
#[track_caller]
fn bad_feature(written: &str, reason: &str, raw: &str) {
    let place = Workplace::new();
    place.write("in.csv", format!("x,y,label\n1,2,true\n2,{written},false\n3,4,true\n"));
    let error = train(&place, "fail").failed(3).of_type("error").remove(0);
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with(&format!("row 2 of the input of ML_TRAIN for model 'm': {reason}")), "{message}");
    assert!(!place.path("out.csv").exists());
    assert!(
        place.tidegate(&["models", "list", "--json"]).succeeded().of_type("model").is_empty(),
        "no version of half a run"
    );

    for policy in ["skip", "dead-letter"] {
        let outcome = train(&place, policy).succeeded();
        let job = &outcome.of_type("job")[0];
        assert_eq!(job["sources"][0]["bad"], 1);
        assert_eq!(job["models"][0]["rows_bad"], 1);
        assert_eq!(job["models"][0]["rows_learned"], 2);
        // The first step from 0 at learning rate 0.1: weights (0.05, 0.1), intercept 0.05, so the margin of (3, 4) is 0.6.
        let out = place.read("out.csv");
        let rows: Vec<&str> = out.lines().skip(1).collect();
        assert_eq!(rows[0], "1.0,0.5");
        let (x, p) = rows[1].split_once(',').expect("two columns");
        assert_eq!(x, "3.0");
        let p: f64 = p.parse().expect("a number");
        assert!((p - 1.0 / (1.0 + (-0.6f64).exp())).abs() < 1e-15, "{p}");
        std::fs::remove_file(place.path("out.csv")).expect("it was there");
    }
    let letters = dead_letters(&place);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["location"], "row 2 of the input of ML_TRAIN for model 'm'");
    assert!(letters[0]["reason"].as_str().is_some_and(|text| text.starts_with(reason)), "{}", letters[0]);
    assert_eq!(letters[0]["raw"], raw);
}

#[test]
fn a_missing_feature_is_a_bad_record() {
    bad_feature("", "column 'y' is NULL; expected a number", "x=2.0, y=NULL, label=false");
}

#[test]
fn an_infinite_feature_is_a_bad_record() {
    bad_feature("Infinity", "column 'y' is infinite; expected a finite number", "x=2.0, y=inf, label=false");
}

#[test]
fn a_label_outside_the_declared_classes_is_a_bad_record() {
    let place = Workplace::new();
    place.write("in.csv", "x,kind\n1,good\n2,bad\n3,godo\n4,good\n");
    let script = |policy: &str| {
        format!(
            "CREATE TABLE t (x DOUBLE, kind STRING)
             WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv', {});
             CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted STRING)
             WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
                   'classes' = 'good, bad');
             SELECT x FROM ML_TRAIN(TABLE t, MODEL m, DESCRIPTOR(kind), DESCRIPTOR(x));",
            on_error(policy)
        )
    };
    place.run(&script("fail")).failed(3).says(&[
        "row 3 of the input of ML_TRAIN for model 'm': ",
        "column 'kind' 'godo' is none of the classes good, bad; did you mean 'good'?",
    ]);
    let rows = place.run_json(&script("skip")).succeeded().rows();
    assert_eq!(rows, [json!({"x": 1.0}), json!({"x": 2.0}), json!({"x": 4.0})]);
    place.run(&script("dead-letter")).succeeded();
    assert_eq!(dead_letters(&place)[0]["raw"], "x=3.0, kind=godo");
}

/// A category that was never learned has no feature: what is left of the model is its intercept.
#[test]
fn an_unseen_category_is_predicted_by_the_intercept() {
    let place = Workplace::new();
    place.write("in.csv", "c,label\na,true\nb,false\na,true\nb,false\n");
    place.write("new.csv", "c\na\nnever\n");
    let outcome = place.run_json(
        "CREATE TABLE t (c STRING, label BOOLEAN) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');
         CREATE TABLE n (c STRING) WITH ('connector' = 'filesystem', 'path' = 'new.csv', 'format' = 'csv');
         CREATE MODEL m TRANSFORM (ML_ONE_HOT_ENCODER(c) OVER () AS c) INPUT (c STRING)
         OUTPUT (predicted BOOLEAN, p DOUBLE)
         WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
               'learning_rate' = '0.1', 'epochs' = '10', 'label' = 'label')
         AS SELECT c, label FROM t;
         SELECT weight FROM ML_WEIGHTS(MODEL m) WHERE processed_input = '__INTERCEPT__';
         SELECT c, p FROM ML_PREDICT(TABLE n, MODEL m, DESCRIPTOR(c));",
    );
    let results = outcome.succeeded().of_type("rows");
    let intercept = results[0]["rows"][0]["weight"].as_f64().expect("a weight");
    let p = results[1]["rows"][1]["p"].as_f64().expect("a probability");
    assert!((p - 1.0 / (1.0 + (-intercept).exp())).abs() < 1e-15, "{p}, intercept {intercept}");
    assert!(results[1]["rows"][0]["p"].as_f64().expect("a probability") > 0.6);
}

#[test]
fn a_select_writes_dead_letters_too_and_a_record_read_twice_is_written_once() {
    let table = |extra: &str| {
        format!(
            "CREATE TABLE visits (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv',
             'on-error' = 'dead-letter', 'dead-letter.path' = 'dead.jsonl');\n{extra}"
        )
    };
    let once = Workplace::new();
    once.write("in.csv", "a,b\n1,x\nno,y\n3,z\n");
    once.run(&table("SELECT a FROM visits;")).succeeded();
    assert_eq!(dead_letters(&once).len(), 1);

    let twice = Workplace::new();
    twice.write("in.csv", "a,b\n1,x\nno,y\n3,z\n");
    let script =
        "CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
        INSERT INTO s SELECT x.a, y.b FROM visits AS x JOIN visits AS y ON x.a = y.a;";
    let jobs = twice.run_json(&table(script)).succeeded().of_type("job");
    let source = &jobs[0]["sources"][0];
    assert_eq!((&source["scans"], &source["rows"], &source["bad"]), (&2.into(), &4.into(), &1.into()));
    assert_eq!(dead_letters(&twice).len(), 1);
}
