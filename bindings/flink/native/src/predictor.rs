//! A version of a model that predicts inside a job of Flink. Java writes the model's inputs, and reads its outputs, and last whether the
//! row was taken.

use serde::Deserialize;
use tidegate_ml::Error as MlError;

use crate::bad_rows::{Outcome, refused};
use crate::batch::{self, Rows};
use crate::exception::Failure;
use crate::model::Scorer;

/// Which version predicts, as the operator was made when the job was submitted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    /// The folder of the registry.
    registry: String,
    /// `intent$3`.
    reference: String,
    /// Whether rows that the model does not take are passed over, and not the end of the job.
    pass_over: bool,
}

/// A version that predicts.
pub(crate) struct Predictor {
    scorer: Scorer,
    task: Task,
}

impl Predictor {
    /// Loads the version.
    pub(crate) fn open(task: &str) -> Result<Self, Failure> {
        let task: Task = serde_json::from_str(task)
            .map_err(|error| Failure::Contract(format!("the task of a predicting operator: {error}")))?;
        Ok(Self { scorer: Scorer::open(&task.registry, &task.reference)?, task })
    }

    /// Predicts rows that Java has written, writes the outputs for Java, and gives the bytes of their texts.
    pub(crate) fn process(&self, rows: &Rows<'_>, output: &mut [u8]) -> Result<Vec<u8>, Failure> {
        let model = self.scorer.model();
        let read = batch::read(self.scorer.schema(), rows)?;
        let outcome = match model.predict(&read) {
            Err(MlError::Data(fault)) => {
                let place = format!("the input of ML_PREDICT for model '{}'", self.task.reference);
                if !self.task.pass_over {
                    return Err(refused(&place, &fault));
                }
                let mut faults = model.check(&read)?;
                if !faults.iter().any(|known| known.row == fault.row) {
                    faults.push(fault);
                }
                Outcome::without(&read, &faults, |rest| Ok(model.predict(rest)?))?
            }
            outputs => Outcome::of_all(outputs?),
        };
        batch::write(&outcome.told()?, output, rows.capacity)
    }
}
