//! All the measures of a task at once, for `ML_EVALUATE`.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

use super::agreement::{Kappa, Mcc};
use super::classes::{ClassIndex, ClassKind, ClassRows, ClassValue};
use super::columns::Batch;
use super::counts::{ClassCount, ClassCounts, ClassMeasure, MAX_CLASSES};
use super::explained_variance::ErrorMoments;
use super::mean::{Mean, Numbers, Pairs, Term};
use super::precision_recall::{Average, Fraction};
use super::probability::{BrierScore, LogLoss};
use super::ranking::{ScoreRows, Scores};
use super::regression::{AbsoluteError, RelativeError, SquaredError};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Result, Task};

const SNAPSHOT_KIND: &str = "metric.evaluation";

/// The measures of a task, taken in one pass. Keys and their meaning follow Flink's `ML_EVALUATE`; ours come after
/// them.
///
/// Of a classification:
///
/// | Key            | Measure                                                                                        |
/// |----------------|------------------------------------------------------------------------------------------------|
/// | `Accuracy`     | as [`ML_ACCURACY`](crate::metric::ML_ACCURACY)                                                 |
/// | `Precision`    | the macro average, also for two classes                                                        |
/// | `Recall`       | the macro average, also for two classes                                                        |
/// | `F1`           | the harmonic mean of these two; macro [`ML_F1`](crate::metric::ML_F1) is the mean of each F1   |
/// | `LogLoss`      | with a probability: as [`ML_LOG_LOSS`](crate::metric::ML_LOG_LOSS)                             |
/// | `RocAuc`       | with a probability: as [`ML_ROC_AUC`](crate::metric::ML_ROC_AUC)                               |
/// | `PrAuc`        | with a probability: as [`ML_PR_AUC`](crate::metric::ML_PR_AUC)                                 |
/// | `Kappa`, `Mcc` | as [`ML_KAPPA`](crate::metric::ML_KAPPA) and [`ML_MCC`](crate::metric::ML_MCC)                 |
/// | `BrierScore`   | with a probability: as [`ML_BRIER_SCORE`](crate::metric::ML_BRIER_SCORE)                       |
/// | `Rows`         | how many rows counted                                                                          |
/// | `PositiveRate` | with a probability: the share of positive labels                                               |
///
/// Of a regression: `MAE`, `MSE`, `RMSE`, `MAPE` and `R2` as the functions of these names, and `Rows`.
///
/// Rows with a NULL in any column count nowhere. The probability is that of the positive class: true, 1, or the one
/// that [`Evaluation::with_positive_class`] names. Its measures exist for two classes only: they are undefined
/// (`None`), and their state is dropped, as soon as there is a third class, and for texts while no positive class is
/// named.
///
/// Memory: 24 bytes a class, and with a probability 8 bytes a row, for the exact areas. Merging is exact: neither order
/// nor parts change a bit of any value.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, BooleanArray, Float64Array};
/// use tidegate_ml::{Task, metric::Evaluation};
///
/// let label: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false, false]));
/// let predicted: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, false]));
/// let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.4, 0.3, 0.2]));
/// let mut evaluation = Evaluation::new(Task::Classification);
/// evaluation.update(&label, &predicted, Some(&probability))?;
/// let values = evaluation.values();
/// assert_eq!(values[0], ("Accuracy", Some(0.75)));
/// assert_eq!(values[5], ("RocAuc", Some(1.0)));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
#[derive(Debug)]
pub struct Evaluation {
    measures: Measures,
}

#[derive(Debug)]
enum Measures {
    Classification(Box<Classification>),
    Regression(Box<Regression>),
}

#[derive(Debug)]
struct Classification {
    index: ClassIndex,
    counts: ClassCounts,
    named_positive: Option<ClassValue>,
    probability: Probability,
}

/// What is known of the probability column.
#[derive(Debug, Default)]
enum Probability {
    /// No row yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// Two classes so far.
    Measured(Box<ProbabilityMeasures>),
    /// There is one, but more than two classes, or no positive class.
    Undefined,
}

#[derive(Debug, Default)]
struct ProbabilityMeasures {
    log_loss: Mean,
    brier_score: Mean,
    scores: Scores,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Regression {
    rows: u64,
    absolute: Mean,
    squared: Mean,
    relative: Mean,
    moments: ErrorMoments,
}

#[derive(Serialize, Deserialize)]
enum Saved {
    Classification {
        counts: Vec<(ClassValue, ClassCount)>,
        named_positive: Option<ClassValue>,
        probability: SavedProbability,
    },
    Regression(Box<Regression>),
}

/// The scores follow the rest, as they are.
#[derive(Serialize, Deserialize)]
enum SavedProbability {
    Unknown,
    Absent,
    Measured { log_loss: Mean, brier_score: Mean },
    Undefined,
}

impl Evaluation {
    /// An empty evaluation. Of a task without labels, whose answers may be held against labels from elsewhere, that of numbers.
    pub fn new(task: Task) -> Self {
        let measures = match task {
            Task::Classification => Measures::Classification(Box::new(Classification::new(None))),
            Task::Regression | Task::Clustering | Task::AnomalyDetection | Task::ChangeDetection => {
                Measures::Regression(Box::default())
            }
        };
        Self { measures }
    }

    /// An empty evaluation of a classification whose probabilities are those of this class.
    pub fn with_positive_class(class: ClassValue) -> Self {
        Self { measures: Measures::Classification(Box::new(Classification::new(Some(class)))) }
    }

    /// Takes rows in. Either every call gives a probability or none does.
    ///
    /// # Errors
    /// When a column's type or a value is not one that the measures take.
    pub fn update(&mut self, label: &ArrayRef, predicted: &ArrayRef, probability: Option<&ArrayRef>) -> Result<()> {
        match (&mut self.measures, probability) {
            (Measures::Classification(measures), _) => measures.update(label, predicted, probability),
            (Measures::Regression(measures), None) => measures.update(label, predicted),
            (Measures::Regression(_), Some(_)) => {
                Err(Error::Batch("a probability was given; a regression has none".to_string()))
            }
        }
    }

    /// Takes in a state that [`Evaluation::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state, or one of another task or positive class.
    pub fn merge(&mut self, saved: &[u8]) -> Result<()> {
        let (saved, scores) = open_evaluation(saved)?;
        match (&mut self.measures, saved) {
            (Measures::Classification(measures), Saved::Classification { counts, named_positive, probability }) => {
                if named_positive != measures.named_positive {
                    let shown =
                        |class: &Option<ClassValue>| class.as_ref().map_or("none".to_string(), |c| format!("'{c}'"));
                    let (mine, theirs) = (shown(&measures.named_positive), shown(&named_positive));
                    return Err(Error::Merge(format!("the positive class of one is {mine}, of the other {theirs}")));
                }
                measures.merge(&counts, probability, scores)
            }
            (Measures::Regression(measures), Saved::Regression(other)) => measures.merge(&other),
            _ => Err(Error::Merge("one evaluates a classification, the other a regression".to_string())),
        }
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        let (head, scores) = match &self.measures {
            Measures::Regression(measures) => (encode(&Saved::Regression(measures.clone())), Vec::new()),
            Measures::Classification(measures) => measures.save(),
        };
        let mut payload = (head.len() as u64).to_le_bytes().to_vec();
        payload.extend_from_slice(&head);
        payload.extend_from_slice(&scores);
        seal(SNAPSHOT_KIND, 1, &payload)
    }

    /// The evaluation that [`Evaluation::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a state.
    pub fn load(saved: &[u8]) -> Result<Self> {
        let mut evaluation = match open_evaluation(saved)?.0 {
            Saved::Regression(_) => Self::new(Task::Regression),
            Saved::Classification { named_positive, .. } => {
                Self { measures: Measures::Classification(Box::new(Classification::new(named_positive))) }
            }
        };
        evaluation.merge(saved)?;
        Ok(evaluation)
    }

    /// Keys and values, in the order in which [`Evaluation`] lists them. Those that need a probability are left out
    /// when none was given. `None`: undefined.
    pub fn values(&self) -> Vec<(&'static str, Option<f64>)> {
        match &self.measures {
            Measures::Classification(measures) => measures.values(),
            Measures::Regression(measures) => measures.values(),
        }
    }

    /// Bytes of memory.
    pub fn state_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.measures {
                Measures::Classification(measures) => size_of::<Classification>() + measures.heap_bytes(),
                Measures::Regression(measures) => size_of::<Regression>() + measures.heap_bytes(),
            }
    }
}

fn open_evaluation(saved: &[u8]) -> Result<(Saved, &[u8])> {
    let payload = open(SNAPSHOT_KIND, 1, saved)?;
    let cut_short = || SnapshotError::Content("an evaluation is cut short".to_string());
    let (length, rest) = payload.split_first_chunk::<8>().ok_or_else(cut_short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (head, scores) = rest.split_at_checked(length).ok_or_else(cut_short)?;
    Ok((decode(head)?, scores))
}

impl Classification {
    fn new(named_positive: Option<ClassValue>) -> Self {
        Self {
            index: ClassIndex::new(MAX_CLASSES),
            counts: ClassCounts::default(),
            named_positive,
            probability: Probability::Unknown,
        }
    }

    fn update(&mut self, label: &ArrayRef, predicted: &ArrayRef, probability: Option<&ArrayRef>) -> Result<()> {
        let mut columns = vec![label.clone(), predicted.clone()];
        columns.extend(probability.cloned());
        let names: &[&str] = &["label", "predicted", "probability"];
        let Some(batch) = Batch::new(&columns, &names[..columns.len()], None)? else { return Ok(()) };
        match (&self.probability, probability) {
            (Probability::Absent, Some(_)) => return Err(sometimes()),
            (Probability::Measured(_) | Probability::Undefined, None) => return Err(sometimes()),
            _ => {}
        }
        let probabilities = probability.map(|_| batch.probabilities(2)).transpose()?;
        let rows = self.index.read(&batch)?;
        let positive = self.positive()?;
        self.counts.add_all(&rows, &batch);
        if let Probability::Unknown = self.probability {
            self.probability =
                if probability.is_some() { Probability::Measured(Box::default()) } else { Probability::Absent };
        }
        if let (Probability::Measured(measures), Some(score)) = (&mut self.probability, probabilities) {
            match positive {
                Some(positive) => measures.add(&rows, positive, score, &batch),
                None => self.probability = Probability::Undefined,
            }
        }
        Ok(())
    }

    fn merge(&mut self, counts: &[(ClassValue, ClassCount)], theirs: SavedProbability, scores: &[u8]) -> Result<()> {
        let mut merged = ProbabilityMeasures::default();
        let both_known = match (&self.probability, &theirs) {
            (Probability::Absent, SavedProbability::Measured { .. } | SavedProbability::Undefined)
            | (Probability::Measured(_) | Probability::Undefined, SavedProbability::Absent) => return Err(sometimes()),
            (_, SavedProbability::Measured { log_loss, brier_score }) => {
                merged.log_loss.merge(log_loss)?;
                merged.brier_score.merge(brier_score)?;
                merged.scores.merge_payload(scores)?;
                true
            }
            _ => false,
        };
        if !both_known && !scores.is_empty() {
            return Err(SnapshotError::Content("scores without a probability".to_string()).into());
        }
        self.counts.merge(&mut self.index, counts)?;
        let positive = self.positive()?;
        self.probability = match (std::mem::take(&mut self.probability), theirs) {
            (mine, SavedProbability::Unknown) => mine,
            (_, SavedProbability::Absent) => Probability::Absent,
            (_, SavedProbability::Undefined) | (Probability::Undefined, _) => Probability::Undefined,
            (_, SavedProbability::Measured { .. }) if positive.is_none() => Probability::Undefined,
            (Probability::Measured(mut mine), SavedProbability::Measured { .. }) => {
                mine.merge(merged)?;
                Probability::Measured(mine)
            }
            (Probability::Unknown | Probability::Absent, SavedProbability::Measured { .. }) => {
                Probability::Measured(Box::new(merged))
            }
        };
        if let (Probability::Measured(_), None) = (&self.probability, positive) {
            self.probability = Probability::Undefined;
        }
        Ok(())
    }

    /// The number of the positive class, if there are but two classes and one is known to be positive.
    fn positive(&mut self) -> Result<Option<u32>> {
        let two = match (&self.named_positive, self.index.kind()) {
            (Some(class), _) => vec![class.clone()],
            (None, Some(ClassKind::Boolean)) => vec![ClassValue::Boolean(true)],
            (None, Some(ClassKind::Integer)) => vec![ClassValue::Integer(1), ClassValue::Integer(0)],
            (None, Some(ClassKind::Text) | None) => return Ok(None),
        };
        let numbers = self.index.add(two.iter()).map_err(|_| {
            Error::Batch(format!("the positive class '{}' is not one of the label's classes or their type", two[0]))
        })?;
        Ok(numbers.first().copied().filter(|_| self.index.len() <= 2))
    }

    fn save(&self) -> (Vec<u8>, Vec<u8>) {
        let (probability, scores) = match &self.probability {
            Probability::Unknown => (SavedProbability::Unknown, Vec::new()),
            Probability::Absent => (SavedProbability::Absent, Vec::new()),
            Probability::Undefined => (SavedProbability::Undefined, Vec::new()),
            Probability::Measured(measures) => {
                let ProbabilityMeasures { log_loss, brier_score, scores } = measures.as_ref();
                let means = SavedProbability::Measured { log_loss: log_loss.clone(), brier_score: brier_score.clone() };
                (means, scores.payload())
            }
        };
        let counts = self.counts.saved(&self.index);
        let named_positive = self.named_positive.clone();
        (encode(&Saved::Classification { counts, named_positive, probability }), scores)
    }

    fn values(&self) -> Vec<(&'static str, Option<f64>)> {
        let counts = self.counts.summary(&self.index);
        let kind = self.index.kind().filter(|_| counts.rows > 0);
        let of = |measure: &dyn Fn(ClassKind) -> Option<f64>| kind.and_then(measure);
        let precision = of(&|_| Some(Fraction::Precision.averaged(&counts.shares(), Average::Macro)));
        let recall = of(&|_| Some(Fraction::Recall.averaged(&counts.shares(), Average::Macro)));
        let f1 = precision.zip(recall).map(|(p, r)| if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) });
        let mut values = vec![
            ("Accuracy", of(&|_| Some(counts.correct() as f64 / counts.rows as f64))),
            ("Precision", precision),
            ("Recall", recall),
            ("F1", f1),
        ];
        let given = matches!(self.probability, Probability::Measured(_) | Probability::Undefined);
        let measured = match &self.probability {
            Probability::Measured(measures) => Some(measures),
            _ => None,
        };
        if given {
            let ranking = measured.map(|measures| measures.scores.rank());
            values.push(("LogLoss", measured.and_then(|measures| measures.log_loss.value())));
            values.push(("RocAuc", ranking.as_ref().and_then(|ranking| ranking.roc_auc())));
            values.push(("PrAuc", ranking.as_ref().and_then(|ranking| ranking.average_precision())));
        }
        values.push(("Kappa", of(&|kind| Kappa.of(&counts, kind))));
        values.push(("Mcc", of(&|kind| Mcc.of(&counts, kind))));
        if given {
            values.push(("BrierScore", measured.and_then(|measures| measures.brier_score.value())));
        }
        values.push(("Rows", Some(counts.rows as f64)));
        if given {
            values.push(("PositiveRate", measured.and_then(|measures| measures.positive_rate())));
        }
        values
    }

    fn heap_bytes(&self) -> usize {
        let probability = match &self.probability {
            Probability::Measured(measures) => measures.state_bytes(),
            _ => 0,
        };
        self.index.heap_bytes() + self.counts.heap_bytes() + probability
    }
}

fn sometimes() -> Error {
    Error::Batch("a probability was given for some rows and not for others; give it always or never".to_string())
}

impl ProbabilityMeasures {
    fn add(
        &mut self,
        rows: &ClassRows,
        positive: u32,
        probability: arrow::buffer::ScalarBuffer<f64>,
        batch: &Batch<'_>,
    ) {
        let label: BooleanBuffer = rows.label_is(positive);
        batch.for_each(|row| {
            let (label, probability) = (label.value(row), probability[row]);
            self.log_loss.add(LogLoss::of(label, probability));
            self.brier_score.add(BrierScore::of(label, probability));
        });
        self.scores.add_all(&ScoreRows { label, score: probability }, batch);
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.log_loss.merge(&other.log_loss)?;
        self.brier_score.merge(&other.brier_score)?;
        self.scores.append(other.scores);
        Ok(())
    }

    fn positive_rate(&self) -> Option<f64> {
        let (positives, negatives) = (self.scores.positives(), self.scores.negatives());
        (positives + negatives > 0).then(|| positives as f64 / (positives + negatives) as f64)
    }

    fn state_bytes(&self) -> usize {
        size_of::<Self>() + self.log_loss.heap_bytes() + self.brier_score.heap_bytes() + self.scores.heap_bytes()
    }
}

impl Regression {
    fn update(&mut self, label: &ArrayRef, predicted: &ArrayRef) -> Result<()> {
        let columns = [label.clone(), predicted.clone()];
        let Some(batch) = Batch::new(&columns, Numbers::COLUMNS, None)? else { return Ok(()) };
        let rows = Numbers::read(&batch)?;
        self.rows += batch.count();
        batch.for_each(|row| {
            let (label, predicted) = rows.pair(row);
            self.absolute.add(AbsoluteError::of(label, predicted));
            self.squared.add(SquaredError::of(label, predicted));
            self.relative.add(RelativeError::of(label, predicted));
            self.moments.add(label, predicted);
        });
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.rows = super::mean::add_rows(self.rows, other.rows)?;
        self.absolute.merge(&other.absolute)?;
        self.squared.merge(&other.squared)?;
        self.relative.merge(&other.relative)?;
        self.moments.merge(&other.moments)
    }

    fn values(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![
            ("MAE", self.absolute.value()),
            ("MSE", self.squared.value()),
            ("RMSE", self.squared.value().map(f64::sqrt)),
            ("MAPE", self.relative.value()),
            ("R2", self.moments.r2()),
            ("Rows", Some(self.rows as f64)),
        ]
    }

    fn heap_bytes(&self) -> usize {
        let means = [&self.absolute, &self.squared, &self.relative];
        means.map(Mean::heap_bytes).iter().sum::<usize>() + self.moments.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn value(evaluation: &Evaluation, key: &str) -> Option<f64> {
        evaluation.values().into_iter().find(|(found, _)| *found == key).and_then(|(_, value)| value)
    }

    #[test]
    fn texts_need_a_positive_class() {
        let (label, predicted) = (texts(&["yes", "no", "yes"]), texts(&["yes", "no", "no"]));
        let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.9, 0.2, 0.4]));
        let mut unnamed = Evaluation::new(Task::Classification);
        unnamed.update(&label, &predicted, Some(&probability)).unwrap();
        assert_eq!((value(&unnamed, "RocAuc"), value(&unnamed, "Rows")), (None, Some(3.0)));
        let mut named = Evaluation::with_positive_class(ClassValue::Text("yes".to_string()));
        named.update(&label, &predicted, Some(&probability)).unwrap();
        assert_eq!((value(&named, "RocAuc"), value(&named, "PositiveRate")), (Some(1.0), Some(2.0 / 3.0)));
        assert!(named.merge(&unnamed.save()).unwrap_err().to_string().contains("'yes', of the other none"));
        let mut wrong = Evaluation::with_positive_class(ClassValue::Integer(1));
        let error = wrong.update(&label, &predicted, None).unwrap_err().to_string();
        assert_eq!(error, "the positive class '1' is not one of the label's classes or their type");
    }

    #[test]
    fn a_third_class_ends_what_needs_two() {
        let (two, third): (ArrayRef, ArrayRef) =
            (Arc::new(Int32Array::from(vec![0, 1])), Arc::new(Int32Array::from(vec![2])));
        let probability: ArrayRef = Arc::new(Float64Array::from(vec![0.2, 0.9]));
        let mut evaluation = Evaluation::new(Task::Classification);
        evaluation.update(&two, &two, Some(&probability)).unwrap();
        assert_eq!(value(&evaluation, "RocAuc"), Some(1.0));
        evaluation.update(&third, &third, Some(&probability.slice(0, 1))).unwrap();
        assert_eq!((value(&evaluation, "RocAuc"), value(&evaluation, "LogLoss")), (None, None));
        assert_eq!((value(&evaluation, "Accuracy"), value(&evaluation, "Rows")), (Some(1.0), Some(3.0)));
        let keys: Vec<_> = evaluation.values().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys.join(" "),
            "Accuracy Precision Recall F1 LogLoss RocAuc PrAuc Kappa Mcc BrierScore Rows PositiveRate"
        );
    }
}
