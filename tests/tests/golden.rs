//! Figures that are known from elsewhere, by a committed script over a public file, to the digits that are printed.

use serde_json::Value;
use tidegate_tests::Workplace;
use tidegate_tests::binary::number;
use tidegate_tests::data::{elec, repository};

/// As it is printed: four digits after the point.
fn printed(row: &Value, key: &str) -> String {
    format!("{:.4}", number(row, key))
}

/// Elec, prequential, plain SGD. scikit-learn's SGDClassifier with partial_fit one row at a time gives the figures of both
/// learning rates; MOA agrees on the accuracy at 0.1, River on the figures at 0.01; CapyMOA has the no-change baseline.
#[test]
fn electricity_is_as_known() {
    let place = Workplace::new();
    let script = repository().join("examples/electricity/job.sql");
    let data = format!("data={}", elec().display());
    let output = format!("output={}", place.path("output").display());
    let arguments = ["run", script.to_str().expect("UTF-8"), "--json", "--param", &data, "--param", &output];
    let rows = place.tidegate(&arguments).succeeded().rows();

    let found: Vec<[String; 3]> = rows
        .iter()
        .filter(|row| !row["log_loss"].is_null())
        .map(|row| [printed(row, "accuracy"), printed(row, "log_loss"), printed(row, "roc_auc")])
        .collect();
    // scikit-learn: .7656 / .4972 / .8334 at 0.1, .6651 / .6081 / .7175 at 0.01.
    assert_eq!(found, [["0.7656", "0.4972", "0.8334"], ["0.6651", "0.6081", "0.7175"]]);

    let no_change = rows.iter().find(|row| row["learner"] == "no change").expect("the baseline");
    assert_eq!(printed(no_change, "accuracy"), "0.8533");
    assert!(no_change["log_loss"].is_null() && no_change["roc_auc"].is_null());
    assert!(rows.iter().all(|row| row["half_hours"] == 45_312), "{rows:?}");
}
