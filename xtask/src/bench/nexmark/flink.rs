//! Apache Flink, in one process: `bench/nexmark/flink` says how.

use std::path::PathBuf;
use std::process::Command;

use super::{Dialect, Place, Work};
use crate::bench::measurement::Measurement;
use crate::{Result, process, workspace};

pub const NAME: &str = "flink";

pub const DIALECT: Dialect = Dialect {
    name: NAME,
    settings: |parallelism| {
        format!("SET 'parallelism.default' = '{parallelism}';\nSET 'pipeline.object-reuse' = 'true';\n")
    },
    sink: |results| match results {
        Some(folder) => format!("'connector' = 'counting', 'path' = '{}'", folder.display()),
        None => "'connector' = 'counting'".to_owned(),
    },
};

/// A JVM with what Flink needs: memory enough that it need not collect all the time, and access that Flink asks for.
const JVM: [&str; 3] =
    ["-Xmx4g", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"];

/// Flink with its libraries, ready to run.
pub struct Flink {
    folder: PathBuf,
}

impl Flink {
    /// Fetches Flink, which Maven keeps, and builds what runs it.
    pub fn build() -> Result<Self> {
        let folder = workspace::data_folder()?.join("bench-flink");
        let mut maven = Command::new("mvn");
        maven.current_dir(workspace::root().join("bench/nexmark/flink"));
        maven.args(["--quiet", "--batch-mode", "package", &format!("-Dfolder={}", folder.display())]);
        process::run(&mut maven)
            .map_err(|error| format!("{error}; Apache Maven and a JDK of version 17 or later are needed"))?;
        Ok(Self { folder })
    }

    /// Runs a query, and says how many results there were.
    pub fn run(&self, place: &Place, work: &Work) -> Result<(Measurement, u64)> {
        let script = place.script(&DIALECT, work)?;
        let classes = format!("{}/classes:{}/dependency/*", self.folder.display(), self.folder.display());
        let mut java = Command::new("java");
        java.args(JVM).args(["-cp", &classes, "tidegate.bench.RunScript"]).arg(script);
        let (measurement, printed) = Measurement::of_printing_program(&work.name(), NAME, work.events, &java)?;
        let rows = printed.last().and_then(|line| line["rows"].as_u64()).ok_or("flink reported no rows")?;
        Ok((measurement, rows))
    }
}
