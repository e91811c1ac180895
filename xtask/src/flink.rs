//! Apache Flink with Tidegate's models in it: what `bindings/flink/java` makes, and the libraries it names, in `$TIDEGATE_DATA/flink`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, process, workspace};

/// Builds the archive if its sources have changed, with Flink's beside it, and returns their folder.
pub fn build() -> Result<PathBuf> {
    let project = workspace::root().join("bindings/flink/java");
    let mut source = fs::read_to_string(project.join("pom.xml"))?;
    sources(&project.join("src"), &mut source)?;
    workspace::kept("flink", &source, |folder| {
        eprintln!("building the archive for Apache Flink with Maven");
        maven(&[format!("-Dfolder={}", folder.display())])
    })
}

/// `cargo xtask package flink`: the archive with the native library of this machine in it, to be given to Flink.
pub fn package(arguments: &[String]) -> Result<()> {
    if !matches!(arguments, [what] if what == "flink") {
        return Err("cargo xtask package takes what to package: flink".into());
    }
    process::run(workspace::cargo().args(["build", "--profile", "dist", "-p", "tidegate-flink"]))?;
    let target = workspace::target_folder()?;
    let name = format!("{}tidegate_flink{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let folder = target.join("flink");
    let natives = target.join("flink-native");
    let native = natives.join(format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH));
    fs::create_dir_all(&native)?;
    fs::copy(target.join("dist").join(&name), native.join(&name))?;
    maven(&[format!("-Dfolder={}", folder.display()), format!("-Dnative={}", natives.display())])?;
    println!("{}", folder.join("tidegate-flink-0.1.0.jar").display());
    Ok(())
}

fn maven(properties: &[String]) -> Result<()> {
    let mut maven = Command::new("mvn");
    let project = workspace::root().join("bindings/flink/java/pom.xml");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(project).arg("package").args(properties);
    process::output(&mut maven)
        .map(drop)
        .map_err(|error| format!("the archive for Apache Flink cannot be built.\n{error}").into())
}

/// Adds the texts of the files below a folder, in the order of their names.
fn sources(folder: &Path, texts: &mut String) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => sources(&path, texts)?,
            false => texts.push_str(&fs::read_to_string(&path)?),
        }
    }
    Ok(())
}
