//! Scores of a learner as output columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, MapArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::labels::Labels;
use crate::learner::Shape;
use crate::{Error, LabelKind, ModelSpec, OutputRole, Result};

impl ModelSpec {
    /// The columns that the model emits, with their declared names. All may be NULL, except the version.
    pub fn output_schema(&self) -> SchemaRef {
        let fields = self.outputs.iter().map(|output| {
            let data_type = match output.role {
                OutputRole::Predicted => match self.label {
                    LabelKind::Boolean => DataType::Boolean,
                    LabelKind::Integer => DataType::Int64,
                    LabelKind::Text => DataType::Utf8,
                    LabelKind::Number => DataType::Float64,
                },
                OutputRole::Probability => DataType::Float64,
                OutputRole::Probabilities => DataType::Map(Arc::new(entries_field()), false),
                OutputRole::ModelVersion => DataType::Int64,
            };
            Field::new(&output.name, data_type, output.role != OutputRole::ModelVersion)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

fn entry_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)])
}

fn entries_field() -> Field {
    Field::new("entries", DataType::Struct(entry_fields()), false)
}

/// Predictions of rows in order, as they are made.
#[derive(Debug)]
pub(crate) struct Predictions {
    shape: Shape,
    /// The number, or the index of the class; NaN where there is none.
    predicted: Vec<f64>,
    /// The probability of class 1 of two, or of the predicted class; NaN where there is none.
    probability: Vec<f64>,
    wants_all: bool,
    /// The probabilities of all classes, row by row, and how many a row has.
    all: Vec<f64>,
    widths: Vec<usize>,
}

impl Predictions {
    pub(crate) fn new(spec: &ModelSpec, shape: Shape, rows: usize) -> Self {
        let wants_all = spec.outputs.iter().any(|output| output.role == OutputRole::Probabilities);
        Self {
            shape,
            predicted: Vec::with_capacity(rows),
            probability: Vec::with_capacity(rows),
            wants_all,
            all: Vec::new(),
            widths: Vec::new(),
        }
    }

    /// Takes a row without a prediction.
    pub(crate) fn push_nothing(&mut self) {
        self.predicted.push(f64::NAN);
        if self.shape != Shape::Number {
            self.probability.push(f64::NAN);
            self.widths.push(0);
        }
    }

    /// Takes the scores of `rows` rows, of `classes` classes each if the learner scores every class. No scores: no
    /// prediction.
    pub(crate) fn push(&mut self, scores: &[f64], rows: usize, classes: usize) {
        match self.shape {
            Shape::Number => self.predicted.extend_from_slice(scores),
            Shape::Binary => {
                let class = |p: &f64| if p.is_nan() { f64::NAN } else { f64::from(u8::from(*p >= 0.5)) };
                self.predicted.extend(scores.iter().map(class));
                self.probability.extend_from_slice(scores);
                if self.wants_all {
                    self.all.extend(scores.iter().flat_map(|p| [1.0 - p, *p]));
                    self.widths.resize(self.widths.len() + rows, 2);
                }
            }
            Shape::Classes { .. } if scores.is_empty() || classes == 0 => {
                self.predicted.resize(self.predicted.len() + rows, f64::NAN);
                self.probability.resize(self.probability.len() + rows, f64::NAN);
                self.widths.resize(self.widths.len() + rows, 0);
            }
            Shape::Classes { .. } => {
                for row in scores.chunks_exact(classes) {
                    let (mut best, mut most) = (f64::NAN, f64::NEG_INFINITY);
                    for (class, p) in row.iter().enumerate() {
                        if *p > most {
                            (best, most) = (class as f64, *p);
                        }
                    }
                    self.predicted.push(best);
                    self.probability.push(if best.is_nan() { f64::NAN } else { most });
                }
                if self.wants_all {
                    self.all.extend_from_slice(scores);
                }
                self.widths.resize(self.widths.len() + rows, classes);
            }
        }
    }

    /// The output columns.
    pub(crate) fn finish(self, spec: &ModelSpec, labels: &Labels, version: u64) -> Result<RecordBatch> {
        let rows = self.predicted.len();
        let nulls = |values: &[f64]| {
            let any = values.iter().any(|v| v.is_nan());
            any.then(|| values.iter().map(|v| !v.is_nan()).collect::<NullBuffer>())
        };
        let predicted_nulls = nulls(&self.predicted);
        let class = |v: &f64| (!v.is_nan()).then_some(*v as usize);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(spec.outputs.len());
        for output in &spec.outputs {
            columns.push(match output.role {
                OutputRole::Predicted => match spec.label {
                    LabelKind::Number => {
                        Arc::new(Float64Array::new(self.predicted.clone().into(), predicted_nulls.clone()))
                    }
                    LabelKind::Boolean => {
                        let values = self.predicted.iter().map(|v| *v == 1.0).collect();
                        Arc::new(BooleanArray::new(values, predicted_nulls.clone()))
                    }
                    LabelKind::Integer => {
                        let values = self.predicted.iter().map(|v| class(v).map(|c| labels.integer(c)));
                        Arc::new(values.collect::<Int64Array>())
                    }
                    LabelKind::Text => {
                        let values = self.predicted.iter().map(|v| class(v).map(|c| labels.text(c)));
                        Arc::new(values.collect::<StringArray>())
                    }
                },
                OutputRole::Probability => {
                    let nulls = nulls(&self.probability);
                    Arc::new(Float64Array::new(self.probability.clone().into(), nulls))
                }
                OutputRole::Probabilities => Arc::new(self.map(labels, rows)?),
                OutputRole::ModelVersion => {
                    let version = i64::try_from(version).unwrap_or(i64::MAX);
                    Arc::new(Int64Array::from(vec![version; rows]))
                }
            });
        }
        RecordBatch::try_new(spec.output_schema(), columns).map_err(|error| Error::Batch(error.to_string()))
    }

    fn map(&self, labels: &Labels, rows: usize) -> Result<MapArray> {
        let names = labels.names();
        let keys = self.widths.iter().flat_map(|width| names.iter().take(*width).map(|name| Some(name.as_str())));
        let keys: StringArray = keys.collect();
        let values = Float64Array::from(self.all.clone());
        let entries = StructArray::new(entry_fields(), vec![Arc::new(keys), Arc::new(values)], None);
        let offsets = OffsetBuffer::from_lengths(self.widths.iter().copied());
        let is_some = |width: &usize| *width > 0;
        let nulls = (!self.widths.iter().all(is_some)).then(|| self.widths.iter().map(is_some).collect::<NullBuffer>());
        debug_assert_eq!(self.widths.len(), rows);
        MapArray::try_new(Arc::new(entries_field()), offsets, entries, nulls, false)
            .map_err(|error| Error::Batch(error.to_string()))
    }
}
