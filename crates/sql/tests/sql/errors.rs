//! What is said about a script that is wrong: the message, the place, and what to do.

use crate::refused;

/// `line:column..end: message | help`, for tables of cases.
fn said(text: &str) -> String {
    let error = refused(text);
    let help = error.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
    format!("{}..{}: {}{help}", error.span.start, error.span.end.column, error.message)
}

#[test]
fn a_message_shows_the_line() {
    assert_eq!(
        refused("SELECT 1;\n  CREATE TABEL t (a INT);").to_string(),
        "job.sql:2:10: unknown kind of object to create 'TABEL'\n  |\n2 |   CREATE TABEL t (a INT);\n  |          ^^^^^\n\
         help: did you mean 'TABLE'?"
    );
}

#[test]
fn statements() {
    for (text, expected) in [
        ("CREAT TABLE t (a INT)", "1:1..6: unknown statement 'CREAT' | did you mean 'CREATE'?"),
        (
            "USE db",
            "1:1..4: unknown statement 'USE' | known are SET, RESET, CREATE, ALTER, DROP, DESCRIBE, DESC, SHOW, INSERT, \
             EXECUTE, SELECT, WITH, VALUES, EXPLAIN, BEGIN",
        ),
        ("SELET 1", "1:1..6: unknown statement 'SELET' | did you mean 'SELECT'?"),
        ("'a'", "1:1..4: expected a statement, found 'a'"),
        ("CREATE", "1:7..7: expected TABLE, VIEW, MODEL, found end of statement"),
        ("DROP FUNCTION f", "1:6..14: unknown kind of object to drop 'FUNCTION' | known are TABLE, VIEW, MODEL"),
        ("ALTER TABLE t", "1:7..12: only models are altered | replace it: CREATE OR REPLACE TABLE or VIEW"),
        ("SHOW MODLES", "1:6..12: unknown thing to show 'MODLES' | did you mean 'MODELS'?"),
        ("DROP TABLE t u", "1:14..15: expected end of statement, found u | a statement ends with ';'"),
        ("SELECT 1\nSELECT 2", "2:1..7: expected end of statement, found SELECT | a statement ends with ';'"),
        ("DROP TABLE a.b", "1:12..14: catalogs and databases are not supported: a name has one part"),
        (
            "DROP TABLE select",
            "1:12..18: expected the name of a table, found the keyword select | a name that is a keyword is quoted: `select`",
        ),
        ("DROP TABLE", "1:11..11: expected the name of a table, found end of statement"),
        ("DROP TABLE ``", "1:12..14: expected the name of a table, found an empty name"),
        ("EXPLAIN EXPLAIN SELECT 1", "1:9..16: expected a query, INSERT or a statement set to explain, found EXPLAIN"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn settings() {
    for (text, expected) in [
        (
            "SET 'parallelism.defualt' = '2'",
            "1:5..26: unknown option 'parallelism.defualt' | did you mean 'parallelism.default'?",
        ),
        (
            "SET 'parallelism.default' = 'two'",
            "1:29..34: option 'parallelism.default': 'two' is not a whole number from 1 to 1024",
        ),
        (
            "SET parallelism = '2'",
            "1:5..16: expected the name of a setting in quotes, found parallelism | write 'parallelism'",
        ),
        ("SET 'job.name' = 5", "1:18..19: expected the setting's value in quotes, found 5 | write '5'"),
        ("SET 'job.name' 'x'", "1:16..19: expected '=' and the setting's value, found 'x'"),
        (
            "SET 'param.a-b' = 'x'",
            "1:5..16: 'a-b' cannot name a parameter: a name is letters, digits and _, and begins with no digit",
        ),
        ("RESET 'job.nme'", "1:7..16: unknown setting 'job.nme' | did you mean 'job.name'?"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn tables() {
    for (text, expected) in [
        ("CREATE TABLE (a INT)", "1:14..15: expected the name of a table, found ("),
        ("CREATE TABLE t", "1:15..15: expected '(' and the table's columns, found end of statement"),
        ("CREATE TABLE t ()", "1:14..15: table t has no column"),
        ("CREATE TABLE t (a INT, )", "1:24..25: expected the name of a column, found )"),
        ("CREATE TABLE t (a INT b INT)", "1:23..24: expected ',' or ')', found b"),
        ("CREATE TABLE t (a STRNG)", "1:19..24: unknown type STRNG; did you mean STRING?"),
        ("CREATE TABLE t (a INT, a STRING)", "1:24..32: column 'a' is given twice"),
        (
            "CREATE TABLE t (a INT METADATA FROM 'x' VIRTUAL)",
            "1:23..31: metadata columns are not supported | leave the column out",
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (a))",
            "1:39..40: a primary key is NOT ENFORCED: nobody checks that it is unique | write PRIMARY KEY … NOT ENFORCED",
        ),
        (
            "CREATE TABLE t (bought INT, PRIMARY KEY (bougt) NOT ENFORCED)",
            "1:42..47: the table has no column 'bougt' | did you mean 'bought'?",
        ),
        (
            "CREATE TABLE t (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED)",
            "1:49..50: a primary key is of columns that are stored; b is computed",
        ),
        (
            "CREATE TABLE t (ts STRING, WATERMARK FOR ts AS ts)",
            "1:42..44: a watermark needs a column of type TIMESTAMP or TIMESTAMP_LTZ; ts is STRING",
        ),
        (
            "CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts + INTERVAL '5' SECOND)",
            "1:51..75: a watermark is its column, ts, or that column minus an interval | write WATERMARK FOR ts AS ts - INTERVAL \
             '5' SECOND",
        ),
        (
            "CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' MONTH)",
            "1:51..74: a watermark is its column, ts, or that column minus an interval | write WATERMARK FOR ts AS ts - INTERVAL \
             '5' SECOND",
        ),
        ("CREATE TABLE t (a INT, WATERMARK FOR b AS b, ts TIMESTAMP)", "1:38..39: the table has no column 'b'"),
        (
            "CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts, WATERMARK FOR ts AS ts)",
            "1:55..77: a table has one watermark at most",
        ),
        ("CREATE TABLE t (a INT) WITH ('k' = 'v', 'k' = 'w')", "1:41..44: option 'k' is given twice"),
        ("CREATE TABLE t (a INT) WITH ('k' 'v')", "1:34..37: expected '=' and the option's value, found 'v'"),
        (
            "CREATE TABLE t (a INT) WITH (k = 'v')",
            "1:30..31: expected the name of an option in quotes, found k | write 'k'",
        ),
        (
            "CREATE TABLE t (a INT) AS SELECT 1",
            "1:24..26: CREATE TABLE … AS SELECT is not supported | create the table, then INSERT INTO it",
        ),
        (
            "CREATE TABLE t (a INT) LIKE u",
            "1:24..28: CREATE TABLE … LIKE is not supported | write the columns and the options out",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn models_and_inserts() {
    for (text, expected) in [
        ("CREATE MODEL m$1", "1:14..17: the name of a model holds no '$', which sets off a version"),
        ("CREATE MODEL m TRANSFORM (f(a) OVER ())", "1:39..40: expected AS and a name for the feature, found )"),
        ("CREATE MODEL m TRANSFORM (a, b AS a)", "1:35..36: feature 'a' is given twice"),
        ("CREATE MODEL m INPUT (a INT) INPUT (b INT)", "1:30..35: the clause is given twice"),
        (
            "CREATE MODEL m INPUT (a AS b + 1)",
            "1:25..27: unknown type AS; known are BOOLEAN, TINYINT, SMALLINT, INT, INTEGER, \
          BIGINT, FLOAT, DOUBLE, DECIMAL, DEC, NUMERIC, STRING, VARCHAR, CHAR, BYTES, BINARY, VARBINARY, DATE, TIME, TIMESTAMP, \
          TIMESTAMP_LTZ, ARRAY, MAP, ROW",
        ),
        (
            "CREATE MODEL m OPTIONS ('a' = 'b')",
            "1:16..23: expected TRANSFORM, INPUT, OUTPUT, COMMENT, WITH, AS or end of statement, found OPTIONS",
        ),
        ("ALTER MODEL m ADD x", "1:15..18: expected RENAME TO, SET (…), RESET (…), SET ALIAS or DROP ALIAS, found ADD"),
        ("ALTER MODEL m SET ALIAS a = 0", "1:29..30: '0' is neither a version number from 1 nor an alias"),
        ("INSERT t SELECT 1", "1:8..9: expected INTO or OVERWRITE, found t"),
        ("INSERT INTO t", "1:14..14: expected a query: SELECT, WITH or VALUES, found end of statement"),
        ("INSERT INTO t (a, a) SELECT 1, 2", "1:19..20: column 'a' is given twice"),
        ("EXECUTE STATEMENT SET BEGIN SELECT 1; END", "1:29..35: expected INSERT or END, found SELECT"),
        (
            "EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1;",
            "1:52..52: expected INSERT or END, found end of statement",
        ),
        (
            "EXECUTE STATEMENT SET BEGIN END",
            "1:1..32: the statement set is empty | put an INSERT between BEGIN and END",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn queries() {
    for (text, expected) in [
        ("SELECT a FROM", "1:14..14: expected identifier, found end of statement"),
        ("SELECT (1 + ", "1:12..12: expected an expression, found end of statement"),
        ("SELECT a,\n  b +\n  * 2 FROM t", "3:3..4: expected an expression, found *"),
        ("SELECT 'abc", "1:8..8: a text begins here and is not closed | a quote inside a text is doubled: 'it''s'"),
        (
            "SELECT \"a\" FROM t",
            "1:8..11: double quotes have no meaning here | write a text as 'text' and a name as `name`",
        ),
        ("SELECT a::INT FROM t", "1:9..11: '::' is not supported | write CAST(value AS type)"),
        ("SELECT CAST(a AS BOOL) FROM t", "1:18..22: unknown type BOOL; did you mean BOOLEAN?"),
        (
            "SELECT INTERVAL '5' SECS",
            "1:21..25: expected a unit such as SECOND, MINUTE, HOUR or DAY after the amount of an \
          INTERVAL, found SECS",
        ),
        ("SELECT MAP['a'] FROM t", "1:8..11: MAP takes keys and values by turns; found 1 items"),
        (
            "SELECT * FROM t /*+ OPTIONS('a' = 'b') */",
            "1:17..42: hints are not supported | say it in the table's WITH clause, or with SET",
        ),
        ("SELECT * FROM f(INPUT => TABLE t, MODEL => )", "1:44..45: expected an expression, found )"),
        ("SELECT * FROM f(INPUT => TABLE t MODEL => MODEL m)", "1:34..39: expected ), found MODEL"),
        ("SELECT * FROM f(a => g(b => 1 +))", "1:32..33: expected an expression, found )"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn an_error_has_bytes_to_point_at() {
    let error = refused("SELECT 'é', 1;\nSELECT 'ü', a::INT;");
    assert_eq!(&error.script.text[error.range()], "::");
    assert_eq!((error.diagnostic().message, error.diagnostic().span), (error.message.clone(), error.span));
}
