//! What ML_TRAIN and ML_PREDICT cost in a job of Flink, beside the same job without them: in one process, the time of the job alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Request;
use super::measurement::Measurement;
use crate::{Result, flink, process, workspace};

pub const ABOUT: &str = "ML_TRAIN and ML_PREDICT inside Apache Flink, beside a bare scan of Flink's own generator";

const ROWS: u64 = 20_000_000;

/// The steps of `bench/flink/jobs.sql`.
const STEPS: [&str; 3] = ["bare scan", "ML_TRAIN, 8 numbers", "ML_PREDICT, 8 numbers"];

/// With the way of a cluster's task managers to memory.
const JVM: [&str; 4] = [
    "-Xmx3g",
    "-XX:MaxDirectMemorySize=1g",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let archive = flink::build()?;
    process::run(workspace::cargo().args(["build", "--profile", "dist", "-p", "tidegate-flink"]))?;
    let library = workspace::target_folder()?.join("dist/libtidegate_flink.so");
    let folder = workspace::data_folder()?.join("bench/flink");
    fs::create_dir_all(&folder)?;
    let rows = request.rows.unwrap_or(ROWS);
    let mut measurements = Vec::new();
    for parallelism in [1, 2] {
        for (step, work) in STEPS.iter().enumerate() {
            let system = format!("flink, parallelism {parallelism}");
            if request.only.as_ref().is_some_and(|only| !system.contains(only.as_str())) {
                continue;
            }
            // A model that was trained is there for the step that predicts, which names its version by now.
            let program = program(&tidegate, &folder, rows, parallelism, step)?;
            let mut java = Command::new("java");
            java.args(JVM).arg(format!("-Dtidegate.flink.library={}", library.display()));
            let classes = format!("{}/*:{}/flink/*", archive.display(), archive.display());
            java.args(["-cp", &classes, "tidegate.flink.job.Program"])
                .arg(format!("@{}", program.display()))
                .arg("--wait");
            let (mut measured, printed) = Measurement::of_printing_program(work, &system, rows, &java)?;
            let milliseconds = printed.last().and_then(|line| line["milliseconds"].as_f64());
            measured.wall_s = milliseconds.ok_or("the job says nothing of its time")? / 1000.0;
            measurements.push(measured);
        }
    }
    Ok(measurements)
}

/// A step of the script as a program, over Flink's own generator.
fn program(tidegate: &Path, folder: &Path, rows: u64, parallelism: u32, step: usize) -> Result<PathBuf> {
    let registry = folder.join("registry");
    fs::create_dir_all(&registry)?;
    let mut explain = Command::new(tidegate);
    explain.args(["explain", "--flink", "--json"]).arg(workspace::root().join("bench/flink/jobs.sql"));
    explain.args(["--param", &format!("rows={rows}"), "-s", &format!("registry.path={}", registry.display())]);
    explain.args(["-s", &format!("parallelism.default={parallelism}"), "-s", "execution.runtime-mode=streaming"]);
    let explained = process::output(&mut explain)?;
    let line = explained.lines().nth(step).ok_or("the script has fewer steps")?;
    let mut program: Value = serde_json::from_str(line)?;
    for statement in program["statements"].as_array_mut().into_iter().flatten() {
        if let Some(sql) = statement["sql"].as_str()
            && sql.contains("TABLE `events`")
        {
            let columns = &sql[..sql.rfind("WITH (").ok_or("a table has options")?];
            // A sequence of ids, which ends; numbers from 0 to 1.
            let numbers = (1..=8).map(|i| format!(", 'fields.x{i}.min' = '0', 'fields.x{i}.max' = '1'"));
            let options = format!(
                "WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', \
                 'fields.id.end' = '{rows}'{})",
                numbers.collect::<String>()
            );
            statement["sql"] = format!("{columns}{options}").into();
        }
    }
    let path = folder.join(format!("{step}-{parallelism}.json"));
    fs::write(&path, program.to_string())?;
    Ok(path)
}
