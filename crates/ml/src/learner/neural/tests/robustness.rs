//! Inputs at the edge: nothing panics, and what is learned stays finite.

use super::*;
use crate::learner::FeatureKind::{Category, Number};

const SHAPES: [Shape; 3] = [Shape::Binary, Shape::Classes { classes: 3 }, Shape::Number];

fn check_finite(what: &str, learner: &mut Mlp, x: &Block) {
    assert!(learner.parameters().iter().all(|p| p.values.iter().all(|value| value.is_finite())), "{what}");
    let mut scores = Vec::new();
    learner.predict(x, &mut scores);
    assert!(scores.iter().all(|score| score.is_finite()), "{what}: {scores:?}");
    // What it saves it takes again.
    let state = learner.save();
    learner.load(&state).unwrap();
}

fn options() -> Vec<Vec<(&'static str, &'static str)>> {
    let rates = [("learning_rate", "10"), ("clip_gradient", "1e9"), ("batch_size", "3")];
    let variants: [&[(&str, &str)]; 6] = [
        &[],
        &[("optimizer", "sgd"), ("l2", "1000")],
        &[("activation", "gelu"), ("weight_decay", "1000")],
        &[("layer_norm", "true"), ("dropout", "0.9")],
        &[("layer_norm", "true"), ("activation", "gelu"), ("optimizer", "sgd")],
        &[("beta1", "0"), ("beta2", "0"), ("epsilon", "1e-12")],
    ];
    variants.iter().map(|variant| [&rates[..], variant, &[("hidden_layers", "9,5,3")]].concat()).collect()
}

#[test]
fn any_numbers_give_finite_weights() {
    let sizes = [1e300, -1e150, f64::NAN, f64::INFINITY, 0.0, f64::NEG_INFINITY, -1e-300, 1.0];
    let row = |i: usize| vec![sizes[i * 3 % 8], sizes[i * 5 % 7], sizes[i % 8].abs(), 1.0];
    let x = block(&(0..200).map(row).collect::<Vec<_>>());
    let weights: Vec<f64> = (0..200).map(|i| [1.0, 1e150, 1e-150][i % 3]).collect();
    for options in options() {
        for shape in SHAPES {
            let what = format!("{options:?} {shape:?}");
            let mut learner = make(&options, shape, &[Number, Number, Category, Number]);
            let y: Vec<f64> = match shape {
                Shape::Binary => (0..200).map(|i| f64::from(u8::from(i % 3 == 0))).collect(),
                Shape::Classes { .. } => (0..200).map(|i| f64::from(i % 3)).collect(),
                Shape::Number | Shape::Unlabelled => {
                    (0..200).map(|i| [1e150, -1e30, 1.0, 0.0, -1e200][i % 5]).collect()
                }
            };
            for weights in [&[][..], &weights] {
                for _ in 0..3 {
                    let mut scores = Vec::new();
                    learner.learn_predict(&x, &x, &y, weights, &mut scores);
                    assert!(scores.iter().all(|score| score.is_finite()), "{what}: {scores:?}");
                    check_finite(&what, &mut learner, &x);
                }
            }
        }
    }
}

#[test]
fn degenerate_data() {
    let constant = block(&vec![vec![0.0, 5.0, -3.0]; 50]);
    let nothing = block(&vec![vec![]; 50]);
    for options in options() {
        for shape in SHAPES {
            let what = format!("{options:?} {shape:?}");
            let mut learner = make(&options, shape, &[Number; 3]);
            let mut scores = Vec::new();
            learner.learn_predict(&block(&[]), &block(&[]), &[], &[], &mut scores);
            learner.predict(&block(&[]), &mut scores);
            assert!(scores.is_empty());
            check_finite(&what, &mut learner, &constant);
            learner.learn(&constant, &[1.0; 50], &[]); // one class only
            check_finite(&what, &mut learner, &constant);
            let mut featureless = make(&options, shape, &[]);
            featureless.learn(&nothing, &[1.0; 50], &[]);
            check_finite(&what, &mut featureless, &nothing);
            featureless.predict(&nothing, &mut scores);
            assert_eq!(scores.len(), if matches!(shape, Shape::Classes { .. }) { 150 } else { 50 });
        }
    }
}

#[test]
fn many_columns_and_many_classes() {
    let x = block(&(0..5).map(|row| (0..10_000).map(|i| noise(row * 10_000 + i)).collect()).collect::<Vec<_>>());
    let mut learner = make(&[("hidden_layers", "16"), ("batch_size", "2")], Shape::Number, &[Number; 10_000]);
    learner.learn(&x, &[1.0, 2.0, 3.0, 4.0, 5.0], &[]);
    check_finite("many columns", &mut learner, &x);

    let mut learner = make(&[("hidden_layers", "4"), ("batch_size", "2")], Shape::Classes { classes: 0 }, &[Number]);
    let mut scores = Vec::new();
    for class in 0..300 {
        learner.set_classes(class + 1);
        scores.clear();
        let x = block(&[vec![noise(class)]]);
        learner.learn_predict(&x, &x, &[class as f64], &[], &mut scores);
        assert_eq!((scores.len(), scores[class]), (class + 1, 0.0), "a class that was not met");
        assert!(class == 0 || (scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    check_finite("many classes", &mut learner, &block(&[vec![1.0]]));
}

/// Embeddings are no more than allowed, and further categories count as missing.
#[test]
fn memory_of_embeddings_is_bounded() {
    let mut learner = make(&[("max_embeddings", "5"), ("hidden_layers", "4")], Shape::Number, &[Category]);
    let x = block(&(0..500).map(|i| vec![f64::from(i) * 1e6]).collect::<Vec<_>>());
    learner.learn(&x, &vec![1.0; 500], &[]);
    let x = block(&(0..500).map(|i| vec![f64::from(i)]).collect::<Vec<_>>());
    learner.learn(&x, &vec![1.0; 500], &[]);
    assert_eq!(learner.parameters()[0].values.len(), 6 * 8);
    let mut scores = Vec::new();
    learner.predict(&block(&[vec![5.0], vec![77.0], vec![f64::NAN]]), &mut scores);
    assert!(scores[0] == scores[1] && scores[1] == scores[2]);
}

/// Any byte of a saved state may be wrong: an error or another state, never a panic.
#[test]
fn corrupt_states_do_not_panic() {
    let kinds = [Number, Category];
    let x = block(&[vec![1.0, 0.0], vec![-0.5, 2.0], vec![f64::NAN, f64::NAN]]);
    for (shape, extra) in [
        (Shape::Classes { classes: 0 }, ("layer_norm", "true")),
        (Shape::Number, ("optimizer", "sgd")),
        (Shape::Binary, ("l2", "1")),
    ] {
        let options = [("hidden_layers", "3"), ("batch_size", "2"), ("embedding_size", "2"), extra];
        let mut learner = make(&options, shape, &kinds);
        learner.set_classes(2);
        learner.learn(&x, &[0.0, 1.0, 1.0], &[]);
        let state = learner.save();
        for at in 0..state.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut corrupt = state.clone();
                corrupt[at] ^= flip;
                let mut other = make(&options, shape, &kinds);
                if other.load(&corrupt).is_ok() {
                    other.predict(&x, &mut Vec::new());
                    other.learn(&x, &[0.0, 1.0, 1.0], &[]);
                    other.state_bytes();
                }
                let _ = other.merge(&[&corrupt]);
                let _ = other.merge_since(&[&corrupt]);
            }
            assert!(learner.load(&state[..at]).is_err(), "{at} of {} bytes", state.len());
        }
        learner.load(&state).unwrap();
        assert_eq!(learner.save(), state);
    }
}

#[test]
fn states_of_others_are_refused() {
    let state = make(&[("hidden_layers", "4")], Shape::Binary, &[Number]).save();
    for mut other in [
        make(&[("hidden_layers", "5")], Shape::Binary, &[Number]),
        make(&[("hidden_layers", "4"), ("optimizer", "sgd")], Shape::Binary, &[Number]),
        make(&[("hidden_layers", "4"), ("layer_norm", "true")], Shape::Binary, &[Number]),
        make(&[("hidden_layers", "4")], Shape::Binary, &[Number, Number]),
        make(&[("hidden_layers", "4")], Shape::Classes { classes: 3 }, &[Number]),
    ] {
        assert!(other.load(&state).is_err());
        assert!(other.merge(&[&state]).unwrap_err().to_string().starts_with("cannot merge"));
    }
}

#[test]
fn options_of_no_use_are_refused() {
    let said = |options: &[(&str, &str)], shape| {
        let options = resolve(MLP.options, options.iter().copied()).unwrap();
        Settings::new(&options, shape).map(drop).unwrap_err().to_string()
    };
    assert!(said(&[("loss", "huber")], Shape::Binary).contains("option 'loss' has no effect"));
    assert!(said(&[("huber_epsilon", "2")], Shape::Number).contains("'loss' = 'huber'"));
    assert!(said(&[("beta1", "0.5"), ("optimizer", "sgd")], Shape::Binary).contains("'optimizer' = 'adam'"));
    assert!(said(&[("hidden_layers", ""), ("dropout", "0.5")], Shape::Binary).contains("no hidden layers"));
    for wrong in ["64,", "0", "64;32", "5000", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"] {
        assert!(said(&[("hidden_layers", wrong)], Shape::Binary).contains("such as '64,32'"), "{wrong}");
    }
}
