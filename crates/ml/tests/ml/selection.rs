//! Models that choose their features.

use arrow::array::{AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::prequential::Prequential;
use tidegate_ml::replicas::Replicas;
use tidegate_ml::spread::InTurn;
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::{Model, Result};

use crate::declared::{Boolean, Float64, Utf8, batch, column, spec};

const COLUMNS: usize = 12;

fn names() -> Vec<String> {
    (0..COLUMNS).map(|i| format!("x{i}")).collect()
}

/// Rows of twelve numbers, a text and a class. Columns `matter` and `matter + 4` make the class, with the text "c".
fn rows(count: usize, seed: u64, matter: usize) -> RecordBatch {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let numbers: Vec<Vec<f64>> =
        (0..COLUMNS).map(|_| (0..count).map(|_| random.random_range(-1.0..1.0)).collect()).collect();
    let texts: Vec<&str> = (0..count).map(|_| ["a", "b", "c", "d"][random.random_range(0..4)]).collect();
    let label: Vec<bool> = (0..count)
        .map(|i| {
            let of_text = if texts[i] == "c" { 1.0 } else { 0.0 };
            numbers[matter][i] - numbers[matter + 4][i] + of_text + random.random_range(-0.3..0.3) > 0.2
        })
        .collect();
    let names = names();
    let mut columns: Vec<_> =
        names.iter().zip(numbers).map(|(name, own)| (name.as_str(), column(Float64Array::from(own)))).collect();
    columns.push(("text", column(StringArray::from(texts))));
    columns.push(("label", column(BooleanArray::from(label))));
    batch(&columns)
}

/// The same without the columns that are not named.
fn only(rows: &RecordBatch, wanted: &[&str]) -> RecordBatch {
    let schema = rows.schema();
    let places: Vec<usize> = wanted.iter().map(|name| schema.index_of(name).unwrap()).collect();
    rows.project(&places).unwrap()
}

fn model(inputs: &[(&str, DataType)], options: &[(&str, &str)]) -> Result<Model> {
    Model::new(spec(inputs, &[("predicted", Boolean), ("p", Float64)], &[], options)?)
}

fn of_all(options: &[(&str, &str)]) -> Model {
    let names = names();
    let mut inputs: Vec<_> = names.iter().map(|name| (name.as_str(), Float64)).collect();
    inputs.push(("text", Utf8));
    model(&inputs, options).unwrap()
}

fn probabilities(batch: &RecordBatch) -> Vec<f64> {
    batch.column(1).as_primitive::<Float64Type>().values().to_vec()
}

fn chosen(model: &Model) -> Vec<String> {
    let features = model.chosen_features().unwrap_or_default();
    let mut names: Vec<String> = features
        .into_iter()
        .map(|feature| match feature.category {
            Some(category) => format!("{}={category}", feature.processed_input),
            None => feature.processed_input,
        })
        .collect();
    names.sort();
    names
}

/// Once features are chosen the model is, bit for bit, one that was declared with those alone and has learned the same rows.
#[test]
fn after_the_choice_it_is_a_model_of_the_features_chosen() {
    let rows = rows(4_000, 1, 2);
    for (algorithm, select) in
        [("logistic_regression", "anova_f"), ("hoeffding_tree", "mutual_info"), ("gaussian_nb", "l1")]
    {
        let numbers: Vec<String> = names();
        let inputs: Vec<_> = numbers.iter().map(|name| (name.as_str(), Float64)).collect();
        let all: Vec<&str> = numbers.iter().map(String::as_str).chain(["label"]).collect();
        let wide = only(&rows, &all);
        let given = [("algorithm", algorithm), ("select", select), ("select.k", "2"), ("select.after", "700")];
        let mut selecting = model(&inputs, &given).unwrap();
        let found = probabilities(&selecting.learn_predict(&wide).unwrap());
        assert_eq!(chosen(&selecting), ["x2", "x6"], "{algorithm}");

        let narrow = only(&rows, &["x2", "x6", "label"]);
        let mut alone = model(&[("x2", Float64), ("x6", Float64)], &given[..1]).unwrap();
        alone.learn(&narrow.slice(0, 700)).unwrap();
        let expected = probabilities(&alone.learn_predict(&narrow.slice(700, 3_300)).unwrap());
        assert_eq!(found[700..], expected[..], "{algorithm}");

        // Before the choice a learner of all features predicts.
        let mut of_all = model(&inputs, &given[..1]).unwrap();
        assert_eq!(found[..700], probabilities(&of_all.learn_predict(&wide.slice(0, 700)).unwrap())[..], "{algorithm}");
        let weights = selecting.describe().weights;
        let not_zero = weights.iter().filter(|row| row.weight != 0.0 && row.processed_input.starts_with('x')).count();
        assert_eq!(not_zero, if algorithm == "logistic_regression" { 2 } else { 0 });
    }
}

#[test]
fn batches_and_snapshots_change_nothing() {
    let rows = rows(2_500, 3, 0);
    for options in [
        vec![("select", "mutual_info"), ("select.k", "3")],
        vec![("select", "chi_square"), ("algorithm", "hoeffding_tree"), ("select.k", "4")],
        vec![("select", "anova_f"), ("select.k", "3"), ("learning_rate", "choice(0.01, 0.1)")],
    ] {
        let mut whole = of_all(&options);
        let expected = probabilities(&whole.learn_predict(&rows).unwrap());
        for size in [1, 7, 600] {
            let mut parts = of_all(&options);
            let (mut found, mut at) = (Vec::new(), 0);
            while at < rows.num_rows() {
                let len = size.min(rows.num_rows() - at);
                found.extend(probabilities(&parts.learn_predict(&rows.slice(at, len)).unwrap()));
                at += len;
                if at % 401 < size && (size > 1 || at % 401 == 0) {
                    parts = Model::load(&parts.save()).unwrap();
                }
            }
            assert_eq!(found, expected, "batches of {size}");
            assert_eq!(parts.save(), whole.save());
            assert_eq!(chosen(&parts), chosen(&whole));
        }
        assert!(whole.chosen_features().is_some());
    }
}

/// Categories: one-hot ones are chosen one by one, as they are a column.
#[test]
fn categories_are_chosen_too() {
    let rows = rows(3_000, 4, 1);
    let mut one_hot = of_all(&[("select", "anova_f"), ("select.k", "3")]);
    one_hot.learn_predict(&rows).unwrap();
    assert_eq!(chosen(&one_hot), ["text=c", "x1", "x5"]);
    let mut tree = of_all(&[("select", "mutual_info"), ("select.k", "3"), ("algorithm", "hoeffding_tree")]);
    tree.learn_predict(&rows).unwrap();
    assert_eq!(chosen(&tree), ["text", "x1", "x5"]);
    let weights = one_hot.describe().weights;
    let of_text: Vec<_> = weights.iter().filter(|row| row.processed_input == "text").collect();
    assert!(of_text.iter().all(|row| row.category.as_deref() == Some("c")) && of_text.len() == 1, "{of_text:?}");
}

fn pass(training: &mut dyn Training, rows: &RecordBatch) {
    let arrivals = Arrivals { batch: rows, event_time: &[], label_time: None, delay: 0, shards: None };
    training.process(&arrivals, &InTurn).unwrap();
}

/// Over history all rows are scored first; then the model begins anew with the features chosen.
#[test]
fn history_is_gone_over_first() {
    let rows = rows(3_000, 5, 3);
    // What matters early does not matter in the end.
    let early = self::rows(1_200, 6, 0);
    let all = arrow::compute::concat_batches(&rows.schema(), [&early, &rows]).unwrap();
    let mut training = Prequential::new(of_all(&[("select", "anova_f"), ("select.k", "3"), ("select.after", "1000")]));
    training.begin_history();
    assert!(training.model().needs_history());
    training.predict_nothing();
    pass(&mut training, &all);
    assert!(Training::end_pass(&mut training).unwrap());
    assert_eq!(training.model().rows_learned(), 0);
    pass(&mut training, &all);
    assert!(!Training::end_pass(&mut training).unwrap());
    let model = training.model();
    assert_eq!((model.rows_learned(), chosen(model)), (4_200, vec!["text=c".into(), "x3".into(), "x7".into()]));
    // The rows of a stream would have been judged by their beginning.
    let mut stream = of_all(&[("select", "anova_f"), ("select.k", "3"), ("select.after", "1000")]);
    stream.learn(&all).unwrap();
    assert_eq!(chosen(&stream), ["text=c", "x0", "x4"]);
    // It is the model of these features.
    let mut alone = model_of(&["x3", "x7"]);
    alone.learn(&only(&all, &["x3", "x7", "label"])).unwrap();
    let mut numbers = Prequential::new(numbers_only(&[("select", "anova_f"), ("select.k", "2")]));
    numbers.begin_history();
    let all_numbers = without_text(&all);
    pass(&mut numbers, &all_numbers);
    assert!(Training::end_pass(&mut numbers).unwrap());
    pass(&mut numbers, &all_numbers);
    let found = probabilities(&numbers.model().predict(&all_numbers).unwrap());
    assert_eq!(found, probabilities(&alone.predict(&only(&all, &["x3", "x7", "label"])).unwrap()));
}

fn model_of(inputs: &[&str]) -> Model {
    let inputs: Vec<_> = inputs.iter().map(|name| (*name, Float64)).collect();
    model(&inputs, &[]).unwrap()
}

fn numbers_only(options: &[(&str, &str)]) -> Model {
    let names = names();
    let inputs: Vec<_> = names.iter().map(|name| (name.as_str(), Float64)).collect();
    model(&inputs, options).unwrap()
}

fn without_text(rows: &RecordBatch) -> RecordBatch {
    let names = names();
    only(rows, &names.iter().map(String::as_str).chain(["label"]).collect::<Vec<_>>())
}

/// Classes that are met, not declared, are met again in the pass that learns.
#[test]
fn history_with_classes_that_are_met() {
    let x: Vec<f64> = (0..3_000).map(|row| f64::from(row * 37 % 101) / 50.0 - 1.0).collect();
    let noise: Vec<f64> = (0..3_000).map(|row| f64::from(row * 53 % 89)).collect();
    let label = StringArray::from_iter_values(x.iter().map(|x| ["low", "middle", "high"][((x + 1.0) * 1.4) as usize]));
    let all = batch(&[
        ("noise", column(Float64Array::from(noise))),
        ("x", column(Float64Array::from(x))),
        ("label", column(label)),
    ]);
    for algorithm in ["logistic_regression", "hoeffding_tree", "choice(logistic_regression, hoeffding_tree)"] {
        let options = [("algorithm", algorithm), ("select", "mutual_info"), ("select.k", "1")];
        let spec = spec(&[("noise", Float64), ("x", Float64)], &[("predicted", Utf8)], &[], &options).unwrap();
        let mut training = Prequential::new(Model::new(spec).unwrap());
        training.begin_history();
        pass(&mut training, &all);
        while Training::end_pass(&mut training).unwrap() {
            pass(&mut training, &all);
        }
        let model = training.model();
        assert_eq!((chosen(model), model.classes().len()), (vec!["x".to_string()], 3));
        let predicted = model.predict(&all).unwrap();
        let hits = predicted.column(0).as_string::<i32>().iter().zip(all.column(2).as_string::<i32>());
        assert!(hits.filter(|(a, b)| a == b).count() > 2_000, "{algorithm}");
        assert_eq!(Model::load(&model.save()).unwrap().save(), model.save());
    }
}

#[test]
fn the_choice_is_looked_at_again_when_training_goes_on() {
    let (first, second) = (rows(2_000, 7, 0), rows(3_000, 8, 3));
    let options = [("select", "anova_f"), ("select.k", "3")];
    let mut model = of_all(&options);
    model.learn(&first).unwrap();
    assert_eq!(chosen(&model), ["text=c", "x0", "x4"]);
    // On its own it stays.
    model.learn(&second).unwrap();
    assert_eq!(chosen(&model), ["text=c", "x0", "x4"]);
    let mut again = Model::load(&model.save()).unwrap();
    again.go_on().unwrap();
    let before = probabilities(&again.predict(&second).unwrap());
    assert_eq!(before, probabilities(&model.predict(&second).unwrap()));
    again.learn(&second.slice(0, 999)).unwrap();
    assert_eq!(chosen(&again), ["text=c", "x0", "x4"]);
    again = Model::load(&again.save()).unwrap();
    again.learn(&second.slice(999, 1)).unwrap();
    assert_eq!(chosen(&again), ["text=c", "x3", "x7"]);
    // If nothing better comes, the learner goes on as it is.
    let third = rows(1_500, 9, 0);
    let (mut plain, mut same) = (of_all(&options), of_all(&options));
    for model in [&mut plain, &mut same] {
        model.learn(&first).unwrap();
    }
    same.go_on().unwrap();
    let expected = probabilities(&plain.learn_predict(&third).unwrap());
    assert_eq!(probabilities(&same.learn_predict(&third).unwrap()), expected);
}

#[test]
fn a_search_is_made_over_the_features_chosen() {
    let rows = without_text(&rows(3_000, 10, 2));
    let search = [("learning_rate", "choice(0.001, 0.1)"), ("tune.strategy", "random")];
    let select = [("select", "anova_f"), ("select.k", "2")];
    let mut both = numbers_only(&[&search[..], &select[..]].concat());
    both.learn_predict(&rows).unwrap();
    let names = names();
    let narrow = only(&rows, &["x2", "x6", "label"]);
    let inputs: Vec<_> = names.iter().filter(|name| ["x2", "x6"].contains(&name.as_str())).collect();
    let inputs: Vec<_> = inputs.into_iter().map(|name| (name.as_str(), Float64)).collect();
    let mut tuned = model(&inputs, &search).unwrap();
    tuned.learn_predict(&narrow).unwrap();
    assert_eq!(both.trials(), tuned.trials());
    assert_eq!(chosen(&both), ["x2", "x6"]);
}

#[test]
fn models_of_the_same_features_merge() {
    let (a, b) = (without_text(&rows(2_000, 11, 0)), without_text(&rows(2_000, 12, 0)));
    let options = [("select", "anova_f"), ("select.k", "2")];
    let (mut first, mut second) = (numbers_only(&options), numbers_only(&options));
    first.learn(&a).unwrap();
    second.learn(&b).unwrap();
    let (mut narrow_first, mut narrow_second) = (model_of(&["x0", "x4"]), model_of(&["x0", "x4"]));
    narrow_first.learn(&only(&a, &["x0", "x4", "label"])).unwrap();
    narrow_second.learn(&only(&b, &["x0", "x4", "label"])).unwrap();
    first.merge(&[&second]).unwrap();
    narrow_first.merge(&[&narrow_second]).unwrap();
    let expected = probabilities(&narrow_first.predict(&only(&a, &["x0", "x4"])).unwrap());
    assert_eq!(probabilities(&first.predict(&a).unwrap()), expected);
    let mut other = numbers_only(&options);
    other.learn(&without_text(&rows(2_000, 13, 2))).unwrap();
    let error = first.merge(&[&other]).unwrap_err().to_string();
    assert!(error.contains("chosen different features"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |options: &[(&str, &str)]| {
        let names = names();
        let mut inputs: Vec<_> = names.iter().map(|name| (name.as_str(), Float64)).collect();
        inputs.push(("text", Utf8));
        model(&inputs, options).unwrap_err().to_string()
    };
    let told = [
        (refused(&[("select", "mutual_inf")]), "did you mean 'mutual_info'"),
        (refused(&[("select", "f_regression")]), "by a label that is a class; these do: anova_f, chi_square, l1"),
        (refused(&[("select", "l1")]), "'text' is encoded"),
        (refused(&[("select", "anova_f"), ("algorithm", "hoeffding_tree")]), "'text' is a category"),
        (refused(&[("select.k", "3")]), "but not 'select'"),
        (refused(&[("select", "anova_f"), ("select.k", "0")]), "select.k"),
        (refused(&[("selct", "anova_f")]), "did you mean 'select'"),
    ];
    for (error, part) in told {
        assert!(error.contains(part), "{error}");
    }
    let error = Replicas::new(of_all(&[("select", "anova_f")]), 2, 1000).unwrap_err().to_string();
    assert!(error.contains("training.parallelism"), "{error}");
    let spec = spec(
        &[("x", Float64)],
        &[("changed", Boolean)],
        &[],
        &[("task", "change_detection"), ("algorithm", "adwin"), ("select", "variance")],
    );
    assert!(Model::new(spec.unwrap()).unwrap_err().to_string().contains("nothing to 'select'"));
}
