//! The metrics as aggregate functions of Apache Flink: the same values as here, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::metric::{Argument, FADING_METRICS, METRICS, MetricDef};
use tidegate_tests::Workplace;

use crate::flink::flink;

const ROWS: usize = 5_000;
const SEED: u64 = 41;
const TOLERANCE: f64 = 1e-9;

/// A label and a prediction of each type, an odd score, and numbers.
const ROWS_TABLE: &str = "
CREATE TABLE rows_in (g STRING, y BOOLEAN, p BOOLEAN, yn INT, pn BIGINT, yt STRING, pt STRING, yb SMALLINT, s DOUBLE, a DOUBLE,
  b DECIMAL(8, 3), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = '${path}', 'format' = 'csv', 'csv.null-literal' = '');
";

/// Rows in the order of their time, a minute apart, each cell but group and time NULL now and then. The last group is small.
fn rows() -> String {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut text = String::new();
    for row in 0..ROWS {
        let group = if row % 1000 == 3 { "small" } else { ["ann", "bob", "cæs"][random.random_range(0..3)] };
        let (x, noise): (f64, f64) = (random.random_range(0.0..1.0), random.random_range(-0.4..0.4));
        let score = (x + noise).clamp(0.0, 1.0);
        let class = |x: f64| (x * 3.9) as usize;
        let cells = [
            (x > 0.6).to_string(),
            (score > 0.5).to_string(),
            class(x).to_string(),
            class(score).to_string(),
            ["low", "mid", "\u{fc}ber", "top"][class(x)].to_string(),
            ["low", "mid", "\u{fc}ber", "top"][class(score)].to_string(),
            u8::from(x > 0.6).to_string(),
            // Equal scores, too.
            if row % 3 == 0 { format!("{score:.1}") } else { score.to_string() },
            (10.0 * x - 3.0).to_string(),
            format!("{:.3}", 10.0 * score - 3.0),
        ];
        write!(text, "{group}").expect("a string takes it");
        for cell in &cells {
            let cell = if random.random_bool(0.02) { "" } else { cell };
            write!(text, ",{cell}").expect("a string takes it");
        }
        let (day, hour, minute) = (1 + row / 1440, row / 60 % 24, row % 60);
        writeln!(text, ",2024-01-{day:02} {hour:02}:{minute:02}:00").expect("a string takes it");
    }
    text
}

/// Calls of a metric with columns of each type that it takes, and with the literals that it takes.
fn calls(def: &MetricDef) -> Vec<String> {
    let columns: &[&str] = match def.arguments {
        [Argument::Class, Argument::Class] => &["y, p", "yn, pn", "yt, pt"],
        [Argument::Class, Argument::Cluster] => &["y, pn", "yt, pn", "yn, pt"],
        [Argument::Binary, Argument::Score] => &["y, s", "yb, s"],
        [Argument::Sample, Argument::Number] => &["y, a", "yb, b"],
        [Argument::Sample, Argument::Category] => &["y, p", "yb, pn", "y, pt"],
        [Argument::Sample, Argument::Value] => &["y, p", "yb, pt", "y, a"],
        [Argument::Number, Argument::Number] => &["a, b"],
        other => panic!("{}: a call with {other:?} is to be added here", def.name),
    };
    let known: Vec<&str> = def.parameters.split(", ").filter(|known| known.contains(' ')).collect();
    let required: String = known
        .iter()
        .filter_map(|known| match *known {
            "factor DOUBLE" => Some(", 0.98"),
            "beta DOUBLE" => Some(", 0.5"),
            _ => None,
        })
        .collect();
    let optional = known.iter().find_map(|known| match known.split(' ').next() {
        Some("average") => Some(", 'weighted'"),
        Some("bins") => Some(", 64"),
        _ => None,
    });
    let call = |columns: &&str, optional| format!("{}({columns}{required}{optional})", def.name);
    let mut calls: Vec<String> = columns.iter().map(|columns| call(columns, "")).collect();
    calls.extend(optional.and_then(|optional| Some(call(columns.last()?, optional))));
    calls
}

/// The lines of a file, or of the files of a folder: their first `keys` fields, and the numbers after them.
fn values(path: &Path, keys: usize) -> BTreeMap<Vec<String>, Vec<Option<f64>>> {
    let files: Vec<PathBuf> = match path.is_dir() {
        true => std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect(),
        false => vec![path.to_path_buf()],
    };
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("a text")).collect();
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("g,")) {
        let fields: Vec<String> = line.split(',').map(|field| field.trim_matches('"').to_string()).collect();
        let (key, numbers) = fields.split_at(keys);
        let number = |text: &String| (!text.is_empty()).then(|| text.parse().expect("a number"));
        let before = values.insert(key.to_vec(), numbers.iter().map(number).collect());
        assert!(before.is_none(), "{key:?} is there twice");
    }
    values
}

/// Runs an aggregation here and in Flink, and compares what they give. `of` is what stands behind FROM.
fn compare(mode: &str, keys: &str, of: &str, calls: &[String], groups: usize) {
    let place = Workplace::new();
    let rows = rows();
    place.write("rows-flink.csv", &rows);
    place.write("rows.csv", format!("g,y,p,yn,pn,yt,pt,yb,s,a,b,ts\n{rows}"));
    let (key_count, declared) = match keys {
        "g, window_start" => (2, "g STRING, w TIMESTAMP(3)"),
        _ => (1, "g STRING"),
    };
    let columns: String = (0..calls.len()).map(|place| format!(", m{place} DOUBLE")).collect();
    let script = |rows: &str, out: &str| {
        format!(
            "SET 'execution.runtime-mode' = '{mode}';
             SET 'parallelism.default' = '1';
             {}
             CREATE TABLE measured ({declared}{columns}) WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'csv');
             INSERT INTO measured SELECT {keys}, {} FROM {of};",
            ROWS_TABLE.replace("${path}", rows),
            calls.join(", ")
        )
    };
    place.run(&script("rows.csv", "here.csv")).succeeded();
    let here = place.path(".").display().to_string();
    let there = script(&format!("{here}/rows-flink.csv"), &format!("{here}/there"));
    let there = there.replacen("CREATE TABLE", "LOAD MODULE tidegate; CREATE TABLE", 1);
    flink(&place.write("flink.sql", there)).succeeded();
    let (ours, theirs) = (values(&place.path("here.csv"), key_count), values(&place.path("there"), key_count));
    assert!(ours.keys().eq(theirs.keys()), "{:?} here, {:?} in Flink", ours.keys(), theirs.keys());
    assert_eq!(ours.len(), groups);
    let mut numbers = 0;
    for (key, ours) in &ours {
        for (call, (our, their)) in calls.iter().zip(ours.iter().zip(&theirs[key])) {
            let same = match (our, their) {
                (Some(our), Some(their)) => (our - their).abs() <= TOLERANCE * our.abs().max(1.0),
                (None, None) => true,
                _ => false,
            };
            assert!(same, "{call} of {key:?}: {our:?} here, {their:?} in Flink");
            numbers += usize::from(our.is_some());
        }
    }
    // Groups that are large enough have every value.
    assert!(numbers >= calls.len(), "{numbers} values");
}

fn all_calls(metrics: &[&MetricDef]) -> Vec<String> {
    metrics.iter().flat_map(|def| calls(def)).collect()
}

#[test]
fn groups_of_a_finished_table_have_the_same_values() {
    compare("batch", "g", "rows_in GROUP BY g", &all_calls(METRICS), 4);
}

#[test]
fn windows_of_a_stream_have_the_same_values() {
    let calls = [all_calls(METRICS), all_calls(FADING_METRICS)].concat();
    let windows = "TABLE(TUMBLE(TABLE rows_in, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY g, window_start, window_end";
    // Three days and a half: three large groups in each of them, and the small one in the first three.
    compare("streaming", "g, window_start", windows, &calls, 15);
}

/// One instance reads a file in its order, and without keys nothing is sorted.
#[test]
fn what_fades_follows_the_order_of_a_file() {
    compare("batch", "'all'", "rows_in", &all_calls(FADING_METRICS), 1);
}

#[test]
fn the_module_has_all_metrics_and_no_others() {
    let place = Workplace::new();
    let outcome =
        flink(&place.write("list.sql", "LOAD MODULE tidegate; USE MODULES tidegate; SHOW FUNCTIONS;")).succeeded();
    let listed = outcome.stdout.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let listed: BTreeSet<String> =
        listed.map(|name| name.trim().to_uppercase()).filter(|name| name.starts_with("ML_")).collect();
    let declared: BTreeSet<String> = METRICS.iter().chain(FADING_METRICS).map(|def| def.name.to_string()).collect();
    assert_eq!(listed, declared, "{}", outcome.stdout);
}

#[test]
fn a_call_that_is_wrong_is_refused_in_the_words_used_here() {
    let place = Workplace::new();
    let refused = |call: &str, says: &str| {
        let script =
            |before: &str| format!("{before}{} SELECT {call} FROM rows_in;", ROWS_TABLE.replace("${path}", "rows.csv"));
        place.write("rows.csv", "g,y,p,yn,pn,yt,pt,yb,s,a,b,ts\n");
        let here = place.run(&script(""));
        let there = flink(&place.write("wrong.sql", script("LOAD MODULE tidegate;")));
        for (place, outcome) in [("here", here), ("in Flink", there)] {
            assert_ne!(outcome.code, Some(0), "{call} {place}");
            // Where there is a terminal of some width, lines are broken.
            let words = outcome.stderr.split(|c: char| c.is_whitespace() || c == '│').filter(|word| !word.is_empty());
            let said = words.collect::<Vec<_>>().join(" ");
            assert!(said.contains(says), "{call} {place}: {says} is missing:\n{said}");
        }
    };
    refused(
        "ML_ROC_AUC(yt, s)",
        "ML_ROC_AUC takes (label, score): argument 1 has type Utf8, expected BOOLEAN, or an integer 0 or 1",
    );
    refused("ML_MAE(a)", "ML_MAE takes (number, number), but was given 1 argument(s)");
    refused("ML_ACCURACY(y, yt)", "argument 2 has type Utf8, expected the same type as the label, Boolean");
    refused("ML_F1(y, p, 'makro')", "did you mean 'macro'?");
    refused("ML_FADING_MAE(a, b, a)", "ML_FADING_MAE: what follows its columns must be literals");
}
