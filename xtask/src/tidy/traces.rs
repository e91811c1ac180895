//! Traces of one machine: its paths, and where it gets packages from.

use super::{File, Finding};

/// Folders of somebody's machine. Written in two pieces, so that this file has no trace of one.
const MACHINE_FOLDERS: [&str; 5] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tm", "p/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// What only the settings of a package mirror say.
const MIRROR_SETTINGS: [&str; 6] = [
    concat!("--index", "-url http"),
    concat!("--extra-index", "-url"),
    concat!("--trusted", "-host"),
    concat!("replace", "-with"),
    concat!("arti", "factory"),
    concat!("/pypi/", "simple"),
];

/// The one place that the lock file may name.
const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.path, at + 1);
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder)) {
            findings.push(Finding::new(place(), format!("'{folder}' is a folder of one machine: use a relative path")));
        }
        if let Some(setting) = MIRROR_SETTINGS.iter().find(|setting| line.contains(*setting)) {
            findings.push(Finding::new(place(), format!("'{setting}' is a setting of one machine's package mirror")));
        }
        if file.path.ends_with("Cargo.lock") && line.starts_with("source = ") && !line.contains(CRATES) {
            findings.push(Finding::new(place(), format!("a package from elsewhere than crates.io: {line}")));
        }
    }
    findings
}

/// Whether a path in the line begins with the folder: not one that only goes through a folder of that name.
fn names_folder(line: &str, folder: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "._-$}~*".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, line: &str) -> usize {
        check(&File { path: path.to_owned(), text: line.to_owned() }).len()
    }

    #[test]
    fn machine_paths_are_found() {
        assert_eq!(count("README.md", concat!("see /wo", "rk/main")), 1);
        assert_eq!(count("README.md", concat!("`/tm", "p/x.csv`")), 1);
        assert_eq!(count("README.md", concat!("$DATA/tm", "p/x.csv and target/tm", "p/x")), 0);
    }

    #[test]
    fn packages_come_from_the_public_index() {
        assert_eq!(count("Cargo.lock", &format!("source = \"{CRATES}\"")), 0);
        assert_eq!(count("Cargo.lock", "source = \"sparse+https://mirror.example/index/\""), 1);
        assert_eq!(count("README.md", concat!("pip install --index", "-url https://mirror.example/simple x")), 1);
    }
}
