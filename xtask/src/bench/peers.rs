//! The peers: other systems, installed at pinned versions into a virtual environment of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, process, workspace};

/// The Python of the virtual environment that has the packages of `bench/requirements.txt`, which is made if need be.
pub fn python() -> Result<PathBuf> {
    let requirements = workspace::root().join("bench/requirements.txt");
    let folder = workspace::data_folder()?.join("bench-venv");
    let python = folder.join("bin/python");
    // A copy of what was installed: when a version is changed, the environment is made anew.
    let installed = folder.join("installed-requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing the peers of bench/requirements.txt into {}", folder.display());
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "-r"]);
    process::output(pip.arg(&requirements))?;
    fs::write(&installed, wanted)?;
    Ok(python)
}

/// A driver of `bench/linear` under that Python, on one thread.
pub fn driver(python: &PathBuf, script: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(workspace::root().join("bench").join(script));
    for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, "1");
    }
    command
}
