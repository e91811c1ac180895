//! What training by replicas costs in quality and gains in speed: `logistic_regression` on Covertype, each row predicted before
//! it is learned, by 1, 2, 4 and 8 replicas on as many threads as the machine has.
//!
//! ```text
//! cargo xtask data
//! cargo run --release -p tidegate-ml --example parallel [file [threads [sync rows …]]]
//! ```
//! Rows by the clock and processor time of all threads, where Linux tells it: reading the file does not count.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use tidegate_ml::prequential::Prequential;
use tidegate_ml::replicas::Replicas;
use tidegate_ml::spread::{Spread, Work};
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::{Expression, Model, ModelSpec, Task, Transform};

const BATCH: usize = 8192;
const FEATURES: usize = 54;
/// Covertype's second class, lodgepole pine: the commonest.
const PINE: &str = "2";

/// A few threads that live for one piece of work.
#[derive(Debug)]
struct Threads(usize);

impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        let threads = self.0.min(work.len());
        let left = Mutex::new(work);
        let next = || left.lock().ok().and_then(|mut left| left.pop());
        let rest = || {
            while let Some(work) = next() {
                work();
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(rest);
            }
            rest();
        });
    }
}

fn model(scaled: bool) -> Result<Model, Box<dyn Error>> {
    let scale = |i: usize| Transform {
        expression: Expression::Call {
            function: "ML_STANDARD_SCALER".to_string(),
            learned: true,
            args: vec![Expression::Column(format!("f{i}"))],
        },
        alias: format!("f{i}"),
    };
    let options = [
        ("provider", "tidegate"),
        ("task", "classification"),
        ("algorithm", "logistic_regression"),
        ("learning_rate", if scaled { "0.01" } else { "0.1" }),
    ];
    let inputs: Vec<Field> = (0..FEATURES).map(|i| Field::new(format!("f{i}"), DataType::Float64, true)).collect();
    Ok(Model::new(ModelSpec::new(
        "covertype",
        Task::Classification,
        &Schema::new(inputs),
        &Schema::new(vec![Field::new("pine", DataType::Boolean, true), Field::new("p", DataType::Float64, true)]),
        if scaled { (0..FEATURES).map(scale).collect() } else { Vec::new() },
        options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    )?)?)
}

/// The file in batches; each feature between 0 and 1 if it is not going to be scaled by the model.
fn read(path: &PathBuf, between_0_and_1: bool) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let mut columns = vec![Vec::new(); FEATURES];
    let mut labels = Vec::new();
    for line in BufReader::new(File::open(path)?).lines().skip(1) {
        let line = line?;
        let mut fields = line.split(',');
        for column in &mut columns {
            column.push(fields.next().ok_or("a row is too short")?.parse::<f64>()?);
        }
        labels.push(fields.next().ok_or("a row has no label")?.trim() == PINE);
    }
    if between_0_and_1 {
        for column in &mut columns {
            let (least, greatest) = column.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            column.iter_mut().for_each(|value| *value = (*value - least) / (greatest - least).max(1e-9));
        }
    }
    let batch = |start: usize| {
        let range = start..(start + BATCH).min(labels.len());
        let mut arrays: Vec<(String, ArrayRef)> = Vec::new();
        for (i, column) in columns.iter().enumerate() {
            arrays.push((format!("f{i}"), Arc::new(Float64Array::from(column[range.clone()].to_vec()))));
        }
        arrays.push(("label".to_string(), Arc::new(BooleanArray::from(labels[range].to_vec()))));
        RecordBatch::try_from_iter(arrays)
    };
    Ok((0..labels.len()).step_by(BATCH).map(batch).collect::<Result<_, _>>()?)
}

/// Rows, right predictions, and the sum of their log losses.
#[derive(Default)]
struct Quality {
    rows: usize,
    right: usize,
    loss: f64,
}

impl Quality {
    fn add(&mut self, batch: &RecordBatch, predictions: &RecordBatch) {
        let labels = batch.column(FEATURES).as_boolean();
        let predicted = predictions.column(0).as_boolean();
        let p = predictions.column(1).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let of_label = if labels.value(row) { p.value(row) } else { 1.0 - p.value(row) };
            self.loss -= of_label.max(1e-15).ln();
            self.right += usize::from(labels.value(row) == predicted.value(row));
        }
        self.rows += batch.num_rows();
    }
}

/// Seconds that all threads of this process have run on processors, where Linux tells; in hundredths.
fn busy_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in parentheses, and may hold anything.
    let after_name = told.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|ticks| ticks.parse::<f64>().ok());
    (ticks(11).unwrap_or(f64::NAN) + ticks(12).unwrap_or(f64::NAN)) / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let cached = || {
        let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
        home.join(".cache/tidegate/data/covertype/covtype.csv")
    };
    let path = arguments.next().map_or_else(cached, PathBuf::from);
    let threads: usize = match arguments.next() {
        Some(threads) => threads.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let mut syncs = arguments.map(|rows| rows.parse::<u64>()).collect::<Result<Vec<_>, _>>()?;
    if syncs.is_empty() {
        syncs = vec![1_000, 10_000, 100_000];
    }
    println!("| features | replicas | sync rows | accuracy | log loss | rows/s | speed-up | processor time a row |");
    println!("|---|---|---|---|---|---|---|---|");
    for scaled in [false, true] {
        let batches = read(&path, !scaled)?;
        let mut alone = f64::NAN;
        for (replicas, sync_rows) in
            std::iter::once((1, 0)).chain([2, 4, 8].into_iter().flat_map(|n| syncs.iter().map(move |rows| (n, *rows))))
        {
            let (mut best, mut quality) = (f64::INFINITY, Quality::default());
            let mut busy = f64::INFINITY;
            for _ in 0..3 {
                let mut training: Box<dyn Training> = match replicas {
                    1 => Box::new(Prequential::new(model(scaled)?)),
                    _ => Box::new(Replicas::new(model(scaled)?, replicas, sync_rows)?),
                };
                quality = Quality::default();
                let (mut seconds, mut busy_now) = (0.0, 0.0);
                for batch in &batches {
                    let (began, busy_before) = (Instant::now(), busy_seconds());
                    let arrivals = Arrivals { batch, event_time: &[], label_time: None, delay: 0, shards: None };
                    let predictions = training.process(&arrivals, &Threads(threads))?.predictions;
                    seconds += began.elapsed().as_secs_f64();
                    busy_now += busy_seconds() - busy_before;
                    quality.add(batch, &predictions);
                }
                (best, busy) = (best.min(seconds), busy.min(busy_now));
            }
            let rows_per_s = quality.rows as f64 / best;
            if replicas == 1 {
                alone = rows_per_s;
            }
            println!(
                "| {} | {replicas} | {} | {:.4} | {:.4} | {:.0} | {:.2} | {:.0} ns |",
                if scaled { "scaled by the model" } else { "0 to 1" },
                if replicas == 1 { "".to_string() } else { sync_rows.to_string() },
                quality.right as f64 / quality.rows as f64,
                quality.loss / quality.rows as f64,
                rows_per_s,
                rows_per_s / alone,
                busy / quality.rows as f64 * 1e9
            );
        }
    }
    Ok(())
}
