//! From a relation of the parsed tree to a call.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, OrderByExpr, OrderByOptions,
    Query, SetExpr, Spanned, TableFactor, Value,
};

use super::{ArgValue, Argument, MODEL, ModelRef, ORDER, ORDER_BY, PARTITION_BY, TABLE, TableArgument, TableFunction};
use crate::{Diagnostic, Position, Span, literal};

impl TableFunction {
    /// Reads a relation of FROM: `f(…)`, `TABLE(f(…))` or `LATERAL f(…)`. `None`: it is something else.
    pub fn from_factor(factor: &TableFactor) -> Option<Result<Self, Diagnostic>> {
        let (name, args, alias) = match factor {
            TableFactor::Table { name, args: Some(args), alias, .. } => (name, args.args.as_slice(), alias),
            TableFactor::Function { name, args, alias, .. } => (name, args.as_slice(), alias),
            TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
                (&function.name, arguments(function), alias)
            }
            _ => return None,
        };
        let name_span = Span::from_parser(name.span()).unwrap_or(Span::at(Position::START));
        let read = args.iter().map(|arg| argument(arg, name_span)).collect::<Result<Vec<_>, _>>();
        Some(read.map(|args| Self {
            name: plain_name(name).to_uppercase(),
            span: args.last().map_or(name_span, |last| name_span.to(last.span)),
            args,
            alias: alias.clone(),
        }))
    }
}

/// A name as it is meant, without quotes.
fn plain_name(name: &ObjectName) -> String {
    let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    parts.join(".")
}

/// The arguments of a call written as an expression.
fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

fn argument(arg: &FunctionArg, call: Span) -> Result<Argument, Diagnostic> {
    let (name, given) = match arg {
        FunctionArg::Named { name, arg, .. } => (Some(name), arg),
        FunctionArg::Unnamed(arg) | FunctionArg::ExprNamed { arg, .. } => (None, arg),
    };
    let name_span = name.and_then(|name| Span::from_parser(name.span));
    let FunctionArgExpr::Expr(expr) = given else {
        let diagnostic = Diagnostic::new(name_span.unwrap_or(call), "'*' is not an argument");
        return Err(diagnostic.with_help("name the columns: DESCRIPTOR(a, b)"));
    };
    let value_span = span_of(expr).unwrap_or(name_span.unwrap_or(call));
    Ok(Argument {
        name: name.map(|name| name.value.clone()),
        value: value(expr, value_span)?,
        span: name_span.map_or(value_span, |name_span| name_span.to(value_span)),
    })
}

/// Where an expression stands.
fn span_of(expr: &Expr) -> Option<Span> {
    match expr {
        // The span of a call that stands for an argument is on its name alone.
        Expr::Function(function) if function.name.0.first().is_some_and(|part| part.to_string().starts_with('$')) => {
            Span::from_parser(function.name.span())
        }
        _ => Span::from_parser(expr.span()),
    }
}

fn value(expr: &Expr, span: Span) -> Result<ArgValue, Diagnostic> {
    match expr {
        Expr::Subquery(query) => Ok(ArgValue::Table(TableArgument {
            query: query.clone(),
            name: None,
            partition_by: Vec::new(),
            order_by: Vec::new(),
        })),
        Expr::Map(map) => {
            let pair = |key, value| Some((word(key)?, word(value)?));
            map.entries
                .iter()
                .map(|entry| {
                    pair(&entry.key, &entry.value).ok_or_else(|| {
                        let message = format!("MAP takes texts; found {} and {}", entry.key, entry.value);
                        Diagnostic::new(span, message).with_help("write MAP['key', 'value']")
                    })
                })
                .collect::<Result<_, _>>()
                .map(ArgValue::Map)
        }
        Expr::Function(function) => match plain_name(&function.name).to_lowercase().as_str() {
            TABLE => Ok(ArgValue::Table(table(function, span)?)),
            MODEL => Ok(ArgValue::Model(model(function, span)?)),
            "descriptor" => Ok(ArgValue::Descriptor(descriptor(function, span)?)),
            _ => Ok(ArgValue::Expr(expr.clone())),
        },
        other => Ok(ArgValue::Expr(other.clone())),
    }
}

/// The text of a literal in a MAP of options: `'5'` and `5` mean the same.
fn word(expr: &Expr) -> Option<String> {
    if let Some(text) = literal::text(expr) {
        return Some(text.to_string());
    }
    let is_plain = literal::number(expr).is_some() || literal::bool(expr).is_some();
    is_plain.then(|| expr.to_string())
}

/// The expressions in a call.
fn expressions(function: &Function) -> impl Iterator<Item = &Expr> {
    arguments(function).iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

fn table(function: &Function, span: Span) -> Result<TableArgument, Diagnostic> {
    let mut argument = None;
    let mut partition_by = Vec::new();
    let mut order_by = Vec::new();
    for expr in expressions(function) {
        match expr {
            Expr::Subquery(query) => argument = Some(query.clone()),
            Expr::Function(clause) => match plain_name(&clause.name).as_str() {
                PARTITION_BY => partition_by = expressions(clause).cloned().collect(),
                ORDER_BY => order_by = expressions(clause).filter_map(order_item).collect(),
                _ => {}
            },
            _ => {}
        }
    }
    let query = argument.ok_or_else(|| Diagnostic::new(span, "expected a table"))?;
    Ok(TableArgument { name: table_name(&query), query, partition_by, order_by })
}

fn order_item(expr: &Expr) -> Option<OrderByExpr> {
    let Expr::Function(item) = expr else {
        return None;
    };
    debug_assert_eq!(plain_name(&item.name), ORDER);
    let mut parts = expressions(item);
    let expr = parts.next()?.clone();
    let mut flag = || match parts.next() {
        Some(Expr::Value(value)) => match value.value {
            Value::Boolean(flag) => Some(flag),
            _ => None,
        },
        _ => None,
    };
    let options = OrderByOptions { asc: flag(), nulls_first: flag() };
    Some(OrderByExpr { expr, options, with_fill: None })
}

/// The table of a query that only names one: `SELECT * FROM t`, where no such query was written.
fn table_name(query: &Query) -> Option<ObjectName> {
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    // A query that was written stands somewhere.
    if Span::from_parser(select.select_token.0.span).is_some() {
        return None;
    }
    match &select.from.first()?.relation {
        TableFactor::Table { name, args: None, .. } => Some(name.clone()),
        _ => None,
    }
}

fn model(function: &Function, span: Span) -> Result<ModelRef, Diagnostic> {
    match expressions(function).next() {
        Some(Expr::CompoundIdentifier(parts)) if parts.len() == 1 => {
            let text = parts.first().map_or("", |part| part.value.as_str());
            ModelRef::parse(text).map_err(|message| Diagnostic::new(span, message))
        }
        _ => Err(Diagnostic::new(span, "catalogs and databases are not supported: a model's name has one part")),
    }
}

fn descriptor(function: &Function, span: Span) -> Result<Vec<Ident>, Diagnostic> {
    let columns: Option<Vec<Ident>> = arguments(function)
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column))) => Some(column.clone()),
            _ => None,
        })
        .collect();
    match columns {
        Some(columns) if !columns.is_empty() => Ok(columns),
        _ => Err(Diagnostic::new(span, "DESCRIPTOR takes names of columns: DESCRIPTOR(a, b)")),
    }
}
