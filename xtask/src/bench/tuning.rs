//! One configuration, a race of many, and each of these many to its end: what tuning costs and what it finds, on Covertype.
//! Beside them Optuna over River, which learns each of its trials by itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::learners::data_sets::{DATA_SETS, Files};
use super::measurement::{Measurement, OURS};
use super::{Request, peers};
use crate::{Result, workspace};

pub const ABOUT: &str =
    "tuning: races of 32 logistic regressions and 16 Hoeffding trees on Covertype; Optuna over River";

/// Optuna and River get so many rows, as each of their trials costs as much as a race of ours.
const PEER_ROWS: u64 = 20_000;

/// A search: its learner, how many trials it has, and the options that are searched, with a value that stands for one configuration.
struct Search {
    algorithm: &'static str,
    trials: usize,
    options: &'static [(&'static str, &'static str, &'static str)],
}

const SEARCHES: &[Search] = &[
    Search {
        algorithm: "logistic_regression",
        trials: 32,
        options: &[("learning_rate", "range(1e-4, 1, log)", "0.05"), ("l2", "range(1e-8, 1e-2, log)", "1e-6")],
    },
    Search {
        algorithm: "hoeffding_tree",
        trials: 16,
        options: &[
            ("grace_period", "range(50, 1000, log)", "200"),
            ("split_confidence", "range(1e-9, 0.1, log)", "0.001"),
            ("tie_threshold", "range(0.01, 0.2, log)", "0.05"),
        ],
    },
];

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let covertype = DATA_SETS.iter().find(|set| set.name == "covertype").ok_or("there is no covertype")?;
    let files = covertype.prepare(request.rows)?;
    let few = covertype.prepare(Some(request.rows.unwrap_or(PEER_ROWS).min(PEER_ROWS)))?;
    let mut measurements = Vec::new();
    for search in SEARCHES {
        if request.wants(OURS) {
            let tidegate = workspace::build_tidegate()?;
            for (files, strategies) in [(&files, &["one", "racing", "random"][..]), (&few, &["racing"])] {
                for strategy in strategies {
                    measurements.push(ours(&tidegate, files, search, strategy)?);
                }
            }
        }
        if request.wants("optuna over river") {
            let mut driver = peers::driver(&peers::python()?, "tuning/optuna_river.py");
            driver.arg(&few.csv).arg(search.algorithm).args(["--trials", &search.trials.to_string()]);
            let work = work(search, few.rows, "racing");
            measurements.push(Measurement::of_driver(&work, "optuna over river", &mut driver)?);
        }
    }
    Ok(measurements)
}

fn work(search: &Search, rows: u64, strategy: &str) -> String {
    let what = match strategy {
        "one" => "one configuration".to_owned(),
        "random" => format!("{} trials to the end", search.trials),
        _ => format!("{} trials", search.trials),
    };
    format!("{}, {rows} rows, {what}", search.algorithm)
}

fn ours(tidegate: &Path, files: &Files, search: &Search, strategy: &str) -> Result<Measurement> {
    let output = files.folder.join("tuning");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    fs::write(output.join("tune.sql"), script(files, search, strategy)?)?;
    let mut run = Command::new(tidegate);
    run.current_dir(&output).args(["run", "tune.sql", "--quiet"]);
    let mut measurement = Measurement::of_program(&work(search, files.rows, strategy), OURS, files.rows, &run)?;
    let loss = fs::read_to_string(output.join("loss.csv"))?;
    let loss = loss.lines().nth(1).ok_or("no loss was written")?.trim().parse()?;
    measurement.quality.insert("log_loss".to_owned(), loss);
    Ok(measurement)
}

/// Trains a model over the file, each row predicted before it is learned, and writes the log loss of the trial that has won, over all
/// rows; of trials that all ran to the end the least; of one configuration that of its predictions.
fn script(files: &Files, search: &Search, strategy: &str) -> Result<String> {
    let header = fs::read_to_string(&files.csv)?.lines().next().unwrap_or_default().matches(',').count();
    let columns = (1..=header).map(|column| format!("f{column} DOUBLE")).collect::<Vec<_>>().join(", ");
    let options = search.options.iter().map(|(option, range, one)| {
        let value = if strategy == "one" { one } else { range };
        format!(", '{option}' = '{value}'")
    });
    let options: String = options.collect();
    let tuned = match strategy {
        "one" => String::new(),
        strategy => format!(", 'tune.strategy' = '{strategy}', 'tune.trials' = '{}', 'tune.seed' = '1'", search.trials),
    };
    // The loss of a race is that of its winner, which has missed no row.
    let loss = if strategy == "racing" {
        "eval_loss FROM ML_TRIAL_INFO(MODEL tuned) WHERE is_optimal"
    } else {
        "MIN(eval_loss) FROM ML_TRIAL_INFO(MODEL tuned)"
    };
    let scored = match strategy {
        "one" => "INSERT INTO loss SELECT ML_LOG_LOSS(target, probabilities) FROM scored;".to_owned(),
        _ => format!(
            "CREATE TABLE nothing (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nothing SELECT COUNT(*) FROM scored;
INSERT INTO loss SELECT {loss};"
        ),
    };
    Ok(format!(
        "\
CREATE TABLE observations ({columns}, target STRING) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
CREATE MODEL tuned INPUT ({columns}) OUTPUT (predicted STRING, probabilities MAP<STRING, DOUBLE>)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'classes' = '1,2,3,4,5,6,7', 'algorithm' = '{}'{options}{tuned});
CREATE VIEW scored AS SELECT target, probabilities FROM ML_TRAIN(INPUT => TABLE observations, MODEL => MODEL tuned, LABEL => DESCRIPTOR(target));
CREATE TABLE loss (log_loss DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'loss.csv', 'format' = 'csv');
{scored}
",
        files.csv.display(),
        search.algorithm
    ))
}
