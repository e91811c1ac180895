//! Every kind of learner: each row is predicted, then learned. Quality, speed and memory beside those of the peers.
//!
//! bench/README.md says what is compared and how.

pub(super) mod data_sets;
mod predictions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measurement::{Measurement, OURS};
use super::{Request, peers};
use crate::{Result, workspace};
use data_sets::{DATA_SETS, DataSet, Files};
use predictions::Predictions;

pub const ABOUT: &str =
    "every kind of learner on five data sets: quality, speed, memory; against River, CapyMOA and scikit-learn";

/// A peer is given so much processor time for a data set; what it has done by then is what counts.
const PEER_SECONDS: u64 = 20;

/// A peer, and the driver in `bench/` that runs it.
struct Peer {
    system: &'static str,
    script: &'static str,
    /// Whether it reads ARFF rather than CSV.
    reads_arff: bool,
}

const RIVER: &Peer = &Peer { system: "river", script: "learners/river_learners.py", reads_arff: false };
const CAPYMOA: &Peer = &Peer { system: "capymoa", script: "learners/capymoa_learners.py", reads_arff: true };
const SCIKIT_LEARN: &Peer = &Peer { system: "scikit-learn", script: "learners/scikit_learners.py", reads_arff: false };

/// What a learner predicts.
#[derive(PartialEq)]
enum Label {
    Class,
    /// One of two classes: the peer knows no more.
    OneOfTwo,
    Number,
}

/// A learner of ours, by the name it has in SQL, and who else has it.
struct Learner {
    algorithm: &'static str,
    label: Label,
    peers: &'static [&'static Peer],
}

const LEARNERS: &[Learner] = &[
    Learner { algorithm: "majority_class", label: Label::Class, peers: &[CAPYMOA] },
    Learner { algorithm: "no_change", label: Label::Class, peers: &[CAPYMOA] },
    Learner { algorithm: "gaussian_nb", label: Label::Class, peers: &[RIVER, CAPYMOA, SCIKIT_LEARN] },
    Learner { algorithm: "multinomial_nb", label: Label::Class, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "complement_nb", label: Label::Class, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "bernoulli_nb", label: Label::Class, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "knn", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "logistic_regression", label: Label::Class, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "linear_svm", label: Label::Class, peers: &[SCIKIT_LEARN] },
    Learner { algorithm: "perceptron", label: Label::OneOfTwo, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "passive_aggressive", label: Label::OneOfTwo, peers: &[RIVER, SCIKIT_LEARN] },
    Learner { algorithm: "factorization_machine", label: Label::OneOfTwo, peers: &[RIVER] },
    Learner { algorithm: "mlp", label: Label::Class, peers: &[SCIKIT_LEARN] },
    Learner { algorithm: "hoeffding_tree", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "hoeffding_adaptive_tree", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "efdt", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "online_bagging", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "online_boosting", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "leveraging_bagging", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "adaptive_random_forest", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "streaming_random_patches", label: Label::Class, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "streaming_gradient_boosting", label: Label::Class, peers: &[CAPYMOA] },
    Learner { algorithm: "gradient_boosting", label: Label::Class, peers: &[] },
    Learner { algorithm: "mean", label: Label::Number, peers: &[CAPYMOA] },
    Learner { algorithm: "linear_regression", label: Label::Number, peers: &[RIVER, CAPYMOA, SCIKIT_LEARN] },
    Learner { algorithm: "hoeffding_tree_regressor", label: Label::Number, peers: &[RIVER, CAPYMOA] },
    Learner { algorithm: "fimt_dd", label: Label::Number, peers: &[CAPYMOA] },
    Learner { algorithm: "adaptive_random_forest_regressor", label: Label::Number, peers: &[RIVER, CAPYMOA] },
];

impl Learner {
    fn can_learn(&self, set: &DataSet) -> bool {
        match set.classes.len() {
            0 => self.label == Label::Number,
            2 => self.label != Label::Number,
            _ => self.label == Label::Class,
        }
    }
}

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let works = |set: &'static DataSet| {
        let learners = LEARNERS.iter().filter(move |learner| learner.can_learn(set));
        learners.filter(|learner| request.wants_work(&work(set, learner)))
    };
    let python = if [RIVER, CAPYMOA, SCIKIT_LEARN].iter().any(|peer| request.wants(peer.system)) {
        Some(peers::python()?)
    } else {
        None
    };
    let tidegate = if request.wants(OURS) { Some(workspace::build_tidegate()?) } else { None };
    let mut measurements = Vec::new();
    for set in DATA_SETS.iter().filter(|set| works(set).next().is_some()) {
        let files = set.prepare(request.rows)?;
        for learner in works(set) {
            let mut of_ours = None;
            if let Some(tidegate) = &tidegate {
                let (measurement, predictions) = ours(tidegate, set, &files, learner)?;
                measurements.push(measurement);
                of_ours = Some(predictions);
            }
            if let Some(python) = &python {
                for peer in learner.peers.iter().filter(|peer| request.wants(peer.system)) {
                    let mut measurement = theirs(python, peer, set, &files, learner)?;
                    if let Some(predictions) = &of_ours {
                        let rows = usize::try_from(measurement.rows)?;
                        measurement.quality.insert("ours_same_rows".to_owned(), predictions.quality_of_first(rows)?);
                    }
                    measurements.push(measurement);
                }
            }
        }
    }
    Ok(measurements)
}

fn work(set: &DataSet, learner: &Learner) -> String {
    format!("{}, {}", set.name, learner.algorithm)
}

fn ours(tidegate: &Path, set: &DataSet, files: &Files, learner: &Learner) -> Result<(Measurement, Predictions)> {
    // Everything a run leaves behind goes here, so that each begins with nothing.
    let output = files.folder.join("tidegate");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    let mut run = Command::new(tidegate);
    run.current_dir(&output).arg("run").arg(&files.script).arg("--quiet");
    for parameter in [
        format!("input={}", files.csv.display()),
        format!("algorithm={}", learner.algorithm),
        format!("output={}", output.display()),
    ] {
        run.args(["--param", &parameter]);
    }
    let mut measurement = Measurement::of_program(&work(set, learner), OURS, files.rows, &run)?;
    let predictions = Predictions::read(&output.join("predictions.csv"), learner.label == Label::Number)?;
    if predictions.rows() != usize::try_from(files.rows)? {
        return Err(format!("{}: {} predictions of {} rows", measurement.work, predictions.rows(), files.rows).into());
    }
    measurement.quality.insert(metric(learner).to_owned(), predictions.quality_of_first(predictions.rows())?);
    Ok((measurement, predictions))
}

fn theirs(python: &PathBuf, peer: &Peer, set: &DataSet, files: &Files, learner: &Learner) -> Result<Measurement> {
    let mut driver = peers::driver(python, peer.script);
    driver.arg(if peer.reads_arff { &files.arff } else { &files.csv }).arg(learner.algorithm);
    if !set.classes.is_empty() {
        driver.args(["--classes", &set.classes.join(",")]);
    }
    driver.args(["--seconds", &PEER_SECONDS.to_string()]);
    Measurement::of_driver(&work(set, learner), peer.system, &mut driver)
}

fn metric(learner: &Learner) -> &'static str {
    if learner.label == Label::Number { "mae" } else { "accuracy" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_is_given_what_it_can_predict() {
        let learnt_by = |name: &str| {
            let set = DATA_SETS.iter().find(|set| set.name == name).unwrap();
            LEARNERS
                .iter()
                .filter(|learner| learner.can_learn(set))
                .map(|learner| learner.algorithm)
                .collect::<Vec<_>>()
        };
        assert!(learnt_by("elec").contains(&"factorization_machine") && learnt_by("covertype").contains(&"efdt"));
        assert!(!learnt_by("covertype").contains(&"factorization_machine"));
        assert_eq!(learnt_by("chick weights").first(), Some(&"mean"));
    }
}
