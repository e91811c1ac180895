//! Rows that are learned several times, in a file of their own that nothing else can open.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::exception::Failure;

/// Rows being kept.
pub(crate) struct KeptRows {
    writer: StreamWriter<BufWriter<File>>,
}

/// Rows that are all there.
pub(crate) struct AllRows {
    file: File,
}

impl KeptRows {
    /// Keeps batches of this schema.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, Failure> {
        let file = tempfile::tempfile().map_err(failed)?;
        Ok(Self { writer: StreamWriter::try_new(BufWriter::new(file), schema)? })
    }

    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        Ok(self.writer.write(batch)?)
    }

    pub(crate) fn done(self) -> Result<AllRows, Failure> {
        let mut writer = self.writer;
        writer.finish()?;
        let file = writer.into_inner()?.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(AllRows { file })
    }
}

impl AllRows {
    /// The batches, from the first.
    pub(crate) fn read(&self) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, Failure> {
        let mut file = self.file.try_clone().map_err(failed)?;
        file.rewind().map_err(failed)?;
        Ok(StreamReader::try_new(BufReader::new(file), None)?)
    }
}

fn failed(error: std::io::Error) -> Failure {
    Failure::Contract(format!("rows cannot be kept for the next epoch: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array};

    use super::*;

    #[test]
    fn rows_come_as_they_went_as_often_as_wanted() {
        let column = |from: i32| Arc::new(Float64Array::from_iter_values((from..from + 3).map(f64::from))) as ArrayRef;
        let batches = [0, 3].map(|from| RecordBatch::try_from_iter([("x", column(from))]).unwrap());
        let mut kept = KeptRows::new(&batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| kept.add(batch).unwrap());
        let all = kept.done().unwrap();
        for _ in 0..2 {
            let read: Vec<RecordBatch> = all.read().unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(read, batches);
        }
    }
}
