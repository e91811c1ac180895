//! Any bytes are rows, bad records or an error, in every format and compression; none panics.
#![no_main]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use libfuzzer_sys::fuzz_target;
use tidegate_connectors::{ScanRequest, TableSpec, open_table};

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let (name, format) = [
        ("a.csv", "csv"),
        ("a.json", "json"),
        ("a.parquet", "parquet"),
        ("a.csv.gz", "csv"),
        ("a.json.zst", "json"),
    ][choice as usize % 5];
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(name), bytes).expect("a temporary file");
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("s", DataType::Utf8, true),
        Field::new("b", DataType::Boolean, true),
    ]);
    let options = [("connector", "filesystem"), ("path", name), ("format", format), ("on-error", "skip")];
    let spec = TableSpec {
        name: "fuzz".to_string(),
        schema: Arc::new(schema),
        options: options.map(|(key, value)| (key.to_string(), value.to_string())).to_vec(),
        base_dir: folder.path().to_path_buf(),
    };
    let table = open_table(&spec).expect("the declaration is right");
    let Ok(scan) = table.scan(&ScanRequest::default()) else { return };
    for part in 0..scan.parts() {
        let Ok(mut reader) = scan.open(part, None) else { continue };
        while let Ok(Some(_)) = reader.next() {}
    }
});
