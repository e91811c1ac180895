//! A hidden file that rows are written to before they become visible.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};

use super::Format;
use super::compression::{Compression, Packer};
use crate::format::csv::CsvEncoder;
use crate::format::json::JsonEncoder;
use crate::format::text::TextEncoder;
use crate::{Error, Result};

/// Text is handed to the file in pieces of this size.
const PIECE_BYTES: usize = 1 << 18;

/// What is known of a segment between two runs of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Its number among those of this sink.
    pub(super) id: u64,
    /// The rows in it.
    pub(super) rows: u64,
    /// Its size. What the file has beyond it was written after the checkpoint.
    pub(super) bytes: u64,
    /// How many of the first bytes are the header.
    pub(super) header_bytes: u64,
}

/// A segment that is being written.
pub(super) struct SegmentWriter {
    path: PathBuf,
    state: State,
}

enum State {
    Text { encoder: Box<dyn TextEncoder>, packer: Packer, piece: Vec<u8>, plain_bytes: u64 },
    Parquet(Box<ArrowWriter<File>>),
}

/// The encoder of a format of text.
pub(super) fn encoder(table: &str, format: &Format, schema: &SchemaRef) -> Option<Box<dyn TextEncoder>> {
    match format {
        Format::Csv(dialect) => Some(Box::new(CsvEncoder::new(table, dialect, schema))),
        Format::Json { .. } => Some(Box::new(JsonEncoder)),
        Format::Parquet(_) => None,
    }
}

impl SegmentWriter {
    /// Begins a segment; of text, with the header. Returns the header's size in the file too.
    pub(super) fn create(
        table: &str,
        path: &Path,
        format: &Format,
        compression: Compression,
        schema: &SchemaRef,
    ) -> Result<(Self, u64)> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let mut header_bytes = 0;
        let state = match (format, encoder(table, format, schema)) {
            (Format::Parquet(properties), _) => {
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.as_ref().clone()))
                    .map_err(parquet_error(path))?;
                State::Parquet(Box::new(writer))
            }
            (_, Some(encoder)) => {
                let mut packer = Packer::new(compression, file);
                packer.write_all(&encoder.header()).map_err(Error::io("write", path))?;
                // A member of its own, so that it can be left out where the segment is added to a file.
                let file = packer.flush_member().map_err(Error::io("write", path))?;
                header_bytes = file.stream_position().map_err(Error::io("write", path))?;
                State::Text { encoder, packer, piece: Vec::new(), plain_bytes: header_bytes }
            }
            (_, None) => return Err(Error::declaration(table, Some("format"), "the format has no encoder")),
        };
        Ok((Self { path: path.to_path_buf(), state }, header_bytes))
    }

    /// Continues a segment of text after its first `bytes`, dropping what comes after them.
    pub(super) fn reopen(
        path: &Path,
        bytes: u64,
        encoder: Box<dyn TextEncoder>,
        compression: Compression,
    ) -> Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
        file.set_len(bytes).map_err(Error::io("truncate", path))?;
        file.seek(SeekFrom::Start(bytes)).map_err(Error::io("write", path))?;
        let packer = Packer::new(compression, file);
        let state = State::Text { encoder, packer, piece: Vec::new(), plain_bytes: bytes };
        Ok(Self { path: path.to_path_buf(), state })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.state {
            State::Text { encoder, packer, piece, plain_bytes } => {
                let before = piece.len();
                if let Err(failure) = encoder.encode(batch, piece) {
                    piece.truncate(before);
                    return Err(failure);
                }
                *plain_bytes += (piece.len() - before) as u64;
                if piece.len() >= PIECE_BYTES {
                    packer.write_all(piece).map_err(Error::io("write", &self.path))?;
                    piece.clear();
                }
                Ok(())
            }
            State::Parquet(writer) => writer.write(batch).map_err(parquet_error(&self.path)),
        }
    }

    /// About how large the segment is (before compression, for text).
    pub(super) fn size(&self) -> u64 {
        match &self.state {
            State::Text { plain_bytes, .. } => *plain_bytes,
            State::Parquet(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
        }
    }

    /// Makes everything so far durable and returns the size of the file. Text can be written on; a Parquet file is ended.
    pub(super) fn sync(&mut self) -> Result<u64> {
        let file = match &mut self.state {
            State::Text { packer, piece, .. } => {
                packer.write_all(piece).map_err(Error::io("write", &self.path))?;
                piece.clear();
                packer.flush_member().map_err(Error::io("write", &self.path))?
            }
            State::Parquet(writer) => {
                writer.finish().map_err(parquet_error(&self.path))?;
                writer.inner_mut()
            }
        };
        file.sync_all().map_err(Error::io("sync", &self.path))?;
        Ok(file.metadata().map_err(Error::io("read", &self.path))?.len())
    }

    /// Whether rows can be added after [`SegmentWriter::sync`].
    pub(super) fn continues(&self) -> bool {
        matches!(self.state, State::Text { .. })
    }
}

/// The parquet crate keeps what the operating system said inside of its own error.
fn parquet_error(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Error {
    let path = path.to_path_buf();
    move |source| match source {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => Error::io("write", &path)(*source),
            Err(inner) => Error::corrupt(&path, format!("cannot be written: {inner}")),
        },
        other => Error::corrupt(&path, format!("cannot be written: {other}")),
    }
}
