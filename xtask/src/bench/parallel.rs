//! What training by replicas gains and costs: Covertype, one pass, by 1, 2, 4 and 8 replicas.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Request;
use super::linear::files::{self, Files};
use super::measurement::{self, Measurement};
use crate::{Result, process, workspace};

pub const ABOUT: &str = "training by 1, 2, 4 and 8 replicas: speed and quality on Covertype; ours alone";

/// Rows from one sync to the next, for each number of replicas.
const SYNC_ROWS: [u64; 3] = [1_000, 10_000, 100_000];

/// What each of them does.
pub const WORK: &str = "covertype, learning with predictions and metrics";

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let files = files::covertype(request.rows)?;
    let parquet = prepare(&tidegate, &files)?;
    let output = output(&files)?;
    let alone = std::iter::once((1, 1));
    let several = [2, 4, 8].into_iter().flat_map(|replicas| SYNC_ROWS.map(|rows| (replicas, rows)));
    alone
        .chain(several)
        .map(|(replicas, sync_rows)| {
            let parameters = [
                format!("parquet={}", parquet.display()),
                format!("replicas={replicas}"),
                format!("sync_rows={sync_rows}"),
                "distributed=false".to_owned(),
                format!("output={}", output.display()),
            ];
            let system = match replicas {
                1 => "one model".to_owned(),
                _ => format!("{replicas} replicas, merged every {sync_rows} rows"),
            };
            let train = script(&tidegate, &output, "train.sql", &parameters);
            let mut measured = Measurement::of_program(WORK, &system, files.rows, &train)?;
            measured.add_quality(&measurement::read_result(&output.join("quality"))?);
            Ok(measured)
        })
        .collect()
}

/// Writes Covertype as Parquet, and says where it is.
pub fn prepare(tidegate: &Path, files: &Files) -> Result<PathBuf> {
    let parquet = files.folder.join("data.parquet");
    let parameters = [format!("parquet={}", parquet.display()), format!("input={}", files.csv.display())];
    process::output(&mut script(tidegate, &output(files)?, "prepare.sql", &parameters))?;
    Ok(parquet)
}

fn output(files: &Files) -> Result<PathBuf> {
    let output = files.folder.join("tidegate-parallel");
    fs::create_dir_all(&output)?;
    Ok(output)
}

fn script(tidegate: &Path, output: &Path, name: &str, parameters: &[String]) -> Command {
    let mut run = Command::new(tidegate);
    run.current_dir(output).arg("run").arg(workspace::root().join("bench/parallel").join(name)).arg("--quiet");
    run.args(parameters.iter().flat_map(|parameter| ["--param", parameter]));
    run
}
