//! Tables of our connectors in Apache Flink: read and written there as `tidegate run` does.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tidegate_tests::flink_cluster::Room;
use tidegate_tests::running::{Running, found, wait_up_to};
use tidegate_tests::{Outcome, Workplace};

use crate::flink::flink_command;

/// Every type that CSV has a form for.
const COLUMNS: &str = "id BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, whole INT, ratio FLOAT, amount DOUBLE,
  price DECIMAL(10, 2), huge DECIMAL(38, 10), word STRING, code CHAR(3), short_name VARCHAR(40), bits BYTES, pair BINARY(2),
  on_day DATE, millis TIMESTAMP(3), micros TIMESTAMP(6), nanos TIMESTAMP(9), seen TIMESTAMP_LTZ(3), fine TIMESTAMP_LTZ(6)";

/// More rows than Flink is given at once.
const ROWS: usize = 2_500;

/// No run of Flink takes longer, on however busy a machine.
const RUN_MAX: Duration = Duration::from_secs(300);

/// A script for `tidegate run` as one for Flink: the same tables, by our connectors, below a folder.
fn for_flink(place: &Workplace, script: &str) -> String {
    let ours = format!(
        "'connector' = 'tidegate', 'tidegate.folder' = '{}', 'tidegate.connector' = '",
        place.path("").display()
    );
    format!("SET 'parallelism.default' = '1';\n{}", script.replace("'connector' = '", &ours))
}

fn flink(place: &Workplace, script: &str) -> Outcome {
    let script = place.write("flink.sql", for_flink(place, script));
    let _room = Room::wait();
    Outcome::of(flink_command(&script).output().expect("java starts"))
}

/// Rows with the least and the greatest of each type, NULLs, and what has to be quoted.
fn rows() -> String {
    let mut text = "id,flag,tiny,small,whole,ratio,amount,price,huge,word,code,short_name,bits,pair,on_day,millis,micros,nanos,seen,fine\n"
        .to_string();
    let extremes = [
        "true,-128,-32768,-2147483648,1.17549435E-38,-1.7976931348623157E308,-99999999.99,-9999999999999999999999999999.9999999999,\
         \"a, \"\"b\"\"\",abc,grün,00ff,0001,0001-01-01,0001-01-01 00:00:00.001,0001-01-01 00:00:00.000001,\
         1677-09-22 00:00:00.000000001,1969-12-31 23:59:59.999Z,1969-12-31 23:59:59.999999Z",
        "false,127,32767,2147483647,3.4028235E38,4.9E-324,99999999.99,9999999999999999999999999999.9999999999,\"two\nlines\",,木,,,\
         9999-12-31,9999-12-31 23:59:59.999,9999-12-31 23:59:59.999999,2262-04-11 23:47:16.854775807,2038-01-19 03:14:08Z,\
         2038-01-19 03:14:08.000001Z",
        "-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-",
    ];
    for (id, row) in extremes.iter().enumerate() {
        writeln!(text, "{id},{row}").expect("a string takes it");
    }
    for id in extremes.len()..ROWS {
        let null = |column: usize, value: String| if (id + column).is_multiple_of(7) { "-".to_string() } else { value };
        let fields = [
            id.is_multiple_of(2).to_string(),
            (id as i64 % 256 - 128).to_string(),
            id.to_string(),
            (id * 1000).to_string(),
            (id as f32 / 3.0).to_string(),
            (id as f64 / 7.0).to_string(),
            format!("{id}.{:02}", id % 100),
            format!("-{id}.{:010}", id * 12_345),
            format!("word {id}"),
            format!("{:03}", id % 1000),
            "é".repeat(id % 20),
            "000102".to_string(),
            "ffff".to_string(),
            format!("2024-{:02}-{:02}", id % 12 + 1, id % 28 + 1),
            format!("2024-03-01 12:{:02}:00.{:03}", id % 60, id % 1000),
            format!("2024-03-01 12:{:02}:00.{:06}", id % 60, id * 7),
            format!("2024-03-01 12:{:02}:00.{:09}", id % 60, id * 77),
            format!("2024-03-01 12:{:02}:00.{:03}Z", id % 60, id % 1000),
            format!("2024-03-01 12:{:02}:00.{:06}Z", id % 60, id * 7),
        ];
        let fields: Vec<String> = fields.into_iter().enumerate().map(|(column, value)| null(column, value)).collect();
        writeln!(text, "{id},{}", fields.join(",")).expect("a string takes it");
    }
    text
}

/// What reads the rows and writes them in every format, below a folder.
fn copies(folder: &str) -> String {
    let mut script = format!(
        "CREATE TABLE rows_in ({COLUMNS})
         WITH ('connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv', 'csv.null-literal' = '-');
         CREATE TABLE times_in (id BIGINT, t TIME) WITH ('connector' = 'filesystem', 'path' = 'times.jsonl', 'format' = 'json');
         CREATE TABLE times_out (id BIGINT, t TIME)
         WITH ('connector' = 'filesystem', 'path' = '{folder}/times.json', 'format' = 'json');
         INSERT INTO times_out SELECT id, t FROM times_in;\n"
    );
    for (name, options) in [
        ("all.csv", "'format' = 'csv', 'csv.null-literal' = '-'"),
        ("all.csv.gz", "'format' = 'csv', 'csv.null-literal' = '-'"),
        ("all.json", "'format' = 'json'"),
        ("all.parquet", "'format' = 'parquet'"),
        ("parts", "'format' = 'csv', 'csv.null-literal' = '-', 'sink.rolling-policy.file-size' = '100 kb'"),
    ] {
        let table = name.replace('.', "_");
        write!(
            script,
            "CREATE TABLE {table} ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}', {options});
             INSERT INTO {table} SELECT * FROM rows_in;\n"
        )
        .expect("a string takes it");
    }
    // Some of the columns, in another order, of what was written just now.
    write!(
        script,
        "CREATE TABLE chosen (micros TIMESTAMP(6), id BIGINT, word STRING)
         WITH ('connector' = 'filesystem', 'path' = '{folder}/chosen.json', 'format' = 'json');
         INSERT INTO chosen SELECT micros, id, word FROM all_parquet WHERE id > 100;
         INSERT INTO chosen SELECT micros, id, word FROM parts WHERE id <= 100;
         INSERT OVERWRITE all_csv_gz SELECT * FROM all_parquet WHERE id < 50;\n"
    )
    .expect("a string takes it");
    script
}

#[test]
fn files_are_read_and_written_as_here() {
    let place = Workplace::new();
    place.write("rows.csv", rows());
    place.write("times.jsonl", "{\"id\":1,\"t\":\"00:00:00\"}\n{\"id\":2,\"t\":\"23:59:59\"}\n{\"id\":3}\n");
    place.run(&copies("here")).succeeded();
    for (mode, folder) in [("streaming", "there"), ("batch", "there_in_batches")] {
        flink(&place, &format!("SET 'execution.runtime-mode' = '{mode}';\n{}", copies(folder))).succeeded();
        let names = |folder: &str| {
            let files = glob::glob(place.path(&format!("{folder}/**/*")).to_str().expect("UTF-8")).expect("a pattern");
            let name = |file: PathBuf| file.strip_prefix(place.path(folder)).expect("in it").display().to_string();
            let names = files.map(|file| name(file.expect("a file")));
            // When a file is ended depends on how many rows come together.
            names.filter(|name| !name.starts_with("parts/part-")).collect::<Vec<_>>()
        };
        assert_eq!(names(folder), names("here"), "{mode}");
        for file in ["all.csv", "all.json", "chosen.json", "times.json"] {
            let (here, there) = (place.read(&format!("here/{file}")), place.read(&format!("{folder}/{file}")));
            assert_eq!(here, there, "{file}, {mode}");
            assert!(here.lines().count() > 2, "{file}");
        }
        // Of what is packed, and of a folder, the rows are compared: they are not packed in equal pieces.
        let mut script = String::new();
        for (table, options) in [
            ("all.csv.gz", "'format' = 'csv', 'csv.null-literal' = '-'"),
            ("all.parquet", "'format' = 'parquet'"),
            ("parts", "'format' = 'csv', 'csv.null-literal' = '-'"),
        ] {
            for (side, folder) in [("here", "here"), ("there", folder)] {
                write!(
                    script,
                    "CREATE TABLE `{side} {table}` ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{folder}/{table}', {options});
                     CREATE TABLE `{side} {table} read` ({COLUMNS})
                     WITH ('connector' = 'filesystem', 'path' = 'read/{side} {table}.json', 'format' = 'json');
                     INSERT OVERWRITE `{side} {table} read` SELECT * FROM `{side} {table}` ORDER BY id;\n"
                )
                .expect("a string takes it");
            }
        }
        place.run(&script).succeeded();
        for (table, rows) in [("all.csv.gz", 50), ("all.parquet", ROWS), ("parts", ROWS)] {
            let read = |side: &str| place.read(&format!("read/{side} {table}.json"));
            assert_eq!(read("here"), read("there"), "{table}, {mode}");
            assert_eq!(read("here").lines().count(), rows, "{table}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_in_our_words() {
    let place = Workplace::new();
    place.write("rows.csv", "id,x\n1,1.5\n2,two\n");
    place.write("watched/rows.csv", "id,x\n");
    let script = |columns: &str, options: &str| {
        format!(
            "CREATE TABLE rows_in ({columns}) WITH ('connector' = 'filesystem', 'format' = 'csv', {options});
             CREATE TABLE rows_out (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out.csv', 'format' = 'csv');
             INSERT INTO rows_out SELECT id FROM rows_in WHERE x > 0;"
        )
    };
    let columns = "id BIGINT, x DOUBLE";
    for (columns, options, says) in [
        (columns, "'path' = 'rows.csv', 'csv.null-litral' = ''", "table 'rows_in': unknown option 'csv.null-litral'"),
        (columns, "'path' = 'row.csv'", "rows.csv'?"),
        (columns, "'path' = 'rows.csv', 'tidegate.base' = '/'", "unknown option 'tidegate.base'"),
        (
            "id BIGINT, x DOUBLE, y ARRAY<DOUBLE>",
            "'path' = 'rows.csv'",
            "table 'rows_in', column 'y': ARRAY<DOUBLE> cannot be read",
        ),
        (columns, "'path' = 'watched', 'source.monitor-interval' = '1 s'", "does not work in Flink yet"),
        (columns, "'path' = 'rows.csv'", "rows.csv line 3: column 'x'"),
    ] {
        let outcome = flink(&place, &script(columns, options));
        assert_ne!(outcome.code, Some(0), "{options}");
        assert!(outcome.stderr.contains(says), "{says} is missing:\n{}", outcome.stderr);
        assert!(!place.path("out.csv").exists(), "nothing is visible of a job that failed");
    }
    flink(&place, &script(columns, "'path' = 'rows.csv', 'on-error' = 'skip'")).succeeded();
    assert_eq!(place.read("out.csv"), "id\n1\n");
}

/// Rows that come at a pace, and a table for them.
fn paced(rows: &str, target: &str) -> String {
    format!(
        "CREATE TABLE made (id BIGINT, x DOUBLE, word STRING)
         WITH ('connector' = 'datagen', 'rows-per-second' = '2000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0',
               'fields.id.end' = '{rows}', 'fields.word.length' = '8', 'fields.x.null-rate' = '0.1');
         CREATE TABLE kept (id BIGINT, x DOUBLE, word STRING)
         WITH ('connector' = 'filesystem', 'path' = '{target}', 'format' = 'csv', 'csv.null-literal' = '-');
         INSERT INTO kept SELECT id, x, word FROM made;"
    )
}

/// Flink with checkpoints, begun at the newest of those that are there.
fn checkpointed(place: &Workplace, script: &str) -> Running {
    let folder = place.path("checkpoints");
    let mut settings = format!(
        "SET 'execution.checkpointing.interval' = '200 ms';
         SET 'execution.checkpointing.dir' = 'file://{}';
         SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
         SET 'execution.checkpointing.num-retained' = '3';\n",
        folder.display()
    );
    if let Some(newest) = newest_checkpoint(place) {
        writeln!(settings, "SET 'execution.state-recovery.path' = 'file://{}';", newest.display())
            .expect("a string takes it");
    }
    let script = place.write("flink.sql", settings + &for_flink(place, script));
    let mut java = flink_command(&script);
    java.stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::of(java)
}

/// The newest checkpoint that is complete, of any run.
fn newest_checkpoint(place: &Workplace) -> Option<PathBuf> {
    let pattern = place.path("checkpoints/*/chk-*/_metadata");
    let complete = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").filter_map(Result::ok);
    let newest = complete.filter_map(|file| Some((fs::metadata(&file).ok()?.modified().ok()?, file))).max()?;
    Some(newest.1.parent().expect("its folder").to_path_buf())
}

#[test]
fn a_job_that_is_killed_and_goes_on_writes_every_row_once() {
    let place = Workplace::new();
    place.run(&paced("20000", "here.csv")).succeeded();
    let script = paced("20000", "there.csv");
    for _ in 0..2 {
        let before = newest_checkpoint(&place);
        let mut running = checkpointed(&place, &script);
        wait_up_to(RUN_MAX, "there is another checkpoint", || {
            assert!(!running.has_ended(), "it ended before it was killed");
            newest_checkpoint(&place) != before
        });
        drop(running);
        assert!(!place.path("there.csv").exists(), "rows appear at the end");
    }
    checkpointed(&place, &script).end().succeeded();
    assert!(place.read("here.csv") == place.read("there.csv"), "there are other rows");
    assert_eq!(found(&place, ".tidegate*"), None, "nothing hidden is left");
}

#[test]
fn a_job_without_an_end_shows_every_row_once() {
    let place = Workplace::new();
    place.run(&paced("20000", "here.csv")).succeeded();
    let here: Vec<String> = place.read("here.csv").lines().skip(1).map(String::from).collect();
    let kept = || -> Vec<String> {
        let mut rows: Vec<String> = Vec::new();
        let files = glob::glob(place.path("kept/part-*").to_str().expect("UTF-8")).expect("a pattern");
        for file in files.filter_map(Result::ok) {
            rows.extend(fs::read_to_string(file).unwrap_or_default().lines().skip(1).map(String::from));
        }
        rows.sort_by_key(|row| row.split(',').next().and_then(|id| id.parse::<u64>().ok()));
        rows
    };
    // A second table without rows, but without an end.
    let never = "CREATE TABLE never (id BIGINT, x DOUBLE, word STRING)
                 WITH ('connector' = 'datagen', 'rows-per-second' = '100', 'fields.id.min' = '0');\n";
    let script = never.to_string()
        + &paced("20000", "kept").replace("FROM made", "FROM made UNION ALL SELECT * FROM never WHERE id < 0");
    for run in 1..=3 {
        let enough = if run < 3 { kept().len() + 500 } else { here.len() };
        let mut running = checkpointed(&place, &script);
        wait_up_to(RUN_MAX, "rows appear", || {
            assert!(!running.has_ended(), "it ended by itself");
            kept().len() >= enough
        });
        drop(running);
        let rows = kept();
        let other = rows.iter().zip(&here).position(|(there, here)| there != here);
        assert_eq!(other, None, "run {run}: a row that is not the one of that number");
        assert!(rows.len() <= here.len(), "run {run}: {} rows", rows.len());
    }
}
