//! Records that cannot be read, by policy.

use std::fs;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use tidegate_connectors::{BadRecord, Error, OnError, SinkRequest, dead_letter_schema, dead_letters};

use super::*;

const CSV: &str =
    "id,value\n1,0.5\n2,abc\n\n3\n4,\"multi\nline\"\n5,1.5\n\"6\"x,1\n7,2.5\n99999999999999999999,1\n8,3.5\n9,\"open\n";
const JSON: &str = "{\"id\":1,\"value\":0.5}\n{\"id\":2,\"value\":\"abc\"}\n\nnot json\n{\"id\":5}\n{\"id\":6}{\"id\":6}\n{\"id\":7\n}\n{\"id\":8}\n[1]\n";

fn two() -> SchemaRef {
    schema(&[("id", DataType::Int64), ("value", DataType::Float64)])
}

fn read_bad(table: &dyn Table, batch_rows: usize) -> (Vec<i64>, Vec<BadRecord>) {
    let chunks = chunks(table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
    let ids = chunks.iter().flat_map(|chunk| chunk.batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    (ids.collect(), chunks.iter().flat_map(|chunk| chunk.bad.clone()).collect())
}

fn places(bad: &[BadRecord]) -> Vec<(&str, &str)> {
    bad.iter().map(|bad| (bad.location.as_str(), bad.reason.as_str())).collect()
}

#[test]
fn csv_skips_with_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), CSV).unwrap();
    let table = files(folder.path(), &two(), "t.csv", "csv", &[("csv.ignore-parse-errors", "true")]);
    assert_eq!(table.on_error(), OnError::Skip);
    for batch_rows in [1, 2, 3, 100] {
        let (ids, bad) = read_bad(&*table, batch_rows);
        assert_eq!(ids, [1, 5, 7, 8], "batches of {batch_rows}");
        let expected = [
            ("t.csv line 3", "column 'value': 'abc' is not of type DOUBLE"),
            ("t.csv line 5", "it has 1 fields; expected 2"),
            ("t.csv line 6", "column 'value': 'multi\nline' is not of type DOUBLE"),
            (
                "t.csv line 9",
                "in field 1 there is text after the closing quote; a quote inside quotes has to be doubled",
            ),
            ("t.csv line 11", "column 'id': '99999999999999999999' is not of type BIGINT"),
            ("t.csv line 13", "the quote that opens field 2 is never closed"),
        ];
        assert_eq!(places(&bad), expected, "batches of {batch_rows}");
        assert_eq!(bad[2].raw, "4,\"multi\nline\"");
        assert_eq!(bad[3].raw, "\"6\"x,1");
    }
}

#[test]
fn json_skips_with_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.json"), JSON).unwrap();
    let table = files(folder.path(), &two(), "t.json", "json", &[("on-error", "skip")]);
    for batch_rows in [1, 2, 3, 100] {
        let (ids, bad) = read_bad(&*table, batch_rows);
        assert_eq!(ids, [1, 5, 8], "batches of {batch_rows}");
        let lines: Vec<&str> = bad.iter().map(|bad| bad.location.as_str()).collect();
        let expected =
            ["t.json line 2", "t.json line 4", "t.json line 6", "t.json line 7", "t.json line 8", "t.json line 10"];
        assert_eq!(lines, expected, "batches of {batch_rows}");
        assert!(bad[0].reason.contains("abc"), "{}", bad[0].reason);
        assert_eq!(bad[1].reason, "it is not a JSON object");
        assert_eq!(bad[2].reason, "it has more than one JSON object, or not a whole one");
    }
}

#[test]
fn fail_stops_at_the_first_bad_record_after_the_rows_before_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "id,value\n1,1\n2,2\n3,3\n4,x\n5,5\n6\n").unwrap();
    fs::write(folder.path().join("t.json"), "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n\n{\"id\":\"x\"}\n{\"id\":5}\n{]\n")
        .unwrap();
    for (path, format, place) in [("t.csv", "csv", "t.csv line 5"), ("t.json", "json", "t.json line 5")] {
        let table = files(folder.path(), &two(), path, format, &[]);
        for batch_rows in [1, 2, 3, 4, 100] {
            let scan = table.scan(&ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
            let mut reader = scan.open(0, None).unwrap();
            let (mut rows, mut last) = (0, None);
            let failure = loop {
                match reader.next() {
                    Ok(Some(chunk)) => {
                        rows += chunk.batch.num_rows();
                        last = Some(chunk.position);
                    }
                    Ok(None) => panic!("{path} has a bad record"),
                    Err(failure) => break failure,
                }
            };
            assert_eq!(rows, 3, "{path} in batches of {batch_rows}");
            let Error::BadRecord(bad) = failure else { panic!("{failure}") };
            assert_eq!(bad.location, place);
            // From the last position the same record is met again.
            let mut again = scan.open(0, last.as_ref()).unwrap();
            let Err(Error::BadRecord(bad)) = again.next() else { panic!("the record is still bad") };
            assert_eq!(bad.location, place);
        }
    }
    let table = files(folder.path(), &two(), "t.csv", "csv", &[]);
    let said = read(&*table).unwrap_err().to_string();
    assert_eq!(said, "t.csv line 5: column 'value': 'x' is not of type DOUBLE\n  in: 4,x");
}

#[test]
fn a_record_may_not_be_longer_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(3_000_000);
    fs::write(folder.path().join("t.csv"), format!("id,value\n1,1\n2,{long}\n3,3\n4,\"{long}\n5,5\n6,\"no end"))
        .unwrap();
    fs::write(folder.path().join("t.json"), format!("{{\"id\":1}}\n{{\"id\":2,\"more\":\"{long}\"}}\n{{\"id\":3}}\n"))
        .unwrap();
    let options = [("on-error", "skip"), ("csv.max-record-bytes", "1000")];
    let table = files(folder.path(), &two(), "t.csv", "csv", &options);
    for batch_rows in [1, 100] {
        let (ids, bad) = read_bad(&*table, batch_rows);
        assert_eq!(ids, [1, 3, 5]);
        let lines: Vec<&str> = bad.iter().map(|bad| bad.location.as_str()).collect();
        assert_eq!(lines, ["t.csv line 3", "t.csv line 5", "t.csv line 7"]);
        assert_eq!(bad[0].reason, "it is longer than 'csv.max-record-bytes' = 1000");
        assert!(bad[0].raw.len() < 5000);
    }
    let options = [("on-error", "skip"), ("json.max-record-bytes", "1000")];
    let (ids, bad) = read_bad(&*files(folder.path(), &two(), "t.json", "json", &options), 100);
    assert_eq!((ids, bad[0].location.as_str()), (vec![1, 3], "t.json line 2"));
}

#[test]
fn dead_letters_are_rows_of_json() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), CSV).unwrap();
    let options = [("on-error", "dead-letter"), ("dead-letter.path", "bad/letters.jsonl")];
    let table = files(folder.path(), &two(), "t.csv", "csv", &options);
    assert_eq!(table.on_error(), OnError::DeadLetter);
    let (_, bad) = read_bad(&*table, 100);
    let request = SinkRequest { job: "job-1-dead".to_string(), ..sink_request(&dead_letter_schema()) };
    let mut sink = table.dead_letter_sink(&request).unwrap().unwrap();
    sink.write(&dead_letters(&bad).unwrap()).unwrap();
    sink.finish().unwrap();
    let text = fs::read_to_string(folder.path().join("bad/letters.jsonl")).unwrap();
    let first =
        "{\"location\":\"t.csv line 3\",\"reason\":\"column 'value': 'abc' is not of type DOUBLE\",\"raw\":\"2,abc\"}";
    assert_eq!(text.lines().next(), Some(first));
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn null_in_a_not_null_column_is_a_bad_record() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "id\n1\n\n2\n").unwrap();
    fs::write(folder.path().join("t.json"), "{\"id\":1}\n{}\n{\"id\":2}\n").unwrap();
    let loose = schema(&[("id", DataType::Int64)]);
    write(
        &*files(folder.path(), &loose, "t.parquet", "parquet", &[]),
        &[read(&*files(folder.path(), &loose, "t.csv", "csv", &[])).unwrap()],
    );
    let strict = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    for (path, format, place) in [
        ("t.csv", "csv", "t.csv line 3"),
        ("t.json", "json", "t.json line 2"),
        ("t.parquet", "parquet", "t.parquet row 2"),
    ] {
        let table = files(folder.path(), &strict, path, format, &[("on-error", "skip")]);
        let (ids, bad) = read_bad(&*table, 100);
        assert_eq!((ids, bad[0].location.as_str()), (vec![1, 2], place));
        let failure = read(&*files(folder.path(), &strict, path, format, &[])).unwrap_err();
        assert!(matches!(failure, Error::BadRecord(_)), "{failure}");
    }
}

#[test]
fn text_that_is_not_utf_8_costs_one_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), b"s\nok\n\xff\xfe\n\xc3\xa4\n").unwrap();
    let table = files(folder.path(), &schema(&[("s", DataType::Utf8)]), "t.csv", "csv", &[("on-error", "skip")]);
    let chunks = chunks(&*table, &ScanRequest::default()).unwrap();
    let texts: Vec<_> = chunks[0].batch.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["ok", "ä"]);
    assert_eq!(places(&chunks[0].bad), [("t.csv line 3", "column 's' is not UTF-8")]);
}
