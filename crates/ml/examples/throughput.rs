//! How long a row takes: prints nanoseconds a row of the main ways through a model, over made-up rows.
//!
//! ```text
//! cargo run --release -p tidegate-ml --example throughput [rows]
//! ```
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use tidegate_ml::keyed::{Change, Keyed, KeyedArrivals, KeyedSettings, States, StatesOfShard, Unknown};
use tidegate_ml::keys::Keys;
use tidegate_ml::prequential::Prequential;
use tidegate_ml::spread::InTurn;
use tidegate_ml::{Expression, Model, ModelSpec, Task, Transform};

const BATCH: usize = 8192;

/// A sequence that looks random, in 0 to 1.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn call(function: &str, column: &str, literals: Vec<Expression>) -> Expression {
    let args = std::iter::once(Expression::Column(column.to_string())).chain(literals).collect();
    Expression::Call { function: function.to_string(), learned: true, args }
}

fn model(numbers: usize, texts: usize, scaled: bool) -> Result<Model, Box<dyn Error>> {
    let mut inputs = Vec::new();
    let mut transforms = Vec::new();
    for i in 0..numbers {
        let name = format!("x{i}");
        inputs.push(Field::new(&name, DataType::Float64, true));
        transforms.push(Transform { expression: call("ML_STANDARD_SCALER", &name, vec![]), alias: name });
    }
    for i in 0..texts {
        let name = format!("t{i}");
        inputs.push(Field::new(&name, DataType::Utf8, true));
        transforms.push(Transform { expression: call("ML_ONE_HOT_ENCODER", &name, vec![]), alias: name });
    }
    let outputs = vec![Field::new("predicted", DataType::Boolean, true), Field::new("p", DataType::Float64, true)];
    let options = [("provider", "tidegate"), ("task", "classification"), ("algorithm", "logistic_regression")];
    let spec = ModelSpec::new(
        "throughput",
        Task::Classification,
        &Schema::new(inputs),
        &Schema::new(outputs),
        if scaled { transforms } else { Vec::new() },
        options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    )?;
    Ok(Model::new(spec)?)
}

fn batches(rows: usize, numbers: usize, texts: usize) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let batch = |start: usize| {
        let range = start..(start + BATCH).min(rows);
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for c in 0..numbers {
            let values: Float64Array = range.clone().map(|i| Some(noise(i * 64 + c) * 10.0)).collect();
            columns.push((format!("x{c}"), Arc::new(values)));
        }
        for c in 0..texts {
            let value = |i| format!("category {}", (noise(i * 64 + 32 + c).powi(2) * 300.0) as usize);
            columns.push((format!("t{c}"), Arc::new(StringArray::from_iter_values(range.clone().map(value)))));
        }
        let label: BooleanArray = range.map(|i| Some(noise(i * 64) + noise(i * 64 + 63) > 1.0)).collect();
        columns.push(("label".to_string(), Arc::new(label)));
        RecordBatch::try_from_iter(columns)
    };
    Ok((0..rows).step_by(BATCH).map(batch).collect::<Result<Vec<_>, _>>()?)
}

/// Nanoseconds that this process has run on a processor, where Linux tells; else nanoseconds by the clock. Other work on the
/// machine does not count.
fn busy_ns(since: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let ns = told.as_deref().and_then(|line| line.split_whitespace().next()?.parse().ok());
    ns.unwrap_or_else(|| since.elapsed().as_nanos() as f64)
}

/// Runs `work` five times; prints the fastest.
fn measure(
    name: &str,
    rows: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let clock = Instant::now();
        let start = busy_ns(clock);
        work()?;
        best = best.min(busy_ns(clock) - start);
    }
    println!("{name:<66} {:>7.1} ns/row", best / rows as f64);
    Ok(())
}

/// States in memory.
struct InMemory([Part; 1]);

#[derive(Default)]
struct Part(HashMap<Vec<u8>, Vec<u8>>);

impl States for InMemory {
    type Part = Part;

    fn parts(&mut self) -> &mut [Part] {
        &mut self.0
    }

    fn change_all(&mut self, change: &mut Change<'_>) -> tidegate_ml::Result<()> {
        for (key, state) in &mut self.0[0].0 {
            if let Some(changed) = change(key, state)? {
                *state = changed;
            }
        }
        Ok(())
    }
}

impl StatesOfShard for Part {
    fn take(&mut self, key: &[u8]) -> tidegate_ml::Result<Option<Vec<u8>>> {
        Ok(self.0.remove(key))
    }

    fn put(&mut self, key: &[u8], state: Vec<u8>) -> tidegate_ml::Result<()> {
        self.0.insert(key.to_vec(), state);
        Ok(())
    }
}

/// A model a key, of keys that come in no order.
fn keyed(rows: usize, keys: usize) -> Result<(), Box<dyn Error>> {
    let batches = batches(rows, 4, 0)?;
    let settings = KeyedSettings { unknown: Unknown::Untrained, ttl: None, pending_rows_max: None };
    let mut bytes = 0;
    measure(&format!("a model a key: {keys} keys, 4 numbers, standard scaler"), rows, || {
        let spec = model(4, 0, true)?.spec().clone();
        let mut keyed = Keyed::new(&spec, InMemory([Part::default()]), settings)?;
        for (b, batch) in batches.iter().enumerate() {
            let key = |i: usize| (noise((b * BATCH + i) * 64 + 63) * keys as f64) as i64;
            let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..batch.num_rows()).map(key)));
            let keys = Keys::read(&[column], batch.num_rows())?;
            let arrivals = KeyedArrivals { batch, keys: &keys, event_time: &[], label_time: None, delay: 0 };
            keyed.process(&arrivals, &InTurn, &mut |_, _| Ok(()))?;
        }
        let states = &keyed.store().0[0].0;
        bytes = states.values().map(Vec::len).sum::<usize>() / states.len();
        Ok(())
    })?;
    println!("{:<66} {bytes:>7} bytes/key", "");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().nth(1).map(|rows| rows.parse()).transpose()?.unwrap_or(1_000_000);
    for (name, numbers, texts, scaled) in [
        ("6 numbers as they are", 6, 0, false),
        ("6 numbers, standard scaler", 6, 0, true),
        ("54 numbers, standard scaler", 54, 0, true),
        ("10 numbers scaled, 5 texts one-hot", 10, 5, true),
    ] {
        let batches = batches(rows, numbers, texts)?;
        measure(&format!("learn_predict: {name}"), rows, || {
            let mut model = model(numbers, texts, scaled)?;
            batches.iter().try_for_each(|batch| model.learn_predict(batch).map(drop))?;
            Ok(())
        })?;
        let mut taught = model(numbers, texts, scaled)?;
        measure(&format!("learn: {name}"), rows, || {
            batches.iter().try_for_each(|batch| taught.learn(batch).map(drop))?;
            Ok(())
        })?;
        measure(&format!("predict: {name}"), rows, || {
            batches.iter().try_for_each(|batch| taught.predict(batch).map(drop))?;
            Ok(())
        })?;
        // Nine rows a time, whose labels come 10,000 rows later.
        measure(&format!("late labels, 9 rows a time: {name}"), rows, || {
            let mut model = Prequential::new(model(numbers, texts, scaled)?);
            for (b, batch) in batches.iter().enumerate() {
                let times: Vec<i64> = (0..batch.num_rows()).map(|i| ((b * BATCH + i) / 9) as i64).collect();
                let known: Int64Array = times.iter().map(|time| time + 1111).collect();
                model.process(batch, &times, Some(&known), 0)?;
            }
            model.finish();
            Ok(())
        })?;
    }
    for keys in [100, 10_000, 1_000_000] {
        keyed(rows, keys)?;
    }
    Ok(())
}
