//! Statements as Flink's own planner reads them.
//!
//! The dialect is Flink SQL's, so little changes: numbers with a point are written as the DOUBLE that they are here, names are put in backticks where Flink might take them for words of its own, arguments
//! that are tables are named ones, and calls that Flink does not know give way to views.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableAlias, TableFactor, Value,
    VisitMut, VisitorMut,
};
use sqlparser::keywords::ALL_KEYWORDS;

use crate::call::{ArgValue, TableArgument, TableFunction};
use crate::{Column, CreateTable, types};

/// What a call in FROM gives way to, if it does.
pub trait Replace {
    /// Why it cannot.
    type Error;

    /// The view that stands for a call: `original` as the script has it, `lowered` with what is inside of it lowered already.
    ///
    /// # Errors
    /// Flink cannot run it.
    fn call(&mut self, original: &TableFactor, lowered: &TableFunction) -> Result<Option<String>, Self::Error>;

    /// A view over a query that stands where Flink takes the name of a table only.
    ///
    /// # Errors
    /// It cannot be made.
    fn view(&mut self, query: &Query) -> Result<String, Self::Error>;
}

/// Lowers a query in place, and gives the names of the relations that it then reads.
///
/// # Errors
/// What [`Replace`] refuses.
pub fn lower_query<R: Replace>(query: &mut Query, replace: &mut R) -> Result<BTreeSet<String>, R::Error> {
    let mut lowering = Lowering { replace, originals: Vec::new(), relations: BTreeSet::new() };
    match VisitMut::visit(query, &mut lowering) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(lowering.relations),
    }
}

struct Lowering<'a, R: Replace> {
    replace: &'a mut R,
    /// The calls that the visitor is inside of, as the script has them.
    originals: Vec<TableFactor>,
    relations: BTreeSet<String>,
}

fn is_call(factor: &TableFactor) -> bool {
    matches!(
        factor,
        TableFactor::Table { args: Some(_), .. } | TableFactor::Function { .. } | TableFactor::TableFunction { .. }
    )
}

impl<R: Replace> VisitorMut for Lowering<'_, R> {
    type Break = R::Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<R::Error> {
        if is_call(factor) {
            self.originals.push(factor.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<R::Error> {
        for part in &mut relation.0 {
            if let sqlparser::ast::ObjectNamePart::Identifier(ident) = part {
                self.relations.insert(ident.value.clone());
                quote(ident);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<R::Error> {
        match expr {
            Expr::Identifier(ident) => quote_if_reserved(ident),
            Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(quote_if_reserved),
            Expr::Value(value) => as_double(&mut value.value),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<R::Error> {
        if !is_call(factor) {
            return ControlFlow::Continue(());
        }
        let Some(original) = self.originals.pop() else { return ControlFlow::Continue(()) };
        let Some(Ok(call)) = TableFunction::from_factor(factor) else { return ControlFlow::Continue(()) };
        match self.replace.call(&original, &call) {
            Err(error) => return ControlFlow::Break(error),
            Ok(Some(view)) => {
                *factor = table(&view, call.alias.clone());
                self.relations.insert(view);
            }
            Ok(None) => {
                if let Err(error) = self.name_tables(factor, &call) {
                    return ControlFlow::Break(error);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl<R: Replace> Lowering<'_, R> {
    /// Writes the arguments of a call that are tables as Flink does.
    fn name_tables(&mut self, factor: &mut TableFactor, call: &TableFunction) -> Result<(), R::Error> {
        let given = match factor {
            TableFactor::Table { args: Some(args), .. } => args.args.as_mut_slice(),
            TableFactor::Function { args, .. } => args.as_mut_slice(),
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => match &mut function.args {
                FunctionArguments::List(list) => list.args.as_mut_slice(),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        for (given, read) in given.iter_mut().zip(&call.args) {
            let ArgValue::Table(argument) = &read.value else { continue };
            let (FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg)) =
                given;
            let text = self.argument(argument)?;
            // The tree has no node for it: it is shown as it is written.
            *arg = FunctionArgExpr::Expr(Expr::Identifier(Ident::new(text)));
        }
        Ok(())
    }

    /// `TABLE t PARTITION BY (a, b)`
    fn argument(&mut self, argument: &TableArgument) -> Result<String, R::Error> {
        let name = match &argument.name {
            Some(name) => name.to_string(),
            None => {
                let view = self.replace.view(&argument.query)?;
                self.relations.insert(view.clone());
                quoted(&view)
            }
        };
        let partition: Vec<String> = argument.partition_by.iter().map(ToString::to_string).collect();
        Ok(match partition.is_empty() {
            true => format!("TABLE {name}"),
            false => format!("TABLE {name} PARTITION BY ({})", partition.join(", ")),
        })
    }
}

/// Units of time stand where columns do: TIMESTAMPDIFF(SECOND, a, b).
const UNITS: &[&str] = &["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];

/// A name in FROM.
fn table(name: &str, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::with_quote('`', name)]),
        alias,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn quote(ident: &mut Ident) {
    ident.quote_style = Some('`');
}

fn quote_if_reserved(ident: &mut Ident) {
    // What is no word is a text that stands for more than a name.
    let is_word = ident.value.chars().all(|c| c.is_alphanumeric() || c == '_');
    let word = ident.value.to_uppercase();
    let is_reserved = || ALL_KEYWORDS.binary_search(&word.as_str()).is_ok() && !UNITS.contains(&word.as_str());
    if ident.quote_style.is_some() || (is_word && is_reserved()) {
        quote(ident);
    }
}

/// `1.5` is a DOUBLE here, and a DECIMAL in Flink, where `1.5E0` is a DOUBLE.
fn as_double(value: &mut Value) {
    if let Value::Number(digits, _) = value
        && digits.contains('.')
        && !digits.contains(['e', 'E'])
    {
        digits.push_str("E0");
    }
}

/// A name in backticks.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// CREATE TABLE with other options.
pub fn create_table(create: &CreateTable, options: &[(String, String)]) -> String {
    let names = |idents: &[Ident]| idents.iter().map(|ident| quoted(&ident.value)).collect::<Vec<_>>().join(", ");
    let mut lines: Vec<String> = create.columns.iter().map(column).collect();
    if let Some(watermark) = &create.watermark {
        lines.push(format!("WATERMARK FOR {} AS {}", quoted(&watermark.column.value), spelled(&watermark.expression)));
    }
    if !create.primary_key.is_empty() {
        lines.push(format!("PRIMARY KEY ({}) NOT ENFORCED", names(&create.primary_key)));
    }
    let mut text = format!("CREATE TEMPORARY TABLE {} (\n  {}\n)", quoted(&create.name.value), lines.join(",\n  "));
    if !create.partitioned_by.is_empty() {
        let _ = write!(text, " PARTITIONED BY ({})", names(&create.partitioned_by));
    }
    let options: Vec<String> =
        options.iter().map(|(key, value)| format!("{} = {}", literal(key), literal(value))).collect();
    let _ = write!(text, " WITH (\n  {}\n)", options.join(",\n  "));
    text
}

fn column(column: &Column) -> String {
    let name = quoted(&column.name.value);
    match (&column.computed, &column.data_type) {
        (Some(computed), _) => format!("{name} AS {}", spelled(computed)),
        (None, Some(data_type)) => {
            let not_null = if column.not_null { " NOT NULL" } else { "" };
            format!("{name} {}{not_null}", types::display(data_type))
        }
        (None, None) => name,
    }
}

/// An expression with its names in backticks.
fn spelled(expr: &Expr) -> String {
    struct Quote;
    impl VisitorMut for Quote {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => quote_if_reserved(ident),
                Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(quote_if_reserved),
                Expr::Value(value) => as_double(&mut value.value),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Quote);
    expr.to_string()
}
