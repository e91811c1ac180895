//! What ML_TRAIN and ML_PREDICT cost in a job of Flink, beside the same job without them.

use super::Jobs;
use super::numbers::{self, Generator};
use crate::bench::Request;
use crate::bench::measurement::Measurement;
use crate::{Result, workspace};

pub const ABOUT: &str = "ML_TRAIN and ML_PREDICT inside Apache Flink, beside a bare scan";

const ROWS: u64 = 20_000_000;

const NUMBERS: usize = 8;

/// The steps of `bench/flink/jobs.sql`.
const STEPS: [&str; 3] = ["bare scan", "ML_TRAIN, 8 numbers", "ML_PREDICT, 8 numbers"];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let jobs = Jobs { connector: Some(numbers::build()?), ..Jobs::build()? };
    let rows = request.rows.unwrap_or(ROWS);
    let mut measurements = Vec::new();
    for (generator, parallelism) in Generator::ALL.into_iter().flat_map(|generator| [(generator, 1), (generator, 2)]) {
        let system = format!("{}, parallelism {parallelism}", generator.name());
        if !request.wants(&system) {
            continue;
        }
        for (step, work) in STEPS.iter().enumerate() {
            // A model that was trained is there for the step that predicts, which names its version by now.
            let mut programs = jobs.programs(
                &workspace::root().join("bench/flink/jobs.sql"),
                &[format!("rows={rows}")],
                &[format!("parallelism.default={parallelism}"), "execution.runtime-mode=streaming".to_owned()],
            )?;
            let program = programs.get_mut(step).ok_or("the script has fewer steps")?;
            generator.put_into(program, rows, NUMBERS)?;
            let name = format!("{step}-{}-{parallelism}", generator.name());
            measurements.push(jobs.run(work, &system, rows, &name, program)?);
        }
    }
    Ok(measurements)
}
