//! Models whose options are ranges and choices.

use arrow::array::{AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::prequential::Prequential;
use tidegate_ml::spread::InTurn;
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::tuning::{Status, Trial};
use tidegate_ml::{Model, Result};

use crate::declared::{Boolean, Float64, Utf8, batch, column, spec};

/// Rows whose class depends on two of three numbers.
fn rows(count: usize, seed: u64) -> RecordBatch {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut numbers = || -> Vec<f64> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let (a, b, c, noise) = (numbers(), numbers(), numbers(), numbers());
    let y: Vec<bool> = (0..count).map(|i| 2.0 * a[i] - b[i] + noise[i] > 0.0).collect();
    batch(&[
        ("a", column(Float64Array::from(a))),
        ("b", column(Float64Array::from(b))),
        ("c", column(Float64Array::from(c))),
        ("y", column(BooleanArray::from(y))),
    ])
}

fn model(options: &[(&str, &str)]) -> Result<Model> {
    let options: Vec<_> = [("task", "classification")].iter().chain(options).copied().collect();
    let inputs = [("a", Float64), ("b", Float64), ("c", Float64)];
    Model::new(spec(&inputs, &[("predicted", Boolean), ("p", Float64)], &[], &options)?)
}

fn logistic(options: &[(&str, &str)]) -> Model {
    let options: Vec<_> =
        [("algorithm", "logistic_regression"), ("classes", "false, true")].iter().chain(options).copied().collect();
    model(&options).unwrap()
}

fn probabilities(batch: &RecordBatch) -> Vec<f64> {
    batch.column(1).as_primitive::<Float64Type>().values().to_vec()
}

fn log_loss(rows: &RecordBatch, probabilities: &[f64]) -> f64 {
    let y = rows.column(3).as_boolean();
    let of = |(i, p): (usize, &f64)| -if y.value(i) { p.ln() } else { (1.0 - p).ln() };
    probabilities.iter().enumerate().map(of).sum::<f64>() / y.len() as f64
}

fn pass(training: &mut dyn Training, rows: &RecordBatch) {
    let arrivals = Arrivals { batch: rows, event_time: &[], label_time: None, delay: 0, shards: None };
    training.process(&arrivals, &InTurn).unwrap();
}

#[test]
fn each_trial_is_measured_as_it_would_be_alone() {
    let rows = rows(3_000, 1);
    let mut tuned = logistic(&[("learning_rate", "choice(0.001, 0.1, 5)"), ("tune.strategy", "random")]);
    tuned.learn_predict(&rows).unwrap();
    let trials = tuned.trials();
    assert_eq!(trials.len(), 3);
    for trial in &trials {
        assert_eq!(trial.parameters.len(), 1);
        let mut alone = logistic(&[("learning_rate", &trial.parameters[0].1)]);
        let expected = log_loss(&rows, &probabilities(&alone.learn_predict(&rows).unwrap()));
        assert!((trial.loss - expected).abs() < 1e-12, "{trial:?}, alone {expected}");
        assert_eq!((trial.rows, trial.status, trial.objective), (3_000, Status::Running, "log_loss"));
        if trial.is_optimal {
            assert_eq!(probabilities(&tuned.predict(&rows).unwrap()), probabilities(&alone.predict(&rows).unwrap()));
        }
    }
    let least = trials.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).unwrap();
    assert!(least.is_optimal, "{trials:?}");
}

#[test]
fn a_race_drops_what_is_worse_and_the_winner_has_missed_no_row() {
    let rows = rows(20_000, 2);
    let options = [("learning_rate", "range(1e-4, 10, log)"), ("tune.trials", "12"), ("tune.seed", "7")];
    let mut tuned = logistic(&options);
    tuned.learn_predict(&rows).unwrap();
    let trials = tuned.trials();
    assert_eq!(trials.len(), 12);
    let stopped: Vec<&Trial> = trials.iter().filter(|trial| trial.status == Status::Stopped).collect();
    assert!(stopped.len() >= 8, "{trials:?}");
    assert!(stopped.iter().all(|trial| trial.rows % 100 == 0 && trial.rows < 20_000));
    let winner = trials.iter().find(|trial| trial.is_optimal).unwrap();
    let mut alone = logistic(&[("learning_rate", &winner.parameters[0].1)]);
    alone.learn(&rows).unwrap();
    assert_eq!(probabilities(&tuned.predict(&rows).unwrap()), probabilities(&alone.predict(&rows).unwrap()));
    // No other trial, run to the end, is better by more than a hundredth.
    let mut every = logistic(&[&options[..], &[("tune.strategy", "random")]].concat());
    every.learn_predict(&rows).unwrap();
    let best = every.trials().iter().map(|trial| trial.loss).fold(f64::INFINITY, f64::min);
    assert!(every.trials()[winner.id as usize - 1].loss <= best * 1.01);
    // The same seed gives the same trials.
    let parameters = |trials: &[Trial]| trials.iter().map(|trial| trial.parameters.clone()).collect::<Vec<_>>();
    assert_eq!(parameters(&trials), parameters(&every.trials()));
}

#[test]
fn batches_and_snapshots_change_nothing() {
    let (plain, mut random) = (rows(9_000, 3), Pcg64Mcg::seed_from_u64(4));
    let weights = Float64Array::from_iter_values((0..9_000).map(|_| random.random_range(0.0..2.0)));
    let columns: Vec<_> = plain.columns().iter().cloned().chain([column(weights)]).collect();
    let rows = batch(&["a", "b", "c", "y", "weight"].into_iter().zip(columns).collect::<Vec<_>>());
    for horizon in ["0", "250"] {
        let options = [("learning_rate", "range(1e-3, 1, log)"), ("l2", "choice(0, 1e-3)"), ("tune.horizon", horizon)];
        let mut whole = logistic(&options);
        let expected = probabilities(&whole.learn_predict(&rows).unwrap());
        for size in [7, 1024] {
            let mut parts = logistic(&options);
            let (mut found, mut at) = (Vec::new(), 0);
            while at < rows.num_rows() {
                let len = size.min(rows.num_rows() - at);
                found.extend(probabilities(&parts.learn_predict(&rows.slice(at, len)).unwrap()));
                at += len;
                if at % 3_003 < size {
                    parts = Model::load(&parts.save()).unwrap();
                }
            }
            assert_eq!(found, expected, "batches of {size}");
            assert_eq!(parts.trials(), whole.trials());
            assert_eq!(parts.save(), whole.save());
        }
    }
}

#[test]
fn an_origin_that_moves_measures_what_was_learned_before_it() {
    let rows = rows(2_000, 4);
    let mut tuned = logistic(&[("learning_rate", "choice(0.1, 1)"), ("tune.horizon", "500")]);
    tuned.learn(&rows).unwrap();
    let mut alone = logistic(&[("learning_rate", "0.1")]);
    let mut found = Vec::new();
    for at in (0..2_000).step_by(500) {
        let part = rows.slice(at, 500);
        found.extend(probabilities(&alone.predict(&part).unwrap()));
        alone.learn(&part).unwrap();
    }
    let trials = tuned.trials();
    let trial = trials.iter().find(|trial| trial.parameters[0].1 == "0.1").unwrap();
    assert!((trial.loss - log_loss(&rows, &found)).abs() < 1e-12, "{trial:?}");
}

#[test]
fn a_parzen_estimator_goes_over_history_again() {
    let rows = rows(4_000, 5);
    let options = [
        ("learning_rate", "range(1e-4, 10, log)"),
        ("l2", "range(1e-8, 1, log)"),
        ("tune.strategy", "tpe"),
        ("tune.trials", "22"),
    ];
    let mut training = Prequential::new(logistic(&options));
    let mut passes = 0;
    loop {
        passes += 1;
        pass(&mut training, &rows);
        if !training.end_pass().unwrap() {
            break;
        }
    }
    // Ten at random, then four at a time.
    assert_eq!(passes, 4);
    let model = training.model();
    let trials = model.trials();
    assert_eq!((trials.len(), model.rows_learned()), (22, 4_000));
    assert!(trials.iter().all(|trial| trial.status == Status::Succeeded && trial.rows == 4_000));
    let winner = trials.iter().find(|trial| trial.is_optimal).unwrap();
    assert!(trials.iter().all(|trial| trial.loss >= winner.loss));
    let alone: Vec<(&str, &str)> =
        winner.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut alone = logistic(&alone);
    alone.learn(&rows).unwrap();
    assert_eq!(probabilities(&model.predict(&rows).unwrap()), probabilities(&alone.predict(&rows).unwrap()));
    let again = Model::load(&model.save()).unwrap();
    assert_eq!(again.trials(), trials);
}

/// Classes that are declared are there in each pass, those that are met are met again.
#[test]
fn passes_begin_with_the_classes_of_the_first() {
    let x: Vec<f64> = (0..3_000).map(|row| f64::from(row * 37 % 101) / 50.0 - 1.0).collect();
    let label = StringArray::from_iter_values(x.iter().map(|x| ["low", "middle", "high"][((x + 1.0) * 1.4) as usize]));
    let rows = batch(&[("x", column(Float64Array::from(x))), ("label", column(label))]);
    for classes in [&[][..], &[("classes", "low, middle, high")]] {
        let mut options =
            vec![("task", "classification"), ("algorithm", "logistic_regression"), ("tune.strategy", "tpe")];
        options.extend([("learning_rate", "range(1e-3, 1, log)"), ("tune.trials", "13")]);
        options.extend(classes);
        let spec = spec(&[("x", Float64)], &[("predicted", Utf8)], &[], &options).unwrap();
        let mut training = Prequential::new(Model::new(spec).unwrap());
        pass(&mut training, &rows);
        assert!(training.end_pass().unwrap());
        pass(&mut training, &rows);
        assert!(!training.end_pass().unwrap());
        let trials = training.model().trials();
        // Those of both passes are measured alike: none is worse than saying nothing.
        assert_eq!(trials.len(), 13);
        assert!(
            trials.iter().all(|trial| trial.rows >= 2_990 && trial.loss < 3f64.ln() + 0.02),
            "{classes:?}, {trials:?}"
        );
        assert_eq!(training.model().classes().len(), 3);
    }
}

#[test]
fn algorithms_race_each_other() {
    let rows = rows(6_000, 6);
    let mut tuned = model(&[
        ("algorithm", "choice(logistic_regression, hoeffding_tree, majority_class)"),
        ("learning_rate", "choice(0.01, 0.1)"),
        ("grace_period", "100"),
    ])
    .unwrap();
    tuned.learn_predict(&rows).unwrap();
    let trials = tuned.trials();
    assert_eq!(trials.len(), 6);
    let winner = trials.iter().find(|trial| trial.is_optimal).unwrap();
    assert_eq!(winner.parameters[0], ("algorithm".to_string(), "logistic_regression".to_string()));
    assert!(trials.iter().all(|t| t.parameters.len() == 1 + usize::from(t.parameters[0].1 == "logistic_regression")));
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let refused = |options: &[(&str, &str)]| model(options).unwrap_err().to_string();
    let with = |option: (&str, &str)| refused(&[("algorithm", "logistic_regression"), option]);
    assert!(with(("classes", "choice(a, b)")).contains("cannot be tuned"));
    assert!(with(("learning_rat", "range(0, 1)")).contains("did you mean 'learning_rate'"));
    assert!(with(("learning_rate", "range(-1, 1)")).contains("'-1'"));
    assert!(with(("tune.trials", "4")).contains("no option is tuned"));
    assert!(with(("algorithm", "choice(logistic_regresion, knn)")).contains("did you mean 'logistic_regression'"));
    let mse = refused(&[("algorithm", "logistic_regression"), ("l2", "choice(0, 1)"), ("tune.objective", "mse")]);
    assert!(mse.contains("log_loss or error_rate"), "{mse}");
    let corrupt = {
        let mut tuned = logistic(&[("learning_rate", "choice(0.001, 0.1, 5)")]);
        tuned.learn(&rows(200, 7)).unwrap();
        tuned.save()
    };
    for at in (0..corrupt.len()).step_by(3) {
        let mut bytes = corrupt.clone();
        bytes[at] ^= 0x41;
        // Its checksum is wrong; what matters is that nothing panics.
        assert!(Model::load(&bytes).is_err());
    }
}
