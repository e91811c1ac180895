//! Scores of a learner as output columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, MapArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::labels::Labels;
use crate::learner::Shape;
use crate::spec::{probabilities_field, probability_fields};
use crate::{Error, LabelKind, ModelSpec, OutputRole, Result};

impl ModelSpec {
    /// The columns that the model emits, with their declared names. All may be NULL, except the version.
    pub fn output_schema(&self) -> SchemaRef {
        let fields = self.outputs.iter().map(|output| {
            let is_nullable = output.role != OutputRole::ModelVersion;
            Field::new(&output.name, output.role.data_type(self.label), is_nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Predictions of rows in order, as they are made.
#[derive(Debug)]
pub(crate) struct Predictions {
    shape: Shape,
    /// The probability from which on the second of two classes is predicted.
    threshold: f64,
    /// The number, the index of the class, or the first score without labels; NaN where there is none.
    predicted: Vec<f64>,
    /// The probability of class 1 of two or of the predicted class, or the second score without labels; NaN where there is none.
    second: Vec<f64>,
    wants_all: bool,
    /// The probabilities of all classes, row by row, and how many a row has.
    all: Vec<f64>,
    widths: Vec<usize>,
}

impl Predictions {
    pub(crate) fn new(spec: &ModelSpec, shape: Shape, threshold: f64, rows: usize) -> Self {
        let wants_all = spec.outputs.iter().any(|output| output.role == OutputRole::Probabilities);
        Self {
            shape,
            threshold,
            predicted: Vec::with_capacity(rows),
            second: Vec::with_capacity(rows),
            wants_all,
            all: Vec::new(),
            widths: Vec::new(),
        }
    }

    /// Takes a row without a prediction.
    pub(crate) fn push_nothing(&mut self) {
        self.predicted.push(f64::NAN);
        match self.shape {
            Shape::Number => {}
            Shape::Unlabelled => self.second.push(f64::NAN),
            Shape::Binary | Shape::Classes { .. } => {
                self.second.push(f64::NAN);
                self.widths.push(0);
            }
        }
    }

    /// Takes the scores of `rows` rows, of `classes` classes each if the learner scores every class. No scores: no
    /// prediction.
    pub(crate) fn push(&mut self, scores: &[f64], rows: usize, classes: usize) {
        match self.shape {
            Shape::Number => self.predicted.extend_from_slice(scores),
            Shape::Unlabelled => {
                let pairs = scores.as_chunks::<2>().0;
                self.predicted.extend(pairs.iter().map(|pair| pair[0]));
                self.second.extend(pairs.iter().map(|pair| pair[1]));
            }
            Shape::Binary => {
                let threshold = self.threshold;
                let class = |p: &f64| if p.is_nan() { f64::NAN } else { f64::from(u8::from(*p >= threshold)) };
                self.predicted.extend(scores.iter().map(class));
                self.second.extend_from_slice(scores);
                if self.wants_all {
                    self.all.extend(scores.iter().flat_map(|p| [1.0 - p, *p]));
                    self.widths.resize(self.widths.len() + rows, 2);
                }
            }
            Shape::Classes { .. } if scores.is_empty() || classes == 0 => {
                self.predicted.resize(self.predicted.len() + rows, f64::NAN);
                self.second.resize(self.second.len() + rows, f64::NAN);
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
                    self.second.push(if best.is_nan() { f64::NAN } else { most });
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
        let (first, second) = (Scores::new(&self.predicted), Scores::new(&self.second));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(spec.outputs.len());
        for output in &spec.outputs {
            columns.push(match output.role {
                OutputRole::Predicted => match spec.label {
                    LabelKind::Number | LabelKind::None => first.numbers(),
                    LabelKind::Boolean => first.flags(),
                    LabelKind::Integer => first.integers(|class| labels.integer(class)),
                    LabelKind::Text => {
                        Arc::new(first.classes().map(|c| c.map(|c| labels.text(c))).collect::<StringArray>())
                    }
                },
                OutputRole::Probability | OutputRole::Distance => second.numbers(),
                OutputRole::Probabilities => Arc::new(self.map(labels, rows)?),
                OutputRole::ModelVersion => {
                    let version = i64::try_from(version).unwrap_or(i64::MAX);
                    Arc::new(Int64Array::from(vec![version; rows]))
                }
                OutputRole::Cluster => first.integers(|cluster| cluster as i64),
                OutputRole::AnomalyScore => first.numbers(),
                OutputRole::Changed => first.flags(),
                OutputRole::IsAnomaly | OutputRole::Warning => second.flags(),
            });
        }
        RecordBatch::try_new(spec.output_schema(), columns).map_err(|error| Error::Batch(error.to_string()))
    }

    fn map(&self, labels: &Labels, rows: usize) -> Result<MapArray> {
        let names = labels.names();
        let keys = self.widths.iter().flat_map(|width| names.iter().take(*width).map(|name| Some(name.as_str())));
        let keys: StringArray = keys.collect();
        let values = Float64Array::from(self.all.clone());
        let entries = StructArray::new(probability_fields(), vec![Arc::new(keys), Arc::new(values)], None);
        let offsets = OffsetBuffer::from_lengths(self.widths.iter().copied());
        let is_some = |width: &usize| *width > 0;
        let nulls = (!self.widths.iter().all(is_some)).then(|| self.widths.iter().map(is_some).collect::<NullBuffer>());
        debug_assert_eq!(self.widths.len(), rows);
        MapArray::try_new(Arc::new(probabilities_field()), offsets, entries, nulls, false)
            .map_err(|error| Error::Batch(error.to_string()))
    }
}

/// Scores, one a row, as columns: NaN is NULL.
struct Scores<'a> {
    values: &'a [f64],
    nulls: Option<NullBuffer>,
}

impl<'a> Scores<'a> {
    fn new(values: &'a [f64]) -> Self {
        let any = values.iter().any(|v| v.is_nan());
        Self { values, nulls: any.then(|| values.iter().map(|v| !v.is_nan()).collect()) }
    }

    fn numbers(&self) -> ArrayRef {
        Arc::new(Float64Array::new(self.values.to_vec().into(), self.nulls.clone()))
    }

    /// Whether it is 1.
    fn flags(&self) -> ArrayRef {
        Arc::new(BooleanArray::new(self.values.iter().map(|v| *v == 1.0).collect(), self.nulls.clone()))
    }

    /// Indices.
    fn classes(&self) -> impl Iterator<Item = Option<usize>> {
        self.values.iter().map(|v| (!v.is_nan()).then_some(*v as usize))
    }

    fn integers(&self, of: impl Fn(usize) -> i64) -> ArrayRef {
        Arc::new(self.classes().map(|class| class.map(&of)).collect::<Int64Array>())
    }
}
