//! `cargo xtask demo`: the main job on real purchases, from a fresh clone to its summary.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Stages};
use crate::{Result, data, number_after, setup, workspace};

const DATA_SET: &str = "complete-journey";
const TABLES: [&str; 2] = ["transactions", "products"];
/// How many purchases the real data has.
const REAL_ROWS: u64 = 1_469_307;

pub fn run(arguments: &[String]) -> Result<()> {
    let (mut rows, mut keep) = (None, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rows" => rows = Some(number_after("--rows", arguments.next())?),
            "--keep" => keep = true,
            unknown => return Err(format!("'{unknown}': cargo xtask demo takes --rows N and --keep").into()),
        }
    }
    let example = workspace::root().join("examples/purchase-intent");
    let mut stages = Stages::default();
    stages.run("setup", || setup::install_missing(false))?;
    let is_real = stages.run("data", || provide_data(&example.join("data"), rows))?;
    let tidegate = stages.run("build", workspace::build_tidegate)?;
    if !keep {
        // A demo begins at the beginning: no checkpoint to resume, no earlier version of the model.
        for left_over in [".tidegate", "output"] {
            let path = example.join(left_over);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
        }
    }
    stages.run("job", || {
        let mut job = Command::new(&tidegate);
        job.current_dir(&example).args(["run", "job.sql"]);
        if !is_real {
            job.args(["--param", "format=csv"]);
        }
        if let Some(rows) = rows {
            job.args(["--param", &format!("rows={rows}")]);
        }
        process::run(&mut job)
    })?;
    stages.print_summary();
    if !is_real {
        println!("\n{GENERATED}");
    }
    Ok(())
}

const GENERATED: &str = "\
THE DATA IS GENERATED: no package index was reached, so the purchases were made up by a random generator.
The job is real, but its figures mean nothing.";

/// Puts the tables into the example's folder. Returns whether they are the real ones.
fn provide_data(folder: &Path, rows: Option<u64>) -> Result<bool> {
    fs::create_dir_all(folder)?;
    // Whatever is in the folder stays out of the repository.
    fs::write(folder.join(".gitignore"), "*\n")?;
    let (source, format, is_real) = match data::fetch(data::named(DATA_SET)?) {
        Ok(source) => (source, "parquet", true),
        Err(error) => {
            println!("{error}\n\n{GENERATED}");
            (data::generated::purchases(rows.unwrap_or(REAL_ROWS))?, "csv", false)
        }
    };
    for table in TABLES {
        let file = format!("{table}.{format}");
        link_or_copy(&source.join(&file), &folder.join(&file))?;
    }
    Ok(is_real)
}

/// A link costs nothing; another file system, or one without links, needs a copy.
fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        fs::remove_file(to)?;
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_in_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        link_or_copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
    }
}
