//! Jobs without an end: stopped, saved, drained, listed.

use tidegate_tests::Workplace;
use tidegate_tests::running::{Running, found, wait_until};

use super::{OFTEN, events, sorted_lines, started, stopped};

fn script() -> String {
    format!(
        "{}EXECUTE STATEMENT SET BEGIN
           INSERT INTO out SELECT * FROM seconds;
           INSERT INTO kept SELECT * FROM events WHERE x < 0.1;
         END;",
        events(None)
    )
}

/// Waits until some rows can be seen.
fn wait_for_rows(place: &Workplace, rows: usize) {
    wait_until("rows can be seen", || {
        std::fs::read_to_string(place.path("kept.csv")).is_ok_and(|text| text.lines().count() > rows)
    });
}

/// Holds what was written against what the same rows give in one go: nothing is missing and nothing is there twice.
fn assert_a_start_of_all_rows(place: &Workplace) {
    let whole = Workplace::new();
    let kept = place.read("kept.csv");
    let rows = kept.lines().count() as u32 * 11 + 20_000;
    whole.write("job.sql", format!("{}INSERT INTO kept SELECT * FROM events WHERE x < 0.1;", events(Some(rows))));
    whole.tidegate(&["run", "job.sql", "-s", "parallelism.default=1"]).succeeded();
    assert!(whole.read("kept.csv").starts_with(&kept), "not the first {} rows", kept.lines().count());
}

#[test]
fn an_endless_job_goes_on_from_a_savepoint_and_writes_nothing_twice() {
    let place = Workplace::new();
    let running = started(&place, &script());
    wait_for_rows(&place, 500);
    let savepoint = stopped(&place, running);
    let seen = place.read("kept.csv").lines().count();
    let again = Running::start(&place, &[&["run", "job.sql", "--json", "--from", &savepoint], &OFTEN[..]].concat());
    wait_for_rows(&place, seen + 500);
    again.signal("KILL");
    again.end();
    // Killed once more in its own run, then stopped.
    let last = Running::start(&place, &[&["run", "job.sql", "--json"], &OFTEN[..]].concat());
    wait_for_rows(&place, seen + 1_000);
    last.signal("INT");
    let error = last.end().failed(130).of_type("error").remove(0);
    assert!(error["help"].as_str().is_some_and(|help| help.contains("goes on from here")), "{error}");
    assert_a_start_of_all_rows(&place);
}

#[test]
fn draining_closes_all_windows_and_ends_the_job() {
    let script = |rows: Option<u32>| format!("{}INSERT INTO out SELECT * FROM seconds;", events(rows));
    for by_request in [true, false] {
        let place = Workplace::new();
        place.write("job.sql", script(None));
        let drain: &[&str] = if by_request { &[] } else { &["--drain"] };
        let running = Running::start(&place, &[&["run", "job.sql", "--json"], &OFTEN[..], drain].concat());
        wait_until("a window can be seen", || {
            std::fs::read_to_string(place.path("out.csv")).is_ok_and(|text| text.lines().count() > 1)
        });
        match by_request {
            true => drop(place.tidegate(&["jobs", "stop", "job", "--drain"]).succeeded()),
            false => running.signal("INT"),
        }
        let job = running.end().succeeded().of_type("job").remove(0);
        assert!(found(&place, "home/checkpoints/*").is_none(), "it has come to its end");
        // What a job gives that reads so many rows and ends.
        let read = job["sources"][0]["rows"].as_u64().expect("rows");
        let ended = Workplace::new();
        ended.write("job.sql", script(u32::try_from(read).ok()));
        ended.tidegate(&["run", "job.sql", "-s", "execution.runtime-mode=streaming"]).succeeded();
        assert_eq!(sorted_lines(&place, "out.csv"), sorted_lines(&ended, "out.csv"));
    }
}

#[test]
fn jobs_are_listed_with_their_state() {
    let place = Workplace::new();
    assert!(place.tidegate(&["jobs", "list", "--json"]).succeeded().objects().is_empty());
    let running = started(&place, &script());
    let info = |name: &str| place.tidegate(&["jobs", "show", name, "--json"]).succeeded().of_type("job_info").remove(0);
    let job = info("job");
    assert_eq!((job["status"].as_str(), job["name"].as_str()), (Some("RUNNING"), Some("job")));
    assert_eq!(job["process"], running.id());
    assert!(job["checkpoints"][0]["number"].as_u64().is_some_and(|number| number >= 1), "{job}");
    assert!(job["checkpoints"][0]["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{job}");
    let table = place.tidegate(&["jobs", "list"]).succeeded().stdout;
    assert!(table.contains("RUNNING") && table.contains("INSERT INTO out, kept"), "{table}");

    place.tidegate(&["jobs", "stop", "job"]).succeeded();
    let error = running.end().failed(130).of_type("error").remove(0);
    assert!(error["help"].as_str().is_some_and(|help| help.contains("goes on from here")), "{error}");
    assert_eq!(info("job")["status"], "SUSPENDED");
    let refused = place.tidegate(&["jobs", "savepoint", "job"]).failed(2);
    refused.says(&["is not running", "--from"]);
    place.tidegate(&["jobs", "show", "jop"]).failed(2).says(&["there is no job 'jop'", "job-"]);
}

#[test]
fn earlier_checkpoints_are_kept_and_stand_in_only_where_nothing_is_seen_twice() {
    let keep = ["-s", "execution.checkpointing.num-retained=3"];
    for endless in [true, false] {
        let place = Workplace::new();
        let script = if endless {
            script()
        } else {
            script().replace("'seed' = '3'", "'seed' = '3', 'number-of-rows' = '60000'")
        };
        place.write("job.sql", &script);
        let run = [&["run", "job.sql", "--json"], &OFTEN[..], &keep].concat();
        let running = Running::start(&place, &run);
        wait_until("there are earlier ones", || {
            let pattern = place.path("home/checkpoints/*/step-0/checkpoint-*");
            glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").count() >= 2
        });
        running.signal("KILL");
        running.end();
        let newest = found(&place, "home/checkpoints/*/step-0/checkpoint").expect("a checkpoint");
        std::fs::write(&newest, "rubbish").expect("it can be written");
        let outcome = place.tidegate(&run);
        if endless {
            let error = super::message(&outcome.failed(4));
            assert!(error.contains("can be seen already in out, kept"), "{error}");
            continue;
        }
        let outcome = outcome.succeeded();
        let warning = &outcome.of_type("warning")[0];
        assert!(warning["message"].as_str().is_some_and(|text| text.contains("goes on from checkpoint")), "{warning}");
        let expected = Workplace::new();
        expected.write("job.sql", &script);
        expected.tidegate(&["run", "job.sql"]).succeeded();
        assert_eq!(sorted_lines(&place, "kept.csv"), sorted_lines(&expected, "kept.csv"));
        assert_eq!(sorted_lines(&place, "out.csv"), sorted_lines(&expected, "out.csv"));
    }
}

#[test]
fn a_job_that_deletes_its_checkpoints_when_it_is_stopped_leaves_what_could_be_seen() {
    let place = Workplace::new();
    let retention = "SET 'execution.checkpointing.externalized-checkpoint-retention' = 'DELETE_ON_CANCELLATION';";
    let running = started(&place, &format!("{retention}{}", script()));
    wait_for_rows(&place, 100);
    running.signal("INT");
    let error = running.end().failed(130).of_type("error").remove(0);
    assert_eq!(error["message"], "stopped", "nothing is said of going on");
    assert!(found(&place, "home/checkpoints/*").is_none() && found(&place, ".tidegate-*").is_none());
    assert_a_start_of_all_rows(&place);
}

#[test]
fn a_report_says_what_a_job_waited_for() {
    let place = Workplace::new();
    // Twenty thousand rows a second are far fewer than it could take.
    place.write("job.sql", script().replace("'seed' = '3'", "'seed' = '3', 'number-of-rows' = '20000'"));
    let job = place.tidegate(&["run", "job.sql", "--json"]).succeeded().of_type("job").remove(0);
    let share = |of: &str| job["backpressure"][of].as_f64().expect("a share");
    let (sources, sinks) = (share("waiting_for_sources"), share("waiting_for_sinks"));
    assert!(sources > 0.0 && (0.0..=1.0).contains(&sinks) && sources + sinks <= 1.0, "{job}");
}
