//! The SQL dialect: statements, options, and errors with line and column.
//!
//! The language is Flink SQL's, with `TRANSFORM` in `CREATE MODEL`, model versions (`MODEL intent$3`) and script parameters
//! (`${day}`). This crate reads text into a tree; it runs nothing, and knows no file and no data.
//!
//! ```
//! use tidegate_sql::{Parameters, Statement, parse_script};
//!
//! let text = "
//!     SET 'param.day' = '2017-12-01';
//!     CREATE TABLE visits (visitor STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
//!       WITH ('connector' = 'filesystem', 'path' = 'visits-${day}.csv', 'format' = 'csv');
//!     SELECT visitor, COUNT(*) FROM visits WHERE ts < ${day} GROUP BY visitor;";
//! let script = parse_script("job.sql", text, &Parameters::default())?;
//! let Statement::CreateTable(visits) = &script.statements[1].statement else { unreachable!() };
//! assert_eq!(visits.options[1].value, "visits-2017-12-01.csv");
//! assert_eq!(visits.watermark.as_ref().map(|w| w.delay_ms), Some(5000));
//! let Statement::Query(query) = &script.statements[2].statement else { unreachable!() };
//! assert!(query.to_string().contains("WHERE ts < DATE '2017-12-01'"));
//! # Ok::<(), tidegate_sql::SqlError>(())
//! ```
//!
//! The way of a script:
//!
//! 1. `tokens`: text to tokens; parameters inside quotes are filled in; what could exhaust the stack is refused.
//! 2. `script`: tokens to statements, one at a time, so that a `SET 'param.…'` is seen by what follows it.
//! 3. `statement`: one statement. Queries and expressions are the parser library's work, under our [`Dialect`].
//! 4. [`call`]: what a planner uses to read a call in FROM. [`flink`]: statements as Flink's own planner reads them.

pub mod ast;
pub mod call;
mod dialect;
mod error;
pub mod flink;
mod interval;
pub mod literal;
mod parameters;
mod script;
pub mod settings;
mod source;
mod statement;
mod tokens;
pub mod types;

pub use ast::{
    AlterModel, AlterModelAction, Column, CreateModel, CreateTable, CreateView, Insert, Located, ModelVersion,
    ObjectKind, OptionPair, Script, Show, Statement, TransformItem, Watermark,
};
pub use dialect::Dialect;
pub use error::{Diagnostic, SqlError};
pub use parameters::Parameters;
pub use script::{SCRIPT_BYTES_MAX, Statements, is_complete, parse_query, parse_script};
pub use settings::{option_error, resolve_options};
pub use source::{Position, Source, Span};

/// The parser library, in the version whose tree this crate hands out.
pub use sqlparser;
