//! Public data sets, if `TIDEGATE_DATA` names a folder that has them (see CONTRIBUTING.md): `elec.csv`, `transactions.parquet`.

use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::compute::{max, min, sum};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};

use super::*;

const ELEC_TARGET_SUM: i64 = 19237;
const ELEC_FEAT_2_SUM: f64 = 2622.128869;
const JOURNEY_FIRST: i64 = 1483271606000000;
const JOURNEY_LAST: i64 = 1514779280000000;
const JOURNEY_HOUSEHOLD_SUM: i64 = 1873720962;
const JOURNEY_SALES_SUM: f64 = 4596039.58;

fn data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("TIDEGATE_DATA")?).join(name);
    path.is_file().then_some(path)
}

/// Sums made with pandas 2 (`read_csv(...).sum()`).
#[test]
fn electricity() {
    let Some(path) = data("elec.csv") else { return };
    let names = ["feat_1", "feat_2", "feat_3", "feat_4", "feat_5", "feat_6"];
    let mut columns: Vec<(&str, DataType)> = names.iter().map(|name| (*name, DataType::Float64)).collect();
    columns.push(("target", DataType::Int64));
    let table = files(path.parent().unwrap(), &schema(&columns), "elec.csv", "csv", &[]);
    let batch = read_with(&*table, &ScanRequest::default()).unwrap();
    assert_eq!(batch.num_rows(), 45_312);
    assert_eq!(sum(batch.column(6).as_primitive::<Int64Type>()), Some(ELEC_TARGET_SUM));
    let total = sum(batch.column(1).as_primitive::<Float64Type>()).unwrap();
    assert!((total - ELEC_FEAT_2_SUM).abs() < 1e-6, "{total}");
}

/// Sums made with pyarrow (`pc.sum`, `pc.min_max`).
#[test]
fn complete_journey() {
    let Some(path) = data("transactions.parquet") else { return };
    let declared = schema(&[
        ("transaction_timestamp", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("household_id", DataType::Int64),
        ("quantity", DataType::Int32),
        ("sales_value", DataType::Float64),
    ]);
    let table = files(path.parent().unwrap(), &declared, "transactions.parquet", "parquet", &[]);
    let batch = read_with(&*table, &ScanRequest::default()).unwrap();
    assert_eq!(batch.num_rows(), 1_469_307);
    assert_eq!(table.scan(&ScanRequest::default()).unwrap().parts(), 6);
    let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    assert_eq!((min(times), max(times)), (Some(JOURNEY_FIRST), Some(JOURNEY_LAST)));
    assert_eq!(sum(batch.column(1).as_primitive::<Int64Type>()), Some(JOURNEY_HOUSEHOLD_SUM));
    let sales = sum(batch.column(3).as_primitive::<Float64Type>()).unwrap();
    assert!((sales - JOURNEY_SALES_SUM).abs() < 1e-4, "{sales}");
}
