//! The literal arguments of a transform's call, read one by one.

use crate::rows::{Dictionary, is_taken};
use crate::{Error, Expression, Result};

/// What is known of a column that a transform takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The input column that it comes from, for messages and for hashing.
    pub name: String,
    /// The dictionary that names its categories. `None`: it holds numbers.
    pub dictionary: Option<usize>,
    /// Whether the numbers are flags, 0 and 1.
    pub flag: bool,
}

/// What the label of a model is, for transforms that learn from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A number.
    Number,
    /// One of so many classes, at least two.
    Classes(usize),
    /// One of the classes that are met in the rows, however many there will be.
    ClassesMet,
    /// There is none.
    None,
}

/// A call of a transform in a `TRANSFORM` clause.
#[derive(Debug)]
pub struct Call<'a> {
    /// The function's name.
    pub function: &'static str,
    /// Whether `OVER ()` followed.
    pub learned: bool,
    /// The columns it takes.
    pub columns: Vec<Argument>,
    /// Most categories that a learned encoder may remember.
    pub categories_max: u32,
    /// What the label is.
    pub target: Target,
    /// All dictionaries of the model.
    pub dictionaries: &'a mut Vec<Dictionary>,
    pub(super) literals: &'a [Expression],
    pub(super) next: usize,
}

impl Call<'_> {
    /// An error about this call.
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::Spec(format!("{}: {what}", self.function))
    }

    fn wrong(&self, name: &str, expected: &str, found: &Expression) -> Error {
        self.error(format!("{name} is {}; expected {expected}", describe(found)))
    }

    fn take(&mut self, name: &str, expected: &str) -> Result<&Expression> {
        let Some(found) = self.literals.get(self.next) else {
            let learned = if self.learned { "" } else { " (or OVER () after the call, to learn it from the rows)" };
            return Err(self.error(format!("argument '{name}' is missing; expected {expected}{learned}")));
        };
        self.next += 1;
        Ok(found)
    }

    /// Whether all arguments are read.
    pub fn is_done(&self) -> bool {
        self.next >= self.literals.len()
    }

    /// Refuses arguments that nobody asked for.
    ///
    /// # Errors
    /// When there are some.
    pub fn finish(&self) -> Result<()> {
        match self.literals.get(self.next) {
            None => Ok(()),
            Some(extra) => {
                let learned = if self.learned { "; with OVER () statistics are learned, not given" } else { "" };
                Err(self.error(format!("{} is one argument too many{learned}", describe(extra))))
            }
        }
    }

    /// Refuses a call without `OVER ()`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn must_learn(&self) -> Result<()> {
        if self.learned { Ok(()) } else { Err(self.error("learns from the rows: write OVER () after the call")) }
    }

    /// Refuses `OVER ()`.
    ///
    /// # Errors
    /// When it is there.
    pub fn nothing_learned(&self) -> Result<()> {
        if self.learned { Err(self.error("learns nothing; leave out OVER ()")) } else { Ok(()) }
    }

    /// A finite number.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn number(&mut self, name: &str) -> Result<f64> {
        let expected = "a number";
        match self.take(name, expected)? {
            Expression::Number(value) if is_taken(*value) => Ok(*value),
            other => {
                let other = other.clone();
                Err(self.wrong(name, expected, &other))
            }
        }
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn whole(&mut self, name: &str, min: u32, max: u32) -> Result<u32> {
        let expected = format!("a whole number from {min} to {max}");
        match self.take(name, &expected)? {
            Expression::Number(v) if v.fract() == 0.0 && *v >= min.into() && *v <= max.into() => Ok(*v as u32),
            other => {
                let other = other.clone();
                Err(self.wrong(name, &expected, &other))
            }
        }
    }

    /// A flag, or `default` when all arguments are read.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag_or(&mut self, name: &str, default: bool) -> Result<bool> {
        if self.is_done() {
            return Ok(default);
        }
        let expected = "TRUE or FALSE";
        match self.take(name, expected)? {
            Expression::Flag(value) => Ok(*value),
            other => {
                let other = other.clone();
                Err(self.wrong(name, expected, &other))
            }
        }
    }

    /// A whole number within bounds, or `default` when all arguments are read.
    ///
    /// # Errors
    /// When it is something else.
    pub fn whole_or(&mut self, name: &str, min: u32, max: u32, default: u32) -> Result<u32> {
        if self.is_done() { Ok(default) } else { self.whole(name, min, max) }
    }

    /// One of a few words, in any case.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn word(&mut self, name: &str, words: &[&'static str]) -> Result<&'static str> {
        let expected = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" or ");
        let found = self.take(name, &expected)?.clone();
        let Expression::Text(text) = &found else { return Err(self.wrong(name, &expected, &found)) };
        match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            Some(word) => Ok(word),
            None => Err(self.wrong(name, &expected, &found)),
        }
    }

    /// Any literal that is not a list.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn value(&mut self, name: &str) -> Result<Expression> {
        let expected = "a number, a text, TRUE or FALSE";
        match self.take(name, expected)?.clone() {
            value @ (Expression::Number(_) | Expression::Text(_) | Expression::Flag(_)) => Ok(value),
            other => Err(self.wrong(name, expected, &other)),
        }
    }

    /// A list of literals.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn list(&mut self, name: &str) -> Result<Vec<Expression>> {
        let expected = "ARRAY[…]";
        match self.take(name, expected)?.clone() {
            Expression::List(items) => Ok(items),
            other => Err(self.wrong(name, expected, &other)),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let items = self.list(name)?;
        let texts = items.iter().map(|item| match item {
            Expression::Text(text) => Ok(text.clone()),
            other => Err(self.wrong(name, "ARRAY of texts", other)),
        });
        texts.collect()
    }

    /// The only column.
    pub fn column(&self) -> &Argument {
        &self.columns[0]
    }
}

/// An expression as a user would recognise it.
pub(super) fn describe(expression: &Expression) -> String {
    match expression {
        Expression::Column(name) => format!("column '{name}'"),
        Expression::Number(value) => value.to_string(),
        Expression::Text(text) => format!("'{text}'"),
        Expression::Flag(value) => value.to_string().to_uppercase(),
        Expression::List(_) => "an ARRAY".to_string(),
        Expression::Call { function, .. } => format!("{function}(…)"),
    }
}
