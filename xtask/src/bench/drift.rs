//! Distances of 20 columns between two tables, beside scipy on the same rows.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::measurement::{self, Measurement, OURS};
use super::{Request, peers};
use crate::{Result, process, workspace};

pub const ABOUT: &str = "ML_VALIDATE_DATA_DRIFT over 16 columns of numbers and 4 of texts; scipy";

/// Rows of both tables together.
const ROWS: u64 = 1_000_000;

/// Distances of the numbers.
const METRICS: [&str; 3] = ["jensen_shannon", "kolmogorov_smirnov", "wasserstein"];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let rows = request.rows.unwrap_or(ROWS);
    let tidegate = workspace::build_tidegate()?;
    let folder = workspace::data_folder()?.join(format!("drift-{rows}"));
    let arrays = folder.join("rows.npz");
    let python = peers::python()?;
    fs::create_dir_all(&folder)?;
    if !arrays.exists() {
        eprintln!("making {rows} rows in {}", folder.display());
        process::output(peers::driver(&python, "drift/rows.py").arg(&folder).arg(rows.to_string()))?;
    }
    process::output(&mut script(&tidegate, &folder, "prepare.sql", &[]))?;
    let mut measurements = Vec::new();
    for metric in METRICS.into_iter().filter(|metric| request.wants_work(metric)) {
        let work = format!("drift of 20 columns, {metric}");
        if request.wants(OURS) {
            let run = script(&tidegate, &folder, "drift.sql", &[format!("metric={metric}")]);
            let mut measured = Measurement::of_program(&work, OURS, rows, &run)?;
            measured.add_quality(&measurement::read_result(&folder.join("moved"))?);
            measurements.push(measured);
        }
        if request.wants("scipy") {
            let mut driver = peers::driver(&python, "drift/scipy_drift.py");
            driver.arg(&arrays).arg(metric);
            measurements.push(Measurement::of_driver(&work, "scipy", &mut driver)?);
        }
    }
    Ok(measurements)
}

fn script(tidegate: &Path, folder: &Path, name: &str, parameters: &[String]) -> Command {
    let mut run = Command::new(tidegate);
    run.current_dir(folder).arg("run").arg(workspace::root().join("bench/drift").join(name)).arg("--quiet");
    run.args(["--param", &format!("folder={}", folder.display())]);
    for parameter in parameters {
        run.args(["--param", parameter]);
    }
    run
}
