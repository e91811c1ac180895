//! What a metric takes: how many arguments, and of which types. Every engine asks here, so that all of them refuse in the same words.

use arrow::datatypes::DataType;

use super::{Argument, MetricDef};
use crate::{Error, Result};

impl MetricDef {
    /// The types that arguments of these types are turned into before they reach the metric: its columns as BOOLEAN, BIGINT, STRING or
    /// DOUBLE, and after them the literals as they are.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use tidegate_ml::metric::ML_LOG_LOSS;
    ///
    /// let given = [DataType::Int16, DataType::Float32];
    /// assert_eq!(ML_LOG_LOSS.coerce(&given)?, [DataType::Int64, DataType::Float64]);
    /// assert!(ML_LOG_LOSS.coerce(&[DataType::Utf8, DataType::Float32]).is_err());
    /// # Ok::<(), tidegate_ml::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are too few or too many, or one has a type that is not taken.
    pub fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let columns = self.arguments.len();
        let extra = if self.parameters.is_empty() { 0 } else { usize::MAX - columns };
        // A parameter without a default must be there.
        let required = self.parameters.split(", ").filter(|known| known.contains(' ') && !known.contains('='));
        let required = required.filter(|known| known.ends_with("DOUBLE")).count();
        if given.len() < columns + required || given.len() > columns + extra {
            let takes = self.in_words();
            return Err(Error::Spec(format!("{} takes {takes}, but was given {} argument(s)", self.name, given.len())));
        }
        let mut classes: Option<DataType> = None;
        let mut coerced = Vec::with_capacity(given.len());
        for (argument, data_type) in self.arguments.iter().zip(given) {
            let refuse = |expected: &str| {
                Err(Error::Spec(format!(
                    "{} takes {}: argument {} has type {data_type}, expected {expected}",
                    self.name,
                    self.in_words(),
                    coerced.len() + 1
                )))
            };
            coerced.push(match argument {
                Argument::Class | Argument::Cluster | Argument::Binary | Argument::Sample | Argument::Category => {
                    let two = matches!(argument, Argument::Binary | Argument::Sample);
                    let class = match data_type {
                        DataType::Boolean => DataType::Boolean,
                        DataType::Null => classes.clone().unwrap_or(DataType::Boolean),
                        t if t.is_integer() => DataType::Int64,
                        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if !two => DataType::Utf8,
                        DataType::Dictionary(_, v) if v.is_string() && !two => DataType::Utf8,
                        _ if two => return refuse("BOOLEAN, or an integer 0 or 1"),
                        _ => return refuse("a class: BOOLEAN, an integer or STRING"),
                    };
                    match (&classes, argument) {
                        (Some(first), Argument::Class) if *first != class => {
                            return refuse(&format!("the same type as the label, {first}"));
                        }
                        _ => classes = Some(class.clone()),
                    }
                    class
                }
                Argument::Score | Argument::Number => match data_type {
                    t if t.is_numeric() || *t == DataType::Null => DataType::Float64,
                    _ => return refuse("a number"),
                },
                Argument::Value => match data_type {
                    t if t.is_numeric() || *t == DataType::Null => DataType::Float64,
                    DataType::Boolean => DataType::Boolean,
                    t if t.is_string() => DataType::Utf8,
                    DataType::Dictionary(_, v) if v.is_string() => DataType::Utf8,
                    _ => return refuse("a number, or a category: BOOLEAN or STRING"),
                },
            });
        }
        coerced.extend(given[columns..].iter().cloned());
        Ok(coerced)
    }

    /// What it takes: `(class, class [, average STRING = …])`.
    pub fn in_words(&self) -> String {
        let words: Vec<&str> = self.arguments.iter().map(|argument| argument.word()).collect();
        let parameters = if self.parameters.is_empty() { String::new() } else { format!(" [, {}]", self.parameters) };
        format!("({}{parameters})", words.join(", "))
    }
}

impl Argument {
    /// What it is called where a metric's arguments are listed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Cluster => "cluster",
            Self::Binary => "label",
            Self::Score => "score",
            Self::Number => "number",
            Self::Sample => "sample",
            Self::Category => "category",
            Self::Value => "value",
        }
    }
}
