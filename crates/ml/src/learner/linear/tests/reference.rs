//! Weights after a pass over a small data set, held against those of independent programs: the papers' formulas in numpy,
//! and scikit-learn. `tests/reference/optimizers.py` makes both files.

use super::*;

const ROWS: &str = include_str!("../../../../tests/reference/optimizers_rows.csv");
const WEIGHTS: &str = include_str!("../../../../tests/reference/optimizers_weights.csv");

/// Column `name` of the rows.
fn column(name: &str) -> Vec<f64> {
    let index = ROWS.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    ROWS.lines().skip(1).map(|line| line.split(',').nth(index).unwrap().parse().unwrap()).collect()
}

fn features() -> Block {
    let columns = ["x0", "x1", "x2", "first", "second"].map(column);
    let row = |i: usize| {
        let [x0, x1, x2, first, second] = [0, 1, 2, 3, 4].map(|c| columns[c][i]);
        (vec![x0, x1, x2], vec![(first as u32, 1.0), (second as u32, 1.0)])
    };
    block(&(0..columns[0].len()).map(row).collect::<Vec<_>>())
}

#[test]
fn weights_agree_with_independent_programs() {
    let x = features();
    let (mut cases, mut worst) = (0, 0f64);
    for line in WEIGHTS.lines().skip(1) {
        let mut fields = line.split(',');
        let [algorithm, target, options] = [(); 3].map(|()| fields.next().unwrap());
        let expected: Vec<f64> = fields.map(|weight| weight.parse().unwrap()).collect();
        let options = options.replace(';', ",");
        let options: Vec<_> = options.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
        let shape = match target {
            "binary" => Shape::Binary,
            "three" => Shape::Classes { classes: 3 },
            _ => Shape::Number,
        };
        let mut learner = make(algorithm, &options, shape);
        learner.learn(&x, &column(target), &[]);
        let weights = flat(learner.as_ref());
        assert_eq!(weights.len(), expected.len(), "{line}");
        for (weight, expected) in weights.iter().zip(&expected) {
            let error = (weight - expected).abs() / expected.abs().max(1.0);
            assert!(error < 1e-9, "{algorithm} {options:?} on {target}: {weight}, not {expected}");
            worst = worst.max(error);
        }
        cases += 1;
    }
    assert!(cases > 70, "only {cases} cases");
    assert!(worst < 1e-11, "agreement is worse than it was: {worst}");
}

/// Weights that L1 holds at 0 are exactly 0, also those of sparse features that still owe.
#[test]
fn l1_gives_exact_zeros() {
    for optimizer in ["sgd", "ftrl"] {
        let options = [("optimizer", optimizer), ("l1", if optimizer == "ftrl" { "8" } else { "0.5" })];
        let mut learner = make("logistic_regression", &options, Shape::Binary);
        learner.learn(&features(), &column("binary"), &[]);
        let zeros = flat(learner.as_ref()).iter().filter(|weight| **weight == 0.0).count();
        assert!(zeros >= 2, "{optimizer}: {:?}", flat(learner.as_ref()));
    }
}
