//! Scripts that changed since their state was saved: what may change, and how the rest is refused.

use tidegate_tests::Workplace;
use tidegate_tests::running::found;

use super::{OFTEN, events, from, message, sorted_lines, started, stopped};

fn script(inserts: &str) -> String {
    format!("{}EXECUTE STATEMENT SET BEGIN\n{inserts}\nEND;", events(Some(60_000)))
}

const SECONDS: &str = "INSERT INTO out SELECT * FROM seconds;";
const KEPT: &str = "INSERT INTO kept SELECT * FROM events WHERE x < 0.1;";

/// A session window behind a view.
const SESSIONS: &str = "CREATE VIEW visits AS SELECT window_start, visitor, COUNT(*) AS events, SUM(x) AS total
 FROM TABLE(SESSION(TABLE events PARTITION BY visitor, DESCRIPTOR(ts), INTERVAL '30' SECOND))
 GROUP BY window_start, window_end, visitor;
INSERT INTO out SELECT * FROM visits;";

#[test]
fn a_new_insert_another_filter_and_other_settings_keep_the_state() {
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, &script(&format!("{SECONDS}{KEPT}"))));
    // The order is another one, one INSERT is new, a filter and a projection have changed.
    let changed = script(&format!(
        "INSERT INTO more SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
           GROUP BY window_start, window_end;
         INSERT INTO kept SELECT ts, visitor + 100, x FROM events WHERE x > 0.9;
         {SECONDS}"
    ));
    let more = "CREATE TABLE more (window_start TIMESTAMP(3), events BIGINT)
                WITH ('connector' = 'filesystem', 'path' = 'more.csv', 'format' = 'csv');";
    let settings = "SET 'parallelism.default' = '1'; SET 'execution.batch-size' = '1000';";
    place.write("job.sql", format!("{settings}{more}{changed}"));
    from(&place, &savepoint, &[]).succeeded();

    let expected = Workplace::new();
    expected.write("job.sql", format!("{more}{changed}"));
    expected.tidegate(&["run", "job.sql"]).succeeded();
    assert_eq!(sorted_lines(&place, "out.csv"), sorted_lines(&expected, "out.csv"), "the windows lost nothing");
    assert_eq!(
        sorted_lines(&place, "more.csv"),
        sorted_lines(&expected, "more.csv"),
        "what is new begins at the start"
    );
    // Rows of before by the old filter, of after by the new one.
    let kept = sorted_lines(&place, "kept.csv");
    let of =
        |after: bool| kept.iter().filter(move |line| line.split(',').nth(1).is_some_and(|v| v.len() == 3) == after);
    assert!(of(true).count() > 0 && of(false).count() > 1);
    let new = sorted_lines(&expected, "kept.csv");
    assert!(of(true).all(|line| new.contains(line)));
}

#[test]
fn a_changed_window_is_refused_by_name_and_may_be_dropped() {
    let script = format!("{}SET 'execution.runtime-mode' = 'streaming';\n{SESSIONS}", events(Some(60_000)));
    let place = Workplace::new();
    let savepoint = stopped(&place, started(&place, &script));
    place.write("job.sql", script.replace("'30' SECOND", "'20' SECOND"));
    let error = message(&from(&place, &savepoint, &[]).failed(2));
    assert!(
        error
            .contains("the state of SESSION in view visits (line 11) was made with gap 30 s; the script now says 20 s"),
        "{error}"
    );
    assert!(error.contains("--allow-dropped-state"), "{error}");
    assert!(found(&place, "home/checkpoints/*/run").is_none(), "nothing has begun");

    let outcome = from(&place, &savepoint, &["--allow-non-restored-state"]).succeeded();
    let warned: Vec<String> =
        outcome.of_type("warning").iter().map(|w| w["message"].as_str().expect("a message").to_string()).collect();
    assert!(warned.iter().any(|warning| warning.contains("SESSION in view visits") && warning.ends_with(": dropped")));
    // The position in the table was kept: the windows hold what came after the savepoint only.
    let events: u64 =
        place.read("out.csv").lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert!(events > 0 && events < 60_000, "{events}");
}

#[test]
fn changed_keys_aggregates_and_tables_are_refused() {
    let place = Workplace::new();
    let original = script(&format!("{SECONDS}{KEPT}"));
    let savepoint = stopped(&place, started(&place, &original));
    let refused = |changed: String| {
        assert_ne!(changed, original);
        place.write("job.sql", changed);
        message(&from(&place, &savepoint, &[]).failed(2))
    };
    let error = refused(original.replace("SUM(x)", "MAX(x)"));
    assert!(error.contains("the state of GROUP BY in view seconds") && error.contains("aggregates"), "{error}");
    let error = refused(original.replace("INTERVAL '1' SECOND", "INTERVAL '2' SECOND"));
    assert!(
        error.contains("the state of TUMBLE in view seconds") && error.contains("size 1 s; the script now says 2 s"),
        "{error}"
    );
    let error = refused(original.replace(KEPT, ""));
    assert!(error.contains("the state of the sink kept in INSERT INTO kept"), "{error}");
    assert!(error.contains("has no place in the script any more"), "{error}");
    let error = refused(original.replace("'path' = 'kept.csv'", "'path' = 'elsewhere.csv'"));
    assert!(error.contains("the state of the sink kept") && error.contains("the declaration"), "{error}");
    let error = refused(format!("SET 'execution.shards' = '4';{original}"));
    assert!(error.contains("'execution.shards' 16; the script now says 4"), "{error}");
    place.write("job.sql", &original);
    from(&place, &savepoint, &[]).succeeded();
}

#[test]
fn an_interrupted_job_goes_on_in_a_changed_script_from_its_own_folder() {
    let place = Workplace::new();
    let original = script(&format!("{SECONDS}{KEPT}"));
    let running = started(&place, &original);
    running.signal("INT");
    running.end().failed(130);
    let changed = original.replace("x < 0.1", "x < 0.2");
    place.write("job.sql", &changed);
    let run = [&["run", "job.sql", "--json"], &OFTEN[..]].concat();
    let error = message(&place.tidegate(&run).failed(4));
    assert!(error.contains("--from") && error.contains("--fresh"), "{error}");
    let folder = found(&place, "home/checkpoints/job-*").expect("the job's folder").display().to_string();
    assert!(error.contains(&folder[folder.find("home").unwrap()..]), "it names the folder: {error}");
    // What does not fit leaves the run as it was.
    place.write("job.sql", original.replace("SUM(x)", "MIN(x)"));
    from(&place, &folder, &[]).failed(2);
    place.write("job.sql", &changed);
    let job = from(&place, &folder, &[]).succeeded().of_type("job").remove(0);
    assert!(job["resumed_from"].as_u64().is_some_and(|number| number >= 1), "{job}");

    let expected = Workplace::new();
    expected.write("job.sql", &changed);
    expected.tidegate(&["run", "job.sql"]).succeeded();
    assert_eq!(sorted_lines(&place, "out.csv"), sorted_lines(&expected, "out.csv"));
}
