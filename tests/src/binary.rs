//! The `tidegate` binary, run as a user runs it, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary that was built together with this test: `<target>/<profile>/deps/<test>` stands beside
/// `<target>/<profile>/tidegate`.
///
/// # Panics
/// If it is not there.
pub fn tidegate() -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its own file");
    let folder = test.parent().and_then(Path::parent).expect("a test is in <target>/<profile>/deps");
    let binary = folder.join(format!("tidegate{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "there is no {}: build it with `cargo test --profile ci --workspace --no-run`, or test with `cargo xtask test`",
        binary.display()
    );
    binary
}

/// A folder of its own, with scripts, data and `home`, where models and checkpoints are kept. It goes when this goes.
#[derive(Debug)]
pub struct Workplace {
    folder: TempDir,
}

impl Default for Workplace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workplace {
    /// An empty one.
    ///
    /// # Panics
    /// If the system has no room for it.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(&path, contents).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Reads a text file in it.
    ///
    /// # Panics
    /// If there is none.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `tidegate` with the given arguments, to be run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tidegate());
        command.current_dir(self.folder.path()).args(arguments).args(["--home", "home"]);
        command.env_remove("TIDEGATE_HOME").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `tidegate` with the given arguments to its end.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn tidegate(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().expect("the binary starts"))
    }

    /// Runs a script with further arguments: it is kept as `job.sql`.
    pub fn run_with(&self, script: &str, arguments: &[&str]) -> Outcome {
        self.write("job.sql", script);
        self.tidegate(&[&["run", "job.sql"], arguments].concat())
    }

    /// Runs a script as people do, with text for people.
    pub fn run(&self, script: &str) -> Outcome {
        self.run_with(script, &[])
    }

    /// Runs a script with `--json`.
    pub fn run_json(&self, script: &str) -> Outcome {
        self.run_with(script, &["--json"])
    }
}

/// What a process left: its exit code and what it printed.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Of a process that has ended.
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Goes on only if it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.failed(0)
    }

    /// Goes on only if it ended with this exit code.
    ///
    /// # Panics
    /// If it ended with another one.
    #[track_caller]
    pub fn failed(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "exit code {:?}, expected {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Goes on only if standard error has each of these texts.
    ///
    /// # Panics
    /// If one is missing.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "standard error lacks {text:?}:\n{}", self.stderr);
        }
        self
    }

    /// The objects that `--json` prints, one a line.
    ///
    /// # Panics
    /// If a line is not JSON.
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(read).collect()
    }

    /// The objects of one type, such as `job` or `rows`.
    #[track_caller]
    pub fn of_type(&self, name: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object["type"] == name).collect()
    }

    /// The rows of the last result.
    ///
    /// # Panics
    /// If there was no result.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        let results = self.of_type("rows");
        let last = results.last().unwrap_or_else(|| panic!("no result in\n{}", self.stdout));
        last["rows"].as_array().expect("rows are an array").clone()
    }
}

/// A number of a JSON object.
///
/// # Panics
/// If it is not there, or is no number.
#[track_caller]
pub fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("no number '{key}' in {object}"))
}
