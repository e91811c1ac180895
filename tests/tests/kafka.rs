//! Jobs from topics to topics, with a real broker between them.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tidegate_tests::{Broker, Workplace};

/// Nothing takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn table(name: &str, topic: &str, columns: &str, options: &str) -> String {
    format!(
        "CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
           'properties.bootstrap.servers' = '{}'{options});\n",
        Broker::shared().address()
    )
}

const VISITS: &str = "id BIGINT, ts TIMESTAMP(3), amount DOUBLE, WATERMARK FOR ts AS ts";
const BOUNDED: &str = ", 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'";
const UNBOUNDED: &str = ", 'scan.startup.mode' = 'earliest-offset'";

/// Writes visits with these numbers, one a second.
fn visit(topic: &str, partition: i32, ids: std::ops::Range<u64>) {
    let visit =
        |id: u64| format!("{{\"id\":{id},\"ts\":\"2026-01-01 00:{:02}:{:02}\",\"amount\":{}.5}}", id / 60, id % 60, id);
    let messages: Vec<String> = ids.map(visit).collect();
    Broker::shared().produce_all(topic, partition, messages.iter().map(|message| (None, Some(message.as_str()))));
}

#[test]
fn topics_with_an_end_are_queried_and_copied() {
    let broker = Broker::shared();
    let (input, output) = (broker.new_topic("visits", 2), broker.new_topic("copies", 1));
    visit(&input, 0, 0..100);
    visit(&input, 1, 100..150);
    let script = [
        table("visits", &input, VISITS, BOUNDED),
        table("copies", &output, "id BIGINT, twice DOUBLE", BOUNDED),
        "INSERT INTO copies SELECT id, amount * 2 FROM visits WHERE id >= 50;
         SELECT COUNT(*) AS n, SUM(twice) AS total FROM copies;"
            .to_string(),
    ]
    .concat();
    let place = Workplace::new();
    let outcome = place.run_json(&script).succeeded();
    // The sum of 2 i + 1 for i from 50 to 149.
    assert_eq!(outcome.rows()[0]["n"], 100);
    assert_eq!(outcome.rows()[0]["total"], 20_000.0);
    assert_eq!(broker.committed(&output).len(), 100);
}

#[test]
fn a_window_over_two_partitions_closes_when_both_are_past_it() {
    let broker = Broker::shared();
    let input = broker.new_topic("visits", 2);
    visit(&input, 0, 0..30);
    visit(&input, 1, 30..60);
    // The same with a computed column.
    let computed = "id BIGINT, ts STRING, at AS TO_TIMESTAMP(ts), WATERMARK FOR at AS at";
    for (columns, time) in [(VISITS, "ts"), (computed, "at")] {
        let output = broker.new_topic("sums", 1);
        let script = [
            table("visits", &input, columns, BOUNDED),
            table("sums", &output, "start_at TIMESTAMP(3), n BIGINT", ""),
            format!(
                "SET 'execution.runtime-mode' = 'streaming';
                 INSERT INTO sums SELECT window_start, COUNT(*)
                 FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR({time}), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;"
            ),
        ]
        .concat();
        Workplace::new().run(&script).succeeded();
        let values = broker.committed_values(&output);
        let expected = [0, 20, 40].map(|s| format!("{{\"start_at\":\"2026-01-01 00:00:{s:02}\",\"n\":20}}"));
        assert_eq!(values, expected, "{columns}");
    }
}

/// A job that goes on until it is killed.
struct Running<'a> {
    place: &'a Workplace,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(place: &'a Workplace) -> Self {
        let mut command = place.command(&["run", "job.sql", "--json", "-s", "execution.checkpointing.interval=50ms"]);
        let log = |name| std::fs::File::create(place.path(name)).expect("a file");
        command.stdout(log("stdout")).stderr(log("stderr"));
        Self { place, child: command.stdin(Stdio::null()).spawn().expect("the binary starts") }
    }

    /// Waits until a topic has so many committed messages.
    fn until(&mut self, topic: &str, count: usize) {
        let began = Instant::now();
        while Broker::shared().committed(topic).len() < count {
            let ended = self.child.try_wait().expect("its state");
            let late = began.elapsed() > PATIENCE;
            assert!(ended.is_none() && !late, "it has {ended:?}\n{}", self.place.read("stderr"));
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("its end");
    }
}

#[test]
fn a_job_without_an_end_that_is_killed_copies_each_row_once() {
    let broker = Broker::shared();
    let (input, output) = (broker.new_topic("visits", 3), broker.new_topic("copies", 2));
    let place = Workplace::new();
    let group = format!("{UNBOUNDED}, 'properties.group.id' = '{input}'");
    let script = [
        table("visits", &input, VISITS, &group),
        table("copies", &output, "id BIGINT", ""),
        "INSERT INTO copies SELECT id FROM visits;".to_string(),
    ]
    .concat();
    place.write("job.sql", script);
    for round in 0..4 {
        for partition in 0..3 {
            let from = round * 300 + u64::try_from(partition).expect("a number") * 100;
            visit(&input, partition, from..from + 100);
        }
        let mut job = Running::start(&place);
        // Not all of them every time: the job is killed in its stream.
        job.until(&output, usize::try_from(round * 300 + 1 + 99 * round).expect("a number"));
        job.kill();
    }
    let mut job = Running::start(&place);
    job.until(&output, 1200);
    // Checkpoints tell the consumer group.
    let told = || (0..3).filter_map(|partition| broker.group_offset(&input, &input, partition)).sum::<i64>();
    let began = Instant::now();
    while told() < 1200 {
        assert!(began.elapsed() < PATIENCE, "the consumer group is at {}", told());
    }
    job.kill();
    let mut ids: Vec<u64> = broker
        .committed_values(&output)
        .iter()
        .map(|value| value.trim_start_matches("{\"id\":").trim_end_matches('}').parse().expect("a number"))
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..1200).collect::<Vec<_>>());
}
