//! Models that `tidegate run` has trained, in Apache Flink's own ML_PREDICT: the same predictions, bit for bit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_tests::data::data_set;
use tidegate_tests::flink_cluster::Room;
use tidegate_tests::running::{Running, wait_up_to};
use tidegate_tests::{Outcome, Workplace};

const ROWS: usize = 2_000;

/// How long Flink may take for what it does at once on a machine that is not overloaded.
const RUN_MAX: Duration = Duration::from_secs(180);

const SEED: u64 = 23;

pub(crate) const ROWS_TABLE: &str = "
CREATE TABLE rows_in (id BIGINT, x DOUBLE, n INT, ok BOOLEAN, color STRING, price DECIMAL(10, 2),
  bought BOOLEAN, kind STRING, stars BIGINT, amount DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${path}', 'format' = 'csv', 'csv.null-literal' = '');
";

/// A model for each type of label and of output, and what of its predictions is compared.
const MODELS: [(&str, &str, &str, &str); 4] = [
    (
        "buys",
        "predicted BOOLEAN, probability DOUBLE, model_version BIGINT",
        "bought",
        "predicted BOOLEAN, probability DOUBLE, model_version BIGINT",
    ),
    ("sort", "predicted STRING, odds MAP<STRING, DOUBLE>", "kind", "predicted STRING, low DOUBLE, high DOUBLE"),
    ("stars", "predicted BIGINT", "stars", "predicted BIGINT"),
    ("amounts", "predicted DOUBLE", "amount", "predicted DOUBLE"),
];

pub(crate) fn rows() -> String {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut text = "id,x,n,ok,color,price,bought,kind,stars,amount\n".to_string();
    for id in 0..ROWS {
        let x: f64 = random.random_range(-2.0..2.0);
        let n = random.random_range(-50..50);
        let ok = random.random_bool(0.4);
        let color = ["red", "blue", "grün", ""][random.random_range(0..4)];
        let price = format!("{}.{:02}", random.random_range(0..100), random.random_range(0..100));
        let score = x + f64::from(n) / 50.0 + f64::from(u8::from(ok)) + random.random_range(-0.5..0.5);
        // What is missing is missing in Flink as well.
        let x = if id % 50 == 7 { String::new() } else { x.to_string() };
        let (bought, kind) = (score > 0.5, ["low", "middle", "high"][(score.clamp(-1.0, 1.9) + 1.0) as usize]);
        let stars = (score.clamp(-2.0, 2.0) + 3.0) as i64;
        writeln!(text, "{id},{x},{n},{ok},{color},{price},{bought},{kind},{stars},{score}").expect("a string takes it");
    }
    text
}

/// Flink in one process.
pub(crate) fn flink(script: &Path) -> Outcome {
    let _room = Room::wait();
    Outcome::of(flink_command(script).output().expect("java starts"))
}

/// What runs a script by Flink in one process.
pub(crate) fn flink_command(script: &Path) -> Command {
    let folder = data_set("flink", &[".source"]);
    let test = std::env::current_exe().expect("a process knows its own file");
    let library = test.with_file_name("libtidegate_flink.so");
    let mut java = Command::new("java");
    java.args(["-Xmx1g", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"]);
    java.arg(format!("-Dtidegate.flink.library={}", library.display()));
    let classes = format!("{}:{}", folder.join("*").display(), folder.join("flink/*").display());
    java.args(["-cp", &classes, "tidegate.flink.job.SqlScript"]).arg(script);
    java
}

/// The lines of a file, or of the files of a folder, by their first field.
pub(crate) fn lines(path: &Path) -> BTreeMap<u64, Vec<String>> {
    let files: Vec<PathBuf> = match path.is_dir() {
        true => std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect(),
        false => vec![path.to_path_buf()],
    };
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).expect("a text")).collect();
    let fields = |line: &str| line.split(',').map(|field| field.trim_matches('"').to_string()).collect();
    let lines = text.lines().map(fields);
    lines.filter_map(|line: Vec<String>| Some((line[0].parse().ok()?, line[1..].to_vec()))).collect()
}

/// Equal as texts, or as numbers: `1.0E-5` is `0.00001`.
fn same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
    one == other || number(one).is_some_and(|number_of_one| Some(number_of_one) == number(other))
}

/// A folder with rows and a registry of models that were trained on them, and what they predict here.
pub(crate) fn trained() -> Workplace {
    let place = Workplace::new();
    place.write("rows.csv", rows());
    let mut script = ROWS_TABLE.replace("${path}", "rows.csv");
    for (model, output, label, compared) in MODELS {
        let (task, algorithm) = match label {
            "amount" => ("regression", "linear_regression"),
            _ => ("classification", "logistic_regression"),
        };
        write!(
            script,
            "CREATE MODEL {model}
               TRANSFORM (ML_STANDARD_SCALER(ML_IMPUTER(x, 'mean') OVER ()) OVER () AS x, ML_STANDARD_SCALER(n) OVER () AS n, ok,
                          ML_ONE_HOT_ENCODER(color) OVER () AS color, ML_STANDARD_SCALER(price) OVER () AS price)
               INPUT (x DOUBLE, n INT, ok BOOLEAN, color STRING, price DECIMAL(10, 2)) OUTPUT ({output})
               WITH ('provider' = 'tidegate', 'task' = '{task}', 'algorithm' = '{algorithm}', 'label' = '{label}')
               AS SELECT x, n, ok, color, price, {label} FROM rows_in;
             CREATE TABLE {model}_out (id BIGINT, {compared})
             WITH ('connector' = 'filesystem', 'path' = '{model}.csv', 'format' = 'csv');
             INSERT INTO {model}_out SELECT id, {columns} FROM ML_PREDICT(INPUT => TABLE rows_in, MODEL => MODEL {model},
               ARGS => DESCRIPTOR(x, n, ok, color, price));\n",
            columns = names(compared),
        )
        .expect("a string takes it");
    }
    place.run(&script).succeeded();
    place
}

/// What is selected for declared columns: those names, or entries of a map.
fn names(columns: &str) -> String {
    let of = |column: &str| match column.split(' ').next().unwrap_or_default() {
        name @ ("low" | "high") => format!("odds['{name}']"),
        name => name.to_string(),
    };
    columns.split(", ").map(of).collect::<Vec<_>>().join(", ")
}

pub(crate) fn registry(place: &Workplace) -> String {
    let facts = tidegate_tests::running::found(place, "home/**/registry.sqlite").expect("a registry");
    facts.parent().expect("its folder").display().to_string()
}

#[test]
fn flink_predicts_what_we_predict() {
    let place = trained();
    let registry = registry(&place);
    let here = place.path(".").display().to_string();
    // Flink's files have no first line of names.
    let rows = rows();
    place.write("rows-flink.csv", rows.split_once('\n').expect("a first line").1);
    let mut script = ROWS_TABLE.replace("${path}", &format!("{here}/rows-flink.csv"));
    for (model, output, _, compared) in MODELS {
        write!(
            script,
            "CREATE MODEL {model} INPUT (x DOUBLE, n INT, ok BOOLEAN, color STRING, price DECIMAL(10, 2)) OUTPUT ({output})
             WITH ('provider' = 'tidegate', 'registry' = '{registry}', 'registry.model' = '{model}$1');
             CREATE TABLE {model}_out (id BIGINT, {compared})
             WITH ('connector' = 'filesystem', 'path' = '{here}/{model}-flink', 'format' = 'csv');
             INSERT INTO {model}_out SELECT id, {columns}
             FROM ML_PREDICT(TABLE rows_in, MODEL {model}, DESCRIPTOR(x, n, ok, color, price));\n",
            columns = names(compared),
        )
        .expect("a string takes it");
    }
    flink(&place.write("flink.sql", script)).succeeded();
    for (model, ..) in MODELS {
        let (ours, theirs) =
            (lines(&place.path(&format!("{model}.csv"))), lines(&place.path(&format!("{model}-flink"))));
        assert_eq!(ours.len(), ROWS, "{model}");
        assert_eq!(theirs.len(), ROWS, "{model}");
        for (id, ours) in &ours {
            let equal = ours.len() == theirs[id].len() && ours.iter().zip(&theirs[id]).all(|(a, b)| same(a, b));
            assert!(equal, "{model}, row {id}: {ours:?} here, {:?} in Flink", theirs[id]);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_a_job_starts() {
    let place = trained();
    let registry = registry(&place);
    let rows = ROWS_TABLE.replace("${path}", "rows.csv");
    let inputs = "x DOUBLE, n INT, ok BOOLEAN, color STRING, price DECIMAL(10, 2)";
    let refused = |inputs: &str, outputs: &str, registry: &str, model: &str, says: &[&str]| {
        let script = format!(
            "{rows} CREATE MODEL buys INPUT ({inputs}) OUTPUT ({outputs})
             WITH ('provider' = 'tidegate', 'registry' = '{registry}', 'registry.model' = '{model}');
             CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');
             INSERT INTO nowhere SELECT id FROM ML_PREDICT(TABLE rows_in, MODEL buys, DESCRIPTOR({}));",
            names(&inputs.replace("(10, 2)", "")),
        );
        let outcome = flink(&place.write("wrong.sql", script));
        assert_ne!(outcome.code, Some(0));
        for text in says {
            assert!(outcome.stderr.contains(text), "{text} is missing:\n{}", outcome.stderr);
        }
    };
    let outputs = MODELS[0].1;
    refused("x DOUBLE", outputs, &registry, "buys", &["model 'buys' reads 5 columns, but its INPUT declares 1"]);
    refused(
        inputs,
        "predicted STRING",
        &registry,
        "buys",
        &["model 'buys' gives 3 columns, but its OUTPUT declares 1"],
    );
    let wrong = "predicted STRING, probability DOUBLE, model_version BIGINT";
    refused(inputs, wrong, &registry, "buys", &["the model gives 'predicted' as BOOLEAN, but STRING is declared"]);
    refused(inputs, outputs, "/nowhere", "buys", &["there is no registry at '/nowhere'"]);
    refused(inputs, outputs, &registry, "bys", &["bys"]);
}

#[test]
fn a_running_job_predicts_by_another_version_when_the_alias_moves() {
    let place = Workplace::new();
    let train = |buys: &str| {
        let script = format!(
            "CREATE TABLE visits (x DOUBLE)
             WITH ('connector' = 'datagen', 'number-of-rows' = '1000', 'fields.x.min' = '-1', 'fields.x.max' = '1');
             CREATE MODEL buys INPUT (x DOUBLE)
             OUTPUT (predicted BOOLEAN, probability DOUBLE, model_version BIGINT)
             WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
               'label' = 'buys') AS SELECT x, {buys} AS buys FROM visits;"
        );
        place.run(&script).succeeded();
    };
    train("x > 0");
    train("x < 0");
    place.run("ALTER MODEL buys SET ALIAS production = 1;").succeeded();
    let script = format!(
        "CREATE MODEL buys INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE, model_version BIGINT)
         WITH ('provider' = 'tidegate', 'registry' = '{}', 'registry.model' = 'buys$production',
               'registry.reload-interval' = '50 ms');
         CREATE TABLE ones (x DOUBLE) WITH ('connector' = 'datagen', 'rows-per-second' = '200', 'fields.x.min' = '1',
           'fields.x.max' = '2');
         CREATE TABLE shown (predicted BOOLEAN, model_version BIGINT) WITH ('connector' = 'print');
         INSERT INTO shown SELECT predicted, model_version FROM ML_PREDICT(TABLE ones, MODEL buys, DESCRIPTOR(x));",
        registry(&place)
    );
    let _room = Room::wait();
    let printed = place.path("printed");
    let mut java = flink_command(&place.write("flink.sql", script));
    let log = std::fs::File::options().create(true).append(true).open(&printed).expect("a file");
    let said = std::fs::File::create(place.path("said")).expect("a file");
    java.stdout(log).stderr(said);
    let mut running = Running::of(java);
    let mut shows = |row: &str| {
        wait_up_to(RUN_MAX, &format!("{row} is printed"), || {
            assert!(!running.has_ended(), "it ended by itself: {}", place.read("said"));
            std::fs::read_to_string(&printed).is_ok_and(|text| text.lines().any(|line| line.contains(row)))
        });
    };
    shows("[true, 1]");
    assert!(!place.read("printed").contains(", 2]"), "the other version predicts before the alias has moved");
    place.run("ALTER MODEL buys SET ALIAS production = 2;").succeeded();
    shows("[false, 2]");
    // Back again, as one does after a bad release.
    std::fs::File::options().write(true).open(&printed).and_then(|file| file.set_len(0)).expect("emptied");
    place.run("ALTER MODEL buys SET ALIAS production = 1;").succeeded();
    shows("[true, 1]");
}
