//! `tidegate report`: a page on a model, and what is said where there can be none.

use serde_json::Value;
use tidegate_tests::binary::number;
use tidegate_tests::{Outcome, Workplace};

/// Labels are `x > 0`, but for two rows of the region south; the last row has none.
const ROWS: &str = "\
ts,region,x,y
2026-01-01 00:00:00,north,-3.0,false
2026-01-01 06:00:00,north,-2.0,false
2026-01-02 00:00:00,north,2.0,true
2026-01-02 06:00:00,north,3.0,true
2026-01-03 00:00:00,south,-2.5,false
2026-01-03 06:00:00,south,-1.5,true
2026-01-04 00:00:00,south,1.5,false
2026-01-04 06:00:00,south,2.5,true
2026-01-05 00:00:00,south,2.0,
";

const SCRIPT: &str = "
CREATE TABLE visits (ts TIMESTAMP(3), region STRING, x DOUBLE, y BOOLEAN, WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'visits.csv', 'format' = 'csv');
CREATE MODEL sign INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'classes' = 'false, true');
CREATE VIEW scored AS SELECT * FROM ML_TRAIN(INPUT => TABLE visits, MODEL => MODEL sign, LABEL => DESCRIPTOR(y));
CREATE TABLE predictions (y BOOLEAN, predicted BOOLEAN) WITH ('connector' = 'blackhole');
INSERT INTO predictions SELECT y, predicted FROM scored;
";

fn trained() -> Workplace {
    let place = Workplace::new();
    place.write("visits.csv", ROWS);
    place.write("job.sql", SCRIPT);
    place.tidegate(&["run", "job.sql", "--quiet"]).succeeded();
    place
}

fn report(place: &Workplace, arguments: &[&str]) -> Outcome {
    place.tidegate(&[&["report", "sign", "--script", "job.sql"], arguments].concat())
}

fn findings(outcome: &Outcome) -> Value {
    outcome.of_type("report").first().expect("a report")["findings"].clone()
}

#[test]
fn figures_are_those_of_the_rows() {
    let place = trained();
    let asked = ["--data", "visits", "--label", "y", "--time", "ts", "--slice", "region", "--json"];
    let told = findings(&report(&place, &asked).succeeded());
    let quality = &told["quality"];
    assert_eq!((number(quality, "rows"), number(quality, "labelled")), (9.0, 8.0));
    // The sign of x is right for six of eight, and a model of it without a constant to speak of goes by it.
    let metrics = quality["metrics"].as_array().expect("metrics");
    let metric = |name: &str| metrics.iter().find(|pair| pair[0] == name).map(|pair| pair[1].clone());
    assert_eq!(metric("Accuracy"), Some(Value::from(0.75)));
    assert_eq!(quality["classes"]["counts"], serde_json::json!([[3, 1], [1, 3]]));
    // By rank of x -1.5, which is positive, is below 1.5, which is not; the other 15 of 16 pairs are in order.
    assert_eq!(metric("RocAuc"), Some(Value::from(15.0 / 16.0)));
    // Four days are cut into windows of six hours, each of which has a row or none.
    let windows = quality["by_time"]["windows"].as_array().expect("windows");
    assert_eq!(quality["by_time"]["every"], "6 hours");
    assert_eq!(windows.iter().map(|window| number(window, "rows")).sum::<f64>(), 9.0);
    let slices = quality["by_slice"][0]["slices"].as_array().expect("slices");
    let slice = |i: usize| (slices[i]["of"].as_str().unwrap_or_default(), number(&slices[i], "labelled"));
    assert_eq!([slice(0), slice(1)], [("south", 4.0), ("north", 4.0)]);
    let sql = "SELECT ML_LOG_LOSS(y, probability) AS loss FROM ML_PREDICT(INPUT => TABLE visits, MODEL => MODEL sign) WHERE region = 'south'";
    let declared = SCRIPT.split("CREATE MODEL").next().expect("the table");
    let south = place.tidegate(&["sql", "--json", "-c", &format!("{declared} {sql}")]).succeeded().rows();
    assert_eq!(slices[0]["values"][0], south[0]["loss"]);
}

#[test]
fn the_page_needs_nothing_else() {
    let place = trained();
    let asked = ["--data", "visits", "--label", "y", "--output", "page.html"];
    let outcome = report(&place, &asked).succeeded();
    assert_eq!(outcome.stdout, "page.html\n");
    let page = place.read("page.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg") && page.ends_with("</html>"));
    for asking in ["<script", "http://", "https://", " src=", "NaN"] {
        assert!(!page.contains(asking), "{asking}");
    }
    assert!(page.contains("say --time COLUMN") && page.contains("say --slice COLUMN"));
    // Nothing of the script ran: there is one version, as before.
    let versions = place.tidegate(&["models", "versions", "sign", "--json"]).succeeded();
    assert_eq!(versions.of_type("version").len(), 1);
}

#[test]
fn without_data_it_tells_of_the_model_alone() {
    let place = trained();
    let told = findings(&place.tidegate(&["report", "sign@1", "--json"]).succeeded());
    assert_eq!(number(&told["model"], "rows_learned"), 8.0);
    assert!(told.get("quality").is_none());
    assert!(place.read("sign-1.html").contains("say --data TABLE"));
}

#[test]
fn what_is_wrong_is_said() {
    let place = trained();
    place.tidegate(&["report", "sing"]).failed(2);
    report(&place, &["--data", "visit", "--label", "y"])
        .failed(2)
        .says(&["no table or view 'visit'", "did you mean visits?"]);
    report(&place, &["--data", "visits"]).failed(2).says(&["--label"]);
    let refused =
        |arguments: &[&str]| report(&place, &[&["--data", "visits", "--label", "y"], arguments].concat()).failed(2);
    refused(&["--slice", "regin"]).says(&["--slice: visits has no column 'regin'", "did you mean region?"]);
    refused(&["--time", "region"]).says(&["column 'region' is no TIMESTAMP"]);
    report(&place, &["--data", "scored", "--label", "y"]).failed(2).says(&["trains a model whenever it is read"]);
    report(&place, &["--data", "SELECT * FROM visits WHERE y IS NULL", "--label", "y"])
        .failed(2)
        .says(&["none with a label"]);
    place.tidegate(&["report", "sign", "--data", "visits", "--label", "y"]).failed(2).says(&["--script FILE"]);
}
