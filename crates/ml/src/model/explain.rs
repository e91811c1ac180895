//! Explanations of a model's predictions, as columns beside them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::{Buffers, Model, first};
use crate::explain::{Explained, Explainer, explainer_of, predicted, rows_with_scores};
use crate::rows::{Rows, Texts};
use crate::{Error, Result};

/// The columns of an explanation, named as in BigQuery ML.
pub const EXPLANATION: [&str; 4] =
    ["top_feature_attributions", "baseline_prediction_value", "prediction_value", "approximation_error"];

/// What explains the predictions of a model as it was when this was made. Memory: for trees a copy of their splits and leaves,
/// for linear learners one of their weights.
#[derive(Debug)]
pub struct Explanations {
    explainer: Box<dyn Explainer>,
    /// Most inputs that are told of a row.
    most: usize,
    inputs: Vec<String>,
    origins: Origins,
}

/// Which inputs features are made of.
#[derive(Debug)]
struct Origins {
    /// By dense feature.
    dense: Vec<Vec<usize>>,
    /// By place of a sparse entry within a row.
    sparse: Vec<Vec<usize>>,
}

/// The columns as they are filled.
#[derive(Debug, Default)]
struct Columns {
    /// The place of an input, and what is due to it.
    attributions: Vec<(usize, f64)>,
    lengths: Vec<usize>,
    /// NaN where there is none.
    baselines: Vec<f64>,
    values: Vec<f64>,
    errors: Vec<f64>,
}

impl Model {
    /// What explains its predictions as it is now, by at most `most` inputs a row, those to which most is due.
    ///
    /// # Errors
    /// [`Error::Spec`] when predictions of the algorithm cannot be explained; it names those that can.
    pub fn explanations(&self, most: usize) -> Result<Explanations> {
        let algorithm = self.spec.options.get("algorithm").map_or("", String::as_str);
        if self.options.text("calibration") != "none" {
            return Err(Error::Spec(format!(
                "model '{}': what is explained are scores of the learner, which 'calibration' changes: leave one of both out",
                self.spec.name
            )));
        }
        let explainer = explainer_of(&*self.learner, algorithm).map_err(|error| match error {
            Error::Spec(what) => Error::Spec(format!("model '{}': {what}", self.spec.name)),
            other => other,
        })?;
        let (dense, sparse) = self.pipeline.origins();
        let inputs = self.spec.inputs.iter().map(|input| input.name.clone()).collect();
        Ok(Explanations { explainer, most, inputs, origins: Origins { dense, sparse } })
    }

    /// The columns that [`Model::explain`] gives: those of predictions, then [`EXPLANATION`].
    pub fn explained_schema(&self) -> SchemaRef {
        let predictions = self.output_schema();
        let mut fields: Vec<Arc<Field>> = predictions.fields().iter().cloned().collect();
        let [attributions, numbers @ ..] = EXPLANATION;
        fields.push(Arc::new(Field::new(attributions, DataType::List(Arc::new(attribution())), true)));
        fields.extend(numbers.map(|name| Arc::new(Field::new(name, DataType::Float64, true))));
        Arc::new(Schema::new(fields))
    }

    /// Predicts every row as [`Model::predict`] does, and explains it. The explanation is NULL where there is no prediction, and
    /// where it is not made of finite numbers.
    ///
    /// Cost a row: for linear learners that of a prediction; for trees `nodes × d/2` steps each, `d` being the features
    /// asked about on a way down.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn explain(&self, by: &Explanations, batch: &RecordBatch) -> Result<RecordBatch> {
        let arrays = self.inputs(batch)?;
        let mut rows = Rows::new(self.pipeline.columns());
        rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        rows.faults(self.pipeline.columns(), arrays, &mut faults);
        first(faults)?;
        rows.read_texts(self.pipeline.columns(), arrays, Texts::Find(self.pipeline.dictionaries()));
        let mut predictions = self.predictions(rows.len());
        let (mut columns, mut explained, mut places) = (Columns::default(), Explained::default(), Vec::new());
        let mut due = vec![0.0; by.inputs.len()];
        let each = |buffers: &Buffers, len: usize| {
            if buffers.scores.is_empty() {
                (0..len).for_each(|_| columns.push_nothing());
                return;
            }
            self.pipeline.places(len, &buffers.scratch, &mut places);
            for (row, (x, scores)) in rows_with_scores(&buffers.after, &buffers.scores).enumerate() {
                let predicted = predicted(self.shape, scores);
                match predicted.is_some_and(|predicted| by.explainer.explain(x, predicted, &mut explained)) {
                    true => {
                        let entries = buffers.after.offsets[row] as usize..buffers.after.offsets[row + 1] as usize;
                        by.origins.add_up(&explained, &places[entries], &mut due);
                        columns.push(&explained, &due, by.most);
                    }
                    false => columns.push_nothing(),
                }
            }
        };
        self.predict_each(&rows, 0, rows.len(), &mut Buffers::default(), &mut predictions, each);
        let predictions = predictions.finish(&self.spec, &self.labels, self.version)?;
        let columns = predictions.columns().iter().cloned().chain(columns.finish(&by.inputs)?).collect();
        RecordBatch::try_new(self.explained_schema(), columns).map_err(|error| Error::Batch(error.to_string()))
    }
}

impl Origins {
    /// Writes what is due to each input: the attributions of the features that are made of it. One that is made of several
    /// is divided evenly.
    fn add_up(&self, explained: &Explained, places: &[u32], due: &mut [f64]) {
        due.fill(0.0);
        let dense = explained.dense.iter().zip(&self.dense);
        let sparse = explained.entries.iter().zip(places).map(|(part, place)| (part, &self.sparse[*place as usize]));
        for (part, inputs) in dense.chain(sparse) {
            let share = part / inputs.len() as f64;
            inputs.iter().for_each(|input| due[*input] += share);
        }
    }
}

fn attribution() -> Field {
    Field::new_list_field(DataType::Struct(attribution_fields()), true)
}

/// As tables declare them: `ROW<feature STRING, attribution DOUBLE>`.
fn attribution_fields() -> Fields {
    vec![Field::new("feature", DataType::Utf8, true), Field::new("attribution", DataType::Float64, true)].into()
}

impl Columns {
    fn push_nothing(&mut self) {
        self.lengths.push(0);
        [&mut self.baselines, &mut self.values, &mut self.errors].into_iter().for_each(|column| column.push(f64::NAN));
    }

    fn push(&mut self, explained: &Explained, due: &[f64], most: usize) {
        let Explained { baseline, value, .. } = *explained;
        let error = value - due.iter().fold(baseline, |sum, part| sum + part);
        if !(baseline.is_finite() && value.is_finite() && error.is_finite()) {
            self.push_nothing();
            return;
        }
        let begin = self.attributions.len();
        self.attributions.extend(due.iter().copied().enumerate());
        // Of inputs to which as much is due the first.
        self.attributions[begin..].sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        self.attributions.truncate(begin + most.min(due.len()));
        self.lengths.push(self.attributions.len() - begin);
        self.baselines.push(baseline);
        self.values.push(value);
        self.errors.push(error);
    }

    fn finish(self, inputs: &[String]) -> Result<[ArrayRef; 4]> {
        let there: NullBuffer = self.values.iter().map(|value| !value.is_nan()).collect();
        let nulls = (there.null_count() > 0).then_some(there);
        let names: StringArray = self.attributions.iter().map(|(input, _)| Some(inputs[*input].as_str())).collect();
        let parts = Float64Array::from_iter_values(self.attributions.iter().map(|(_, part)| *part));
        let rows = StructArray::new(attribution_fields(), vec![Arc::new(names), Arc::new(parts)], None);
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        let list = ListArray::try_new(Arc::new(attribution()), offsets, Arc::new(rows), nulls.clone());
        let number = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::new(values.into(), nulls.clone())) };
        let list = list.map_err(|error| Error::Batch(error.to_string()))?;
        Ok([Arc::new(list), number(self.baselines), number(self.values), number(self.errors)])
    }
}
