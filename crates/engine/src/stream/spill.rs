//! Batches kept in a file, appended one by one: stages of a job that are computed before or after the stream.
//!
//! ```text
//!  frame*      frame = length u64 LE | an Arrow IPC stream of one batch
//! ```

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::{Error, Result};

/// Writes batches to a file.
pub(crate) struct SpillWriter {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl SpillWriter {
    /// Opens the file and goes on after its first `bytes` bytes, dropping the rest; 0 begins anew.
    pub(crate) fn open(path: &Path, bytes: u64) -> Result<Self> {
        let failed = |error| failed("write", path, error);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < bytes {
            return Err(Error::Storage(format!(
                "{} is shorter than the checkpoint says; run with --fresh",
                path.display()
            )));
        }
        file.set_len(bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        Ok(Self { path: path.to_path_buf(), file, bytes })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let frame = batch_to_bytes(batch)?;
        let failed = |error| failed("write", &self.path, error);
        self.file.write_all(&(frame.len() as u64).to_le_bytes()).map_err(failed)?;
        self.file.write_all(&frame).map_err(failed)?;
        self.bytes += frame.len() as u64 + 8;
        Ok(())
    }

    /// Makes what was written durable and returns its length.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        self.file.sync_data().map_err(|error| failed("write", &self.path, error))?;
        Ok(self.bytes)
    }
}

/// Reads batches from a file.
pub(crate) struct SpillReader {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
}

impl SpillReader {
    /// Opens the file and goes on at `offset`.
    pub(crate) fn open(path: &Path, offset: u64) -> Result<Self> {
        let mut file = File::open(path).map_err(|error| failed("read", path, error))?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| failed("read", path, error))?;
        Ok(Self { path: path.to_path_buf(), file: BufReader::with_capacity(1 << 20, file), offset })
    }

    /// The next batch and the offset after it.
    pub(crate) fn next(&mut self) -> Result<Option<(RecordBatch, u64)>> {
        let mut length = [0; 8];
        match self.file.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed("read", &self.path, error)),
        }
        let length = u64::from_le_bytes(length);
        let mut reader = StreamReader::try_new((&mut self.file).take(length), None)?;
        let batch = reader.next().transpose()?.ok_or_else(|| {
            Error::Storage(format!("{} is damaged: a frame without rows; run with --fresh", self.path.display()))
        })?;
        // The end mark of the inner stream is part of the frame.
        while reader.next().transpose()?.is_some() {}
        drop(reader);
        self.offset += 8 + length;
        self.file.seek(SeekFrom::Start(self.offset)).map_err(|error| failed("read", &self.path, error))?;
        Ok(Some((batch, self.offset)))
    }
}

/// A batch as bytes: an Arrow IPC stream.
pub(crate) fn batch_to_bytes(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// The batch that [`batch_to_bytes`] wrote.
pub(crate) fn batch_from_bytes(bytes: &[u8]) -> Result<RecordBatch> {
    StreamReader::try_new(bytes, None)?
        .next()
        .transpose()?
        .ok_or_else(|| Error::Storage("a batch of the checkpoint is missing".into()))
}

fn failed(action: &str, path: &Path, error: std::io::Error) -> Error {
    Error::Unavailable(format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;

    #[test]
    fn what_was_written_after_a_checkpoint_is_dropped_on_restore() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stage");
        let batch = |n: i64| {
            let column = Arc::new(Int64Array::from_iter_values(0..n)) as _;
            RecordBatch::try_from_iter([("n", column)]).unwrap()
        };
        let mut writer = SpillWriter::open(&path, 0).unwrap();
        writer.write(&batch(3)).unwrap();
        let kept = writer.sync().unwrap();
        writer.write(&batch(5)).unwrap();
        drop(writer);
        let mut writer = SpillWriter::open(&path, kept).unwrap();
        writer.write(&batch(7)).unwrap();
        drop(writer);
        let mut reader = SpillReader::open(&path, 0).unwrap();
        let mut rows = Vec::new();
        while let Some((batch, _)) = reader.next().unwrap() {
            rows.push(batch.num_rows());
        }
        assert_eq!(rows, [3, 7]);
        let mut reader = SpillReader::open(&path, kept).unwrap();
        assert_eq!(reader.next().unwrap().map(|(batch, _)| batch.num_rows()), Some(7));
    }
}
