//! A version with a model a key, that predicts.

use std::fs::File;
use std::io::BufReader;
use std::sync::{Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use tidegate_ml::Result;
use tidegate_ml::keyed::version::{Header, Predictor, Reader};
use tidegate_ml::keys::Keys;

/// A version with a model a key. What keys have learned stays in its file, and is read when a row needs it. Threads may share it.
#[derive(Debug)]
pub struct KeyedVersion {
    number: u64,
    header: Header,
    reader: Mutex<Reader<BufReader<File>>>,
    /// Those that are not at work.
    predictors: Mutex<Vec<Predictor>>,
}

impl KeyedVersion {
    /// The version of this number, as [`crate::keyed_version`] opens it.
    pub fn new(number: u64, reader: Reader<BufReader<File>>) -> Self {
        let header = reader.header().clone();
        Self { number, header, reader: Mutex::new(reader), predictors: Mutex::default() }
    }

    /// What the version says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Predicts each row by the model of its key. `batch` has the model's inputs, `keys` the columns of the version's keys.
    ///
    /// # Errors
    /// [`tidegate_ml::Error::Data`] for a row that cannot be predicted; others when the version cannot be read.
    pub fn predict(&self, batch: &RecordBatch, keys: &[ArrayRef]) -> Result<RecordBatch> {
        let keys = Keys::read(keys, batch.num_rows())?;
        let idle = self.predictors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut predictor = match idle {
            Some(predictor) => predictor,
            None => Predictor::new(&self.header, self.number)?,
        };
        let find = &mut |key: &[u8]| self.reader.lock().unwrap_or_else(PoisonError::into_inner).find(key);
        let predictions = predictor.predict(batch, &keys, find);
        self.predictors.lock().unwrap_or_else(PoisonError::into_inner).push(predictor);
        predictions
    }
}
