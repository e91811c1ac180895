//! Literal arguments that follow a metric's columns.

use tidegate_options::nearest;

use crate::{Error, Expression, Result};

/// The literals given to one call, taken in order.
pub(super) struct Parameters<'a> {
    metric: &'static str,
    rest: &'a [Expression],
    /// What the metric takes, for errors.
    accepted: &'static str,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(metric: &'static str, accepted: &'static str, given: &'a [Expression]) -> Self {
        Self { metric, rest: given, accepted }
    }

    /// The next, a number, if there is one.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>> {
        match self.next() {
            None => Ok(None),
            Some(Expression::Number(number)) => Ok(Some(*number)),
            Some(other) => Err(self.refuse(name, &shown(other), "a number")),
        }
    }

    /// The next, a text that is one of `choices`, if there is one. Returns its place.
    pub(super) fn choice(&mut self, name: &str, choices: &[&str]) -> Result<Option<usize>> {
        let expected = format!("one of {}", choices.join(", "));
        match self.next() {
            None => Ok(None),
            Some(Expression::Text(text)) => match choices.iter().position(|choice| choice.eq_ignore_ascii_case(text)) {
                Some(place) => Ok(Some(place)),
                None => {
                    let hint = nearest(text, choices.iter().copied());
                    let hint = hint.map_or(String::new(), |choice| format!("; did you mean '{choice}'?"));
                    Err(self.refuse(name, &format!("'{text}'"), &(expected + &hint)))
                }
            },
            Some(other) => Err(self.refuse(name, &shown(other), &expected)),
        }
    }

    /// Makes sure that nothing is left.
    pub(super) fn finish(self) -> Result<()> {
        match self.rest {
            [] => Ok(()),
            [extra, ..] => Err(Error::Spec(format!(
                "{}: {} is an argument too many; after the columns it takes {}",
                self.metric,
                shown(extra),
                if self.accepted.is_empty() { "nothing" } else { self.accepted }
            ))),
        }
    }

    pub(super) fn refuse(&self, name: &str, found: &str, expected: &str) -> Error {
        Error::Spec(format!("{}: parameter '{name}' is {found}; expected {expected}", self.metric))
    }

    fn next(&mut self) -> Option<&'a Expression> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }
}

fn shown(expression: &Expression) -> String {
    match expression {
        Expression::Column(name) => format!("the column '{name}'"),
        Expression::Number(number) => number.to_string(),
        Expression::Text(text) => format!("'{text}'"),
        Expression::Flag(flag) => flag.to_string().to_uppercase(),
        Expression::List(_) => "an array".to_string(),
        Expression::Call { function, .. } => format!("a call of {function}"),
    }
}
