//! Several Parquet files as one, without decoding their pages.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::guarded;
use crate::{Error, Result};

/// Writes the row groups of `inputs`, in their order, into `output`, which is left open and not yet synced. The inputs have to
/// have the same columns as the last one, which is one of our own.
pub(crate) fn merge(
    inputs: &[PathBuf],
    output: File,
    output_path: &Path,
    properties: &WriterProperties,
) -> Result<File> {
    let label = output_path.display().to_string();
    let mut opened = Vec::with_capacity(inputs.len());
    for path in inputs {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = guarded(&path.display().to_string(), || reader.parse_and_finish(&file))?;
        opened.push((path, file, metadata));
    }
    let Some((_, _, ours)) = opened.last() else { return Ok(output) };
    let schema = ours.file_metadata().schema_descr().root_schema_ptr();
    for (path, _, metadata) in &opened {
        let (found, wanted) = (metadata.file_metadata().schema(), schema.as_ref());
        if found.get_fields() != wanted.get_fields() {
            let message = format!(
                "rows cannot be added to it: its columns are ({}), the table's are ({}); INSERT OVERWRITE replaces it, or let \
                 'path' be a folder",
                columns(found),
                columns(wanted)
            );
            return Err(Error::Column { path: path.display().to_string(), message });
        }
    }
    let key_values = ours.file_metadata().key_value_metadata().cloned();
    let properties = Arc::new(properties.clone().into_builder().set_key_value_metadata(key_values).build());
    let io = |source| Error::io("write", output_path)(source);
    let buffered = BufWriter::with_capacity(1 << 20, output);
    let mut writer = guarded(&label, || SerializedFileWriter::new(buffered, schema, properties))?;
    for (path, file, metadata) in &opened {
        for group in 0..metadata.num_row_groups() {
            guarded(&path.display().to_string(), || append_row_group(&mut writer, file, metadata, group))?;
        }
    }
    let buffered = guarded(&label, || writer.into_inner())?;
    buffered.into_inner().map_err(|source| io(source.into_error()))
}

fn append_row_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    file: &File,
    metadata: &ParquetMetaData,
    group: usize,
) -> Result<(), parquet::errors::ParquetError> {
    let row_group = metadata.row_group(group);
    let column_indexes = metadata.column_index().and_then(|indexes| indexes.get(group));
    let offset_indexes = metadata.offset_index().and_then(|indexes| indexes.get(group));
    let mut out = writer.next_row_group()?;
    for (i, column) in row_group.columns().iter().enumerate() {
        let close = ColumnCloseResult {
            bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
            rows_written: u64::try_from(row_group.num_rows()).unwrap_or_default(),
            metadata: column.clone(),
            bloom_filter: Sbbf::read_from_column_chunk(column, file).ok().flatten(),
            column_index: column_indexes.and_then(|columns| columns.get(i)).cloned(),
            offset_index: offset_indexes.and_then(|columns| columns.get(i)).cloned(),
        };
        out.append_column(file, close)?;
    }
    out.close().map(|_| ())
}

fn columns(schema: &Type) -> String {
    let column = |field: &Arc<Type>| match field.is_primitive() {
        true => format!("{} {}", field.name(), field.get_physical_type()),
        false => field.name().to_string(),
    };
    schema.get_fields().iter().map(column).collect::<Vec<_>>().join(", ")
}
