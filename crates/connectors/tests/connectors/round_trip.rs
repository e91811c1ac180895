//! What is written is read back.

use std::fs;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type};
use tidegate_connectors::{ScanRequest, SinkRequest};

use super::*;

#[test]
fn every_type_in_every_format_and_compression() {
    let batch = samples();
    let forms = [
        ("csv", "t.csv", &[][..]),
        ("csv", "t.csv.gz", &[]),
        ("csv", "t.csv.zst", &[]),
        ("csv", "t.csv", &[("csv.header", "false"), ("csv.field-delimiter", "\\t"), ("csv.escape-character", "\\")]),
        ("csv", "t.csv", &[("csv.null-literal", "NULL"), ("csv.allow-comments", "true"), ("csv.quote-character", "'")]),
        ("json", "t.json", &[]),
        ("json", "t.jsonl.gz", &[]),
        ("json", "t.json.zst", &[]),
        ("json", "t.json", &[("compression", "zstd")]),
        ("parquet", "t.parquet", &[]),
        ("parquet", "t.parquet", &[("parquet.compression", "snappy")]),
        ("parquet", "t.parquet", &[("parquet.compression", "lz4")]),
        ("parquet", "t.parquet", &[("parquet.compression", "none")]),
    ];
    for (format, path, options) in forms {
        let folder = tempfile::tempdir().unwrap();
        let table = files(folder.path(), &batch.schema(), path, format, options);
        write(&*table, &[batch.clone(), batch.slice(2, 3)]);
        let expected = concat_batches(&batch.schema(), [&batch, &batch.slice(2, 3)]).unwrap();
        assert_eq!(read(&*table).unwrap(), expected, "{format} {path} {options:?}");
        assert_eq!(names(folder.path()), [path], "no temporaries are left");
    }
}

#[test]
fn nested_types_in_json_and_parquet() {
    let item = Field::new_list_field(DataType::Int64, true);
    let row =
        DataType::Struct(vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Float64, true)].into());
    let schema = schema(&[("list", DataType::List(Arc::new(item))), ("row", row), ("bytes", DataType::Binary)]);
    let json = "{\"list\":[1,2,null],\"row\":{\"a\":\"x\",\"b\":0.5},\"bytes\":\"00ff\"}\n{\"list\":[]}\n";
    for (format, path) in [("json", "copy.json"), ("parquet", "copy.parquet")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.json"), json).unwrap();
        let batch = read(&*files(folder.path(), &schema, "in.json", "json", &[])).unwrap();
        assert_eq!(batch.column(0).as_list::<i32>().value(0).as_primitive::<Int64Type>().value(1), 2);
        assert_eq!(batch.column(2).as_binary::<i32>().value(0), [0x00, 0xff]);
        let table = files(folder.path(), &schema, path, format, &[]);
        write(&*table, std::slice::from_ref(&batch));
        assert_eq!(read(&*table).unwrap(), batch, "{format}");
    }
}

#[test]
fn csv_text_is_as_one_would_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let batch = samples().project(&[1, 2, 7, 8, 9, 10, 11]).unwrap().slice(0, 3);
    write(&*files(folder.path(), &batch.schema(), "t.csv", "csv", &[]), &[batch]);
    let expected = "text,double,flag,day,millis,micros,money\n\
         plain,-0.3,true,1950-11-02,1957-04-29 08:53:19.999,1970-01-01 00:00:00Z,-0.05\n\
         \"\",-0.19999999999999998,false,1964-07-11,1961-03-28 06:26:29.011,1970-01-12 13:46:40.000001Z,12345.62\n\
         \"comma, quote \"\" and\nnewline\",,true,1978-03-20,1965-02-24 03:59:38.023,1970-01-24 03:33:20.000002Z,\n";
    assert_eq!(fs::read_to_string(folder.path().join("t.csv")).unwrap(), expected);
}

#[test]
fn null_and_the_empty_string_are_two_things() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<Option<&str>> = vec![Some("a"), None, Some(""), Some("NA")];
    let batch = RecordBatch::try_from_iter_with_nullable([("s", Arc::new(StringArray::from(texts)) as ArrayRef, true)])
        .unwrap();
    for (options, expected) in
        [(&[][..], "s\na\n\n\"\"\nNA\n"), (&[("csv.null-literal", "NA")], "s\na\nNA\n\n\"NA\"\n")]
    {
        let table = files(folder.path(), &batch.schema(), "t.csv", "csv", options);
        let mut sink = table.sink(&SinkRequest { overwrite: true, ..sink_request(&batch.schema()) }).unwrap();
        sink.write(&batch).unwrap();
        sink.finish().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("t.csv")).unwrap(), expected);
        assert_eq!(read(&*table).unwrap(), batch);
    }
}

#[test]
fn header_columns_are_found_by_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "\u{feff}extra,VALUE,id\r\nx,0.5,1\r\ny,,2").unwrap();
    let schema = schema(&[("id", DataType::Int64), ("value", DataType::Float64)]);
    let batch = read(&*files(folder.path(), &schema, "t.csv", "csv", &[])).unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert!(batch.column(1).is_null(1));
}

#[test]
fn projection_and_limit() {
    for (format, path) in [("csv", "t.csv"), ("json", "t.json"), ("parquet", "t.parquet")] {
        let folder = tempfile::tempdir().unwrap();
        let batch = numbered(0, 20);
        let table = files(folder.path(), &batch.schema(), path, format, &[]);
        write(&*table, std::slice::from_ref(&batch));
        let request =
            ScanRequest { projection: Some(vec![2, 0]), limit: Some(5), batch_rows: 3, ..ScanRequest::default() };
        let expected = batch.project(&[2, 0]).unwrap().slice(0, 5);
        assert_eq!(read_with(&*table, &request).unwrap(), expected, "{format}");
        let counted = ScanRequest { projection: Some(vec![]), ..ScanRequest::default() };
        let rows: usize = chunks(&*table, &counted).unwrap().iter().map(|chunk| chunk.batch.num_rows()).sum();
        assert_eq!(rows, 20, "{format}: rows are counted without any column");
    }
}

#[test]
fn a_folder_a_pattern_and_progress() {
    let folder = tempfile::tempdir().unwrap();
    let one = schema(&[("id", DataType::Int64)]);
    for (path, rows) in [
        ("d/b.csv", "id\n3\n4\n"),
        ("d/a.csv", "id\n1\n2\n"),
        ("d/sub/c.csv", "id\n5\n"),
        ("d/_skip.csv", "x"),
        ("d/.skip", "x"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, rows).unwrap();
    }
    for (path, expected) in [("d", vec![1, 2, 3, 4, 5]), ("d/*.csv", vec![1, 2, 3, 4]), ("d/[b-z].csv", vec![3, 4])] {
        let table = files(folder.path(), &one, path, "csv", &[]);
        let batch = read(&*table).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &expected[..], "{path}");
        let scan = table.scan(&ScanRequest::default()).unwrap();
        let mut bytes = 0;
        for part in 0..scan.parts() {
            let mut reader = scan.open(part, None).unwrap();
            bytes += std::iter::from_fn(|| reader.next().unwrap()).last().unwrap().bytes;
        }
        assert_eq!(scan.total_bytes(), Some(bytes), "{path}");
    }
}

#[test]
fn rows_are_added_or_replaced() {
    for (format, path) in [
        ("csv", "t.csv"),
        ("csv", "t.csv.gz"),
        ("json", "t.json"),
        ("json", "t.json.zst"),
        ("parquet", "t.parquet"),
        ("csv", "d"),
        ("parquet", "d"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (numbered(0, 5), numbered(5, 4));
        let schema = first.schema();
        let table = files(folder.path(), &schema, path, format, &[]);
        write(&*table, std::slice::from_ref(&first));
        write(&*table, std::slice::from_ref(&second));
        assert_eq!(read(&*table).unwrap(), concat_batches(&schema, [&first, &second]).unwrap(), "{format} {path}");
        let mut sink = table.sink(&SinkRequest { overwrite: true, ..sink_request(&schema) }).unwrap();
        sink.write(&second).unwrap();
        assert_eq!(read(&*table).unwrap().num_rows(), 9, "nothing is replaced before the commit");
        let committed = finish(&mut *sink);
        assert_eq!((committed.rows, committed.files.len()), (4, 1));
        assert_eq!(read(&*table).unwrap(), second, "{format} {path}");
        assert_eq!(names(folder.path()), [path]);
    }
}

#[test]
fn a_last_line_without_its_end_is_ended_before_rows_are_added() {
    for (path, compress) in [("t.csv", false), ("t.csv.gz", true)] {
        let folder = tempfile::tempdir().unwrap();
        let old = b"id,text,value\n100,x,0.5";
        let bytes = if compress { gzip(old) } else { old.to_vec() };
        fs::write(folder.path().join(path), bytes).unwrap();
        let batch = numbered(0, 2);
        let table = files(folder.path(), &batch.schema(), path, "csv", &[]);
        write(&*table, std::slice::from_ref(&batch));
        let read = read(&*table).unwrap();
        assert_eq!(read.column(0).as_primitive::<Int64Type>().values(), &[100, 0, 1]);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn no_rows_make_a_file_without_rows_and_a_folder_without_files() {
    for (format, path) in
        [("csv", "t.csv"), ("json", "t.json"), ("parquet", "t.parquet"), ("csv", "d"), ("parquet", "d")]
    {
        let folder = tempfile::tempdir().unwrap();
        let schema = numbered(0, 1).schema();
        let table = files(folder.path(), &schema, path, format, &[]);
        let mut sink = sink(&*table, &schema);
        finish(&mut *sink);
        assert_eq!(read(&*table).unwrap().num_rows(), 0, "{format} {path}");
        write(&*table, &[numbered(0, 3)]);
        assert_eq!(read(&*table).unwrap(), numbered(0, 3), "{format} {path}");
    }
}

#[test]
fn files_in_a_folder_end_at_the_rolling_size() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(
        folder.path(),
        &schema,
        "d",
        "csv",
        &[("sink.rolling-policy.file-size", "1 kb"), ("compression", "gzip")],
    );
    let batches: Vec<_> = (0..6).map(|i| numbered(i * 30, 30)).collect();
    write(&*table, &batches);
    assert_eq!(
        names(&folder.path().join("d")),
        ["part-0.csv.gz", "part-1.csv.gz", "part-2.csv.gz", "part-3.csv.gz", "part-4.csv.gz", "part-5.csv.gz"]
    );
    assert_eq!(read(&*table).unwrap(), numbered(0, 180));
}

#[test]
fn two_sinks_of_a_job_add_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(folder.path(), &schema, "t.csv", "csv", &[]);
    let mut a = table.sink(&SinkRequest { job: "job-1-a".to_string(), ..sink_request(&schema) }).unwrap();
    let mut b = table.sink(&SinkRequest { job: "job-1-b".to_string(), ..sink_request(&schema) }).unwrap();
    b.write(&numbered(3, 3)).unwrap();
    a.write(&numbered(0, 3)).unwrap();
    a.finish().unwrap();
    b.finish().unwrap();
    assert_eq!(read(&*table).unwrap(), numbered(0, 6));
}
