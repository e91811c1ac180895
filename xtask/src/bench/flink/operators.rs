//! What ML_TRAIN and ML_PREDICT cost in a job of Flink, beside the same job without them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::Jobs;
use crate::bench::Request;
use crate::bench::measurement::Measurement;
use crate::{Result, process, workspace};

pub const ABOUT: &str = "ML_TRAIN and ML_PREDICT inside Apache Flink, beside a bare scan";

const ROWS: u64 = 20_000_000;

/// The steps of `bench/flink/jobs.sql`.
const STEPS: [&str; 3] = ["bare scan", "ML_TRAIN, 8 numbers", "ML_PREDICT, 8 numbers"];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let jobs = Jobs { connector: Some(numbers()?), ..Jobs::build()? };
    let rows = request.rows.unwrap_or(ROWS);
    let mut measurements = Vec::new();
    for parallelism in [1, 2] {
        let system = format!("flink, parallelism {parallelism}");
        if !request.wants(&system) {
            continue;
        }
        for (step, work) in STEPS.iter().enumerate() {
            // A model that was trained is there for the step that predicts, which names its version by now.
            let mut programs = jobs.programs(
                &workspace::root().join("bench/flink/jobs.sql"),
                &[format!("rows={rows}")],
                &[format!("parallelism.default={parallelism}"), "execution.runtime-mode=streaming".to_owned()],
            )?;
            let program = programs.get_mut(step).ok_or("the script has fewer steps")?;
            read_numbers(program, rows)?;
            measurements.push(jobs.run(work, &system, rows, &format!("{step}-{parallelism}"), program)?);
        }
    }
    Ok(measurements)
}

/// Builds the connector that makes the rows, and returns the folder of its classes.
fn numbers() -> Result<PathBuf> {
    let folder = workspace::data_folder()?.join("bench-numbers");
    let mut maven = Command::new("mvn");
    maven.current_dir(workspace::root().join("bench/flink/numbers"));
    maven.args(["--quiet", "--batch-mode", "package", &format!("-Dfolder={}", folder.display())]);
    process::run(&mut maven)?;
    Ok(folder.join("classes"))
}

/// Puts that connector in the place of the script's.
fn read_numbers(program: &mut Value, rows: u64) -> Result<()> {
    for statement in program["statements"].as_array_mut().into_iter().flatten() {
        if let Some(sql) = statement["sql"].as_str()
            && sql.contains("TABLE `events`")
        {
            let columns = &sql[..sql.rfind("WITH (").ok_or("a table has options")?];
            statement["sql"] = format!("{columns}WITH ('connector' = 'numbers', 'rows' = '{rows}')").into();
        }
    }
    Ok(())
}
