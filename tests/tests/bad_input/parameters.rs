//! Values of script parameters are values, whatever stands in them: they cannot become SQL.

use serde_json::json;
use tidegate_tests::Workplace;

const TABLE: &str =
    "CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = '${file}', 'format' = 'csv');\n";

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("in.csv", "a,b\n1,x\n2,y\n3,it's; DROP TABLE t\n");
    place
}

#[test]
fn quotes_and_semicolons_stay_within_the_value() {
    let place = place();
    let script = format!("{TABLE}SELECT a, '<${{who}}>' AS v FROM t WHERE b = ${{who}};\nSHOW TABLES;");
    let given = ["--json", "--param", "file=in.csv", "--param", "who=it's; DROP TABLE t"];
    let results = place.run_with(&script, &given).succeeded().of_type("rows");
    assert_eq!(results[0]["rows"], json!([{"a": 3, "v": "<it's; DROP TABLE t>"}]));
    assert_eq!(results[1]["rows"], json!([{"table name": "t"}]));

    let script = format!("{TABLE}SELECT COUNT(*) AS n FROM t WHERE b = ${{who}};");
    let given = ["--json", "--param", "file=in.csv", "--param", "who=x' OR '1'='1"];
    assert_eq!(place.run_with(&script, &given).succeeded().rows(), [json!({"n": 0})]);
}

#[test]
fn an_option_stays_one_value() {
    let given = ["--param", "file=in.csv', 'format' = 'json"];
    place()
        .run_with(&format!("{TABLE}SELECT * FROM t;"), &given)
        .failed(2)
        .says(&["no file at", "in.csv', 'format' = 'json"]);
}

#[test]
fn a_parameter_is_no_name_and_no_expression() {
    let place = place();
    let table = ["--param", "file=in.csv"];
    let script = format!("{TABLE}SELECT * FROM ${{t}};");
    place
        .run_with(&script, &[&table[..], &["--param", "t=t; DROP TABLE t"]].concat())
        .failed(2)
        .says(&["job.sql:2:15", "${t}"]);
    let script = format!("{TABLE}SELECT a + ${{n}} FROM t;");
    place
        .run_with(&script, &[&table[..], &["--param", "n=1); DROP TABLE t; --"]].concat())
        .failed(2)
        .says(&["job.sql:2:"]);
}

#[test]
fn a_parameter_without_value_is_pointed_at() {
    let outcome = place().run("SELECT ${nothing};").failed(2);
    assert_eq!(
        outcome.stderr.trim_end(),
        "job.sql:1:8: parameter 'nothing' has no value\n  |\n1 | SELECT ${nothing};\n  |        ^^^^^^^^^^\n\
         help: give it with --param nothing=…, or a default with SET 'param.nothing' = '…';"
    );
}

#[test]
fn a_parameter_that_is_not_used_is_told() {
    place().run_with("SELECT 1;", &["--param", "day=2017-12-01"]).succeeded().says(&["'day'", "not used"]);
}
