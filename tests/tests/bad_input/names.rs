//! Names and types that are not right: refused before anything runs, with the place, and what may be meant.

use super::MODEL;
use tidegate_tests::Workplace;

const TABLE: &str = "CREATE TABLE visits (a INT, b STRING)
WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');\n";

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("in.csv", "a,b\n1,x\n2,y\n");
    place
}

/// Runs it and expects these lines, as a user reads them.
#[track_caller]
fn refused(script: &str, expected: &str) {
    let outcome = place().run(script).failed(2);
    assert_eq!(outcome.stderr.trim_end(), expected);
    assert_eq!(outcome.stdout, "", "nothing is printed before a script has been checked whole");
}

#[test]
fn an_unknown_option_is_pointed_at_and_the_nearest_one_named() {
    refused(
        "CREATE TABLE t (a INT)\nWITH ('connector' = 'filesystem', 'path' = 'in.csv',\n  'formt' = 'csv');",
        "job.sql:3:3: table 't': unknown option 'formt'; did you mean 'format'?\n  |\n3 |   'formt' = 'csv');\n  |   ^^^^^^^",
    );
    refused(
        "SET 'execution.batchsize' = '7';",
        "job.sql:1:5: unknown option 'execution.batchsize'\n  |\n1 | SET 'execution.batchsize' = '7';\n\
         \u{20} |     ^^^^^^^^^^^^^^^^^^^^^\nhelp: did you mean 'execution.batch-size'?",
    );
    let model = MODEL.replace("'learning_rate'", "'learnig_rate'");
    place().run(&model).failed(2).says(&[
        "job.sql:2:",
        "unknown option 'learnig_rate'",
        "did you mean 'learning_rate'?",
    ]);
    let setting = place().run_with(TABLE, &["-s", "execution.batch-sise=7"]).failed(2);
    setting.says(&["unknown option 'execution.batch-sise'", "did you mean 'execution.batch-size'?"]);
}

#[test]
fn a_value_of_the_wrong_kind_is_pointed_at() {
    refused(
        "SET 'execution.checkpointing.interval' = 'soon';",
        "job.sql:1:42: option 'execution.checkpointing.interval': 'soon' is not a duration such as '10 s' or '5 min'\n  |\n\
         1 | SET 'execution.checkpointing.interval' = 'soon';\n  |                                          ^^^^^^",
    );
    let table = TABLE.replace("'csv')", "'csv', 'csv.allow-comments' = 'maybe')");
    place().run(&table).failed(2).says(&["job.sql:2:", "'maybe' is not true or false", "^^^^^^^"]);
}

#[test]
fn a_column_of_the_wrong_type_is_named_before_the_job_starts() {
    let place = place();
    let script = format!(
        "{TABLE}CREATE TABLE s (a INT, b INT) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');\nINSERT INTO s SELECT a, b FROM visits;"
    );
    let outcome = place.run(&script).failed(2);
    outcome.says(&[
        "job.sql:4:1: column 2 of the query, 'b', is STRING, but column 'b' of 's' takes INT",
        "help: CAST(b AS INT) if that is meant",
    ]);
    assert!(!place.path("out.csv").exists());
}

#[test]
fn an_unknown_column_table_or_function_is_pointed_at() {
    refused(
        &format!("{TABLE}SELECT a,\n  bb FROM visits;"),
        "job.sql:4:3: column 'bb' not found\n  |\n4 |   bb FROM visits;\n  |   ^^\nhelp: did you mean 'b'?",
    );
    place().run(&format!("{TABLE}SELECT * FROM visit;")).failed(2).says(&[
        "job.sql:3:15: table 'visit' not found",
        "^^^^^",
        "help: did you mean 'visits'?",
    ]);
    place().run("SELECT ML_ACURACY(1, 1);").failed(2).says(&["job.sql:1:8", "ML_ACURACY", "did you mean ML_ACCURACY?"]);
}

#[test]
fn a_missing_file_is_named_with_its_neighbours() {
    let place = place();
    place.write("inn.csv.bak", "");
    let script = TABLE.replace("in.csv", "inn.csv") + "SELECT * FROM visits;";
    place.run(&script).failed(2).says(&["table 'visits'", "no file at", "inn.csv", "did you mean", "in.csv'?"]);
    // A script that is missing is a mistake on the command line.
    place.tidegate(&["run", "jobb.sql"]).failed(2).says(&["there is no script jobb.sql", "did you mean job.sql?"]);
}

#[test]
fn a_model_that_takes_other_columns_is_refused() {
    let place = Workplace::new();
    place.write("in.csv", "x,y,label\n1,2,true\n");
    let train = |columns: &str, arguments: &str| {
        let table = format!(
            "CREATE TABLE t ({columns}) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');\n"
        );
        let call = "SELECT p FROM ML_TRAIN(INPUT => TABLE t, MODEL => MODEL m, LABEL => DESCRIPTOR(label),\n  ";
        place.run(&format!("{table}{MODEL}{call}ARGS => {arguments});")).failed(2)
    };
    train("x DOUBLE, y DOUBLE, label BOOLEAN", "DESCRIPTOR(x)").says(&[
        "job.sql:5:3: model 'm' takes 2 columns (x, y), but ARGS names 1",
        "5 |   ARGS => DESCRIPTOR(x));",
        "  |   ^^^^^^^^^^^^^^^^^^^^",
    ]);
    train("x DOUBLE, y STRING, label BOOLEAN", "DESCRIPTOR(x, y)")
        .says(&["job.sql:5:25: model 'm': its input 'y' takes a number, but column 'y' is STRING"]);
    train("x DOUBLE, y DOUBLE, label STRING", "DESCRIPTOR(x, y)").says(&[
        "job.sql:4:60: the label 'label' is STRING, which does not fit model 'm', whose 'predicted' is BOOLEAN",
    ]);
    train("x DOUBLE, y DOUBLE, label BOOLEAN", "DESCRIPTOR(x, z)").says(&["job.sql:5:25", "'z'"]);
}

#[test]
fn an_unknown_model_version_or_alias_is_pointed_at() {
    let place = Workplace::new();
    place.write("in.csv", "x,y,label\n1,2,true\n3,4,false\n");
    let table = "CREATE TABLE t (x DOUBLE, y DOUBLE, label BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');\n";
    place.run(&format!("{table}{}\nAS SELECT * FROM t;", MODEL.trim_end().trim_end_matches(';'))).succeeded();

    let predict = |model: &str| {
        place.run(&format!("{table}SELECT * FROM ML_PREDICT(TABLE t, MODEL {model}, DESCRIPTOR(x, y));")).failed(2)
    };
    predict("mm").says(&["job.sql:3:", "there is no model 'mm'; did you mean 'm'?", "^^^^^^^^"]);
    predict("m$7").says(&["model 'm' has no version 7; its only version is 1"]);
    predict("m$production").says(&["model 'm' has no alias 'production'; there is no alias yet"]);
    place.tidegate(&["models", "alias", "m", "candidate", "1"]).succeeded();
    predict("m$candidat").says(&["model 'm' has no alias 'candidat'", "candidate"]);
    place.tidegate(&["models", "show", "mm"]).failed(2).says(&["'mm'"]);
    place.tidegate(&["models", "alias", "m", "candidate", "9"]).failed(2).says(&["no version 9"]);
}
