//! What transforms that merge exactly have to keep to: parts put together are as all in one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::{Pipeline, Scratch, Target};
use crate::block::Block;
use crate::learner;
use crate::rows::{Rows, Texts};
use crate::{Expression, ModelSpec, Task, Transform};

const ROWS: usize = 300;

/// Learned calls of a column, and of what label they learn.
const EXACT: [(&str, &str, &[f64], Target); 8] = [
    ("ML_TARGET_ENCODER", "s", &[2.0], Target::Classes(2)),
    ("ML_TARGET_ENCODER", "s", &[], Target::Classes(3)),
    ("ML_TARGET_ENCODER", "x", &[], Target::Classes(2)),
    ("ML_COUNT_ENCODER", "s", &[], Target::Number),
    ("ML_COUNT_ENCODER", "x", &[], Target::Number),
    ("ML_FREQUENCY_ENCODER", "s", &[], Target::Number),
    ("ML_TF_IDF", "t", &[512.0, 2.0], Target::Number),
    ("ML_ONE_HOT_ENCODER", "s", &[], Target::Number),
];

fn pipeline(function: &str, column: &str, literals: &[f64], target: Target) -> Pipeline {
    let mut args = vec![Expression::Column(column.to_string())];
    args.extend(literals.iter().map(|number| Expression::Number(*number)));
    let expression = Expression::Call { function: function.to_string(), learned: true, args };
    let field = |name, kind| Field::new(name, kind, true);
    let inputs = [field("s", DataType::Utf8), field("t", DataType::Utf8), field("x", DataType::Float64)];
    let spec = ModelSpec::new(
        "m",
        Task::Regression,
        &Schema::new(inputs.to_vec()),
        &Schema::new(vec![field("y", DataType::Float64)]),
        vec![Transform { expression, alias: "f".to_string() }],
        Default::default(),
    );
    Pipeline::compile(&spec.unwrap(), 10_000, learner::Features::NUMBERS, target).unwrap()
}

/// Columns of some rows, and labels of three classes. New categories and words keep coming; some values are missing.
fn columns(rows: &[usize], classes: usize) -> (Vec<ArrayRef>, Vec<f64>) {
    let of = |i: usize, k: usize| crate::splitmix::mix((i * 7 + k) as u64) as usize;
    let text = |i: &usize| (!of(*i, 0).is_multiple_of(9)).then(|| format!("k{}", of(*i, 1) % (3 + i / 10)));
    let words =
        |i: &usize| Some((0..of(*i, 2) % 6).map(|k| format!("w{} ", of(*i, 10 + k) % (5 + i / 9))).collect::<String>());
    let number = |i: &usize| (!of(*i, 3).is_multiple_of(8)).then(|| (of(*i, 4) % (2 + i / 20)) as f64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(text).collect::<StringArray>()),
        Arc::new(rows.iter().map(words).collect::<StringArray>()),
        Arc::new(rows.iter().map(number).collect::<Float64Array>()),
    ];
    (columns, rows.iter().map(|i| (of(*i, 5) % classes) as f64).collect())
}

fn classes(target: Target) -> usize {
    if let Target::Classes(classes) = target { classes } else { 50 }
}

fn learn(pipeline: &mut Pipeline, rows: &[usize], target: Target) {
    let (columns, labels) = columns(rows, classes(target));
    let mut read = Rows::new(pipeline.columns());
    read.read_numbers(pipeline.columns(), &columns, rows.len()).unwrap();
    pipeline.read_texts(&mut read, &columns, &labels);
    pipeline.learn(&read, (0, &labels), None, &mut Block::default(), &mut Scratch::default());
}

/// Features of a row: dense ones, then sparse ones by name.
type Features = (Vec<f64>, Vec<(Option<String>, f64)>);

/// Features of all rows.
fn features(pipeline: &Pipeline) -> Vec<Features> {
    let (columns, _) = columns(&(0..ROWS).collect::<Vec<_>>(), 2);
    let mut read = Rows::new(pipeline.columns());
    read.read_numbers(pipeline.columns(), &columns, ROWS).unwrap();
    read.read_texts(pipeline.columns(), &columns, Texts::Find(pipeline.dictionaries()));
    let mut block = Block::default();
    pipeline.apply(&read, 0, ROWS, &mut block, &mut Scratch::default());
    let row = |row| {
        let row = block.row(row);
        let name = |index: &u32| pipeline.sparse_feature(*index).unwrap().category;
        (row.dense.to_vec(), row.indices.iter().map(name).zip(row.values.iter().copied()).collect())
    };
    (0..ROWS).map(row).collect()
}

/// Rows of three parts: some in turn, so that they have categories in common.
fn parts(from: usize) -> Vec<Vec<usize>> {
    (0..3).map(|part| (from..ROWS).filter(|i| i % 5 % 3 == part).collect()).collect()
}

#[test]
fn merged_is_all_in_one() {
    for (function, column, literals, target) in EXACT {
        let new = || pipeline(function, column, literals, target);
        let mut whole = new();
        learn(&mut whole, &(0..ROWS).collect::<Vec<_>>(), target);
        let mut merged = new();
        for part in parts(0) {
            let mut of_part = new();
            learn(&mut of_part, &part, target);
            merged.merge(&of_part).unwrap();
        }
        assert_eq!(features(&merged), features(&whole), "{function}({column}) {target:?}");
        assert!(features(&merged) != features(&new()), "{function}({column}) {target:?}");
    }
}

#[test]
fn what_replicas_have_in_common_counts_once() {
    for (function, column, literals, target) in EXACT {
        let new = || pipeline(function, column, literals, target);
        let mut whole = new();
        learn(&mut whole, &(0..ROWS).collect::<Vec<_>>(), target);
        for common in [0, 120] {
            let mut merged = new();
            learn(&mut merged, &(0..common).collect::<Vec<_>>(), target);
            let replicas: Vec<Pipeline> = parts(common)
                .iter()
                .map(|part| {
                    let mut replica = new();
                    replica.keep_texts();
                    replica.load(&merged.save()).unwrap();
                    replica.branch();
                    learn(&mut replica, part, target);
                    replica
                })
                .collect();
            merged.merge_since(&replicas.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(features(&merged), features(&whole), "{function}({column}) {target:?} after {common}");
        }
    }
}

/// Means of numbers merge up to rounding.
#[test]
fn means_merge_up_to_rounding() {
    for smoothing in [&[][..], &[4.0]] {
        let new = || pipeline("ML_TARGET_ENCODER", "s", smoothing, Target::Number);
        let mut whole = new();
        learn(&mut whole, &(0..ROWS).collect::<Vec<_>>(), Target::Number);
        let mut merged = new();
        learn(&mut merged, &(0..100).collect::<Vec<_>>(), Target::Number);
        let (mut together, common) = (new(), merged.save());
        together.load(&common).unwrap();
        let mut replicas = Vec::new();
        for part in parts(100) {
            let mut of_part = new();
            learn(&mut of_part, &part, Target::Number);
            merged.merge(&of_part).unwrap();
            let mut replica = new();
            replica.load(&common).unwrap();
            replica.branch();
            learn(&mut replica, &part, Target::Number);
            replicas.push(replica);
        }
        together.merge_since(&replicas.iter().collect::<Vec<_>>()).unwrap();
        for ((merged, together), whole) in features(&merged).iter().zip(features(&together)).zip(features(&whole)) {
            for found in [merged.0[0], together.0[0]] {
                assert!((found - whole.0[0]).abs() < 1e-10, "{found} {whole:?}");
            }
        }
    }
}
