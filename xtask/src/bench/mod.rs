//! `cargo xtask bench`: ours and the peers', on the same file, in the same run.
//!
//! A bench is a function that returns measurements; [`BENCHES`] names them all. Progress goes to standard error, results to
//! standard output: a table, or with `--json` one object a line.

mod drift;
mod flink;
mod keyed;
mod learners;
mod linear;
mod measurement;
mod nexmark;
mod parallel;
mod peers;
mod row_cost;
mod soak;
mod tuning;

use crate::{Result, number_after};
use measurement::Measurement;

/// What was asked for.
pub struct Request {
    /// At most this many rows of each file.
    rows: Option<u64>,
    /// Only systems whose name has this in it.
    only: Option<String>,
    /// Only work whose name has this in it; of those benches that do many kinds of work.
    work: Option<String>,
}

impl Request {
    fn wants(&self, system: &str) -> bool {
        self.only.as_deref().is_none_or(|only| system.contains(only))
    }

    fn wants_work(&self, work: &str) -> bool {
        self.work.as_deref().is_none_or(|wanted| work.contains(wanted))
    }
}

struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&Request) -> Result<Vec<Measurement>>,
}

const BENCHES: &[Bench] = &[
    Bench { name: "drift", about: drift::ABOUT, run: drift::run },
    Bench { name: "flink", about: flink::operators::ABOUT, run: flink::operators::run },
    Bench { name: "flink-ml", about: flink::flink_ml::ABOUT, run: flink::flink_ml::run },
    Bench { name: "flink-parallel", about: flink::parallel::ABOUT, run: flink::parallel::run },
    Bench { name: "keyed", about: keyed::ABOUT, run: keyed::run },
    Bench { name: "learners", about: learners::ABOUT, run: learners::run },
    Bench { name: "linear", about: linear::ABOUT, run: linear::run },
    Bench { name: "nexmark", about: nexmark::ABOUT, run: nexmark::run },
    Bench { name: "parallel", about: parallel::ABOUT, run: parallel::run },
    Bench { name: "row-cost", about: row_cost::ABOUT, run: row_cost::run },
    Bench { name: "soak", about: soak::ABOUT, run: soak::run },
    Bench { name: "tuning", about: tuning::ABOUT, run: tuning::run },
];

pub fn run(arguments: &[String]) -> Result<()> {
    const TAKES: &str = "cargo xtask bench takes names of benches (all without any), --rows N, --only SYSTEM, --work WORK (of \
                         learners), --json and --list";
    let mut request = Request { rows: None, only: None, work: None };
    let (mut names, mut json) = (Vec::new(), false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => {
                for bench in BENCHES {
                    println!("{:<14} {}", bench.name, bench.about);
                }
                return Ok(());
            }
            "--help" | "-h" => {
                println!("{TAKES}");
                return Ok(());
            }
            "--json" => json = true,
            "--rows" => request.rows = Some(number_after("--rows", arguments.next())?.max(1)),
            "--only" => request.only = Some(arguments.next().ok_or("--only needs a system's name after it")?.clone()),
            "--work" => request.work = Some(arguments.next().ok_or("--work needs the work's name after it")?.clone()),
            option if option.starts_with('-') => return Err(format!("'{option}': {TAKES}").into()),
            name => names.push(name),
        }
    }
    let known = || BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        return Err(format!("there is no bench '{unknown}'; there are {}", known()).into());
    }
    for bench in BENCHES.iter().filter(|bench| names.is_empty() || names.contains(&bench.name)) {
        let measurements = (bench.run)(&request)?;
        if json {
            measurements.iter().for_each(|measurement| println!("{}", measurement.to_json()));
        } else {
            measurement::print_table(&measurements);
            measurement::print_ratios(&measurements);
        }
    }
    Ok(())
}
