//! The model of the purchase example against scikit-learn: the same features in the same order, one row at a time.
//!
//! `reference/purchase_intent` holds what scikit-learn gave, and the script that had it compute. Its features are of the
//! whole year; but a household's features depend on its own purchases alone, and a label on the 28 days after it alone. So
//! the features of a part of the year, or of some households, are the same when they are computed from that part.

use serde_json::Value;
use tidegate_sql::{Parameters, Script, Statement, parse_script};
use tidegate_tests::Workplace;
use tidegate_tests::binary::number;
use tidegate_tests::data::{repository, source};
use tidegate_tests::purchases::part_of_the_year;

const JOB: &str = "examples/purchase-intent/job.sql";
const CHECK: &str = "tests/reference/purchase_intent/check.sql";

fn parsed(path: &str) -> Script {
    parse_script(path, &source(path), &Parameters::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The text of the first statement that `wanted` picks, and of all before it.
fn up_to(script: &Script, wanted: impl Fn(&Statement) -> bool) -> (String, String) {
    let found = script.statements.iter().find(|located| wanted(&located.statement)).expect("the statement");
    let range = script.source.range(found.span);
    let text = &script.source.text;
    (text[..range.end].to_string(), text[range].to_string())
}

/// The part of job.sql that writes the features.
fn features_script() -> String {
    let script = parsed(JOB);
    let (text, _) = up_to(&script, |statement| matches!(statement, Statement::Insert(_)));
    format!("{text};\n")
}

fn case(name: &str) -> Value {
    let reference: Value =
        serde_json::from_str(&source("tests/reference/purchase_intent/reference.json")).expect("JSON");
    let cases = reference["cases"].as_array().expect("cases").clone();
    cases.into_iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no case '{name}'"))
}

/// The features of some transactions, in `output/features.parquet`: the first `rows` purchases.
fn compute_features(place: &Workplace, transactions: &str, rows: u64) {
    let data = format!("data={}", part_of_the_year(place, transactions).display());
    let output = format!("output={}", place.path("output").display());
    let rows = format!("rows={rows}");
    place.run_with(&features_script(), &["--param", &data, "--param", &output, "--param", &rows]).succeeded();
}

/// Sums in another order differ in the last digits; the reference is stored to nine.
const TOLERANCE: f64 = 2e-8;

/// Runs check.sql over the features and holds what it prints against the case.
fn check(place: &Workplace, name: &str) {
    let case = case(name);
    let parameters = [
        format!("features={}", place.path("output/features.parquet").display()),
        format!("output={}", place.path("output").display()),
        format!("one_in={}", case["one_in"]),
        format!("rows={}", case["rows_max"]),
        format!("late={}", case["late"]),
    ];
    let script = repository().join(CHECK);
    let mut arguments = vec!["run", script.to_str().expect("UTF-8"), "--json"];
    for parameter in &parameters {
        arguments.extend(["--param", parameter]);
    }
    let outcome = place.tidegate(&arguments).succeeded();
    let row = outcome.rows().remove(0);

    // What went in is the same …
    for key in ["rows", "labelled", "positives"] {
        assert_eq!(number(&row, key), number(&case, key), "{name}: {key}");
    }
    for key in ["mean_spend_so_far", "mean_discount_share"] {
        let (ours, theirs) = (number(&row, key), number(&case, key));
        assert!((ours / theirs - 1.0).abs() < TOLERANCE, "{name}: {key} is {ours}, in the reference {theirs}");
    }
    // … and so is what came out.
    for key in ["log_loss", "accuracy", "roc_auc", "mean_probability"] {
        let (ours, theirs) = (number(&row, key), number(&case, key));
        assert!((ours - theirs).abs() < TOLERANCE, "{name}: {key} is {ours}, scikit-learn's {theirs}");
    }
    // When the stream has ended the rows that still wait are learned too; the reference's loop leaves them.
    let jobs = outcome.of_type("job");
    let model = &jobs.iter().find(|job| job["name"] == "INSERT INTO predictions").expect("the job")["models"][0];
    assert_eq!(number(model, "rows_learned"), number(&case, "labelled"), "{name}: {model}");
}

/// The 50,000th purchase is of January; its label is known 28 days later.
#[test]
fn a_prefix_is_as_in_scikit_learn() {
    let place = Workplace::new();
    compute_features(&place, "transaction_timestamp < TIMESTAMP '2017-03-01 00:00:00'", 50_000);
    check(&place, "prefix, learned at once");
    check(&place, "prefix, learned when known");
}

#[test]
fn a_year_of_one_household_in_thirty_is_as_in_scikit_learn() {
    let place = Workplace::new();
    compute_features(&place, "household_id % 30 = 0", 1_000_000_000);
    check(&place, "one household in 30, learned when known");
}

/// check.sql says that it has the features and the model of job.sql.
#[test]
fn the_checked_model_is_that_of_the_job() {
    let (job, check) = (parsed(JOB), parsed(CHECK));
    // But for what is said of versions, which comes last.
    let model = |script: &Script| {
        let (_, text) = up_to(script, |s| matches!(s, Statement::CreateModel(model) if model.name.value == "intent"));
        let (model, versions) = text.split_once("'version.").expect("options of versions");
        (model.to_string(), versions.matches("' = '").count() - versions.matches("'version.").count())
    };
    assert_eq!(model(&job), model(&check));
    assert_eq!(model(&job).1, 1, "only options of versions stand after the first of them");

    let history = |script: &Script, from: &str| {
        let (_, text) = up_to(script, |s| matches!(s, Statement::CreateView(view) if view.name.value == "history"));
        text.replace(from, "…")
    };
    assert_eq!(history(&job, "FROM features"), history(&check, "FROM chosen"));
    let train = |script: &Script| {
        let text = &script.source.text;
        let from = text.find("MODEL      => MODEL intent").expect("ML_TRAIN");
        text[from..from + text[from..].find(");").expect("its end")].to_string()
    };
    assert_eq!(train(&job), train(&check));
}
