//! What cannot be computed over a table without end is refused before the job starts, with the place and what to write
//! instead.

use tidegate_tests::Workplace;

const TABLES: &str =
    "CREATE TABLE events (id BIGINT, v DOUBLE, session_id BIGINT, other TIMESTAMP(3), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen');
CREATE TABLE names (id BIGINT, name STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
CREATE TABLE sink (id BIGINT) WITH ('connector' = 'blackhole');\n";

/// Each construct, the line and column that are pointed at (0: the statement's, on line 5), what it is called, and a part of
/// the advice.
const REFUSED: &[(&str, usize, &str, &str)] = &[
    ("SELECT id FROM events ORDER BY v", 23, "ORDER BY", "leave it out"),
    ("SELECT COUNT(*) FROM events", 0, "GROUP BY without a window", "TUMBLE"),
    ("SELECT COUNT(*) FROM events GROUP BY id", 29, "GROUP BY without a window", "TUMBLE"),
    ("SELECT a.id FROM events AS a JOIN events AS b ON a.id = b.id", 30, "JOIN of two streams", "BETWEEN"),
    ("SELECT ROW_NUMBER() OVER (ORDER BY v) FROM events", 21, "OVER", "bounded table"),
    ("SELECT ROW_NUMBER() OVER (ORDER BY ts DESC) FROM events", 21, "event time", "ascending"),
    ("SELECT COUNT(v) OVER (PARTITION BY id) FROM events", 17, "event time", "WATERMARK FOR"),
    ("SELECT LEAD(id) OVER (ORDER BY ts) FROM events", 17, "of this function", "LAG"),
    (
        "SELECT COUNT(v) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM events",
        17,
        "frame",
        "CURRENT ROW",
    ),
    ("SELECT COUNT(v) OVER (ORDER BY ts RANGE INTERVAL '1' MONTH PRECEDING) FROM events", 17, "months", "DAY"),
    (
        "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts DESC) AS n FROM events) WHERE n = 1",
        41,
        "the last row of each key",
        "ASC",
    ),
    ("SELECT id FROM events LIMIT 5", 23, "LIMIT", "leave it out"),
    ("SELECT id FROM events WHERE v > (SELECT AVG(v) FROM events)", 0, "subquery", "INSERT INTO"),
    (
        "SELECT id FROM TABLE(HOP(TABLE events, DESCRIPTOR(other), INTERVAL '1' HOUR, INTERVAL '2' HOUR))",
        22,
        "HOP over a column that is not an event time",
        "WATERMARK",
    ),
    (
        "SELECT id FROM TABLE(SESSION(TABLE events PARTITION BY session_id, DESCRIPTOR(other), INTERVAL '1' HOUR))",
        22,
        "SESSION over a column that is not an event time",
        "WATERMARK",
    ),
    (
        "SELECT id FROM TABLE(TUMBLE(TABLE (SELECT id, ts FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' HOUR,
         INTERVAL '1' DAY))), DESCRIPTOR(ts), INTERVAL '1' DAY))",
        22,
        "TUMBLE over a column that is not an event time",
        "window_time",
    ),
    ("SELECT id FROM events INTERSECT SELECT id FROM names", 0, "", ""),
];

#[test]
fn a_construct_without_end_is_pointed_at() {
    let place = Workplace::new();
    for (query, column, construct, advice) in REFUSED {
        let outcome = place.run(&format!("{TABLES}INSERT INTO sink\n{query};")).failed(2);
        let at = if *column == 0 { "job.sql:5:1: ".to_string() } else { format!("job.sql:6:{column}: ") };
        assert!(outcome.stderr.starts_with(&at), "{query}: expected {at}\n{}", outcome.stderr);
        assert!(outcome.stderr.contains("over the unbounded table 'events'"), "{query}\n{}", outcome.stderr);
        let (_, help) = outcome.stderr.split_once("help: ").unwrap_or_else(|| panic!("no help: {}", outcome.stderr));
        assert!(outcome.stderr.contains(construct) && help.contains(advice), "{query}\n{}", outcome.stderr);
    }
}

#[test]
fn a_result_without_end_is_not_printed() {
    let outcome = Workplace::new().run(&format!("{TABLES}SELECT * FROM events;")).failed(2);
    outcome.says(&["job.sql:5:1: a SELECT that prints its rows over the unbounded table 'events'", "INSERT INTO"]);
}

/// It is found by looking at the script: a mistake at its end costs nothing of what stands before it.
#[test]
fn it_is_refused_before_anything_runs() {
    let place = Workplace::new();
    let script = format!(
        "{TABLES}CREATE TABLE out (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
         INSERT INTO out SELECT id FROM names;
         INSERT INTO sink SELECT id FROM events ORDER BY v;"
    );
    place.run(&script).failed(2);
    assert!(!place.path("out.csv").exists());
    place.tidegate(&["check", "job.sql"]).failed(2).says(&["job.sql:7:"]);
}

/// Windows over windows are a stream: their time is an event time.
#[test]
fn windows_over_windows_are_taken() {
    let place = Workplace::new();
    for inner in [
        "TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
        "HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
        "CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)",
        "SESSION(TABLE events PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
    ] {
        let script = format!(
            "{TABLES}INSERT INTO sink SELECT SUM(n) FROM TABLE(TUMBLE(TABLE (
               SELECT window_time AS t, COUNT(*) AS n FROM TABLE({inner}) GROUP BY window_start, window_end, window_time
             ), DESCRIPTOR(t), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;"
        );
        place.write("job.sql", &script);
        place.tidegate(&["check", "job.sql"]).succeeded();
    }
}
