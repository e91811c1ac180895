//! Laws that every metric keeps, whatever it measures.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, NullArray, StringArray, StringViewArray};
use arrow::compute::filter;
use proptest::prelude::*;

use super::*;
use crate::Task;
use crate::snapshot::{open, seal};

/// A metric with its parameters, and columns for it.
#[derive(Debug, Clone)]
struct Call {
    metric: &'static MetricDef,
    parameters: Vec<Expression>,
    columns: Vec<ArrayRef>,
}

impl Call {
    fn empty(&self) -> Box<dyn Metric> {
        (self.metric.make)(&self.parameters).unwrap()
    }

    /// The metric of these rows, given in batches.
    fn taken(&self, rows: std::ops::Range<usize>, batch: usize) -> Box<dyn Metric> {
        let mut metric = self.empty();
        let (mut start, end) = (rows.start, rows.end);
        while start < end {
            let length = batch.min(end - start);
            metric.update(&self.slice(start, length)).unwrap();
            start += length;
        }
        metric
    }

    fn slice(&self, start: usize, length: usize) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| column.slice(start, length)).collect()
    }

    fn rows(&self) -> usize {
        self.columns[0].len()
    }
}

/// Bytes to be overwritten.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
}

fn bits(value: Option<f64>) -> Option<u64> {
    value.map(f64::to_bits)
}

type Row = (Option<u8>, Option<u8>, Option<f64>, Option<f64>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let class = || prop::option::weighted(0.9, 0u8..4);
    let number = || prop::option::weighted(0.9, prop_oneof![(-3i8..3).prop_map(f64::from), -1e9..1e9f64, -1.0..1.0f64]);
    prop::collection::vec((class(), class(), number(), number()), 0..80)
}

fn classes(values: impl Iterator<Item = Option<u8>>, kind: usize) -> ArrayRef {
    let name = |class: u8| ["a", "b", "a class with a long name", "d"][usize::from(class)];
    match kind {
        0 => Arc::new(values.map(|v| v.map(|v| v % 2 == 1)).collect::<BooleanArray>()),
        1 => Arc::new(values.map(|v| v.map(i32::from)).collect::<Int32Array>()),
        2 => Arc::new(values.map(|v| v.map(name)).collect::<StringArray>()),
        _ => Arc::new(values.map(|v| v.map(name)).collect::<StringViewArray>()),
    }
}

fn probabilities(rows: &[Row]) -> ArrayRef {
    let squashed = |x: f64| if x.abs() < 1.0 { x.abs() } else { 1.0 / (1.0 + (-x).exp()) };
    Arc::new(rows.iter().map(|row| row.2.map(squashed)).collect::<Float64Array>())
}

fn calls() -> impl Strategy<Value = Call> {
    let average = prop::sample::select(vec!["", "binary", "macro", "micro", "weighted"]);
    (prop::sample::select(METRICS.to_vec()), rows(), 0usize..4, average).prop_map(|(metric, rows, kind, average)| {
        let mut parameters = Vec::new();
        if metric.name == "ML_FBETA" {
            parameters.push(Expression::Number(2.0));
        }
        if metric.name == "ML_APPROX_ROC_AUC" {
            parameters.push(Expression::Number(8.0));
        }
        // Only two classes have a positive one.
        let kind = if average == "binary" { 0 } else { kind };
        if metric.parameters.contains("average") && !average.is_empty() {
            parameters.push(Expression::Text(average.to_string()));
        }
        let columns = match metric.arguments {
            [Argument::Class, Argument::Class | Argument::Cluster] => {
                vec![classes(rows.iter().map(|row| row.0), kind), classes(rows.iter().map(|row| row.1), kind)]
            }
            [Argument::Binary, _] => {
                let label = rows.iter().map(|row| row.0.map(|class| class % 2));
                vec![classes(label, kind % 2), probabilities(&rows)]
            }
            [Argument::Sample, value] => {
                let sample = classes(rows.iter().map(|row| row.0.map(|class| class % 2)), kind % 2);
                let categories = *value == Argument::Category || *value == Argument::Value && kind > 1;
                vec![
                    sample,
                    match categories {
                        true => classes(rows.iter().map(|row| row.1), kind),
                        false => Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()) as ArrayRef,
                    },
                ]
            }
            _ => vec![
                Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()) as ArrayRef,
                Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()) as ArrayRef,
            ],
        };
        Call { metric, parameters, columns }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn batches_do_not_matter(call in calls()) {
        let whole = call.taken(0..call.rows(), usize::MAX);
        for size in [1, 7, 64] {
            let batches = call.taken(0..call.rows(), size);
            prop_assert_eq!(bits(batches.value()), bits(whole.value()));
        }
    }

    #[test]
    fn merging_is_taking_all(call in calls(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(call.rows() + 1);
        let whole = call.taken(0..call.rows(), 50);
        let (head, tail) = (call.taken(0..cut, 50), call.taken(cut..call.rows(), 50));
        let mut merged = call.empty();
        merged.merge(&tail.save()).unwrap();
        merged.merge(&head.save()).unwrap();
        prop_assert_eq!(bits(merged.value()), bits(whole.value()));
        // A state that was saved goes on as if it had not been.
        let mut resumed = call.empty();
        resumed.merge(&head.save()).unwrap();
        resumed.update(&call.slice(cut, call.rows() - cut)).unwrap();
        prop_assert_eq!(bits(resumed.value()), bits(whole.value()));
        prop_assert_eq!(resumed.save().len(), whole.save().len());
    }

    #[test]
    fn groups_are_metrics_apart(call in calls(), spread in 1usize..5, passing in 1usize..4) {
        let groups: Vec<usize> = (0..call.rows()).map(|row| row * row % spread).collect();
        let passes: BooleanArray = (0..call.rows()).map(|row| Some(row % 3 < passing)).collect();
        let mut grouped = (call.metric.make_grouped)(&call.parameters).unwrap();
        let half = call.rows() / 2;
        for (start, length) in [(0, half), (half, call.rows() - half)] {
            let part = passes.slice(start, length);
            grouped.update(&call.slice(start, length), &groups[start..start + length], Some(&part), spread).unwrap();
        }
        let mut merged = (call.metric.make_grouped)(&call.parameters).unwrap();
        for group in 0..spread {
            let mine = (0..call.rows()).map(|row| Some(groups[row] == group && passes.value(row)));
            let mine: BooleanArray = mine.collect();
            let mut alone = call.empty();
            let columns: Vec<_> = call.columns.iter().map(|column| filter(column, &mine).unwrap()).collect();
            alone.update(&columns).unwrap();
            prop_assert_eq!(bits(grouped.value(group)), bits(alone.value()));
            prop_assert_eq!(grouped.save(group).len(), alone.save().len());
            merged.merge(spread - 1 - group, &grouped.save(group)).unwrap();
            prop_assert_eq!(bits(merged.value(spread - 1 - group)), bits(alone.value()));
        }
        let last = grouped.value(spread - 1);
        grouped.discard(spread - 1);
        prop_assert_eq!(bits(grouped.value(0)), bits(last));
        prop_assert_eq!(grouped.value(1), None);
    }

    #[test]
    fn corrupt_states_are_refused_or_make_sense(
        call in calls(), changes in changes(), cut in any::<prop::sample::Index>(),
    ) {
        let mut metric = call.taken(0..call.rows(), 50);
        for corrupt in corrupted(&metric.save(), &changes, cut) {
            let _ = metric.merge(&corrupt);
            let _ = metric.value();
            let _ = metric.save();
        }
    }

    #[test]
    fn evaluations_keep_the_laws(
        rows in rows(), kind in 0usize..4, probability in any::<bool>(), two in any::<bool>(),
        cut in any::<prop::sample::Index>(), changes in changes(),
    ) {
        let class = |class: Option<u8>| class.map(|class| if two { class % 2 } else { class });
        let label = classes(rows.iter().map(|row| class(row.0)), kind);
        let predicted = classes(rows.iter().map(|row| class(row.1)), kind);
        let score = probabilities(&rows);
        let new = || match kind {
            2 => Evaluation::with_positive_class(ClassValue::Text("a".to_string())),
            _ => Evaluation::new(Task::Classification),
        };
        let take = |start: usize, end: usize, size: usize| {
            let mut evaluation = new();
            for start in (start..end).step_by(size) {
                let length = size.min(end - start);
                let score = probability.then(|| score.slice(start, length));
                let (label, predicted) = (label.slice(start, length), predicted.slice(start, length));
                evaluation.update(&label, &predicted, score.as_ref()).unwrap();
            }
            evaluation
        };
        let values = |evaluation: &Evaluation| -> Vec<_> {
            evaluation.values().into_iter().map(|(key, value)| (key, bits(value))).collect()
        };
        let at = cut.index(rows.len() + 1);
        let whole = take(0, rows.len(), 1000);
        prop_assert_eq!(values(&take(0, rows.len(), 3)), values(&whole));
        let mut merged = take(at, rows.len(), 10);
        merged.merge(&take(0, at, 10).save()).unwrap();
        prop_assert_eq!(values(&merged), values(&whole));
        let loaded = Evaluation::load(&merged.save()).unwrap();
        prop_assert_eq!(values(&loaded), values(&whole));
        for corrupt in corrupted(&whole.save(), &changes, cut) {
            if let Ok(evaluation) = Evaluation::load(&corrupt) {
                let _ = evaluation.values();
            }
        }
    }

    #[test]
    fn regressions_keep_the_laws(rows in rows(), cut in any::<prop::sample::Index>()) {
        let label: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>());
        let predicted: ArrayRef = Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>());
        let take = |start: usize, end: usize| {
            let mut evaluation = Evaluation::new(Task::Regression);
            evaluation.update(&label.slice(start, end - start), &predicted.slice(start, end - start), None).unwrap();
            evaluation
        };
        let cut = cut.index(rows.len() + 1);
        let whole = take(0, rows.len());
        let mut merged = take(cut, rows.len());
        merged.merge(&take(0, cut).save()).unwrap();
        prop_assert_eq!(merged.save(), whole.save());
        prop_assert_eq!(merged.values(), whole.values());
        prop_assert_eq!(Evaluation::load(&whole.save()).unwrap().values(), whole.values());
    }

    #[test]
    fn matrices_keep_the_laws(
        rows in rows(), kind in 0usize..4, cut in any::<prop::sample::Index>(),
        changes in changes(),
    ) {
        let (label, predicted) = (classes(rows.iter().map(|r| r.0), kind), classes(rows.iter().map(|r| r.1), kind));
        let take = |start: usize, end: usize| {
            let mut matrix = ConfusionMatrix::default();
            matrix.update(&label.slice(start, end - start), &predicted.slice(start, end - start)).unwrap();
            matrix
        };
        let at = cut.index(rows.len() + 1);
        let whole = take(0, rows.len());
        let mut merged = take(at, rows.len());
        merged.merge(&take(0, at).save()).unwrap();
        prop_assert_eq!(merged.save(), whole.save());
        prop_assert_eq!(merged.rows(), whole.rows());
        for corrupt in corrupted(&whole.save(), &changes, cut) {
            let _ = merged.merge(&corrupt);
            let _ = merged.rows();
        }
    }
}

/// The state damaged in several ways, some with a checksum that matches all the same.
fn corrupted(state: &[u8], changes: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<Vec<u8>> {
    let damage = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for (place, value) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
        }
        bytes
    };
    let kind = std::str::from_utf8(&state[5..5 + usize::from(state[4])]).unwrap();
    let payload = open(kind, 1, state).unwrap();
    let shorter = &payload[..cut.index(payload.len() + 1)];
    vec![
        damage(state),
        state[..cut.index(state.len())].to_vec(),
        seal(kind, 1, &damage(payload)),
        seal(kind, 1, shorter),
    ]
}

#[test]
fn the_table_is_in_order_and_complete() {
    assert!(METRICS.is_sorted_by(|a, b| a.name < b.name));
    for metric in METRICS {
        assert!(metric.doc.contains("Source:") && metric.doc.contains("NULL"), "{}", metric.name);
        let empty = if metric.name == "ML_FBETA" { vec![Expression::Number(1.0)] } else { vec![] };
        let metric = (metric.make)(&empty).unwrap();
        assert_eq!(metric.value(), None);
        assert!(metric.state_bytes() < 300, "{metric:?} takes {} bytes while empty", metric.state_bytes());
    }
}

#[test]
fn columns_of_nothing_but_null_count_nowhere() {
    for metric in METRICS {
        let parameters = if metric.name == "ML_FBETA" { vec![Expression::Number(1.0)] } else { vec![] };
        let mut taken = (metric.make)(&parameters).unwrap();
        let null: ArrayRef = Arc::new(NullArray::new(3));
        taken.update(&[null.clone(), null]).unwrap();
        assert_eq!(taken.value(), None);
    }
}

/// `(metric, parameters, label, second column)` and what the error says.
#[test]
fn errors_say_what_is_wrong() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let doubles = |values: [f64; 2]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let text = |text: &str| vec![Expression::Text(text.to_string())];
    let number = |number: f64| vec![Expression::Number(number)];
    let updates: &[(&str, Vec<Expression>, &ArrayRef, ArrayRef, &str)] = &[
        (
            "ML_LOG_LOSS",
            vec![],
            &flags,
            doubles([0.5, 1.5]),
            "row 1, column 'probability': 1.5 is not a probability: it lies outside [0, 1]",
        ),
        (
            "ML_LOG_LOSS",
            vec![],
            &flags,
            doubles([f64::NAN, 1.0]),
            "row 0, column 'probability': NaN is not a probability: it lies outside [0, 1]",
        ),
        (
            "ML_LOG_LOSS",
            vec![],
            &integers,
            doubles([0.5, 0.5]),
            "row 1, column 'label': the label is 2; expected 0 or 1, or BOOLEAN",
        ),
        (
            "ML_BRIER_SCORE",
            vec![],
            &texts,
            doubles([0.5, 0.5]),
            "column 'label' has type Utf8; expected BOOLEAN, or integers 0 and 1",
        ),
        (
            "ML_ROC_AUC",
            vec![],
            &flags,
            doubles([0.5, f64::NAN]),
            "row 1, column 'score': the score is NaN; expected a number",
        ),
        ("ML_ROC_AUC", vec![], &flags, texts.clone(), "column 'score' has type Utf8; expected a number"),
        (
            "ML_ACCURACY",
            vec![],
            &flags,
            integers.clone(),
            "column 'label' has type Boolean and 'predicted' has type Int32; expected one type, such as BOOLEAN",
        ),
        (
            "ML_ACCURACY",
            vec![],
            &flags,
            doubles([0.0, 1.0]),
            "column 'predicted' has type Float64; expected a class: BOOLEAN, an integer or STRING",
        ),
        (
            "ML_F1",
            text("binary"),
            &integers,
            integers.clone(),
            "ML_F1: average 'binary' takes BOOLEAN classes, or integers 0 and 1, but there is a class '2'; \
             use 'macro', 'micro' or 'weighted'",
        ),
        (
            "ML_MAE",
            vec![],
            &doubles([1.0, 2.0]),
            doubles([1.0, f64::INFINITY]),
            "row 1, column 'predicted': inf is not a finite number",
        ),
        ("ML_MAE", vec![], &flags, doubles([1.0, 2.0]), "column 'label' has type Boolean; expected a number"),
        (
            "ML_KOLMOGOROV_SMIRNOV",
            vec![],
            &flags,
            doubles([1.0, f64::NAN]),
            "row 1, column 'value': NaN is not a finite number",
        ),
        ("ML_WASSERSTEIN", vec![], &flags, texts.clone(), "column 'value' has type Utf8; expected a number"),
        (
            "ML_PSI",
            vec![],
            &integers,
            doubles([1.0, 2.0]),
            "row 1, column 'sample': the sample is 2; expected 0 or 1, or BOOLEAN",
        ),
        (
            "ML_L_INFINITY",
            vec![],
            &flags,
            doubles([1.0, 2.0]),
            "column 'value' has type Float64; expected a class: BOOLEAN, an integer or STRING",
        ),
    ];
    for (name, parameters, label, second, expected) in updates {
        let mut metric = (find(name).unwrap().make)(parameters).unwrap();
        let error = metric.update(&[(*label).clone(), second.clone()]).unwrap_err();
        assert_eq!(error.to_string(), *expected);
        assert_eq!(metric.value(), None, "nothing of a refused batch counts");
    }
    let makes: &[(&str, Vec<Expression>, &str)] = &[
        (
            "ML_F1",
            text("marco"),
            "ML_F1: parameter 'average' is 'marco'; expected one of binary, macro, micro, weighted; \
             did you mean 'macro'?",
        ),
        ("ML_F1", number(2.0), "ML_F1: parameter 'average' is 2; expected one of binary, macro, micro, weighted"),
        (
            "ML_ACCURACY",
            text("macro"),
            "ML_ACCURACY: 'macro' is an argument too many; after the columns it takes nothing",
        ),
        ("ML_FBETA", vec![], "ML_FBETA: parameter 'beta' is missing; expected a number above 0, such as 2"),
        ("ML_FBETA", number(-1.0), "ML_FBETA: parameter 'beta' is -1; expected a number above 0"),
        (
            "ML_APPROX_ROC_AUC",
            number(1.5),
            "ML_APPROX_ROC_AUC: parameter 'bins' is 1.5; expected a whole number from 2 to 1048576",
        ),
        ("ML_PSI", number(1.0), "ML_PSI: parameter 'bins' is 1; expected a whole number from 2 to 10000"),
        (
            "ML_WASSERSTEIN",
            number(2.0),
            "ML_WASSERSTEIN: 2 is an argument too many; after the columns it takes nothing",
        ),
    ];
    for (name, parameters, expected) in makes {
        assert_eq!((find(name).unwrap().make)(parameters).unwrap_err().to_string(), *expected);
    }
}

/// Values under a NULL are not looked at.
#[test]
fn what_null_hides_is_no_error() {
    let hidden: ArrayRef = Arc::new(Float64Array::new(vec![0.5, 7.0].into(), Some(vec![true, false].into())));
    let label: ArrayRef = Arc::new(Int32Array::new(vec![1, 9].into(), Some(vec![true, false].into())));
    let mut log_loss = (ML_LOG_LOSS.make)(&[]).unwrap();
    log_loss.update(&[label, hidden]).unwrap();
    assert_eq!(log_loss.value(), Some(std::f64::consts::LN_2));
}

/// Merging what does not belong together.
#[test]
fn strangers_do_not_merge() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let half: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let mut of_flags = (ML_ACCURACY.make)(&[]).unwrap();
    of_flags.update(&[flags.clone(), flags.clone()]).unwrap();
    let mut of_texts = (ML_ACCURACY.make)(&[]).unwrap();
    of_texts.update(&[texts.clone(), texts.clone()]).unwrap();
    let error = of_texts.merge(&of_flags.save()).unwrap_err().to_string();
    assert_eq!(error, "cannot merge: classes of one state are STRING, those of the other BOOLEAN");
    let error = (ML_MAE.make)(&[]).unwrap().merge(&of_flags.save()).unwrap_err().to_string();
    assert_eq!(error, "a snapshot of 'metric.class_counts', where one of 'metric.mean' was expected");
    let mut eight = (ML_APPROX_ROC_AUC.make)(&[Expression::Number(8.0)]).unwrap();
    eight.update(&[flags.clone(), half.clone()]).unwrap();
    let error = (ML_APPROX_ROC_AUC.make)(&[]).unwrap().merge(&eight.save()).unwrap_err().to_string();
    assert_eq!(error, "cannot merge: one histogram has 1024 bins, the other 8");
    let (mut of_numbers, mut of_categories) = ((ML_PSI.make)(&[]).unwrap(), (ML_PSI.make)(&[]).unwrap());
    of_numbers.update(&[flags.clone(), half.clone()]).unwrap();
    of_categories.update(&[flags.clone(), texts.clone()]).unwrap();
    let error = "cannot merge: one state has numbers, the other categories";
    assert_eq!(of_numbers.merge(&of_categories.save()).unwrap_err().to_string(), error);
    assert_eq!(of_categories.merge(&of_numbers.save()).unwrap_err().to_string(), error);
    let mut with = Evaluation::new(Task::Classification);
    with.update(&flags, &flags, Some(&half)).unwrap();
    let mut without = Evaluation::new(Task::Classification);
    without.update(&flags, &flags, None).unwrap();
    assert!(with.merge(&without.save()).unwrap_err().to_string().contains("always or never"));
    assert!(without.update(&flags, &flags, Some(&half)).unwrap_err().to_string().contains("always or never"));
    assert!(Evaluation::new(Task::Regression).merge(&with.save()).is_err());
}
