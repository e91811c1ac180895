//! Where things are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::{Result, process};

/// The repository: the folder above this package.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // As cargo says when it runs this; what it said when it built it may be of another clone that shares the target folder.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let package = PathBuf::from(package);
        package.parent().unwrap_or(&package).to_path_buf()
    });
    &ROOT
}

/// The cargo that runs this program, so that one toolchain does everything.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The packages of the workspace, as cargo sees them.
pub fn metadata() -> Result<Value> {
    let text = process::output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str(&text)?)
}

/// Builds the `tidegate` that is shipped and returns its path.
pub fn build_tidegate() -> Result<PathBuf> {
    let target = target_folder()?;
    process::run(cargo().args(["build", "--profile", "dist", "-p", "tidegate-cli"]))?;
    Ok(target.join("dist").join(format!("tidegate{}", std::env::consts::EXE_SUFFIX)))
}

/// Where cargo puts what it builds.
pub fn target_folder() -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(target))
}

/// A folder of [`data_folder`] with what `make` puts into it, made anew when `source`, which tells what it is made of, is another.
///
/// It is filled beside its place and moved there whole: a folder that exists is complete. The process's number keeps two that fill
/// one at once apart.
pub fn kept(name: &str, source: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let data = data_folder()?;
    let folder = data.join(name);
    if fs::read_to_string(folder.join(".source")).is_ok_and(|found| found == source) {
        eprintln!("{name:<17} ready in {}", folder.display());
        return Ok(folder);
    }
    let filled = data.join(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(&filled)?;
    make(&filled)?;
    fs::write(filled.join(".source"), source)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&filled, &folder)?;
    eprintln!("{name:<17} ready in {}", folder.display());
    Ok(folder)
}

/// Where fetched and generated data is kept between runs: `$TIDEGATE_DATA`, or `~/.cache/tidegate/data`.
pub fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TIDEGATE_DATA").filter(|folder| !folder.is_empty()) {
        return Ok(std::path::absolute(folder)?);
    }
    let home = std::env::home_dir().ok_or("there is no home folder: set TIDEGATE_DATA to where data may be kept")?;
    Ok(home.join(".cache/tidegate/data"))
}
