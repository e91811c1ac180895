//! What a table function takes, and a call held against it.

use std::time::Duration;

use sqlparser::ast::{Expr, Ident};
use tidegate_options::nearest;

use super::{ArgValue, Argument, ModelRef, TableArgument, TableFunction};
use crate::{Diagnostic, literal};

/// What a function takes, in the order of its positional arguments.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// The function's name in upper case.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
}

/// One thing that a function takes.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// The name before `=>`, in upper case.
    pub name: &'static str,
    /// What kind of argument.
    pub kind: Kind,
    /// Whether leaving it out is an error.
    pub required: bool,
    /// One sentence: what it is.
    pub doc: &'static str,
}

/// A kind of argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A table.
    Table,
    /// A model.
    Model,
    /// Columns: `DESCRIPTOR(a, b)`.
    Descriptor,
    /// Options: `MAP['key', 'value']`.
    Map,
    /// An expression, a literal mostly.
    Scalar,
}

impl Parameter {
    /// One that must be given.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc }
    }

    /// One that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: false, doc }
    }
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Table => "a table: TABLE name or (SELECT …)",
            Kind::Model => "a model: MODEL name, MODEL name$3 or MODEL name$alias",
            Kind::Descriptor => "columns: DESCRIPTOR(a, b)",
            Kind::Map => "options: MAP['key', 'value']",
            Kind::Scalar => "a value",
        }
    }

    fn takes(self, value: &ArgValue) -> bool {
        matches!(
            (self, value),
            (Kind::Table, ArgValue::Table(_))
                | (Kind::Model, ArgValue::Model(_))
                | (Kind::Descriptor, ArgValue::Descriptor(_))
                | (Kind::Map, ArgValue::Map(_))
                | (Kind::Scalar, ArgValue::Expr(_))
        )
    }
}

impl Signature {
    /// Gives each argument of `call` to the parameter it is for.
    ///
    /// Positional arguments come first and go by place; then come named ones, in any order, whatever their case.
    ///
    /// # Errors
    /// A name that the function does not take, an argument given twice, one too many, one of the wrong kind, a positional
    /// one after a named one, or one that is missing.
    pub fn bind<'a>(&self, call: &'a TableFunction) -> Result<Bound<'a>, Diagnostic> {
        let mut arguments: Vec<Option<&Argument>> = vec![None; self.parameters.len()];
        let mut named = false;
        for (place, argument) in call.args.iter().enumerate() {
            let index = match &argument.name {
                Some(name) => {
                    named = true;
                    self.index_of(name).ok_or_else(|| self.unknown(name, argument))?
                }
                None if named => {
                    let message = format!("{}: a positional argument cannot follow a named one", self.name);
                    return Err(Diagnostic::new(argument.span, message).with_help(self.usage()));
                }
                None if place >= self.parameters.len() => {
                    let message = format!(
                        "{} takes at most {} arguments; this is number {}",
                        self.name,
                        self.parameters.len(),
                        place + 1
                    );
                    return Err(Diagnostic::new(argument.span, message).with_help(self.usage()));
                }
                None => place,
            };
            let parameter = &self.parameters[index];
            if arguments[index].is_some() {
                let message = format!("{}: argument {} is given twice", self.name, parameter.name);
                return Err(Diagnostic::new(argument.span, message));
            }
            if !parameter.kind.takes(&argument.value) {
                let message = format!(
                    "{}: argument {} takes {}; found {}",
                    self.name,
                    parameter.name,
                    parameter.kind.expected(),
                    argument.value.describe()
                );
                return Err(Diagnostic::new(argument.span, message));
            }
            arguments[index] = Some(argument);
        }
        for (parameter, argument) in self.parameters.iter().zip(&arguments) {
            if parameter.required && argument.is_none() {
                let message =
                    format!("{}: argument {} is missing: {}", self.name, parameter.name, parameter.kind.expected());
                return Err(Diagnostic::new(call.span, message).with_help(self.usage()));
            }
        }
        Ok(Bound { signature: *self, arguments })
    }

    /// How the function is called, for help and documentation.
    pub fn usage(&self) -> String {
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .map(|p| if p.required { p.name.to_string() } else { format!("[{}]", p.name) })
            .collect();
        format!("{} takes: {}", self.name, parameters.join(", "))
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name.eq_ignore_ascii_case(name))
    }

    fn unknown(&self, name: &str, argument: &Argument) -> Diagnostic {
        let diagnostic = Diagnostic::new(argument.span, format!("{} has no argument '{name}'", self.name));
        match nearest(name, self.parameters.iter().map(|p| p.name)) {
            Some(near) => diagnostic.with_help(format!("did you mean {near}?")),
            None => diagnostic.with_help(self.usage()),
        }
    }
}

/// The arguments of a call, each under its parameter.
///
/// Every getter takes a parameter's name as the signature declares it, and gives `None` where the argument was left out.
#[derive(Debug, Clone)]
pub struct Bound<'a> {
    signature: Signature,
    arguments: Vec<Option<&'a Argument>>,
}

impl<'a> Bound<'a> {
    /// Whether the function has such a parameter: for what plans several functions.
    pub fn declares(&self, name: &str) -> bool {
        self.signature.index_of(name).is_some()
    }

    /// The argument as written.
    pub fn get(&self, name: &str) -> Option<&'a Argument> {
        let index = self.signature.index_of(name);
        debug_assert!(index.is_some(), "{} declares no parameter {name}", self.signature.name);
        self.arguments.get(index?).copied().flatten()
    }

    /// A table.
    pub fn table(&self, name: &str) -> Option<&'a TableArgument> {
        match &self.get(name)?.value {
            ArgValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// A model.
    pub fn model(&self, name: &str) -> Option<&'a ModelRef> {
        match &self.get(name)?.value {
            ArgValue::Model(model) => Some(model),
            _ => None,
        }
    }

    /// Columns; empty when left out.
    pub fn descriptor(&self, name: &str) -> &'a [Ident] {
        match self.get(name).map(|argument| &argument.value) {
            Some(ArgValue::Descriptor(columns)) => columns,
            _ => &[],
        }
    }

    /// Exactly one column.
    ///
    /// # Errors
    /// If it names none or several.
    pub fn column(&self, name: &str) -> Result<Option<&'a Ident>, Diagnostic> {
        match (self.get(name), self.descriptor(name)) {
            (None, _) => Ok(None),
            (Some(_), [column]) => Ok(Some(column)),
            (Some(argument), columns) => Err(Diagnostic::new(
                argument.span,
                format!("{}: argument {name} takes one column; found {}", self.signature.name, columns.len()),
            )),
        }
    }

    /// Options; empty when left out.
    pub fn map(&self, name: &str) -> &'a [(String, String)] {
        match self.get(name).map(|argument| &argument.value) {
            Some(ArgValue::Map(pairs)) => pairs,
            _ => &[],
        }
    }

    /// An expression.
    pub fn expr(&self, name: &str) -> Option<&'a Expr> {
        match &self.get(name)?.value {
            ArgValue::Expr(expr) => Some(expr),
            _ => None,
        }
    }

    /// A string literal.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Diagnostic> {
        self.literal(name, "a text such as 'classification'", literal::text)
    }

    /// A whole number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Diagnostic> {
        self.literal(name, "a whole number", literal::integer)
    }

    /// A number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Diagnostic> {
        self.literal(name, "a number", literal::number)
    }

    /// `TRUE` or `FALSE`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, Diagnostic> {
        self.literal(name, "TRUE or FALSE", literal::bool)
    }

    /// An interval of a fixed length.
    ///
    /// # Errors
    /// If it is something else, negative, or counts months or years.
    pub fn interval(&self, name: &str) -> Result<Option<Duration>, Diagnostic> {
        self.literal(name, "an interval such as INTERVAL '10' MINUTES", literal::interval)
    }

    fn literal<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Expr) -> Option<T>,
    ) -> Result<Option<T>, Diagnostic> {
        let (Some(argument), Some(expr)) = (self.get(name), self.expr(name)) else {
            return Ok(None);
        };
        read(expr).map(Some).ok_or_else(|| {
            let message = format!("{}: argument {name} takes {expected}; found {expr}", self.signature.name);
            Diagnostic::new(argument.span, message)
        })
    }
}
