//! Closed forms; scikit-learn on the same rows (`tests/reference/gradient_boosting.py` prints its figures); threads; when trees are
//! fitted.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::block::Block;
use crate::learner::FeatureKind::{Category, Number};
use crate::learner::Learner;
use crate::spread::Work;

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

/// Each piece of work on a thread of its own, the last first.
#[derive(Debug)]
struct Threads;

impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        std::thread::scope(|scope| {
            for work in work.into_iter().rev() {
                scope.spawn(work);
            }
        });
    }
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

/// A file of `cargo xtask data` as columns, if `TIDEGATE_DATA` names a folder that has it.
fn data(name: &str) -> Option<Vec<Vec<f64>>> {
    let path = PathBuf::from(std::env::var_os("TIDEGATE_DATA")?).join(name);
    let text = fs::read_to_string(path).ok()?;
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|value| value.parse().unwrap()).collect()).collect();
    Some((0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect())
}

/// Fits to two of three rows and asks about the third: accuracy and log loss, or the mean absolute error and the root of the
/// mean squared one.
fn quality(columns: &[&Vec<f64>], kinds: &[FeatureKind], y: &[f64], shape: Shape) -> (f64, f64) {
    let row = |i: usize| columns.iter().map(|column| column[i]).collect::<Vec<f64>>();
    let (asked, fitted): (Vec<usize>, Vec<usize>) = (0..y.len()).partition(|i| i % 3 == 2);
    let count = fitted.len().to_string();
    let mut learner = make(&[("min_rows", &count)], shape, kinds);
    let targets: Vec<f64> = fitted.iter().map(|i| y[*i]).collect();
    learner.learn(&block(&fitted.iter().map(|i| row(*i)).collect::<Vec<_>>()), &targets, &[]);
    let scores = predict(&*learner, &asked.iter().map(|i| row(*i)).collect::<Vec<_>>());
    let width = scores.len() / asked.len();
    let (mut first, mut second) = (0.0, 0.0);
    for (scores, y) in scores.chunks_exact(width).zip(asked.iter().map(|i| y[*i])) {
        let p = |class: f64| {
            if shape == Shape::Binary { [1.0 - scores[0], scores[0]][class as usize] } else { scores[class as usize] }
        };
        if shape == Shape::Number {
            first += (scores[0] - y).abs();
            second += (scores[0] - y) * (scores[0] - y);
        } else {
            let classes = if shape == Shape::Binary { 2 } else { width };
            first += f64::from(u8::from((0..classes).all(|class| p(class as f64) <= p(y))));
            second -= p(y).ln();
        }
    }
    let (first, second) = (first / asked.len() as f64, second / asked.len() as f64);
    (first, if shape == Shape::Number { second.sqrt() } else { second })
}

fn near((a, b): (f64, f64), expected: (f64, f64), within: (f64, f64)) {
    assert!((a - expected.0).abs() < within.0 && (b - expected.1).abs() < within.1, "{a} {b}, not {expected:?}");
}

/// Figures of scikit-learn 1.9.1.
#[test]
fn as_good_as_scikit_learn() {
    let (Some(elec), Some(chicks)) = (data("elec/elec.csv"), data("river/chick-weights.csv")) else { return };
    let all: Vec<&Vec<f64>> = elec[..6].iter().collect();
    near(quality(&all, &[Number; 6], &elec[6], Shape::Binary), (0.8008, 0.4250), (0.005, 0.005));

    let hole = |row: usize, column: usize| (row * 7 + column * 3).is_multiple_of(5);
    let mut holes = elec[..6].to_vec();
    for (column, values) in holes.iter_mut().enumerate() {
        values.iter_mut().enumerate().filter(|(row, _)| hole(*row, column)).for_each(|(_, value)| *value = f64::NAN);
    }
    let all: Vec<&Vec<f64>> = holes.iter().collect();
    near(quality(&all, &[Number; 6], &elec[6], Shape::Binary), (0.7675, 0.4702), (0.005, 0.005));

    let part: Vec<f64> = elec[0].iter().map(|time| (time * 6.0).floor().min(5.0)).collect();
    let others: Vec<&Vec<f64>> = elec[1..6].iter().collect();
    near(quality(&others, &[Number; 5], &part, Shape::Classes { classes: 6 }), (0.4719, 1.2848), (0.005, 0.005));

    let others: Vec<&Vec<f64>> = [0, 1, 3, 4, 5].map(|column| &elec[column]).to_vec();
    near(quality(&others, &[Number; 5], &elec[2], Shape::Number), (0.0562, 0.0740), (0.0005, 0.0005));

    let [weight, time, chick, diet] = [0, 1, 2, 3].map(|column| &chicks[column]);
    let kinds = [Number, Category, Category];
    near(quality(&[time, chick, diet], &kinds, weight, Shape::Number), (22.30, 36.04), (1.5, 1.5));
}
