//! Models that learned apart, put together.

use arrow::array::{BooleanArray, Float64Array, RecordBatch, StringArray};
use tidegate_ml::Model;

use crate::declared::{Float64, Utf8, batch, binary, bits, column, spec};

const INPUTS: [(&str, arrow::datatypes::DataType); 2] = [("x", Float64), ("s", Utf8)];

fn rows(x: &[f64], s: &[&str]) -> RecordBatch {
    let labels: BooleanArray = x.iter().map(|x| Some(*x > 0.0)).collect();
    batch(&[
        ("x", column(Float64Array::from(x.to_vec()))),
        ("s", column(StringArray::from(s.to_vec()))),
        ("label", column(labels)),
    ])
}

/// A learner without weights that merges exactly, over transforms that do: merged is the same as all in one.
#[test]
fn exact_parts_merge_exactly() {
    let transforms = [
        ("ML_MIN_MAX_SCALER(x) OVER ()", "range"),
        ("ML_MAX_ABS_SCALER(x) OVER ()", "magnitude"),
        ("ML_ONE_HOT_ENCODER(s) OVER ()", "s"),
        ("ML_LABEL_ENCODER(s) OVER ()", "n"),
        ("ML_ONE_HOT_ENCODER(ML_IMPUTER(s, 'most_frequent') OVER ()) OVER ()", "filled"),
    ];
    let new = || binary(&INPUTS, &transforms, &[("algorithm", "majority_class")]);
    let parts = [rows(&[1.0, -4.0], &["a", "b"]), rows(&[3.0], &["c"]), rows(&[9.0, 2.0, 1.0], &["b", "b", "d"])];
    let mut whole = new();
    let mut models: Vec<Model> = Vec::new();
    for part in &parts {
        whole.learn(part).unwrap();
        let mut model = new();
        model.learn(part).unwrap();
        models.push(model);
    }
    let mut merged = new();
    merged.merge(&models.iter().collect::<Vec<_>>()).unwrap();
    assert!(merged.save() == whole.save());
    assert_eq!(merged.rows_learned(), 6);
    let more = rows(&[5.0, -5.0], &["a", "z"]);
    assert_eq!(merged.learn_predict(&more).unwrap(), whole.learn_predict(&more).unwrap());
}

#[test]
fn averaged_weights_belong_to_the_same_category() {
    let transforms = [("ML_ONE_HOT_ENCODER(s) OVER ()", "s")];
    let new = || binary(&INPUTS, &transforms, &[("learning_rate", "0.1")]);
    let weight = |model: &Model, category: &str| {
        let rows = model.describe().weights;
        rows.iter().find(|row| row.category.as_deref() == Some(category)).map(|row| row.weight).unwrap()
    };
    let (mut left, mut right) = (new(), new());
    left.learn(&rows(&[1.0, -1.0], &["a", "b"])).unwrap();
    right.learn(&rows(&[1.0, -1.0, 2.0], &["a", "b", "c"])).unwrap();
    let expected = (2.0 * weight(&left, "a") + 3.0 * weight(&right, "a")) / 5.0;
    let of_c = weight(&right, "c") * 3.0 / 5.0;
    left.merge(&[&right]).unwrap();
    assert!((weight(&left, "a") - expected).abs() < 1e-15);
    assert!((weight(&left, "c") - of_c).abs() < 1e-15 && of_c > 0.0);
}

#[test]
fn unlike_models_are_refused() {
    let mut one = binary(&INPUTS, &[("x", "x")], &[]);
    let other = binary(&INPUTS, &[("x", "x")], &[("learning_rate", "0.3")]);
    assert_eq!(
        one.merge(&[&other]).unwrap_err().to_string(),
        "cannot merge: the models 'm' and 'm' are declared differently"
    );
}

#[test]
fn classes_met_in_different_orders_are_told_apart() {
    let new = || Model::new(spec(&[("x", Float64)], &[("c", Utf8)], &[], &[]).unwrap()).unwrap();
    let teach = |classes: [&str; 2]| {
        let mut model = new();
        let labels = column(StringArray::from(classes.to_vec()));
        model.learn(&batch(&[("x", column(Float64Array::from(vec![1.0, -1.0]))), ("c", labels)])).unwrap();
        model
    };
    let (mut ab, ba) = (teach(["a", "b"]), teach(["b", "a"]));
    // The same rows but for the names of their classes: what speaks for one in one model speaks against it in the other.
    ab.merge(&[&ba]).unwrap();
    assert_eq!((ab.classes(), ab.rows_learned()), (vec!["a".to_string(), "b".to_string()], 4));
    let weights = ab.describe().weights;
    assert!(weights.iter().all(|row| row.weight.abs() < 1e-15), "{weights:?}");
    let mut empty = new();
    empty.merge(&[&ba]).unwrap();
    assert_eq!(empty.classes(), ["b", "a"]);
}

#[test]
fn statistics_merge_to_the_same_predictions() {
    let transforms = [("ML_STANDARD_SCALER(x) OVER ()", "x")];
    let new = || binary(&INPUTS, &transforms, &[("algorithm", "majority_class")]);
    let all = rows(&[1.0, 5.0, -2.0, 8.0, 3.0], &["a"; 5]);
    let mut whole = new();
    whole.learn(&all).unwrap();
    let mut left = new();
    left.learn(&all.slice(0, 2)).unwrap();
    let mut right = new();
    right.learn(&all.slice(2, 3)).unwrap();
    left.merge(&[&right]).unwrap();
    assert_eq!(bits(&left.predict(&all).unwrap(), 1), bits(&whole.predict(&all).unwrap(), 1));
}
