//! Where the benches' rows come from in Flink: a connector of their own (`bench/flink/numbers`), or SQL's generator.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::{Result, process, workspace};

/// Makes rows of DOUBLEs between 0 and 1, and a BOOLEAN.
#[derive(Clone, Copy)]
pub enum Generator {
    /// Our connector, which takes a few nanoseconds a row.
    Numbers,
    /// Flink's own.
    Datagen,
}

impl Generator {
    pub const ALL: [Self; 2] = [Self::Numbers, Self::Datagen];

    pub fn name(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Datagen => "datagen",
        }
    }

    /// Puts it in the place of what a program reads the table `events` by, whose columns are so many numbers
    /// `x1` …, and a label.
    pub fn put_into(self, program: &mut Value, rows: u64, numbers: usize) -> Result<()> {
        let options = match self {
            Self::Numbers => format!("'connector' = 'numbers', 'rows' = '{rows}'"),
            Self::Datagen => {
                let bounds = |x| format!(", 'fields.x{x}.min' = '0', 'fields.x{x}.max' = '1'");
                let bounds: String = (1..=numbers).map(bounds).collect();
                // Ten thousand a second, unless told.
                format!(
                    "'connector' = 'datagen', 'rows-per-second' = '1000000000', 'number-of-rows' = '{rows}'{bounds}"
                )
            }
        };
        for statement in program["statements"].as_array_mut().into_iter().flatten() {
            if let Some(sql) = statement["sql"].as_str()
                && sql.contains("TABLE `events`")
            {
                let columns = &sql[..sql.rfind("WITH (").ok_or("a table has options")?];
                statement["sql"] = format!("{columns}WITH ({options})").into();
            }
        }
        Ok(())
    }
}

/// Builds the connector, and returns the folder of its classes.
pub fn build() -> Result<PathBuf> {
    let folder = workspace::data_folder()?.join("bench-numbers");
    let mut maven = Command::new("mvn");
    maven.current_dir(workspace::root().join("bench/flink/numbers"));
    maven.args(["--quiet", "--batch-mode", "package", &format!("-Dfolder={}", folder.display())]);
    process::run(&mut maven)?;
    Ok(folder.join("classes"))
}
