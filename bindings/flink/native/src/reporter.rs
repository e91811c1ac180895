//! A report over all predictions of a model inside a job of Flink. Java writes the label, the prediction and, if there is one, the
//! probability, and reads the rows of the report at the end.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;
use tidegate_ml::Task as Learns;
use tidegate_ml::metric::{Report, ReportKind};

use crate::batch::{self, Form, Rows};
use crate::exception::Failure;

/// What is reported, as the operator was made when the job was submitted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    kind: ReportKind,
    /// What the model does.
    task: Learns,
    /// Its classes, in its order.
    classes: Vec<String>,
    /// What it predicts, and so how labels are read.
    predicted: Form,
    /// Whether there is a probability.
    probability: bool,
}

/// A report being taken.
pub(crate) struct Reporter {
    report: Report,
    schema: SchemaRef,
    finished: Option<RecordBatch>,
}

impl Reporter {
    /// A report on no rows.
    pub(crate) fn open(task: &str) -> Result<Self, Failure> {
        let task: Task = serde_json::from_str(task)
            .map_err(|error| Failure::Contract(format!("the task of a reporting operator: {error}")))?;
        let predicted = task.predicted.data_type();
        let column = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
        let mut columns = vec![column("label", &predicted), column("predicted", &predicted)];
        columns.extend(task.probability.then(|| column("probability", &DataType::Float64)));
        let report = Report::new(task.kind, task.task, task.classes, &predicted)?;
        Ok(Self { report, schema: Arc::new(Schema::new(columns)), finished: None })
    }

    /// Takes in rows that Java has written.
    pub(crate) fn process(&mut self, rows: &Rows<'_>) -> Result<(), Failure> {
        let read = batch::read(&self.schema, rows)?;
        Ok(self.report.update(read.column(0), read.column(1), read.columns().get(2))?)
    }

    /// How many rows the report has.
    pub(crate) fn rows(&mut self) -> Result<usize, Failure> {
        Ok(self.finished()?.num_rows())
    }

    /// Writes the rows of the report for Java, and gives the bytes of their texts.
    pub(crate) fn write(&mut self, output: &mut [u8], capacity: usize) -> Result<Vec<u8>, Failure> {
        batch::write(self.finished()?, output, capacity)
    }

    fn finished(&mut self) -> Result<&RecordBatch, Failure> {
        let finished = match self.finished.take() {
            Some(finished) => finished,
            None => self.report.finish()?,
        };
        Ok(self.finished.insert(finished))
    }

    /// What was taken in so far, as bytes.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.report.save()
    }

    /// Goes on from what [`Reporter::snapshot`] gave.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        Ok(self.report.merge(state)?)
    }
}
