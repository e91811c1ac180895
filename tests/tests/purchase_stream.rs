//! The example as a true stream: the same features as the batch job has, and the same model however its labels come.

use tidegate_tests::Workplace;
use tidegate_tests::binary::number;
use tidegate_tests::data::repository;
use tidegate_tests::purchases::part_of_the_year;

/// A share of the households, for the whole year.
const HOUSEHOLDS: &str = "household_id % 40 = 1";

#[test]
fn features_are_those_of_the_batch_job_and_labels_by_join_and_by_label_time_make_one_model() {
    let place = Workplace::new();
    let data = format!("data={}", part_of_the_year(&place, HOUSEHOLDS).display());
    let output = format!("output={}", place.path("output").display());
    let run = |script: &str| {
        let script = repository().join("examples/purchase-intent").join(script);
        let script = script.to_str().expect("UTF-8").to_string();
        place.tidegate(&["run", &script, "--json", "--param", &data, "--param", &output]).succeeded()
    };
    run("job.sql");
    let stream = run("stream.sql");

    let weights = &stream.rows()[0];
    assert!(number(weights, "weights") > 200.0, "{weights}");
    assert_eq!(number(weights, "greatest_difference"), 0.0);

    let differences = "
        CREATE TABLE batch (purchased_at TIMESTAMP(3), basket_id BIGINT, product_id BIGINT, days_since_last DOUBLE,
          purchases_so_far BIGINT, purchases_28_days BIGINT, baskets_so_far BIGINT, spend_so_far DOUBLE, price DOUBLE,
          discount_share DOUBLE, rebought BOOLEAN, label_time TIMESTAMP(3))
        WITH ('connector' = 'filesystem', 'path' = 'output/features.parquet', 'format' = 'parquet');
        CREATE TABLE stream (purchased_at TIMESTAMP(3), basket_id BIGINT, product_id BIGINT, log_days_since_last DOUBLE,
          log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE, log_spend_so_far DOUBLE,
          log_price DOUBLE, discount_share DOUBLE, rebought BOOLEAN, label_time TIMESTAMP(3))
        WITH ('connector' = 'filesystem', 'path' = 'output/stream_history.parquet', 'format' = 'parquet');
        CREATE VIEW expected AS SELECT purchased_at, basket_id, product_id, LN(1 + days_since_last), LN(1 + purchases_so_far),
          LN(1 + purchases_28_days), LN(1 + baskets_so_far), LN(1 + spend_so_far), LN(1 + price), discount_share, rebought,
          label_time FROM batch;
        SELECT (SELECT COUNT(*) FROM batch) AS batch_rows, (SELECT COUNT(*) FROM stream) AS stream_rows,
          (SELECT COUNT(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM stream) AS a) AS missing,
          (SELECT COUNT(*) FROM (SELECT * FROM stream EXCEPT SELECT * FROM expected) AS b) AS added;";
    let outcome = place.run_json(differences).succeeded();
    let counts = &outcome.rows()[0];
    assert!(number(counts, "batch_rows") > 30_000.0, "{counts}");
    assert_eq!(counts["batch_rows"], counts["stream_rows"]);
    assert_eq!((number(counts, "missing"), number(counts, "added")), (0.0, 0.0));
}
