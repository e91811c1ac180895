//! Any learner on any file of comma-separated values, each row predicted before it is learned: quality, time a row, memory.
//!
//! ```text
//! cargo run --release -p tidegate-ml --example prequential -- elec.csv hoeffding_tree grace_period=100
//! ```
//! The last column is the label, or the one named by `label=NAME`: a class, or with `task=regression` a number. A column whose
//! first value is not a number is a text; with `scale=true` numbers are standardised as they come, ML_STANDARD_SCALER(…) OVER ().
//! With `task=clustering` the label is left out, and the root of the mean squared distance is told; with `task=anomaly_detection` the
//! area under the ROC curve, of the label 1. Processor time of all threads; reading the file does not count.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use tidegate_ml::metric::ML_ROC_AUC;
use tidegate_ml::spec::{Expression, Transform};
use tidegate_ml::{Model, ModelSpec, Task};

const BATCH: usize = 8192;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(algorithm)) = (arguments.next(), arguments.next()) else {
        return Err("FILE ALGORITHM [option=value …]".into());
    };
    let mut options = vec![("provider".to_string(), "tidegate".to_string()), ("algorithm".to_string(), algorithm)];
    let (mut label, mut task, mut scale) = (None, Task::Classification, false);
    for argument in arguments {
        let (key, value) = argument.split_once('=').ok_or("option=value")?;
        match (key, value) {
            ("label", name) => label = Some(name.to_string()),
            ("scale", "true") => scale = true,
            ("task", name) => task = Task::find(name).ok_or("no such task")?,
            _ => options.push((key.to_string(), value.to_string())),
        }
    }
    options.push(("task".to_string(), task.name().to_string()));

    let mut lines = BufReader::new(File::open(file)?).lines();
    let names: Vec<String> = lines.next().ok_or("an empty file")??.split(',').map(str::to_string).collect();
    let label = label.map_or(Some(names.len() - 1), |label| names.iter().position(|name| *name == label));
    let label = label.ok_or("no column of the label's name")?;
    let rows: Vec<Vec<String>> =
        lines.map(|line| Ok(line?.split(',').map(str::to_string).collect())).collect::<std::io::Result<_>>()?;
    let is_number = |column: usize| rows[0][column].parse::<f64>().is_ok();

    let mut order: Vec<usize> = (0..names.len()).filter(|column| *column != label).collect();
    order.push(label);
    let of = |column: usize| match is_number(column) && (column != label || task == Task::Regression) {
        true => DataType::Float64,
        false => DataType::Utf8,
    };
    let fields: Vec<Field> = order.iter().map(|column| Field::new(&names[*column], of(*column), true)).collect();
    let predicted = match task {
        Task::Classification | Task::Regression => vec![Field::new("predicted", of(label), true)],
        Task::Clustering => {
            vec![Field::new("cluster", DataType::Int64, true), Field::new("distance", DataType::Float64, true)]
        }
        Task::AnomalyDetection => vec![Field::new("score", DataType::Float64, true)],
        Task::ChangeDetection => vec![Field::new("changed", DataType::Boolean, true)],
    };
    let scaled = |field: &Field| Transform {
        expression: Expression::Call {
            function: "ML_STANDARD_SCALER".to_string(),
            learned: true,
            args: vec![Expression::Column(field.name().clone())],
        },
        alias: field.name().clone(),
    };
    let numbers = fields[..fields.len() - 1].iter().filter(|field| scale && *field.data_type() == DataType::Float64);
    let spec = ModelSpec::new(
        "m",
        task,
        &Schema::new(fields[..fields.len() - 1].to_vec()),
        &Schema::new(predicted),
        numbers.map(scaled).collect(),
        options.into_iter().collect(),
    )?;
    let mut model = Model::new(spec)?;
    let batches = rows.chunks(BATCH).map(|rows| {
        let columns = order.iter().map(|column| -> ArrayRef {
            let texts = rows.iter().map(|row| row[*column].as_str());
            match of(*column) {
                DataType::Float64 => Arc::new(texts.map(|text| text.parse().ok()).collect::<Float64Array>()),
                _ => Arc::new(texts.map(|text| (!text.is_empty()).then_some(text)).collect::<StringArray>()),
            }
        });
        RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), columns.collect())
    });
    let batches = batches.collect::<Result<Vec<_>, _>>()?;

    let (began, cpu) = (Instant::now(), processor_seconds());
    let mut sum = 0.0;
    let mut area = (ML_ROC_AUC.make)(&[])?;
    for batch in &batches {
        let inputs: Vec<usize> = (0..batch.num_columns() - usize::from(!task.has_labels())).collect();
        let predictions = model.learn_predict(&batch.project(&inputs)?)?;
        let (predicted, label) = (predictions.column(0), batch.column(batch.num_columns() - 1));
        let numbers = |array: &ArrayRef| array.as_primitive::<Float64Type>().clone();
        sum += match task {
            Task::Regression => numbers(predicted)
                .iter()
                .zip(&numbers(label))
                .map(|(p, l)| (p.unwrap_or(0.0) - l.unwrap_or(0.0)).abs())
                .sum(),
            Task::Classification => {
                predicted.as_string::<i32>().iter().zip(label.as_string::<i32>()).filter(|(p, l)| p == l).count() as f64
            }
            Task::Clustering => numbers(predictions.column(1)).iter().map(|d| d.unwrap_or(0.0).powi(2)).sum(),
            Task::ChangeDetection => predicted.as_boolean().true_count() as f64,
            Task::AnomalyDetection => {
                let is_one = label.as_string::<i32>().iter().map(|label| label.map(|label| label == "1"));
                area.update(&[Arc::new(is_one.collect::<BooleanArray>()), Arc::clone(predicted)])?;
                0.0
            }
        };
    }
    let (wall, rows) = (began.elapsed().as_secs_f64(), rows.len() as f64);
    let cpu = processor_seconds() - cpu;
    match task {
        Task::Regression => print!("MAE {:.4}", sum / rows),
        Task::Classification => print!("accuracy {:.4}", sum / rows),
        Task::Clustering => print!("distance {:.4}", (sum / rows).sqrt()),
        Task::AnomalyDetection => print!("ROC AUC {:.4}", area.value().unwrap_or(f64::NAN)),
        Task::ChangeDetection => print!("{sum} changes"),
    }
    println!(
        ", {:.0} rows/CPU-s, {:.0} rows/s, {:.0} ns a row, {:.1} MiB of state",
        rows / cpu,
        rows / wall,
        1e9 * cpu / rows,
        model.state_bytes() as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// Processor time of this process so far, as Linux tells it; 0 elsewhere.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}
