//! Script parameters.

use tidegate_sql::sqlparser::ast::{Expr, SetExpr};
use tidegate_sql::{Parameters, Script, SqlError, Statement, literal, parse_script};

fn given(pairs: &[(&str, &str)]) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        parameters.give(name, *value).unwrap();
    }
    parameters
}

fn parse(text: &str, pairs: &[(&str, &str)]) -> Result<Script, SqlError> {
    parse_script("job.sql", text, &given(pairs))
}

fn query(text: &str, pairs: &[(&str, &str)]) -> String {
    let script = parse(text, pairs).unwrap();
    match &script.statements.last().unwrap().statement {
        Statement::Query(query) => query.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_parameter_is_a_typed_literal() {
    let text = "SELECT a FROM t WHERE x = ${v}";
    for (value, literal) in [
        ("5", "5"),
        ("-0.5", "-0.5"),
        ("true", "true"),
        ("2017-12-01", "DATE '2017-12-01'"),
        ("2017-12-01 08:00:00", "TIMESTAMP '2017-12-01 08:00:00'"),
        ("abc", "'abc'"),
        ("x + 1", "'x + 1'"),
    ] {
        assert_eq!(query(text, &[("v", value)]), format!("SELECT a FROM t WHERE x = {literal}"));
    }
}

#[test]
fn a_parameter_stands_wherever_a_literal_does() {
    let text = "SELECT f(${n}), INTERVAL ${n} DAY, INTERVAL '${n}' HOUR, DATE ${d}, TIMESTAMP ${d}, 2 - ${m}
                FROM t WHERE a BETWEEN ${n} AND ${n} LIMIT ${n}";
    assert_eq!(
        query(text, &[("n", "3"), ("d", "2017-12-01"), ("m", "-1")]),
        "SELECT f(3), INTERVAL '3' DAY, INTERVAL '3' HOUR, DATE '2017-12-01', TIMESTAMP '2017-12-01', 2 - -1 \
         FROM t WHERE a BETWEEN 3 AND 3 LIMIT 3"
    );
}

#[test]
fn a_parameter_is_filled_in_inside_quotes() {
    let script = parse(
        "CREATE TABLE t (a INT COMMENT '${c}') WITH ('path' = 'd/${day}-$${day}.csv', 'p${day}' = '${1}$');",
        &[("day", "x"), ("c", "it's")],
    )
    .unwrap();
    let Statement::CreateTable(table) = &script.statements[0].statement else { unreachable!() };
    assert_eq!(table.columns[0].comment.as_deref(), Some("it's"));
    let pairs: Vec<(&str, &str)> = table.options.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(pairs, [("path", "d/x-${day}.csv"), ("px", "${1}$")]);
}

#[test]
fn comments_and_quoted_names_are_left_alone() {
    assert_eq!(query("SELECT `${a}` -- ${b}\n/* ${c} */ FROM t", &[]), "SELECT `${a}` FROM t");
}

/// Whatever a value holds, the script says the same with it as with another one.
#[test]
fn no_value_changes_what_the_script_says() {
    let text = "SELECT a FROM t WHERE x = ${v} AND y LIKE '%${v}%'; DROP TABLE u;";
    for attack in [
        "'; DROP TABLE t; --",
        "' OR '1' = '1",
        "1; SELECT 2",
        "1 OR 1 = 1",
        "*/ DROP TABLE t /*",
        "-- ",
        "${v}",
        "${other}",
        "`",
        "\\'",
        "''",
        "\\",
        "\n;\n",
        "DATE '2017-01-01'",
        "2017-12-01' OR '1'='1",
        "",
    ] {
        let script = parse(text, &[("v", attack)]).unwrap();
        assert_eq!(script.statements.len(), 2, "{attack}");
        let Statement::Query(query) = &script.statements[0].statement else { unreachable!() };
        let SetExpr::Select(select) = &*query.body else { unreachable!() };
        let Some(Expr::BinaryOp { left, right, .. }) = &select.selection else { panic!("{attack}") };
        let Expr::BinaryOp { right: x, .. } = &**left else { panic!("{attack}") };
        let Expr::Like { pattern: y, .. } = &**right else { panic!("{attack}") };
        assert_eq!(literal::text(x), Some(attack));
        assert_eq!(literal::text(y), Some(format!("%{attack}%").as_str()));
    }
}

#[test]
fn defaults_hold_from_where_they_are_set_and_yield_to_what_is_given() {
    let text = "SET 'param.a' = '1'; SET 'param.b' = 'x${a}'; SELECT ${a}, ${b}";
    assert_eq!(query(text, &[]), "SELECT 1, 'x1'");
    assert_eq!(query(text, &[("a", "7")]), "SELECT 7, 'x7'");
    assert_eq!(query("SET 'param.a' = '1'; SET 'param.a' = '2'; SELECT ${a}", &[]), "SELECT 2");
    let late = parse("SELECT ${a}; SET 'param.a' = '1'", &[]).unwrap_err();
    assert_eq!(late.message, "parameter 'a' has no value");
    let reset = parse("SET 'param.a' = '1'; RESET 'param.a'; SELECT ${a}", &[]).unwrap_err();
    assert_eq!(reset.message, "parameter 'a' has no value");
}

#[test]
fn an_unknown_parameter_is_refused_where_it_stands() {
    assert_eq!(
        parse("SELECT 1,\n  ${daay}", &[("day", "1")]).unwrap_err().to_string(),
        "job.sql:2:3: parameter 'daay' has no value\n  |\n2 |   ${daay}\n  |   ^^^^^^^\nhelp: did you mean ${day}?"
    );
    assert_eq!(
        parse("SELECT 'it''s\n ${x}'", &[]).unwrap_err().to_string(),
        "job.sql:2:2: parameter 'x' has no value\n  |\n2 |  ${x}'\n  |  ^^^^\n\
         help: give it with --param x=…, or a default with SET 'param.x' = '…';"
    );
}

#[test]
fn a_parameter_is_no_name() {
    let said = |text: &str| {
        let error = parse(text, &[("t", "visits")]).unwrap_err();
        format!("{}: {}", error.span.start, error.message)
    };
    assert_eq!(said("INSERT INTO ${t} SELECT 1"), "1:13: expected the name of a table, found the parameter ${t}");
    assert_eq!(said("SELECT a FROM ${t}"), "1:15: expected identifier, found ${t}");
    assert_eq!(said("SET 'job.name' = ${t}"), "1:18: expected the setting's value in quotes, found ${t}");
}

#[test]
fn a_parameter_that_nothing_names_is_told() {
    let script = parse("SET 'param.a' = '1'; SELECT '${b}'", &[("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
    assert_eq!(script.unused_parameters, ["c"]);
}

#[test]
fn arguments_of_the_command_line() {
    let mut parameters = Parameters::default();
    parameters.give_argument("day=2017-12-01=x").unwrap();
    assert_eq!(parameters.get("day"), Some("2017-12-01=x"));
    assert_eq!(parameters.give_argument("day").unwrap_err(), "'day' is not of the form name=value");
    assert_eq!(
        parameters.give_argument("1a=2").unwrap_err(),
        "'1a' cannot name a parameter: a name is letters, digits and _, and begins with no digit"
    );
}
