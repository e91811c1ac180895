//! Online logistic regression: plain stochastic gradient descent, learning rate 0.1, one pass over the file in its order.
//!
//! bench/README.md says what is compared and how.

pub(super) mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measurement::{self, Measurement, OURS};
use super::{Request, peers};
use crate::{Result, workspace};
use files::Files;

pub const ABOUT: &str =
    "online logistic regression by SGD: Elec ×20, Covertype, flights; against Vowpal Wabbit, River and scikit-learn";

/// A peer, and the driver in `bench/` that runs it.
struct Peer {
    system: &'static str,
    script: &'static str,
    arguments: &'static [&'static str],
    /// Whether it reads Vowpal Wabbit's text besides the labels of the CSV file.
    reads_vw: bool,
}

const PEERS: &[Peer] = &[
    Peer { system: "vowpal wabbit", script: "linear/vowpal_wabbit.py", arguments: &[], reads_vw: true },
    Peer { system: "river", script: "linear/river_sgd.py", arguments: &[], reads_vw: false },
    Peer {
        system: "scikit-learn, 1000 rows a batch",
        script: "linear/scikit_learn.py",
        arguments: &["--batch", "1000"],
        reads_vw: false,
    },
    // Row by row a call takes a millisecond, so it gets the first rows only.
    Peer {
        system: "scikit-learn, row by row",
        script: "linear/scikit_learn.py",
        arguments: &["--batch", "1", "--rows", "5000"],
        reads_vw: false,
    },
];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let python = if PEERS.iter().any(|peer| request.wants(peer.system)) { Some(peers::python()?) } else { None };
    let tidegate = if request.wants(OURS) { Some(workspace::build_tidegate()?) } else { None };
    let mut measurements = Vec::new();
    for files in files::prepare(request.rows)? {
        for scored in [false, true] {
            if let Some(tidegate) = &tidegate {
                measurements.push(ours(tidegate, &files, scored)?);
            }
            if let Some(python) = &python {
                measurements.extend(theirs(python, &files, scored, request)?);
            }
        }
    }
    Ok(measurements)
}

/// The work's name: learning alone, or with every prediction written and four metrics over them.
fn work(files: &Files, scored: bool) -> String {
    format!("{}, {}", files.name, if scored { "predictions and metrics" } else { "learning" })
}

fn ours(tidegate: &Path, files: &Files, scored: bool) -> Result<Measurement> {
    let scripts = workspace::root().join("bench/linear");
    let script = scripts.join(format!("{}_{}.sql", files.name, if scored { "score" } else { "learn" }));
    // Everything a run leaves behind goes here, so that each begins with nothing.
    let output = files.folder.join("tidegate");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    let mut run = Command::new(tidegate);
    run.current_dir(&output).arg("run").arg(script);
    run.args(["--param", &format!("input={}", files.csv.display())]);
    if scored {
        run.args(["--param", &format!("output={}", output.display())]);
    }
    let mut measurement = Measurement::of_program(&work(files, scored), OURS, files.rows, &run)?;
    if scored {
        measurement.add_quality(&measurement::read_result(&output.join("quality"))?);
    }
    Ok(measurement)
}

fn theirs(python: &PathBuf, files: &Files, scored: bool, request: &Request) -> Result<Vec<Measurement>> {
    let run = |peer: &Peer| {
        let mut driver = peers::driver(python, peer.script);
        driver.arg(&files.csv).args(peer.arguments);
        if peer.reads_vw {
            driver.arg("--text").arg(&files.vw);
        }
        if scored {
            driver.arg("--score");
        }
        Measurement::of_driver(&work(files, scored), peer.system, &mut driver)
    };
    PEERS.iter().filter(|peer| request.wants(peer.system)).map(run).collect()
}
