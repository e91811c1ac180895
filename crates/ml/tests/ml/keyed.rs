//! A model a key: exactly what a model of the key's rows alone would be.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow::array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use tidegate_ml::keyed::version::{Header, Predictor, Reader, Writer, state_of};
use tidegate_ml::keyed::{
    Change, Keyed, KeyedArrivals, KeyedSettings, States, StatesOfShard, Unknown, is_over, learned_of,
};
use tidegate_ml::keys::Keys;
use tidegate_ml::spread::{InTurn, Spread, Work};
use tidegate_ml::{Model, ModelSpec, Result};

use crate::declared::everything::{INPUTS, TRANSFORMS, noise, rows};
use crate::declared::{Boolean, Float64, Utf8, batch, bits, column, cut, spec};

/// States in memory.
#[derive(Debug, Default, Clone)]
struct InMemory(Vec<Part>);

#[derive(Debug, Default, Clone)]
struct Part(BTreeMap<Vec<u8>, Vec<u8>>);

impl InMemory {
    fn new(parts: usize) -> Self {
        Self(vec![Part::default(); parts])
    }

    fn all(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.iter().flat_map(|part| part.0.clone()).collect()
    }
}

impl States for InMemory {
    type Part = Part;

    fn parts(&mut self) -> &mut [Part] {
        &mut self.0
    }

    fn change_all(&mut self, change: &mut Change<'_>) -> Result<()> {
        for (key, state) in self.0.iter_mut().flat_map(|part| &mut part.0) {
            if let Some(changed) = change(key, state)? {
                *state = changed;
            }
        }
        Ok(())
    }
}

impl StatesOfShard for Part {
    fn take(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.remove(key))
    }

    fn put(&mut self, key: &[u8], state: Vec<u8>) -> Result<()> {
        assert!(self.0.insert(key.to_vec(), state).is_none());
        Ok(())
    }
}

#[derive(Debug)]
struct Threads;

impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        std::thread::scope(|scope| {
            for work in work.into_iter().rev() {
                scope.spawn(work);
            }
        });
    }
}

struct Stream {
    rows: RecordBatch,
    keys: Vec<i64>,
    event_time: Vec<i64>,
    label_time: Int64Array,
}

const DELAY: i64 = 15;

impl Stream {
    fn new(count: usize, seed: usize, key_count: usize) -> Self {
        let of = |i: usize, column: usize| noise((seed * 100_000 + i) * 8 + column);
        let event_time: Vec<i64> = (0..count).map(|i| (i / 9) as i64 * 10 - (of(i, 0) * 12.0) as i64).collect();
        let known =
            |(i, time): (usize, &i64)| (of(i, 1) > 0.1).then(|| time + (of(i, 2) * of(i, 3) * 400.0) as i64 - 5);
        Self {
            rows: rows(seed, count, 7),
            keys: (0..count).map(|i| (of(i, 4) * of(i, 5) * key_count as f64) as i64).collect(),
            label_time: event_time.iter().enumerate().map(known).collect(),
            event_time,
        }
    }

    fn known(&self, row: usize) -> i64 {
        if self.label_time.is_valid(row) { self.label_time.value(row) } else { self.event_time[row] }
    }

    fn keys(&self, range: std::ops::Range<usize>) -> Keys {
        let len = range.len();
        Keys::read(&[column(Int64Array::from(self.keys[range].to_vec()))], len).unwrap()
    }
}

fn binary_spec(options: &[(&str, &str)]) -> ModelSpec {
    let given = [("learning_rate", "0.05"), ("max-categories", "20")];
    let options: Vec<_> = given.iter().chain(options).copied().collect();
    spec(&INPUTS, &[("predicted", Boolean), ("probability", Float64)], &TRANSFORMS, &options).unwrap()
}

fn settings(unknown: Unknown, ttl: Option<i64>) -> KeyedSettings {
    KeyedSettings { unknown, ttl, pending_rows_max: None }
}

/// The model of a key, with the rows that wait and when the key was last seen.
struct Naive {
    model: Model,
    waiting: Vec<(i64, usize)>,
    seen: i64,
}

impl Naive {
    fn new(spec: &ModelSpec) -> Self {
        Self { model: Model::new(spec.clone()).unwrap(), waiting: Vec::new(), seen: i64::MIN }
    }

    fn learn_due(&mut self, stream: &Stream, time: i64) {
        self.waiting.sort();
        while self.waiting.first().is_some_and(|(due, _)| *due <= time) {
            self.model.learn(&stream.rows.slice(self.waiting.remove(0).1, 1)).unwrap();
        }
    }

    /// Predicts a row, then learns it or has it wait.
    fn take(&mut self, stream: &Stream, row: usize, watermark: i64) -> u64 {
        self.learn_due(stream, watermark);
        let this = stream.rows.slice(row, 1);
        let prediction = bits(&self.model.predict(&this).unwrap(), 1)[0];
        if stream.rows.column(6).is_valid(row) {
            if stream.known(row) <= watermark {
                self.model.learn(&this).unwrap();
            } else {
                self.waiting.push((stream.known(row), row));
            }
        }
        prediction
    }
}

struct Expected {
    predictions: Vec<u64>,
    models: BTreeMap<i64, Naive>,
    /// Predictions of the model of key 0 for all rows at each version point.
    at_points: Vec<Vec<u64>>,
}

/// A map of models, row by row.
fn by_definition(stream: &Stream, spec: &ModelSpec, unknown: Unknown, ttl: Option<i64>, points: &[i64]) -> Expected {
    let mut models: BTreeMap<i64, Naive> = BTreeMap::new();
    let mut prior = Naive::new(spec);
    let (mut latest, mut watermark, mut predictions) = (i64::MIN, i64::MIN, Vec::new());
    let (mut points, mut at_points) = (points.to_vec(), Vec::new());
    let mut pass = |models: &mut BTreeMap<i64, Naive>, watermark: i64| {
        while points.first().is_some_and(|point| *point <= watermark) {
            let point = points.remove(0);
            models.values_mut().for_each(|model| model.learn_due(stream, point));
            at_points
                .push(models.get(&0).map_or(Vec::new(), |naive| bits(&naive.model.predict(&stream.rows).unwrap(), 1)));
        }
    };
    for row in 0..stream.rows.num_rows() {
        latest = latest.max(stream.event_time[row]);
        watermark = watermark.max(latest - DELAY);
        pass(&mut models, watermark);
        let naive = models.entry(stream.keys[row]).or_insert_with(|| Naive::new(spec));
        if ttl.is_some_and(|ttl| naive.seen != i64::MIN && watermark - naive.seen >= ttl) {
            *naive = Naive::new(spec);
        }
        naive.seen = naive.seen.max(stream.event_time[row]);
        naive.learn_due(stream, watermark);
        let untaught = naive.model.rows_learned() == 0;
        let own = naive.take(stream, row, watermark);
        let of_prior = prior.take(stream, row, watermark);
        predictions.push(match (untaught, unknown) {
            (true, Unknown::Prior) => of_prior,
            (true, Unknown::Null) => f64::NAN.to_bits(),
            _ => own,
        });
    }
    pass(&mut models, i64::MAX);
    models.values_mut().for_each(|model| model.learn_due(stream, i64::MAX));
    Expected { predictions, models, at_points }
}

struct Run {
    size: usize,
    shards: usize,
    threads: bool,
    stop: bool,
}

/// Runs a stream in batches; gives the predictions, and a version for each point and the end.
fn run(
    stream: &Stream,
    spec: &ModelSpec,
    unknown: Unknown,
    ttl: Option<i64>,
    points: &[i64],
    how: &Run,
) -> (Vec<u64>, Vec<Vec<u8>>) {
    let spread: &dyn Spread = if how.threads { &Threads } else { &InTurn };
    let new = |states| Keyed::new(spec, states, settings(unknown, ttl)).unwrap();
    let mut keyed = new(InMemory::new(how.shards));
    keyed.set_version_points(points.to_vec());
    let (mut predictions, mut versions) = (Vec::new(), Vec::new());
    let mut pending_max = 0;
    for (i, part) in cut(&stream.rows, how.size).iter().enumerate() {
        let range = i * how.size..i * how.size + part.num_rows();
        let arrivals = KeyedArrivals {
            batch: part,
            keys: &stream.keys(range.clone()),
            event_time: &stream.event_time[range.clone()],
            label_time: Some(&stream.label_time.slice(range.start, range.len())),
            delay: DELAY,
        };
        let made = keyed.process(&arrivals, spread, &mut |keyed, reached| {
            versions.push(version(keyed, ttl, reached.time));
            Ok(())
        });
        predictions.extend(bits(&made.unwrap(), 1));
        pending_max = pending_max.max(keyed.pending_rows());
        if how.stop {
            let (saved, states) = (keyed.save(), keyed.states().clone());
            keyed = new(states);
            keyed.restore(&saved).unwrap();
            assert!(keyed.save() == saved);
        }
    }
    assert!(pending_max > 5);
    let end = keyed.watermark();
    keyed
        .finish(&mut |keyed, reached| {
            versions.push(version(keyed, ttl, reached.time.min(end)));
            Ok(())
        })
        .unwrap();
    assert_eq!(keyed.pending_rows(), 0);
    assert_eq!(keyed.counts().rows, stream.rows.num_rows() as u64);
    versions.push(version(&mut keyed, None, end));
    (predictions, versions)
}

fn version(keyed: &mut Keyed<InMemory>, ttl: Option<i64>, time: i64) -> Vec<u8> {
    let header = Header {
        untrained: keyed.untrained().save(),
        prior: keyed.prior().map(Model::save),
        key_columns: vec!["k".to_string()],
        unknown: if keyed.prior().is_some() { Unknown::Prior } else { Unknown::Null },
    };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for (key, state) in keyed.states().all() {
        if !is_over(&state, ttl, time).unwrap() {
            writer.add(&key, learned_of(&state).unwrap()).unwrap();
        }
    }
    writer.finish().unwrap().1
}

fn ways() -> [Run; 4] {
    let way = |size, shards, threads, stop| Run { size, shards, threads, stop };
    [way(1, 1, false, false), way(7, 5, true, true), way(300, 3, true, true), way(8192, 16, false, false)]
}

fn check(stream: &Stream, spec: &ModelSpec, unknown: Unknown, ttl: Option<i64>, ways: &[Run]) {
    let points = [505, 1500, 1_000_000];
    let expected = by_definition(stream, spec, unknown, ttl, &points);
    let mut all_versions = Vec::new();
    for how in ways {
        let (predictions, versions) = run(stream, spec, unknown, ttl, &points, how);
        let differs = predictions.iter().zip(&expected.predictions).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{unknown:?}, ttl {ttl:?}, in batches of {}", how.size);
        all_versions.push(versions);
    }
    assert!(all_versions.windows(2).all(|pair| pair[0] == pair[1]), "versions, {unknown:?}, ttl {ttl:?}");
    // What the versions predict is what the models predict.
    let everything = |keys: Vec<i64>| Keys::read(&[column(Int64Array::from(keys.clone()))], keys.len()).unwrap();
    let predict = |version: &[u8], keys: &Keys| {
        let mut reader = Reader::open(Cursor::new(version)).unwrap();
        let mut predictor = Predictor::new(reader.header(), 3).unwrap();
        let made = predictor.predict(&stream.rows, keys, &mut |key| reader.find(key)).unwrap();
        bits(&made, 1)
    };
    let last = all_versions[0].last().unwrap();
    let found = predict(last, &stream.keys(0..stream.keys.len()));
    for (row, found) in found.iter().enumerate() {
        let model = &expected.models[&stream.keys[row]].model;
        if model.rows_learned() > 0 {
            assert_eq!(*found, bits(&model.predict(&stream.rows.slice(row, 1)).unwrap(), 1)[0], "row {row}");
        }
    }
    if ttl.is_none() {
        for (version, expected) in all_versions[0].iter().zip(&expected.at_points) {
            assert!(predict(version, &everything(vec![0; stream.keys.len()])) == *expected, "at a point");
        }
    }
}

#[test]
fn each_key_is_as_a_model_of_its_own() {
    let stream = Stream::new(1200, 1, 40);
    check(&stream, &binary_spec(&[]), Unknown::Untrained, None, &ways());
    check(&stream, &binary_spec(&[("optimizer", "adam"), ("l1", "0.01")]), Unknown::Null, None, &ways());
    check(&stream, &binary_spec(&[]), Unknown::Prior, Some(300), &ways());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_sequence_of_rows_keys_and_late_labels(
        seed in 0usize..1000,
        keys in 1usize..60,
        ttl in prop::option::of(1i64..400),
        size in 1usize..250,
        shards in 1usize..9,
        stop: bool,
    ) {
        let stream = Stream::new(300, seed, keys);
        let how = Run { size, shards, threads: false, stop };
        check(&stream, &binary_spec(&[]), Unknown::Untrained, ttl, &[how]);
    }
}

/// Classes that are met are numbered by each key in its own way; the limit on their number is of all keys.
#[test]
fn classes_that_are_met_are_each_keys_own() {
    let spec = |max: &str| {
        let options = [("algorithm", "majority_class"), ("max-classes", max)];
        spec(&[("x", Float64)], &[("class", Utf8), ("share", Float64)], &[], &options).unwrap()
    };
    let of = |labels: &[&str]| {
        let x = Float64Array::from(vec![0.0; labels.len()]);
        batch(&[("x", column(x)), ("label", column(StringArray::from(labels.to_vec())))])
    };
    let rows = of(&["a", "b", "b", "a", "c"]);
    let keys = Keys::read(&[column(StringArray::from(vec!["p", "q", "p", "p", "q"]))], 5).unwrap();
    let arrivals = KeyedArrivals { batch: &rows, keys: &keys, event_time: &[], label_time: None, delay: 0 };
    let nothing = &mut |_: &mut Keyed<InMemory>, _| Ok(());
    let mut keyed = Keyed::new(&spec("3"), InMemory::new(2), settings(Unknown::Null, None)).unwrap();
    let made = keyed.process(&arrivals, &InTurn, nothing).unwrap();
    let classes: Vec<Option<&str>> = made.column(0).as_any().downcast_ref::<StringArray>().unwrap().iter().collect();
    assert_eq!(classes, [None, None, Some("a"), Some("a"), Some("b")]);
    let mut limited = Keyed::new(&spec("2"), InMemory::new(2), settings(Unknown::Null, None)).unwrap();
    let error = limited.process(&arrivals, &InTurn, nothing).unwrap_err().to_string();
    assert!(error.starts_with("row 4, column 'label': class 'c' is one too many"), "{error}");
    assert!(limited.states().all().is_empty());
}

/// What one small key costs: no copy of the specification, no buffers.
#[test]
fn a_fresh_key_takes_little() {
    let inputs = [("a", Float64), ("b", Float64), ("c", Float64), ("d", Float64)];
    let transforms = [
        ("ML_STANDARD_SCALER(a) OVER ()", "a"),
        ("ML_STANDARD_SCALER(b) OVER ()", "b"),
        ("ML_STANDARD_SCALER(c) OVER ()", "c"),
        ("ML_STANDARD_SCALER(d) OVER ()", "d"),
    ];
    let spec = spec(&inputs, &[("p", Boolean), ("probability", Float64)], &transforms, &[]).unwrap();
    let mut keyed = Keyed::new(&spec, InMemory::new(1), settings(Unknown::Untrained, None)).unwrap();
    let x = || column(Float64Array::from(vec![0.5]));
    let label = column(arrow::array::BooleanArray::from(vec![true]));
    let row = batch(&[("a", x()), ("b", x()), ("c", x()), ("d", x()), ("label", label)]);
    let keys = Keys::read(&[column(Int64Array::from(vec![1]))], 1).unwrap();
    let arrivals = KeyedArrivals { batch: &row, keys: &keys, event_time: &[], label_time: None, delay: 0 };
    keyed.process(&arrivals, &InTurn, &mut |_, _| Ok(())).unwrap();
    let states = keyed.states().all();
    let bytes = states.values().next().unwrap().len();
    assert!(bytes < 250, "{bytes} bytes");
}

#[test]
fn versions_are_read_back_and_damage_is_told() {
    let model = Model::new(binary_spec(&[])).unwrap();
    let header =
        Header { untrained: model.save(), prior: None, key_columns: vec!["k".into()], unknown: Unknown::Untrained };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let key = |i: u32| i.to_be_bytes();
    for i in (0..5000).map(|i| i * 2) {
        writer.add(&key(i), vec![i as u8; 20]).unwrap();
    }
    let (count, bytes) = writer.finish().unwrap();
    assert_eq!(count, 5000);
    let mut reader = Reader::open(Cursor::new(&bytes)).unwrap();
    for i in [0, 1, 2, 777, 5000, 9998, 9999, 20_000] {
        let expected = (i % 2 == 0 && i < 10_000).then(|| vec![i as u8; 20]);
        assert_eq!(reader.find(&key(i)).unwrap(), expected, "{i}");
    }
    let mut seen = 0;
    reader
        .each(&mut |found, _| {
            assert_eq!(found, key(seen * 2));
            seen += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!((seen, reader.keys()), (5000, 5000));
    assert!(state_of(&[1, 2, 3]).is_err());
    for at in (0..bytes.len()).step_by(997) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let told = Reader::open(Cursor::new(&damaged)).and_then(|mut reader| reader.each(&mut |_, _| Ok(())));
        assert!(told.is_err(), "byte {at}");
    }
    assert!(Reader::open(Cursor::new(&bytes[..bytes.len() - 1])).is_err());
}
