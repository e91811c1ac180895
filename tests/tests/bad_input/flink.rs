//! What Flink cannot run: refused before anything is submitted, with the place and what to do.

use tidegate_tests::Workplace;

use super::MODEL;

const TABLES: &str =
    "CREATE TABLE t (k BIGINT, x DOUBLE, y DOUBLE, label BOOLEAN, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'datagen');
CREATE TABLE some (x DOUBLE, y DOUBLE, label BOOLEAN) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE kept (k BIGINT, row_json STRING) WITH ('connector' = 'blackhole');
CREATE TABLE o (p DOUBLE) WITH ('connector' = 'blackhole');\n";

const TRAIN: &str = "LABEL => DESCRIPTOR(label), ARGS => DESCRIPTOR(x, y))";

/// What is written, and what is said of it: the message, and the help.
fn refused(written: &str, says: &[&str]) {
    let place = Workplace::new();
    let script = place.write("job.sql", format!("{TABLES}{MODEL}{written}")).display().to_string();
    let line = (TABLES.lines().count() + MODEL.lines().count() + 1).to_string();
    // Neither asks anything of a cluster.
    for command in [&["explain", "--flink"][..], &["submit", "--flink", "http://127.0.0.1:1", "--jar", "none.jar"]] {
        let arguments: Vec<&str> = command.iter().copied().chain([script.as_str()]).collect();
        let outcome = place.tidegate(&arguments).failed(2);
        outcome.says(says).says(&[&format!("job.sql:{line}:")]);
    }
}

#[test]
fn keys_are_of_types_that_are_the_same_there() {
    for (key, is) in [("ts", "TIMESTAMP(3)"), ("x", "DOUBLE")] {
        let written = format!(
            "INSERT INTO o SELECT p FROM ML_TRAIN(INPUT => TABLE t PARTITION BY k, {key}, MODEL => MODEL m, {TRAIN};"
        );
        let says = format!("in Flink there can be no model for each value of '{key}', which is {is}");
        refused(&written, &[&says, "take a BOOLEAN, an integer or a STRING"]);
    }
}

#[test]
fn a_report_is_for_a_table() {
    let written = format!(
        "INSERT INTO o SELECT `result`['Accuracy'] FROM ML_EVALUATE(INPUT => TABLE t, MODEL => MODEL m, {TRAIN};"
    );
    refused(
        &written,
        &["ML_EVALUATE reads a stream, which has no end to report at", "write the predictions to a table"],
    );
}

#[test]
fn a_stream_is_not_shown() {
    refused("SELECT x FROM t;", &["a SELECT cannot show the rows of a stream", "INSERT the rows into a table"]);
}

#[test]
fn late_rows_are_not_lost_without_a_word() {
    let written = "SET 'table.exec.late-rows.table' = 'kept'; INSERT INTO o SELECT x FROM t;";
    refused(written, &["late rows cannot be written to a table in Flink", "RESET 'table.exec.late-rows.table'"]);
}

#[test]
fn features_are_not_made_in_its_queries() {
    for (function, select) in [
        ("ML_MIN_MAX_SCALER", "SELECT ML_MIN_MAX_SCALER(x, 0, 1) FROM t"),
        (
            "ML_LABEL_ENCODER",
            "SELECT x FROM (SELECT x FROM t WHERE ML_LABEL_ENCODER(label, ARRAY[TRUE]) = 1) AS chosen",
        ),
    ] {
        let says = format!("{function} in a query does not run in Flink");
        refused(&format!("INSERT INTO o {select};"), &[&says, "make the feature in the model's TRANSFORM"]);
    }
}
