//! Learners without labels: clusters, anomalies, changes.

use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::Model;
use tidegate_ml::drift::{self, Change};

use crate::declared::{Boolean, Float64, Int64, Utf8, batch, column, spec};

fn numbers(columns: &[(&str, Vec<f64>)]) -> RecordBatch {
    let columns: Vec<_> =
        columns.iter().map(|(name, values)| (*name, column(Float64Array::from(values.clone())))).collect();
    batch(&columns)
}

fn model(
    task: &str,
    inputs: &[&str],
    outputs: &[(&str, arrow::datatypes::DataType)],
    options: &[(&str, &str)],
) -> Model {
    let inputs: Vec<_> = inputs.iter().map(|name| (*name, Float64)).collect();
    let options: Vec<_> = [("task", task)].iter().chain(options).copied().collect();
    Model::new(spec(&inputs, outputs, &[], &options).unwrap()).unwrap()
}

fn kmeans(inputs: &[&str], options: &[(&str, &str)]) -> Model {
    let options: Vec<_> = [("algorithm", "kmeans")].iter().chain(options).copied().collect();
    model("clustering", inputs, &[("cluster", Int64), ("distance", Float64)], &options)
}

fn value(batch: &RecordBatch, place: usize, row: usize) -> f64 {
    batch.column(place).as_primitive::<Float64Type>().value(row)
}

/// The distance of a number from the only centre.
fn distance(model: &Model, x: f64) -> f64 {
    value(&model.predict(&numbers(&[("x", vec![x])])).unwrap(), 1, 0)
}

#[test]
fn one_centre_is_the_mean() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from(i * 37 % 101)).collect();
    let mean = values.iter().sum::<f64>() / 1000.0;
    for batch_size in ["1", "50"] {
        let mut model = kmeans(&["x"], &[("k", "1"), ("batch_size", batch_size)]);
        model.learn(&numbers(&[("x", values.clone())])).unwrap();
        assert!((distance(&model, 0.0) - mean).abs() < 1e-9, "{}", distance(&model, 0.0));
    }
}

#[test]
fn rows_fade_by_their_half_life() {
    // A hundred rows at 0 stand for 100, and of these a half is left after each ten rows at 1.
    let mut model = kmeans(&["x"], &[("k", "1"), ("half_life", "10"), ("init_rows", "100")]);
    model.learn(&numbers(&[("x", vec![0.0; 100])])).unwrap();
    model.learn(&numbers(&[("x", vec![1.0; 10])])).unwrap();
    let faded = 2f64.powf(-0.1);
    let ones: f64 = (0..10).map(|age| faded.powi(age)).sum();
    let expected = ones / (ones + 50.0);
    assert!((distance(&model, 0.0) - expected).abs() < 1e-12, "{}", distance(&model, 0.0));
}

#[test]
fn rows_that_lie_together_are_one_cluster() {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let middles = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0), (10.0, 10.0)];
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for row in 0..2000 {
        let (x, y) = middles[row % 4];
        xs.push(x + random.random_range(-1.0..1.0));
        ys.push(y + random.random_range(-1.0..1.0));
    }
    for options in [&[("k", "4")][..], &[("k", "4"), ("batch_size", "32")], &[("k", "4"), ("half_life", "200")]] {
        let mut model = kmeans(&["x", "y"], options);
        let told = model.learn_predict(&numbers(&[("x", xs.clone()), ("y", ys.clone())])).unwrap();
        let clusters = told.column(0).as_primitive::<Int64Type>();
        // None before there are centres.
        assert_eq!((clusters.null_count(), clusters.is_null(99), clusters.is_null(100)), (100, true, false));
        for row in 104..2000 {
            assert_eq!(clusters.value(row), clusters.value(row - 4), "row {row}, {options:?}");
            assert!(value(&told, 1, row) < 2.0);
        }
        let four: std::collections::BTreeSet<i64> = (100..104).map(|row| clusters.value(row)).collect();
        assert_eq!(four.len(), 4);
    }
}

#[test]
fn centres_follow_what_moves() {
    // Two crowds that go up, one of which vanishes half-way: with a half-life its centre is put to use.
    let xs: Vec<f64> =
        (0..20_000).map(|i| f64::from(i) * 1e-3 + if i % 2 == 0 || i > 10_000 { 0.0 } else { 100.0 }).collect();
    let last = xs[xs.len() - 1];
    let mut fading = kmeans(&["x"], &[("k", "2"), ("half_life", "100")]);
    fading.learn(&numbers(&[("x", xs.clone())])).unwrap();
    assert!(distance(&fading, last) < 0.3, "{}", distance(&fading, last));
    assert!(distance(&fading, 110.0) > 80.0, "{}", distance(&fading, 110.0));
    let mut lasting = kmeans(&["x"], &[("k", "2")]);
    lasting.learn(&numbers(&[("x", xs)])).unwrap();
    assert!(distance(&lasting, last) > 3.0 && distance(&lasting, 105.0) < 5.0);
}

#[test]
fn a_robust_score_is_that_of_its_formula() {
    let outputs = [("score", Float64), ("is_anomaly", Boolean)];
    let mut model = model("anomaly_detection", &["x"], &outputs, &[("algorithm", "robust_z_score"), ("min_rows", "5")]);
    let told = model.learn_predict(&numbers(&[("x", vec![1.0, 2.0, 3.0, 4.0, 100.0, 5.0, 3.0])])).unwrap();
    assert_eq!(told.column(0).null_count(), 5);
    // Of 1, 2, 3, 4, 100 the median is 3 and the median deviation 1; of 1, 2, 3, 4, 100, 5 they are 3.5 and 1.5.
    assert!((value(&told, 0, 5) - 0.6745 * 2.0).abs() < 1e-12);
    assert!((value(&told, 0, 6) - 0.6745 * 0.5 / 1.5).abs() < 1e-12);
    let far = model.predict(&numbers(&[("x", vec![4.0, 400.0])])).unwrap();
    let is_anomaly = far.column(1).as_boolean();
    assert!(!is_anomaly.value(0) && is_anomaly.value(1));
}

#[test]
fn values_that_are_mostly_the_same_are_scored_by_the_mean_deviation() {
    let outputs = [("score", Float64)];
    let mut model = model("anomaly_detection", &["x"], &outputs, &[("algorithm", "robust_z_score"), ("min_rows", "1")]);
    let score = |model: &Model, x| value(&model.predict(&numbers(&[("x", vec![x])])).unwrap(), 0, 0);
    model.learn(&numbers(&[("x", vec![7.0; 10])])).unwrap();
    assert_eq!((score(&model, 7.0), score(&model, 7.1)), (0.0, 1e9));
    model.learn(&numbers(&[("x", vec![9.0, 5.0])])).unwrap();
    // Deviations of 2 and 2 among twelve.
    assert!((score(&model, 8.0) - 1.0 / (1.253_314 * 4.0 / 12.0)).abs() < 1e-12);
}

#[test]
fn rows_in_empty_space_are_unusual() {
    let mut random = Pcg64Mcg::seed_from_u64(2);
    let outputs = [("score", Float64), ("is_anomaly", Boolean)];
    for options in [&[][..], &[("threshold", "0.5")]] {
        let options: Vec<_> = [("algorithm", "half_space_trees")].iter().chain(options).copied().collect();
        let mut model = model("anomaly_detection", &["x", "y"], &outputs, &options);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for row in 0..5000 {
            // A line, with a row far off it now and then.
            let at = random.random_range(0.0..1000.0);
            xs.push(at);
            ys.push(if row % 200 == 199 { 1e4 } else { 2.0 * at + random.random_range(-1.0..1.0) });
        }
        let told = model.learn_predict(&numbers(&[("x", xs), ("y", ys)])).unwrap();
        assert_eq!(told.column(0).null_count(), 250);
        let (mut found, mut wrongly) = (0, 0);
        for row in 1000..5000 {
            match (row % 200 == 199, told.column(1).as_boolean().value(row)) {
                (true, true) => found += 1,
                (false, true) => wrongly += 1,
                _ => {}
            }
        }
        assert!(found >= 18 && wrongly < 120, "{found} of 20, {wrongly} wrongly, {options:?}");
    }
}

#[test]
fn a_detector_answers_as_a_learner_as_it_does_alone() {
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let values: Vec<f64> =
        (0..3000).map(|row| f64::from(u8::from(random.random_bool(if row < 1500 { 0.1 } else { 0.6 })))).collect();
    for def in drift::DETECTORS {
        let outputs = [("changed", Boolean), ("warning", Boolean)];
        let mut model = model("change_detection", &["x"], &outputs, &[("algorithm", def.name)]);
        let options = tidegate_options::resolve(def.options, []).unwrap();
        let mut alone = (def.make)(&options).unwrap();
        let half = model.learn_predict(&numbers(&[("x", values[..1600].to_vec())])).unwrap();
        // Asked without being taken in, a value changes nothing.
        let asked = model.predict(&numbers(&[("x", values[1600..1610].to_vec())])).unwrap();
        let rest = model.learn_predict(&numbers(&[("x", values[1600..].to_vec())])).unwrap();
        assert_eq!(asked.slice(0, 1), rest.slice(0, 1));
        let (mut changes, mut row) = (0, 0);
        for part in [half, rest] {
            for i in 0..part.num_rows() {
                let change = alone.update(values[row]);
                let told = (part.column(0).as_boolean().value(i), part.column(1).as_boolean().value(i));
                assert_eq!(told, (change == Change::Drift, change != Change::None), "{} at {row}", def.name);
                changes += usize::from(told.0);
                row += 1;
            }
        }
        assert!(changes > 0, "{} tells of no change", def.name);
    }
}

#[test]
fn what_a_model_without_labels_does_not_take_is_refused() {
    let new = |inputs: &[(&str, arrow::datatypes::DataType)], outputs: &[(&str, _)], options: &[(&str, &str)]| {
        let spec = spec(inputs, outputs, &[], options);
        spec.and_then(Model::new).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let kmeans = [("task", "clustering"), ("algorithm", "kmeans")];
    let text = new(&[("x", Float64), ("shop", Utf8)], &[("cluster", Int64)], &kmeans);
    assert!(text.contains("'shop' is a text, and the algorithm takes numbers only"), "{text}");
    let output = new(&[("x", Float64)], &[("cluster", Float64)], &kmeans);
    assert!(output.contains("output 'cluster' has type Float64; OUTPUT takes the cluster (BIGINT)"), "{output}");
    let two = new(
        &[("x", Float64), ("y", Float64)],
        &[("changed", Boolean)],
        &[("task", "change_detection"), ("algorithm", "adwin")],
    );
    assert!(two.contains("changes are detected in one number, and there are 2"), "{two}");
    let wrong = new(&[("x", Float64)], &[("cluster", Int64)], &[("task", "clustering"), ("algorithm", "adwin")]);
    assert!(wrong.contains("algorithm 'adwin' does not do clustering; these do: kmeans"), "{wrong}");
    let classes = [("task", "clustering"), ("algorithm", "kmeans"), ("classes", "a, b")];
    assert!(new(&[("x", Float64)], &[("cluster", Int64)], &classes).contains("the task has no label"));
    // A label that is given all the same is one column too many, or a weight.
    let mut model = Model::new(spec(&[("x", Float64)], &[("cluster", Int64)], &[], &kmeans).unwrap()).unwrap();
    let three = numbers(&[("x", vec![1.0]), ("label", vec![1.0]), ("weight", vec![1.0])]);
    assert!(
        model
            .learn(&three)
            .unwrap_err()
            .to_string()
            .contains("takes 1 input columns, and to learn then if wanted a row weight")
    );
}
