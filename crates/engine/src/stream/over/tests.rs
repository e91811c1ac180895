//! The operator against DataFusion's window functions over the same rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{LogicalPlan, Window};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::{Over, Sharding};
use crate::plan::attribute::with_rowtime;
use crate::stream::compile::over::over_operator;
use crate::stream::operator::{AFTER_ALL, Operator};

/// Functions whose results do not depend on the order of rows of one time, ordered by `ts` here and there.
const OF_TIMES: &[&str] = &[
    "SUM(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS c0,
     COUNT(*) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS c1,
     COUNT(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '3' SECOND PRECEDING AND CURRENT ROW) AS c2,
     AVG(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN CURRENT ROW AND CURRENT ROW) AS c3,
     MIN(n) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '7' SECOND PRECEDING AND CURRENT ROW) AS c4,
     MAX(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '7' SECOND PRECEDING AND CURRENT ROW) AS c5,
     MAX(s) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '7' SECOND PRECEDING AND CURRENT ROW) AS c6,
     SUM(n) FILTER (WHERE x > 0) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '9' SECOND PRECEDING AND CURRENT ROW) AS c7,
     STDDEV(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS c8",
    "SUM(n) OVER (PARTITION BY k, s ORDER BY ts) AS c0,
     STDDEV_POP(x) OVER (PARTITION BY k, s ORDER BY ts) AS c1,
     COUNT(DISTINCT n) OVER (PARTITION BY k, s ORDER BY ts) AS c2,
     RANK() OVER (PARTITION BY k, s ORDER BY ts) AS c3,
     DENSE_RANK() OVER (PARTITION BY k, s ORDER BY ts) AS c4,
     ML_MAE(x, 1.0) OVER (PARTITION BY k, s ORDER BY ts) AS c5,
     MEDIAN(n) OVER (PARTITION BY k, s ORDER BY ts RANGE BETWEEN INTERVAL '12' SECOND PRECEDING AND CURRENT ROW) AS c6",
    "VAR_POP(x) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW) AS c0,
     MIN(ts) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW) AS c1",
];

/// Functions that count rows: DataFusion is told the order of rows of one time, which the operator takes from their arrival.
const OF_ROWS: &[&str] = &[
    "SUM(x) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS c0,
     COUNT(x) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS c1,
     ROW_NUMBER() OVER (PARTITION BY k ORDER BY {order}) AS c2,
     LAG(s) OVER (PARTITION BY k ORDER BY {order}) AS c3,
     LAG(n, 2, -1) OVER (PARTITION BY k ORDER BY {order}) AS c4,
     FIRST_VALUE(s) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN 4 PRECEDING AND CURRENT ROW) AS c5,
     FIRST_VALUE(n) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS c6,
     LAST_VALUE(s) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN 4 PRECEDING AND CURRENT ROW) AS c7,
     ARRAY_AGG(n) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS c8,
     ML_MSE(x, n) OVER (PARTITION BY k ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS c9",
    "MAX(n) OVER (ORDER BY {order} ROWS BETWEEN CURRENT ROW AND CURRENT ROW) AS c0,
     LAG(x, 5) OVER (ORDER BY {order}) AS c1",
];

#[derive(Debug, Clone)]
struct Row {
    key: Option<u8>,
    seconds: i64,
    value: Option<i8>,
}

fn schema(delay_ms: i64) -> SchemaRef {
    let time = Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true);
    Arc::new(Schema::new(vec![
        Field::new("arrival", DataType::Int64, false),
        Field::new("k", DataType::Int64, true),
        with_rowtime(time, delay_ms),
        Field::new("x", DataType::Float64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]))
}

fn batch(rows: &[Row], delay_ms: i64) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)),
        Arc::new(rows.iter().map(|row| row.key.map(i64::from)).collect::<Int64Array>()),
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.seconds * 1000))),
        Arc::new(rows.iter().map(|row| row.value.map(f64::from)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.value.map(|v| i64::from(v) / 3)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.value.map(|v| format!("v{}", v.rem_euclid(5)))).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(delay_ms), columns).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

/// The operator of a query over a table `t`, and the columns that it reads.
fn operator(query: &str, delay_ms: i64, sharding: &Sharding) -> (Over, Window) {
    let context = SessionContext::new();
    crate::function::register(&context);
    let table = MemTable::try_new(schema(delay_ms), vec![Vec::new()]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    let plan = runtime().block_on(async { context.sql(query).await.unwrap().into_optimized_plan().unwrap() });
    let mut windows = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Window(window) = node {
            windows.push(window.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    assert_eq!(windows.len(), 1, "{}", plan.display_indent());
    let window = windows.remove(0);
    (over_operator(&window, sharding).unwrap().unwrap_or_else(|refused| panic!("{refused:?}")), window)
}

/// What DataFusion gives, in the order of (time, arrival).
fn expected(query: &str, rows: RecordBatch) -> RecordBatch {
    let context = SessionContext::new();
    crate::function::register(&context);
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    runtime().block_on(async {
        let frame = context.sql(&format!("SELECT * FROM ({query}) ORDER BY ts, arrival")).await.unwrap();
        let schema = Arc::new(frame.schema().as_arrow().clone());
        concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
    })
}

/// The rows that are not late, by the rule: later than the greatest time before them less the delay.
fn in_time(rows: &[Row], delay_ms: i64) -> Vec<bool> {
    let mut watermark = i64::MIN;
    rows.iter()
        .map(|row| {
            let in_time = row.seconds * 1000 >= watermark;
            watermark = watermark.max(row.seconds * 1000 - delay_ms);
            in_time
        })
        .collect()
}

fn agree(ours: &RecordBatch, theirs: &RecordBatch, functions: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.num_rows(), theirs.num_rows());
    let count = functions.matches(" AS c").count();
    for i in 0..count {
        let name = format!("c{i}");
        let theirs = theirs.column_by_name(&name).unwrap();
        // The operator's are the last columns, under other names.
        let ours = ours.column(ours.num_columns() - count + i);
        match (ours.as_primitive_opt::<Float64Type>(), theirs.as_primitive_opt::<Float64Type>()) {
            (Some(ours), Some(theirs)) => {
                for (row, (a, b)) in ours.iter().zip(theirs).enumerate() {
                    let close = match (a, b) {
                        // DataFusion takes values back out; what rounding then leaves of a variance of 0 may have no root.
                        (Some(a), Some(b)) if b.is_nan() => a.abs() < 1e-6,
                        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * (1.0 + b.abs()),
                        (a, b) => a == b,
                    };
                    prop_assert!(close, "{name}, row {row}: {a:?}, expected {b:?}\n{functions}");
                }
            }
            _ => prop_assert_eq!(ours, theirs, "{} of {}", name, functions),
        }
    }
    Ok(())
}

#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Row>,
    delay_ms: i64,
    batch_rows: usize,
    shards: usize,
    threads: usize,
    stop_after: usize,
    resumes: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let row = (proptest::option::weighted(0.9, 0..6_u8), 0..8_i64, proptest::option::weighted(0.85, any::<i8>()));
    let rows = proptest::collection::vec(row, 1..80);
    (rows, 0..15_000_i64, 1..20_usize, 1..5_usize, 1..3_usize, 0..12_usize, any::<bool>()).prop_map(
        |(rows, delay_ms, batch_rows, shards, threads, stop_after, resumes)| {
            // Time goes on slowly, and each row is up to eight seconds ahead of it.
            let row = |(i, (key, ahead, value))| Row { key, seconds: i as i64 / 3 + ahead, value };
            let rows = rows.into_iter().enumerate().map(row).collect();
            Case { rows, delay_ms, batch_rows, shards, threads, stop_after, resumes }
        },
    )
}

/// Runs a case through the operator, stopping once on the way.
fn through(query: &str, case: &Case, all: &RecordBatch) -> (RecordBatch, u64) {
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(case.threads).build().unwrap());
    let sharding = Sharding { shards: case.shards, threads };
    let (mut over, window) = operator(query, case.delay_ms, &sharding);
    let columns: Vec<usize> =
        window.input.schema().fields().iter().map(|field| all.schema().index_of(field.name()).unwrap()).collect();
    let mut out = Vec::new();
    for (number, start) in (0..all.num_rows()).step_by(case.batch_rows).enumerate() {
        let batch = all.slice(start, case.batch_rows.min(all.num_rows() - start)).project(&columns).unwrap();
        over.process(0, batch, &mut out).unwrap();
        over.watermark(0, &mut out).unwrap();
        if number == case.stop_after {
            let state = over.snapshot().unwrap();
            // Either a new operator goes on from the state, or the one that gave it: saving must not have changed it.
            if case.resumes {
                (over, _) = operator(query, case.delay_ms, &sharding);
                over.restore(&state).unwrap();
            }
        }
    }
    assert_eq!(over.watermark(AFTER_ALL, &mut out).unwrap(), AFTER_ALL);
    let schema = Arc::clone(window.schema.inner());
    let late = over.operator_report().unwrap().rows_late;
    (concat_batches(&schema, &out).unwrap(), late)
}

fn check(functions: &str, case: &Case) -> Result<(), TestCaseError> {
    let all = batch(&case.rows, case.delay_ms);
    let kept = in_time(&case.rows, case.delay_ms);
    let late = kept.iter().filter(|kept| !**kept).count() as u64;
    let rows = filter_record_batch(&all, &kept.into()).unwrap();
    let query = |order: &str| format!("SELECT arrival, ts, {} FROM t", functions.replace("{order}", order));
    let (ours, counted) = through(&query("ts"), case, &all);
    let theirs = expected(&query("ts, arrival"), rows);
    prop_assert_eq!(counted, late);
    prop_assert_eq!(ours.column_by_name("arrival").unwrap(), theirs.column_by_name("arrival").unwrap());
    agree(&ours, &theirs, functions)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn over_times_is_what_datafusion_gives(case in cases()) {
        for functions in OF_TIMES {
            check(functions, &case)?;
        }
    }

    #[test]
    fn over_rows_is_what_datafusion_gives(case in cases()) {
        for functions in OF_ROWS {
            check(functions, &case)?;
        }
    }
}
