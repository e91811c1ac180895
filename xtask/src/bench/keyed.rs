//! What a model a key costs: a thousand keys and a million, in memory and mostly on disk.

use std::fs;
use std::process::Command;

use super::Request;
use super::measurement::{self, Measurement};
use crate::{Result, workspace};

pub const ABOUT: &str = "a model a key: a thousand and a million keys, in memory and on disk; ours alone";

const ROWS: u64 = 5_000_000;
/// Keys, and memory for their models.
const CASES: [(u64, &str); 3] = [(1_000, "1 gb"), (1_000_000, "1 gb"), (1_000_000, "64 mb")];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let output = workspace::data_folder()?.join("bench/keyed");
    fs::create_dir_all(&output)?;
    let rows = request.rows.unwrap_or(ROWS);
    CASES
        .iter()
        .map(|(keys, memory)| {
            let mut run = Command::new(&tidegate);
            run.current_dir(&output).arg("run").arg(workspace::root().join("bench/keyed/train.sql"));
            run.args(["--quiet", "--fresh"]);
            for parameter in [
                format!("keys={keys}"),
                format!("memory={memory}"),
                format!("last={}", rows - 1),
                format!("output={}", output.display()),
            ] {
                run.args(["--param", &parameter]);
            }
            let system = format!("{keys} keys, {memory}");
            let mut measured = Measurement::of_program("a model a key, predictions and learning", &system, rows, &run)?;
            measured.add_quality(&measurement::read_result(&output.join("quality"))?);
            Ok(measured)
        })
        .collect()
}
