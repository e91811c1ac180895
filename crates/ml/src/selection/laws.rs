//! What holds for every way: merged parts are the whole, what was saved goes on, batches do not matter, sparse zeros are zeros.

use proptest::prelude::*;

use super::golden::{Row, block, small_row};
use super::*;
use crate::block::Block;

fn kinds(def: &SelectorDef) -> Vec<FeatureKind> {
    let mut kinds = vec![FeatureKind::Number; 7];
    kinds.extend(def.takes.categories.then_some(FeatureKind::Category));
    kinds
}

/// Each way with each target that it takes.
fn all() -> impl Iterator<Item = (&'static SelectorDef, bool)> {
    let targets = |def: &&'static SelectorDef| {
        let def = *def;
        [(def.takes.classes, false), (def.takes.numbers, true)].map(|(takes, numbers)| takes.then_some((def, numbers)))
    };
    SELECTORS.iter().flat_map(targets).flatten()
}

fn made(def: &SelectorDef, numbers: bool) -> Box<dyn Selector> {
    (def.make)(&Setup { kinds: &kinds(def), numbers, bins: 16 })
}

fn take(selector: &mut dyn Selector, def: &SelectorDef, numbers: bool, rows: &[Row], weights: &[f64]) {
    let (x, y) = block(rows, 0..kinds(def).len(), numbers);
    selector.update(&x, &y, weights);
}

/// Rows with a missing number now and then.
fn rows(from: u64, to: u64) -> Vec<Row> {
    let missing = |i: u64| {
        let mut row = small_row(i);
        if i % 11 == 3 {
            row.0[(i % 8) as usize] = f64::NAN;
        }
        row
    };
    (from..to).map(missing).collect()
}

fn assert_alike(found: &Scores, expected: &Scores, within: f64, what: &str) {
    assert_eq!((found.dense.len(), found.sparse.len()), (expected.dense.len(), expected.sparse.len()));
    let all = |scores: &Scores| -> Vec<Evidence> {
        scores.dense.iter().copied().chain(scores.sparse.iter().map(|(_, evidence)| *evidence)).collect()
    };
    for (i, (found, expected)) in all(found).iter().zip(&all(expected)).enumerate() {
        let near = (found.score - expected.score).abs() <= within * expected.score.abs().max(1e-6);
        assert!(near || (found.score.is_nan() && expected.score.is_nan()), "{what}, {i}: {found:?}, {expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn merged_parts_are_the_whole(first in 0u64..200, second in 0u64..200, empty in any::<bool>()) {
        for (def, numbers) in all() {
            // What is missing is the mean so far for the lasso, which is another one in parts.
            let rows = if def.name == "l1" { small_row_range(0, 400) } else { rows(0, 400) };
            let (a, b) = (first as usize, (first + second) as usize);
            let mut whole = made(def, numbers);
            take(whole.as_mut(), def, numbers, &rows, &[]);
            let mut merged = made(def, numbers);
            take(merged.as_mut(), def, numbers, &rows[..a], &[]);
            let parts: &[&[Row]] = if empty { &[&rows[a..b], &[], &rows[b..]] } else { &[&rows[a..]] };
            for part in parts {
                let mut other = made(def, numbers);
                take(other.as_mut(), def, numbers, part, &[]);
                merged.merge(&other.save()).unwrap();
            }
            assert_alike(&merged.scores(), &whole.scores(), 1e-9, def.name);
        }
    }

    #[test]
    fn batches_and_snapshots_change_nothing(size in 1usize..90) {
        for (def, numbers) in all() {
            let rows = rows(0, 300);
            let mut whole = made(def, numbers);
            take(whole.as_mut(), def, numbers, &rows, &[]);
            let mut parts = made(def, numbers);
            for (i, part) in rows.chunks(size).enumerate() {
                take(parts.as_mut(), def, numbers, part, &[]);
                if i % 3 == 1 {
                    let state = parts.save();
                    parts = made(def, numbers);
                    parts.load(&state).unwrap();
                }
            }
            prop_assert_eq!(parts.save(), whole.save());
            let bits = |selector: &dyn Selector| -> Vec<(u64, u64)> {
                let of = |evidence: &Evidence| (evidence.score.to_bits(), evidence.strength.to_bits());
                selector.scores().dense.iter().map(of).collect()
            };
            prop_assert_eq!(bits(parts.as_ref()), bits(whole.as_ref()));
        }
    }
}

fn small_row_range(from: u64, to: u64) -> Vec<Row> {
    (from..to).map(small_row).collect()
}

/// A weight of 2 is the row twice, one of 0 no row.
#[test]
fn weights_are_how_often_rows_count() {
    for (def, numbers) in all() {
        let rows = small_row_range(0, 120);
        let weights: Vec<f64> = (0..120).map(|i| f64::from(i % 3)).collect();
        let repeated: Vec<Row> =
            rows.iter().zip(&weights).flat_map(|(row, weight)| vec![row.clone(); *weight as usize]).collect();
        let (mut weighted, mut plain) = (made(def, numbers), made(def, numbers));
        take(weighted.as_mut(), def, numbers, &rows, &weights);
        take(plain.as_mut(), def, numbers, &repeated, &[]);
        assert_alike(&weighted.scores(), &plain.scores(), 1e-9, def.name);
    }
}

/// A sparse feature scores as the dense one that has its zeros.
#[test]
fn sparse_features_score_as_dense_ones() {
    let rows = small_row_range(0, 300);
    for (def, numbers) in all().filter(|(def, _)| def.takes.sparse) {
        let (mut dense, y) = block(&rows, 0..7, numbers);
        let mut sparse = Block::default();
        sparse.reset(rows.len(), 0);
        for row in 0..rows.len() {
            for column in 0..7 {
                // Of the wide ones only some.
                let value = &mut dense.dense[row * 7 + column];
                if row % 2 == 0 && column >= 4 {
                    *value = 0.0;
                }
                if *value == 0.0 {
                    continue;
                }
                // One that is named twice has the sum.
                let parts = if row % 5 == 0 { vec![*value / 2.0; 2] } else { vec![*value] };
                sparse.indices.extend(parts.iter().map(|_| column as u32));
                sparse.values.extend(parts);
            }
            sparse.offsets[row + 1] = sparse.indices.len() as u32;
        }
        let setup = |kinds| Setup { kinds, numbers, bins: 16 };
        let (mut of_dense, mut of_sparse) = ((def.make)(&setup(&[FeatureKind::Number; 7])), (def.make)(&setup(&[])));
        of_dense.update(&dense, &y, &[]);
        of_sparse.update(&sparse, &y, &[]);
        // One that is always 0 is never met.
        let mut as_dense = Scores { dense: vec![Evidence::NONE; 7], sparse: Vec::new() };
        for (number, evidence) in of_sparse.scores().sparse {
            as_dense.dense[number as usize] = evidence;
        }
        assert_alike(&as_dense, &of_dense.scores(), 1e-9, def.name);
    }
}

#[test]
fn corrupt_states_are_refused() {
    for (def, numbers) in all() {
        let mut selector = made(def, numbers);
        take(selector.as_mut(), def, numbers, &small_row_range(0, 50), &[]);
        let state = selector.save();
        for at in 0..state.len().min(400) {
            let mut bytes = state.clone();
            bytes[at] ^= 0x55;
            // Bytes that happen to be a state may be read; what they come to does not panic.
            if made(def, numbers).load(&bytes).is_ok() {
                let mut read = made(def, numbers);
                read.load(&bytes).unwrap();
                let _ = read.scores();
            }
        }
        assert!(made(def, numbers).load(&state[..state.len() - 1]).is_err());
        let mut other = (def.make)(&Setup { kinds: &[FeatureKind::Number; 3], numbers, bins: 16 });
        assert!(other.load(&state).is_err() && other.merge(&state).is_err(), "{}", def.name);
    }
}

#[test]
fn names_are_unique_and_in_order() {
    assert!(SELECTORS.is_sorted_by(|a, b| a.name < b.name));
    for def in SELECTORS {
        assert!(SELECTION_OPTIONS[0].doc.contains(def.name), "{} is not among the values of 'select'", def.name);
    }
}
