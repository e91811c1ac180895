//! Calls of table functions.

use tidegate_sql::call::{ArgValue, Kind, Parameter, Signature, TableFunction};
use tidegate_sql::{Diagnostic, ModelVersion};

use crate::relation;

fn call(from: &str) -> TableFunction {
    TableFunction::from_factor(&relation(&format!("SELECT * FROM {from}"))).unwrap().unwrap()
}

fn call_refused(from: &str) -> Diagnostic {
    TableFunction::from_factor(&relation(&format!("SELECT * FROM {from}"))).unwrap().unwrap_err()
}

/// An argument in short, for tables of cases.
fn shown(value: &ArgValue) -> String {
    match value {
        ArgValue::Table(table) => {
            let mut text = match &table.name {
                Some(name) => format!("table {name}"),
                None => format!("table ({})", table.query),
            };
            if !table.partition_by.is_empty() {
                let keys: Vec<String> = table.partition_by.iter().map(ToString::to_string).collect();
                text += &format!(" by [{}]", keys.join("; "));
            }
            if !table.order_by.is_empty() {
                let keys: Vec<String> = table.order_by.iter().map(ToString::to_string).collect();
                text += &format!(" ordered [{}]", keys.join("; "));
            }
            text
        }
        ArgValue::Model(model) => format!("model {model}"),
        ArgValue::Descriptor(columns) => {
            let names: Vec<&str> = columns.iter().map(|c| c.value.as_str()).collect();
            format!("columns {}", names.join(" "))
        }
        ArgValue::Map(pairs) => format!("map {pairs:?}"),
        ArgValue::Expr(expr) => format!("expr {expr}"),
    }
}

#[test]
fn every_kind_of_argument() {
    for (from, expected) in [
        ("f(TABLE t)", vec!["table t"]),
        ("TABLE(f(TABLE t))", vec!["table t"]),
        ("LATERAL f(TABLE t)", vec!["table t"]),
        ("f(TABLE t, MODEL m, DESCRIPTOR(a, `b c`))", vec!["table t", "model m", "columns a b c"]),
        ("f(MODEL m$3, MODEL m$candidate)", vec!["model m$3", "model m$candidate"]),
        ("f(DATA => TABLE t, SIZE => INTERVAL '10' MINUTES)", vec!["table t", "expr INTERVAL '10' MINUTE"]),
        ("f(MAP['async', 'true', 'n', 5])", vec![r#"map [("async", "true"), ("n", "5")]"#]),
        ("f(MAP[])", vec!["map []"]),
        ("f(TABLE (SELECT a FROM t WHERE b))", vec!["table (SELECT a FROM t WHERE b)"]),
        ("f((SELECT a FROM t), 1.5)", vec!["table (SELECT a FROM t)", "expr 1.5"]),
        (
            "f(TABLE (TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)), 'x')",
            vec![
                "table (SELECT * FROM TABLE(TUMBLE($table((SELECT * FROM t)), DESCRIPTOR(ts), INTERVAL '1' DAY)))",
                "expr 'x'",
            ],
        ),
        ("f()", vec![]),
    ] {
        let call = call(from);
        assert_eq!(call.name, "F");
        let args: Vec<String> = call.args.iter().map(|arg| shown(&arg.value)).collect();
        assert_eq!(args, expected, "{from}");
    }
}

#[test]
fn partition_by_and_order_by_end_where_the_argument_does() {
    for (from, expected) in [
        ("f(TABLE t PARTITION BY k)", vec!["table t by [k]"]),
        ("f(TABLE t PARTITION BY k, 1)", vec!["table t by [k]", "expr 1"]),
        ("f(TABLE t PARTITION BY a, b)", vec!["table t by [a; b]"]),
        ("f(TABLE t PARTITION BY a, t.b, MODEL m)", vec!["table t by [a; t.b]", "model m"]),
        ("f(TABLE t PARTITION BY a, DESCRIPTOR(ts))", vec!["table t by [a]", "columns ts"]),
        ("f(TABLE t PARTITION BY a, on_time => DESCRIPTOR(ts))", vec!["table t by [a]", "columns ts"]),
        ("f(TABLE t PARTITION BY (a, b), 'x')", vec!["table t by [a; b]", "expr 'x'"]),
        ("f(TABLE t ORDER BY ts)", vec!["table t ordered [ts]"]),
        (
            "f(TABLE t PARTITION BY a, b ORDER BY ts DESC, c NULLS FIRST, 5)",
            vec!["table t by [a; b] ordered [ts DESC; c NULLS FIRST]", "expr 5"],
        ),
        ("f(TABLE t ORDER BY (ts, k ASC))", vec!["table t ordered [ts; k ASC]"]),
    ] {
        let args: Vec<String> = call(from).args.iter().map(|arg| shown(&arg.value)).collect();
        assert_eq!(args, expected, "{from}");
    }
}

#[test]
fn names_aliases_and_spans() {
    let text = "SELECT * FROM Ml_Predict(INPUT => TABLE t PARTITION BY k, model => MODEL m$3, 5 + 1) AS p";
    let call = TableFunction::from_factor(&relation(text)).unwrap().unwrap();
    assert_eq!(call.name, "ML_PREDICT");
    assert_eq!(call.alias.as_ref().unwrap().name.value, "p");
    let source = tidegate_sql::Source::new("", text);
    let spans: Vec<&str> = call.args.iter().map(|arg| source.slice(arg.span)).collect();
    assert_eq!(spans, ["INPUT => TABLE t PARTITION BY k", "model => MODEL m$3", "5 + 1"]);
    let names: Vec<Option<&str>> = call.args.iter().map(|arg| arg.name.as_deref()).collect();
    assert_eq!(names, [Some("INPUT"), Some("model"), None]);
    assert!(source.slice(call.span).starts_with("Ml_Predict(INPUT"));
    assert!(TableFunction::from_factor(&relation("SELECT * FROM t")).is_none());
    assert!(TableFunction::from_factor(&relation("SELECT * FROM (SELECT 1)")).is_none());
}

#[test]
fn a_table_argument_shows_the_planner_its_table() {
    let call = call("f(TABLE visits)");
    let ArgValue::Table(table) = &call.args[0].value else { unreachable!() };
    assert_eq!(table.query.to_string(), "SELECT * FROM visits");
    let mut tables = Vec::new();
    let _ = tidegate_sql::sqlparser::ast::visit_relations(&relation("SELECT * FROM f(TABLE visits)"), |name| {
        tables.push(name.to_string());
        std::ops::ControlFlow::<()>::Continue(())
    });
    assert!(tables.contains(&"visits".to_string()), "{tables:?}");
}

#[test]
fn arguments_that_are_none() {
    for (from, expected) in [
        ("f(*)", "'*' is not an argument"),
        ("f(DESCRIPTOR(a + 1))", "DESCRIPTOR takes names of columns: DESCRIPTOR(a, b)"),
        ("f(DESCRIPTOR())", "DESCRIPTOR takes names of columns: DESCRIPTOR(a, b)"),
        ("f(MAP['a', b])", "MAP takes texts; found 'a' and b"),
        ("f(MODEL a.b)", "catalogs and databases are not supported: a model's name has one part"),
        (
            "f(MODEL m$0)",
            "'0' in 'm$0' is neither a version number from 1 nor an alias; a model is written m, m$3 or m$candidate",
        ),
    ] {
        assert_eq!(call_refused(from).message, expected, "{from}");
    }
}

const PREDICT: Signature = Signature {
    name: "ML_PREDICT",
    doc: "",
    parameters: &[
        Parameter::required("INPUT", Kind::Table, "The rows."),
        Parameter::required("MODEL", Kind::Model, "The model."),
        Parameter::required("ARGS", Kind::Descriptor, "The model's inputs."),
        Parameter::optional("CONFIG", Kind::Map, "Options."),
        Parameter::optional("EVERY", Kind::Scalar, "An interval."),
    ],
};

#[test]
fn positional_and_named_arguments_bind_alike() {
    for from in [
        "ML_PREDICT(TABLE t, MODEL m$2, DESCRIPTOR(a), MAP['k', 'v'], INTERVAL '2' MINUTE)",
        "ML_PREDICT(every => INTERVAL '2' MINUTE, config => MAP['k', 'v'], args => DESCRIPTOR(a), MODEL => MODEL m$2,
                    Input => TABLE t)",
        "ML_PREDICT(TABLE t, MODEL m$2, EVERY => INTERVAL '120' SECONDS, CONFIG => MAP['k', 'v'], ARGS => DESCRIPTOR(a))",
    ] {
        let call = call(from);
        let bound = PREDICT.bind(&call).unwrap();
        assert_eq!(bound.table("INPUT").unwrap().name.as_ref().unwrap().to_string(), "t");
        assert_eq!(bound.model("MODEL").unwrap().version, ModelVersion::Number(2));
        assert_eq!(bound.column("ARGS").unwrap().unwrap().value, "a");
        assert_eq!(bound.map("CONFIG"), [("k".to_string(), "v".to_string())]);
        assert_eq!(bound.interval("EVERY").unwrap().unwrap().as_secs(), 120);
    }
    let short = call("ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a, b))");
    let bound = PREDICT.bind(&short).unwrap();
    assert!(bound.map("CONFIG").is_empty() && bound.get("EVERY").is_none());
    assert_eq!(bound.interval("EVERY"), Ok(None));
    assert_eq!(bound.column("ARGS").unwrap_err().message, "ML_PREDICT: argument ARGS takes one column; found 2");
}

#[test]
fn a_call_that_does_not_fit_its_signature() {
    let usage = "ML_PREDICT takes: INPUT, MODEL, ARGS, [CONFIG], [EVERY]";
    for (from, message, help, column) in [
        (
            "ML_PREDICT(TABLE t, MODEL m)",
            "ML_PREDICT: argument ARGS is missing: columns: DESCRIPTOR(a, b)",
            Some(usage),
            15,
        ),
        (
            "ML_PREDICT(TABLE t, MODEL m, ARG => DESCRIPTOR(a))",
            "ML_PREDICT has no argument 'ARG'",
            Some("did you mean ARGS?"),
            44,
        ),
        ("ML_PREDICT(TABLE t, zzz => 1)", "ML_PREDICT has no argument 'zzz'", Some(usage), 35),
        ("ML_PREDICT(TABLE t, MODEL m, INPUT => TABLE t)", "ML_PREDICT: argument INPUT is given twice", None, 44),
        (
            "ML_PREDICT(INPUT => TABLE t, MODEL m)",
            "ML_PREDICT: a positional argument cannot follow a named one",
            Some(usage),
            44,
        ),
        (
            "ML_PREDICT(MODEL m, TABLE t)",
            "ML_PREDICT: argument INPUT takes a table: TABLE name or (SELECT …); found a model",
            None,
            26,
        ),
        (
            "ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a), MAP['a', 'b'], 1, 2)",
            "ML_PREDICT takes at most 5 arguments; this is number 6",
            Some(usage),
            77,
        ),
    ] {
        let call = call(from);
        let error = PREDICT.bind(&call).unwrap_err();
        assert_eq!((error.message.as_str(), error.help.as_deref()), (message, help), "{from}");
        assert_eq!(error.span.start.column, column, "{from}");
    }
    let call = call("ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a), EVERY => 'soon')");
    let error = PREDICT.bind(&call).unwrap().interval("EVERY").unwrap_err();
    assert_eq!(
        error.message,
        "ML_PREDICT: argument EVERY takes an interval such as INTERVAL '10' MINUTES; found 'soon'"
    );
}
