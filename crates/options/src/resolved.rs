//! Given options held against their declarations.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{OptionDef, Value, nearest};

/// Options that were checked: every declared one that has a value, given or by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    values: BTreeMap<String, Value>,
    given: Vec<String>,
}

/// Why given options were refused. [`OptionError::key`] names the option, so that a caller who knows where it stands in a
/// script can point at it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionError {
    /// No declaration has this name.
    #[error("unknown option '{key}'{}", suggestion(.nearest, .known))]
    Unknown {
        /// The name as given.
        key: String,
        /// The nearest declared name.
        nearest: Option<String>,
        /// Every declared name.
        known: Vec<String>,
    },
    /// The value is not of the option's kind.
    #[error("option '{key}': '{value}' is not {expected}")]
    BadValue {
        /// The name of the option.
        key: String,
        /// The value as given.
        value: String,
        /// What was expected, in words.
        expected: String,
    },
    /// A required option was not given.
    #[error("option '{key}' is missing; it takes {expected}: {doc}")]
    Missing {
        /// The name of the option.
        key: String,
        /// What was expected, in words.
        expected: String,
        /// What the option does.
        doc: &'static str,
    },
    /// The same option was given twice.
    #[error("option '{key}' is given twice")]
    Twice {
        /// The name of the option.
        key: String,
    },
}

fn suggestion(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!("; did you mean '{name}'?"),
        None if known.is_empty() => "; none is known here".to_string(),
        None => format!("; known are: {}", known.join(", ")),
    }
}

impl OptionError {
    /// The option that the error is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Unknown { key, .. }
            | Self::BadValue { key, .. }
            | Self::Missing { key, .. }
            | Self::Twice { key } => key,
        }
    }
}

/// Holds `given` against the declarations of `tables`, fills in defaults, and returns what was declared.
///
/// # Errors
/// The first option that is unknown, given twice, of the wrong kind, or missing.
pub fn resolve<'a>(
    tables: &[&[OptionDef]],
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Options, OptionError> {
    let declared = || tables.iter().flat_map(|table| table.iter());
    let mut options = Options::default();
    for (key, text) in given {
        let Some(def) = declared().find(|def| def.name == key) else {
            return Err(OptionError::Unknown {
                key: key.to_string(),
                nearest: nearest(key, declared().map(|def| def.name)).map(str::to_string),
                known: declared().map(|def| def.name.to_string()).collect(),
            });
        };
        let Some(value) = def.kind.read(text) else {
            return Err(OptionError::BadValue {
                key: key.to_string(),
                value: text.to_string(),
                expected: def.kind.to_string(),
            });
        };
        if options.values.insert(key.to_string(), value).is_some() {
            return Err(OptionError::Twice { key: key.to_string() });
        }
        options.given.push(key.to_string());
    }
    for def in declared().filter(|def| !options.given.iter().any(|key| key == def.name)) {
        match def.default {
            Some(text) => {
                let value = def.kind.read(text);
                debug_assert!(value.is_some(), "the default of '{}' is not of its kind", def.name);
                options.values.extend(value.map(|value| (def.name.to_string(), value)));
            }
            None if def.required => {
                return Err(OptionError::Missing {
                    key: def.name.to_string(),
                    expected: def.kind.to_string(),
                    doc: def.doc,
                });
            }
            None => {}
        }
    }
    Ok(options)
}

impl Options {
    /// The value of an option, if it has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether the user gave the option (rather than its default).
    pub fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|key| key == name)
    }

    /// A text or a choice; empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.text_opt(name).unwrap_or_default()
    }

    /// A text or a choice.
    pub fn text_opt(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A flag; false when absent.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// A whole number; 0 when absent.
    pub fn int(&self, name: &str) -> i64 {
        self.int_opt(name).unwrap_or_default()
    }

    /// A whole number.
    pub fn int_opt(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// A number; 0 when absent.
    pub fn float(&self, name: &str) -> f64 {
        self.float_opt(name).unwrap_or_default()
    }

    /// A number.
    pub fn float_opt(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some(Value::Duration(value)) => Some(*value),
            _ => None,
        }
    }

    /// An amount of memory in bytes.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Value::Bytes(value)) => Some(*value),
            _ => None,
        }
    }

    /// A list; empty when absent.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const TABLE: &[OptionDef] = &[
        OptionDef::new("rate", Kind::Float { min: 0.0, max: 1.0 }, "0.5", "A rate."),
        OptionDef::optional("every", Kind::Duration, "An interval."),
        OptionDef::required("mode", Kind::Choice(&["fast", "slow"]), "A mode."),
    ];

    #[test]
    fn defaults_fill_what_is_not_given() {
        let options = resolve(&[TABLE], [("mode", "FAST")]).unwrap();
        assert_eq!((options.text("mode"), options.float("rate")), ("fast", 0.5));
        assert_eq!((options.duration("every"), options.is_given("rate")), (None, false));
    }

    #[test]
    fn refusals_say_what_was_expected() {
        let said =
            |given: &[(&'static str, &'static str)]| resolve(&[TABLE], given.iter().copied()).unwrap_err().to_string();
        assert_eq!(said(&[("mod", "fast")]), "unknown option 'mod'; did you mean 'mode'?");
        assert_eq!(said(&[("mode", "quick")]), "option 'mode': 'quick' is not one of 'fast', 'slow'");
        assert_eq!(said(&[("mode", "fast"), ("rate", "2")]), "option 'rate': '2' is not a number from 0 to 1");
        assert_eq!(said(&[("mode", "fast"), ("rate", "NaN")]), "option 'rate': 'NaN' is not a number from 0 to 1");
        assert_eq!(said(&[]), "option 'mode' is missing; it takes one of 'fast', 'slow': A mode.");
        assert_eq!(said(&[("mode", "fast"), ("mode", "slow")]), "option 'mode' is given twice");
    }
}
