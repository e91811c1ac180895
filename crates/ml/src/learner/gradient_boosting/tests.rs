//! Closed forms; threads; when trees are fitted.

use super::*;
use crate::block::Block;
use crate::learner::FeatureKind::{Category, Number};
use crate::learner::Learner;
use crate::spread::Threads;

fn make(options: &[(&str, &str)], shape: Shape, kinds: &[FeatureKind]) -> Box<dyn Learner> {
    let options = tidegate_options::resolve(&[settings::OPTIONS], options.iter().copied()).unwrap();
    let mut learner = (GRADIENT_BOOSTING.make)(&options, shape).unwrap();
    learner.set_features(kinds);
    learner
}

fn block(rows: &[Vec<f64>]) -> Block {
    let mut block = Block::default();
    block.reset(rows.len(), rows.first().map_or(0, Vec::len));
    block.dense = rows.concat();
    block
}

fn predict(learner: &dyn Learner, rows: &[Vec<f64>]) -> Vec<f64> {
    let mut scores = Vec::new();
    learner.predict(&block(rows), &mut scores);
    scores
}

/// Numbers in ±1 that look drawn at random.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Trees that are fitted to all rows once.
const PLAIN: [(&str, &str); 4] =
    [("rounds", "1"), ("learning_rate", "1"), ("min_samples_leaf", "1"), ("min_rows", "6")];

#[test]
fn one_tree_steps_to_the_means_of_its_leaves() {
    let x: Vec<Vec<f64>> = [1.0, 2.0, 3.0, 10.0, 11.0, f64::NAN].iter().map(|x| vec![*x]).collect();
    let mut learner = make(&[&PLAIN[..], &[("max_leaves", "2")]].concat(), Shape::Number, &[Number]);
    learner.learn(&block(&x), &[1.0, 2.0, 3.0, 20.0, 22.0, 24.0], &[]);
    // What is missing has targets like those of large numbers.
    let found = predict(&*learner, &[vec![6.5], vec![6.6], vec![f64::NAN], vec![-1e300]]);
    for (found, expected) in found.iter().zip([2.0, 22.0, 22.0, 2.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}

#[test]
fn steps_are_newtons_and_l2_makes_them_smaller() {
    // Half are of class 1: s₀ = 0, h = ¼. Of the first leaf Σg = 3·½ − 1·½ = 1, Σh = 1: a step of −1 / (1 + λ).
    let x: Vec<Vec<f64>> = (0..8).map(|i| vec![f64::from(i)]).collect();
    let y = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    for l2 in ["0.0", "1.0"] {
        let options = [("max_leaves", "2"), ("min_samples_leaf", "4"), ("min_rows", "8"), ("l2", l2)];
        let mut learner = make(&[&options[..], &PLAIN[..2]].concat(), Shape::Binary, &[Number]);
        learner.learn(&block(&x), &y, &[]);
        let step = -1.0 / (1.0 + l2.parse::<f64>().unwrap());
        let found = predict(&*learner, &[vec![0.0], vec![7.0]]);
        for (found, step) in found.iter().zip([step, -step]) {
            assert!((found - 1.0 / (1.0 + (-step).exp())).abs() < 1e-12, "{found}");
        }
    }
}

#[test]
fn weights_are_rows_that_come_more_than_once() {
    let rows: Vec<(Vec<f64>, f64)> = (0..300).map(|i| (vec![noise(i)], noise(i) + 0.1 * noise(i + 1000))).collect();
    let options = [("min_samples_leaf", "1"), ("max_bins", "255"), ("max_leaves", "4"), ("rounds", "5")];
    let times = |i: usize| 1 + i % 3;
    let mut weighted = make(&[&options[..], &[("min_rows", "300")]].concat(), Shape::Number, &[Number]);
    let x: Vec<Vec<f64>> = rows.iter().map(|row| vec![(row.0[0] * 50.0).round()]).collect();
    let y: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let weights: Vec<f64> = (0..300).map(|i| times(i) as f64).collect();
    weighted.learn(&block(&x), &y, &weights);
    let repeat = |i: usize| std::iter::repeat_n(i, times(i));
    let often: Vec<usize> = (0..300).flat_map(repeat).collect();
    let count = often.len().to_string();
    let mut repeated = make(&[&options[..], &[("min_rows", &count)]].concat(), Shape::Number, &[Number]);
    let of = |values: &[f64]| often.iter().map(|i| values[*i]).collect::<Vec<_>>();
    repeated.learn(&block(&often.iter().map(|i| x[*i].clone()).collect::<Vec<_>>()), &of(&y), &[]);
    for (a, b) in predict(&*weighted, &x).iter().zip(predict(&*repeated, &x)) {
        assert!((a - b).abs() < 1e-9, "{a}, {b}");
    }
}

#[test]
fn categories_are_divided_by_what_comes_with_them() {
    // 40 categories: odd ones have 1; 300 more that are rare, half of them with 1.
    let rows: Vec<(f64, f64)> = (0..4000)
        .map(|i| {
            let category = if i % 10 == 0 { 40 + i % 300 } else { (i * 7) % 40 };
            (category as f64, f64::from(u8::from(category % 2 == 1)))
        })
        .collect();
    let x: Vec<Vec<f64>> = rows.iter().map(|row| vec![row.0]).collect();
    let y: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let mut learner =
        make(&[("min_rows", "4000"), ("max_leaves", "4"), ("max_bins", "40")], Shape::Binary, &[Category]);
    learner.learn(&block(&x), &y, &[]);
    let common: Vec<Vec<f64>> = (0..40).map(|category| vec![f64::from(category)]).collect();
    for (category, p) in predict(&*learner, &common).iter().enumerate() {
        let is = f64::from(u8::from(category % 2 == 1));
        assert!((p - is).abs() < 0.02, "{category}: {p}");
    }
    let others = predict(&*learner, &[vec![1e9], vec![f64::NAN], vec![-3.0]]);
    assert!(others.iter().all(|p| *p == others[0]), "all others are alike: {others:?}");
}

#[test]
fn fits_are_at_rows_that_rise_by_the_factor_and_the_window() {
    let mut learner =
        make(&[("rounds", "1"), ("min_rows", "10"), ("max_rows", "50"), ("refit_factor", "2")], Shape::Number, &[]);
    let x = block(&[Vec::new()]);
    let mut fits = Vec::new();
    let mut scores = Vec::new();
    for row in 1..=250 {
        learner.learn(&x, &[f64::from(row)], &[]);
        scores.clear();
        learner.predict(&x, &mut scores);
        // The mean of the latest 50 rows, or of all.
        let kept = f64::from(row.min(50));
        if (scores[0] - (f64::from(row) - (kept - 1.0) / 2.0)).abs() < 1e-9 && row >= 10 {
            fits.push(row);
        }
    }
    assert_eq!(fits, [10, 20, 40, 80, 130, 180, 230]);
    learner.end_input();
    assert!((predict(&*learner, &[Vec::new()])[0] - 225.5).abs() < 1e-9, "the end of the input is a time to fit");
}

#[test]
fn classes_beyond_the_most_keep_their_share() {
    let mut learner = make(&[("min_rows", "1000"), ("max_classes", "2")], Shape::Classes { classes: 4 }, &[Number]);
    // Classes 1 and 3 by the sign; one row in ten of class 0 or 2.
    let class = |i: usize| match i % 20 {
        0 => 0.0,
        10 => 2.0,
        _ if noise(i) > 0.0 => 1.0,
        _ => 3.0,
    };
    let x: Vec<Vec<f64>> = (0..1000).map(|i| vec![noise(i)]).collect();
    learner.learn(&block(&x), &(0..1000).map(class).collect::<Vec<_>>(), &[]);
    let found = predict(&*learner, &[vec![0.5]]);
    let expected = [0.05, 0.9, 0.05, 0.0];
    assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.01), "{found:?}");
}

/// More values than one piece of work has, with little memory and with much.
#[test]
fn threads_change_nothing() {
    let kinds = [&[Category; 2][..], &[Number; 38]].concat();
    let row = |i: usize| {
        let value = |column: usize| match column {
            0 | 1 => (noise(i * 40 + column) * 9.0).abs().floor(),
            _ if (i + column).is_multiple_of(7) => f64::NAN,
            _ => noise(i * 40 + column),
        };
        (0..40).map(value).collect::<Vec<f64>>()
    };
    let x = block(&(0..3000).map(row).collect::<Vec<_>>());
    let y: Vec<f64> = (0..3000).map(|i| (noise(7 * i) * 1.5 + 1.5).floor()).collect();
    for memory in ["4 mb", "512 mb"] {
        let options = [("min_rows", "3000"), ("rounds", "3"), ("max_memory", memory)];
        let mut one = make(&options, Shape::Classes { classes: 3 }, &kinds);
        let mut many = make(&options, Shape::Classes { classes: 3 }, &kinds);
        many.set_spread(Arc::new(Threads));
        one.learn(&x, &y, &[]);
        many.learn(&x, &y, &[]);
        assert!(one.save() == many.save(), "{memory}");
    }
}
