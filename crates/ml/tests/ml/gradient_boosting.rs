//! Trees fitted to history against scikit-learn on the same rows; `reference/gradient_boosting.py` prints its figures.

use std::fs;
use std::path::PathBuf;

use tidegate_ml::block::Block;
use tidegate_ml::learner::FeatureKind::{Category, Number};
use tidegate_ml::learner::gradient_boosting::GRADIENT_BOOSTING;
use tidegate_ml::learner::{FeatureKind, Shape};

fn block(rows: &[Vec<f64>]) -> Block {
    let mut block = Block::default();
    block.reset(rows.len(), rows.first().map_or(0, Vec::len));
    block.dense = rows.concat();
    block
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
    let options = tidegate_options::resolve(GRADIENT_BOOSTING.options, [("min_rows", count.as_str())]).unwrap();
    let mut learner = (GRADIENT_BOOSTING.make)(&options, shape).unwrap();
    learner.set_features(kinds);
    let targets: Vec<f64> = fitted.iter().map(|i| y[*i]).collect();
    learner.learn(&block(&fitted.iter().map(|i| row(*i)).collect::<Vec<_>>()), &targets, &[]);
    let mut scores = Vec::new();
    learner.predict(&block(&asked.iter().map(|i| row(*i)).collect::<Vec<_>>()), &mut scores);
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
