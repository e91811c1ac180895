//! What a choice of features gives and costs: prints nanoseconds a row and prequential log loss of a model of 200 columns, of which ten
//! matter, with each way to choose among them, over made-up rows.
//!
//! ```text
//! cargo run --release -p tidegate-ml --example selection [rows]
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use tidegate_ml::{Expression, Model, ModelSpec, Task, Transform};

const BATCH: usize = 4096;
const COLUMNS: usize = 200;

/// A sequence that looks random, in −1 to 1.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    2.0 * (((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64) - 1.0
}

/// Every twentieth column matters.
fn batch(start: usize, end: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let value = |row: usize, column: usize| noise(row * 256 + column);
    let column = |column: usize| -> ArrayRef {
        Arc::new((start..end).map(|row| Some(value(row, column))).collect::<Float64Array>())
    };
    let score = |row: usize| (0..COLUMNS).step_by(20).map(|c| value(row, c)).sum::<f64>() + value(row, COLUMNS);
    let label: BooleanArray = (start..end).map(|row| Some(score(row) > 0.0)).collect();
    let columns = (0..COLUMNS).map(|c| (format!("x{c}"), column(c)));
    Ok(RecordBatch::try_from_iter(columns.chain([("label".to_string(), Arc::new(label) as ArrayRef)]))?)
}

fn model(algorithm: &str, select: Option<&str>) -> Result<Model, Box<dyn Error>> {
    let name = |c: usize| format!("x{c}");
    let scaled = |name: String| Transform {
        expression: Expression::Call {
            function: "ML_STANDARD_SCALER".to_string(),
            learned: true,
            args: vec![Expression::Column(name.clone())],
        },
        alias: name,
    };
    let mut options = vec![
        ("provider", "tidegate"),
        ("task", "classification"),
        ("algorithm", algorithm),
        ("classes", "false, true"),
    ];
    options.extend(select.map(|way| ("select", way)));
    options.extend(select.map(|_| ("select.k", "10")));
    let spec = ModelSpec::new(
        "selection",
        Task::Classification,
        &Schema::new((0..COLUMNS).map(|c| Field::new(name(c), DataType::Float64, true)).collect::<Vec<_>>()),
        &Schema::new(vec![Field::new("predicted", DataType::Boolean, true), Field::new("p", DataType::Float64, true)]),
        (0..COLUMNS).map(|c| scaled(name(c))).collect(),
        options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    )?;
    Ok(Model::new(spec)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().nth(1).map_or(Ok(40_000), |rows| rows.parse())?;
    let batches: Vec<RecordBatch> =
        (0..rows).step_by(BATCH).map(|start| batch(start, (start + BATCH).min(rows))).collect::<Result<_, _>>()?;
    println!("{rows} rows, {COLUMNS} columns, 10 of them matter");
    for algorithm in ["logistic_regression", "hoeffding_tree"] {
        for select in [None, Some("anova_f"), Some("mutual_info"), Some("l1")] {
            let mut model = model(algorithm, select)?;
            let (mut loss, began) = (0.0, Instant::now());
            for batch in &batches {
                let predictions = model.learn_predict(batch)?;
                let p = predictions.column(1).as_primitive::<Float64Type>();
                let label = batch.column(COLUMNS).as_boolean();
                let of = |row: usize| if label.value(row) { p.value(row) } else { 1.0 - p.value(row) };
                loss -= (0..batch.num_rows()).map(|row| of(row).max(1e-15).ln()).sum::<f64>();
            }
            let each = began.elapsed().as_nanos() as f64 / rows as f64;
            let way = select.unwrap_or("all");
            println!("{algorithm:20} {way:12} {each:8.0} ns a row, log loss {:.4}", loss / rows as f64);
        }
    }
    Ok(())
}
