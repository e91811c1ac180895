//! The data sets that tests read, and the repository's own files.

use std::path::{Path, PathBuf};

/// The repository's folder.
pub fn repository() -> PathBuf {
    // As cargo says when it runs a test; what it said when it built it may be of another clone that shares the target folder.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or(PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or(here.clone(), Path::to_path_buf)
}

/// A text file of the repository.
///
/// # Panics
/// If there is none.
pub fn source(path: &str) -> String {
    let path = repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder of a data set, where `cargo xtask data` puts it: in `$TIDEGATE_DATA`, or `~/.cache/tidegate/data`.
///
/// # Panics
/// If it lacks one of the files.
pub fn data_set(name: &str, files: &[&str]) -> PathBuf {
    let given = std::env::var_os("TIDEGATE_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let all = given.or_else(|| Some(std::env::home_dir()?.join(".cache/tidegate/data")));
    let folder = all.expect("a home folder, or TIDEGATE_DATA").join(name);
    for file in files {
        let path = folder.join(file);
        assert!(path.is_file(), "there is no {}: fetch it with `cargo xtask data {name}`", path.display());
    }
    folder
}

/// The Complete Journey: a year of purchases.
pub fn complete_journey() -> PathBuf {
    data_set("complete-journey", &["transactions.parquet", "products.parquet"])
}

/// Electricity prices of New South Wales.
pub fn elec() -> PathBuf {
    data_set("elec", &["elec.csv"])
}
