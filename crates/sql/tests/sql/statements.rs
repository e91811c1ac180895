//! Every form of statement.

use tidegate_sql::sqlparser::ast::{BinaryOperator, Expr, SetExpr};
use tidegate_sql::{AlterModelAction, ModelVersion, ObjectKind, Show, Span, Statement, is_complete, types};

use crate::{script, statement};

/// The language as its design shows it, the parts that it leaves out filled in.
const DESIGN: &str = "
    SET 'parallelism.default' = '2';   SET 'execution.checkpointing.interval' = '10 s';

    CREATE TABLE visits (
      session_id STRING, visitor STRING, page_value DOUBLE, duration DOUBLE, ts TIMESTAMP(3), bought BOOLEAN,
      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
    ) WITH ('connector' = 'filesystem', 'path' = 'visits.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'false');

    CREATE MODEL intent
      TRANSFORM (ML_STANDARD_SCALER(page_value) OVER () AS page_value,
                 ML_IMPUTER(duration, 'median') OVER () AS duration,
                 ML_ONE_HOT_ENCODER(visitor) OVER () AS visitor)
      INPUT (page_value DOUBLE, duration DOUBLE, visitor STRING)
      OUTPUT (predicted BOOLEAN, probability DOUBLE)
      WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
            'optimizer' = 'ftrl', 'learning_rate' = '0.05', 'l1' = '1e-6');

    -- batch: train on history, register version 1
    CREATE MODEL intent WITH ('epochs' = '5') AS SELECT page_value, duration, visitor, bought FROM history;
    -- stream: learn from every row; each output row carries the prediction made before the row was learned
    INSERT INTO scored SELECT * FROM ML_TRAIN(INPUT => TABLE visits, MODEL => MODEL intent,
                                              LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(page_value, duration, visitor),
                                              LABEL_TIME => DESCRIPTOR(known_at));   -- optional: learned only when the watermark passes it
    SELECT * FROM ML_PREDICT(INPUT => TABLE visits, MODEL => MODEL intent, ARGS => DESCRIPTOR(page_value, duration, visitor));
    SELECT * FROM ML_EVALUATE(INPUT => TABLE holdout, MODEL => MODEL intent, LABEL => DESCRIPTOR(bought),
                              ARGS => DESCRIPTOR(page_value, duration, visitor), TASK => 'classification');
    -- evaluation composes with ordinary SQL: metrics are mergeable aggregates
    INSERT INTO quality
    SELECT window_start, visitor, ML_ROC_AUC(bought, probability), ML_LOG_LOSS(bought, probability), COUNT(*)
    FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, visitor;
";

#[test]
fn the_example_of_the_design() {
    let script = script(DESIGN);
    let kinds: Vec<&str> = script
        .statements
        .iter()
        .map(|located| match &located.statement {
            Statement::Set { .. } => "set",
            Statement::CreateTable(_) => "table",
            Statement::CreateModel(_) => "model",
            Statement::Insert(_) => "insert",
            Statement::Query(_) => "query",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["set", "set", "table", "model", "model", "insert", "query", "query", "insert"]);
    let Statement::CreateModel(model) = &script.statements[3].statement else { unreachable!() };
    let features: Vec<String> = model.transform.iter().map(|item| format!("{} = {}", item.alias, item.expr)).collect();
    assert_eq!(
        features,
        [
            "page_value = ML_STANDARD_SCALER(page_value) OVER ()",
            "duration = ML_IMPUTER(duration, 'median') OVER ()",
            "visitor = ML_ONE_HOT_ENCODER(visitor) OVER ()",
        ]
    );
    assert_eq!((model.input.len(), model.output.len(), model.options.len()), (3, 2, 6));
}

#[test]
fn spans_are_the_statements_text() {
    let script = script(DESIGN);
    let text = |n: usize| script.source.slice(script.statements[n].span);
    assert_eq!(text(0), "SET 'parallelism.default' = '2'");
    assert_eq!(
        text(4),
        "CREATE MODEL intent WITH ('epochs' = '5') AS SELECT page_value, duration, visitor, bought FROM history"
    );
    for (n, located) in script.statements.iter().enumerate() {
        let again = crate::script(text(n));
        match (&again.statements[0].statement, &located.statement) {
            (Statement::Set { key: a, .. }, Statement::Set { key: b, .. }) => assert_eq!(a, b),
            (Statement::Query(a), Statement::Query(b)) => assert_eq!(a.to_string(), b.to_string()),
            (Statement::Insert(a), Statement::Insert(b)) => assert_eq!(a.query.to_string(), b.query.to_string()),
            (Statement::CreateTable(a), Statement::CreateTable(b)) => assert_eq!(a.columns.len(), b.columns.len()),
            (Statement::CreateModel(a), Statement::CreateModel(b)) => assert_eq!(a.options.len(), b.options.len()),
            (a, b) => panic!("{a:?}\nwas\n{b:?}"),
        }
    }
    let slice = |span: Span| script.source.slice(span);
    let Statement::CreateTable(table) = &script.statements[2].statement else { unreachable!() };
    assert_eq!(slice(table.columns[4].span), "ts TIMESTAMP(3)");
    assert_eq!(slice(table.watermark.as_ref().unwrap().span), "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND");
    assert_eq!(slice(table.options[1].span), "'path' = 'visits.csv'");
    assert_eq!(slice(table.options[1].key_span), "'path'");
    assert_eq!(slice(table.options[1].value_span), "'visits.csv'");
    let Statement::CreateModel(model) = &script.statements[3].statement else { unreachable!() };
    assert_eq!(slice(model.transform[1].span), "ML_IMPUTER(duration, 'median') OVER () AS duration");
}

#[test]
fn settings() {
    assert_eq!(
        statement("set 'job.name' = 'it''s'"),
        Statement::Set { key: "job.name".to_string(), value: "it's".to_string() }
    );
    assert_eq!(statement("SET"), Statement::ShowSettings);
    assert_eq!(statement("RESET"), Statement::Reset { key: None });
    assert_eq!(statement("RESET 'job.name';"), Statement::Reset { key: Some("job.name".to_string()) });
}

#[test]
fn a_table_with_everything() {
    let text = "CREATE TEMPORARY TABLE IF NOT EXISTS `my table` (
          id BIGINT NOT NULL COMMENT 'the key',
          price DECIMAL(10, 2),
          quantity INT NULL,
          total AS price * quantity COMMENT 'computed',
          `timestamp` TIMESTAMP_LTZ(3),
          tags ARRAY<STRING>, scores MAP<STRING, DOUBLE>, place ROW<city STRING, at ROW<x DOUBLE, y DOUBLE>>,
          day DATE,
          PRIMARY KEY (id, day) NOT ENFORCED,
          WATERMARK FOR `timestamp` AS `timestamp`
        ) COMMENT 'orders' PARTITIONED BY (day) WITH ('connector' = 'blackhole')";
    let Statement::CreateTable(table) = statement(text) else { unreachable!() };
    assert_eq!(table.name.value, "my table");
    assert!(table.temporary && table.if_not_exists && !table.or_replace);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|c| match (&c.data_type, &c.computed) {
            (Some(data_type), None) => {
                format!("{} {}{}", c.name, types::display(data_type), if c.not_null { " NOT NULL" } else { "" })
            }
            (None, Some(expr)) => format!("{} AS {expr}", c.name),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        columns,
        [
            "id BIGINT NOT NULL",
            "price DECIMAL(10, 2)",
            "quantity INT",
            "total AS price * quantity",
            "`timestamp` TIMESTAMP_LTZ(3)",
            "tags ARRAY<STRING>",
            "scores MAP<STRING, DOUBLE>",
            "place ROW<city STRING, at ROW<x DOUBLE, y DOUBLE>>",
            "day DATE NOT NULL",
        ]
    );
    assert_eq!(table.columns[0].comment.as_deref(), Some("the key"));
    assert_eq!(table.columns[3].comment.as_deref(), Some("computed"));
    let key: Vec<&str> = table.primary_key.iter().map(|k| k.value.as_str()).collect();
    assert_eq!(key, ["id", "day"]);
    assert_eq!(table.partitioned_by[0].value, "day");
    assert_eq!(table.comment.as_deref(), Some("orders"));
    let watermark = table.watermark.unwrap();
    assert_eq!((watermark.column.value.as_str(), watermark.delay_ms), ("timestamp", 0));
}

#[test]
fn a_key_beside_its_column_and_a_delay_in_parentheses() {
    let text = "CREATE OR REPLACE TABLE t (model INT PRIMARY KEY NOT ENFORCED, ts TIMESTAMP,
                WATERMARK FOR ts AS (ts - INTERVAL '1:30' MINUTE TO SECOND))";
    let Statement::CreateTable(table) = statement(text) else { unreachable!() };
    assert!(table.or_replace && table.columns[0].not_null && table.options.is_empty());
    assert_eq!(table.primary_key[0].value, "model");
    assert_eq!(table.watermark.unwrap().delay_ms, 90_000);
}

#[test]
fn views() {
    let text = "CREATE VIEW v (a, b COMMENT 'the second') COMMENT 'both' AS\n  SELECT x,  y FROM t -- all\n;";
    let script = script(text);
    let Statement::CreateView(view) = &script.statements[0].statement else { unreachable!() };
    let columns: Vec<&str> = view.columns.iter().map(|c| c.value.as_str()).collect();
    assert_eq!((view.name.value.as_str(), columns), ("v", vec!["a", "b"]));
    assert_eq!(view.comment.as_deref(), Some("both"));
    assert_eq!(script.source.slice(view.query_span), "SELECT x,  y FROM t");
    let Statement::CreateView(view) = statement("CREATE OR REPLACE TEMPORARY VIEW v AS (SELECT 1)") else {
        unreachable!()
    };
    assert!(view.or_replace && view.temporary && view.columns.is_empty());
}

#[test]
fn models() {
    let text = "CREATE MODEL IF NOT EXISTS m INPUT (a DOUBLE COMMENT 'x', b STRING NOT NULL) OUTPUT (y DOUBLE)
                COMMENT 'c' TRANSFORM (a, ML_HASHER(b, 16) OVER () AS h) WITH ('task' = 'regression') AS SELECT a, b FROM t";
    let Statement::CreateModel(model) = statement(text) else { unreachable!() };
    assert!(model.if_not_exists && model.query.is_some() && model.input[1].not_null);
    let features: Vec<&str> = model.transform.iter().map(|item| item.alias.value.as_str()).collect();
    assert_eq!(features, ["a", "h"]);
    assert_eq!(model.comment.as_deref(), Some("c"));
}

#[test]
fn altering_models() {
    let action = |text: &str| match statement(text) {
        Statement::AlterModel(alter) => (alter.name.value, alter.if_exists, alter.action),
        other => panic!("{other:?}"),
    };
    let (name, if_exists, renamed) = action("ALTER MODEL IF EXISTS m RENAME TO n");
    assert_eq!((name.as_str(), if_exists), ("m", true));
    assert!(matches!(renamed, AlterModelAction::RenameTo(n) if n.value == "n"));
    let (_, _, set) = action("ALTER MODEL m SET ('l1' = '0', 'l2' = '1')");
    assert!(matches!(set, AlterModelAction::SetOptions(pairs) if pairs.len() == 2 && pairs[1].value == "1"));
    assert_eq!(
        action("ALTER MODEL m RESET ('l1', 'l2')").2,
        AlterModelAction::ResetOptions(vec!["l1".to_string(), "l2".to_string()])
    );
    for (text, expected) in [
        ("ALTER MODEL m SET ALIAS production = 3", ModelVersion::Number(3)),
        ("ALTER MODEL m SET ALIAS production = candidate", ModelVersion::Alias("candidate".to_string())),
    ] {
        let (_, _, set) = action(text);
        assert!(matches!(set, AlterModelAction::SetAlias { alias, version }
            if alias.value == "production" && version == expected));
    }
    assert!(matches!(action("ALTER MODEL m DROP ALIAS x").2, AlterModelAction::DropAlias(x) if x.value == "x"));
}

#[test]
fn drop_describe_show() {
    for (text, expected) in [
        ("DROP TABLE t", (ObjectKind::Table, "t", false)),
        ("DROP TEMPORARY VIEW IF EXISTS v", (ObjectKind::View, "v", true)),
        ("DROP MODEL IF EXISTS m$3", (ObjectKind::Model, "m$3", true)),
    ] {
        let Statement::Drop { kind, name, if_exists } = statement(text) else { unreachable!() };
        assert_eq!((kind, name.value.as_str(), if_exists), expected);
    }
    for (text, expected) in [
        ("DESCRIBE t", (ObjectKind::Table, "t", false)),
        ("DESC model", (ObjectKind::Table, "model", false)),
        ("DESCRIBE EXTENDED t", (ObjectKind::Table, "t", true)),
        ("DESCRIBE MODEL m", (ObjectKind::Model, "m", false)),
        ("DESCRIBE MODEL EXTENDED m$2", (ObjectKind::Model, "m$2", true)),
        ("DESCRIBE VIEW v", (ObjectKind::View, "v", false)),
    ] {
        let Statement::Describe { kind, name, extended } = statement(text) else { unreachable!() };
        assert_eq!((kind, name.value.as_str(), extended), expected, "{text}");
    }
    assert!(matches!(statement("DESCRIBE ALGORITHM logistic_regression"),
        Statement::DescribeAlgorithm(name) if name.value == "logistic_regression"));
    for (text, expected) in [
        ("SHOW TABLES", Show::Tables),
        ("SHOW VIEWS", Show::Views),
        ("SHOW MODELS", Show::Models),
        ("SHOW FUNCTIONS", Show::Functions),
        ("SHOW OPTIONS", Show::Options),
    ] {
        assert_eq!(statement(text), Statement::Show(expected));
    }
    assert!(matches!(statement("SHOW CREATE TABLE t"), Statement::Show(Show::CreateTable(t)) if t.value == "t"));
    assert!(matches!(statement("SHOW CREATE VIEW v"), Statement::Show(Show::CreateView(v)) if v.value == "v"));
    assert!(matches!(statement("SHOW CREATE MODEL m"), Statement::Show(Show::CreateModel(m)) if m.value == "m"));
}

#[test]
fn inserts_and_statement_sets() {
    let Statement::Insert(insert) = statement("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')") else { unreachable!() };
    assert_eq!((insert.columns.len(), insert.overwrite), (2, false));
    assert_eq!(insert.query.to_string(), "VALUES (1, 'x'), (2, 'y')");
    let Statement::Insert(insert) = statement("INSERT OVERWRITE t (SELECT 1)") else { unreachable!() };
    assert!(insert.overwrite && insert.columns.is_empty());
    for text in [
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END; SELECT 3;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END; SELECT 3",
    ] {
        let script = script(text);
        assert_eq!(script.statements.len(), 2);
        let Statement::StatementSet(inserts) = &script.statements[0].statement else { unreachable!() };
        let spans: Vec<&str> = inserts.iter().map(|insert| script.source.slice(insert.span)).collect();
        assert_eq!(spans, ["INSERT INTO a SELECT 1", "INSERT INTO b SELECT 2"]);
    }
}

#[test]
fn explain() {
    for (text, inner) in [
        ("EXPLAIN SELECT 1", "SELECT 1"),
        ("EXPLAIN PLAN FOR INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
        ("EXPLAIN STATEMENT SET BEGIN INSERT INTO t SELECT 1; END;", "STATEMENT SET BEGIN INSERT INTO t SELECT 1; END"),
    ] {
        let script = script(text);
        let Statement::Explain(explained) = &script.statements[0].statement else { unreachable!() };
        assert_eq!(script.source.slice(explained.span), inner);
    }
}

/// Forms of Flink's queries, and how the tree shows them.
#[test]
fn queries() {
    for text in [
        "SELECT o.a, r.rate FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.c = r.c",
        "SELECT a FROM t WHERE ts > TIMESTAMP '2017-12-01 00:00:00' AND d = DATE '2017-12-01'",
        "SELECT `a b`, c$1 FROM `t-1`",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION ALL SELECT 2",
        "SELECT k, SUM(x) FILTER (WHERE x > 0) FROM t GROUP BY GROUPING SETS ((k), ())",
        "SELECT ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM t",
        "SELECT CAST(a AS TIMESTAMP(3)), TRY_CAST(b AS INT), ARRAY[1, 2], ROW(1, 'x') FROM t",
        "SELECT CASE WHEN model = 1 THEN 'a' ELSE 'b' END FROM t WHERE model IS NOT NULL",
        "SELECT a FROM t ORDER BY a DESC LIMIT 10 OFFSET 5",
        "SELECT a FROM t WHERE b IN (SELECT c FROM u) AND EXISTS (SELECT 1 FROM v)",
        "SELECT EXTRACT(HOUR FROM ts), FLOOR(ts TO DAY), CEIL(x), TRIM(a), POSITION('a' IN b), SUBSTRING(a FROM 2 FOR 3) FROM t",
        "SELECT U&'d\\0061t', X'4A' FROM t",
    ] {
        statement(text);
    }
    let Statement::Query(query) = statement(
        "select /* comment */ x -- more\n, MAP['a', 1, 'b', 2], cast(x as timestamp_ltz(3)) FROM t /* end */ ; ;",
    ) else {
        unreachable!()
    };
    assert_eq!(query.to_string(), "SELECT x, MAP {'a': 1, 'b': 2}, CAST(x AS TIMESTAMP(3) WITH TIME ZONE) FROM t");
}

#[test]
fn a_column_called_model_is_a_column() {
    let Statement::Query(query) =
        statement("SELECT model, `table`, model m, COUNT(model), model FROM t ORDER BY model")
    else {
        unreachable!()
    };
    assert_eq!(query.to_string(), "SELECT model, `table`, model AS m, COUNT(model), model FROM t ORDER BY model");
}

/// However many conditions there are, the tree stays shallow, and says the same.
#[test]
fn rows_of_conditions_are_flat() {
    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                1 + depth(left).max(depth(right))
            }
            _ => 0,
        }
    }
    for (conditions, expected) in [(3, 2), (15, 14), (16, 4), (17, 5), (900, 10)] {
        let row: Vec<String> = (0..conditions).map(|n| format!("a = {n}")).collect();
        for operator in [" OR ", " AND "] {
            let condition = row.join(operator);
            let Statement::Query(query) = statement(&format!("SELECT 1 FROM t WHERE {condition}")) else {
                unreachable!()
            };
            let SetExpr::Select(select) = &*query.body else { unreachable!() };
            let selection = select.selection.as_ref().unwrap();
            assert_eq!((depth(selection), selection.to_string()), (expected, condition));
        }
    }
}

#[test]
fn a_shell_knows_when_to_go_on() {
    for whole in ["", "  -- nothing\n", "SELECT 1;", "SELECT ';' ;", "SELECT 1; /* ; */", "\"\";", ";;"] {
        assert!(is_complete(whole), "{whole}");
    }
    for part in [
        "SELECT 1",
        "SELECT 1; SELECT",
        "SELECT 'a;",
        "SELECT `a;",
        "SELECT 1 /* ;",
        "-- a\nSELECT",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "BEGIN STATEMENT SET;",
        "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1;",
    ] {
        assert!(!is_complete(part), "{part}");
    }
    assert!(is_complete("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;"));
}
