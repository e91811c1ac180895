//! Explanations of every learner that has some: they add up to what is predicted, and are the same however rows are cut.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type};
use tidegate_ml::explain::explained_learners;
use tidegate_ml::learner::LearnerDef;
use tidegate_ml::{Model, Task};

use crate::declared::{Boolean, Float64, Utf8, batch, binary, bits, column, cut, everything, spec};
use crate::every_learner::{inputs_of, rows};

/// What is explained of a row: attributions in order, baseline, value, error; nothing where nothing is.
type Explanation = Option<(Vec<(String, f64)>, f64, f64, f64)>;

/// The last four columns of a batch.
fn explanations(explained: &RecordBatch) -> Vec<Explanation> {
    let first = explained.num_columns() - 4;
    let lists = explained.column(first).as_list::<i32>();
    let number = |column: usize, row: usize| explained.column(first + column).as_primitive::<Float64Type>().value(row);
    let explanation = |row: usize| {
        if lists.is_null(row) {
            assert!((1..4).all(|column| explained.column(first + column).is_null(row)));
            return None;
        }
        let rows = lists.value(row);
        let (names, parts) = (rows.as_struct().column(0).clone(), rows.as_struct().column(1).clone());
        let names = names.as_string::<i32>().iter().map(|name| name.unwrap().to_string());
        let parts = parts.as_primitive::<Float64Type>().values().to_vec();
        Some((names.zip(parts).collect(), number(1, row), number(2, row), number(3, row)))
    };
    (0..explained.num_rows()).map(explanation).collect()
}

/// A model with leaves that predict by the shares of classes, where there are such, and each label that it can be asked.
fn models() -> Vec<(&'static LearnerDef, DataType, Model)> {
    let mut models = Vec::new();
    for def in explained_learners() {
        let has = |name: &str| def.options.iter().flat_map(|table| table.iter()).any(|option| option.name == name);
        for label in [Boolean, Utf8, Float64] {
            let task = if label == Float64 { Task::Regression } else { Task::Classification };
            if !def.tasks.contains(&task) {
                continue;
            }
            let inputs = [("x", Float64), ("y", Float64), ("kind", Utf8)];
            let mut outputs = vec![("predicted", label.clone())];
            outputs.extend((task == Task::Classification).then_some(("probability", Float64)));
            let mut options = vec![("algorithm", def.name)];
            options.extend(has("leaf_prediction").then_some(("leaf_prediction", "majority_class")));
            let model = Model::new(spec(&inputs[..inputs_of(def)], &outputs, &[], &options).unwrap()).unwrap();
            models.push((def, label, model));
        }
    }
    models
}

#[test]
fn explanations_add_up_to_what_is_predicted() {
    let mut told_apart = 0;
    for (def, label, mut model) in models() {
        let name = format!("{} of {label}", def.name);
        model.learn(&rows(def, &label, 1, 3000)).unwrap();
        let asked = rows(def, &label, 2, 300);
        let explained = model.explain(&model.explanations(10).unwrap(), &asked).unwrap();
        assert_eq!(explained.schema(), model.explained_schema());
        let predictions = model.predict(&asked).unwrap();
        assert_eq!(&explained.columns()[..predictions.num_columns()], predictions.columns(), "{name}");
        for (row, explanation) in explanations(&explained).into_iter().enumerate() {
            let (parts, baseline, value, error) = explanation.unwrap();
            let sum = baseline + parts.iter().map(|(_, part)| part).sum::<f64>();
            assert!((sum + error - value).abs() < 1e-9, "{name}, row {row}: {sum} + {error}, not {value}");
            assert!(error.abs() < 1e-9, "{name}, row {row}: {error}");
            assert_eq!(parts.len(), inputs_of(def), "{name}");
            assert!(parts.windows(2).all(|pair| pair[0].1.abs() >= pair[1].1.abs()), "{name}: {parts:?}");
            told_apart += usize::from(parts.iter().filter(|(_, part)| *part != 0.0).count() > 1);
            // Log odds of linear scores and of boosted trees, probabilities of others; the number itself.
            let is_score = def.features.sparse || def.name.contains("gradient");
            let said = predictions.column(predictions.num_columns() - 1).as_primitive::<Float64Type>().value(row);
            let expected = match label {
                Boolean if !predictions.column(0).as_boolean().value(row) => 1.0 - said,
                _ => said,
            };
            let value = if label == Boolean && is_score { 1.0 / (1.0 + (-value).exp()) } else { value };
            if label != Utf8 || !is_score {
                assert!((value - expected).abs() < 1e-9, "{name}, row {row}: {value}, not {expected}");
            }
        }
    }
    assert!(told_apart > 3000, "{told_apart}");
}

#[test]
fn explanations_do_not_depend_on_batches_or_on_being_saved() {
    for (def, label, mut model) in models() {
        model.learn(&rows(def, &label, 3, 1500)).unwrap();
        let asked = rows(def, &label, 4, 60);
        let by = model.explanations(2).unwrap();
        let whole = model.explain(&by, &asked).unwrap();
        let parts: Vec<RecordBatch> = cut(&asked, 7).iter().map(|part| model.explain(&by, part).unwrap()).collect();
        assert_eq!(concat_batches(&whole.schema(), &parts).unwrap(), whole, "{} of {label}", def.name);
        let again = Model::load(&model.save()).unwrap();
        assert_eq!(again.explain(&again.explanations(2).unwrap(), &asked).unwrap(), whole, "{} of {label}", def.name);
        assert!(explanations(&whole).iter().all(|explanation| explanation.as_ref().unwrap().0.len() == 2));
    }
}

#[test]
fn a_linear_score_is_divided_among_the_columns_that_its_features_come_from() {
    let inputs = [("a", Float64), ("b", Float64), ("city", Utf8)];
    let transforms = [
        ("ML_STANDARD_SCALER(a) OVER ()", "a_scaled"),
        ("ML_POLYNOMIAL_EXPAND(a, b, 2)", "products"),
        ("ML_ONE_HOT_ENCODER(city) OVER ()", "city"),
    ];
    let mut model = binary(&inputs, &transforms, &[]);
    let city = ["x", "y", "z"];
    let of = |rows: std::ops::Range<usize>| {
        let noise = |i: usize, of: usize| everything::noise(4 * i + of) - 0.5;
        let a: Float64Array = rows.clone().map(|i| Some(noise(i, 0))).collect();
        let b: Float64Array = rows.clone().map(|i| Some(noise(i, 1))).collect();
        let cities: StringArray = rows.clone().map(|i| Some(city[i % 3])).collect();
        let label: BooleanArray = rows.map(|i| Some(noise(i, 0) + f64::from(i % 3 == 1) - 0.5 > noise(i, 2))).collect();
        batch(&[("a", column(a)), ("b", column(b)), ("city", column(cities)), ("label", column(label))])
    };
    model.learn(&of(0..500)).unwrap();
    let weights: HashMap<(String, Option<String>), f64> = model
        .describe()
        .weights
        .into_iter()
        .map(|weight| ((weight.processed_input, weight.category), weight.weight))
        .collect();
    let weight = |name: &str| weights[&(name.to_string(), None)];
    let (mean, deviation) = {
        let batch = of(0..500);
        let a = batch.column(0).as_primitive::<Float64Type>().values();
        let mean = a.iter().sum::<f64>() / 500.0;
        (mean, (a.iter().map(|a| (a - mean) * (a - mean)).sum::<f64>() / 500.0).sqrt())
    };
    let asked = of(500..530);
    for (row, explanation) in
        explanations(&model.explain(&model.explanations(3).unwrap(), &asked).unwrap()).into_iter().enumerate()
    {
        let (parts, baseline, value, _) = explanation.unwrap();
        let found: HashMap<String, f64> = parts.into_iter().collect();
        // Of the class that is predicted.
        let sign = if value == 0.0 { 1.0 } else { (baseline / weight("__INTERCEPT__")).signum() };
        let number = |column: usize| asked.column(column).as_primitive::<Float64Type>().value(row);
        let (a, b) = (number(0), number(1));
        let (square, product) = (weight("products_3") * a * a, weight("products_4") * a * b);
        let of_a = weight("a_scaled") * (a - mean) / deviation + weight("products_1") * a + square + product / 2.0;
        let of_b = weight("products_2") * b + weight("products_5") * b * b + product / 2.0;
        let of_city = weights[&("city".to_string(), Some(city[(500 + row) % 3].to_string()))];
        for (name, expected) in [("a", of_a), ("b", of_b), ("city", of_city)] {
            assert!((found[name] - sign * expected).abs() < 1e-9, "row {row}, {name}: {} {expected}", found[name]);
        }
    }
}

#[test]
fn hashed_features_go_to_the_column_that_they_are_made_of() {
    let mut model = binary(&everything::INPUTS, &everything::TRANSFORMS, &[]);
    model.learn(&everything::rows(0, 400, 9)).unwrap();
    let asked = everything::rows(400, 100, 9);
    let found = explanations(&model.explain(&model.explanations(6).unwrap(), &asked).unwrap());
    for (parts, baseline, value, error) in found.into_iter().map(Option::unwrap) {
        let sum = baseline + parts.iter().map(|(_, part)| part).sum::<f64>();
        assert!((sum - value).abs() < 1e-9 && error.abs() < 1e-9 && parts.len() == 6);
    }
    // One column is all there is that makes a difference.
    let transforms = [("ML_FEATURE_HASHER(city, shop, 8)", "hashed")];
    let mut model = binary(&[("city", Utf8), ("shop", Utf8)], &transforms, &[]);
    let rows = |shops: [Option<&'static str>; 2]| {
        let label = BooleanArray::from(vec![true, false]);
        let city = StringArray::from(vec![None::<&str>; 2]);
        batch(&[("city", column(city)), ("shop", column(StringArray::from(shops.to_vec()))), ("label", column(label))])
    };
    model.learn(&rows([Some("one"), Some("another")])).unwrap();
    let found = explanations(&model.explain(&model.explanations(2).unwrap(), &rows([Some("one"), None])).unwrap());
    let [Some((first, ..)), Some((second, ..))] = &found[..] else { panic!("{found:?}") };
    assert!(first[0].0 == "shop" && first[0].1 != 0.0 && first[1] == ("city".to_string(), 0.0), "{first:?}");
    assert!(second.iter().all(|(_, part)| *part == 0.0), "{second:?}");
}

#[test]
fn a_boosted_stump_is_explained_by_how_far_its_leaf_is_from_the_mean() {
    let options = [
        ("algorithm", "gradient_boosting"),
        ("rounds", "1"),
        ("learning_rate", "1"),
        ("max_leaves", "2"),
        ("min_samples_leaf", "1"),
        ("min_rows", "6"),
    ];
    let mut model =
        Model::new(spec(&[("x", Float64), ("z", Float64)], &[("y", Float64)], &[], &options).unwrap()).unwrap();
    let numbers = |values: [f64; 6]| column(Float64Array::from(values.to_vec()));
    let x = numbers([1.0, 2.0, 3.0, 10.0, 11.0, 12.0]);
    let z = numbers([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    let y = numbers([1.0, 2.0, 3.0, 21.0, 22.0, 23.0]);
    model.learn(&batch(&[("x", x.clone()), ("z", z.clone()), ("y", y)])).unwrap();
    let found = explanations(&model.explain(&model.explanations(1).unwrap(), &batch(&[("x", x), ("z", z)])).unwrap());
    for (row, explanation) in found.into_iter().enumerate() {
        let (parts, baseline, value, _) = explanation.unwrap();
        let expected = if row < 3 { -10.0 } else { 10.0 };
        assert!((baseline - 12.0).abs() < 1e-12 && (value - 12.0 - expected).abs() < 1e-12);
        assert!(parts.len() == 1 && parts[0].0 == "x" && (parts[0].1 - expected).abs() < 1e-12, "{parts:?}");
    }
}

#[test]
fn what_naive_bayes_adds_in_leaves_is_the_error() {
    let def = explained_learners().find(|def| def.name == "hoeffding_tree").unwrap();
    let options = [("algorithm", def.name), ("leaf_prediction", "naive_bayes")];
    let inputs = [("x", Float64), ("y", Float64), ("kind", Utf8)];
    let outputs = [("predicted", Boolean), ("probability", Float64)];
    let mut model = Model::new(spec(&inputs, &outputs, &[], &options).unwrap()).unwrap();
    model.learn(&rows(def, &Boolean, 1, 150)).unwrap();
    let asked = rows(def, &Boolean, 2, 50);
    let found = explanations(&model.explain(&model.explanations(3).unwrap(), &asked).unwrap());
    let said = bits(&model.predict(&asked).unwrap(), 1);
    for ((parts, baseline, value, error), said) in found.into_iter().map(Option::unwrap).zip(said) {
        // A tree that has not split yet: nothing is due to a feature, and all there is to say is the share of the class.
        assert!(parts.iter().all(|(_, part)| *part == 0.0));
        let said = f64::from_bits(said);
        assert_eq!((value, error), (said.max(1.0 - said), value - baseline));
        assert!(error != 0.0);
    }
}

#[test]
fn rows_without_a_prediction_have_no_explanation() {
    let spec = spec(&[("x", Float64)], &[("predicted", Utf8)], &[], &[]).unwrap();
    let model = Model::new(spec).unwrap();
    let asked = batch(&[("x", column(Float64Array::from(vec![1.0, 2.0])))]);
    let explained = model.explain(&model.explanations(5).unwrap(), &asked).unwrap();
    assert_eq!(explanations(&explained), [None, None]);
}

#[test]
fn what_cannot_be_explained_is_refused_by_name() {
    let spec = spec(&[("x", Float64)], &[("predicted", Boolean)], &[], &[("algorithm", "knn")]).unwrap();
    let error = Model::new(spec).unwrap().explanations(5).unwrap_err().to_string();
    assert!(error.starts_with("model 'm': predictions of algorithm 'knn' cannot be explained; those of these can: "));
    for name in ["logistic_regression", "linear_regression", "efdt", "fimt_dd", "gradient_boosting", "online_boosting"]
    {
        assert!(error.contains(name), "{error}");
    }
    assert!(!error.contains("kmeans") && !error.contains("mlp"), "{error}");
}
