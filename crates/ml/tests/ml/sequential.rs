//! Learning depends on rows and their order alone, not on how they come in batches.

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use proptest::prelude::*;
use tidegate_ml::{LearnReport, Model};

use crate::declared::everything::{INPUTS, TRANSFORMS, inputs, label, rows};
use crate::declared::{Float64, Int64, Utf8, batch, binary, bits, column, cut, spec};

fn everything() -> Model {
    binary(&INPUTS, &TRANSFORMS, &[("learning_rate", "0.05"), ("max-categories", "30")])
}

#[test]
fn batches_of_any_size_give_the_same_model() {
    let all = rows(0, 3000, 13);
    let mut whole = everything();
    let expected = bits(&whole.learn_predict(&all).unwrap(), 1);
    let saved = whole.save();
    for size in [1, 7, 500, 8192] {
        let mut model = everything();
        let found: Vec<u64> =
            cut(&all, size).iter().flat_map(|batch| bits(&model.learn_predict(batch).unwrap(), 1)).collect();
        assert_eq!(found, expected, "predictions in batches of {size}");
        assert!(model.save() == saved, "state in batches of {size}");

        let mut model = everything();
        for part in cut(&all, size) {
            model.learn(&part).unwrap();
        }
        assert!(model.save() == saved, "learned in batches of {size}");
    }
}

#[test]
fn learn_predict_is_predict_then_learn() {
    let all = rows(0, 1200, 5);
    let mut together = everything();
    let expected = bits(&together.learn_predict(&all).unwrap(), 1);
    let mut apart = everything();
    let mut found = Vec::new();
    for row in cut(&all, 1) {
        found.extend(bits(&apart.predict(&row).unwrap(), 1));
        apart.learn(&row).unwrap();
    }
    assert_eq!(found, expected);
    assert!(apart.save() == together.save());
}

#[test]
fn reports_count_rows_without_a_label() {
    let mut model = everything();
    assert_eq!(model.learn(&rows(0, 26, 13)).unwrap(), LearnReport { learned: 24, unlabelled: 2 });
    assert_eq!(model.rows_learned(), 24);
    let before = model.save();
    assert_eq!(model.learn(&rows(0, 1, 13)).unwrap(), LearnReport { learned: 0, unlabelled: 1 });
    assert_eq!(model.learn(&rows(0, 0, 13)).unwrap(), LearnReport::default());
    assert!(model.save() == before);
    assert_eq!(model.predict(&rows(0, 0, 13)).unwrap().num_rows(), 0);
}

/// Rows whose text label has more and more classes.
fn classes(start: usize, count: usize) -> RecordBatch {
    let mut columns = inputs(start, count);
    let class = |i| label(i, 7).map(|v| format!("c{}", (v.abs() * (i as f64).sqrt()) as usize));
    columns.push(("label", column((start..start + count).map(class).collect::<StringArray>())));
    batch(&columns)
}

fn map_type() -> DataType {
    let entries = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)];
    DataType::Map(std::sync::Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
}

#[test]
fn classes_may_come_up_on_the_way() {
    let new = || {
        let outputs = [("class", Utf8), ("all", map_type()), ("version", Int64)];
        Model::new(spec(&INPUTS, &outputs, &TRANSFORMS, &[]).unwrap()).unwrap()
    };
    let all = classes(0, 900);
    let mut whole = new();
    whole.set_version(3);
    let out = whole.learn_predict(&all).unwrap();
    assert_eq!(out.schema(), whole.output_schema());
    assert_eq!(out.column(2).as_primitive::<Int64Type>().value(0), 3);
    let (class, map) = (out.column(0).as_string::<i32>(), out.column(1).as_map());
    // Row 0 has no label, so row 1 is the first to be learned; before it there is no class.
    assert!(class.is_null(0) && class.is_null(1) && map.is_null(1));
    assert!(!class.is_null(2) && map.value_length(2) == 1);
    for row in 2..900 {
        let entry = map.value(row);
        let sum: f64 = entry.column(1).as_primitive::<Float64Type>().values().iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "row {row}: {sum}");
        assert!(row == 2 || map.value_length(row) >= map.value_length(row - 1));
    }
    assert!(whole.classes().len() > 15, "{:?}", whole.classes());
    for size in [1, 7] {
        let mut model = new();
        model.set_version(3);
        for (i, part) in cut(&all, size).iter().enumerate() {
            assert_eq!(model.learn_predict(part).unwrap(), out.slice(i * size, part.num_rows()));
        }
        assert!(model.save() == whole.save());
        let mut learned = new();
        for part in cut(&all, size) {
            learned.learn(&part).unwrap();
        }
        assert!(learned.save() == whole.save());
    }
}

#[test]
fn declared_classes_are_known_from_the_start() {
    let numbers = [("x", Float64)];
    let x = || column(Float64Array::from(vec![1.0, -1.0, 1.0]));
    let declared = |classes: &str| {
        let outputs = [("class", Int64), ("p", Float64)];
        Model::new(spec(&numbers, &outputs, &[], &[("classes", classes)]).unwrap()).unwrap()
    };
    let rows = batch(&[("x", x()), ("y", column(Int64Array::from(vec![7, -2, 7])))]);
    let mut two = declared("-2,7");
    let out = two.learn_predict(&rows).unwrap();
    // Two classes: the probability is that of the second, and there is one before the first row.
    assert_eq!(out.column(1).as_primitive::<Float64Type>().value(0), 0.5);
    let out = two.predict(&rows).unwrap();
    assert_eq!(out.column(0).as_primitive::<Int64Type>().values(), &[7, -2, 7]);
    let mut three = declared("5, -2, 7");
    assert!(three.predict(&rows).unwrap().column(0).is_null(0));
    three.learn(&rows).unwrap();
    let out = three.predict(&rows).unwrap();
    assert_eq!(out.column(0).as_primitive::<Int64Type>().values(), &[7, -2, 7]);
    assert!(out.column(1).as_primitive::<Float64Type>().value(0) > 1.0 / 3.0);
}

#[test]
fn regression_predicts_numbers() {
    let new = || Model::new(spec(&INPUTS, &[("y", Float64)], &TRANSFORMS, &[]).unwrap()).unwrap();
    let mut columns = inputs(0, 500);
    columns.push(("y", column((0..500).map(|i| label(i, 9)).collect::<Float64Array>())));
    let all = batch(&columns);
    let mut whole = new();
    let expected = bits(&whole.learn_predict(&all).unwrap(), 0);
    assert_eq!(expected[0], 0f64.to_bits());
    let mut small = new();
    let found: Vec<u64> = cut(&all, 3).iter().flat_map(|part| bits(&small.learn_predict(part).unwrap(), 0)).collect();
    assert_eq!(found, expected);
    assert!(small.save() == whole.save());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Wherever batches are cut and the model saved and loaded, the outcome is the same.
    #[test]
    fn cuts_and_restarts_change_nothing(cuts in prop::collection::vec(1usize..200, 1..12), missing in 2usize..9) {
        let total: usize = cuts.iter().sum();
        let all = rows(17, total, missing);
        let mut straight = everything();
        let expected = bits(&straight.learn_predict(&all).unwrap(), 1);
        let mut model = everything();
        let mut found = Vec::new();
        let mut start = 0;
        for len in cuts {
            found.extend(bits(&model.learn_predict(&all.slice(start, len)).unwrap(), 1));
            model = Model::load(&model.save()).unwrap();
            start += len;
        }
        prop_assert_eq!(found, expected);
        prop_assert!(model.save() == straight.save());
    }
}
