//! The language from outside: what a user writes, and the tree or the message that comes of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod calls;
mod errors;
mod parameters;
mod robustness;
mod statements;

use sqlparser::ast::{SetExpr, TableFactor};
use tidegate_sql::{Parameters, Script, SqlError, Statement, parse_script, sqlparser};

/// Parses a script that must be right.
fn script(text: &str) -> Script {
    parse_script("job.sql", text, &Parameters::default()).unwrap()
}

/// Parses a script of one statement that must be right.
fn statement(text: &str) -> Statement {
    let mut script = script(text);
    assert_eq!(script.statements.len(), 1, "{text}");
    script.statements.remove(0).statement
}

/// The refusal of a script that must be wrong.
fn refused(text: &str) -> SqlError {
    match parse_script("job.sql", text, &Parameters::default()) {
        Ok(script) => panic!("{text}\nwas read as {script:#?}"),
        Err(error) => error,
    }
}

/// The first relation of a query.
fn relation(text: &str) -> TableFactor {
    let Statement::Query(query) = statement(text) else { panic!("{text} is no query") };
    let SetExpr::Select(select) = *query.body else { panic!("{text} is no SELECT") };
    select.from.into_iter().next().unwrap().relation
}
