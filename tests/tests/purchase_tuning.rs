//! `examples/purchase-intent/tuning.sql`, on the purchases of a tenth of the households.

use serde_json::Value;
use tidegate_tests::Workplace;
use tidegate_tests::binary::number;
use tidegate_tests::data::repository;
use tidegate_tests::purchases::part_of_the_year;

#[test]
fn the_winner_of_a_race_is_held_against_the_model_it_is_to_beat() {
    let place = Workplace::new();
    let data = format!("data={}", part_of_the_year(&place, "household_id % 10 = 0").display());
    let output = format!("output={}", place.path("output").display());
    let run = |script: &str, arguments: &[&str]| {
        let script = repository().join("examples/purchase-intent").join(script);
        let script = script.to_str().expect("UTF-8");
        place.tidegate(&[&["run", script, "--json", "--param", &output], arguments].concat()).succeeded()
    };
    run("job.sql", &["--param", &data]);
    // A tenth of the purchases, and so of what the script counts in answers.
    let smaller = ["--param", "warmup=40000", "--param", "horizon=2000", "--param", "look=10000"];
    let results = run("tuning.sql", &smaller).of_type("rows");
    let [trials, compared, difference] = results.as_slice() else { panic!("three results, not {}", results.len()) };
    let rows = |result: &Value| result["rows"].as_array().expect("rows").clone();
    let (trials, compared, difference) = (rows(trials), &rows(compared)[0], &rows(difference)[0]);

    assert_eq!(trials.len(), 8);
    // Who leads has missed no row since the warm-up; who was dropped was measured over fewer.
    assert!(trials[0]["is_optimal"] == true && number(&trials[0], "rows") > number(&trials[7], "rows"), "{trials:?}");
    let mean = number(difference, "log_loss_difference");
    let losses = number(compared, "tuned_log_loss") - number(compared, "log_loss");
    assert!((mean - losses).abs() < 1e-9, "{mean} {losses}");
    assert!(number(difference, "lower") < mean && mean < number(difference, "upper"));
    // Neither is misled: a model that knew nothing would lose ln 2.
    assert!(number(compared, "tuned_log_loss") < 0.56 && losses.abs() < 0.02, "{compared}");
}
