//! How important inputs are: by splits, and by permutation.

use arrow::array::{AsArray, BooleanArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use tidegate_ml::Model;
use tidegate_ml::model::{BLOCK_ROWS, PermutationImportance, PermutationSettings};

use crate::declared::{Boolean, Float64, batch, column, spec};

const ROWS: &str = include_str!("../reference/permutation_rows.csv");
const VALUES: &str = include_str!("../reference/permutation_values.csv");

fn table(text: &str) -> Vec<Vec<f64>> {
    text.lines().skip(1).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect()
}

/// Four numbers, and one of the labels.
fn rows(label: usize) -> RecordBatch {
    let rows = table(ROWS);
    let of = |place: usize| column(Float64Array::from_iter_values(rows.iter().map(|row| row[place])));
    batch(&[("x0", of(0)), ("x1", of(1)), ("x2", of(2)), ("x3", of(3)), ("y", of(label))])
}

fn settings(repeats: usize) -> PermutationSettings {
    PermutationSettings { metric: None, repeats, seed: 1 }
}

fn measured(model: &Model, rows: &RecordBatch, settings: PermutationSettings, size: usize) -> RecordBatch {
    let mut importance = PermutationImportance::new(model, settings).unwrap();
    for start in (0..rows.num_rows()).step_by(size) {
        importance.update(model, &rows.slice(start, size.min(rows.num_rows() - start))).unwrap();
    }
    importance.finish(model).unwrap()
}

fn numbers(batch: &RecordBatch, place: usize) -> Vec<f64> {
    batch.column(place).as_primitive::<Float64Type>().values().to_vec()
}

fn regression(algorithm: &str, options: &[(&str, &str)]) -> Model {
    let inputs = [("x0", Float64), ("x1", Float64), ("x2", Float64), ("x3", Float64)];
    let options = [&[("task", "regression"), ("algorithm", algorithm)], options].concat();
    Model::new(spec(&inputs, &[("predicted", Float64)], &[], &options).unwrap()).unwrap()
}

/// The same linear model, over the same rows: what differs are the orders drawn, and so the means by their standard errors.
#[test]
fn permutation_importance_is_scikit_learns() {
    let mut model = regression("linear_regression", &[("learning_rate", "0.02")]);
    for _ in 0..200 {
        model.learn(&rows(4)).unwrap();
    }
    let found = measured(&model, &rows(5), settings(300), 400);
    let (importances, deviations, baselines) = (numbers(&found, 1), numbers(&found, 2), numbers(&found, 3));
    for (place, expected) in table(VALUES).iter().enumerate() {
        let [_, importance, deviation, baseline] = expected[..] else { panic!("four columns") };
        let error = 4.0 * deviation * (2.0_f64 / 300.0).sqrt() + 1e-9;
        assert!((importances[place] - importance).abs() < error, "x{place}: {} {importance}", importances[place]);
        assert!(
            (deviations[place] / deviation - 1.0).abs() < 0.25 || deviation < 1e-9,
            "x{place}: {}",
            deviations[place]
        );
        assert!((baselines[place] - baseline).abs() < 1e-9, "{} {baseline}", baselines[place]);
    }
}

#[test]
fn what_a_model_does_not_look_at_has_none_exactly() {
    let mut model = regression("mean", &[]);
    model.learn(&rows(5)).unwrap();
    let found = measured(&model, &rows(5), settings(3), 400);
    assert_eq!((numbers(&found, 1), numbers(&found, 2)), (vec![0.0; 4], vec![0.0; 4]));
    assert!(numbers(&found, 3)[0] > 1.0);
}

/// More rows than a block has.
#[test]
fn batches_do_not_matter() {
    let count = BLOCK_ROWS + 700;
    let x = Float64Array::from_iter_values((0..count).map(|i| (i * 37 % 101) as f64 / 50.0 - 1.0));
    let y: BooleanArray = x.values().iter().map(|x| Some(*x > 0.1)).collect();
    let rows = batch(&[("x", column(x)), ("y", column(y))]);
    let options = [("task", "classification"), ("algorithm", "logistic_regression"), ("learning_rate", "0.1")];
    let spec = spec(&[("x", Float64)], &[("predicted", Boolean), ("p", Float64)], &[], &options).unwrap();
    let mut model = Model::new(spec).unwrap();
    model.learn(&rows).unwrap();
    let whole = measured(&model, &rows, settings(2), count);
    assert!(numbers(&whole, 1)[0] > 0.1, "{whole:?}");
    assert_eq!(whole, measured(&model, &rows, settings(2), 333));
    assert_ne!(whole, measured(&model, &rows, PermutationSettings { seed: 2, ..settings(2) }, count));
    let wrong = PermutationSettings { metric: Some("mse".to_string()), ..settings(2) };
    let error = PermutationImportance::new(&model, wrong).unwrap_err().to_string();
    assert!(error.contains("there is no metric 'mse' for classification; expected log_loss or error_rate"), "{error}");
}

/// One tree of one split: its gain is what it takes off the squared errors from the mean, as XGBoost counts it, and its cover is all rows.
#[test]
fn the_gain_of_a_stump_is_what_it_takes_off_the_loss() {
    let side = |row: usize| if row < 50 { -1.0 } else { 1.0 };
    let x = Float64Array::from_iter_values((0..100).map(side));
    let other = Float64Array::from_iter_values((0..100).map(|_| 1.0));
    let y = Float64Array::from_iter_values((0..100).map(|row| 3.0 * side(row)));
    let rows = batch(&[("x", column(x)), ("other", column(other)), ("y", column(y))]);
    let options = [
        ("task", "regression"),
        ("algorithm", "gradient_boosting"),
        ("rounds", "1"),
        ("max_leaves", "2"),
        ("l2", "0"),
        ("min_rows", "100"),
    ];
    let spec = spec(&[("x", Float64), ("other", Float64)], &[("predicted", Float64)], &[], &options).unwrap();
    let mut model = Model::new(spec).unwrap();
    model.learn(&rows).unwrap();
    let importance = model.importance().unwrap();
    assert_eq!((importance[0].weight, importance[0].cover), (1.0, Some(100.0)), "{importance:?}");
    // Σ (y − mean)² = 100 · 9, and nothing is left.
    assert!((importance[0].gain.unwrap() - 900.0).abs() < 1e-6, "{importance:?}");
    assert_eq!((importance[1].weight, importance[1].gain, importance[1].cover), (0.0, None, None));
    let error = regression("linear_regression", &[]).importance().unwrap_err().to_string();
    assert!(
        error.contains("algorithm 'linear_regression' has no splits") && error.contains("gradient_boosting"),
        "{error}"
    );
}
