//! What kind of question a model answers, and in which columns.

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::{LabelKind, OutputRole};

/// What kind of question a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Task {
    /// Which class?
    Classification,
    /// How much?
    Regression,
    /// Which rows are alike? Without labels.
    Clustering,
    /// How unusual? Without labels.
    AnomalyDetection,
    /// Is it still as it was? Without labels.
    ChangeDetection,
}

impl Task {
    /// The names of all, as in `'task' = '…'`.
    pub const NAMES: &'static [&'static str] =
        &["classification", "regression", "clustering", "anomaly_detection", "change_detection"];

    /// All of them, in the order of their names.
    pub const ALL: [Self; 5] =
        [Self::Classification, Self::Regression, Self::Clustering, Self::AnomalyDetection, Self::ChangeDetection];

    /// The task of this name, in any case of letters.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Clustering => "clustering",
            Self::AnomalyDetection => "anomaly_detection",
            Self::ChangeDetection => "change_detection",
        }
    }

    /// Whether rows have a label to be learned from.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::Classification | Self::Regression)
    }

    /// What the OUTPUT clause takes, in words.
    pub(crate) fn outputs_in_words(self) -> &'static str {
        match self {
            Self::Classification => {
                "the predicted class (BOOLEAN, STRING or BIGINT), then if wanted a DOUBLE (probability) or a \
                 MAP<STRING, DOUBLE> (all probabilities), then if wanted a BIGINT (model version)"
            }
            Self::Regression => "the predicted value (DOUBLE), then if wanted a BIGINT (model version)",
            Self::Clustering => {
                "the cluster (BIGINT), then if wanted a DOUBLE (distance to its centre), then if wanted a BIGINT (model version)"
            }
            Self::AnomalyDetection => {
                "the score (DOUBLE), then if wanted a BOOLEAN (is it an anomaly), then if wanted a BIGINT (model version)"
            }
            Self::ChangeDetection => {
                "whether there is a change (BOOLEAN), then if wanted a BOOLEAN (a warning), then if wanted a BIGINT (model version)"
            }
        }
    }

    /// What the first column of the OUTPUT clause holds, and what the label is then; nothing if it cannot be of this type.
    pub(crate) fn first_output(self, data_type: &DataType) -> Option<(OutputRole, LabelKind)> {
        Some(match (self, data_type) {
            (Self::Classification, DataType::Boolean) => (OutputRole::Predicted, LabelKind::Boolean),
            (Self::Classification, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) => {
                (OutputRole::Predicted, LabelKind::Text)
            }
            (Self::Classification, t) if t.is_integer() => (OutputRole::Predicted, LabelKind::Integer),
            (Self::Regression, DataType::Float64) => (OutputRole::Predicted, LabelKind::Number),
            (Self::Clustering, t) if t.is_integer() => (OutputRole::Cluster, LabelKind::None),
            (Self::AnomalyDetection, DataType::Float64) => (OutputRole::AnomalyScore, LabelKind::None),
            (Self::ChangeDetection, DataType::Boolean) => (OutputRole::Changed, LabelKind::None),
            _ => return None,
        })
    }

    /// What a further column of this type holds, if there can be one.
    pub(crate) fn further_output(self, data_type: &DataType) -> Option<OutputRole> {
        Some(match (self, data_type) {
            (_, DataType::Int64) => OutputRole::ModelVersion,
            (Self::Classification, DataType::Float64) => OutputRole::Probability,
            (Self::Classification, DataType::Map(_, _)) => OutputRole::Probabilities,
            (Self::Clustering, DataType::Float64) => OutputRole::Distance,
            (Self::AnomalyDetection, DataType::Boolean) => OutputRole::IsAnomaly,
            (Self::ChangeDetection, DataType::Boolean) => OutputRole::Warning,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tasks_are_in_one_order() {
        let names: Vec<&str> = Task::ALL.iter().map(|task| task.name()).collect();
        assert_eq!(names, Task::NAMES);
        assert!(Task::ALL.iter().all(|task| Task::find(task.name()) == Some(*task)));
        assert_eq!(Task::find("Regression"), Some(Task::Regression));
        assert_eq!(Task::find("guessing"), None);
    }
}
