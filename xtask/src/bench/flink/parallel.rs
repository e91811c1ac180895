//! What training by replicas, each a task of Flink, gains and costs: Covertype, one pass, by 1, 2, 4 and 8 replicas.

use std::fs;

use super::Jobs;
use crate::bench::linear::files;
use crate::bench::measurement::{self, Measurement};
use crate::bench::{Request, parallel};
use crate::{Result, workspace};

pub const ABOUT: &str = "training by 1, 2, 4 and 8 tasks of Apache Flink: speed and quality on Covertype; ours alone";

const SYNC_ROWS: u64 = 10_000;

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let jobs = Jobs::build()?;
    let files = files::covertype(request.rows)?;
    let parquet = parallel::prepare(&jobs.tidegate, &files)?;
    let mut measurements = Vec::new();
    for replicas in [1, 2, 4, 8] {
        let system = match replicas {
            1 => "flink, one model".to_owned(),
            _ => format!("flink, {replicas} replicas"),
        };
        if !request.wants(&system) {
            continue;
        }
        let output = jobs.folder.join("covertype");
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        fs::create_dir_all(&output)?;
        let programs = jobs.programs(
            &workspace::root().join("bench/parallel/train.sql"),
            &[
                format!("parquet={}", parquet.display()),
                format!("replicas={replicas}"),
                format!("sync_rows={SYNC_ROWS}"),
                format!("distributed={}", replicas > 1),
                format!("output={}", output.display()),
            ],
            &[],
        )?;
        let program = programs.first().ok_or("the script has no job")?;
        let mut measured = jobs.run(parallel::WORK, &system, files.rows, &format!("covertype-{replicas}"), program)?;
        measured.add_quality(&measurement::read_result(&output.join("quality"))?);
        measurements.push(measured);
    }
    Ok(measurements)
}
