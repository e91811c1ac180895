//! `cargo xtask test`: everything that must hold, in the order of how fast it tells.

use std::process::Command;

use serde_json::Value;

use crate::process::{self, Stages};
use crate::{Result, data, flink, setup, tidy, workspace};

pub fn run(arguments: &[String]) -> Result<()> {
    let (crates, filter) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[][..]),
    };
    let packages = packages(crates, &workspace::metadata()?)?;
    // With a filter only the tests that it names are wanted, not the whole judgement.
    let everything = filter.is_empty();
    let mut stages = Stages::default();
    let outcome = run_stages(&mut stages, &packages, filter, everything);
    stages.print_summary();
    outcome
}

fn run_stages(stages: &mut Stages, packages: &[String], filter: &[String], everything: bool) -> Result<()> {
    stages.run("setup", || setup::run(&[]))?;
    stages.run("data", || {
        data::DATA_SETS.iter().filter(|set| set.tests).try_for_each(|set| data::fetch(set).map(drop))?;
        data::broker::fetch().map(drop)
    })?;
    stages.run("flink", || flink::build().map(drop))?;
    if everything {
        stages.run("format", || process::run(workspace::cargo().args(["fmt", "--all", "--check"])))?;
        stages.run("tidy", || tidy::run(&[]))?;
        stages.run("clippy", || {
            let mut clippy = cargo("clippy", packages);
            process::run(clippy.args(["--all-targets", "--", "-D", "warnings"]))
        })?;
    }
    stages.run("test", || {
        let mut test = cargo("test", packages);
        // Tests find the data sets there.
        test.env("TIDEGATE_DATA", workspace::data_folder()?);
        if !filter.is_empty() {
            test.arg("--").args(filter);
        }
        process::run(&mut test)
    })
}

fn cargo(command: &str, packages: &[String]) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args([command, "--profile", "ci"]);
    if packages.is_empty() {
        cargo.arg("--workspace");
    }
    for package in packages {
        cargo.args(["-p", package]);
    }
    cargo
}

/// The packages meant by folder names such as `ml`, or by their own names.
fn packages(crates: &[String], metadata: &Value) -> Result<Vec<String>> {
    let names: Vec<&str> =
        metadata["packages"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
    let package = |name: &String| {
        let long = format!("tidegate-{name}");
        let found = names.iter().find(|known| **known == long || *known == name);
        found.map(|known| (*known).to_owned()).ok_or_else(|| {
            format!("there is no crate '{name}'; there are {}. A test's name goes after --", names.join(", ")).into()
        })
    };
    crates.iter().map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_named_by_folder_or_package() {
        let metadata = serde_json::json!({"packages": [{"name": "tidegate-ml"}, {"name": "xtask"}]});
        let named = |name: &str| packages(&[name.to_owned()], &metadata);
        assert_eq!(named("ml").unwrap(), ["tidegate-ml"]);
        assert_eq!(named("tidegate-ml").unwrap(), ["tidegate-ml"]);
        assert_eq!(named("xtask").unwrap(), ["xtask"]);
        assert!(named("m1").unwrap_err().to_string().contains("there are tidegate-ml, xtask"));
    }
}
