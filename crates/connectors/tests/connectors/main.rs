//! Tables as the engine uses them: opened by their options, read from any position, written through crashes.

#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]

mod bad_records;
mod damage;
mod datagen;
mod declarations;
mod handed_over;
#[cfg(feature = "kafka")]
mod kafka;
mod nexmark;
mod parquet;
mod real_files;
mod restart;
mod resume;
mod round_trip;
mod watched;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidegate_connectors::{
    Chunk, CommitMode, Committed, Position, Result, ScanRequest, Sink, SinkRequest, Table, TableSpec, forget,
    open_table,
};

/// A table over a folder, from `(option, value)` pairs.
fn spec(folder: &Path, schema: &SchemaRef, options: &[(&str, &str)]) -> TableSpec {
    TableSpec {
        name: "t".to_string(),
        schema: schema.clone(),
        options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        base_dir: folder.to_path_buf(),
    }
}

fn open(folder: &Path, schema: &SchemaRef, options: &[(&str, &str)]) -> Arc<dyn Table> {
    open_table(&spec(folder, schema, options)).unwrap()
}

/// A filesystem table.
fn files(folder: &Path, schema: &SchemaRef, path: &str, format: &str, more: &[(&str, &str)]) -> Arc<dyn Table> {
    let mut options = vec![("connector", "filesystem"), ("path", path), ("format", format)];
    options.extend_from_slice(more);
    open(folder, schema, &options)
}

fn chunks(table: &dyn Table, request: &ScanRequest) -> Result<Vec<Chunk>> {
    let scan = table.scan(request)?;
    let mut chunks = Vec::new();
    for part in 0..scan.parts() {
        let mut reader = scan.open(part, None)?;
        while let Some(chunk) = reader.next()? {
            chunks.push(chunk);
        }
    }
    Ok(chunks)
}

fn read_with(table: &dyn Table, request: &ScanRequest) -> Result<RecordBatch> {
    let schema = table.scan(request)?.schema();
    let batches: Vec<RecordBatch> = chunks(table, request)?.into_iter().map(|chunk| chunk.batch).collect();
    Ok(concat_batches(&schema, &batches).unwrap())
}

fn read(table: &dyn Table) -> Result<RecordBatch> {
    read_with(table, &ScanRequest { batch_rows: 7, ..ScanRequest::default() })
}

/// All rows after a position, of its part and the ones after it.
fn read_from(table: &dyn Table, request: &ScanRequest, from: &Position) -> Result<RecordBatch> {
    let scan = table.scan(request)?;
    let mut batches = Vec::new();
    for part in from.part as usize..scan.parts() {
        let mut reader = scan.open(part, (part == from.part as usize).then_some(from))?;
        while let Some(chunk) = reader.next()? {
            batches.push(chunk.batch);
        }
    }
    Ok(concat_batches(&scan.schema(), &batches).unwrap())
}

fn sink_request(schema: &SchemaRef) -> SinkRequest {
    SinkRequest {
        schema: schema.clone(),
        overwrite: false,
        job: "job-1".to_string(),
        folder: "no-sink-of-files-looks-at-it".into(),
        commit: CommitMode::AtEnd,
        restore: None,
    }
}

fn sink(table: &dyn Table, schema: &SchemaRef) -> Box<dyn Sink> {
    table.sink(&sink_request(schema)).unwrap()
}

/// Makes visible what was written, as a job that is then done.
fn finish(sink: &mut dyn Sink) -> Committed {
    let committed = sink.finish().unwrap();
    committed.log.iter().for_each(|log| forget(log).unwrap());
    committed
}

/// Writes batches as one job.
fn write(table: &dyn Table, batches: &[RecordBatch]) {
    let mut sink = sink(table, &batches[0].schema());
    for batch in batches {
        sink.write(batch).unwrap();
    }
    finish(&mut *sink);
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// One column of each type that all formats know, with awkward values and NULLs in it.
fn samples() -> RecordBatch {
    let texts = ["plain", "", "comma, quote \" and\nnewline", "ümläut €", "# hash", "NULL", "\r", "back\\slash"];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter((0..9).map(|i| (i != 4).then_some(i64::MAX - i))))),
        ("text", Arc::new(StringArray::from_iter((0..9).map(|i| texts.get(i))))),
        ("double", Arc::new(Float64Array::from_iter((0..9).map(|i| (i != 2).then(|| 0.1 * f64::from(i) - 0.3))))),
        ("float", Arc::new(Float32Array::from_iter((0..9).map(|i| (i != 3).then(|| 1e10 / (i as f32 + 0.7)))))),
        ("int", Arc::new(Int32Array::from_iter((0..9).map(|i| (i != 8).then_some(i32::MIN + i))))),
        ("small", Arc::new(Int16Array::from_iter((0..9).map(|i| (i != 1).then_some(i - 4))))),
        ("tiny", Arc::new(Int8Array::from_iter((0..9).map(|i| (i != 0).then_some(i))))),
        ("flag", Arc::new(BooleanArray::from_iter((0..9).map(|i| (i % 4 != 3).then_some(i % 2 == 0))))),
        ("day", Arc::new(Date32Array::from_iter((0..9).map(|i| (i != 5).then_some(i * 5000 - 7000))))),
        (
            "millis",
            Arc::new(TimestampMillisecondArray::from_iter(
                (0..9).map(|i| (i != 6).then_some(i * 123_456_789_012 - 400_000_000_001)),
            )),
        ),
        (
            "micros",
            Arc::new(
                TimestampMicrosecondArray::from_iter((0..9).map(|i| (i != 7).then_some(i * 1_000_000_000_001)))
                    .with_timezone("UTC"),
            ),
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from_iter((0..9).map(|i| (i != 2).then_some(i * 1234567 - 5)))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// `rows` rows of (id BIGINT, text STRING, value DOUBLE), different for every `from`.
fn numbered(from: i64, rows: i64) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(from..from + rows))),
        (
            "text",
            Arc::new(StringArray::from_iter_values((from..from + rows).map(|i| format!("row \"{i}\", of\nmany")))),
        ),
        ("value", Arc::new(Float64Array::from_iter_values((from..from + rows).map(|i| i as f64 / 7.0)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}
