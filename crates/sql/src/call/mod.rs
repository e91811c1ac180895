//! Calls of table functions, read with their kinds of argument.
//!
//! In the parsed tree such an argument is an ordinary expression, so that queries inside it are planned like any other:
//! `TABLE t` is a call named `$table` around the subquery `(SELECT * FROM t)`, and `MODEL m$3` is a call named `$model`. No
//! name that a user writes begins with `$`. [`TableFunction::from_factor`] turns them back into what was meant, and
//! [`Signature::bind`] holds the arguments against what a function takes.
//!
//! ```
//! use sqlparser::ast::SetExpr;
//! use tidegate_sql::call::{ArgValue, TableFunction};
//! use tidegate_sql::{Parameters, Statement, parse_script};
//!
//! let text = "SELECT * FROM ML_PREDICT(TABLE t, MODEL => MODEL m$3, ARGS => DESCRIPTOR(a, b));";
//! let script = parse_script("job.sql", text, &Parameters::default()).unwrap();
//! let Statement::Query(query) = &script.statements[0].statement else { unreachable!() };
//! let SetExpr::Select(select) = &*query.body else { unreachable!() };
//! let call = TableFunction::from_factor(&select.from[0].relation).unwrap().unwrap();
//! assert_eq!((call.name.as_str(), call.args.len()), ("ML_PREDICT", 3));
//! let ArgValue::Model(model) = &call.args[1].value else { unreachable!() };
//! assert_eq!(model.to_string(), "m$3");
//! ```

mod read;
mod signature;

use std::fmt;

use sqlparser::ast::{Expr, Ident, ObjectName, OrderByExpr, Query, TableAlias};

use crate::{ModelVersion, Span};

pub use signature::{Bound, Kind, Parameter, Signature};

/// The name of the call that stands for `TABLE t` in a parsed tree.
pub(crate) const TABLE: &str = "$table";
/// The name of the call that stands for `MODEL m`.
pub(crate) const MODEL: &str = "$model";
/// The name of the call inside [`TABLE`] that holds the expressions of PARTITION BY.
pub(crate) const PARTITION_BY: &str = "$partition_by";
/// The name of the call inside [`TABLE`] that holds the items of ORDER BY, each a call of [`ORDER`].
pub(crate) const ORDER_BY: &str = "$order_by";
/// One item of ORDER BY: the expression, whether ascending, whether NULLs come first (each true, false, or NULL if not said).
pub(crate) const ORDER: &str = "$order";

/// A call in FROM.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFunction {
    /// The function's name in upper case.
    pub name: String,
    /// Its arguments as written.
    pub args: Vec<Argument>,
    /// `AS p` after the call.
    pub alias: Option<TableAlias>,
    /// The name and its arguments.
    pub span: Span,
}

/// One argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// `INPUT` of `INPUT => …`, as written; `None` for a positional one.
    pub name: Option<String>,
    /// What was given.
    pub value: ArgValue,
    /// The whole argument.
    pub span: Span,
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a call has a handful of arguments, read once")]
pub enum ArgValue {
    /// `TABLE t`, `TABLE (SELECT …)`, `(SELECT …)`.
    Table(TableArgument),
    /// `MODEL m`, `MODEL m$3`, `MODEL m$candidate`.
    Model(ModelRef),
    /// `DESCRIPTOR(a, b)`.
    Descriptor(Vec<Ident>),
    /// `MAP['key', 'value']`.
    Map(Vec<(String, String)>),
    /// Anything else.
    Expr(Expr),
}

/// A table given to a function.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArgument {
    /// Its rows; `SELECT * FROM t` for `TABLE t`.
    pub query: Box<Query>,
    /// The name of `TABLE t`.
    pub name: Option<ObjectName>,
    /// `PARTITION BY …`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY …`.
    pub order_by: Vec<OrderByExpr>,
}

/// A model given to a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelRef {
    /// Its name, without the version.
    pub name: String,
    /// Which version.
    pub version: ModelVersion,
}

impl ArgValue {
    /// What it is, in words that fit after "found".
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Model(_) => "a model",
            Self::Descriptor(_) => "a DESCRIPTOR",
            Self::Map(_) => "a MAP",
            Self::Expr(_) => "an expression",
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            ModelVersion::Latest => write!(f, "{}", self.name),
            ModelVersion::Number(number) => write!(f, "{}${number}", self.name),
            ModelVersion::Alias(alias) => write!(f, "{}${alias}", self.name),
        }
    }
}

impl ModelRef {
    /// Reads `m`, `m$3` or `m$candidate`.
    ///
    /// # Errors
    /// In words, if what follows `$` is neither a version number from 1 nor an alias.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, version)) = text.rsplit_once('$') else {
            return Ok(Self { name: text.to_string(), version: ModelVersion::Latest });
        };
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && word.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let version = match version.parse::<u64>() {
            Ok(number) if number > 0 => ModelVersion::Number(number),
            Err(_) if is_word(version) => ModelVersion::Alias(version.to_string()),
            _ => {
                return Err(format!(
                    "'{version}' in '{text}' is neither a version number from 1 nor an alias; a model is written \
                     {name}, {name}$3 or {name}$candidate"
                ));
            }
        };
        if name.is_empty() || name.contains('$') {
            return Err(format!("'{text}' names no model; a model is written m, m$3 or m$candidate"));
        }
        Ok(Self { name: name.to_string(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reference_is_a_name_and_perhaps_a_version() {
        let read = |text| ModelRef::parse(text).map(|model| (model.name, model.version));
        assert_eq!(read("m"), Ok(("m".to_string(), ModelVersion::Latest)));
        assert_eq!(read("m$3"), Ok(("m".to_string(), ModelVersion::Number(3))));
        assert_eq!(read("m$live_2"), Ok(("m".to_string(), ModelVersion::Alias("live_2".to_string()))));
        for wrong in ["m$", "m$0", "m$3a", "m$99999999999999999999", "$3", "a$b$3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
