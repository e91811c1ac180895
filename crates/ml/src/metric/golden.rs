//! Checks every measure against values of scikit-learn: see `tests/reference/metrics.py`, which made both files.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::*;
use crate::Task;

const ROWS: &str = include_str!("../../tests/reference/metrics_rows.csv");
const VALUES: &str = include_str!("../../tests/reference/metrics_values.csv");

#[derive(Debug, Clone)]
struct Columns {
    label: ArrayRef,
    predicted: ArrayRef,
    score: ArrayRef,
}

fn fields(line: &'static str) -> [&'static str; 5] {
    line.split(';').collect::<Vec<_>>().try_into().unwrap()
}

fn read(case: &str, kind: &str) -> Columns {
    let rows: Vec<_> = ROWS.lines().skip(1).map(fields).filter(|row| row[0] == case).collect();
    let texts = |place: usize| rows.iter().map(move |row| Some(row[place]).filter(|text| !text.is_empty()));
    let column = |place: usize| -> ArrayRef {
        match kind {
            "flag" => Arc::new(texts(place).map(|text| text.map(|t| t == "true")).collect::<BooleanArray>()),
            "integer" => Arc::new(texts(place).map(|text| text.map(|t| t.parse().unwrap())).collect::<Int64Array>()),
            "number" => Arc::new(texts(place).map(|text| text.map(|t| t.parse().unwrap())).collect::<Float64Array>()),
            _ => Arc::new(texts(place).collect::<StringArray>()),
        }
    };
    let score = Arc::new(texts(4).map(|text| text.map(|t| t.parse::<f64>().unwrap())).collect::<Float64Array>());
    Columns { label: column(2), predicted: column(3), score }
}

/// The same columns in every type that holds them.
fn encodings(columns: &Columns, kind: &str) -> Vec<Columns> {
    let dictionary = |key, value| DataType::Dictionary(Box::new(key), Box::new(value));
    let types = match kind {
        "integer" => {
            vec![DataType::Int64, DataType::Int8, DataType::Int32, dictionary(DataType::UInt8, DataType::Int16)]
        }
        "text" => vec![
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            dictionary(DataType::Int8, DataType::Utf8),
            dictionary(DataType::UInt32, DataType::LargeUtf8),
            dictionary(DataType::Int32, DataType::Utf8View),
        ],
        "flag" => vec![DataType::Boolean],
        _ => vec![DataType::Float64],
    };
    let to = |kind: &DataType| Columns {
        label: cast(&columns.label, kind).unwrap(),
        predicted: cast(&columns.predicted, kind).unwrap(),
        score: columns.score.clone(),
    };
    types.iter().map(to).collect()
}

fn parameters(text: &str) -> Vec<Expression> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_or_else(|_| Expression::Text(word.to_string()), Expression::Number)).collect()
}

fn measure(name: &str, parameter: &str, kind: &str, columns: &Columns) -> Option<f64> {
    let Columns { label, predicted, score } = columns;
    if let Some(metric) = find(name) {
        let second = if metric.arguments[1] == Argument::Score { score } else { predicted };
        let mut metric = (metric.make)(&parameters(parameter)).unwrap();
        metric.update(&[label.clone(), second.clone()]).unwrap();
        return metric.value();
    }
    if name.starts_with("EVALUATE") {
        let mut evaluation = Evaluation::new(if kind == "number" { Task::Regression } else { Task::Classification });
        evaluation.update(label, predicted, (name == "EVALUATE_P").then_some(score)).unwrap();
        let values = evaluation.values();
        // Without a row it is not known whether there is a probability.
        return values.iter().find(|(key, _)| *key == parameter).and_then(|(_, value)| *value);
    }
    if name == "CONFUSION" {
        let mut matrix = ConfusionMatrix::default();
        matrix.update(label, predicted).unwrap();
        let names: Vec<_> = matrix.classes().iter().map(ToString::to_string).collect();
        let (row, column) = parameter.split_once('|').unwrap();
        let place = |class: &str| names.iter().position(|name| name == class).unwrap();
        return Some(matrix.rows()[place(row)].counts[place(column)] as f64);
    }
    let mut scores = Scores::default();
    scores.update(label, score).unwrap();
    let point = roc_curve(&scores.rank(), None)[parameter.parse::<usize>().unwrap()];
    match name {
        "ROC_THRESHOLD" => Some(point.threshold),
        "ROC_RECALL" => point.recall,
        "ROC_FALSE_POSITIVE_RATE" => point.false_positive_rate,
        _ => panic!("no measure is called {name}"),
    }
}

#[test]
fn equals_scikit_learn() {
    let mut checked = 0;
    let mut current = (String::new(), Vec::new());
    for [case, kind, name, parameter, value] in VALUES.lines().skip(1).map(fields) {
        if current.0 != case {
            current = (case.to_string(), encodings(&read(case, kind), kind));
        }
        let expected: Option<f64> = (!value.is_empty()).then(|| value.parse().unwrap());
        for columns in &current.1 {
            let found = measure(name, parameter, kind, columns);
            let close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                (found, expected) => found == expected,
            };
            let types = columns.label.data_type();
            assert!(close, "{case}, {types}: {name}({parameter}) is {found:?}; scikit-learn says {expected:?}");
            checked += 1;
        }
    }
    assert!(checked > 1000, "{checked} values");
    let tested = |name: &str| VALUES.lines().any(|line| line.split(';').nth(2) == Some(name));
    // Distances have references of their own.
    let here = METRICS.iter().filter(|metric| DISTANCES.iter().all(|distance| distance.metric.name != metric.name));
    here.for_each(|metric| assert!(tested(metric.name), "{} has no reference value", metric.name));
}
