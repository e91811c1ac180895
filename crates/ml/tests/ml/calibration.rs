//! Models whose probabilities are calibrated, and those that balance their classes.

use arrow::array::{AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::metric::{ML_CALIBRATION_ERROR, ML_LOG_LOSS};
use tidegate_ml::{Model, Result};

use crate::declared::{Boolean, Float64, Utf8, batch, column, spec};

/// Four numbers that tell the same but for a little noise: naive Bayes takes them for four proofs.
fn echoes(count: usize, seed: u64, positive: f64) -> RecordBatch {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut numbers: Vec<Vec<f64>> = vec![Vec::new(); 4];
    let mut y = Vec::new();
    for _ in 0..count {
        let label = random.random::<f64>() < positive;
        // A sum of four is near to a normal distribution: then log odds are a straight line of the number.
        let shared: f64 = f64::from(u8::from(label)) + (0..4).map(|_| random.random_range(-1.0..1.0)).sum::<f64>();
        numbers.iter_mut().for_each(|column| column.push(shared + random.random_range(-0.2..0.2)));
        y.push(label);
    }
    let mut columns: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(numbers)
        .map(|(name, values)| (name, column(Float64Array::from(values))))
        .collect();
    columns.push(("y", column(BooleanArray::from(y))));
    batch(&columns)
}

fn model(options: &[(&str, &str)]) -> Result<Model> {
    let options: Vec<_> = [("task", "classification")].iter().chain(options).copied().collect();
    let inputs = [("a", Float64), ("b", Float64), ("c", Float64), ("d", Float64)];
    Model::new(spec(&inputs, &[("predicted", Boolean), ("p", Float64)], &[], &options)?)
}

fn bayes(options: &[(&str, &str)]) -> Model {
    model(&[&[("algorithm", "gaussian_nb"), ("classes", "false, true")], options].concat()).unwrap()
}

fn probabilities(batch: &RecordBatch) -> Vec<f64> {
    batch.column(1).as_primitive::<Float64Type>().values().to_vec()
}

/// Log loss and calibration error of the last half of the rows.
fn quality(rows: &RecordBatch, predicted: &RecordBatch) -> (f64, f64) {
    let half = rows.num_rows() / 2;
    let columns = [rows.column(4).slice(half, half), predicted.column(1).slice(half, half)];
    let [mut loss, mut error] = [&ML_LOG_LOSS, &ML_CALIBRATION_ERROR].map(|metric| (metric.make)(&[]).unwrap());
    loss.update(&columns).unwrap();
    error.update(&columns).unwrap();
    (loss.value().unwrap(), error.value().unwrap())
}

#[test]
fn what_is_too_sure_of_itself_becomes_honest() {
    let rows = echoes(20_000, 1, 0.4);
    let of = |method: &str| quality(&rows, &bayes(&[("calibration", method)]).learn_predict(&rows).unwrap());
    let (plain, platt, isotonic) = (of("none"), of("platt"), of("isotonic"));
    // The four echoes make log odds four times too large.
    assert!(plain.1 > 0.08, "{plain:?}");
    assert!(platt.1 < 0.02 && platt.0 < plain.0 - 0.1, "{plain:?} {platt:?}");
    assert!(isotonic.1 < 0.02 && isotonic.0 < plain.0 - 0.1, "{plain:?} {isotonic:?}");
}

#[test]
fn order_is_kept_and_so_is_what_the_learner_learns() {
    let rows = echoes(3_000, 2, 0.4);
    let (mut plain, mut platt) = (bayes(&[]), bayes(&[("calibration", "platt")]));
    plain.learn(&rows).unwrap();
    platt.learn(&rows).unwrap();
    let (plain, platt) = (probabilities(&plain.predict(&rows).unwrap()), probabilities(&platt.predict(&rows).unwrap()));
    let mut order: Vec<usize> = (0..plain.len()).collect();
    order.sort_by(|a, b| plain[*a].total_cmp(&plain[*b]));
    assert!(order.windows(2).all(|pair| platt[pair[0]] <= platt[pair[1]]));
}

#[test]
fn batches_and_snapshots_change_nothing() {
    let rows = echoes(4_000, 3, 0.2);
    for options in [
        &[("calibration", "platt")][..],
        &[("calibration", "isotonic"), ("balance", "weight")],
        &[("balance", "undersample")],
        &[("balance", "oversample"), ("calibration", "platt"), ("balance-seed", "7")],
    ] {
        let expected = probabilities(&bayes(options).learn_predict(&rows).unwrap());
        for size in [1, 7, 1024] {
            let mut parts = bayes(options);
            let (mut found, mut at) = (Vec::new(), 0);
            while at < rows.num_rows() {
                let len = size.min(rows.num_rows() - at);
                found.extend(probabilities(&parts.learn_predict(&rows.slice(at, len)).unwrap()));
                at += len;
                if at % 1_001 < size {
                    parts = Model::load(&parts.save()).unwrap();
                }
            }
            assert!(found == expected, "{options:?} in batches of {size}");
        }
        // To learn without being asked is to learn the same.
        let mut learned = bayes(options);
        learned.learn(&rows).unwrap();
        let mut asked = bayes(options);
        asked.learn_predict(&rows).unwrap();
        assert_eq!(learned.save(), asked.save(), "{options:?}");
    }
}

#[test]
fn several_classes_sum_to_one() {
    let rows = echoes(6_000, 4, 0.3);
    let names = rows.column(4).as_boolean().iter().enumerate().map(|(i, y)| match (y, i % 5) {
        (Some(true), _) => "yes",
        (_, 0) => "perhaps",
        _ => "no",
    });
    let labels = StringArray::from_iter_values(names);
    let mut columns: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(rows.columns().iter().cloned()).collect();
    columns.push(("y", column(labels)));
    let rows = batch(&columns);
    for method in ["platt", "isotonic"] {
        let inputs = [("a", Float64), ("b", Float64), ("c", Float64), ("d", Float64)];
        let options = [("task", "classification"), ("algorithm", "gaussian_nb"), ("calibration", method)];
        let outputs = [
            ("predicted", Utf8),
            ("p", tidegate_ml::OutputRole::Probabilities.data_type(tidegate_ml::LabelKind::Text)),
        ];
        let mut model = Model::new(spec(&inputs, &outputs, &[], &options).unwrap()).unwrap();
        model.learn(&rows).unwrap();
        let predicted = model.predict(&rows.slice(0, 200)).unwrap();
        let maps = predicted.column(1).as_map();
        for row in 0..200 {
            let entry = maps.value(row);
            let of_row = entry.column(1).as_primitive::<Float64Type>().values().to_vec();
            assert_eq!(of_row.len(), 3);
            assert!((of_row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{method}: {of_row:?}");
        }
    }
}

/// A positive of 4 %: what is balanced gives it an even chance before it has seen the row, and calibration takes that back.
#[test]
fn rare_classes_count_as_much_as_frequent_ones() {
    let rows = echoes(20_000, 5, 0.04);
    let logistic = |options: &[(&str, &str)]| {
        let common = [("algorithm", "logistic_regression"), ("classes", "false, true"), ("learning_rate", "0.02")];
        let mut model = model(&[&common[..], options].concat()).unwrap();
        let predicted = probabilities(&model.learn_predict(&rows).unwrap());
        predicted[10_000..].iter().sum::<f64>() / 10_000.0
    };
    let plain = logistic(&[]);
    assert!((plain - 0.04).abs() < 0.01, "{plain}");
    for mode in ["weight", "undersample", "oversample"] {
        let balanced = logistic(&[("balance", mode)]);
        assert!((0.2..0.6).contains(&balanced), "{mode}: {balanced}");
        let honest = logistic(&[("balance", mode), ("calibration", "platt")]);
        assert!((honest - 0.04).abs() < 0.01, "{mode}: {honest}");
    }
}

#[test]
fn the_threshold_decides_and_changes_no_probability() {
    let rows = echoes(2_000, 6, 0.4);
    let (mut half, mut tenth) = (bayes(&[]), bayes(&[("decision-threshold", "0.1")]));
    half.learn(&rows).unwrap();
    tenth.learn(&rows).unwrap();
    let (half, tenth) = (half.predict(&rows).unwrap(), tenth.predict(&rows).unwrap());
    assert_eq!(half.column(1), tenth.column(1));
    let expected: BooleanArray = probabilities(&half).iter().map(|p| Some(*p >= 0.1)).collect();
    assert_eq!(tenth.column(0).as_boolean(), &expected);
    assert_ne!(half.column(0), tenth.column(0));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let said = |outputs: &[(&str, arrow::datatypes::DataType)], options: &[(&str, &str)]| {
        Model::new(spec(&[("a", Float64)], outputs, &[], options).unwrap()).unwrap_err().to_string()
    };
    let number = [("predicted", Float64)];
    for option in [("calibration", "platt"), ("balance", "weight")] {
        let error = said(&number, &[("task", "regression"), ("algorithm", "linear_regression"), option]);
        assert!(error.contains(option.0) && error.contains("is for classification"), "{error}");
    }
    let texts = [("predicted", Utf8), ("p", Float64)];
    let error =
        said(&texts, &[("task", "classification"), ("algorithm", "gaussian_nb"), ("decision-threshold", "0.2")]);
    assert!(error.contains("needs two classes, declared"), "{error}");
    let error = model(&[("algorithm", "gaussian_nb"), ("calibration", "plat")]).unwrap_err().to_string();
    assert!(error.contains("did you mean 'platt'?") || error.contains("platt"), "{error}");
}
