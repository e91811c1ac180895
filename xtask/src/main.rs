//! What a developer or the continuous integration does with the repository: `cargo xtask COMMAND`.
//!
//! It depends on nothing heavy, so that it builds in seconds on a machine that has built nothing yet.

mod bench;
mod data;
mod demo;
mod flink;
mod process;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

/// A step either succeeds or says why not, in words meant for whoever ran it.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
cargo xtask COMMAND

  setup                      check for C and C++ compilers, make, Python, a JDK, Maven, rustfmt and clippy; install what is
                             missing, and only that
  data [NAME…] [--list]      fetch the data sets into $TIDEGATE_DATA, or ~/.cache/tidegate/data
  demo [--rows N] [--keep]   set up, fetch, build the shipped binary and run examples/purchase-intent/job.sql
                             --rows N: only the first N purchases; --keep: keep what earlier runs registered
  test [CRATE…] [-- FILTER]  everything that must hold: format, tidy, clippy, tests; or only those of some crates (ml, sql, …)
  tidy                       the rules of the house, as checks
  bench [NAME…] [--rows N] [--json] [--list] [--only SYSTEM] [--work WORK]
                             ours and the peers', on the same file, in the same run
  package flink              the archive that brings models to Apache Flink, with this machine's native library in it
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "setup" => setup::run(&arguments),
        "data" => data::run(&arguments),
        "demo" => demo::run(&arguments),
        "test" => test::run(&arguments),
        "tidy" => tidy::run(&arguments),
        "bench" => bench::run(&arguments),
        "package" => flink::package(&arguments),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => Err(format!("unknown command '{unknown}'\n\n{USAGE}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Refuses every argument: for commands that take none.
fn no_arguments(command: &str, arguments: &[String]) -> Result<()> {
    match arguments.first() {
        Some(argument) => Err(format!("'{argument}': cargo xtask {command} takes no arguments").into()),
        None => Ok(()),
    }
}

/// The number after an option such as `--rows`.
fn number_after(option: &str, value: Option<&String>) -> Result<u64> {
    let value = value.ok_or_else(|| format!("{option} needs a number after it"))?;
    value.replace('_', "").parse().map_err(|_| format!("{option} {value}: expected a whole number").into())
}
