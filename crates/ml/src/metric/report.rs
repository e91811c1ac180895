//! Reports over all predictions of a model: rows in, one small batch out. The same for every engine.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Datum, Float64Array, Float64Builder, Int64Array, MapBuilder, MapFieldNames, RecordBatch,
    Scalar, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{
    BestThreshold, ClassValue, ConfusionMatrix, Costs, Evaluation, Reliability, ReliabilityBin, RocPoint, Scores,
    Share, best_threshold, roc_curve,
};
use crate::{Error, Result, Task};

/// The most thresholds that a ROC curve shows.
const ROC_POINTS_MAX: usize = 100;

/// The SQL functions of reports.
pub const REPORTS: [&str; 5] =
    ["ML_EVALUATE", "ML_CONFUSION_MATRIX", "ML_ROC_CURVE", "ML_RELIABILITY", "ML_BEST_THRESHOLD"];

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Serialize, Deserialize)]
pub enum ReportKind {
    /// `ML_EVALUATE`: one row, `result MAP<STRING, DOUBLE>`.
    Evaluation,
    /// `ML_CONFUSION_MATRIX`: one row a class.
    ConfusionMatrix,
    /// `ML_ROC_CURVE`: one row a threshold.
    RocCurve,
    /// `ML_RELIABILITY`: one row a bin of probabilities.
    Reliability {
        /// How many bins there are.
        bins: u32,
    },
    /// `ML_BEST_THRESHOLD`: one row.
    BestThreshold {
        /// What mistakes cost.
        costs: Costs,
    },
}

impl ReportKind {
    /// The SQL function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluation => "ML_EVALUATE",
            Self::ConfusionMatrix => "ML_CONFUSION_MATRIX",
            Self::RocCurve => "ML_ROC_CURVE",
            Self::Reliability { .. } => "ML_RELIABILITY",
            Self::BestThreshold { .. } => "ML_BEST_THRESHOLD",
        }
    }

    /// Whether it is of the probability of the second of two classes.
    pub fn needs_probability(self) -> bool {
        matches!(self, Self::RocCurve | Self::Reliability { .. } | Self::BestThreshold { .. })
    }

    /// The columns of the report on a model of these classes.
    pub fn schema(self, classes: &[String]) -> SchemaRef {
        let count = |name: &str| Field::new(name, DataType::Int64, false);
        let fields: Vec<Field> = match self {
            Self::Evaluation => {
                let entries =
                    vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)];
                let entries = Field::new("entries", DataType::Struct(entries.into()), false);
                vec![Field::new("result", DataType::Map(Arc::new(entries), false), false)]
            }
            Self::ConfusionMatrix => std::iter::once(Field::new("expected_label", DataType::Utf8, false))
                .chain(classes.iter().map(|class| count(class)))
                .collect(),
            Self::RocCurve => {
                let rates =
                    ["threshold", "recall", "false_positive_rate"].map(|n| Field::new(n, DataType::Float64, true));
                let counts = ["true_positives", "false_positives", "true_negatives", "false_negatives"].map(count);
                rates.into_iter().chain(counts).collect()
            }
            Self::Reliability { .. } => {
                let number = |name: &str| Field::new(name, DataType::Float64, true);
                let ends = ["lower", "upper"].map(number);
                let observed = ["mean_probability", "observed_rate", "observed_lower", "observed_upper"].map(number);
                let counts = [count("rows"), count("positives")];
                std::iter::once(count("bin")).chain(ends).chain(counts).chain(observed).collect()
            }
            Self::BestThreshold { .. } => {
                let numbers =
                    ["threshold", "cost", "precision", "recall"].map(|n| Field::new(n, DataType::Float64, true));
                let counts = ["true_positives", "false_positives", "true_negatives", "false_negatives"].map(count);
                numbers.into_iter().chain(counts).collect()
            }
        };
        Arc::new(Schema::new(fields))
    }
}

/// A report being taken.
#[derive(Debug)]
pub struct Report {
    state: State,
    /// The second class, whose probability is given, where that is not just TRUE.
    positive: Option<ClassValue>,
    classes: Vec<String>,
    schema: SchemaRef,
}

#[derive(Debug)]
enum State {
    Evaluation(Box<Evaluation>),
    ConfusionMatrix(ConfusionMatrix),
    RocCurve(Scores),
    Reliability(Reliability),
    BestThreshold(Scores, Costs),
}

impl Report {
    /// A report on no rows. `classes` are those of the model, in its order, and `predicted` is the type of what it predicts.
    ///
    /// # Errors
    /// When the kind has a number of bins that is not taken.
    pub fn new(kind: ReportKind, task: Task, classes: Vec<String>, predicted: &DataType) -> Result<Self> {
        let positive = positive_class(&classes, predicted);
        let state = match kind {
            ReportKind::Evaluation => State::Evaluation(Box::new(match positive.clone() {
                Some(class) => Evaluation::with_positive_class(class),
                None => Evaluation::new(task),
            })),
            ReportKind::ConfusionMatrix => State::ConfusionMatrix(ConfusionMatrix::default()),
            ReportKind::RocCurve => State::RocCurve(Scores::default()),
            ReportKind::Reliability { bins } => State::Reliability(Reliability::new(bins as usize)?),
            ReportKind::BestThreshold { costs } => State::BestThreshold(Scores::default(), costs),
        };
        Ok(Self { state, schema: kind.schema(&classes), positive, classes })
    }

    /// Takes rows in; the label may be an integer where the prediction is a BOOLEAN. Either every call gives a probability, which is of
    /// the second of two classes, or none does.
    ///
    /// # Errors
    /// When a column's type or a value is not one that the report takes.
    pub fn update(&mut self, label: &ArrayRef, predicted: &ArrayRef, probability: Option<&ArrayRef>) -> Result<()> {
        let label = cast(label, predicted.data_type()).map_err(|error| Error::Batch(error.to_string()))?;
        let of_positive = || match &self.positive {
            Some(class) => is_of_class(&label, class),
            None => Ok(Arc::clone(&label)),
        };
        match (&mut self.state, probability) {
            (State::Evaluation(state), probability) => state.update(&label, predicted, probability),
            (State::ConfusionMatrix(state), _) => state.update(&label, predicted),
            (State::RocCurve(state) | State::BestThreshold(state, _), Some(probability)) => {
                state.update(&of_positive()?, probability)
            }
            (State::Reliability(state), Some(probability)) => state.update(&of_positive()?, probability),
            (_, None) => Err(Error::Batch("the report needs a probability".to_string())),
        }
    }

    /// The report's rows.
    ///
    /// # Errors
    /// None that is known of: Arrow checks the columns against the schema.
    pub fn finish(&self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = match &self.state {
            State::Evaluation(state) => {
                let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                let mut map = MapBuilder::new(Some(names), StringBuilder::new(), Float64Builder::new());
                for (key, value) in state.values() {
                    map.keys().append_value(key);
                    map.values().append_option(value);
                }
                map.append(true).map_err(|error| Error::Batch(error.to_string()))?;
                vec![Arc::new(map.finish())]
            }
            State::ConfusionMatrix(state) => {
                let occurred = state.classes();
                let rows = state.rows();
                let place = |class: &String| occurred.iter().position(|known| known.to_string() == *class);
                let count = |expected: &String, predicted: &String| match (place(expected), place(predicted)) {
                    (Some(row), Some(column)) => rows[row].counts[column] as i64,
                    _ => 0,
                };
                let expected: ArrayRef = Arc::new(StringArray::from_iter_values(&self.classes));
                let columns = self.classes.iter().map(|predicted| {
                    let counts = self.classes.iter().map(|expected| count(expected, predicted));
                    Arc::new(Int64Array::from_iter_values(counts)) as ArrayRef
                });
                std::iter::once(expected).chain(columns).collect()
            }
            State::RocCurve(state) => {
                let points = roc_curve(&state.rank(), Some(ROC_POINTS_MAX));
                let rate = |of: fn(&RocPoint) -> Option<f64>| {
                    Arc::new(points.iter().map(of).collect::<Float64Array>()) as ArrayRef
                };
                let count = |of: fn(&RocPoint) -> u64| {
                    Arc::new(Int64Array::from_iter_values(points.iter().map(|point| of(point) as i64))) as ArrayRef
                };
                vec![
                    rate(|point| Some(point.threshold)),
                    rate(|point| point.recall),
                    rate(|point| point.false_positive_rate),
                    count(|point| point.true_positives),
                    count(|point| point.false_positives),
                    count(|point| point.true_negatives),
                    count(|point| point.false_negatives),
                ]
            }
            State::Reliability(state) => reliability_columns(&state.bins()),
            State::BestThreshold(state, costs) => {
                let best: Vec<_> = best_threshold(&state.rank(), *costs).into_iter().collect();
                let number = |of: fn(&BestThreshold) -> Option<f64>| {
                    Arc::new(best.iter().map(of).collect::<Float64Array>()) as ArrayRef
                };
                let count = |of: fn(&BestThreshold) -> u64| {
                    Arc::new(Int64Array::from_iter_values(best.iter().map(|best| of(best) as i64))) as ArrayRef
                };
                vec![
                    number(|best| Some(best.threshold)),
                    number(|best| Some(best.cost)),
                    number(BestThreshold::precision),
                    number(BestThreshold::recall),
                    count(|best| best.true_positives),
                    count(|best| best.false_positives),
                    count(|best| best.true_negatives),
                    count(|best| best.false_negatives),
                ]
            }
        };
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| Error::Batch(error.to_string()))
    }

    /// What was taken in so far, as bytes.
    pub fn save(&self) -> Vec<u8> {
        match &self.state {
            State::Evaluation(state) => state.save(),
            State::ConfusionMatrix(state) => state.save(),
            State::RocCurve(state) | State::BestThreshold(state, _) => state.save(),
            State::Reliability(state) => state.save(),
        }
    }

    /// Takes in the rows of another report of the same kind on the same model, which [`Report::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a report.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Evaluation(state) => state.merge(saved),
            State::ConfusionMatrix(state) => state.merge(saved),
            State::RocCurve(state) | State::BestThreshold(state, _) => state.merge(saved),
            State::Reliability(state) => state.merge(saved),
        }
    }
}

/// A reliability table, a row a bin.
fn reliability_columns(bins: &[ReliabilityBin]) -> Vec<ArrayRef> {
    let number =
        |of: fn(&ReliabilityBin) -> Option<f64>| Arc::new(bins.iter().map(of).collect::<Float64Array>()) as ArrayRef;
    let count = |of: fn(&ReliabilityBin) -> u64| {
        Arc::new(Int64Array::from_iter_values(bins.iter().map(|bin| of(bin) as i64))) as ArrayRef
    };
    let observed = |of: fn(Share) -> f64| {
        Arc::new(bins.iter().map(|bin| bin.observed.map(of)).collect::<Float64Array>()) as ArrayRef
    };
    vec![
        Arc::new(Int64Array::from_iter_values(1..=bins.len() as i64)),
        number(|bin| Some(bin.lower)),
        number(|bin| Some(bin.upper)),
        count(|bin| bin.rows),
        count(|bin| bin.positives),
        number(|bin| bin.mean_probability),
        observed(|share| share.rate),
        observed(|share| share.lower),
        observed(|share| share.upper),
    ]
}

/// The class that a model's probability is of: the second of two. `None` where there are more, and for BOOLEAN, whose is TRUE.
fn positive_class(classes: &[String], predicted: &DataType) -> Option<ClassValue> {
    match (classes, predicted) {
        ([_, second], DataType::Utf8) => Some(ClassValue::Text(second.clone())),
        ([_, second], DataType::Int64) => second.parse().ok().map(ClassValue::Integer),
        _ => None,
    }
}

/// Which labels are of a class.
fn is_of_class(label: &ArrayRef, class: &ClassValue) -> Result<ArrayRef> {
    let scalar: Box<dyn Datum> = match class {
        ClassValue::Text(text) => Box::new(StringArray::new_scalar(text)),
        ClassValue::Integer(number) => Box::new(Int64Array::new_scalar(*number)),
        ClassValue::Boolean(flag) => Box::new(Scalar::new(BooleanArray::from(vec![*flag]))),
    };
    let of_class = eq(label, scalar.as_ref()).map_err(|error| Error::Batch(error.to_string()))?;
    Ok(Arc::new(of_class))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(from: usize, to: usize) -> [ArrayRef; 3] {
        let label = (from..to).map(|i| Some(if i % 3 == 0 { "yes" } else { "no" }));
        let predicted = (from..to).map(|i| Some(if i % 4 == 0 { "yes" } else { "no" }));
        let probability = (from..to).map(|i| (i % 7) as f64 / 7.0);
        [
            Arc::new(label.collect::<StringArray>()),
            Arc::new(predicted.collect::<StringArray>()),
            Arc::new(Float64Array::from_iter_values(probability)),
        ]
    }

    #[test]
    fn what_goes_on_from_saved_rows_is_the_same_report() {
        let cost = |cost| super::super::Cost::new(cost).unwrap();
        let costs = Costs { false_positive: cost(1.0), false_negative: cost(5.0) };
        for kind in [
            ReportKind::Evaluation,
            ReportKind::ConfusionMatrix,
            ReportKind::RocCurve,
            ReportKind::Reliability { bins: 7 },
            ReportKind::BestThreshold { costs },
        ] {
            let report =
                || Report::new(kind, Task::Classification, vec!["no".into(), "yes".into()], &DataType::Utf8).unwrap();
            let add = |report: &mut Report, from, to| {
                let [label, predicted, probability] = columns(from, to);
                report.update(&label, &predicted, Some(&probability)).unwrap();
            };
            let (mut whole, mut first, mut second) = (report(), report(), report());
            add(&mut whole, 0, 100);
            add(&mut first, 0, 40);
            second.merge(&first.save()).unwrap();
            add(&mut second, 40, 100);
            assert_eq!(whole.finish().unwrap(), second.finish().unwrap());
            assert!(report().merge(b"no report").is_err());
            assert_eq!(report().finish().unwrap().schema(), kind.schema(&["no".into(), "yes".into()]));
        }
    }
}
