//! What every learner has to keep to, whatever it is: a new one is tested by being listed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_ml::block::Block;
use tidegate_ml::learner::{FeatureKind, LEARNERS, Learner, LearnerDef, Shape};
use tidegate_ml::{Model, Task};

use crate::declared::{Boolean, Float64, Int64, Null, Utf8, batch, bits, column, cut, spec};

/// What learners are asked: two declared classes, classes as they are met, a number; and without a label.
const LABELS: [(Task, arrow::datatypes::DataType); 6] = [
    (Task::Classification, Boolean),
    (Task::Classification, Utf8),
    (Task::Regression, Float64),
    (Task::Clustering, Null),
    (Task::AnomalyDetection, Null),
    (Task::ChangeDetection, Null),
];

/// Runs a test for each learner and each kind of label that it can do.
fn for_each(test: impl Fn(&'static LearnerDef, &arrow::datatypes::DataType)) {
    for def in LEARNERS {
        for (task, label) in LABELS.iter().filter(|(task, _)| def.tasks.contains(task)) {
            let _ = task;
            test(def, label);
        }
    }
}

/// How many of two numbers and a text a learner takes.
pub(crate) fn inputs_of(def: &LearnerDef) -> usize {
    match (def.tasks, def.features.sparse || def.features.categories) {
        ([Task::ChangeDetection], _) => 1,
        (_, false) => 2,
        (_, true) => 3,
    }
}

/// A model of them. Without labels it tells two things of a row.
fn model(def: &LearnerDef, label: &arrow::datatypes::DataType) -> Model {
    let inputs = [("x", Float64), ("y", Float64), ("kind", Utf8)];
    let outputs = match def.tasks {
        [Task::Clustering] => vec![("cluster", Int64), ("distance", Float64)],
        [Task::AnomalyDetection] => vec![("score", Float64), ("is_anomaly", Boolean)],
        [Task::ChangeDetection] => vec![("changed", Boolean), ("warning", Boolean)],
        _ => vec![("predicted", label.clone())],
    };
    let task = if *label == Null { def.tasks[0].name() } else { "" };
    let options = [("algorithm", def.name), ("task", task)];
    let options = if task.is_empty() { &options[..1] } else { &options[..] };
    let spec = spec(&inputs[..inputs_of(def)], &outputs, &[], options).unwrap();
    Model::new(spec).unwrap_or_else(|error| panic!("{}: {error}", def.name))
}

/// A label of each kind for a number.
fn labels(label: &arrow::datatypes::DataType, values: &[f64]) -> ArrayRef {
    match label {
        Boolean => Arc::new(values.iter().map(|value| Some(*value > 0.0)).collect::<BooleanArray>()),
        Utf8 => {
            let name = |value: &f64| {
                if *value < -0.5 {
                    "low"
                } else if *value < 0.5 {
                    "middle"
                } else {
                    "high"
                }
            };
            Arc::new(values.iter().map(|value| Some(name(value))).collect::<StringArray>())
        }
        _ => Arc::new(Float64Array::from(values.to_vec())),
    }
}

/// Rows whose label can be learned from the numbers and the text. Where the learner takes missing values, some are.
pub(crate) fn rows(def: &LearnerDef, label: &arrow::datatypes::DataType, seed: u64, count: usize) -> RecordBatch {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let (mut xs, mut ys, mut kinds, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..count {
        let (x, y): (f64, f64) = (random.random_range(-1.0..1.0), random.random_range(0.0..3.0));
        let kind = ["a", "b", "c", "d"][random.random_range(0..4)];
        targets.push(x + if kind == "b" { 0.7 } else { -0.1 } + 0.2 * (y - 1.5) + random.random_range(-0.1..0.1));
        let missing = def.features.missing && row % 17 == 3;
        xs.push((!missing).then_some(x));
        ys.push(Some(y));
        kinds.push((row % 23 != 5).then_some(kind));
    }
    let inputs = [
        ("x", column(Float64Array::from(xs))),
        ("y", column(Float64Array::from(ys))),
        ("kind", column(StringArray::from(kinds))),
    ];
    let mut columns = inputs[..inputs_of(def)].to_vec();
    columns.extend((*label != Null).then(|| ("label", labels(label, &targets))));
    batch(&columns)
}

/// The predictions as bits, whatever their type.
fn all_bits(predictions: &RecordBatch) -> Vec<String> {
    let all = |row| predictions.columns().iter().map(|column| format!("{:?}", column.slice(row, 1))).collect();
    (0..predictions.num_rows()).map(all).collect()
}

#[test]
fn batches_of_any_size_give_the_same_predictions_and_state() {
    for_each(|def, label| {
        let all = rows(def, label, 1, 2500);
        let mut whole = model(def, label);
        let expected = all_bits(&whole.learn_predict(&all).unwrap());
        for size in [1, 7, 500] {
            let mut parts = model(def, label);
            let found: Vec<String> =
                cut(&all, size).iter().flat_map(|part| all_bits(&parts.learn_predict(part).unwrap())).collect();
            assert!(found == expected, "{} predicts otherwise in batches of {size}", def.name);
            assert!(parts.save() == whole.save(), "{}: another state by batches of {size}", def.name);
        }
        let mut learned = model(def, label);
        learned.learn(&all).unwrap();
        assert!(learned.save() == whole.save(), "{}: learning alone gives another state", def.name);
    });
}

#[test]
fn a_saved_one_goes_on_as_if_nothing_had_happened() {
    for_each(|def, label| {
        let (first, second) = (rows(def, label, 2, 1003), rows(def, label, 3, 700));
        let mut straight = model(def, label);
        straight.learn(&first).unwrap();
        let mut resumed = Model::load(&straight.save()).unwrap_or_else(|error| panic!("{}: {error}", def.name));
        assert!(resumed.save() == straight.save(), "{}: saved again it is another", def.name);
        assert!(
            all_bits(&resumed.learn_predict(&second).unwrap()) == all_bits(&straight.learn_predict(&second).unwrap()),
            "{}: it predicts otherwise",
            def.name
        );
        assert!(resumed.save() == straight.save(), "{}: it learns otherwise", def.name);
    });
}

#[test]
fn every_learner_but_a_baseline_learns() {
    for_each(|def, label| {
        if *label == Null {
            // What they learn is told by tests of their own.
            return;
        }
        let all = rows(def, label, 4, 4000);
        let mut model = model(def, label);
        let predictions = model.learn_predict(&all).unwrap();
        let (found, wanted) = (predictions.column(0).slice(2000, 2000), all.column(3).slice(2000, 2000));
        let alike = (0..2000).filter(|row| found.slice(*row, 1) == wanted.slice(*row, 1)).count();
        let baseline = ["no_change", "majority_class", "mean"].contains(&def.name);
        // Of two classes half, of three a third or so are right by chance; complement_nb knows no numbers below 0.
        let least = if *label == Boolean { 1350 } else { 950 };
        if !baseline && *label != Float64 {
            assert!(alike >= least, "{} is right about {alike} of 2000", def.name);
        }
        if !baseline && *label == Float64 {
            let (found, wanted) = (numbers(&found), numbers(&wanted));
            let error = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2000.0;
            assert!(error < 0.4, "{} is wrong by {error}, where the mean is by some 0.58", def.name);
        }
    });
}

fn numbers(column: &ArrayRef) -> Vec<f64> {
    column.as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
}

/// A name, what the features are, and rows.
type Stream = (&'static str, Vec<FeatureKind>, Vec<Vec<f64>>);

/// Odd streams of features alone, in the shapes that blocks can have.
fn odd_streams(def: &LearnerDef) -> Vec<Stream> {
    let mut random = Pcg64Mcg::seed_from_u64(5);
    let numbers = |width| vec![FeatureKind::Number; width];
    let mut streams = vec![
        ("no rows", numbers(3), Vec::new()),
        ("one row", numbers(3), vec![vec![1.0, 2.0, 3.0]]),
        ("no columns", numbers(0), vec![Vec::new(); 500]),
        ("constant columns", numbers(3), vec![vec![7.0, 0.0, -1e100]; 700]),
        (
            "the largest numbers",
            numbers(2),
            (0..700).map(|i| vec![if i % 2 == 0 { 1e100 } else { -1e100 }, 1e-300]).collect(),
        ),
        ("ten thousand columns", numbers(10_000), (0..12).map(|i| vec![f64::from(i); 10_000]).collect()),
        ("noise", numbers(4), (0..700).map(|_| (0..4).map(|_| random.random_range(-9.0..9.0)).collect()).collect()),
    ];
    if def.features.missing {
        streams.push(("nothing but missing", numbers(3), vec![vec![f64::NAN; 3]; 700]));
        streams.push((
            "missing now and then",
            numbers(2),
            (0..700).map(|i| vec![if i % 3 == 0 { f64::NAN } else { f64::from(i) }, 1.0]).collect(),
        ));
    }
    if def.features.categories {
        let kinds = vec![FeatureKind::Category, FeatureKind::Number];
        streams.push(("ever new categories", kinds, (0..5000).map(|i| vec![f64::from(i), 0.5]).collect()));
    }
    streams
}

fn block(rows: &[Vec<f64>], width: usize) -> Block {
    let mut block = Block::default();
    block.reset(rows.len(), width);
    block.dense = rows.concat();
    block
}

fn shapes(def: &LearnerDef) -> Vec<Shape> {
    let mut shapes = Vec::new();
    if def.tasks.contains(&Task::Classification) {
        shapes.extend([Shape::Binary, Shape::Classes { classes: 3 }]);
    }
    if def.tasks.contains(&Task::Regression) {
        shapes.push(Shape::Number);
    }
    if def.tasks.iter().any(|task| !task.has_labels()) {
        shapes.push(Shape::Unlabelled);
    }
    shapes
}

fn untrained(def: &LearnerDef, shape: Shape, kinds: &[FeatureKind]) -> Box<dyn Learner> {
    let options = tidegate_options::resolve(def.options, std::iter::empty::<(&str, &str)>()).unwrap();
    let mut learner = (def.make)(&options, shape).unwrap();
    learner.set_features(kinds);
    learner
}

#[test]
fn odd_streams_give_finite_scores() {
    for def in LEARNERS {
        for shape in shapes(def) {
            for (name, kinds, rows) in odd_streams(def) {
                // One class, then all of them.
                for one_class in [true, false] {
                    let mut learner = untrained(def, shape, &kinds);
                    let x = block(&rows, kinds.len());
                    let target = |row: usize| match shape {
                        Shape::Unlabelled => 0.0,
                        Shape::Number => {
                            if one_class {
                                1.0
                            } else {
                                row as f64 * 1e3 - 1e5
                            }
                        }
                        Shape::Binary => f64::from(u8::from(!one_class && row.is_multiple_of(2))),
                        Shape::Classes { classes } => {
                            if one_class {
                                2.0
                            } else {
                                (row % classes) as f64
                            }
                        }
                    };
                    let y: Vec<f64> = (0..rows.len()).map(target).collect();
                    let weights: Vec<f64> = (0..rows.len()).map(|row| [1.0, 0.0, 0.5, 1000.0][row % 4]).collect();
                    let mut scores = Vec::new();
                    learner.learn_predict(&x, &x, &y, &weights, &mut scores);
                    learner.predict(&x, &mut scores);
                    let told = format!("{}, {shape:?}, {name}, one class: {one_class}", def.name);
                    assert_eq!(scores.len(), 2 * rows.len() * shape.scores(), "{told}");
                    // Without labels there may be no answer yet.
                    let is_taken = |score: &f64| score.is_finite() || (shape == Shape::Unlabelled && score.is_nan());
                    assert!(scores.iter().all(is_taken), "{told}");
                    if !matches!(shape, Shape::Number | Shape::Unlabelled) {
                        assert!(scores.iter().all(|score| (-1e-9..=1.0 + 1e-9).contains(score)), "{told}");
                    }
                    let mut again = untrained(def, shape, &kinds);
                    again.load(&learner.save()).unwrap_or_else(|error| panic!("{told}: {error}"));
                    assert!(again.save() == learner.save(), "{told}: saved again it is another");
                }
            }
        }
    }
}

/// Bytes of a state with something wrong in them are refused, or give a learner that works.
#[test]
fn wrong_states_do_no_harm() {
    let mut random = Pcg64Mcg::seed_from_u64(6);
    for def in LEARNERS {
        let mut kinds = vec![FeatureKind::Number; 3];
        if def.features.categories {
            kinds.push(FeatureKind::Category);
        }
        let rows: Vec<Vec<f64>> = (0..1200)
            .map(|_| {
                let mut row: Vec<f64> = (0..3).map(|_| random.random_range(-2.0..2.0)).collect();
                row.extend((kinds.len() > 3).then(|| f64::from(random.random_range(0..5u8))));
                row
            })
            .collect();
        let x = block(&rows, kinds.len());
        for shape in shapes(def) {
            let y: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row[0] + row[1] > 0.3))).collect();
            let mut learner = untrained(def, shape, &kinds);
            learner.learn(&x, &y, &[]);
            let state = learner.save();
            for _ in 0..150 {
                let mut wrong = state.clone();
                for _ in 0..random.random_range(1..4) {
                    let place = random.random_range(0..wrong.len());
                    wrong[place] = random.next_u32() as u8;
                }
                if random.random_bool(0.2) {
                    wrong.truncate(random.random_range(0..wrong.len()));
                }
                let mut victim = untrained(def, shape, &kinds);
                if victim.load(&wrong).is_ok() {
                    let mut scores = Vec::new();
                    victim.learn_predict(&x, &x, &y, &[], &mut scores);
                }
            }
        }
    }
}

#[test]
fn bits_of_probabilities_are_those_of_threads_too() {
    // A model with a probability beside the class, so that more than the class is compared.
    for def in LEARNERS.iter().filter(|def| def.tasks.contains(&Task::Classification)) {
        let inputs = [("x", Float64), ("y", Float64), ("kind", Utf8)];
        let outputs = [("predicted", Boolean), ("probability", Float64)];
        let new = || Model::new(spec(&inputs, &outputs, &[], &[("algorithm", def.name)]).unwrap()).unwrap();
        let all = rows(def, &Boolean, 7, 900);
        let (mut one, mut many) = (new(), new());
        many.set_spread(Arc::new(crate::replicas::Threads));
        let expected = bits(&one.learn_predict(&all).unwrap(), 1);
        assert!(bits(&many.learn_predict(&all).unwrap(), 1) == expected, "{}: threads change something", def.name);
        assert!(many.save() == one.save(), "{}: threads change the state", def.name);
    }
}
