//! The demo job, killed at random moments: what it leaves when it was at last run to its end is what an uninterrupted run
//! leaves.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::Value;
use tidegate_tests::data::repository;
use tidegate_tests::files::{assert_same_files, names};
use tidegate_tests::purchases::part_of_the_year;
use tidegate_tests::{Outcome, Workplace};

/// How often the job is killed in all.
const KILLS: usize = 20;
/// The moments are the same in every run, as shares of how long an uninterrupted run takes.
const SEED: u64 = 20;
/// A share of the households, for the whole year: few rows, but windows, label times and the version of October.
const HOUSEHOLDS: &str = "household_id % 40 = 1";
/// No run takes longer, on however busy a machine.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Small batches and short intervals: some tens of checkpoints in so short a job.
const SETTINGS: [&str; 2] = ["execution.checkpointing.interval=20ms", "execution.batch-size=100"];

/// When the job is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start.
    Started(Duration),
    /// So long after it first has a checkpoint: in its stream, however busy the machine is.
    Checkpointed(Duration),
}

/// One run of the job after another, in a place of its own.
struct Job {
    place: Workplace,
    data: PathBuf,
}

impl Job {
    fn new(data: &Path) -> Self {
        Self { place: Workplace::new(), data: data.to_path_buf() }
    }

    fn output(&self) -> PathBuf {
        self.place.path("output")
    }

    fn start(&self) -> Child {
        let script = repository().join("examples/purchase-intent/job.sql");
        let data = format!("data={}", self.data.display());
        let output = format!("output={}", self.output().display());
        let mut arguments =
            vec!["run", script.to_str().expect("UTF-8"), "--json", "--param", &data, "--param", &output];
        for setting in SETTINGS {
            arguments.extend(["-s", setting]);
        }
        let mut command = self.place.command(&arguments);
        // A process that is killed must not be stopped by a full pipe before.
        let log = std::fs::File::create(self.place.path("stdout")).expect("a file");
        command.stdout(log).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }

    /// Runs it to its end.
    fn finish(&self) -> Outcome {
        let status = self.start().wait().expect("a process that was started ends");
        Outcome { code: status.code(), ..self.printed() }.succeeded()
    }

    /// What it printed last.
    fn printed(&self) -> Outcome {
        Outcome { code: Some(0), stdout: self.place.read("stdout"), stderr: String::new() }
    }

    /// Starts it and kills it after a while; false if it came to its end before, and ended well.
    fn kill_after(&self, moment: Moment) -> bool {
        let mut child = self.start();
        let (mut began, delay) = match moment {
            Moment::Started(delay) => (Some(Instant::now()), delay),
            Moment::Checkpointed(delay) => (None, delay),
        };
        let started = Instant::now();
        while began.is_none_or(|began| began.elapsed() < delay) {
            assert!(
                started.elapsed() < RUN_MAX,
                "it neither ends nor comes to its moment: {}",
                self.place.read("stdout")
            );
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
        !self.is_done()
    }

    /// Whether the run is over, though its process may not have had the time to say so: the outputs are there, and nothing is
    /// left to go on with.
    fn is_done(&self) -> bool {
        self.count("home/checkpoints/*/run") == 0 && self.output().join("quality_by_department.csv").exists()
    }

    /// How many files there are of this pattern.
    fn count(&self, pattern: &str) -> usize {
        let pattern = self.place.path(pattern);
        glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").count()
    }

    /// The versions of a model: what tells them apart, without when and by which run they were made.
    fn versions(&self, model: &str) -> Vec<Value> {
        let outcome = self.place.tidegate(&["models", "versions", model, "--json"]).succeeded();
        let mut versions = outcome.of_type("version");
        for version in &mut versions {
            let facts = version.as_object_mut().expect("an object");
            for key in ["created_at", "key"] {
                assert!(facts.remove(key).is_some(), "a version has its {key}");
            }
        }
        versions
    }
}

#[test]
fn a_job_that_is_killed_at_random_moments_leaves_what_an_uninterrupted_one_leaves() {
    let shared = Workplace::new();
    let data = part_of_the_year(&shared, HOUSEHOLDS);

    let undisturbed = Job::new(&data);
    let began = Instant::now();
    undisturbed.finish();
    let duration = began.elapsed();
    assert_eq!(
        names(&undisturbed.output()),
        [
            "features.parquet",
            "predictions.parquet",
            "quality_by_department.csv",
            "quality_by_month.csv",
            "weekly_quality.csv"
        ]
    );
    let versions = ["intent", "majority", "no_change"].map(|model| undisturbed.versions(model));
    assert_eq!(versions.each_ref().map(Vec::len), [2, 1, 1], "intent has one of 31 October and one of the end");

    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let (mut kills, mut resumed) = (0, 0);
    while kills < KILLS {
        let job = Job::new(&data);
        let times = random.random_range(1..=3);
        let mut moment = || match random.random_range(0..2) {
            0 => Moment::Started(duration.mul_f64(random.random_range(0.0..1.0))),
            // The stream takes about a fourth of the job.
            _ => Moment::Checkpointed(duration.mul_f64(random.random_range(0.0..0.25))),
        };
        let moments: Vec<Moment> = (0..times).map(|_| moment()).collect();
        let killed = moments.iter().take_while(|moment| job.kill_after(**moment)).count();
        kills += killed;
        // A run that was over before its moment is not run again: it would be a new one, with versions of its own.
        if killed == moments.len() {
            let jobs = job.finish().of_type("job");
            resumed += jobs.iter().filter(|job| !job["resumed_from"].is_null()).count();
        }

        let what = format!("killed after {moments:?} of {duration:?}");
        assert_same_files(&undisturbed.output(), &job.output(), &what);
        for (model, expected) in ["intent", "majority", "no_change"].iter().zip(&versions) {
            assert_eq!(&job.versions(model), expected, "{what}: versions of {model}");
        }
        if killed == moments.len() {
            let left = names(&job.place.path("home/checkpoints"));
            assert!(left.is_empty(), "{what}: a finished job keeps no checkpoint, but there is {left:?}");
        }
    }
    assert!(resumed > 0, "no run went on from a checkpoint: the moments miss the stream");
}
