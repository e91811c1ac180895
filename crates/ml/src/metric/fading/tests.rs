//! Fading metrics against weighted sums written out in Python (`tests/reference/fading.py`), and their laws.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use proptest::prelude::*;

use super::super::{Argument, Metric, MetricDef, find};
use super::*;

const ROWS: &str = include_str!("../../../tests/reference/metrics_rows.csv");
const VALUES: &str = include_str!("../../../tests/reference/fading_values.csv");

fn fields(line: &'static str) -> [&'static str; 5] {
    line.split(';').collect::<Vec<_>>().try_into().unwrap()
}

/// Label, prediction and score of a case.
fn columns(case: &str, kind: &str) -> [ArrayRef; 3] {
    let rows: Vec<_> = ROWS.lines().skip(1).map(fields).filter(|row| row[0] == case).collect();
    let texts = |place: usize| rows.iter().map(move |row| Some(row[place]).filter(|text| !text.is_empty()));
    let numbers = |place: usize| -> ArrayRef {
        Arc::new(texts(place).map(|text| text.map(|t| t.parse::<f64>().unwrap())).collect::<Float64Array>())
    };
    let column = |place: usize| -> ArrayRef {
        match kind {
            "flag" => Arc::new(texts(place).map(|text| text.map(|t| t == "true")).collect::<BooleanArray>()),
            "integer" => Arc::new(texts(place).map(|text| text.map(|t| t.parse().unwrap())).collect::<Int64Array>()),
            "number" => numbers(place),
            _ => Arc::new(texts(place).collect::<StringArray>()),
        }
    };
    [column(2), column(3), numbers(4)]
}

#[test]
fn equals_weighted_sums() {
    let mut tested: Vec<&str> = Vec::new();
    for [case, kind, name, parameters, value] in VALUES.lines().skip(1).map(fields) {
        let metric = find(name).unwrap();
        let given: Vec<Expression> = parameters
            .split(' ')
            .map(|word| word.parse().map_or_else(|_| Expression::Text(word.to_string()), Expression::Number))
            .collect();
        let [label, predicted, score] = columns(case, kind);
        let second = if metric.arguments[1] == Argument::Score { score } else { predicted };
        let mut taken = (metric.make)(&given).unwrap();
        taken.update(&[label, second]).unwrap();
        let expected: Option<f64> = (!value.is_empty()).then(|| value.parse().unwrap());
        let close = match (taken.value(), expected) {
            (Some(found), Some(expected)) => (found - expected).abs() <= 1e-11 * expected.abs().max(1.0),
            (found, expected) => found == expected,
        };
        assert!(close, "{case}: {name}({parameters}) is {:?}; expected {expected:?}", taken.value());
        tested.push(metric.name);
    }
    FADING_METRICS.iter().for_each(|metric| assert!(tested.contains(&metric.name), "{} is not tested", metric.name));
    assert!(tested.len() > 200, "{} values", tested.len());
}

/// Rows that all weigh the same are those of the metric itself.
#[test]
fn a_factor_of_one_fades_nothing() {
    let [label, predicted, score] = columns("two classes", "flag");
    for metric in FADING_METRICS.iter().filter(|metric| metric.arguments[0] != Argument::Number) {
        let beta: &[Expression] = if metric.name.ends_with("FBETA") { &[Expression::Number(2.0)] } else { &[] };
        let plain = find(&metric.name.replace("FADING_", "")).unwrap();
        let second = if metric.arguments[1] == Argument::Score { &score } else { &predicted };
        let rows = [label.clone(), second.clone()];
        let mut fading = (metric.make)(&[&[Expression::Number(1.0)], beta].concat()).unwrap();
        let mut all = (plain.make)(beta).unwrap();
        fading.update(&rows).unwrap();
        all.update(&rows).unwrap();
        let (fading, all) = (fading.value().unwrap(), all.value().unwrap());
        assert!((fading - all).abs() < 1e-12, "{}: {fading}, {all}", metric.name);
    }
}

#[test]
fn the_factor_must_be_one() {
    let refused = |given: &[Expression]| (ML_FADING_MAE.make)(given).unwrap_err().to_string();
    for wrong in [0.0, -0.5, 1.5, f64::NAN] {
        assert!(refused(&[Expression::Number(wrong)]).contains("expected a number above 0 and up to 1"));
    }
    assert!(refused(&[]).contains("parameter 'factor' is missing"));
    assert!(refused(&[Expression::Number(0.9), Expression::Number(1.0)]).contains("an argument too many"));
}

#[test]
fn every_metric_fades_or_says_why_not() {
    for metric in METRICS {
        let name = metric.name.replacen("ML_", PREFIX, 1);
        assert!(find(&name).is_some() != why_not_fading(&name).is_some(), "{name}");
    }
    assert!(why_not_fading("ml_fading_pr_auc").unwrap().contains("ML_PR_AUC OVER"));
    assert!(FADING_METRICS.is_sorted_by(|a, b| a.name < b.name));
}

/// A metric, its parameters, and columns for it with NULLs.
fn calls() -> impl Strategy<Value = (&'static MetricDef, Vec<Expression>, Vec<ArrayRef>)> {
    let row = (prop::option::weighted(0.9, 0i64..4), prop::option::weighted(0.9, 0i64..4), 0.0..1.0f64);
    let factor = prop::sample::select(vec![0.5, 0.9, 0.99, 1.0]);
    let rows = prop::collection::vec(row, 0..60);
    (prop::sample::select(FADING_METRICS.to_vec()), factor, rows).prop_map(|(metric, factor, rows)| {
        let mut given = vec![Expression::Number(factor)];
        if metric.name.ends_with("FBETA") {
            given.push(Expression::Number(0.5));
        }
        let first = rows.iter().map(|row| row.0);
        let second = rows.iter().map(|row| row.1);
        let columns: Vec<ArrayRef> = match metric.arguments {
            [Argument::Class, _] => {
                vec![Arc::new(first.collect::<Int64Array>()), Arc::new(second.collect::<Int64Array>())]
            }
            [Argument::Binary, _] => vec![
                Arc::new(first.map(|class| class.map(|class| class > 1)).collect::<BooleanArray>()),
                Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>()),
            ],
            _ => vec![
                Arc::new(first.map(|x| x.map(|x| x as f64)).collect::<Float64Array>()),
                Arc::new(rows.iter().map(|row| row.1.map(|x| x as f64 + row.2)).collect::<Float64Array>()),
            ],
        };
        (metric, given, columns)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The rows of a and then those of b; batches do not matter, and a saved state goes on as if it had not been.
    #[test]
    fn merging_consecutive_rows_is_taking_all((metric, given, columns) in calls(), cut in any::<prop::sample::Index>()) {
        let rows = columns[0].len();
        let cut = cut.index(rows + 1);
        let slice = |start: usize, length: usize| -> Vec<ArrayRef> {
            columns.iter().map(|column| column.slice(start, length)).collect()
        };
        let taken = |parts: &[(usize, usize)]| -> Box<dyn Metric> {
            let mut taken = (metric.make)(&given).unwrap();
            parts.iter().for_each(|(start, length)| taken.update(&slice(*start, *length)).unwrap());
            taken
        };
        let bits = |metric: &dyn Metric| metric.value().map(f64::to_bits);
        let whole = taken(&[(0, rows)]);
        let by_row: Vec<_> = (0..rows).map(|row| (row, 1)).collect();
        prop_assert_eq!(bits(taken(&by_row).as_ref()), bits(whole.as_ref()));

        let (head, tail) = (taken(&[(0, cut)]), taken(&[(cut, rows - cut)]));
        let mut resumed = (metric.make)(&given).unwrap();
        resumed.merge(&head.save()).unwrap();
        prop_assert_eq!(bits(resumed.as_ref()), bits(head.as_ref()));
        prop_assert_eq!(resumed.save(), head.save());
        let mut merged = (metric.make)(&given).unwrap();
        merged.merge(&head.save()).unwrap();
        merged.merge(&tail.save()).unwrap();
        resumed.update(&slice(cut, rows - cut)).unwrap();
        prop_assert_eq!(bits(resumed.as_ref()), bits(whole.as_ref()));
        match (merged.value(), whole.value()) {
            (Some(merged), Some(whole)) => {
                prop_assert!((merged - whole).abs() <= 1e-9 * whole.abs().max(1.0), "{}: {} {}", metric.name, merged, whole);
            }
            (merged, whole) => prop_assert_eq!(merged, whole, "{}", metric.name),
        }
    }

    /// Groups taken at once are what each is alone.
    #[test]
    fn groups_are_what_each_is_alone((metric, given, columns) in calls()) {
        let rows = columns[0].len();
        let groups: Vec<usize> = (0..rows).map(|row| row % 3).collect();
        let mut grouped = (metric.make_grouped)(&given).unwrap();
        grouped.update(&columns, &groups, None, 3).unwrap();
        for group in 0..3 {
            let mine: BooleanArray = groups.iter().map(|of| Some(*of == group)).collect();
            let mut alone = (metric.make)(&given).unwrap();
            let part: Vec<ArrayRef> =
                columns.iter().map(|column| arrow::compute::filter(column, &mine).unwrap()).collect();
            alone.update(&part).unwrap();
            prop_assert_eq!(grouped.value(group).map(f64::to_bits), alone.value().map(f64::to_bits));
        }
    }

    #[test]
    fn damaged_states_are_refused_or_taken_but_never_panic(
        (metric, given, columns) in calls(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut taken = (metric.make)(&given).unwrap();
        taken.update(&columns).unwrap();
        let mut bytes = taken.save();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = taken.merge(&bytes);
        let _ = taken.value();
    }
}
