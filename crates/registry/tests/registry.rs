//! The registry as its users see it: a folder, several processes, and what goes wrong on disks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rusqlite::Connection;
use tempfile::TempDir;
use tidegate_registry::{Error, Registry, Version, VersionFacts, VersionRef};

fn open() -> (TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).unwrap();
    (folder, registry)
}

fn key(key: &str) -> VersionFacts {
    VersionFacts { key: key.to_owned(), ..VersionFacts::default() }
}

fn alias(name: &str) -> VersionRef {
    VersionRef::Alias(name.to_owned())
}

fn number(version: Result<Version, Error>) -> u64 {
    version.unwrap().number
}

fn artifact_files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("artifacts")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_version_comes_back_as_it_was_registered() {
    let (folder, registry) = open();
    let facts = VersionFacts {
        key: "purchases/final".into(),
        job: "purchases".into(),
        spec: serde_json::json!({"algorithm": "logistic_regression", "learning_rate": 0.1 + 0.2}),
        parameters: BTreeMap::from([("day".to_owned(), "2017-10-31".to_owned()), ("ф".to_owned(), "'\"".to_owned())]),
        metrics: BTreeMap::from([("LogLoss".to_owned(), 0.4972), ("RocAuc".to_owned(), f64::INFINITY)]),
        rows: 1_226_180,
        data_fingerprint: Some("crc32:1b2c".into()),
        trained_until: Some(-1),
    };
    assert_eq!(registry.register("intent", b"\0weights\xff", &facts).unwrap(), 1);
    drop(registry);

    let registry = Registry::open(folder.path()).unwrap();
    let version = registry.resolve("intent", &VersionRef::Number(1)).unwrap();
    assert_eq!(version.facts, facts);
    assert_eq!((version.model.as_str(), version.number, version.artifact_bytes), ("intent", 1, 9));
    // printf '\0weights\xff' | sha256sum
    assert_eq!(version.artifact_sha256, "69643d247dae505ea8f01b48248a131aa81d0594a78b67eb33aaa59afc6ab524");
    // 2026-01-01: the clock of the machine is not tested further.
    assert!(version.created_at > 1_767_225_600_000);
    assert_eq!(registry.load(&version).unwrap(), b"\0weights\xff");
    assert_eq!(registry.versions("intent").unwrap(), [version]);
}

#[test]
fn the_same_key_registers_once() {
    let (folder, registry) = open();
    assert_eq!(registry.register("intent", b"one", &key("a")).unwrap(), 1);
    assert_eq!(registry.register("intent", b"another", &key("a")).unwrap(), 1);
    assert_eq!(registry.register("intent", b"two", &key("b")).unwrap(), 2);
    assert_eq!(registry.register("churn", b"one", &key("a")).unwrap(), 1);
    let first = registry.resolve("intent", &VersionRef::Number(1)).unwrap();
    assert_eq!(registry.load(&first).unwrap(), b"one");
    // "one" is stored once, "another" never was.
    assert_eq!(artifact_files(folder.path()).len(), 2);
}

#[test]
fn metrics_can_be_added_and_a_metric_may_be_no_number() {
    let (_folder, registry) = open();
    let mut facts = key("a");
    facts.metrics = BTreeMap::from([("F1".to_owned(), 0.5), ("Accuracy".to_owned(), 0.75)]);
    registry.register("intent", b"", &facts).unwrap();
    let evaluated = BTreeMap::from([("F1".to_owned(), 0.625), ("RocAuc".to_owned(), f64::NAN)]);
    registry.set_metrics("intent", 1, &evaluated).unwrap();
    let metrics = registry.resolve("intent", &VersionRef::Current).unwrap().facts.metrics;
    assert_eq!(metrics.keys().collect::<Vec<_>>(), ["Accuracy", "F1", "RocAuc"]);
    assert_eq!((metrics["Accuracy"], metrics["F1"]), (0.75, 0.625));
    assert!(metrics["RocAuc"].is_nan());
}

#[test]
fn a_reference_without_a_version_means_production_or_the_latest() {
    let (_folder, registry) = open();
    for k in ["a", "b", "c"] {
        registry.register("intent", k.as_bytes(), &key(k)).unwrap();
    }
    assert_eq!(number(registry.resolve("intent", &VersionRef::Current)), 3);
    assert_eq!(registry.set_alias("intent", "production", 1).unwrap(), None);
    assert_eq!(number(registry.resolve("intent", &VersionRef::Current)), 1);
    assert_eq!(registry.set_alias("intent", "production", 2).unwrap(), Some(1));
    assert_eq!(registry.set_alias("intent", "candidate", 2).unwrap(), None);
    assert_eq!(number(registry.resolve("intent", &alias("candidate"))), 2);
    assert_eq!(registry.resolve("intent", &VersionRef::Current).unwrap().aliases, ["candidate", "production"]);

    let models = registry.models().unwrap();
    assert_eq!((models.len(), models[0].versions, models[0].latest, models[0].current()), (1, 3, Some(3), Some(2)));

    assert_eq!(registry.drop_alias("intent", "production").unwrap(), 2);
    assert_eq!(number(registry.resolve("intent", &VersionRef::Current)), 3);
}

#[test]
fn a_version_that_an_alias_points_at_is_not_deleted() {
    let (folder, registry) = open();
    registry.register("intent", b"one", &key("a")).unwrap();
    registry.register("intent", b"two", &key("b")).unwrap();
    registry.set_alias("intent", "candidate", 2).unwrap();
    assert_eq!(
        registry.delete_version("intent", 2).unwrap_err().to_string(),
        "version 2 of model 'intent' cannot be deleted: alias 'candidate' points at it; move or drop the alias first"
    );
    registry.drop_alias("intent", "candidate").unwrap();
    registry.delete_version("intent", 2).unwrap();
    assert_eq!(artifact_files(folder.path()).len(), 1);
    // Its number stays used, and its key is free again.
    assert_eq!(registry.register("intent", b"two", &key("b")).unwrap(), 3);
    registry.delete_version("intent", 1).unwrap();
    registry.delete_version("intent", 3).unwrap();
    let error = registry.resolve("intent", &VersionRef::Current).unwrap_err();
    assert!(matches!(error, Error::NoVersion { .. }), "{error}");
}

#[test]
fn an_artifact_that_two_versions_share_goes_with_the_last() {
    let (folder, registry) = open();
    registry.register("intent", b"same", &key("a")).unwrap();
    registry.register("churn", b"same", &key("a")).unwrap();
    registry.delete_model("intent").unwrap();
    let kept = registry.resolve("churn", &VersionRef::Current).unwrap();
    assert_eq!(registry.load(&kept).unwrap(), b"same");
    registry.delete_model("churn").unwrap();
    assert_eq!(artifact_files(folder.path()), Vec::<PathBuf>::new());
    assert_eq!(registry.models().unwrap(), []);
}

#[test]
fn a_renamed_model_keeps_everything() {
    let (_folder, registry) = open();
    registry.register("intent", b"one", &key("a")).unwrap();
    registry.register("churn", b"two", &key("a")).unwrap();
    registry.set_alias("intent", "production", 1).unwrap();
    assert!(matches!(registry.rename_model("intent", "churn"), Err(Error::ModelExists { .. })));
    assert!(matches!(registry.rename_model("intent", "../churn"), Err(Error::InvalidName { .. })));
    registry.rename_model("intent", "intent").unwrap();
    registry.rename_model("intent", "purchase_intent").unwrap();
    let version = registry.resolve("purchase_intent", &alias("production")).unwrap();
    assert_eq!((version.model.as_str(), registry.load(&version).unwrap().as_slice()), ("purchase_intent", &b"one"[..]));
    // A resumed job that registers under the new name is recognised still.
    assert_eq!(registry.register("purchase_intent", b"one", &key("a")).unwrap(), 1);
}

#[test]
fn messages_name_what_exists() {
    let (_folder, registry) = open();
    let message = |result: Result<Version, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(registry.resolve("intnt", &VersionRef::Current)),
        "unknown model 'intnt'; there is no model yet"
    );
    registry.register("intent", b"", &key("a")).unwrap();
    assert_eq!(
        message(registry.resolve("intnt", &VersionRef::Current)),
        "unknown model 'intnt'; did you mean 'intent'? (model names: intent)"
    );
    assert_eq!(
        message(registry.resolve("intent", &VersionRef::Number(7))),
        "model 'intent' has no version 7; its only version is 1"
    );
    assert_eq!(
        message(registry.resolve("intent", &alias("prod"))),
        "model 'intent' has no alias 'prod'; there is no alias yet"
    );
    registry.register("intent", b"", &key("b")).unwrap();
    registry.set_alias("intent", "production", 1).unwrap();
    assert_eq!(
        message(registry.resolve("intent", &VersionRef::Number(u64::MAX))),
        "model 'intent' has no version 18446744073709551615; it has 2 versions, from 1 to 2"
    );
    assert_eq!(
        registry.drop_alias("intent", "prodution").unwrap_err().to_string(),
        "model 'intent' has no alias 'prodution'; did you mean 'production'? (alias names: production)"
    );
    assert_eq!(
        registry.register("../intent", b"", &key("a")).unwrap_err().to_string(),
        "'../intent' cannot be the name of a model: expected a letter or '_', then letters, digits, '_', '.' and '-' \
         (200 at most)"
    );
    assert!(matches!(registry.set_alias("intent", "3", 1), Err(Error::InvalidName { what: "alias", .. })));
    assert!(matches!(registry.set_metrics("intent", 3, &BTreeMap::new()), Err(Error::UnknownVersion { .. })));
    assert!(matches!(registry.set_alias("intent", "candidate", 3), Err(Error::UnknownVersion { .. })));
}

#[test]
fn a_damaged_or_missing_artifact_is_noticed_and_registering_it_again_repairs_it() {
    let (folder, registry) = open();
    registry.register("intent", b"weights", &key("a")).unwrap();
    let version = registry.resolve("intent", &VersionRef::Current).unwrap();
    let [file] = artifact_files(folder.path()).try_into().unwrap();
    for damaged in [&b"weightz"[..], b"weight", b"weights ", b""] {
        fs::write(&file, damaged).unwrap();
        let error = registry.load(&version).unwrap_err();
        assert!(matches!(error, Error::CorruptArtifact { bytes_expected: 7, .. }), "{error}");
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(registry.load(&version), Err(Error::MissingArtifact { number: 1, .. })));
    registry.register("intent", b"weights", &key("b")).unwrap();
    assert_eq!(registry.load(&version).unwrap(), b"weights");
}

#[test]
fn opening_removes_what_a_crash_left() {
    let (folder, registry) = open();
    registry.register("intent", b"weights", &key("a")).unwrap();
    drop(registry);
    let artifacts = folder.path().join("artifacts");
    // Killed while writing; killed between the rename and the commit.
    fs::write(artifacts.join("incoming.tmp"), "half").unwrap();
    fs::write(artifacts.join("ab".repeat(32)), "whole").unwrap();
    let registry = Registry::open(folder.path()).unwrap();
    assert_eq!(artifact_files(folder.path()).len(), 1);
    let version = registry.resolve("intent", &VersionRef::Current).unwrap();
    assert_eq!(registry.load(&version).unwrap(), b"weights");
}

#[test]
fn a_registration_that_fails_leaves_no_version() {
    let (folder, registry) = open();
    registry.register("intent", b"one", &key("a")).unwrap();
    // A folder where the file would go: it cannot be written, whoever runs the test.
    let blocked = folder.path().join("artifacts/incoming.tmp");
    fs::create_dir(&blocked).unwrap();
    let error = registry.register("intent", b"two", &key("b")).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert!(matches!(registry.register("new", b"two", &key("b")), Err(Error::File { .. })));
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(registry.models().unwrap().len(), 1);
    assert_eq!(registry.register("intent", b"two", &key("b")).unwrap(), 2);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (folder, registry) = open();
    registry.register("intent", b"weights", &key("a")).unwrap();
    drop(registry);
    let database = folder.path().join("registry.sqlite");
    Connection::open(&database).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = Registry::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 2, supported: 1, .. }), "{error}");
    Connection::open(&database).unwrap().pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(Registry::open(folder.path()).unwrap().models().unwrap().len(), 1);
}

#[test]
fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("registry.sqlite");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE photos (id INTEGER)").unwrap();
    let before = fs::read(&database).unwrap();
    assert!(matches!(Registry::open(folder.path()), Err(Error::NotARegistry { .. })));
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[test]
fn a_corrupt_database_is_reported() {
    let (folder, registry) = open();
    registry.register("intent", b"weights", &key("a")).unwrap();
    drop(registry);
    let database = folder.path().join("registry.sqlite");
    let whole = fs::read(&database).unwrap();

    fs::write(&database, "this is not a database, and is longer than a header of one hundred bytes".repeat(4)).unwrap();
    let error = Registry::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::CorruptDatabase { .. }), "{error}");
    assert!(error.to_string().contains("registry.sqlite is corrupt"), "{error}");

    // The header is whole, the pages after the first are not.
    let mut damaged = whole;
    damaged[4096..].fill(0x5a);
    fs::write(&database, damaged).unwrap();
    let error = Registry::open(folder.path()).and_then(|registry| registry.models()).unwrap_err();
    assert!(matches!(error, Error::CorruptDatabase { .. }), "{error}");
}

const WRITERS: u64 = 2;
const VERSIONS_PER_WRITER: u64 = 100;

/// What each writer does: it opens the registry itself, and registers its own versions and one that all share.
fn register_a_hundred(folder: &Path, writer: u64) {
    let registry = Registry::open(folder).unwrap();
    for i in 0..VERSIONS_PER_WRITER {
        let artifact = format!("artifact {writer} {i}");
        registry.register("intent", artifact.as_bytes(), &key(&artifact)).unwrap();
        registry.register("shared", format!("shared {i}").as_bytes(), &key(&format!("shared {i}"))).unwrap();
    }
}

fn check_every_version(folder: &Path) {
    let registry = Registry::open(folder).unwrap();
    let versions = registry.versions("intent").unwrap();
    let numbers: Vec<u64> = versions.iter().map(|v| v.number).collect();
    assert_eq!(numbers, (1..=WRITERS * VERSIONS_PER_WRITER).collect::<Vec<_>>());
    for version in &versions {
        assert_eq!(registry.load(version).unwrap(), version.facts.key.as_bytes());
    }
    let shared: Vec<u64> = registry.versions("shared").unwrap().iter().map(|v| v.number).collect();
    assert_eq!(shared, (1..=VERSIONS_PER_WRITER).collect::<Vec<_>>());
}

#[test]
fn two_threads_register_at_once_without_gaps_or_duplicates() {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let folder = folder.path();
            scope.spawn(move || register_a_hundred(folder, writer));
        }
    });
    check_every_version(folder.path());
}

/// The test starts itself: with this variable set it is one of the two writers.
const WRITER: &str = "TIDEGATE_TEST_REGISTRY_WRITER";

#[test]
fn two_processes_register_at_once_without_gaps_or_duplicates() {
    if let Ok(writer) = std::env::var(WRITER) {
        let (writer, folder) = writer.split_once(' ').unwrap();
        return register_a_hundred(Path::new(folder), writer.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let start = |writer: u64| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "two_processes_register_at_once_without_gaps_or_duplicates"])
            .env(WRITER, format!("{writer} {}", folder.path().display()))
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..WRITERS).map(start).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    check_every_version(folder.path());
}

#[test]
fn deleting_and_registering_the_same_artifact_at_once_never_loses_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = Registry::open(folder.path()).unwrap();
            for i in 0..50 {
                other.register("fleeting", b"same", &key(&i.to_string())).unwrap();
                other.delete_model("fleeting").unwrap();
            }
        });
        for i in 0..50 {
            let number = registry.register("lasting", b"same", &key(&i.to_string())).unwrap();
            let version = registry.resolve("lasting", &VersionRef::Number(number)).unwrap();
            assert_eq!(registry.load(&version).unwrap(), b"same");
            registry.delete_version("lasting", number).unwrap();
        }
    });
    assert_eq!(artifact_files(folder.path()), Vec::<PathBuf>::new());
}
