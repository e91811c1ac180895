//! Jobs without an end: over folders watched for new files.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tidegate_tests::Workplace;

/// Nothing takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A job that goes on until it is killed.
struct Running<'a> {
    place: &'a Workplace,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(place: &'a Workplace) -> Self {
        let arguments = ["run", "job.sql", "--json", "-s", "execution.checkpointing.interval=20ms"];
        let mut command = place.command(&arguments);
        let log = |name| std::fs::File::create(place.path(name)).expect("a file");
        command.stdout(log("stdout")).stderr(log("stderr"));
        Self { place, child: command.stdin(Stdio::null()).spawn().expect("the binary starts") }
    }

    /// Waits until a file has these lines.
    fn until(&mut self, file: &str, expected: &[&str]) {
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.place.path(file)).unwrap_or_default();
            if text.lines().eq(expected.iter().copied()) {
                return;
            }
            let ended = self.child.try_wait().expect("its state");
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "it has {ended:?}, and {file} is\n{text}\n{}",
                self.place.read("stderr")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("its end");
    }
}

/// Puts a file there whole.
fn appear(place: &Workplace, name: &str, text: &str) {
    let (folder, file) = name.split_once('/').expect("a folder");
    let hidden = place.write(&format!("{folder}/.{file}"), text);
    std::fs::rename(hidden, place.path(name)).expect("a rename");
}

#[test]
fn a_job_over_a_watched_folder_goes_on_where_it_was_killed() {
    let place = Workplace::new();
    appear(&place, "inbox/a.csv", "ts,n\n2026-01-01 00:00:01,1\n2026-01-01 00:00:07,2\n2026-01-01 00:00:12,3\n");
    place.write(
        "job.sql",
        "CREATE TABLE events (ts TIMESTAMP(3), n BIGINT, WATERMARK FOR ts AS ts) WITH (
           'connector' = 'filesystem', 'path' = 'inbox', 'format' = 'csv', 'source.monitor-interval' = '10ms');
         CREATE TABLE sums (window_start TIMESTAMP(3), total BIGINT) WITH (
           'connector' = 'filesystem', 'path' = 'sums.csv', 'format' = 'csv');
         INSERT INTO sums SELECT window_start, SUM(n)
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;",
    );
    let mut job = Running::start(&place);
    job.until("sums.csv", &["window_start,total", "2026-01-01 00:00:00,3"]);
    job.kill();

    appear(&place, "inbox/b.csv", "ts,n\n2026-01-01 00:00:19,4\n2026-01-01 00:00:20,5\n");
    let mut job = Running::start(&place);
    job.until("sums.csv", &["window_start,total", "2026-01-01 00:00:00,3", "2026-01-01 00:00:10,7"]);
    appear(&place, "inbox/0.csv", "ts,n\n2026-01-01 00:00:30,6\n");
    let sums = ["window_start,total", "2026-01-01 00:00:00,3", "2026-01-01 00:00:10,7", "2026-01-01 00:00:20,5"];
    job.until("sums.csv", &sums);
    job.kill();
}

#[test]
fn an_idle_input_holds_up_no_join_and_its_rows_are_late_when_they_come() {
    let place = Workplace::new();
    appear(&place, "views/a.csv", "ts,id\n2026-01-01 00:00:01,1\n2026-01-01 00:01:00,2\n");
    appear(&place, "buys/a.csv", "ts,id\n2026-01-01 00:00:02,1\n");
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (ts TIMESTAMP(3), id BIGINT, WATERMARK FOR ts AS ts) WITH (
               'connector' = 'filesystem', 'path' = '{name}', 'format' = 'csv', 'source.monitor-interval' = '10ms');"
        )
    };
    let job = "SET 'table.exec.source.idle-timeout' = '200ms';
         CREATE TABLE pairs (id BIGINT, bought BOOLEAN) WITH (
           'connector' = 'filesystem', 'path' = 'pairs.csv', 'format' = 'csv');
         INSERT INTO pairs SELECT v.id, b.id IS NOT NULL FROM views AS v LEFT JOIN buys AS b
         ON v.id = b.id AND b.ts BETWEEN v.ts AND v.ts + INTERVAL '10' SECOND;";
    place.write("job.sql", format!("{}{}{job}", table("views"), table("buys")));
    let mut running = Running::start(&place);
    // The watermark of `views` is at 1:00: without a purchase after 0:02 nobody could know that 2 was not bought.
    running.until("pairs.csv", &["id,bought", "1,true"]);
    appear(&place, "views/b.csv", "ts,id\n2026-01-01 00:02:00,3\n");
    running.until("pairs.csv", &["id,bought", "1,true", "2,false"]);
    // Within the interval of 2, but after it was decided.
    appear(&place, "buys/b.csv", "ts,id\n2026-01-01 00:01:05,2\n2026-01-01 00:02:05,3\n");
    appear(&place, "views/c.csv", "ts,id\n2026-01-01 00:03:00,4\n");
    running.until("pairs.csv", &["id,bought", "1,true", "2,false", "3,true"]);
    running.kill();
}
