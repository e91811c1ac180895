//! `tidegate submit` and `tidegate jobs` against a cluster of Apache Flink: a job manager and task managers, each a process.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::data::data_set;
use tidegate_tests::flink_cluster::Room;
use tidegate_tests::running::{Running, wait_until};
use tidegate_tests::{FlinkCluster, Outcome, Workplace};

/// Rows of the job that is stopped, goes on and loses a task manager: more than it reads before all of that has happened.
const ROWS: usize = 60_000;

/// A job that writes the numbers from 1 on, slowly.
fn numbers(folder: &Path) -> Value {
    let source = format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '3000',
         'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}')"
    );
    let sink = format!(
        "CREATE TABLE written (id BIGINT, twice BIGINT) WITH ('connector' = 'filesystem', 'path' = 'file://{}', 'format' = 'csv')",
        folder.display()
    );
    json!({
        "name": "INSERT INTO written", "mode": "streaming", "settings": { "execution.checkpointing.interval": "1 h" },
        "statements": [{ "sql": source }, { "sql": sink }],
        "inserts": ["INSERT INTO written SELECT id, 2 * id FROM numbers"],
    })
}

/// A job that does not end.
fn endless(name: &str, connector: &str, query: &str) -> Value {
    let source =
        format!("CREATE TABLE events (x BIGINT) WITH ('connector' = '{connector}', 'rows-per-second' = '500')");
    json!({
        "name": name, "mode": "streaming",
        "statements": [{ "sql": source }, { "sql": "CREATE TABLE nowhere (x BIGINT) WITH ('connector' = 'blackhole')" }],
        "inserts": [query],
    })
}

/// A step that reads a folder and writes another.
fn copied(place: &Workplace, from: &str, to: &str, expression: &str) -> Value {
    let table = |name: &str, folder: &str| {
        let path = place.path(folder);
        let with = format!("'connector' = 'filesystem', 'path' = 'file://{}', 'format' = 'csv'", path.display());
        json!({ "sql": format!("CREATE TABLE {name} (x BIGINT) WITH ({with})") })
    };
    json!({
        "name": format!("INSERT INTO {to}"), "mode": "batch", "settings": { "restart-strategy.type": "none" },
        "statements": [table("a", from), table("b", to)],
        "inserts": [format!("INSERT INTO b SELECT {expression} FROM a")],
    })
}

/// A user with a cluster.
struct User {
    place: Workplace,
    cluster: FlinkCluster,
}

impl User {
    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--flink", self.cluster.url()]].concat()
    }

    fn tidegate(&self, arguments: &[&str]) -> Outcome {
        self.place.tidegate(&self.arguments(arguments))
    }

    fn submission(&self, program: &Value, arguments: &[&str]) -> Command {
        self.place.write("job.json", program.to_string());
        let mut command = self.place.command(&self.arguments(&[&["submit", "job.json"], arguments].concat()));
        command.env("TIDEGATE_FLINK_JAR", FlinkCluster::archive());
        command
    }

    fn submit(&self, program: &Value, arguments: &[&str]) -> Outcome {
        Outcome::of(self.submission(program, arguments).output().expect("the binary starts"))
    }

    /// Submits a job and does not wait for it: returns its id.
    fn submit_detached(&self, program: &Value, arguments: &[&str]) -> String {
        let outcome = self.submit(program, &[arguments, &["--detach"]].concat()).succeeded();
        let id = outcome.stdout.trim().to_string();
        assert!(id.len() == 32, "{outcome:?}");
        id
    }

    fn wait_for(&self, id: &str, state: &str) {
        self.cluster.wait_until(&format!("/jobs/{id}"), |job| job["state"] == state);
    }

    fn wait_for_checkpoints(&self, id: &str, wanted: u64) {
        let completed =
            |page: &Value| page["counts"]["completed"].as_u64().is_some_and(|completed| completed >= wanted);
        self.cluster.wait_until(&format!("/jobs/{id}/checkpoints"), completed);
    }
}

#[test]
fn jobs_on_a_cluster() {
    let mut user = User { place: Workplace::new(), cluster: FlinkCluster::start(2, 2) };
    what_is_wrong_is_told(&user);
    two_jobs_at_once(&user);
    who_does_not_wait_any_longer_leaves_the_job_alone(&user);
    steps_one_after_the_other(&user);
    stopped_resumed_and_hit(&mut user);
    // All of it with one archive.
    let jars = user.cluster.get("/jars");
    assert_eq!(jars["files"].as_array().map(Vec::len), Some(1), "{jars}");
}

/// Runs a program in one process, and waits for its end.
fn in_one_process(place: &Workplace, program: &Value) -> Outcome {
    let argument = format!("@{}", place.write("program.json", program.to_string()).display());
    let folder = data_set("flink", &[".source"]);
    let mut java = Command::new("java");
    java.args(["-Xmx1g", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"]);
    let test = std::env::current_exe().expect("a process knows its own file");
    java.arg(format!("-Dtidegate.flink.library={}", test.with_file_name("libtidegate_flink.so").display()));
    let classes = format!("{}:{}", folder.join("*").display(), folder.join("flink/*").display());
    java.args(["-cp", &classes, "tidegate.flink.job.Program", &argument, "--wait"]);
    let _room = Room::wait();
    Outcome::of(java.output().expect("java starts"))
}

#[test]
fn a_program_in_one_process() {
    let place = Workplace::new();
    place.write("a/numbers.csv", "1\n2\n3\n");
    // Two INSERT statements are one job.
    let mut both = copied(&place, "a", "b", "x * 10");
    let third =
        copied(&place, "a", "c", "x + 1")["statements"][1]["sql"].as_str().expect("SQL").replace("TABLE b", "TABLE c");
    both["statements"].as_array_mut().expect("statements").push(json!({ "sql": third }));
    both["inserts"].as_array_mut().expect("statements").push(json!("INSERT INTO c SELECT x + 1 FROM a"));
    in_one_process(&place, &both).succeeded();
    assert_eq!((written(&place.path("b")), written(&place.path("c"))), (lines("10 20 30"), lines("2 3 4")));

    let outcome = in_one_process(&place, &copied(&place, "a", "d", "1 / (x - 2)")).failed(1);
    assert_eq!(outcome.stderr.trim(), "error: ArithmeticException: / by zero");
    let outcome = in_one_process(&place, &copied(&place, "a", "d", "y")).failed(1);
    assert_eq!(
        outcome.stderr.trim(),
        "error: INSERT INTO b SELECT y FROM a: At line 1, column 22: Column 'y' not found in any table"
    );
}

fn lines(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

fn what_is_wrong_is_told(user: &User) {
    let refused = |program: Value, says: &[&str]| {
        let outcome = user.submit(&program, &[]).failed(2).says(says);
        assert!(!outcome.stderr.contains("\tat ") && outcome.stderr.lines().count() < 8, "{}", outcome.stderr);
    };
    let query = "INSERT INTO nowhere SELECT x FROM events";
    refused(
        endless("a", "datagne", query),
        &["Could not find any factory for identifier 'datagne'", "blackhole, datagen"],
    );
    refused(
        endless("a", "datagen", "INSERT INTO nowhere SELECT y FROM events"),
        &["At line 1, column 28: Column 'y' not found"],
    );
    refused(
        endless("a", "datagen", "INSERT INTO nowhere SELECT x y z FROM events"),
        &["Encountered \"z\" at line 1, column 32"],
    );
    let mut unknown = endless("a", "datagen", query);
    unknown["statements"][0] = json!({ "spell": "abracadabra" });
    refused(
        unknown,
        &["job.json begins as a program does, but is none: unknown variant `spell`", "explain --flink --json"],
    );
    refused(json!({ "name": "a", "mode": "batch", "inserts": [] }), &["nothing to insert"]);

    let steps = json!([endless("a", "datagen", query), endless("b", "datagen", query)]);
    user.submit(&steps, &["--detach"]).failed(2).says(&["--detach: the script has 2 steps"]);
    user.tidegate(&["jobs", "show", "nobody"]).failed(2).says(&["there is no job 'nobody' at http://127.0.0.1:"]);
    let elsewhere = user.place.tidegate(&["jobs", "list", "--flink", "http://127.0.0.1:1"]);
    elsewhere.failed(4).says(&["nothing answers at http://127.0.0.1:1: connection refused"]);
    user.place.tidegate(&["jobs", "cancel", "a"]).failed(2).says(&["--flink URL"]);
}

fn two_jobs_at_once(user: &User) {
    let query = "INSERT INTO nowhere SELECT x FROM events";
    let one =
        user.submit_detached(&endless("one", "datagen", query), &["-s", "execution.checkpointing.interval=200 ms"]);
    let other = user.submit_detached(&endless("other", "datagen", query), &["--parallelism", "2"]);
    user.wait_for(&one, "RUNNING");
    user.wait_for(&other, "RUNNING");
    user.wait_for_checkpoints(&one, 1);

    let listed = user.tidegate(&["jobs", "list", "--json"]).succeeded().of_type("job_info");
    let job = |id: &str| listed.iter().find(|job| job["id"] == id).unwrap_or_else(|| panic!("{id} in {listed:?}"));
    for (id, name) in [(&one, "one"), (&other, "other")] {
        assert_eq!((&job(id)["name"], &job(id)["status"]), (&json!(name), &json!("RUNNING")));
    }
    // At twice the parallelism there are twice as many.
    assert_eq!(job(&other)["tasks"].as_u64(), job(&one)["tasks"].as_u64().map(|tasks| 2 * tasks), "{listed:?}");
    let table = user.tidegate(&["jobs", "list"]).succeeded().stdout;
    assert!(["job id", "status", "duration", &one, &other].iter().all(|text| table.contains(text)), "{table}");

    let mut shown = Value::Null;
    wait_until("rows are counted", || {
        shown = user.tidegate(&["jobs", "show", &one[..8], "--json"]).succeeded().of_type("job_info").remove(0);
        let progress = &shown["progress"];
        progress["records_in"].as_u64() > Some(0) && progress["records_out"].as_u64() > Some(0)
    });
    assert_eq!(shown["job"]["id"], json!(one));
    assert!(shown["progress"]["checkpoints"]["completed"].as_u64() > Some(0), "{shown}");
    let text = user.tidegate(&["jobs", "show", "one"]).succeeded().stdout;
    assert!(["checkpoints", " completed, ", "rows in", "back-pressure"].iter().all(|t| text.contains(t)), "{text}");

    let saved = user.tidegate(&["jobs", "savepoint", &one, "--to", "saved"]).succeeded().says(&["job 'one' goes on"]);
    assert!(saved.stdout.trim().starts_with(&format!("file:{}", user.place.path("saved").display())), "{saved:?}");

    for id in [&one, &other] {
        let outcome = user.tidegate(&["jobs", "cancel", id]).succeeded();
        assert!(outcome.stdout.contains("was cancelled"), "{outcome:?}");
        assert_eq!(user.cluster.get(&format!("/jobs/{id}"))["state"], "CANCELED");
    }
    user.tidegate(&["jobs", "stop", &one]).failed(2).says(&["is not running: it is CANCELED"]);
}

fn who_does_not_wait_any_longer_leaves_the_job_alone(user: &User) {
    let program = endless("watched", "datagen", "INSERT INTO nowhere SELECT x FROM events");
    let watching = Running::of(user.submission(&program, &["--json"]));
    let mut id = String::new();
    wait_until("the job runs", || {
        let jobs = user.tidegate(&["jobs", "list", "--json"]).succeeded().of_type("job_info");
        let job = jobs.iter().find(|job| job["name"] == "watched" && job["status"] == "RUNNING");
        id = job.and_then(|job| job["id"].as_str()).unwrap_or_default().to_string();
        !id.is_empty()
    });
    watching.signal("INT");
    let outcome = watching.end().succeeded();
    assert_eq!(outcome.of_type("submitted")[0]["job"], json!(id));
    assert_eq!(outcome.of_type("detached")[0]["job"], json!(id));
    assert_eq!(user.cluster.get(&format!("/jobs/{id}"))["state"], "RUNNING");
    user.tidegate(&["jobs", "cancel", "watched"]).succeeded();
}

fn steps_one_after_the_other(user: &User) {
    let place = &user.place;
    place.write("a/numbers.csv", "1\n2\n3\n");
    std::fs::create_dir(place.path("b")).expect("a folder");
    let steps = json!([copied(place, "a", "b", "x * 10"), copied(place, "b", "c", "x + 1")]);
    let outcome =
        user.submit(&steps, &["--watch"]).succeeded().says(&["(step 2 of 2)", "✓ INSERT INTO c: FINISHED", "vertex"]);
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    assert_eq!(written(&place.path("c")), ["11", "21", "31"]);

    // What fails at a row: the job's end is its cause.
    let failing = copied(place, "a", "d", "1 / (x - 2)");
    let outcome = user.submit(&failing, &[]).failed(3).says(&["job 'INSERT INTO d' failed", "/ by zero"]);
    assert!(!outcome.stderr.contains("\tat "), "{}", outcome.stderr);
    let id = outcome.stdout.trim();
    let shown = user.tidegate(&["jobs", "show", id]).succeeded().stdout;
    assert!(shown.contains("FAILED") && shown.contains("/ by zero"), "{shown}");
}

fn stopped_resumed_and_hit(user: &mut User) {
    let folder = user.place.path("written");
    let program = numbers(&folder);
    let interval = ["--checkpoint-interval", "300 ms"];
    let id = user.submit_detached(&program, &[interval.as_slice(), &["--parallelism", "2"]].concat());
    user.wait_for_checkpoints(&id, 2);
    let stopped = user.tidegate(&["jobs", "stop", &id[..10]]).succeeded().says(&["'INSERT INTO written' has stopped"]);
    let savepoint = stopped.stdout.trim().to_string();
    let path = savepoint.strip_prefix("file:").unwrap_or(&savepoint);
    assert!(Path::new(path).join("_metadata").is_file(), "{savepoint}");
    assert_eq!(user.cluster.get(&format!("/jobs/{id}"))["state"], "FINISHED");
    let before = written(&folder).len();
    assert!(0 < before && before < ROWS, "{before} rows were written before the savepoint");

    // Its state has no place in a job without that source.
    let query = "INSERT INTO nowhere SELECT SUM(x) FROM events GROUP BY x";
    let outcome = user.submit(&endless("another", "datagen", query), &["--savepoint", &savepoint]).failed(2);
    assert!(outcome.stderr.contains("help: --allow-dropped-state"), "{outcome:?}");

    // On all slots, so that each task manager has a part of it.
    let resumed = [interval.as_slice(), &["--parallelism", "4", "--savepoint", &savepoint]].concat();
    let going_on = Running::of(user.submission(&program, &resumed));
    let overview = user.cluster.wait_until("/jobs/overview", |overview| running(overview).is_some());
    let id = running(&overview).expect("it runs");
    user.wait_for_checkpoints(&id, 2);
    user.cluster.kill_task_manager();
    user.cluster.start_task_manager();
    going_on.end().succeeded();
    // By the savepoint, and by a checkpoint when the task manager was gone.
    let counts = user.cluster.get(&format!("/jobs/{id}/checkpoints"))["counts"].clone();
    assert!(counts["restored"].as_u64() >= Some(2), "{counts}");

    let mut rows = written(&folder);
    rows.sort_by_key(|row| row.split(',').next().and_then(|id| id.parse::<usize>().ok()));
    let expected: Vec<String> = (1..=ROWS).map(|id| format!("{id},{}", 2 * id)).collect();
    let wrong = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
    assert!(rows.len() == ROWS && wrong.is_none(), "{} rows, first difference: {wrong:?}", rows.len());
}

/// The id of the one job that runs.
pub(crate) fn running(overview: &Value) -> Option<String> {
    let jobs = overview["jobs"].as_array()?;
    jobs.iter().find(|job| job["state"] == "RUNNING").and_then(|job| job["jid"].as_str()).map(str::to_string)
}

/// The lines of the files that Flink has committed in a folder, in order.
pub(crate) fn written(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let texts = files
        .filter(|path| path.is_file() && !is_hidden(path))
        .map(|path| std::fs::read_to_string(path).expect("a text"));
    let mut lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_string).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}
