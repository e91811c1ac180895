//! Checks every way against scikit-learn: see `tests/reference/selection.py`, which made the files.

use super::choice::Choice;
use super::*;
use crate::block::Block;
use crate::splitmix::{GAMMA, mix};

const SCORES: &str = include_str!("../../tests/reference/selection_scores.csv");
const CHOSEN: &str = include_str!("../../tests/reference/selection_chosen.csv");

/// A number from 0 to 1.
fn uniform(row: u64, column: u64) -> f64 {
    let z = mix((row * 1_000_003 + column + 1).wrapping_mul(GAMMA));
    (z >> 11) as f64 / (1u64 << 53) as f64
}

/// Features, a class, a number.
pub(super) type Row = (Vec<f64>, f64, f64);

/// Seven numbers and a category; a class of three; a number.
pub(super) fn small_row(i: u64) -> Row {
    let u: Vec<f64> = (0..16).map(|j| uniform(i, j)).collect();
    let label = (u[0] * 3.0).floor();
    let x = vec![
        u[1] + u[2] + u[3] - 1.5,
        u[4] + 0.4 * label,
        (u[5] * 5.0).floor() + if u[6] > 0.5 { 2.0 * label } else { 0.0 },
        if u[7] < 0.2 + 0.3 * label { 1.0 } else { 0.0 },
        4f64.powi((u[8] * 9.0) as i32) * (1.0 + label),
        1000.0 + u[9] * if label == 1.0 { 1.0 } else { 0.5 },
        3.0,
        if u[10] < 0.3 { label } else { (u[11] * 8.0).floor() },
    ];
    let number = 2.0 * x[1] - x[3] + x[0] * x[0] + 0.3 * u[12];
    (x, label, number)
}

fn place(j: usize) -> usize {
    (j * 77 + 13) % 200
}

/// Ten features that matter, twenty that are sums of them, the rest noise, mixed; a class of two; a number.
fn wide_row(i: u64) -> Row {
    let mut x: Vec<f64> = (0..200).map(|j| 2.0 * uniform(i, j) - 1.0).collect();
    for k in 0..20 {
        x[10 + k] = x[k % 10] + x[(3 * k + 2) % 10] + if k >= 10 { x[(k + 5) % 10] } else { 0.0 };
    }
    let number = x[..10].iter().sum::<f64>() + (2.0 * uniform(i, 200) - 1.0);
    let mut mixed = vec![0.0; 200];
    x.into_iter().enumerate().for_each(|(j, value)| mixed[place(j)] = value);
    (mixed, f64::from(u8::from(number > 0.0)), number)
}

/// Rows as a selector takes them, with the columns wanted.
pub(super) fn block(rows: &[Row], columns: std::ops::Range<usize>, number: bool) -> (Block, Vec<f64>) {
    let mut block = Block::default();
    block.reset(rows.len(), columns.len());
    block.dense = rows.iter().flat_map(|(x, ..)| x[columns.clone()].iter().copied()).collect();
    (block, rows.iter().map(|(_, class, value)| if number { *value } else { *class }).collect())
}

/// What a way says of columns of some rows, of which the eighth is a category.
fn scores(method: &str, rows: &[Row], columns: std::ops::Range<usize>, number: bool) -> Scores {
    let def = find("", method).unwrap();
    let of = |column| if rows[0].0.len() == 8 && column == 7 { FeatureKind::Category } else { FeatureKind::Number };
    let kinds: Vec<FeatureKind> = columns.clone().map(of).collect();
    let mut selector = (def.make)(&Setup { kinds: &kinds, numbers: number, bins: 16 });
    let (x, y) = block(rows, columns, number);
    selector.update(&x, &y, &[]);
    selector.scores()
}

#[test]
fn scores_are_those_of_scikit_learn() {
    let rows: Vec<Row> = (0..400).map(small_row).collect();
    let lines: Vec<Vec<&str>> = SCORES.lines().skip(1).map(|line| line.split(';').collect()).collect();
    assert_eq!(lines.len(), 60);
    let (mut seen, mut with_p) = (std::collections::BTreeSet::new(), 0);
    for line in lines {
        let [method, target, feature, score, p] = line[..] else { panic!("{line:?}") };
        let (feature, score): (usize, f64) = (feature.parse().unwrap(), score.parse().unwrap());
        let columns = if find("", method).unwrap().takes.categories { 0..8 } else { 0..7 };
        let found = scores(method, &rows, columns, target == "number").dense[feature];
        if method == "chi_square" && feature == 6 {
            // A constant has exactly what is expected; how far rounding is from that is no matter.
            assert!(found.score < 1e-20 && score < 1e-20);
            continue;
        }
        let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-6 * expected.abs().max(1e-9);
        assert!(near(found.score, score), "{line:?}, found {found:?}");
        seen.insert(method);
        match (p.parse::<f64>(), found.p_value) {
            (Ok(p), Some(found)) if !p.is_nan() => {
                assert!(near(found, p) || (found < 1e-80 && (found / p).ln().abs() < 1e-4), "{line:?}, p {found}");
                with_p += 1;
            }
            (Ok(p), None) => assert!(p.is_nan(), "{line:?}"),
            (Err(_), None) => {}
            (p, found) => panic!("{line:?}: {p:?}, {found:?}"),
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), SELECTORS.iter().map(|def| def.name).collect::<Vec<_>>());
    assert!(with_p > 30, "{with_p}");
}

#[test]
fn what_cannot_be_scored_comes_last() {
    let rows: Vec<Row> = (0..400).map(small_row).collect();
    // A constant; a feature that is negative.
    for (method, number, feature) in [("anova_f", false, 6), ("f_regression", true, 6), ("chi_square", false, 0)] {
        assert_eq!(scores(method, &rows, 0..7, number).dense[feature].strength, f64::NEG_INFINITY, "{method}");
    }
    // A category of one value for each row tells its label and nothing else: its p-value is no better than chance.
    let mut rows = rows;
    rows.iter_mut().enumerate().for_each(|(i, (x, ..))| x[7] = i as f64);
    let found = scores("chi_square", &rows, 0..8, false).dense;
    assert!(found[7].score > 10.0 * found[3].score && found[7].strength < found[3].strength, "{found:?}");
    let found = scores("mutual_info", &rows, 0..8, false).dense;
    assert!(found[7].score > found[1].score && found[7].strength < found[1].strength, "{found:?}");
}

#[test]
fn the_features_that_matter_are_chosen_as_scikit_learn_chooses_them() {
    let rows: Vec<Row> = (0..2000).map(wide_row).collect();
    let matter: std::collections::BTreeSet<usize> = (0..30).map(place).collect();
    let lines: Vec<Vec<&str>> = CHOSEN.lines().skip(1).map(|line| line.split(';').collect()).collect();
    assert_eq!(lines.len(), 15);
    for line in lines {
        let [method, target, k, features] = line[..] else { panic!("{line:?}") };
        let expected: Vec<u32> = features.split(' ').map(|feature| feature.parse().unwrap()).collect();
        let found = scores(method, &rows, 0..200, target == "number");
        let options = [("select", method), ("select.k", k)];
        let settings = Settings::of_options(&options, target == "number");
        let choice = Choice::new(&found, &settings, None);
        assert_eq!(choice.dense, expected, "{method}, {target}, {k}");
        assert!(k != "30" || expected.iter().all(|feature| matter.contains(&(*feature as usize))));
    }
    // The lasso takes sums for what they are: with as many features as matter it has no noise among them.
    let found = scores("l1", &rows, 0..200, true);
    let choice = Choice::new(&found, &Settings::of_options(&[("select", "l1"), ("select.k", "10")], true), None);
    assert!(choice.dense.iter().all(|feature| matter.contains(&(*feature as usize))), "{choice:?}");
}

/// Who was chosen stays unless it is beaten by the margin.
#[test]
fn a_challenger_must_be_better_by_the_margin() {
    let of = |strengths: &[f64]| Scores {
        dense: strengths.iter().map(|s| Evidence::of_score(*s, None)).collect(),
        sparse: Vec::new(),
    };
    let settings = Settings::of_options(&[("select", "anova_f"), ("select.k", "2"), ("select.margin", "0.1")], false);
    let first = Choice::new(&of(&[5.0, 4.0, 3.0]), &settings, None);
    assert_eq!(first.dense, [0, 1]);
    assert_eq!(Choice::new(&of(&[5.0, 4.0, 4.39]), &settings, Some(&first)).dense, [0, 1]);
    assert_eq!(Choice::new(&of(&[5.0, 4.0, 4.41]), &settings, Some(&first)).dense, [0, 2]);
    // Without anything known there is one all the same.
    assert_eq!(Choice::new(&of(&[f64::NAN, f64::NAN]), &settings, None).dense, [0]);
    let threshold = [("select", "anova_f"), ("select.threshold", "4.5")];
    assert_eq!(Choice::new(&of(&[5.0, 4.0, 4.6]), &Settings::of_options(&threshold, false), None).dense, [0, 2]);
}
