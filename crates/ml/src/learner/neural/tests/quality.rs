//! What a network can learn and a linear model cannot.

use super::*;
use crate::learner::FeatureKind::{Category, Number};

/// The share of right classes, or the mean absolute error, over the last quarter of some rows, each predicted before it is
/// learned.
fn prequential(learner: &mut Mlp, rows: &[(Vec<f64>, f64)]) -> f64 {
    let x = block(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
    let y: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let mut scores = Vec::new();
    learner.learn_predict(&x, &x, &y, &[], &mut scores);
    let last = rows.len() * 3 / 4..rows.len();
    let width = scores.len() / rows.len();
    let of = |row: usize| match width {
        1 => (scores[row] - y[row]).abs(),
        _ => f64::from(u8::from(
            (0..width).all(|class| scores[row * width + class] <= scores[row * width + y[row] as usize]),
        )),
    };
    last.clone().map(of).sum::<f64>() / last.len() as f64
}

/// Four quarters of a plane, and four classes.
#[test]
fn quarters_of_a_plane() {
    let row = |i: usize| {
        let (a, b) = (noise(2 * i), noise(2 * i + 1));
        (vec![a, b], if (a > 0.0) == (b > 0.0) { 0.0 } else { 1.0 + f64::from(u8::from(a * a + b * b > 0.5)) })
    };
    let rows: Vec<_> = (0..20_000).map(row).collect();
    let quick = ("learning_rate", "0.01");
    for options in [
        &[quick][..],
        &[quick, ("activation", "gelu")],
        &[quick, ("layer_norm", "true")],
        &[("optimizer", "sgd"), ("learning_rate", "0.3")],
    ] {
        let mut learner = make(options, Shape::Classes { classes: 3 }, &[Number; 2]);
        let accuracy = prequential(&mut learner, &rows);
        assert!(accuracy > 0.93, "{options:?}: {accuracy}");
    }
}

/// What two categories say together: the embeddings have to be learned.
#[test]
fn categories_together() {
    let row = |i: usize| {
        let category = |k: usize| ((noise(i * 3 + k) + 1.0) * 6.0).floor();
        let (a, b) = (category(0), category(1));
        (vec![a, noise(i * 3 + 2), b], f64::from(u8::from(a % 2.0 == b % 2.0)))
    };
    let rows: Vec<_> = (0..20_000).map(row).collect();
    let options = [("embedding_size", "4"), ("learning_rate", "0.005")];
    let mut learner = make(&options, Shape::Classes { classes: 2 }, &[Category, Number, Category]);
    let accuracy = prequential(&mut learner, &rows);
    assert!(accuracy > 0.98, "{accuracy}");
}

/// A number that is no weighted sum.
#[test]
fn a_product() {
    let rows: Vec<_> =
        (0..20_000).map(|i| (vec![noise(2 * i), noise(2 * i + 1)], 4.0 * noise(2 * i) * noise(2 * i + 1))).collect();
    for loss in ["squared", "huber"] {
        let mut learner = make(&[("loss", loss), ("learning_rate", "0.003")], Shape::Number, &[Number; 2]);
        let error = prequential(&mut learner, &rows);
        assert!(error < 0.15, "{loss}: {error}");
    }
}
