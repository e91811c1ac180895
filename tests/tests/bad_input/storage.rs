//! Disks that are full and files that are damaged: said in words, exit code 4, and nothing is lost.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate_tests::Workplace;
use tidegate_tests::files::names;

const TRAIN: &str =
    "CREATE TABLE t (x DOUBLE, y DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');
CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression') AS SELECT x, y FROM t;\n";

fn flip_a_byte(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("it can be written");
}

fn trained() -> (Workplace, PathBuf) {
    let place = Workplace::new();
    place.write("in.csv", "x,y\n1,2\n2,4\n");
    place.run(TRAIN).succeeded();
    let artifacts = place.path("home/registry/artifacts");
    let name = names(&artifacts).remove(0);
    (place, artifacts.join(name))
}

const WEIGHTS: &str = "SELECT * FROM ML_WEIGHTS(MODEL m);";

#[test]
fn a_damaged_model_is_refused() {
    let (place, artifact) = trained();
    flip_a_byte(&artifact);
    place.run(WEIGHTS).failed(4).says(&["the artifact of version 1 of model 'm' is corrupt", "SHA-256"]);
    std::fs::remove_file(&artifact).expect("it was there");
    place.run(WEIGHTS).failed(4).says(&["the artifact of version 1 of model 'm' is missing"]);
    // Facts are still there to be looked at, and a new version can be trained.
    place.tidegate(&["models", "versions", "m"]).succeeded();
    place.run(TRAIN).succeeded();
    place.run(WEIGHTS).succeeded();
}

#[test]
fn a_damaged_registry_is_refused() {
    let (place, _) = trained();
    place.write("home/registry/registry.sqlite", "this is no database");
    place.run(WEIGHTS).failed(4).says(&["the registry's database", "is corrupt", "restore it from a backup"]);
    place.tidegate(&["models", "list"]).failed(4).says(&["is corrupt"]);
}

/// 50,000 rows that all wait for their label until the end, so that a checkpoint holds them.
fn waiting_job(place: &Workplace, settings: &[&str]) -> tidegate_tests::Outcome {
    let script = "CREATE TABLE g (id BIGINT, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
  'rows-per-second' = '1000000', 'number-of-rows' = '50000', 'seed' = '7',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');
CREATE TABLE out (id BIGINT, x DOUBLE, predicted DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression');
CREATE VIEW v AS SELECT id, x, 2 * x AS y, ts, ts + INTERVAL '1' DAY AS known_at FROM g;
INSERT INTO out SELECT id, x, predicted
FROM ML_TRAIN(INPUT => TABLE v, MODEL => MODEL m, LABEL => DESCRIPTOR(y), ARGS => DESCRIPTOR(x),
              LABEL_TIME => DESCRIPTOR(known_at));";
    let mut arguments = vec!["--json", "-s", "execution.checkpointing.interval=1ms", "-s", "execution.batch-size=1000"];
    for setting in settings {
        arguments.extend(["-s", setting]);
    }
    place.run_with(script, &arguments)
}

/// A file system of its own, in memory. It is unmounted when this goes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Says why not, where only root may mount.
    fn mount(at: PathBuf, size: &str) -> Result<Self, String> {
        std::fs::create_dir_all(&at).expect("a folder");
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        match done {
            Ok(output) if output.status.success() => Ok(Self(at)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().expect("mount");
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_while_checkpointing_loses_nothing() {
    let undisturbed = Workplace::new();
    waiting_job(&undisturbed, &[]).succeeded();

    let place = Workplace::new();
    let disk = match SmallDisk::mount(place.path("disk"), "128k") {
        Ok(disk) => disk,
        Err(why) => return println!("not tested, because a small disk cannot be mounted: {why}"),
    };
    let settings = ["execution.checkpointing.dir=disk"];
    let error = waiting_job(&place, &settings).failed(4).of_type("error").remove(0);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("checkpoint: No space left on device"), "{message}");
    assert!(!place.path("out.csv").exists());

    disk.resize("64m");
    let outcome = waiting_job(&place, &settings).succeeded();
    let job = &outcome.of_type("job")[0];
    assert!(job["resumed_from"].as_u64().is_some(), "it goes on from the last checkpoint that had room: {job}");
    assert_eq!(place.read("out.csv"), undisturbed.read("out.csv"));
}
