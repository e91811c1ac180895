//! Bad rows and bad calls.

use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};
use tidegate_ml::{Error, Model};

use crate::declared::everything::{INPUTS, TRANSFORMS, rows};
use crate::declared::{Boolean, Float64, Int64, Utf8, batch, binary, column, spec};

#[test]
fn a_bad_row_changes_nothing() {
    let transforms = [("ML_ONE_HOT_ENCODER(s) OVER ()", "s"), ("ML_STANDARD_SCALER(x) OVER ()", "x")];
    let mut model = binary(&[("x", Float64), ("s", Utf8)], &transforms, &[]);
    let rows = |x: Vec<Option<f64>>, label: Vec<Option<bool>>| {
        batch(&[
            ("x", column(Float64Array::from(x))),
            ("s", column(StringArray::from(vec!["a", "b", "c"]))),
            ("bought", column(BooleanArray::from(label))),
        ])
    };
    model.learn(&rows(vec![Some(1.0); 3], vec![Some(true), None, Some(false)])).unwrap();
    let before = model.save();
    let bad = rows(vec![Some(1.0), None, Some(f64::INFINITY)], vec![Some(true); 3]);
    for error in
        [model.learn(&bad).unwrap_err(), model.learn_predict(&bad).unwrap_err(), model.predict(&bad).unwrap_err()]
    {
        assert_eq!(
            error.to_string(),
            "row 1, column 'x': is NULL; expected a number: wrap it in ML_IMPUTER, or filter such rows"
        );
        assert!(matches!(error, Error::Data(_)));
    }
    assert!(model.save() == before);
    let faults: Vec<String> = model.check(&bad).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(faults[1..], ["row 2, column 'x': is infinite; expected a finite number"]);
    assert_eq!(faults.len(), 2);
}

#[test]
fn rows_are_checked_once_each_leftmost_column_first() {
    let mut model = binary(&[("x", Float64), ("y", Float64)], &[], &[]);
    let bad = batch(&[
        ("x", column(Float64Array::from(vec![Some(0.0), None, Some(1e200), Some(1.0)]))),
        ("y", column(Float64Array::from(vec![Some(f64::NAN), None, Some(0.0), Some(1.0)]))),
        ("label", column(BooleanArray::from(vec![Some(true), Some(true), None, Some(true)]))),
        ("weight", column(Float64Array::from(vec![Some(1.0), None, Some(1.0), Some(-1.0)]))),
    ]);
    let said: Vec<String> = model.check(&bad).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "row 0, column 'y': is NaN; expected a number: wrap it in ML_IMPUTER, or filter such rows",
            "row 1, column 'x': is NULL; expected a number: wrap it in ML_IMPUTER, or filter such rows",
            "row 2, column 'x': 1e200 is too large; expected a magnitude of at most 1e100",
            "row 3, column 'weight': is -1; expected a row weight of at least 0",
        ]
    );
    assert!(model.learn(&bad).unwrap_err().to_string().starts_with("row 0, column 'y'"));
}

#[test]
fn labels_outside_the_classes_are_faults() {
    let inputs = [("x", Float64)];
    let x = || column(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let outputs = [("class", Utf8)];
    let mut declared = Model::new(spec(&inputs, &outputs, &[], &[("classes", "red, green, blue")]).unwrap()).unwrap();
    let rows = batch(&[("x", x()), ("colour", column(StringArray::from(vec![Some("red"), Some("gren"), None])))]);
    let before = declared.save();
    assert_eq!(
        declared.learn(&rows).unwrap_err().to_string(),
        "row 1, column 'colour': 'gren' is none of the classes red, green, blue; did you mean 'green'?"
    );
    assert!(declared.save() == before);

    let mut met = Model::new(spec(&inputs, &[("class", Int64)], &[], &[("max-classes", "2")]).unwrap()).unwrap();
    let rows = batch(&[("x", x()), ("y", column(Int64Array::from(vec![4, 5, 6])))]);
    assert_eq!(
        met.learn(&rows).unwrap_err().to_string(),
        "row 2, column 'y': class '6' is one too many; 'max-classes' is 2"
    );
    // Nothing was learned from that batch, so other classes still have room.
    let rows = batch(&[("x", x()), ("y", column(Int64Array::from(vec![8, 9, 8])))]);
    assert_eq!(met.learn(&rows).unwrap().learned, 3);
    assert_eq!(met.classes(), ["8", "9"]);

    let mut number = Model::new(spec(&inputs, &[("y", Float64)], &[], &[]).unwrap()).unwrap();
    let rows = batch(&[("x", x()), ("y", column(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN)])))]);
    assert_eq!(
        number.learn(&rows).unwrap_err().to_string(),
        "row 2, column 'y': is NaN; expected a label of at most 1e100, or NULL"
    );
}

#[test]
fn wrong_batches_are_refused() {
    let mut model = binary(&[("x", Float64)], &[], &[]);
    let x = || column(Float64Array::from(vec![1.0]));
    assert_eq!(
        model.learn(&batch(&[("x", x())])).unwrap_err().to_string(),
        "the batch has 1 columns; model 'm' takes 1 input columns, and to learn then the label, then if wanted a row weight"
    );
    let text = batch(&[("x", column(StringArray::from(vec!["1"]))), ("y", x())]);
    assert_eq!(model.learn(&text).unwrap_err().to_string(), "column 'x' has type Utf8; the model expects a number");
    let label = batch(&[("x", x()), ("y", x())]);
    assert_eq!(
        model.learn(&label).unwrap_err().to_string(),
        "label 'y' has type Float64; the model's output makes it BOOLEAN"
    );
    let weight = batch(&[
        ("x", x()),
        ("y", column(BooleanArray::from(vec![true]))),
        ("w", column(StringArray::from(vec!["1"]))),
    ]);
    assert_eq!(model.learn(&weight).unwrap_err().to_string(), "row weight 'w' has type Utf8; expected a number");
}

#[test]
fn wrong_declarations_are_refused() {
    let inputs = [("x", Float64)];
    let said = |outputs: &[(&str, arrow::datatypes::DataType)], options: &[(&str, &str)]| {
        Model::new(spec(&inputs, outputs, &[], options).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        said(&[("c", Boolean)], &[("algorithm", "logistic_regresion")]),
        "model 'm': unknown algorithm 'logistic_regresion'; did you mean 'logistic_regression'?"
    );
    let wrong_task = said(&[("c", Boolean)], &[("algorithm", "linear_regression")]);
    assert!(
        wrong_task.starts_with(
            "model 'm': algorithm 'linear_regression' does not do classification; these do: logistic_regression"
        ),
        "{wrong_task}"
    );
    assert_eq!(
        said(&[("c", Boolean)], &[("task", "regression")]),
        "model 'm': option 'task' is 'regression', but its OUTPUT is that of classification"
    );
    assert_eq!(
        said(&[("c", Boolean)], &[("learning_rat", "1")]),
        "unknown option 'learning_rat'; did you mean 'learning_rate'?"
    );
    assert_eq!(said(&[("c", Utf8)], &[("classes", "a")]), "option 'classes': found 1 classes; expected at least two");
    assert_eq!(said(&[("c", Utf8)], &[("classes", "a,b,a")]), "option 'classes': 'a' stands twice");
    assert_eq!(
        said(&[("c", Int64)], &[("classes", "1,x")]),
        "option 'classes': 'x' is not a whole number, as the label is"
    );
    assert_eq!(
        said(&[("y", Float64)], &[("classes", "1,2")]),
        "option 'classes': the label is a number, which has no classes"
    );
}

#[test]
fn inputs_that_nothing_reads_may_hold_anything() {
    let mut model = binary(&[("x", Float64), ("unused", Float64)], &[("x", "x")], &[]);
    let rows = batch(&[
        ("x", column(Float64Array::from(vec![1.0, 2.0]))),
        ("unused", column(Float64Array::from(vec![None, Some(f64::INFINITY)]))),
        ("label", column(BooleanArray::from(vec![true, false]))),
    ]);
    assert_eq!(model.learn(&rows).unwrap().learned, 2);
}

#[test]
fn the_description_tells_options_features_and_weights() {
    let mut model = binary(&INPUTS, &TRANSFORMS, &[("learning_rate", "0.5")]);
    model.learn(&rows(0, 50, 13)).unwrap();
    let told = model.describe();
    assert_eq!((told.algorithm.as_str(), told.rows_learned), ("logistic_regression", 46));
    assert_eq!(told.classes, ["false", "true"]);
    let option = |name: &str| told.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((option("learning_rate"), option("max-classes"), option("classes")), (Some("0.5"), Some("1000"), None));
    assert_eq!(told.dense_features, 17);
    let named = |input: &str, category: Option<&str>| {
        told.weights.iter().filter(|row| row.processed_input == input && row.category.as_deref() == category).count()
    };
    assert_eq!(
        (named("a", None), named("product_5", None), named("unit_2", None), named("__INTERCEPT__", None)),
        (1, 1, 1, 1)
    );
    assert_eq!(named("city", Some("t0")), 1);
    assert!(told.state_bytes > 0 && told.sparse_features > 64);
}

#[test]
fn models_may_go_to_other_threads() {
    fn may<T: Send + Sync>() {}
    may::<Model>();
    may::<tidegate_ml::prequential::Prequential>();
}
