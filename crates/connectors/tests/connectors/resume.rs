//! Reading can continue from every position that was given out.

use std::fs;

use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use tidegate_connectors::Error;

use super::*;

/// From every position of a table, the rest is what follows; and the batches' size makes no difference.
fn every_position(table: &dyn Table) {
    let request = ScanRequest { batch_rows: 7, ..ScanRequest::default() };
    let chunks = chunks(table, &request).unwrap();
    let whole = read_with(table, &ScanRequest::default()).unwrap();
    let mut rows = 0;
    for chunk in &chunks {
        rows += chunk.batch.num_rows();
        let rest = read_from(table, &ScanRequest { batch_rows: 5, ..ScanRequest::default() }, &chunk.position).unwrap();
        assert_eq!(rest, whole.slice(rows, whole.num_rows() - rows), "after {rows} rows");
    }
    assert_eq!(rows, whole.num_rows());
    assert!(chunks.len() > 3);
}

#[test]
fn of_every_format_and_compression() {
    for (format, path) in [
        ("csv", "t.csv"),
        ("csv", "t.csv.gz"),
        ("csv", "t.csv.zst"),
        ("json", "t.json"),
        ("json", "t.json.gz"),
        ("parquet", "t.parquet"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let batch = concat_batches(&samples().schema(), &vec![samples(); 5]).unwrap();
        let table = files(folder.path(), &batch.schema(), path, format, &[]);
        write(&*table, &[batch]);
        every_position(&*table);
    }
}

#[test]
fn of_a_folder_with_bad_records() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("id", DataType::Int64), ("text", DataType::Utf8)]);
    for file in 0..3 {
        let rows: String = (0..30)
            .map(|i| match i % 7 {
                3 => "bad\n".to_string(),
                5 => format!("{i},\"two\nlines\"\n\n"),
                6 => format!("x{i},y\n"),
                _ => format!("{i},z\n"),
            })
            .collect();
        fs::create_dir_all(folder.path().join("d")).unwrap();
        fs::write(folder.path().join(format!("d/{file}.csv")), format!("id,text\n{rows}")).unwrap();
    }
    let table = files(folder.path(), &schema, "d", "csv", &[("on-error", "skip")]);
    every_position(&*table);
    // The lines of bad records are counted on, too.
    let all = |batch_rows| {
        let chunks = chunks(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        let bad: Vec<_> = chunks.iter().flat_map(|chunk| chunk.bad.clone()).map(|bad| bad.location).collect();
        (bad, chunks)
    };
    let (bad, chunks) = all(4);
    let scan = table.scan(&ScanRequest::default()).unwrap();
    let mut rest = scan.open(1, Some(&chunks.iter().find(|chunk| chunk.position.part == 1).unwrap().position)).unwrap();
    let rest = rest.next().unwrap().unwrap();
    let later: Vec<_> = bad.iter().filter(|place| place.starts_with("d/1.csv")).cloned().collect();
    let found: Vec<_> = rest.bad.iter().map(|bad| bad.location.clone()).collect();
    assert_eq!(found, later[later.len() - found.len()..]);
    assert_eq!(all(1000).0, bad);
}

#[test]
fn a_changed_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&[("id", DataType::Int64)]);
    let write_file = |name: &str, text: &str| {
        fs::create_dir_all(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d").join(name), text).unwrap();
    };
    write_file("a.csv", "id\n1\n2\n3\n");
    write_file("b.csv", "id\n4\n5\n6\n");
    let table = files(folder.path(), &schema, "d", "csv", &[]);
    let request = ScanRequest { batch_rows: 2, ..ScanRequest::default() };
    let position = chunks(&*table, &request).unwrap()[2].position.clone();
    assert_eq!(position.part, 1);
    let refusal = || match read_from(&*table, &request, &position).unwrap_err() {
        Error::Changed { path, message } => format!("{path}: {message}"),
        other => panic!("{other}"),
    };
    write_file("b.csv", "id\n4\n5\n6\n7\n");
    assert_eq!(
        refusal(),
        "d/b.csv: cannot continue: the file had 9 bytes when the checkpoint was taken and now has 11"
    );
    write_file("b.csv", "id\n7\n8\n9\n");
    assert_eq!(refusal(), "d/b.csv: cannot continue: the file's contents changed since the checkpoint was taken");
    write_file("b.csv", "id\n4\n5\n6\n");
    write_file("a.csv", "id\n1\n2\n3\n33\n");
    assert_eq!(
        refusal(),
        "d/b.csv: cannot continue: the files before it in the table's path changed since the checkpoint was taken"
    );
    write_file("a.csv", "id\n1\n2\n3\n");
    assert_eq!(read_from(&*table, &request, &position).unwrap().num_rows(), 1);
}
