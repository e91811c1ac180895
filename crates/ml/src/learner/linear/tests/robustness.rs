//! Inputs at the edge: nothing panics, no weight is ever NaN.

use super::*;

const OPTIMIZERS: [&str; 7] = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "ftrl"];

/// Every learner, with every optimizer and loss, for each shape it takes.
fn all_learners() -> Vec<(String, Shape, Box<dyn Learner>)> {
    let mut learners = Vec::new();
    for shape in [Shape::Binary, Shape::Classes { classes: 3 }, Shape::Number] {
        let number = shape == Shape::Number;
        let mut add = |algorithm: &str, options: &[(&str, &str)]| {
            learners.push((format!("{algorithm} {options:?} {shape:?}"), shape, make(algorithm, options, shape)));
        };
        for variant in ["pa", "pa-i", "pa-ii"] {
            add("passive_aggressive", &[("variant", variant)]);
            add("passive_aggressive", &[("variant", variant), ("fit_intercept", "false")]);
        }
        add("no_change", &[]);
        add(if number { "mean" } else { "majority_class" }, &[]);
        for optimizer in OPTIMIZERS {
            for l2 in ["0", "0.001", "1000000"] {
                let common = [("optimizer", optimizer), ("l2", l2), ("l1", l2)];
                if number {
                    for loss in ["squared", "huber", "epsilon_insensitive", "quantile", "poisson"] {
                        add("linear_regression", &[&common[..], &[("loss", loss)]].concat());
                    }
                } else {
                    for loss in ["hinge", "squared_hinge", "modified_huber"] {
                        add("linear_svm", &[&common[..], &[("loss", loss)]].concat());
                    }
                    add("logistic_regression", &common);
                    add("logistic_regression", &[&common[..], &[("class_weight", "balanced")]].concat());
                    add("perceptron", &common);
                }
            }
        }
    }
    learners
}

fn check_finite(what: &str, learner: &dyn Learner, x: &Block) {
    assert!(flat(learner).iter().all(|weight| weight.is_finite()), "{what}: {:?}", flat(learner));
    let mut scores = Vec::new();
    learner.predict(x, &mut scores);
    assert!(scores.iter().all(|score| score.is_finite()), "{what}: {scores:?}");
}

/// Features of up to 1e150 in size and their like, in all signs and places, with targets to match.
#[test]
fn huge_features_never_give_nan() {
    let sizes = [1e150, -1e150, 1e-300, 0.0, 1e77, -1e149, 1.0];
    let row = |i: usize| {
        let at = |k: usize| sizes[(i * (k + 2) + k) % sizes.len()];
        (vec![at(0), at(1)], vec![((i % 4) as u32, at(2)), ((i % 3) as u32, at(3))])
    };
    let x = block(&(0..200).map(row).collect::<Vec<_>>());
    let weights: Vec<f64> = (0..200).map(|i| [1.0, 1e150, 1e-150][i % 3]).collect();
    for (what, shape, mut learner) in all_learners() {
        let y: Vec<f64> = match shape {
            Shape::Binary => (0..200).map(|i| f64::from(u8::from(i % 3 == 0))).collect(),
            Shape::Classes { .. } => (0..200).map(|i| f64::from(i % 3)).collect(),
            Shape::Number | Shape::Unlabelled => {
                (0..200).map(|i| sizes[i as usize * 5 % sizes.len()]).collect::<Vec<f64>>()
            }
        };
        for weights in [&[][..], &weights] {
            for _ in 0..3 {
                learner.learn(&x, &y, weights);
                check_finite(&what, learner.as_ref(), &x);
            }
        }
    }
}

#[test]
fn degenerate_data() {
    let constant = block(&vec![(vec![0.0, 1.0, -3.0], vec![(1, 0.0)]); 50]);
    let no_features = block(&vec![(vec![], vec![]); 50]);
    let no_rows = block(&[]);
    for (what, shape, mut learner) in all_learners() {
        learner.learn(&no_rows, &[], &[]);
        let mut scores = Vec::new();
        learner.learn_predict(&no_rows, &no_rows, &[], &[], &mut scores);
        assert!(scores.is_empty());
        // Before any row: one score each, or one a class.
        learner.predict(&constant, &mut scores);
        assert_eq!(scores.len(), if shape == (Shape::Classes { classes: 3 }) { 150 } else { 50 });
        check_finite(&what, learner.as_ref(), &constant);
        learner.learn(&constant, &[1.0; 50], &[]); // one class only
        check_finite(&what, learner.as_ref(), &constant);
        learner.learn(&no_features, &[1.0; 50], &[]);
        check_finite(&what, learner.as_ref(), &no_features);
    }
}

/// Rows of weight 0 are no rows: the saved state is the same without them.
#[test]
fn rows_of_no_weight_are_no_rows() {
    let x = block(&[(vec![1.0], vec![(0, 1.0)]), (vec![2.0], vec![(0, 2.0)]), (vec![-1.0], vec![(0, 1.0)])]);
    let without = block(&[(vec![1.0], vec![(0, 1.0)]), (vec![-1.0], vec![(0, 1.0)])]);
    for ((what, _, mut with), (_, _, mut clean)) in all_learners().into_iter().zip(all_learners()) {
        with.learn(&x, &[1.0, 0.0, 0.0], &[1.0, 0.0, 1.0]);
        clean.learn(&without, &[1.0, 0.0], &[1.0, 1.0]);
        assert_eq!(with.save(), clean.save(), "{what}");
    }
}

/// Any byte of a saved state may be wrong: an error or another state, never a panic.
#[test]
fn corrupt_states_do_not_panic() {
    let x = block(&[(vec![1.0, 2.0], vec![(0, 1.0), (2, 1.0)]), (vec![0.5, -1.0], vec![(1, 1.0)])]);
    for (what, _, mut learner) in all_learners().into_iter().step_by(7) {
        learner.learn(&x, &[0.0, 1.0], &[]);
        let state = learner.save();
        for at in 0..state.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut corrupt = state.clone();
                corrupt[at] ^= flip;
                if learner.load(&corrupt).is_ok() {
                    learner.predict(&x, &mut Vec::new());
                    learner.state_bytes();
                }
                let _ = learner.merge(&[&corrupt]);
            }
            assert!(learner.load(&state[..at]).is_err(), "{what}: {at} of {} bytes", state.len());
        }
        learner.load(&state).unwrap();
        assert_eq!(learner.save(), state);
    }
}

#[test]
fn states_of_other_learners_are_refused() {
    let adam = make("logistic_regression", &[("optimizer", "adam")], Shape::Binary).save();
    let mut sgd = make("logistic_regression", &[], Shape::Binary);
    let said = "a snapshot of 'linear/log/adam', where one of 'linear/log/sgd' was expected";
    assert_eq!(sgd.load(&adam).unwrap_err().to_string(), said);
    assert_eq!(sgd.merge(&[&adam]).unwrap_err().to_string(), format!("cannot merge: {said}"));
    let softmax = make("logistic_regression", &[], Shape::Classes { classes: 2 }).save();
    assert!(sgd.load(&softmax).unwrap_err().to_string().contains("linear/softmax/sgd"));
}

#[test]
fn options_of_no_use_are_refused() {
    let said = |options: &[(&str, &str)]| refused("logistic_regression", options, Shape::Binary);
    assert_eq!(
        said(&[("beta1", "0.5")]),
        "option 'beta1' has no effect: it is used with 'optimizer' = 'adam', and 'optimizer' is 'sgd'"
    );
    assert!(said(&[("learning_rate_schedule", "optimal")]).contains("'l2' must be above 0"));
    assert!(said(&[("learning_rate_schedule", "optimal"), ("l2", "1"), ("learning_rate", "1")]).contains("no effect"));
    assert!(said(&[("optimizer", "ftrl"), ("learning_rate_schedule", "inverse_scaling")]).contains("takes no"));
    assert!(said(&[("optimizer", "ftrl"), ("learning_rate", "0")]).contains("above 0"));
    assert!(said(&[("class_weight", "even")]).contains("expected 'balanced'"));
    assert!(refused("linear_regression", &[("quantile", "0.9")], Shape::Number).contains("'loss' = 'quantile'"));
    assert!(refused("linear_regression", &[], Shape::Binary).contains("does regression only"));
    assert!(refused("perceptron", &[], Shape::Number).contains("does classification only"));
    assert!(refused("passive_aggressive", &[("insensitive_epsilon", "1")], Shape::Binary).contains("regression"));
    assert!(
        refused("passive_aggressive", &[("aggressiveness", "1"), ("variant", "pa")], Shape::Binary).contains("pa-i")
    );
}
