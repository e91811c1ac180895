//! What `CREATE MODEL` says: inputs, transforms, outputs, options.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use crate::{Error, Result, Task};

/// The declaration of a model. Plain data: it is saved with every version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The model's name.
    pub name: String,
    /// What kind of question it answers.
    pub task: Task,
    /// Columns it reads, in the order of its `INPUT` clause.
    pub inputs: Vec<Input>,
    /// What happens to the inputs before the learner. Empty: numbers as they are, texts one-hot encoded.
    pub transforms: Vec<Transform>,
    /// Columns it emits, in the order of its `OUTPUT` clause.
    pub outputs: Vec<Output>,
    /// The type of the label, which is the type of the predicted column.
    pub label: LabelKind,
    /// The `WITH` options as written, all of them.
    pub options: BTreeMap<String, String>,
}

/// A column that a model reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// How it is read.
    pub kind: InputKind,
}

/// How an input column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputKind {
    /// Any integer, decimal or floating-point type, read as f64.
    Number,
    /// A boolean, read as 0 or 1.
    Flag,
    /// Text: a category.
    Text,
}

/// One item of the `TRANSFORM` clause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// What is computed.
    pub expression: Expression,
    /// The name of the resulting feature or features.
    pub alias: String,
}

/// An expression of the `TRANSFORM` clause: columns, literals, and calls of transforms, which may nest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// An input column.
    Column(String),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// A list of literals: `ARRAY[…]`.
    List(Vec<Expression>),
    /// A transform applied to its arguments.
    Call {
        /// The function's name in upper case, such as `ML_STANDARD_SCALER`.
        function: String,
        /// Whether `OVER ()` followed: the statistics are learned from the rows, not given as arguments.
        learned: bool,
        /// Its arguments.
        args: Vec<Expression>,
    },
}

impl fmt::Display for Expression {
    /// As it is written in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[Expression]| {
            items.iter().enumerate().try_for_each(|(i, item)| write!(f, "{}{item}", if i == 0 { "" } else { ", " }))
        };
        match self {
            Self::Column(name) => write!(f, "{name}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(items) => {
                write!(f, "ARRAY[")?;
                list(f, items)?;
                write!(f, "]")
            }
            Self::Call { function, learned, args } => {
                write!(f, "{function}(")?;
                list(f, args)?;
                write!(f, "){}", if *learned { " OVER ()" } else { "" })
            }
        }
    }
}

/// A column that a model emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub role: OutputRole,
}

/// What an output column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputRole {
    /// The predicted class or value, of the label's type.
    Predicted,
    /// The probability of the positive class (DOUBLE); for more than two classes, of the predicted class.
    Probability,
    /// The probability of every class (MAP<STRING, DOUBLE>).
    Probabilities,
    /// The version of the model that predicted (BIGINT); 0 while none is registered.
    ModelVersion,
    /// The number of the cluster (BIGINT), from 0.
    Cluster,
    /// The distance to the centre of the cluster (DOUBLE).
    Distance,
    /// How unusual the row is (DOUBLE).
    AnomalyScore,
    /// Whether the score makes it an anomaly (BOOLEAN).
    IsAnomaly,
    /// Whether there is a change with this row (BOOLEAN).
    Changed,
    /// Whether there is a change, or one may be beginning (BOOLEAN).
    Warning,
}

impl OutputRole {
    /// The type of such a column of a model with such a label.
    pub fn data_type(self, label: LabelKind) -> DataType {
        match self {
            Self::Predicted => match label {
                LabelKind::Boolean => DataType::Boolean,
                LabelKind::Integer => DataType::Int64,
                LabelKind::Text => DataType::Utf8,
                LabelKind::Number | LabelKind::None => DataType::Float64,
            },
            Self::Probability | Self::Distance | Self::AnomalyScore => DataType::Float64,
            Self::Probabilities => DataType::Map(Arc::new(probabilities_field()), false),
            Self::ModelVersion | Self::Cluster => DataType::Int64,
            Self::IsAnomaly | Self::Changed | Self::Warning => DataType::Boolean,
        }
    }
}

/// What an entry of [`OutputRole::Probabilities`] holds: the class, and its probability.
pub(crate) fn probability_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)])
}

/// The entries of [`OutputRole::Probabilities`].
pub(crate) fn probabilities_field() -> Field {
    Field::new("entries", DataType::Struct(probability_fields()), false)
}

/// The type of the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LabelKind {
    /// Two classes, false and true.
    Boolean,
    /// Classes named by integers.
    Integer,
    /// Classes named by texts.
    Text,
    /// A number to be predicted.
    Number,
    /// There is none.
    None,
}

impl LabelKind {
    /// The type that the label's column has when it reaches a model; nothing where there is none.
    pub fn data_type(self) -> Option<DataType> {
        match self {
            Self::None => None,
            kind => Some(OutputRole::Predicted.data_type(kind)),
        }
    }

    /// Whether a label of this type can be turned into that.
    pub fn takes(self, data_type: &DataType) -> bool {
        match self {
            Self::Boolean => *data_type == DataType::Boolean || data_type.is_integer(),
            Self::Integer => data_type.is_integer(),
            Self::Text => data_type.is_string(),
            Self::Number => data_type.is_numeric(),
            Self::None => false,
        }
    }
}

/// Options that every model takes, whatever its algorithm.
pub const MODEL_OPTIONS: &[OptionDef] = &[
    OptionDef::required("provider", Kind::Choice(&["tidegate"]), "Who runs the model."),
    OptionDef::required("task", Kind::Choice(Task::NAMES), "What kind of question it answers."),
    OptionDef::required("algorithm", Kind::Text, "The learner."),
    OptionDef::optional(
        "classes",
        Kind::List,
        "The classes of the label, in order. Left out: as they are met; then two classes have a score each, and what learns by gradients other steps than of two that are declared.",
    ),
    OptionDef::new("max-classes", Kind::Int { min: 2, max: 100_000 }, "1000", "Most classes that may be met."),
    OptionDef::new(
        "max-categories",
        Kind::Int { min: 1, max: 100_000_000 },
        "1000000",
        "Most distinct texts remembered for one input column; further ones count as unknown.",
    ),
    OptionDef::new(
        "calibration",
        Kind::Choice(crate::calibration::METHODS),
        "none",
        "classification: what makes the learner's probabilities be what they say, learned from those of rows it had not learned yet. platt: a logistic function of the log odds (Platt 1999). isotonic: any rising function (Zadrozny & Elkan 2002).",
    ),
    OptionDef::new(
        "balance",
        Kind::Choice(crate::balance::MODES),
        "none",
        "classification: makes rare classes count as much as frequent ones, by the rows of each so far. weight: their rows weigh more. undersample: rows of frequent ones are left out at random. oversample: rows of rare ones are learned several times, at random.",
    ),
    OptionDef::new("balance-seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What 'balance' draws by."),
    OptionDef::optional(
        "decision-threshold",
        Kind::Float { min: 0.0, max: 1.0 },
        "The probability from which on the second of two declared classes is predicted. Left out: 0.5. ML_BEST_THRESHOLD tells which costs least.",
    ),
];

impl ModelSpec {
    /// Puts together a specification and checks what can be checked without the learner: types, places of outputs, columns
    /// named by transforms. [`crate::Model::new`] checks the rest.
    ///
    /// # Errors
    /// [`Error::Spec`] when a column's type is not one a model takes, or outputs cannot be told apart by type and place.
    pub fn new(
        name: &str,
        task: Task,
        input: &Schema,
        output: &Schema,
        transforms: Vec<Transform>,
        options: BTreeMap<String, String>,
    ) -> Result<Self> {
        let inputs = input
            .fields()
            .iter()
            .map(|field| {
                let kind = InputKind::of(field.data_type()).ok_or_else(|| {
                    Error::Spec(format!(
                        "model '{name}': input '{}' has type {}; expected a number, BOOLEAN or STRING",
                        field.name(),
                        field.data_type()
                    ))
                })?;
                Ok(Input { name: field.name().clone(), kind })
            })
            .collect::<Result<Vec<_>>>()?;
        if inputs.is_empty() {
            return Err(Error::Spec(format!("model '{name}': INPUT names no column")));
        }
        let (outputs, label) = outputs_by_type_and_place(name, task, output)?;
        Ok(Self { name: name.to_string(), task, inputs, transforms, outputs, label, options })
    }
}

impl InputKind {
    /// How a column of this Arrow type is read, if a model can read it.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Flag),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Dictionary(_, value) => Self::of(value).filter(|kind| *kind == Self::Text),
            DataType::Decimal128(_, _) => Some(Self::Number),
            other if other.is_integer() || other.is_floating() => Some(Self::Number),
            _ => None,
        }
    }
}

/// Tells what each output column holds: first the answer, then what else the task has to tell, last a version.
fn outputs_by_type_and_place(name: &str, task: Task, schema: &Schema) -> Result<(Vec<Output>, LabelKind)> {
    let refuse =
        |what: String| Error::Spec(format!("model '{name}': {what}; OUTPUT takes {}", task.outputs_in_words()));
    let mut fields = schema.fields().iter();
    let first = fields.next().ok_or_else(|| refuse("OUTPUT names no column".to_string()))?;
    let of_type = |field: &Field| refuse(format!("output '{}' has type {}", field.name(), field.data_type()));
    let (role, label) = task.first_output(first.data_type()).ok_or_else(|| of_type(first))?;
    let mut outputs = vec![Output { name: first.name().clone(), role }];
    for field in fields {
        let role = task.further_output(field.data_type()).ok_or_else(|| of_type(field))?;
        let has_version = outputs.iter().any(|output| output.role == OutputRole::ModelVersion);
        // At most one column lies between the answer and the version.
        if has_version || (role != OutputRole::ModelVersion && outputs.len() > 1) {
            return Err(refuse(format!("output '{}' is one too many", field.name())));
        }
        outputs.push(Output { name: field.name().clone(), role });
    }
    Ok((outputs, label))
}
