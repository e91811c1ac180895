//! Window functions that are called wrongly: refused before anything runs, with the place.

use tidegate_tests::Workplace;

const TABLE: &str =
    "CREATE TABLE t (k BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'blackhole');\n";

/// Each call, what of it is pointed at, and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '4' MINUTE, INTERVAL '10' MINUTE)",
        "INTERVAL '10'",
        "HOP: SIZE must be a multiple of SLIDE, but 600000 ms is not one of 240000 ms",
    ),
    (
        "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '5' MINUTE)",
        "INTERVAL '5'",
        "HOP: SIZE must be a multiple of SLIDE, but 300000 ms is not one of 600000 ms",
    ),
    (
        "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '4' MINUTE, INTERVAL '10' MINUTE)",
        "INTERVAL '10'",
        "CUMULATE: SIZE must be a multiple of STEP, but 600000 ms is not one of 240000 ms",
    ),
    (
        "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' DAY)",
        "INTERVAL '1' SECOND",
        "CUMULATE: each row would be in 86400 windows, of which 1440 is the most: take a greater STEP",
    ),
    (
        "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '0' MINUTE, INTERVAL '5' MINUTE)",
        "INTERVAL '0'",
        "SLIDE must be positive",
    ),
    ("TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '-5' MINUTE)", "INTERVAL '-5'", "SIZE must be positive"),
    ("TUMBLE(TABLE t, DESCRIPTOR(ts), 5)", "5)", "SIZE takes an INTERVAL such as INTERVAL '1' HOUR"),
    (
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH)",
        "INTERVAL",
        "SIZE takes an INTERVAL such as INTERVAL '1' HOUR",
    ),
    (
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, 7)",
        "7",
        "OFFSET takes an INTERVAL such as INTERVAL '1' HOUR",
    ),
    (
        "TUMBLE(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' HOUR)",
        "TABLE t",
        "TUMBLE takes no PARTITION BY: each row has its windows by its time alone; put the key into GROUP BY",
    ),
    (
        "SESSION(TABLE t PARTITION BY k + 1, DESCRIPTOR(ts), INTERVAL '1' HOUR)",
        "TABLE t",
        "PARTITION BY takes columns of the table; found k + 1",
    ),
    ("SESSION(TABLE t PARTITION BY kk, DESCRIPTOR(ts), INTERVAL '1' HOUR)", "kk", "the input has no column 'kk'"),
    ("SESSION(TABLE t, DESCRIPTOR(k), INTERVAL '1' HOUR)", "DESCRIPTOR", "'k' is BIGINT; a window needs a TIMESTAMP"),
    ("SESSION(TABLE t, DESCRIPTOR(ts))", "SESSION", "SESSION: argument GAP is missing"),
    ("SESSION(TABLE t, DESCRIPTOR(ts), GAB => INTERVAL '1' HOUR)", "GAB", "did you mean GAP?"),
    ("HOPP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' HOUR)", "HOPP", "did you mean HOP?"),
    (
        "TUMBLE(TABLE (SELECT ts, k AS window_end FROM t), DESCRIPTOR(ts), INTERVAL '1' HOUR)",
        "TABLE (",
        "the input already has a column 'window_end', which the window would add: rename it with AS",
    ),
];

#[test]
fn a_wrong_call_is_pointed_at() {
    let place = Workplace::new();
    for (call, pointed, message) in REFUSED {
        let column = "SELECT * FROM TABLE(".len() + call.find(pointed).expect("a part of the call") + 1;
        let outcome = place.run(&format!("{TABLE}SELECT * FROM TABLE({call});")).failed(2);
        assert!(outcome.stderr.starts_with(&format!("job.sql:2:{column}: ")), "{call}\n{}", outcome.stderr);
        outcome.says(&[message]);
    }
}

#[test]
fn a_table_that_cannot_take_late_rows_is_refused_before_anything_runs() {
    let place = Workplace::new();
    let script = |columns: &str, name: &str| {
        format!(
            "SET 'execution.runtime-mode' = 'streaming';
             {TABLE}
             CREATE TABLE late ({columns}) WITH ('connector' = 'blackhole');
             CREATE VIEW seen AS SELECT k FROM t;
             CREATE TABLE s (k BIGINT) WITH ('connector' = 'blackhole');
             SET 'table.exec.late-rows.table' = '{name}';
             INSERT INTO s SELECT k FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR));"
        )
    };
    for (columns, name, said) in [
        ("raw STRING", "lat", "there is no table 'lat'"),
        ("raw STRING", "seen", "'seen' is a view; late rows can be written to a table only"),
        ("raw STRING, event_tim TIMESTAMP(3)", "late", "did you mean 'event_time'?"),
        ("raw BIGINT", "late", "its column 'raw' must be STRING; it is BIGINT"),
        ("raw STRING NOT NULL", "late", "its column 'raw' must be STRING without NOT NULL"),
    ] {
        place.run(&script(columns, name)).failed(2).says(&["job.sql:8:", said]);
    }
}
