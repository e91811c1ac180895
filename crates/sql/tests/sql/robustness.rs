//! Whatever the text: an answer, no panic, no exhausted stack, no endless reading.

use proptest::prelude::*;
use tidegate_sql::call::TableFunction;
use tidegate_sql::sqlparser::ast::{SetExpr, Visit, Visitor};
use tidegate_sql::{Parameters, SCRIPT_BYTES_MAX, Statement, is_complete, parse_script};

fn parameters() -> Parameters {
    let mut parameters = Parameters::default();
    parameters.give("p", "5").unwrap();
    parameters.give("q", "it's").unwrap();
    parameters
}

struct CountExprs(usize);

impl Visitor for CountExprs {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &tidegate_sql::sqlparser::ast::Expr) -> std::ops::ControlFlow<()> {
        self.0 += 1;
        std::ops::ControlFlow::Continue(())
    }
}

/// Parses, and does with the tree what a planner does: walks it, copies it, shows it, drops it.
fn use_script(text: &str) -> bool {
    is_complete(text);
    match parse_script("soup.sql", text, &parameters()) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(error.range().end <= text.len());
            false
        }
        Ok(script) => {
            for located in &script.statements {
                assert!(!script.source.slice(located.span).is_empty());
                if let Statement::Query(query) = &located.statement {
                    let mut count = CountExprs(0);
                    let _ = query.visit(&mut count);
                    assert!(query.clone().to_string().len() >= count.0);
                    if let SetExpr::Select(select) = &*query.body {
                        for from in &select.from {
                            let _ = TableFunction::from_factor(&from.relation);
                        }
                    }
                }
            }
            true
        }
    }
}

/// 1 MiB, half of what the threads of tests and of runtimes have. The frames of unoptimised code are several times as large.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 8 << 20 } else { 1 << 20 };

fn on_a_small_stack(text: String) -> bool {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || use_script(&text)).unwrap();
    thread.join().unwrap()
}

#[test]
fn nothing_exhausts_the_stack() {
    for depth in [10, 24, 40, 48, 60, 190, 900, 5_000] {
        for (open, close) in [
            ("(", ")"),
            ("f(", ")"),
            ("CAST(", " AS INT)"),
            ("CASE WHEN ", " THEN 1 END"),
            ("NOT ", ""),
            ("- ", ""),
            ("INTERVAL ", ""),
            ("ARRAY[", "]"),
            ("MAP[1, ", "]"),
            ("ARRAY<", ">"),
            ("ROW<a ", ">"),
            ("(SELECT ", ")"),
            ("EXISTS (SELECT ", ")"),
            ("f(a => ", ")"),
            ("f(TABLE (SELECT ", "))"),
            ("x IN (", ")"),
            ("TRIM(", ")"),
            ("EXTRACT(DAY FROM ", ")"),
            ("x BETWEEN ", " AND 1"),
        ] {
            let text = format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth));
            on_a_small_stack(text);
            on_a_small_stack(format!("SELECT {}", open.repeat(depth)));
            on_a_small_stack(format!("SELECT CAST(1 AS {}", open.repeat(depth)));
        }
        for (open, close) in [("(", ")"), ("(SELECT * FROM ", ")"), ("((SELECT * FROM ", "))"), ("TABLE(f(", "))")] {
            on_a_small_stack(format!("SELECT * FROM {}t{}", open.repeat(depth), close.repeat(depth)));
            on_a_small_stack(format!("SELECT * FROM {}", open.repeat(depth)));
        }
        for link in [
            " + 1",
            " AND 1",
            " AND 1 OR 1",
            " IS NULL",
            " COLLATE c",
            " AT TIME ZONE 'UTC'",
            "[1]",
            ".a",
            " BETWEEN 1 AND 2",
            " LIKE 'a'",
            " UNION SELECT 1, 2",
            " UNION ALL (SELECT 1)",
            ", 1",
        ] {
            on_a_small_stack(format!("SELECT a{}", link.repeat(depth)));
            on_a_small_stack(format!("SELECT a{} FROM FROM", link.repeat(depth)));
        }
        for link in [" JOIN u ON a = b", " CROSS JOIN u", ", u", " PIVOT(SUM(a) FOR b IN (1))"] {
            on_a_small_stack(format!("SELECT * FROM t{}", link.repeat(depth)));
        }
        on_a_small_stack("EXPLAIN ".repeat(depth));
        on_a_small_stack(format!("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A{}) DEFINE A AS b)", "+*".repeat(depth)));
    }
}

#[test]
fn what_people_write_is_within_the_limits() {
    for text in [
        format!("SELECT {}1{}", "(".repeat(15), ")".repeat(15)),
        format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(12), ")".repeat(12)),
        format!("SELECT * FROM t WHERE a = 0{}", " OR a = 1".repeat(900)),
        format!("SELECT 1{}", " + 1".repeat(190)),
        format!("SELECT * FROM t WHERE a IN (0{})", ", 1".repeat(50_000)),
        format!("SELECT CASE{} END", " WHEN a = 1 THEN 2".repeat(5_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 2".repeat(90)),
        format!("INSERT INTO t VALUES (1, 'a'){}", ", (2, 'b')".repeat(50_000)),
        "SELECT 1;\n".repeat(1_000),
    ] {
        let whole = text.clone();
        assert!(on_a_small_stack(text), "{}", &whole[..60]);
    }
}

#[test]
fn a_script_that_is_too_large_is_refused() {
    let text = " ".repeat(SCRIPT_BYTES_MAX + 1);
    let error = parse_script("big.sql", &text, &Parameters::default()).unwrap_err();
    assert_eq!(error.message, "the script has 4194305 bytes; the most that is read is 4 MiB");
    assert!(parse_script("big.sql", &text[1..], &Parameters::default()).unwrap().statements.is_empty());
}

/// Words and signs that mean something to some rule of the grammar.
const SOUP: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "AS",
    "JOIN",
    "ON",
    "UNION",
    "ALL",
    "WITH",
    "VALUES",
    "CREATE",
    "TABLE",
    "VIEW",
    "MODEL",
    "OR",
    "REPLACE",
    "TEMPORARY",
    "IF",
    "NOT",
    "EXISTS",
    "TRANSFORM",
    "INPUT",
    "OUTPUT",
    "COMMENT",
    "WATERMARK",
    "FOR",
    "PRIMARY",
    "KEY",
    "ENFORCED",
    "PARTITIONED",
    "PARTITION",
    "INSERT",
    "INTO",
    "OVERWRITE",
    "EXECUTE",
    "STATEMENT",
    "SET",
    "BEGIN",
    "END",
    "RESET",
    "ALTER",
    "RENAME",
    "TO",
    "ALIAS",
    "DROP",
    "DESCRIBE",
    "SHOW",
    "EXPLAIN",
    "PLAN",
    "NULL",
    "INT",
    "STRING",
    "ROW",
    "MAP",
    "ARRAY",
    "TIMESTAMP",
    "DECIMAL",
    "INTERVAL",
    "SECOND",
    "DAY",
    "CAST",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "IN",
    "IS",
    "LIKE",
    "BETWEEN",
    "AND",
    "OVER",
    "DESCRIPTOR",
    "LATERAL",
    "UNNEST",
    "TUMBLE",
    "SYSTEM_TIME",
    "OF",
    "EXTRACT",
    "TRIM",
    "MATCH_RECOGNIZE",
    "PATTERN",
    "a",
    "t",
    "m$3",
    "`q`",
    "'s'",
    "'5'",
    "'${p}'",
    "'$${p}'",
    "'2017-01-01'",
    "1",
    "2.5",
    "1e9",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    ">>",
    ",",
    ";",
    ".",
    "=",
    "=>",
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "::",
    ":",
    "!",
    "?",
    "@",
    "#",
    "&",
    "^",
    "${p}",
    "${q}",
    "$",
    "${",
    "--",
    "/*",
    "*/",
    "\n",
    "\t",
    "'",
    "`",
    "\"",
    "\\",
    "é",
    "\u{1F30A}",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn soup_never_panics(words in prop::collection::vec(prop::sample::select(SOUP), 0..40)) {
        use_script(&words.join(" "));
    }

    #[test]
    fn dense_soup_never_panics(words in prop::collection::vec(prop::sample::select(SOUP), 0..20)) {
        use_script(&words.concat());
    }

    #[test]
    fn noise_never_panics(text in "\\PC{0,60}") {
        use_script(&text);
    }

    /// A right statement with one word of soup in it, or one word less.
    #[test]
    fn slips_never_panic(
        place in 0usize..60,
        word in prop::sample::select(SOUP),
        statement in prop::sample::select(&[
            "CREATE TABLE t ( a INT NOT NULL , ts TIMESTAMP ( 3 ) , b AS a + 1 , WATERMARK FOR ts AS ts - INTERVAL '5' SECOND , \
             PRIMARY KEY ( a ) NOT ENFORCED ) PARTITIONED BY ( a ) WITH ( 'k' = '${p}' )",
            "CREATE MODEL m TRANSFORM ( f ( a ) OVER ( ) AS a ) INPUT ( a DOUBLE ) OUTPUT ( y MAP < STRING , DOUBLE > ) \
             WITH ( 'k' = 'v' ) AS SELECT a , y FROM t",
            "SELECT * FROM ML_PREDICT ( INPUT => TABLE t PARTITION BY a , b ORDER BY c DESC , MODEL => MODEL m$3 , \
             ARGS => DESCRIPTOR ( a , b ) , CONFIG => MAP [ 'k' , 'v' ] ) AS p WHERE a > ${p} AND b IN ( 1 , 2 )",
            "EXECUTE STATEMENT SET BEGIN INSERT INTO t ( a ) SELECT 1 ; INSERT INTO u VALUES ( 1 , 'x' ) ; END",
            "ALTER MODEL m SET ALIAS production = 3",
        ][..]),
        replace in any::<bool>(),
    ) {
        let mut words: Vec<&str> = statement.split(' ').collect();
        let place = place % words.len();
        if replace {
            words[place] = word;
        } else {
            words.remove(place);
        }
        use_script(&words.join(" "));
    }
}
