//! Flink's spellings that DataFusion does not know, rewritten in the parsed tree before planning.
//!
//! | Flink | becomes |
//! |---|---|
//! | `TIMESTAMPDIFF(DAY, a, b)` | `timestampdiff('day', a, b)` |
//! | `TIMESTAMPADD(DAY, n, t)` | `timestampadd('day', n, t)` |
//! | `FLOOR(t TO MONTH)` | `date_trunc('month', t)` |
//! | `YEAR(t)`, `HOUR(t)`, `DAYOFWEEK(t)`, … | `date_part(…, t)` (Sunday is day 1, as in Flink) |
//! | `ROW_NUMBER()`, `RANK()`, … | `CAST(… AS BIGINT)` |
//! | `DATE_FORMAT(t, 'yyyy-MM')` | `to_char(t, '%Y-%m')` |
//! | `UNNEST(…)` in FROM, which the parser takes for a function | a relation of its own, which may name the columns before it |
//! | `MOD(a, b)` | `(a % b)` |

use std::ops::ControlFlow;

use tidegate_sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, TableFactor, Value, VisitMut, VisitorMut,
    visit_expressions_mut,
};

use tidegate_ml::metric::{FADING_METRICS, why_not_fading};

/// Rewrites a query in place.
///
/// # Errors
/// A message for a call that is of a known function but malformed.
pub(crate) fn rewrite_flink_spellings(query: &mut Query) -> Result<(), String> {
    let _ = query.visit(&mut Unnests);
    match visit_expressions_mut(query, |expr| match rewrite(expr) {
        Ok(()) => ControlFlow::Continue(()),
        Err(message) => ControlFlow::Break(message),
    }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(message),
    }
}

/// Finds the calls of UNNEST in FROM.
struct Unnests;

impl VisitorMut for Unnests {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let (name, args, alias, with_ordinality) = match factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
                (name, &args.args, alias, *with_ordinality)
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, &*args, alias, *with_ordinality),
            _ => return ControlFlow::Continue(()),
        };
        let expression = |arg: &FunctionArg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        };
        if name.to_string().eq_ignore_ascii_case("UNNEST")
            && let Some(array_exprs) = args.iter().map(expression).collect()
        {
            let alias = alias.take();
            *factor = TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality,
            };
        }
        ControlFlow::Continue(())
    }
}

fn rewrite(expr: &mut Expr) -> Result<(), String> {
    match expr {
        Expr::Floor { expr: time, field: CeilFloorKind::DateTimeField(field) } => {
            if *field == DateTimeField::NoDateTime {
                return Ok(()); // FLOOR of a number.
            }
            let unit = field.to_string().to_lowercase();
            *expr = call("date_trunc", vec![text(&unit), time.as_ref().clone()]);
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_uppercase();
            // DataFusion counts without a sign; Flink has no such type.
            if matches!(name.as_str(), "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "NTILE" | "APPROX_DISTINCT") {
                *expr = as_bigint(expr.clone());
                return Ok(());
            }
            if let Some(message) = why_not_fading(&name) {
                return Err(message);
            }
            if orders_its_rows(function) && FADING_METRICS.iter().any(|metric| metric.name == name) {
                return Err(format!(
                    "{name} takes no ORDER BY: rows fade in the order in which they are read; for another one write OVER (ORDER BY ts \
                     ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), which gives the measure up to each row"
                ));
            }
            let Some(args) = arguments(function) else { return Ok(()) };
            match (name.as_str(), args.as_slice()) {
                ("TIMESTAMPDIFF" | "TIMESTAMPADD", [Expr::Identifier(unit), a, b]) => {
                    *expr = call(&name.to_lowercase(), vec![text(&time_unit(&unit.value)?), a.clone(), b.clone()]);
                }
                ("TIMESTAMPDIFF" | "TIMESTAMPADD", [Expr::Value(_), _, _]) => {}
                ("TIMESTAMPDIFF" | "TIMESTAMPADD", _) => {
                    return Err(format!(
                        "{name} takes (unit, a, b), where unit is one of SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, YEAR"
                    ));
                }
                ("YEAR" | "QUARTER" | "MONTH" | "WEEK" | "HOUR" | "MINUTE" | "SECOND", [time]) => {
                    *expr = part(&name.to_lowercase(), time);
                }
                ("DAYOFMONTH", [time]) => *expr = part("day", time),
                ("DAYOFYEAR", [time]) => *expr = part("doy", time),
                ("DAYOFWEEK", [time]) => {
                    let one = Expr::Value(Value::Number("1".into(), false).into());
                    *expr = binary(part("dow", time), BinaryOperator::Plus, one);
                }
                ("MOD", [a, b]) => *expr = binary(nested(a), BinaryOperator::Modulo, nested(b)),
                ("DATE_FORMAT", [time, Expr::Value(format)]) => {
                    let Value::SingleQuotedString(java) = &format.value else { return Ok(()) };
                    *expr = call("to_char", vec![time.clone(), text(&strftime(java)?)]);
                }
                ("IF", [condition, yes, no]) => {
                    *expr = Expr::Case {
                        case_token: tidegate_sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                        end_token: tidegate_sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                        operand: None,
                        conditions: vec![tidegate_sql::sqlparser::ast::CaseWhen {
                            condition: condition.clone(),
                            result: yes.clone(),
                        }],
                        else_result: Some(Box::new(no.clone())),
                    };
                }
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether a function has an ORDER BY among its arguments.
fn orders_its_rows(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)))
}

fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.over.is_some() || function.filter.is_some() {
        return None;
    }
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_string()).into())
}

/// A whole number, as Flink's date functions give: BIGINT.
fn part(unit: &str, time: &Expr) -> Expr {
    as_bigint(call("date_part", vec![text(unit), time.clone()]))
}

fn as_bigint(expr: Expr) -> Expr {
    Expr::Cast {
        kind: tidegate_sql::sqlparser::ast::CastKind::Cast,
        expr: Box::new(expr),
        data_type: tidegate_sql::sqlparser::ast::DataType::BigInt(None),
        array: false,
        format: None,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    nested(&Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) })
}

fn nested(expr: &Expr) -> Expr {
    Expr::Nested(Box::new(expr.clone()))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn time_unit(word: &str) -> Result<String, String> {
    let units = ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
    let upper = word.to_ascii_uppercase();
    match units.iter().find(|unit| **unit == upper || format!("{unit}S") == upper) {
        Some(unit) => Ok(unit.to_lowercase()),
        None => Err(format!("'{word}' is not a unit of time; expected one of {}", units.join(", "))),
    }
}

/// A pattern of Java's DateTimeFormatter as one of strftime.
fn strftime(java: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = java;
    while let Some(first) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(first).len();
        let (letters, after) = rest.split_at(run);
        out.push_str(match letters {
            "yyyy" => "%Y",
            "yy" => "%y",
            "MM" => "%m",
            "MMM" => "%b",
            "dd" => "%d",
            "HH" => "%H",
            "hh" => "%I",
            "mm" => "%M",
            "ss" => "%S",
            "SSS" => "%3f",
            "EEE" => "%a",
            "a" => "%p",
            other if other.chars().all(|c| !c.is_ascii_alphabetic() && c != '\'' && c != '%') => other,
            other => return Err(format!("DATE_FORMAT: '{other}' in '{java}' is not supported; supported are yyyy yy MM MMM dd HH hh mm ss SSS EEE a")),
        });
        rest = after;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sql::sqlparser::{ast::Statement, dialect::GenericDialect, parser::Parser};

    fn rewritten(sql: &str) -> Result<String, String> {
        let statement = Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0);
        let Statement::Query(mut query) = statement else { panic!("a query") };
        rewrite_flink_spellings(&mut query)?;
        Ok(query.to_string())
    }

    #[test]
    fn flink_spellings_become_datafusions() {
        for (flink, ours) in [
            ("SELECT TIMESTAMPDIFF(DAY, a, b)", "SELECT timestampdiff('day', a, b)"),
            ("SELECT FLOOR(t TO MONTH)", "SELECT date_trunc('month', t)"),
            ("SELECT FLOOR(x)", "SELECT FLOOR(x)"),
            ("SELECT HOUR(t)", "SELECT CAST(date_part('hour', t) AS BIGINT)"),
            ("SELECT DAYOFWEEK(t)", "SELECT (CAST(date_part('dow', t) AS BIGINT) + 1)"),
            ("SELECT DATE_FORMAT(t, 'yyyy-MM')", "SELECT to_char(t, '%Y-%m')"),
            ("SELECT MOD(a + 1, b)", "SELECT ((a + 1) % (b))"),
        ] {
            assert_eq!(rewritten(flink).unwrap(), ours);
        }
    }

    #[test]
    fn wrong_units_are_named() {
        assert!(rewritten("SELECT TIMESTAMPDIFF(DAG, a, b)").unwrap_err().starts_with("'DAG' is not a unit of time"));
    }
}
