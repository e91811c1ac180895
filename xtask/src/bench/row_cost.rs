//! What scaling and measuring cost a row: six learned standard scalers and four metrics, on one thread.
//!
//! The same rows are predicted and learned twice, without and with them. The difference of processor times is theirs.

use std::fs;
use std::process::Command;

use super::Request;
use super::linear::files;
use super::measurement::{Measurement, OURS};
use crate::{Result, workspace};

pub const ABOUT: &str = "six learned scalers and four metrics: what they add to a row on one core; ours alone";

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let files = files::elec(request.rows)?;
    let output = files.folder.join("tidegate");
    fs::create_dir_all(&output)?;
    let measure = |script: &str, work: &str| {
        let mut run = Command::new(&tidegate);
        run.current_dir(&output).arg("run").arg(workspace::root().join("bench/row_cost").join(script));
        run.args(["--quiet", "--param", &format!("input={}", files.csv.display())]);
        Measurement::of_program(work, OURS, files.rows, &run)
    };
    let plain = measure("plain.sql", "elec, learning with predictions")?;
    let measured = measure("measured.sql", "elec, the same, scaled and measured")?;
    let difference = Measurement {
        work: "elec, scalers and metrics alone: the difference".to_owned(),
        cpu_s: measured.cpu_s - plain.cpu_s,
        wall_s: measured.wall_s - plain.wall_s,
        peak_mib: measured.peak_mib - plain.peak_mib,
        ..measured.clone()
    };
    eprintln!("{:.0} ns of processor time a row for scalers and metrics", difference.cpu_s / files.rows as f64 * 1e9);
    Ok(vec![plain, measured, difference])
}
