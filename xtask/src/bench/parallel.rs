//! What training by replicas gains and costs: Covertype, one pass, by 1, 2, 4 and 8 replicas.

use std::fs;
use std::process::Command;

use super::Request;
use super::linear::files;
use super::measurement::{self, Measurement};
use crate::{Result, process, workspace};

pub const ABOUT: &str = "training by 1, 2, 4 and 8 replicas: speed and quality on Covertype; ours alone";

/// Rows from one sync to the next, for each number of replicas.
const SYNC_ROWS: [u64; 3] = [1_000, 10_000, 100_000];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let files = files::covertype(request.rows)?;
    let output = files.folder.join("tidegate-parallel");
    fs::create_dir_all(&output)?;
    let parquet = format!("parquet={}", files.folder.join("data.parquet").display());
    let run = |script: &str, parameters: &[String]| {
        let mut run = Command::new(&tidegate);
        run.current_dir(&output).arg("run").arg(workspace::root().join("bench/parallel").join(script));
        run.args(["--quiet", "--param", &parquet]);
        parameters.iter().for_each(|parameter| {
            run.args(["--param", parameter]);
        });
        run
    };
    process::output(&mut run("prepare.sql", &[format!("input={}", files.csv.display())]))?;
    let alone = std::iter::once((1, 1));
    let several = [2, 4, 8].into_iter().flat_map(|replicas| SYNC_ROWS.map(|rows| (replicas, rows)));
    alone
        .chain(several)
        .map(|(replicas, sync_rows)| {
            let parameters = [
                format!("replicas={replicas}"),
                format!("sync_rows={sync_rows}"),
                format!("output={}", output.display()),
            ];
            let system = match replicas {
                1 => "one model".to_owned(),
                _ => format!("{replicas} replicas, merged every {sync_rows} rows"),
            };
            let work = "covertype, learning with predictions and metrics";
            let mut measured = Measurement::of_program(work, &system, files.rows, &run("train.sql", &parameters))?;
            measured.add_quality(&measurement::read_result(&output.join("quality"))?);
            Ok(measured)
        })
        .collect()
}
