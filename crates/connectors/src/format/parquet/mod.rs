//! Parquet.
//!
//! Columns are found by name, in any order and case, and converted to their declared types where nothing can be lost by it (or,
//! if a value does not fit, the row is a bad record). A scan reads only the wanted columns, leaves out the row groups whose
//! statistics show that no row passes the filters, and cuts long row groups into parts that can be read at the same time.

mod columns;
mod file;
mod merge;
mod prune;
mod reader;

pub(crate) use file::{ParquetFile, Part};
pub(crate) use merge::merge;
pub(crate) use prune::prunes;
pub(crate) use reader::ParquetReader;

use arrow::datatypes::{DataType, Schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tidegate_options::{Kind, OptionDef, Options};

use super::sql_type;
use crate::{Error, Result};

/// The options of the format.
pub(crate) const OPTIONS: &[OptionDef] = &[OptionDef::new(
    "parquet.compression",
    Kind::Choice(&["zstd", "snappy", "lz4", "none"]),
    "zstd",
    "How the pages of a written file are compressed.",
)];

/// A row group is ended when it has this many rows or would take this much memory.
const ROW_GROUP_ROWS_MAX: usize = 1 << 18;
const ROW_GROUP_BYTES_MAX: usize = 128 << 20;

/// How files are written.
pub(crate) fn writer_properties(options: &Options) -> WriterProperties {
    let compression = match options.text("parquet.compression") {
        "snappy" => Compression::SNAPPY,
        "lz4" => Compression::LZ4_RAW,
        "none" => Compression::UNCOMPRESSED,
        _ => Compression::ZSTD(ZstdLevel::default()),
    };
    WriterProperties::builder()
        .set_compression(compression)
        .set_created_by(concat!("tidegate ", env!("CARGO_PKG_VERSION")).to_string())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX))
        .build()
}

/// Refuses columns that the format has no form for.
pub(crate) fn check_types(table: &str, schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::Struct(fields) if fields.is_empty()) {
            let (name, shown) = (field.name(), sql_type(field.data_type()));
            let message = format!("column '{name}': parquet has no form for {shown} without fields");
            return Err(Error::declaration(table, Some("format"), message));
        }
    }
    Ok(())
}

/// Runs code of the parquet crate, which checks most of what it reads, but not all: a panic over a damaged file becomes an error
/// about that file.
pub(crate) fn guarded<T>(label: &str, run: impl FnOnce() -> Result<T, parquet::errors::ParquetError>) -> Result<T> {
    let corrupt = |message: String| Error::Corrupt { path: label.to_string(), message };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(corrupt(format!("cannot be read as parquet: {source}"))),
        Err(_) => Err(corrupt("cannot be read as parquet: it is damaged".to_string())),
    }
}
