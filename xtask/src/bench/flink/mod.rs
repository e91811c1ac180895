//! Jobs of Apache Flink with our operators in them, in one process each: the time of the job alone is what is measured.

pub mod flink_ml;
mod numbers;
pub mod operators;
pub mod parallel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::measurement::Measurement;
use crate::{Result, flink, process, workspace};

/// With the way of a cluster's task managers to memory.
const JVM: [&str; 4] = [
    "-Xmx3g",
    "-XX:MaxDirectMemorySize=1g",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
];

/// What the jobs are made of and run by, as it is shipped.
struct Jobs {
    tidegate: PathBuf,
    archive: PathBuf,
    library: PathBuf,
    /// Where programs and models go.
    folder: PathBuf,
    /// The classes of a connector of the bench's own.
    connector: Option<PathBuf>,
}

impl Jobs {
    fn build() -> Result<Self> {
        let tidegate = workspace::build_tidegate()?;
        process::run(workspace::cargo().args(["build", "--profile", "dist", "-p", "tidegate-flink"]))?;
        let library = workspace::target_folder()?.join("dist/libtidegate_flink.so");
        let folder = workspace::data_folder()?.join("bench/flink");
        fs::create_dir_all(folder.join("registry"))?;
        Ok(Self { tidegate, archive: flink::build()?, library, folder, connector: None })
    }

    /// The programs that `tidegate submit` would make of a script.
    fn programs(&self, script: &Path, parameters: &[String], settings: &[String]) -> Result<Vec<Value>> {
        let mut explain = Command::new(&self.tidegate);
        explain.args(["explain", "--flink", "--json"]).arg(script);
        explain.args(["-s", &format!("registry.path={}", self.folder.join("registry").display())]);
        explain.args(parameters.iter().flat_map(|parameter| ["--param", parameter]));
        explain.args(settings.iter().flat_map(|setting| ["-s", setting]));
        let lines = process::output(&mut explain)?;
        lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Runs a program, which is kept under a name.
    fn run(&self, work: &str, system: &str, rows: u64, name: &str, program: &Value) -> Result<Measurement> {
        let path = self.folder.join(format!("{name}.json"));
        fs::write(&path, program.to_string())?;
        let mut classes = format!("{}/*:{}/flink/*", self.archive.display(), self.archive.display());
        if let Some(connector) = &self.connector {
            classes += &format!(":{}", connector.display());
        }
        let mut java = Command::new("java");
        java.args(JVM).arg(format!("-Dtidegate.flink.library={}", self.library.display()));
        java.args(["-cp", &classes, "tidegate.flink.job.Program"]).arg(format!("@{}", path.display())).arg("--wait");
        let (mut measured, printed) = Measurement::of_printing_program(work, system, rows, &java)?;
        let milliseconds = printed.last().and_then(|line| line["milliseconds"].as_f64());
        measured.wall_s = milliseconds.ok_or("the job says nothing of its time")? / 1000.0;
        Ok(measured)
    }
}
