//! Parts of the year of purchases, small enough to be run often.

use std::path::PathBuf;

use crate::Workplace;
use crate::data::complete_journey;

/// A data folder for `examples/purchase-intent/job.sql` with the transactions that `condition` keeps, and all products.
///
/// # Panics
/// If the data is not there, or cannot be written.
pub fn part_of_the_year(place: &Workplace, condition: &str) -> PathBuf {
    let year = complete_journey();
    let part = place.path("data");
    std::fs::create_dir_all(&part).expect("a folder");
    std::fs::copy(year.join("products.parquet"), part.join("products.parquet")).expect("the products");
    let columns = "household_id BIGINT, basket_id BIGINT, product_id BIGINT, quantity BIGINT, sales_value DOUBLE,
        retail_disc DOUBLE, coupon_disc DOUBLE, coupon_match_disc DOUBLE, transaction_timestamp TIMESTAMP(3)";
    let script = format!(
        "CREATE TABLE year ({columns}) WITH ('connector' = 'filesystem', 'path' = '${{from}}', 'format' = 'parquet');
         CREATE TABLE part ({columns})
         WITH ('connector' = 'filesystem', 'path' = 'data/transactions.parquet', 'format' = 'parquet');
         INSERT INTO part SELECT * FROM year WHERE {condition};"
    );
    let from = format!("from={}", year.join("transactions.parquet").display());
    // One thread keeps the order of the file, which is that of time.
    place.run_with(&script, &["--param", &from, "-s", "parallelism.default=1"]).succeeded();
    part
}
