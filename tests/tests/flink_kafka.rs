//! A model that learns from a topic, on a cluster of Apache Flink to which things happen: what comes out of it is what an undisturbed
//! run writes, each row once, and the models are equal to the bit.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::data::repository;
use tidegate_tests::purchases::part_of_the_year;
use tidegate_tests::running::{Running, wait_up_to};
use tidegate_tests::{Broker, FlinkCluster, Outcome, Workplace};

const PARTITIONS: usize = 4;
/// Few households, for the whole year.
const HOUSEHOLDS: &str = "household_id % 250 = 1";
/// A household that comes back later than this does not count.
const SECONDS: i64 = 3 * 86_400;
/// No wait takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How far numbers of Flink and of `tidegate run` may be apart: sums are added up in another order there.
const APART_MAX: f64 = 1e-9;

/// Purchases as messages, each with its partition, in the order of their time: with the label, and when it is known.
fn messages(place: &Workplace) -> Vec<(usize, String)> {
    part_of_the_year(place, HOUSEHOLDS);
    let columns = "household_id BIGINT, basket_id BIGINT, product_id BIGINT, quantity BIGINT, sales_value DOUBLE,
        retail_disc DOUBLE, coupon_disc DOUBLE, transaction_timestamp TIMESTAMP(3)";
    let script = format!(
        "CREATE TABLE part ({columns}) WITH ('connector' = 'filesystem', 'path' = 'data/transactions.parquet', 'format' = 'parquet');
         CREATE TABLE text (seconds BIGINT, {columns}) WITH ('connector' = 'filesystem', 'path' = 'transactions.json', 'format' = 'json');
         INSERT INTO text SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '2017-01-01 00:00:00', transaction_timestamp), * FROM part
         ORDER BY transaction_timestamp, basket_id, product_id;"
    );
    place.run(&script).succeeded();
    let text = place.read("transactions.json");
    let mut rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    // From the end on it is known when a household is at the till next.
    let mut visits: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
    for (id, row) in rows.iter_mut().enumerate().rev() {
        let household = row["household_id"].as_i64().expect("a household");
        let at = row["seconds"].as_i64().expect("a time");
        let (this, next) = visits.entry(household).or_insert((at, None));
        if *this != at {
            (*this, *next) = (at, Some(*this));
        }
        let returned = next.filter(|next| next - at <= SECONDS);
        row["came_back"] = returned.is_some().into();
        row["known_at"] = time(returned.unwrap_or(at + SECONDS)).into();
        row["id"] = id.into();
        row.as_object_mut().expect("an object").remove("seconds");
    }
    let partition = |row: &Value| row["household_id"].as_u64().expect("a household") as usize / 250 % PARTITIONS;
    rows.iter().map(|row| (partition(row), row.to_string())).collect()
}

/// A time of 2017, or shortly after, from the seconds since it began.
fn time(seconds: i64) -> String {
    const MONTHS: [i64; 13] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31];
    let (mut day, rest, mut month) = (seconds / 86_400, seconds % 86_400, 0);
    while day >= MONTHS[month] {
        day -= MONTHS[month];
        month += 1;
    }
    let (year, month) = (2017 + month / 12, month % 12 + 1);
    format!("{year}-{month:02}-{:02} {:02}:{:02}:{:02}", day + 1, rest / 3_600, rest / 60 % 60, rest % 60)
}

/// A job with topics, a model and a registry of its own.
struct Job<'a> {
    place: Workplace,
    messages: &'a [(usize, String)],
    purchases: String,
    predictions: String,
    quality: String,
}

impl<'a> Job<'a> {
    fn new(messages: &'a [(usize, String)], model: &str) -> Self {
        let broker = Broker::shared();
        let topic = |name: &str, partitions| broker.new_topic(&format!("{name}-on-flink"), partitions);
        let (purchases, predictions) = (topic("purchases", PARTITIONS as i32), topic("predictions", 2));
        let place = Workplace::new();
        let script = std::fs::read_to_string(repository().join("tests/flink/purchase_stream.sql")).expect("the script");
        place.write("purchase_stream.sql", script.replace("intent", model));
        Self { place, messages, purchases, predictions, quality: topic("quality", 1) }
    }

    /// Brings the messages from one share of all, in percent, to another.
    fn produce(&self, from: usize, to: usize) {
        let place = |percent: usize| self.messages.len() * percent / 100;
        let messages = &self.messages[place(from)..place(to)];
        for partition in 0..PARTITIONS {
            let own =
                messages.iter().filter(|(of, _)| *of == partition).map(|(_, message)| (None, Some(message.as_str())));
            Broker::shared().produce_all(&self.purchases, partition as i32, own);
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let count = |partition| self.messages.iter().filter(|(of, _)| *of == partition).count();
        let ends: Vec<String> =
            (0..PARTITIONS).map(|partition| format!("partition:{partition},offset:{}", count(partition))).collect();
        let parameters = [
            format!("brokers={}", Broker::shared().address()),
            format!("purchases={}", self.purchases),
            format!("end={}", ends.join(";")),
            format!("predictions={}", self.predictions),
            format!("quality={}", self.quality),
        ];
        let mut all = [arguments, ["-s", "registry.path=models"].as_slice()].concat();
        all.extend(parameters.iter().flat_map(|parameter| ["--param", parameter.as_str()]));
        self.place.command(&all)
    }

    fn submission(&self, cluster: &FlinkCluster, parallelism: &str, more: &[&str]) -> Command {
        let arguments =
            ["submit", "purchase_stream.sql", "--parallelism", parallelism, "--checkpoint-interval", "200 ms"];
        let mut command = self.command(&[&arguments, ["--flink", cluster.url()].as_slice(), more].concat());
        command.env("TIDEGATE_FLINK_JAR", FlinkCluster::archive());
        command
    }

    /// Submits it and does not wait: gives its id.
    fn submit_detached(&self, cluster: &FlinkCluster, parallelism: &str) -> String {
        let mut command = self.submission(cluster, parallelism, &["--detach"]);
        Outcome::of(command.output().expect("the binary starts")).succeeded().stdout.trim().to_string()
    }

    /// Waits until so many predictions are committed: the job is in its stream.
    #[track_caller]
    fn wait_for_predictions(&self, wanted: usize, running: &mut Option<&mut Running>) {
        wait_up_to(PATIENCE, &format!("{wanted} predictions come"), || {
            assert!(!running.as_mut().is_some_and(|running| running.has_ended()), "the job has ended");
            Broker::shared().committed_values(&self.predictions).len() >= wanted
        });
    }

    /// What has come out: predictions, weeks, and the bytes of the models.
    fn results(&self) -> (Vec<String>, Vec<String>, BTreeSet<String>) {
        let broker = Broker::shared();
        let artifacts = self.place.path("models/artifacts");
        let names = std::fs::read_dir(&artifacts).map(|entries| {
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        });
        (
            broker.committed_values(&self.predictions),
            broker.committed_values(&self.quality),
            names.unwrap_or_else(|error| panic!("{}: {error}", artifacts.display())),
        )
    }

    #[track_caller]
    fn is_as(&self, undisturbed: &Self) {
        let ((found, weeks, models), (expected, weeks_expected, models_expected)) =
            (self.results(), undisturbed.results());
        let different = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(
            found.len() == expected.len() && different.is_none(),
            "{} of {} predictions, first difference {different:?}",
            found.len(),
            expected.len()
        );
        assert_eq!(weeks, weeks_expected);
        assert_eq!(models, models_expected);
    }
}

#[test]
fn a_model_learns_from_a_topic_whatever_happens_to_the_cluster() {
    let place = Workplace::new();
    let messages = messages(&place);
    let mut cluster = FlinkCluster::start(2, 2);

    let undisturbed = Job::new(&messages, "intent");
    undisturbed.produce(0, 100);
    Outcome::of(undisturbed.submission(&cluster, "4", &[]).output().expect("the binary starts")).succeeded();
    let (predictions, weeks, models) = undisturbed.results();
    assert!(predictions.len() > 4_000 && weeks.len() >= 52, "{} predictions, {} weeks", predictions.len(), weeks.len());
    // One in June, and one at the end.
    assert_eq!(models.len(), 2);

    is_what_tidegate_runs(&messages, &undisturbed);
    a_task_manager_is_killed(&messages, &mut cluster).is_as(&undisturbed);
    stopped_and_resumed_on_more_tasks(&messages, &cluster).is_as(&undisturbed);
    two_jobs_at_once(&messages, &cluster, &undisturbed);
}

/// The same script, without Flink.
fn is_what_tidegate_runs(messages: &[(usize, String)], undisturbed: &Job<'_>) {
    let job = Job::new(messages, "intent");
    job.produce(0, 100);
    Outcome::of(job.command(&["run", "purchase_stream.sql", "-q"]).output().expect("the binary starts")).succeeded();
    let by_id = |topic: &str, key: &str| -> BTreeMap<String, Value> {
        let rows = Broker::shared().committed_values(topic);
        let rows = rows.iter().map(|row| serde_json::from_str::<Value>(row).expect("an object"));
        rows.map(|row| (row[key].to_string(), row)).collect()
    };
    for (topic, in_flink, key) in
        [(&job.predictions, &undisturbed.predictions, "id"), (&job.quality, &undisturbed.quality, "week_start")]
    {
        let (ours, in_flink) = (by_id(topic, key), by_id(in_flink, key));
        assert_eq!(ours.len(), in_flink.len());
        for ((_, ours), (_, in_flink)) in ours.iter().zip(&in_flink) {
            let same = ours.as_object().expect("an object").iter().all(|(name, value)| {
                match (value.as_f64(), in_flink[name].as_f64()) {
                    (Some(one), Some(other)) => (one - other).abs() <= APART_MAX * one.abs().max(1.0),
                    _ => *value == in_flink[name],
                }
            });
            assert!(same, "here {ours}, in Flink {in_flink}");
        }
    }
}

/// `kill -9` in the middle of the stream, and another one comes in its place.
fn a_task_manager_is_killed<'a>(messages: &'a [(usize, String)], cluster: &mut FlinkCluster) -> Job<'a> {
    let job = Job::new(messages, "intent");
    job.produce(0, 30);
    let mut going_on = Running::of(job.submission(cluster, "4", &["--json"]));
    job.wait_for_predictions(500, &mut Some(&mut going_on));
    let id = running(&cluster.get("/jobs/overview")).remove(0);
    // Some rows come while a checkpoint is taken, some while nobody reads.
    job.produce(30, 45);
    cluster.kill_task_manager();
    job.produce(45, 60);
    cluster.start_task_manager();
    job.produce(60, 70);
    cluster.wait_until(&format!("/jobs/{id}/checkpoints"), |page| page["counts"]["restored"].as_u64() >= Some(1));
    job.produce(70, 100);
    going_on.end().succeeded();
    job
}

/// `tidegate jobs stop`, and `tidegate submit --savepoint` with another parallelism. The topic has no end: a source of Flink that has one does
/// not find it after a savepoint.
fn stopped_and_resumed_on_more_tasks<'a>(messages: &'a [(usize, String)], cluster: &FlinkCluster) -> Job<'a> {
    let job = Job::new(messages, "intent");
    let script = job.place.read("purchase_stream.sql");
    let ends = "'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = '${end}'";
    assert!(script.contains(ends));
    job.place.write("purchase_stream.sql", script.replace(ends, "'scan.bounded.mode' = 'unbounded'"));
    job.produce(0, 60);
    let (mut savepoint, mut ids): (Option<String>, Vec<String>) = (None, Vec::new());
    // At first with as few tasks as what learns has: by the hash of its graph, a job of more tasks would not find its state.
    for (parallelism, from, to) in [("1", 60, 70), ("2", 70, 80), ("4", 80, 100)] {
        let resumed = savepoint.iter().flat_map(|path| ["--savepoint", path.as_str()]);
        let more: Vec<&str> = ["--detach"].into_iter().chain(resumed).collect();
        let outcome = Outcome::of(job.submission(cluster, parallelism, &more).output().expect("the binary starts"));
        ids.push(outcome.succeeded().stdout.trim().to_string());
        // Rows that were read before a savepoint wait in it for a watermark, and that comes with new rows: sources of Flink forget theirs.
        job.produce(from, to);
        job.wait_for_predictions(messages.len() * (from - 20) / 100, &mut None);
        let id = ids.last().expect("an id").as_str();
        // All its tasks are there.
        let is_complete = |page: &Value| page["counts"]["completed"].as_u64() >= Some(1);
        cluster.wait_until(&format!("/jobs/{id}/checkpoints"), is_complete);
        let mut stop = vec!["jobs", "stop", id, "--flink", cluster.url()];
        if to == 100 {
            let read = |id: &String| {
                cluster.get(&format!("/jobs/{id}"))["vertices"][0]["metrics"]["read-records"].as_u64().unwrap_or(0)
            };
            wait_up_to(PATIENCE, "all is read", || ids.iter().map(read).sum::<u64>() as usize == messages.len());
            stop.push("--drain");
        }
        savepoint = Some(job.place.tidegate(&stop).succeeded().stdout.trim().to_string());
    }
    job
}

/// Each has a model, topics and a registry of its own.
fn two_jobs_at_once(messages: &[(usize, String)], cluster: &FlinkCluster, undisturbed: &Job<'_>) {
    let jobs = ["intent", "other"].map(|model| Job::new(messages, model));
    let ids: Vec<String> = jobs
        .iter()
        .map(|job| {
            job.produce(0, 50);
            job.submit_detached(cluster, "2")
        })
        .collect();
    jobs.iter().for_each(|job| job.wait_for_predictions(1_000, &mut None));
    assert_eq!(running(&cluster.get("/jobs/overview")).len(), 2);
    jobs.iter().for_each(|job| job.produce(50, 100));
    for id in &ids {
        cluster.wait_until(&format!("/jobs/{id}"), |job| job["state"] == "FINISHED");
    }
    jobs[0].is_as(undisturbed);
    let ((found, weeks, models), (expected, weeks_expected, _)) = (jobs[1].results(), undisturbed.results());
    assert!(found == expected && weeks == weeks_expected, "the second job gives other rows");
    assert_eq!(models.len(), 2);
}

/// The jobs that run.
fn running(overview: &Value) -> Vec<String> {
    let jobs = overview["jobs"].as_array().expect("jobs").iter().filter(|job| job["state"] == "RUNNING");
    jobs.filter_map(|job| job["jid"].as_str()).map(str::to_string).collect()
}

#[test]
fn what_learns_from_a_topic_needs_an_event_time() {
    let place = Workplace::new();
    let script = "CREATE TABLE visits (x DOUBLE, bought BOOLEAN)
            WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'nobody:9092', 'topic' = 'visits', 'format' = 'json');
        CREATE MODEL m INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
            WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
        CREATE TABLE out (x DOUBLE, predicted BOOLEAN) WITH ('connector' = 'blackhole');
        INSERT INTO out SELECT x, predicted
        FROM ML_TRAIN(INPUT => TABLE visits, MODEL => MODEL m, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x));";
    place.write("job.sql", script);
    let refused = place.tidegate(&["explain", "--flink", "job.sql"]).failed(2);
    refused.says(&["partitions of a topic come in no certain order", "model 'm'", "help: declare an event time"]);
    let timed = script.replace("bought BOOLEAN)", "bought BOOLEAN, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)");
    place.write("job.sql", timed);
    let explained = place.tidegate(&["explain", "--flink", "job.sql"]).succeeded();
    for text in [
        "in the order of ts",
        "'table.exec.source.idle-timeout' = '5 s'",
        "'properties.isolation.level' = 'read_committed'",
        "'sink.delivery-guarantee' = 'exactly-once'",
        "'sink.transactional-id-prefix' = 'tidegate-job-visits'",
    ] {
        assert!(explained.stdout.contains(text), "{text}: {}", explained.stdout);
    }
}
