//! Mistakes in `CREATE TABLE` are told in words that help.

use std::fs;

use arrow::datatypes::DataType;
use tidegate_connectors::{CONNECTORS, open_table};

use super::*;

fn said(options: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("price", DataType::Float64), ("name", DataType::Utf8)]);
    open_table(&spec(folder.path(), &schema, options)).unwrap_err().to_string()
}

#[test]
fn of_connectors_and_options() {
    let csv = [("connector", "filesystem"), ("path", "t.csv"), ("format", "csv")];
    let with = |more: &[(&'static str, &'static str)]| said(&[&csv[..], more].concat());
    assert_eq!(
        said(&[]),
        "table 't': option 'connector' is missing; the connectors are: filesystem, kafka, datagen, nexmark, print, blackhole"
    );
    assert_eq!(
        said(&[("connector", "filesytem")]),
        "table 't': unknown connector 'filesytem'; did you mean 'filesystem'?"
    );
    assert_eq!(
        said(&[("connector", "pulsar")]),
        "table 't': unknown connector 'pulsar'; there is: filesystem, kafka, datagen, nexmark, print, blackhole"
    );
    assert_eq!(with(&[("csv.heder", "true")]), "table 't': unknown option 'csv.heder'; did you mean 'csv.header'?");
    assert_eq!(
        with(&[("on-error", "ignore")]),
        "table 't': option 'on-error': 'ignore' is not one of 'fail', 'skip', 'dead-letter'"
    );
    assert_eq!(
        with(&[("json.ignore-parse-errors", "true")]),
        "table 't': option 'json.ignore-parse-errors' is for the format json, but 'format' is 'csv'"
    );
    assert_eq!(
        with(&[("on-error", "dead-letter")]),
        "table 't': 'on-error' = 'dead-letter' needs a place for the bad records: set 'dead-letter.path'"
    );
    assert_eq!(
        with(&[("on-error", "fail"), ("csv.ignore-parse-errors", "true")]),
        "table 't': 'csv.ignore-parse-errors' = 'true' means 'on-error' = 'skip', but 'on-error' is 'fail'"
    );
    assert_eq!(
        with(&[("csv.field-delimiter", "||")]),
        "table 't': option 'csv.field-delimiter': '||' is not one ASCII character (or '\\t')"
    );
    assert_eq!(
        with(&[("csv.field-delimiter", "\"")]),
        "table 't': the field delimiter, the quote and the escape character have to be different"
    );
    assert_eq!(
        said(&[("connector", "filesystem"), ("path", "s3://bucket/t.csv"), ("format", "csv")]),
        "table 't': 'path' = 's3://bucket/t.csv': only local files can be read and written, not 's3:'"
    );
    assert_eq!(
        said(&[("connector", "filesystem"), ("format", "csv")]),
        "table 't': option 'path' is missing; it takes text: A file, a folder (all files in it and below), or a pattern with * and ?."
    );
    let nested = schema(&[("a", DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))))]);
    let folder = tempfile::tempdir().unwrap();
    let said = open_table(&spec(folder.path(), &nested, &csv)).unwrap_err().to_string();
    assert_eq!(said, "table 't': column 'a': csv has no form for ARRAY<BIGINT>; use the format json or parquet");
}

#[test]
fn of_datagen() {
    let with = |more: &[(&'static str, &'static str)]| said(&[&[("connector", "datagen")][..], more].concat());
    assert_eq!(
        with(&[("fields.price.mim", "1")]),
        "table 't': unknown option 'fields.price.mim'; did you mean 'fields.price.min'?"
    );
    assert_eq!(
        with(&[("fields.prices.min", "1")]),
        "table 't': unknown option 'fields.prices.min'; did you mean 'fields.price.min'?"
    );
    assert_eq!(
        with(&[("number-of-row", "1")]),
        "table 't': unknown option 'number-of-row'; did you mean 'number-of-rows'?"
    );
    assert_eq!(with(&[("fields.price.min", "x")]), "table 't': option 'fields.price.min': 'x' is not a finite number");
    assert_eq!(with(&[("fields.price.min", "2")]), "table 't': option 'fields.price.min': it is greater than 'max'");
    assert_eq!(
        with(&[("fields.name.min", "2")]),
        "table 't': option 'fields.name.min': a column of type STRING has no bounds"
    );
    assert_eq!(
        with(&[("fields.price.null-rate", "2")]),
        "table 't': option 'fields.price.null-rate': '2' is not a number from 0 to 1"
    );
    assert_eq!(
        with(&[("fields.name.kind", "sequence"), ("fields.name.start", "1")]),
        "table 't': option 'fields.name.end': a sequence needs both 'start' and 'end'"
    );
    assert_eq!(
        with(&[("fields.name.kind", "sequence"), ("fields.name.length", "1")]),
        "table 't': option 'fields.name.length': it is for the kind 'random', but the column's kind is 'sequence'"
    );
    assert_eq!(
        with(&[("start-time", "today")]),
        "table 't': option 'start-time': 'today' is not a timestamp such as '2024-01-01 00:00:00'"
    );
}

#[test]
fn of_missing_files_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("price", DataType::Float64), ("name", DataType::Utf8)]);
    fs::write(folder.path().join("visits.csv"), "prise,name\n1,a\n").unwrap();
    let shown = folder.path().display();
    let said = |path: &str, format: &str| {
        files(folder.path(), &schema, path, format, &[]).scan(&ScanRequest::default()).unwrap_err().to_string()
    };
    assert_eq!(
        said("visit.csv", "csv"),
        format!("table 't': no file at '{shown}/visit.csv'; did you mean '{shown}/visits.csv'?")
    );
    assert_eq!(
        said("zzz", "csv"),
        format!("table 't': no file at '{shown}/zzz'; the folder '{shown}' has: visits.csv")
    );
    assert_eq!(
        said("no/t.csv", "csv"),
        format!("table 't': no file at '{shown}/no/t.csv'; the folder '{shown}/no' does not exist")
    );
    assert_eq!(said("*.json", "csv"), format!("table 't': no file at '{shown}/*.json'; the pattern matches no file"));
    assert_eq!(said("visits.csv", "csv"), "visits.csv: it has no column 'price'; did you mean 'prise'?");
    fs::write(folder.path().join("twice.csv"), "price,name,price\n1,a,2\n").unwrap();
    assert_eq!(said("twice.csv", "csv"), "twice.csv: its header names the column 'price' more than once");
    assert!(said("visits.csv", "parquet").starts_with("visits.csv: cannot be read as parquet: "));
}

#[test]
fn of_sides_that_a_connector_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("a", DataType::Int64)]);
    for connector in ["print", "blackhole"] {
        let table = open(folder.path(), &schema, &[("connector", connector)]);
        let said = table.scan(&ScanRequest::default()).unwrap_err().to_string();
        assert_eq!(said, format!("table 't': the connector '{connector}' can only be written to"));
    }
    let table = open(folder.path(), &schema, &[("connector", "datagen")]);
    let said = table.sink(&sink_request(&schema)).err().unwrap().to_string();
    assert_eq!(said, "table 't': the connector 'datagen' can only be read");
}

#[test]
fn of_a_file_that_rows_do_not_fit_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "a,b\n1,2\n").unwrap();
    let one = schema(&[("a", DataType::Int64)]);
    let table = files(folder.path(), &one, "t.csv", "csv", &[]);
    let said = table.sink(&sink_request(&one)).err().unwrap().to_string();
    assert_eq!(
        said,
        "t.csv: rows cannot be added to it: its header is 'a,b', but the table's columns are 'a'; INSERT OVERWRITE replaces the file"
    );
    let batch = numbered(0, 3);
    write(&*files(folder.path(), &batch.schema(), "t.parquet", "parquet", &[]), &[batch]);
    let table = files(folder.path(), &one, "t.parquet", "parquet", &[]);
    let mut sink = sink(&*table, &one);
    sink.write(&RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap()).unwrap();
    let said = sink.finish().unwrap_err().to_string();
    assert!(
        said.contains("its columns are (id INT64, text BYTE_ARRAY, value DOUBLE), the table's are (a INT64)"),
        "{said}"
    );
    assert_eq!(
        read(&*files(folder.path(), &numbered(0, 1).schema(), "t.parquet", "parquet", &[])).unwrap(),
        numbered(0, 3)
    );
}

#[test]
fn every_option_is_declared_once_and_its_default_is_of_its_kind() {
    for connector in CONNECTORS {
        for tables in [connector.source_options, connector.sink_options] {
            let all: Vec<_> = tables.iter().flat_map(|table| table.iter()).collect();
            for (i, def) in all.iter().enumerate() {
                assert!(all[..i].iter().all(|other| other.name != def.name), "{}", def.name);
                assert!(def.default.is_none_or(|text| def.kind.read(text).is_some()), "{}", def.name);
                assert!(def.doc.ends_with('.'), "{}", def.name);
            }
        }
    }
}
