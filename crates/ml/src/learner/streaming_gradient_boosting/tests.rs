//! Closed forms; what batches and threads change, which is nothing.

use super::*;
use crate::spread::Threads;

fn make(options: &[(&str, &str)], shape: Shape, kinds: &[FeatureKind]) -> Box<dyn Learner> {
    let defs = STREAMING_GRADIENT_BOOSTING.options;
    let options = tidegate_options::resolve(defs, options.iter().copied()).unwrap();
    let mut learner = (STREAMING_GRADIENT_BOOSTING.make)(&options, shape).unwrap();
    learner.set_features(kinds);
    learner
}

/// Rows of one number.
fn block(numbers: &[f64]) -> Block {
    let mut block = Block::default();
    block.reset(numbers.len(), 1);
    block.dense = numbers.to_vec();
    block
}

fn predicted(learner: &dyn Learner, numbers: &[f64]) -> Vec<f64> {
    let mut scores = Vec::new();
    learner.predict(&block(numbers), &mut scores);
    scores
}

/// Numbers in 0 to 1 that look drawn at random.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 11) as f64 / (1u64 << 53) as f64
}

const MEAN: (&str, &str) = ("leaf_model", "mean");

#[test]
fn steps_are_newtons() {
    // From a score of 0 a step is (y − ½) / ¼: 2 or −2, and a tree of one leaf says the mean, here of 2, 2, 2, −2.
    let mut learner = make(&[("rounds", "1"), MEAN, ("learning_rate", "0.5")], Shape::Binary, &[FeatureKind::Number]);
    learner.learn(&block(&[1.0; 4]), &[1.0, 1.0, 0.0, 1.0], &[]);
    assert!((predicted(&*learner, &[1.0])[0] - logistic(0.5)).abs() < 1e-12);
    // A second tree, of the first two rows: the first said nothing of the first, and 0.5·2 of the second.
    let mut learner = make(&[("rounds", "2"), MEAN, ("learning_rate", "0.5")], Shape::Binary, &[FeatureKind::Number]);
    learner.learn(&block(&[1.0; 2]), &[1.0, 1.0], &[]);
    let (p, q) = (0.5, logistic(1.0));
    let second = ((1.0 - p) + (1.0 - q)) / (p * (1.0 - p) + q * (1.0 - q));
    let expected = logistic(0.5 * 2.0 + 0.5 * second);
    assert!((predicted(&*learner, &[1.0])[0] - expected).abs() < 1e-12);
}

#[test]
fn numbers_begin_with_their_mean() {
    let options = [("rounds", "20"), ("learning_rate", "0.2"), ("subspace", "1")];
    let mut learner = make(&options, Shape::Number, &[FeatureKind::Number]);
    let x: Vec<f64> = (0..5000).map(noise).collect();
    let y: Vec<f64> = x.iter().map(|x| if *x < 0.3 { 1000.0 } else { 1010.0 }).collect();
    learner.learn(&block(&x[..1]), &y[..1], &[]);
    assert_eq!(predicted(&*learner, &[0.5]), [y[0]]);
    learner.learn(&block(&x), &y, &[]);
    for (found, expected) in predicted(&*learner, &[0.1, 0.6]).iter().zip([1000.0, 1010.0]) {
        assert!((found - expected).abs() < 1.0, "{found}, not {expected}");
    }
}

/// Classes are met one after the other, three of them within one batch, and there are rows of one that has no trees.
#[test]
fn batches_and_threads_change_nothing() {
    let x: Vec<f64> = (0..1500).map(noise).collect();
    let class =
        |(row, x): (usize, &f64)| if row < 300 { 2.0 } else { (x * (2.0 + row as f64 / 300.0)).floor().min(4.0) };
    let y: Vec<f64> = x.iter().enumerate().map(class).collect();
    let weights: Vec<f64> = (0..x.len()).map(|row| [1.0, 0.0, 2.5][row % 3]).collect();
    let mut found = Vec::new();
    for (size, threads) in [(1, false), (700, false), (1500, true)] {
        let options = [("rounds", "20"), ("learning_rate", "0.2"), ("max_classes", "4")];
        let mut learner = make(&options, Shape::Classes { classes: 5 }, &[FeatureKind::Number]);
        if threads {
            learner.set_spread(Arc::new(Threads));
        }
        let mut scores = Vec::new();
        for begin in (0..x.len()).step_by(size) {
            let rows = begin..x.len().min(begin + size);
            let block = block(&x[rows.clone()]);
            learner.learn_predict(&block, &block, &y[rows.clone()], &weights[rows], &mut scores);
        }
        let mut again = make(&options, Shape::Classes { classes: 5 }, &[FeatureKind::Number]);
        again.load(&learner.save()).unwrap();
        assert!(again.save() == learner.save() && predicted(&*again, &x) == predicted(&*learner, &x));
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)) && scores.len() == 5 * x.len());
        found.push((scores, learner.save()));
    }
    assert!(found.iter().all(|one| *one == found[0]));
}
