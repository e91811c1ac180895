//! A model a key whose states are mostly on disk, in a job that is killed at random moments.

use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_tests::Workplace;

const ROWS: u32 = 12_000;
const KEYS: u32 = 1_500;
const KILLS: usize = 12;
const SEED: u64 = 41;
/// No run takes longer, on however busy a machine.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Some tens of checkpoints.
const SETTINGS: [&str; 2] = ["execution.checkpointing.interval=15ms", "execution.batch-size=64"];

/// Memory for some 50 keys of 1500.
const SCRIPT: &str = "
CREATE TABLE events (
  id BIGINT, device BIGINT, x DOUBLE, y DOUBLE, ts TIMESTAMP(3), known TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events.csv', 'format' = 'csv');

CREATE MODEL each
  TRANSFORM (ML_STANDARD_SCALER(x) OVER () AS x)
  INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.1',
        'keyed.memory' = '16 kb', 'keyed.unknown' = 'prior', 'keyed.ttl' = '40 min', 'version.at' = '2024-01-01 01:00:00');

CREATE TABLE scored (id BIGINT, predicted DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'scored.csv', 'format' = 'csv');
INSERT INTO scored SELECT id, predicted FROM ML_TRAIN(
  INPUT => TABLE events PARTITION BY device, MODEL => MODEL each, LABEL => DESCRIPTOR(y), ARGS => DESCRIPTOR(x),
  LABEL_TIME => DESCRIPTOR(known));

CREATE TABLE learned (device BIGINT, early DOUBLE, last DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'learned.csv', 'format' = 'csv');
INSERT INTO learned SELECT e.device, e.predicted, l.predicted
FROM ML_PREDICT(INPUT => TABLE (SELECT DISTINCT device, 1.0 AS x FROM events) PARTITION BY device, MODEL => MODEL each$1) AS e
JOIN ML_PREDICT(INPUT => TABLE (SELECT DISTINCT device, 1.0 AS x FROM events) PARTITION BY device, MODEL => MODEL each$2) AS l
  ON e.device = l.device
ORDER BY e.device;
";

struct Job {
    place: Workplace,
}

impl Job {
    fn new() -> Self {
        let place = Workplace::new();
        let mut random = Pcg64Mcg::seed_from_u64(SEED);
        let mut events = "id,device,x,y,ts,known\n".to_string();
        for id in 0..ROWS {
            // Two hours; a label is known up to a quarter of an hour later.
            let second = id * 7200 / ROWS;
            let known = second + random.random_range(0..900);
            let time =
                |second: u32| format!("2024-01-01 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            let device = random.random_range(0..KEYS) * random.random_range(0..KEYS) / KEYS;
            let x: f64 = random.random_range(-1.0..1.0);
            let y = x * f64::from(device % 7) + 1.0;
            writeln!(events, "{id},{device},{x},{y},{},{}", time(second), time(known)).expect("a string takes it");
        }
        std::fs::write(place.path("events.csv"), events).expect("a file");
        std::fs::write(place.path("job.sql"), SCRIPT).expect("a file");
        Self { place }
    }

    fn start(&self) -> Child {
        let script = self.place.path("job.sql");
        let mut arguments = vec!["run", script.to_str().expect("UTF-8"), "--json"];
        for setting in SETTINGS {
            arguments.extend(["-s", setting]);
        }
        let log = std::fs::File::create(self.place.path("stdout")).expect("a file");
        let mut command = self.place.command(&arguments);
        command.stdout(log).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }

    fn finish(&self) {
        let status = self.start().wait().expect("a process that was started ends");
        assert!(status.success(), "{}", self.place.read("stdout"));
    }

    /// Starts it and kills it so long after it first has a checkpoint; false if it came to its end before.
    fn kill_after(&self, delay: Duration) -> bool {
        let mut child = self.start();
        let (started, mut began) = (Instant::now(), None);
        while began.is_none_or(|began: Instant| began.elapsed() < delay) {
            assert!(started.elapsed() < RUN_MAX, "it does not come to its moment: {}", self.place.read("stdout"));
            if let Some(status) = child.try_wait().expect("its state") {
                assert!(status.success(), "it ended with {status}: {}", self.place.read("stdout"));
                return false;
            }
            if began.is_none() && self.count("home/checkpoints/*/step-*/checkpoint") > 0 {
                began = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
        self.count("home/checkpoints/*/run") > 0
    }

    fn count(&self, pattern: &str) -> usize {
        let pattern = self.place.path(pattern);
        glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").count()
    }

    fn output(&self) -> [String; 2] {
        ["scored.csv", "learned.csv"].map(|file| self.place.read(file))
    }
}

#[test]
fn models_of_keys_go_on_from_their_checkpoint_after_a_kill() {
    let undisturbed = Job::new();
    let began = Instant::now();
    undisturbed.finish();
    let duration = began.elapsed();
    let expected = undisturbed.output();
    assert_eq!(expected[0].lines().count(), ROWS as usize + 1);
    assert!(expected[1].lines().count() > 900, "{} devices", expected[1].lines().count());

    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let (mut kills, mut spilled) = (0, 0);
    while kills < KILLS {
        let job = Job::new();
        let delays: Vec<Duration> =
            (0..random.random_range(1..=3)).map(|_| duration.mul_f64(random.random_range(0.0..0.5))).collect();
        let killed = delays.iter().take_while(|delay| job.kill_after(**delay)).count();
        kills += killed.max(1);
        spilled += job.count("home/checkpoints/*/step-*/keys-each.redb");
        if killed == delays.len() {
            job.finish();
        }
        for (output, expected) in job.output().iter().zip(&expected) {
            let differs = output.lines().zip(expected.lines()).enumerate().find(|(_, (one, other))| one != other);
            assert!(
                output == expected,
                "killed after {delays:?} of {duration:?}: {} lines instead of {}, the first that differs: {differs:?}",
                output.lines().count(),
                expected.lines().count(),
            );
        }
        assert_eq!(job.count("home/checkpoints/*/*"), 0, "a finished job keeps nothing");
    }
    assert!(spilled > 0, "no job was killed while it kept states on disk");
}
