//! The files that jobs write, compared.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// All rows of a Parquet file.
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn parquet_rows(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().expect("a reader").map(|batch| batch.expect("a batch")).collect();
    concat_batches(&schema, &batches).expect("batches of one schema")
}

/// The names of the files in a folder, in order.
///
/// # Panics
/// If it cannot be read.
#[track_caller]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Holds the files of two folders against each other: Parquet row by row, everything else byte by byte.
///
/// # Panics
/// If they differ.
#[track_caller]
pub fn assert_same_files(expected: &Path, found: &Path, what: &str) {
    assert_eq!(names(found), names(expected), "{what}: the files");
    for name in names(expected) {
        let (expected, found) = (expected.join(&name), found.join(&name));
        if name.ends_with(".parquet") {
            let (expected, found) = (parquet_rows(&expected), parquet_rows(&found));
            assert_eq!(found.num_rows(), expected.num_rows(), "{what}: rows of {name}");
            assert_eq!(found.schema(), expected.schema(), "{what}: columns of {name}");
            for (field, (e, f)) in expected.schema().fields().iter().zip(expected.columns().iter().zip(found.columns()))
            {
                assert!(e == f, "{what}: the column {} of {name} differs", field.name());
            }
        } else {
            let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned();
            assert_eq!(text(&found), text(&expected), "{what}: {name}");
        }
    }
}
