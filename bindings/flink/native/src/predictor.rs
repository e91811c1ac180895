//! A version of a model that predicts inside a job of Flink. Java writes the model's inputs, and what the key of a row is made of if the
//! version has a model a key; it reads the outputs, and last whether the row was taken.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::Deserialize;
use tidegate_ml::{Error as MlError, Model};
use tidegate_training::KeyedVersion;

use crate::bad_rows::{Outcome, refused};
use crate::batch::{self, Form, Rows};
use crate::exception::Failure;
use crate::model::{Scorer, keyed};

/// Which version predicts, as the operator was made when the job was submitted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    /// The folder of the registry.
    registry: String,
    /// `intent$3`.
    reference: String,
    /// What the keys of rows are made of; nothing if it is one model for all.
    keys: Vec<Form>,
    /// Whether rows that the model does not take are passed over, and not the end of the job.
    pass_over: bool,
}

/// A version that predicts.
pub(crate) struct Predictor {
    version: Version,
    schema: SchemaRef,
    task: Task,
}

enum Version {
    /// One model for all rows.
    Whole(Box<Scorer>),
    /// A model a key, and one that has learned nothing, which knows what they take.
    Keyed(Box<(KeyedVersion, Model)>),
}

impl Predictor {
    /// Loads the version.
    pub(crate) fn open(task: &str) -> Result<Self, Failure> {
        let task: Task = serde_json::from_str(task)
            .map_err(|error| Failure::Contract(format!("the task of a predicting operator: {error}")))?;
        let version = match task.keys.is_empty() {
            true => Version::Whole(Box::new(Scorer::open(&task.registry, &task.reference)?)),
            false => Version::Keyed(Box::new(keyed(&task.registry, &task.reference)?)),
        };
        let inputs = batch::input_schema(version.model().spec());
        let keys = task.keys.iter().map(|form| Arc::new(Field::new("key", form.data_type(), true)));
        let schema = Arc::new(Schema::new(inputs.fields().iter().cloned().chain(keys).collect::<Vec<_>>()));
        Ok(Self { version, schema, task })
    }

    /// Predicts rows that Java has written, writes the outputs for Java, and gives the bytes of their texts.
    pub(crate) fn process(&self, rows: &Rows<'_>, output: &mut [u8]) -> Result<Vec<u8>, Failure> {
        let read = batch::read(&self.schema, rows)?;
        let outcome = match self.predict(&read) {
            Err(MlError::Data(fault)) => {
                let place = format!("the input of ML_PREDICT for model '{}'", self.task.reference);
                if !self.task.pass_over {
                    return Err(refused(&place, &fault));
                }
                let mut faults = self.version.model().check(&self.inputs(&read)?)?;
                if !faults.iter().any(|known| known.row == fault.row) {
                    faults.push(fault);
                }
                Outcome::without(&read, &faults, |rest| Ok(self.predict(rest)?))?
            }
            outputs => Outcome::of_all(outputs?),
        };
        batch::write(&outcome.told()?, output, rows.capacity)
    }

    fn predict(&self, read: &RecordBatch) -> Result<RecordBatch, MlError> {
        match &self.version {
            Version::Whole(scorer) => scorer.model().predict(read),
            Version::Keyed(keyed) => {
                let inputs = self.inputs(read).map_err(|error| MlError::Batch(error.to_string()))?;
                keyed.0.predict(&inputs, &read.columns()[inputs.num_columns()..])
            }
        }
    }

    /// The columns of the model alone.
    fn inputs(&self, read: &RecordBatch) -> Result<RecordBatch, Failure> {
        let inputs = read.num_columns() - self.task.keys.len();
        Ok(read.project(&(0..inputs).collect::<Vec<_>>())?)
    }
}

impl Version {
    fn model(&self) -> &Model {
        match self {
            Self::Whole(scorer) => scorer.model(),
            Self::Keyed(keyed) => &keyed.1,
        }
    }
}
