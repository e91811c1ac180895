//! `cargo xtask tidy`: the rules of the house, as checks.
//!
//! A rule that only a reviewer remembers is soon broken. Each rule here is a function from the files or the packages to
//! what is wrong, with a message that says what to do instead.

mod names;
mod packages;
mod source;
mod traces;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Result, no_arguments, process, workspace};

/// A file of the repository.
struct File {
    /// From the root, with `/` on every system.
    path: String,
    text: String,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq)]
struct Finding {
    /// A path, with a line if there is one, or a package.
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

pub fn run(arguments: &[String]) -> Result<()> {
    no_arguments("tidy", arguments)?;
    let files = files(workspace::root())?;
    let mut findings = packages::check(&workspace::metadata()?);
    for file in &files {
        findings.extend(names::check(&file.path));
        findings.extend(traces::check(file));
        findings.extend(source::check(file));
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    for finding in &findings {
        println!("{}: {}", finding.place, finding.what);
    }
    Err(format!("tidy: {} findings", findings.len()).into())
}

/// The files that are in the repository, or would be with the next commit. Files that are not text are left out.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = process::output(&mut git)?;
    let mut files = Vec::new();
    for path in listing.split_terminator('\0') {
        // A file may be deleted and its deletion not committed yet.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}
