//! Each row is visible exactly once to consumers of committed messages, whenever the process is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tidegate_connectors::{CommitMode, Committed, Error, Sink, SinkRequest, forget};

use super::super::numbered;
use super::*;

const EPOCHS: i64 = 3;
const ROWS: i64 = 10;

/// A job that writes three times ten rows, with a checkpoint after each ten, in a folder that survives it.
struct Job<'a> {
    topic: &'a str,
    folder: &'a Path,
    mode: CommitMode,
    guarantee: &'a str,
    /// After how many steps it is no more.
    steps_left: usize,
}

/// It was killed.
struct Killed;

impl Job<'_> {
    fn step(&mut self) -> Result<(), Killed> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    fn open(&self, restore: Option<Vec<u8>>) -> Box<dyn Sink> {
        let options = [
            ("format", "json"),
            ("sink.delivery-guarantee", self.guarantee),
            ("sink.transactional-id-prefix", self.topic),
        ];
        let schema = numbered(0, 1).schema();
        let request = SinkRequest {
            schema: schema.clone(),
            overwrite: false,
            job: "job-1-0".to_string(),
            folder: self.folder.to_path_buf(),
            commit: self.mode,
            restore,
        };
        kafka(&schema, self.topic, &options).sink(&request).unwrap()
    }

    /// Runs from the checkpoint, if there is one, to the end: as a job does, with a possible end after each step.
    fn run(&mut self) -> Result<Committed, Killed> {
        let saved = fs::read(self.checkpoint()).ok();
        let (mut epoch, restore) = match &saved {
            Some(bytes) => (i64::from(bytes[0]), Some(bytes[1..].to_vec())),
            None => (0, None),
        };
        let mut sink = self.open(restore.clone());
        self.step()?;
        if let (CommitMode::EachCheckpoint, Some(prepared)) = (self.mode, restore) {
            sink.commit(&prepared).unwrap();
            self.step()?;
        }
        while epoch < EPOCHS {
            sink.write(&numbered(epoch * ROWS, ROWS / 2)).unwrap();
            self.step()?;
            sink.write(&numbered(epoch * ROWS + ROWS / 2, ROWS / 2)).unwrap();
            self.step()?;
            let prepared = sink.prepare().unwrap();
            self.step()?;
            epoch += 1;
            fs::write(self.folder.join("draft"), [&[epoch as u8][..], &prepared].concat()).unwrap();
            fs::rename(self.folder.join("draft"), self.checkpoint()).unwrap();
            self.step()?;
            if self.mode == CommitMode::EachCheckpoint {
                sink.commit(&prepared).unwrap();
                self.step()?;
            }
        }
        let committed = sink.finish().unwrap();
        self.step()?;
        committed.log.iter().for_each(|log| forget(log).unwrap());
        Ok(committed)
    }
}

/// The numbers of the rows that consumers see.
fn seen(topic: &str) -> Vec<i64> {
    let options = [("format", "json"), EARLIEST, TO_LATEST];
    take_all(&*kafka(&ids_schema(), topic, &options)).unwrap().all_ids()
}

fn all() -> Vec<i64> {
    (0..EPOCHS * ROWS).collect()
}

/// Runs something for each of some cases, several at a time: mostly they wait for the broker.
fn side_by_side<T: Copy + Sync>(cases: &[T], run: impl Fn(T) + Sync) {
    for some in cases.chunks(6) {
        std::thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = some.iter().map(|case| scope.spawn(move || run(*case))).collect();
            for thread in threads {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
    }
}

/// Kills a job after so many of its steps, and lets it go on from its checkpoint.
fn dropped_after(mode: CommitMode, steps: usize) {
    let topic = Broker::shared().new_topic("dropped", 2);
    let folder = tempfile::tempdir().unwrap();
    let mut job = Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: steps };
    assert!(job.run().is_err(), "it has more than {steps} steps");
    if mode == CommitMode::AtEnd && steps <= 12 {
        assert_eq!(seen(&topic), Vec::<i64>::new(), "{steps} steps: nothing is visible before the end");
    }
    job.steps_left = usize::MAX;
    let committed = job.run().ok().unwrap();
    assert_eq!(seen(&topic), all(), "{mode:?}, killed after {steps} steps");
    assert_eq!(committed.rows, 30);
    let left = super::super::names(folder.path());
    assert_eq!(left, ["checkpoint"], "{mode:?}, killed after {steps} steps: temporaries are left");
}

#[test]
fn a_job_that_is_dropped_after_any_step_shows_each_row_once() {
    // It opens, then has two writes, prepares, saves and commits three times, and finishes.
    side_by_side(&(0..=16).collect::<Vec<_>>(), |steps| dropped_after(CommitMode::EachCheckpoint, steps));
}

#[test]
fn a_job_with_an_end_that_is_dropped_after_any_step_shows_each_row_once() {
    side_by_side(&(0..=13).collect::<Vec<_>>(), |steps| dropped_after(CommitMode::AtEnd, steps));
}

#[test]
fn a_job_that_is_killed_again_and_again_shows_each_row_once() {
    for mode in [CommitMode::EachCheckpoint, CommitMode::AtEnd] {
        let topic = Broker::shared().new_topic("again", 1);
        let folder = tempfile::tempdir().unwrap();
        let mut job = Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: 0 };
        for steps in [1, 3, 6, 2, 7, 1, 5, 4, 9] {
            job.steps_left = steps;
            let _ = job.run();
        }
        job.steps_left = usize::MAX;
        assert_eq!(job.run().ok().unwrap().rows, 30);
        assert_eq!(seen(&topic), all(), "{mode:?}");
        // Finished once more, as a job does whose mark of being done was lost.
        assert_eq!(job.run().ok().unwrap().rows, 30);
        assert_eq!(seen(&topic), all(), "{mode:?}, finished twice");
    }
}

/// Not a test of its own: what [`a_process_that_is_killed_shows_each_row_once`] starts and kills.
#[test]
fn the_process_that_is_killed() {
    let Some(told) = std::env::var_os("TIDEGATE_TEST_KAFKA_JOB") else { return };
    let told = told.into_string().unwrap();
    let [address, topic, folder, mode, steps] = told.split('|').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let mode = if mode == "AtEnd" { CommitMode::AtEnd } else { CommitMode::EachCheckpoint };
    let folder = Path::new(folder);
    let mut job = Job { topic, folder, mode, guarantee: "exactly-once", steps_left: steps.parse().unwrap() };
    // The sink lives until the process is killed: the job is stopped in the middle of its steps, not after them.
    let stop = folder.join("stopped");
    Broker::use_at(address);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        job_with_a_stop(&mut job, &|| {
            fs::write(&stop, "").unwrap();
            loop {
                std::thread::park();
            }
        });
    }));
    assert!(result.is_ok(), "the job failed before it was killed");
}

/// Runs the job, and calls `stop` in the place where it would be dropped.
fn job_with_a_stop(job: &mut Job<'_>, stop: &dyn Fn()) {
    let saved = fs::read(job.checkpoint()).ok();
    let (mut epoch, restore) = match &saved {
        Some(bytes) => (i64::from(bytes[0]), Some(bytes[1..].to_vec())),
        None => (0, None),
    };
    let mut steps = job.steps_left;
    let mut step = || match steps {
        0 => stop(),
        _ => steps -= 1,
    };
    let mut sink = job.open(restore.clone());
    step();
    if let (CommitMode::EachCheckpoint, Some(prepared)) = (job.mode, restore) {
        sink.commit(&prepared).unwrap();
        step();
    }
    while epoch < EPOCHS {
        sink.write(&numbered(epoch * ROWS, ROWS)).unwrap();
        step();
        let prepared = sink.prepare().unwrap();
        step();
        epoch += 1;
        fs::write(job.folder.join("draft"), [&[epoch as u8][..], &prepared].concat()).unwrap();
        fs::rename(job.folder.join("draft"), job.checkpoint()).unwrap();
        step();
        if job.mode == CommitMode::EachCheckpoint {
            sink.commit(&prepared).unwrap();
            step();
        }
    }
    sink.finish().unwrap();
    stop();
}

/// A child that is killed when it goes.
struct KilledChild(Child);

impl Drop for KilledChild {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_is_killed_shows_each_row_once() {
    let cases = [
        ("EachCheckpoint", 1),
        ("EachCheckpoint", 2),
        ("EachCheckpoint", 3),
        ("EachCheckpoint", 4),
        ("EachCheckpoint", 6),
        ("EachCheckpoint", 11),
        ("EachCheckpoint", usize::MAX),
        ("AtEnd", 2),
        ("AtEnd", 9),
        ("AtEnd", usize::MAX),
    ];
    side_by_side(&cases, |(mode, steps)| {
        let address = Broker::shared().address();
        let topic = Broker::shared().new_topic("killed", 2);
        let folder = tempfile::tempdir().unwrap();
        let told = format!("{address}|{topic}|{}|{mode}|{steps}", folder.path().display());
        let mut child = KilledChild(
            Command::new(std::env::current_exe().unwrap())
                .args(["kafka::sink::the_process_that_is_killed", "--exact", "--nocapture"])
                .env("TIDEGATE_TEST_KAFKA_JOB", told)
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let stopped = folder.path().join("stopped");
        let began = Instant::now();
        while !stopped.exists() {
            assert!(began.elapsed() < LIMIT, "{mode}, {steps} steps: the process does not come there");
            assert!(child.0.try_wait().unwrap().is_none(), "{mode}, {steps} steps: the process has ended");
            std::thread::yield_now();
        }
        drop(child);
        fs::remove_file(&stopped).unwrap();
        let mode = if mode == "AtEnd" { CommitMode::AtEnd } else { CommitMode::EachCheckpoint };
        let mut job =
            Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: usize::MAX };
        assert_eq!(job.run().ok().unwrap().rows, 30);
        assert_eq!(seen(&topic), all(), "{mode:?}, killed after {steps} steps");
    });
}

#[test]
fn rows_are_visible_when_they_are_committed() {
    let topic = Broker::shared().new_topic("visible", 1);
    let folder = tempfile::tempdir().unwrap();
    let mode = CommitMode::EachCheckpoint;
    let job = Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: 0 };
    let mut sink = job.open(None);
    sink.write(&numbered(0, 10)).unwrap();
    let prepared = sink.prepare().unwrap();
    assert_eq!(seen(&topic), Vec::<i64>::new());
    sink.commit(&prepared).unwrap();
    assert_eq!(seen(&topic), (0..10).collect::<Vec<_>>());
    // Once more changes nothing, and neither does a checkpoint without rows.
    sink.commit(&prepared).unwrap();
    let empty = sink.prepare().unwrap();
    sink.commit(&empty).unwrap();
    sink.write(&numbered(10, 5)).unwrap();
    assert_eq!(seen(&topic), (0..10).collect::<Vec<_>>());
    sink.abort().unwrap();
    assert_eq!(seen(&topic), (0..10).collect::<Vec<_>>());
    assert_eq!(super::super::names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_transaction_that_the_broker_has_given_up_is_written_again() {
    let broker = Broker::shared();
    let topic = broker.new_topic("timeout", 1);
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let request = SinkRequest {
        schema: schema.clone(),
        overwrite: false,
        job: "job-1-0".to_string(),
        folder: folder.path().to_path_buf(),
        commit: CommitMode::EachCheckpoint,
        restore: None,
    };
    let prefix = ("sink.transactional-id-prefix", topic.as_str());
    let options = [("format", "json"), prefix, ("properties.transaction.timeout.ms", "1000")];
    let table = kafka(&schema, &topic, &options);
    let mut sink = table.sink(&request).unwrap();
    sink.write(&numbered(0, 10)).unwrap();
    let prepared = sink.prepare().unwrap();
    // Behind an open transaction nothing is visible; when it is given up, the end that consumers see moves behind it.
    let began = Instant::now();
    while broker.end(&topic, 0) == 0 {
        assert!(began.elapsed() < LIMIT, "the broker does not give the transaction up");
    }
    assert_eq!(seen(&topic), Vec::<i64>::new());
    // The client may not be able to go on; then the job is restarted.
    if sink.commit(&prepared).is_err() {
        drop(sink);
        sink = table.sink(&SinkRequest { restore: Some(prepared.clone()), ..request }).unwrap();
        sink.commit(&prepared).unwrap();
    }
    assert_eq!(seen(&topic), (0..10).collect::<Vec<_>>());
    sink.write(&numbered(10, 10)).unwrap();
    sink.finish().unwrap();
    assert_eq!(seen(&topic), (0..20).collect::<Vec<_>>());
}

#[test]
fn another_process_with_the_same_name_takes_over() {
    let topic = Broker::shared().new_topic("fenced", 1);
    let folder = tempfile::tempdir().unwrap();
    let mode = CommitMode::EachCheckpoint;
    let job = Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: 0 };
    let mut first = job.open(None);
    first.write(&numbered(0, 10)).unwrap();
    let mut second = job.open(None);
    second.write(&numbered(100, 10)).unwrap();
    second.finish().unwrap();
    let said = first.finish().unwrap_err().to_string();
    assert!(said.contains("another process has taken over"), "{said}");
    assert_eq!(seen(&topic), (100..110).collect::<Vec<_>>());
}

#[test]
fn another_run_goes_on_from_a_checkpoint() {
    // As from a savepoint: the first run went further than the checkpoint that the second one begins with.
    let topic = Broker::shared().new_topic("savepoint", 1);
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mode = CommitMode::EachCheckpoint;
    let job = Job { topic: &topic, folder: a.path(), mode, guarantee: "exactly-once", steps_left: 0 };
    let mut first = job.open(None);
    first.write(&numbered(0, 10)).unwrap();
    let prepared = first.prepare().unwrap();
    drop(first);
    let schema = numbered(0, 1).schema();
    let request = SinkRequest {
        schema: schema.clone(),
        overwrite: false,
        job: "job-2-0".to_string(),
        folder: b.path().to_path_buf(),
        commit: mode,
        restore: Some(prepared.clone()),
    };
    let options = [("format", "json"), ("sink.transactional-id-prefix", topic.as_str())];
    let mut second = kafka(&schema, &topic, &options).sink(&request).unwrap();
    second.commit(&prepared).unwrap();
    assert_eq!(seen(&topic), (0..10).collect::<Vec<_>>(), "what was prepared is made visible");
    second.write(&numbered(10, 10)).unwrap();
    second.finish().unwrap();
    assert_eq!(seen(&topic), (0..20).collect::<Vec<_>>());
    // The same run may not go back behind what it has shown.
    let request = SinkRequest { job: "job-2-0".to_string(), ..request };
    let mut again = kafka(&schema, &topic, &options).sink(&request).unwrap();
    again.commit(&prepared).unwrap();
    again.write(&numbered(20, 1)).unwrap();
    let later = again.prepare().unwrap();
    again.commit(&later).unwrap();
    again.write(&numbered(21, 1)).unwrap();
    let last = again.prepare().unwrap();
    again.commit(&last).unwrap();
    drop(again);
    let request = SinkRequest { restore: Some(later), ..request };
    let wrong = kafka(&schema, &topic, &options).sink(&request).err().unwrap();
    assert!(matches!(&wrong, Error::Changed { .. }), "{wrong}");
    assert!(wrong.to_string().contains("they would be there twice"), "{wrong}");
}

#[test]
fn hidden_rows_are_carried_to_another_run() {
    let topic = Broker::shared().new_topic("carried", 1);
    let (a, b, savepoint) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mode = CommitMode::AtEnd;
    let job = Job { topic: &topic, folder: a.path(), mode, guarantee: "exactly-once", steps_left: 0 };
    let mut first = job.open(None);
    first.write(&numbered(0, 10)).unwrap();
    let prepared = first.prepare().unwrap();
    assert!(first.carry(&prepared, savepoint.path()).unwrap());
    first.write(&numbered(50, 10)).unwrap();
    first.abort().unwrap();
    let schema = numbered(0, 1).schema();
    let request = SinkRequest {
        schema: schema.clone(),
        overwrite: false,
        job: "job-2-0".to_string(),
        folder: b.path().join("not-there-yet"),
        commit: mode,
        restore: Some(prepared),
    };
    let options = [("format", "json"), ("sink.transactional-id-prefix", topic.as_str())];
    let table = kafka(&schema, &topic, &options);
    for _ in 0..2 {
        table.adopt(&request, savepoint.path()).unwrap();
    }
    let mut second = table.sink(&request).unwrap();
    second.write(&numbered(10, 10)).unwrap();
    second.finish().unwrap();
    assert_eq!(seen(&topic), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_number_that_was_forgotten_is_not_guessed() {
    let (topic, other) = (Broker::shared().new_topic("forgotten", 1), Broker::shared().new_topic("other", 1));
    let folder = tempfile::tempdir().unwrap();
    let mode = CommitMode::EachCheckpoint;
    let job = Job { topic: &topic, folder: folder.path(), mode, guarantee: "exactly-once", steps_left: 0 };
    let mut sink = job.open(None);
    sink.write(&numbered(0, 10)).unwrap();
    let prepared = sink.prepare().unwrap();
    sink.commit(&prepared).unwrap();
    drop(sink);
    let schema = numbered(0, 1).schema();
    let request = |restore: &[u8]| SinkRequest {
        schema: schema.clone(),
        overwrite: false,
        job: "job-1-0".to_string(),
        folder: folder.path().to_path_buf(),
        commit: mode,
        restore: Some(restore.to_vec()),
    };
    let options = [("format", "json"), ("sink.transactional-id-prefix", topic.as_str())];
    let said = |topic: &str, restore: &[u8]| {
        kafka(&schema, topic, &options).sink(&request(restore)).err().unwrap().to_string()
    };
    assert!(said(&other, &prepared).contains("rows went to the topic"), "{}", said(&other, &prepared));
    assert!(said(&topic, b"garbage").contains("not of this version"), "{}", said(&topic, b"garbage"));
    // A broker that has forgotten the group is one that never knew it: the name is another.
    let mut forged = prepared.clone();
    let name = format!("{topic}-job-1-0");
    let at = forged.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
    forged[at + name.len() - 1] = b'7';
    assert!(said(&topic, &forged).contains("has forgotten it"), "{}", said(&topic, &forged));
}

#[test]
fn at_least_once_may_repeat_rows_and_loses_none() {
    for guarantee in ["at-least-once", "none"] {
        let topic = Broker::shared().new_topic(guarantee, 1);
        let folder = tempfile::tempdir().unwrap();
        let mode = CommitMode::EachCheckpoint;
        let mut job = Job { topic: &topic, folder: folder.path(), mode, guarantee, steps_left: 8 };
        assert!(job.run().is_err());
        job.steps_left = usize::MAX;
        assert_eq!(job.run().ok().unwrap().rows, 30);
        let mut ids = seen(&topic);
        if guarantee == "at-least-once" {
            assert!(ids.len() > 30, "the rows after the checkpoint are there twice: {ids:?}");
            ids.dedup();
            assert_eq!(ids, all());
        } else {
            // What the client had not sent when it was gone is lost; what was written afterwards is there.
            assert!(ids.ends_with(&(20..30).collect::<Vec<_>>()), "{ids:?}");
        }
        assert_eq!(super::super::names(folder.path()), ["checkpoint"], "nothing is spooled");
    }
}

#[test]
fn rows_go_to_the_partitions_that_are_asked_for() {
    let broker = Broker::shared();
    for (partitioner, expected) in [("fixed", vec![30, 0, 0]), ("round-robin", vec![10, 10, 10])] {
        let topic = broker.new_topic(partitioner, 3);
        let schema = numbered(0, 1).schema();
        let options = [("format", "json"), ("sink.partitioner", partitioner)];
        super::formats::write(&*kafka(&schema, &topic, &options), &[numbered(0, 20), numbered(20, 10)]);
        let records = broker.committed(&topic);
        let counts: Vec<usize> =
            (0..3).map(|p| records.iter().filter(|record| record.partition == p).count()).collect();
        assert_eq!(counts, expected, "{partitioner}");
    }
}
