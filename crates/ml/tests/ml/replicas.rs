//! Replicas of a model: what is learned by whom, and what they make together.

use std::sync::Mutex;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use tidegate_ml::learner::LEARNERS;
use tidegate_ml::replica::{Replica, merged};
use tidegate_ml::replicas::Replicas;
use tidegate_ml::spread::{InTurn, Spread, Work};
use tidegate_ml::training::{Arrivals, Training};
use tidegate_ml::{Model, Task};

use crate::declared::everything::{INPUTS, TRANSFORMS, noise, rows};
use crate::declared::{Boolean, Float64, Utf8, batch, binary, bits, column, cut, spec};

/// Threads of its own for every piece of work, begun from the last.
#[derive(Debug)]
pub(crate) struct Threads;

impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        std::thread::scope(|scope| {
            for work in work.into_iter().rev() {
                scope.spawn(work);
            }
        });
    }
}

fn model(options: &[(&str, &str)]) -> Model {
    let given = [("learning_rate", "0.05"), ("max-categories", "20")];
    let kept = given.iter().filter(|(key, _)| options.iter().all(|(other, _)| other != key));
    let options: Vec<_> = kept.chain(options).copied().filter(|(_, value)| !value.is_empty()).collect();
    binary(&INPUTS, &TRANSFORMS, &options)
}

struct Stream {
    rows: RecordBatch,
    event_time: Vec<i64>,
    label_time: Int64Array,
    shards: Option<Vec<u64>>,
}

impl Stream {
    fn new(count: usize, seed: usize, sharded: bool) -> Self {
        let of = |i: usize, column: usize| noise((seed * 100_000 + i) * 8 + column);
        let event_time: Vec<i64> = (0..count).map(|i| (i / 9) as i64 * 10 - (of(i, 0) * 12.0) as i64).collect();
        let known =
            |(i, time): (usize, &i64)| (of(i, 1) > 0.1).then(|| time + (of(i, 2) * of(i, 3) * 400.0) as i64 - 5);
        let label_time = event_time.iter().enumerate().map(known).collect();
        let shards = sharded.then(|| (0..count).map(|i| (of(i, 4) * of(i, 4) * 1000.0) as u64).collect());
        Self { rows: rows(seed, count, 7), event_time, label_time, shards }
    }

    fn replica(&self, row: usize, count: usize) -> usize {
        let in_turn = SYNC_ROWS / count as u64;
        (self.shards.as_ref().map_or(row as u64 / in_turn, |shards| shards[row]) % count as u64) as usize
    }
}

struct Ran {
    predictions: Vec<u64>,
    versions: Vec<(i64, Vec<u8>)>,
    state: Vec<u8>,
    last: Vec<u8>,
}

const DELAY: i64 = 15;
const POINTS: [i64; 3] = [505, 1500, 1_000_000];
const SYNC_ROWS: u64 = 250;

/// Row by row, with no cleverness.
fn by_definition(stream: &Stream, options: &[(&str, &str)], count: usize) -> Ran {
    let mut merged = model(options);
    let branch = |merged: &Model| {
        let mut replica = model(options);
        replica.branch(merged).unwrap();
        replica
    };
    let mut replicas: Vec<Model> = (0..count).map(|_| branch(&merged)).collect();
    let mut waiting: Vec<(i64, usize)> = Vec::new();
    let (mut latest, mut watermark) = (i64::MIN, i64::MIN);
    let (mut predictions, mut versions, mut points) = (Vec::new(), Vec::new(), POINTS.to_vec());
    let learn = |replicas: &mut [Model], waiting: &mut Vec<(i64, usize)>, time: i64| {
        waiting.sort();
        while waiting.first().is_some_and(|(due, _)| *due <= time) {
            let row = waiting.remove(0).1;
            replicas[stream.replica(row, count)].learn(&stream.rows.slice(row, 1)).unwrap();
        }
    };
    let snapshot = |merged: &Model, replicas: &[Model]| {
        let mut copy = Model::load(&merged.save()).unwrap();
        copy.merge_since(&replicas.iter().collect::<Vec<_>>()).unwrap();
        copy
    };
    for row in 0..stream.rows.num_rows() {
        if row > 0 && (row as u64).is_multiple_of(SYNC_ROWS) {
            learn(&mut replicas, &mut waiting, watermark);
            merged = snapshot(&merged, &replicas);
            replicas = (0..count).map(|_| branch(&merged)).collect();
        }
        latest = latest.max(stream.event_time[row]);
        watermark = watermark.max(latest - DELAY);
        while points.first().is_some_and(|point| *point <= watermark) {
            let point = points.remove(0);
            learn(&mut replicas, &mut waiting, point);
            versions.push((point, snapshot(&merged, &replicas).save()));
        }
        learn(&mut replicas, &mut waiting, watermark);
        let this = stream.rows.slice(row, 1);
        let replica = &mut replicas[stream.replica(row, count)];
        predictions.extend(bits(&replica.predict(&this).unwrap(), 1));
        if stream.rows.column(6).is_valid(row) {
            let late = stream.label_time.is_valid(row);
            let known = if late { stream.label_time.value(row) } else { stream.event_time[row] };
            if known <= watermark {
                replica.learn(&this).unwrap();
            } else {
                waiting.push((known, row));
            }
        }
    }
    learn(&mut replicas, &mut waiting, i64::MAX);
    let last = snapshot(&merged, &replicas).save();
    versions.extend(points.into_iter().map(|point| (point, last.clone())));
    Ran { predictions, versions, state: Vec::new(), last }
}

/// Runs a stream in batches; `stop`: saved and restored after each of them.
fn run(stream: &Stream, options: &[(&str, &str)], count: usize, size: usize, spread: &dyn Spread, stop: bool) -> Ran {
    let new = || Replicas::new(model(options), count, SYNC_ROWS).unwrap();
    let mut replicas = new();
    replicas.set_version_points(POINTS.to_vec());
    let (mut predictions, mut versions) = (Vec::new(), Vec::new());
    for (i, part) in cut(&stream.rows, size).iter().enumerate() {
        let range = i * size..i * size + part.num_rows();
        let done = replicas.process(
            &Arrivals {
                batch: part,
                event_time: &stream.event_time[range.clone()],
                label_time: Some(&stream.label_time.slice(range.start, range.len())),
                delay: DELAY,
                shards: stream.shards.as_ref().map(|shards| &shards[range]),
            },
            spread,
        );
        let done = done.unwrap();
        predictions.extend(bits(&done.predictions, 1));
        versions.extend(done.versions.into_iter().map(|version| (version.time, version.artifact)));
        if stop {
            let state = replicas.save();
            replicas = new();
            replicas.restore(&state).unwrap();
            assert!(replicas.save() == state);
        }
    }
    assert!(replicas.pending_rows() > 20);
    let state = replicas.save();
    versions.extend(replicas.finish(spread).unwrap().into_iter().map(|version| (version.time, version.artifact)));
    assert_eq!(replicas.pending_rows(), 0);
    Ran { predictions, versions, state, last: replicas.model().save() }
}

#[test]
fn it_does_what_its_definition_says_however_it_is_run() {
    for (sharded, options) in [
        (false, &[] as &[(&str, &str)]),
        (true, &[("optimizer", "adam"), ("l2", "0.01"), ("class_weight", "balanced")]),
        (false, &[("optimizer", "ftrl"), ("l1", "0.1")]),
        (true, &[("algorithm", "majority_class"), ("learning_rate", "")]),
    ] {
        let stream = Stream::new(1500, 1, sharded);
        let expected = by_definition(&stream, options, 3);
        let mut states = Vec::new();
        for (size, spread, stop) in
            [(1, &InTurn as &dyn Spread, false), (7, &Threads, true), (400, &Threads, true), (8192, &InTurn, false)]
        {
            let found = run(&stream, options, 3, size, spread, stop);
            let differs = found.predictions.iter().zip(&expected.predictions).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{options:?} in batches of {size}");
            assert!(found.versions == expected.versions, "versions of {options:?} in batches of {size}");
            assert!(found.last == expected.last, "{options:?} in batches of {size}");
            states.push(found.state);
        }
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "states of {options:?}");
    }
}

/// What merges exactly is the same as in one model: here counts of labels, and categories.
#[test]
fn exact_parts_are_as_of_one_model() {
    let transforms = [
        ("ML_MIN_MAX_SCALER(a) OVER ()", "a"),
        ("ML_ONE_HOT_ENCODER(ML_IMPUTER(city, 'most_frequent') OVER ()) OVER ()", "city"),
    ];
    let new = || binary(&INPUTS, &transforms, &[("algorithm", "majority_class")]);
    // Without weights: counts are whole numbers then.
    let all = rows(5, 1000, 9).project(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
    let mut one = new();
    one.learn(&all).unwrap();
    let mut replicas = Replicas::new(new(), 4, 60).unwrap();
    for part in cut(&all, 128) {
        let arrivals = Arrivals { batch: &part, event_time: &[], label_time: None, delay: 0, shards: None };
        replicas.process(&arrivals, &Threads).unwrap();
    }
    replicas.finish(&InTurn).unwrap();
    let counts = replicas.counts();
    assert_eq!(
        (counts.rows, counts.learned_rows, counts.unlabelled_rows),
        (1000, one.rows_learned(), 1000 - one.rows_learned())
    );
    assert_eq!(replicas.model().rows_learned(), one.rows_learned());
    assert!(bits(&replicas.model().predict(&all).unwrap(), 1) == bits(&one.predict(&all).unwrap(), 1));
}

/// Every learner and every transform works in replicas, or says that it does not.
#[test]
fn every_learner_can_be_trained_by_replicas() {
    for def in LEARNERS {
        for (task, output) in
            [(Task::Classification, Boolean), (Task::Classification, Utf8), (Task::Regression, Float64)]
        {
            if !def.tasks.contains(&task) {
                continue;
            }
            let transforms = if def.features.sparse { &TRANSFORMS[..] } else { &[] };
            let spec = spec(&INPUTS, &[("predicted", output)], transforms, &[("algorithm", def.name)]).unwrap();
            let replicas = Replicas::new(Model::new(spec).unwrap(), 3, 100);
            match replicas.map(drop) {
                Err(error) if def.merge.starts_with("not at all") => {
                    assert!(error.to_string().contains("cannot be trained in parallel"), "{}: {error}", def.name);
                }
                result => result.unwrap_or_else(|error| panic!("{}: {error}", def.name)),
            }
        }
    }
}

/// Replicas meet their classes in different orders; each class keeps its weights.
#[test]
fn classes_that_are_met_are_told_apart() {
    let inputs = [("x", Float64), ("y", Float64)];
    let outputs = [("class", Utf8), ("probability", Float64)];
    let new = |classes_max: &str| {
        let options = [("learning_rate", "0.3"), ("max-classes", classes_max)];
        Model::new(spec(&inputs, &outputs, &[], &options).unwrap()).unwrap()
    };
    // Class by the sign of two numbers, so that a linear model can tell them apart.
    let class = |x: f64, y: f64| format!("{}{}", if x > 0.0 { "e" } else { "w" }, if y > 0.0 { "n" } else { "s" });
    let points: Vec<(f64, f64)> = (0..4000).map(|i| (noise(2 * i) - 0.5, noise(2 * i + 1) - 0.5)).collect();
    let of = |range: std::ops::Range<usize>| {
        let points = &points[range];
        batch(&[
            ("x", column(Float64Array::from_iter_values(points.iter().map(|p| p.0)))),
            ("y", column(Float64Array::from_iter_values(points.iter().map(|p| p.1)))),
            ("label", column(StringArray::from_iter_values(points.iter().map(|p| class(p.0, p.1))))),
        ])
    };
    let timeless = |batch| Arrivals { batch, event_time: &[], label_time: None, delay: 0, shards: None };
    let mut replicas = Replicas::new(new("4"), 5, 40).unwrap();
    let (first, second) = (of(0..2000), of(2000..4000));
    replicas.process(&timeless(&first), &Threads).unwrap();
    replicas.finish(&InTurn).unwrap();
    let mut classes = replicas.model().classes();
    classes.sort();
    assert_eq!(classes, ["en", "es", "wn", "ws"]);
    let predicted = replicas.model().predict(&second).unwrap();
    let right = (0..2000).filter(|row| {
        predicted.column(0).as_string::<i32>().value(*row) == class(points[2000 + row].0, points[2000 + row].1)
    });
    let right = right.count();
    assert!(right > 1850, "{right} of 2000 right");

    // The limit on classes is of all replicas, and the row at fault is that of the batch.
    let mut limited = Replicas::new(new("3"), 5, 40).unwrap();
    let labels: Vec<String> = points.iter().map(|p| class(p.0, p.1)).collect();
    let met = |row: usize| labels[..=row].iter().collect::<std::collections::BTreeSet<_>>().len();
    let fourth = (0..2000).find(|row| met(*row) == 4).unwrap();
    let fault = limited.process(&timeless(&first), &Threads).unwrap_err().to_string();
    assert!(
        fault.starts_with(&format!("row {fourth}, column 'label'")) && fault.contains("is one too many"),
        "{fault}"
    );
    assert_eq!(limited.check(&first).unwrap()[0].row, fourth);
    // Nothing was learned, and rows before it can be.
    limited.process(&timeless(&first.slice(0, fourth)), &InTurn).unwrap();
    assert_eq!(limited.counts().rows, fourth as u64);
}

/// A fault is that of the first row that has one, whichever replica reads it; then nothing was learned.
#[test]
fn faults_name_the_row_of_the_batch() {
    let new = || binary(&[("x", Float64)], &[], &[]);
    let mut replicas = Replicas::new(new(), 3, 10).unwrap();
    let before = replicas.save();
    let x = Float64Array::from(vec![Some(1.0), Some(2.0), Some(3.0), Some(f64::INFINITY), Some(5.0), None]);
    let labels = arrow::array::BooleanArray::from(vec![true; 6]);
    let bad = batch(&[("x", column(x)), ("label", column(labels))]);
    let arrivals = Arrivals { batch: &bad, event_time: &[], label_time: None, delay: 0, shards: None };
    let error = replicas.process(&arrivals, &Threads).unwrap_err().to_string();
    assert_eq!(error, "row 3, column 'x': is infinite; expected a finite number");
    assert!(replicas.save() == before);
}

#[test]
fn without_predictions_it_learns_the_same() {
    let all = rows(3, 700, 5);
    let arrivals = Arrivals { batch: &all, event_time: &[], label_time: None, delay: 0, shards: None };
    let mut predicting = Replicas::new(model(&[]), 2, 100).unwrap();
    let mut learning = Replicas::new(model(&[]), 2, 100).unwrap();
    learning.predict_nothing();
    assert_eq!(predicting.process(&arrivals, &InTurn).unwrap().predictions.num_rows(), 700);
    assert_eq!(learning.process(&arrivals, &InTurn).unwrap().predictions.num_rows(), 0);
    predicting.finish(&InTurn).unwrap();
    learning.finish(&InTurn).unwrap();
    assert!(predicting.model().save() == learning.model().save());
}

/// Averages are by rows: a replica without rows does not pull the others back, and weights that nobody moves stay.
#[test]
fn weights_move_by_the_average_way() {
    let transforms = [("ML_ONE_HOT_ENCODER(s, ['a', 'b', 'c'])", "s")];
    let new = || binary(&[("s", Utf8)], &transforms, &[("learning_rate", "1"), ("fit_intercept", "false")]);
    let weights = |model: &Model| -> Vec<f64> {
        let rows = model.describe().weights;
        rows.iter().filter(|row| row.category.is_some()).map(|row| row.weight).collect()
    };
    let of = |texts: &[&str]| {
        let labels = arrow::array::BooleanArray::from(vec![true; texts.len()]);
        batch(&[("s", column(StringArray::from(texts.to_vec()))), ("label", column(labels))])
    };
    let mut merged = new();
    merged.learn(&of(&["c"])).unwrap();
    let branch = || {
        let mut replica = new();
        replica.branch(&merged).unwrap();
        replica
    };
    let (mut one, mut two, idle) = (branch(), branch(), branch());
    one.learn(&of(&["a"])).unwrap();
    two.learn(&of(&["b", "b", "b"])).unwrap();
    // Only features with a weight are told.
    let (of_one, of_two, of_c) = (weights(&one)[0], weights(&two)[0], weights(&merged)[0]);
    merged.merge_since(&[&one, &two, &idle]).unwrap();
    let expected = [of_one * 0.25, of_two * 0.75];
    let found = weights(&merged);
    assert!((found[0] - expected[0]).abs() < 1e-15 && (found[1] - expected[1]).abs() < 1e-15, "{found:?}");
    assert_eq!(found[2].to_bits(), of_c.to_bits());
    assert_eq!(merged.rows_learned(), 5);
}

/// It comes near to what one model makes of the same rows.
#[test]
fn quality_is_near_that_of_one_model() {
    let all = rows(11, 6000, 1_000_000);
    let labels = all.column(6).as_boolean().clone();
    let loss = |probabilities: &RecordBatch, from: usize| {
        let p = probabilities.column(1).as_primitive::<Float64Type>();
        let of = |row: usize| if labels.value(row) { p.value(row) } else { 1.0 - p.value(row) };
        (from..6000).map(|row| -of(row).max(1e-15).ln()).sum::<f64>() / (6000 - from) as f64
    };
    let mut one = model(&[]);
    let single = loss(&one.learn_predict(&all).unwrap(), 3000);
    let mut replicas = Replicas::new(model(&[]), 4, 200).unwrap();
    let arrivals = Arrivals { batch: &all, event_time: &[], label_time: None, delay: 0, shards: None };
    let several = loss(&replicas.process(&arrivals, &Threads).unwrap().predictions, 3000);
    assert!(several < single * 1.15, "{several}, with one model {single}");
}

/// Work is handed out to whatever spreads it, and all of it is done before anything goes on.
#[test]
fn work_is_handed_out() {
    #[derive(Debug, Default)]
    struct Counting(Mutex<usize>);
    impl Spread for Counting {
        fn run(&self, work: Vec<Work<'_>>) {
            *self.0.lock().unwrap() += work.len();
            InTurn.run(work);
        }
    }
    let all = rows(3, 700, 5);
    let arrivals = Arrivals { batch: &all, event_time: &[], label_time: None, delay: 0, shards: None };
    let counting = Counting::default();
    Replicas::new(model(&[]), 2, 350).unwrap().process(&arrivals, &counting).unwrap();
    // To read, to go to the sync, to learn what is due, to go on from it, to go to the end.
    assert_eq!(*counting.0.lock().unwrap(), 2 * 5);
}

fn timeless<'a>(batch: &'a RecordBatch, shards: Option<&'a [u64]>) -> Arrivals<'a> {
    Arrivals { batch, event_time: &[], label_time: None, delay: 0, shards }
}

/// Replicas in places of their own that report at the same rows make what those of one place make; also after they were saved.
#[test]
fn by_reports_it_is_the_same() {
    const COUNT: usize = 3;
    for options in [&[] as &[(&str, &str)], &[("optimizer", "ftrl"), ("l1", "0.1")]] {
        let all = rows(4, 1000, 7);
        let shards: Vec<u64> = (0..1000).map(|row| (noise(row) * 3.0) as u64).collect();
        let mut expected = Replicas::new(model(options), COUNT, SYNC_ROWS).unwrap();
        expected.process(&timeless(&all, Some(shards.as_slice())), &InTurn).unwrap();
        expected.finish(&InTurn).unwrap();

        let mut base = model(options);
        let mut replicas: Vec<Replica> = (0..COUNT).map(|_| Replica::new(model(options)).unwrap()).collect();
        for from in (0..1000).step_by(SYNC_ROWS as usize) {
            for row in from..from + SYNC_ROWS as usize {
                let one = all.slice(row, 1);
                replicas[shards[row] as usize].process(&timeless(&one, None), &InTurn).unwrap();
            }
            for replica in &mut replicas {
                let mut again = Replica::new(model(options)).unwrap();
                again.restore(&replica.save()).unwrap();
                assert!(again.save() == replica.save());
                *replica = again;
            }
            base = merged(&base, &replicas.iter().map(Replica::report).collect::<Vec<_>>()).unwrap();
            replicas.iter_mut().for_each(|replica| replica.go_on(&base).unwrap());
        }
        assert!(base.save() == expected.model().save(), "{options:?}");
        assert!(merged(&base, &[b"nonsense"]).is_err());
    }
}

/// Rows that wait stay with their replica when it goes on from what all have made.
#[test]
fn rows_that_wait_go_on_waiting() {
    let stream = Stream::new(600, 2, false);
    let new = || Replica::new(model(&[])).unwrap();
    let mut replicas = [new(), new()];
    for (replica, from) in replicas.iter_mut().zip([0, 300]) {
        let arrivals = Arrivals {
            batch: &stream.rows.slice(from, 300),
            event_time: &stream.event_time[from..from + 300],
            label_time: Some(&stream.label_time.slice(from, 300)),
            delay: DELAY,
            shards: None,
        };
        replica.process(&arrivals, &InTurn).unwrap();
        assert!(replica.pending_rows() > 20);
    }
    let waiting: usize = replicas.iter().map(Training::pending_rows).sum();
    let base = merged(&model(&[]), &replicas.each_ref().map(Replica::report)).unwrap();
    let learned = |replicas: &[Replica; 2]| replicas.iter().map(|replica| replica.counts().learned_rows).sum::<u64>();
    assert_eq!(base.rows_learned(), learned(&replicas));
    for replica in &mut replicas {
        replica.go_on(&base).unwrap();
        replica.finish(&InTurn).unwrap();
    }
    let last = merged(&base, &replicas.each_ref().map(Replica::report)).unwrap();
    assert_eq!((last.rows_learned(), learned(&replicas)), (base.rows_learned() + waiting as u64, last.rows_learned()));
}
