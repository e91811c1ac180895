//! Reads a file from end to end and says how fast: `cargo run --release --example scan -- FILE [REPETITIONS] [COPY]`.
//!
//! A CSV file's columns are all taken as DOUBLE; a Parquet file's are as they are. With COPY, the rows are written there too.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidegate_connectors::{CommitMode, ScanRequest, SinkRequest, TableSpec, forget, open_table};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("which file?")?;
    let repetitions: usize = arguments.get(1).map_or(Ok(1), |text| text.parse())?;
    let format_of = |path: &str| if path.ends_with(".parquet") { "parquet" } else { "csv" };
    let schema = Arc::new(if format_of(path) == "parquet" {
        ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.schema().as_ref().clone()
    } else {
        let mut header = String::new();
        BufReader::new(File::open(path)?).read_line(&mut header)?;
        Schema::new(header.trim().split(',').map(|name| Field::new(name, DataType::Float64, true)).collect::<Vec<_>>())
    });
    let table = |path: &str| {
        let options = [("connector", "filesystem"), ("path", path), ("format", format_of(path))];
        open_table(&TableSpec {
            name: "example".to_string(),
            schema: schema.clone(),
            options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            base_dir: Path::new(".").to_path_buf(),
        })
    };
    let mut sink = match arguments.get(2) {
        Some(copy) => Some(table(copy)?.sink(&SinkRequest {
            schema: schema.clone(),
            overwrite: true,
            job: "example".to_string(),
            folder: std::env::temp_dir(),
            commit: CommitMode::AtEnd,
            restore: None,
        })?),
        None => None,
    };
    let started = Instant::now();
    let mut rows = 0;
    for _ in 0..repetitions {
        let scan = table(path)?.scan(&ScanRequest::default())?;
        for part in 0..scan.parts() {
            let mut reader = scan.open(part, None)?;
            while let Some(chunk) = reader.next()? {
                rows += chunk.batch.num_rows();
                if let Some(sink) = &mut sink {
                    sink.write(&chunk.batch)?;
                }
            }
        }
    }
    if let Some(sink) = &mut sink {
        sink.finish()?.log.iter().try_for_each(|log| forget(log))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{rows} rows in {seconds:.3} s: {:.0} ns a row", seconds * 1e9 / rows as f64)?;
    Ok(())
}
