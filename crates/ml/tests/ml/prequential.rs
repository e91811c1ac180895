//! Late labels: what is learned when.

use arrow::array::{Array, Int64Array, RecordBatch};
use proptest::prelude::*;
use tidegate_ml::Model;
use tidegate_ml::prequential::{Prequential, Snapshot};

use crate::declared::everything::{INPUTS, TRANSFORMS, noise, rows};
use crate::declared::{binary, bits, cut};

fn model() -> Model {
    binary(&INPUTS, &TRANSFORMS, &[("learning_rate", "0.05"), ("max-categories", "20")])
}

/// A stream: rows, event times (several rows share one; some come late), label times (some NULL, some already past).
struct Stream {
    rows: RecordBatch,
    event_time: Vec<i64>,
    label_time: Int64Array,
}

impl Stream {
    fn new(count: usize, seed: usize) -> Self {
        let of = |i: usize, column: usize| noise((seed * 100_000 + i) * 8 + column);
        let event_time: Vec<i64> = (0..count).map(|i| (i / 9) as i64 * 10 - (of(i, 0) * 12.0) as i64).collect();
        let label_time = event_time
            .iter()
            .enumerate()
            .map(|(i, time)| (of(i, 1) > 0.1).then(|| time + (of(i, 2) * of(i, 3) * 400.0) as i64 - 5));
        Self { rows: rows(seed, count, 7), label_time: label_time.collect(), event_time }
    }

    fn slice(&self, start: usize, len: usize) -> (RecordBatch, &[i64], Int64Array) {
        (self.rows.slice(start, len), &self.event_time[start..start + len], self.label_time.slice(start, len))
    }
}

/// Models at version points, as they are saved.
type Versions = Vec<(i64, Vec<u8>)>;

/// The definition, row by row, with no cleverness: predictions, the model, and the model at each point.
fn by_definition(stream: &Stream, delay: i64, points: &[i64]) -> (Vec<u64>, Model, Versions) {
    let mut model = model();
    let mut waiting: Vec<(i64, usize)> = Vec::new();
    let (mut latest, mut predictions, mut versions) = (i64::MIN, Vec::new(), Vec::new());
    let mut points = points.to_vec();
    let learn = |model: &mut Model, waiting: &mut Vec<(i64, usize)>, time: i64| {
        waiting.sort();
        while waiting.first().is_some_and(|(due, _)| *due <= time) {
            model.learn(&stream.rows.slice(waiting.remove(0).1, 1)).unwrap();
        }
    };
    let labels = stream.rows.column(6);
    for row in 0..stream.rows.num_rows() {
        latest = latest.max(stream.event_time[row]);
        let watermark = latest - delay;
        while points.first().is_some_and(|point| *point <= watermark) {
            let point = points.remove(0);
            learn(&mut model, &mut waiting, point);
            versions.push((point, model.save()));
        }
        learn(&mut model, &mut waiting, watermark);
        let this = stream.rows.slice(row, 1);
        predictions.extend(bits(&model.predict(&this).unwrap(), 1));
        if labels.is_valid(row) {
            let known =
                if stream.label_time.is_null(row) { stream.event_time[row] } else { stream.label_time.value(row) };
            if known <= watermark {
                model.learn(&this).unwrap();
            } else {
                waiting.push((known, row));
            }
        }
    }
    learn(&mut model, &mut waiting, i64::MAX);
    for point in points {
        versions.push((point, model.save()));
    }
    (predictions, model, versions)
}

const POINTS: [i64; 4] = [-100, 505, 2000, 1_000_000];

#[test]
fn it_does_what_its_definition_says_for_any_batch_size() {
    let stream = Stream::new(2500, 1);
    for delay in [0, 15] {
        // The first point lies before all rows.
        let (expected, last, versions) = by_definition(&stream, delay, &POINTS[1..]);
        let mut saved = None;
        for size in [1, 7, 400, 8192] {
            let mut prequential = Prequential::new(model());
            prequential.set_version_points(POINTS[1..].to_vec());
            let (mut found, mut found_versions) = (Vec::new(), Vec::new());
            for (i, part) in cut(&stream.rows, size).iter().enumerate() {
                let (rows, times, known) = stream.slice(i * size, part.num_rows());
                let done = prequential.process(&rows, times, Some(&known), delay).unwrap();
                found.extend(bits(&done.predictions, 1));
                found_versions.extend(done.versions.into_iter().map(|version| (version.time, version.artifact)));
            }
            let state = prequential.save();
            assert!(saved.get_or_insert(state.clone()) == &state, "state in batches of {size}");
            assert!(prequential.pending_rows() > 20);
            found_versions.extend(prequential.finish().into_iter().map(|version| (version.time, version.artifact)));
            assert_eq!(prequential.pending_rows(), 0);
            let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!(differs, None, "in batches of {size}, delay {delay}");
            assert!(found_versions == versions, "versions in batches of {size}");
            assert!(prequential.model().save() == last.save(), "model in batches of {size}");
        }
    }
}

#[test]
fn counts_tell_what_became_of_the_rows() {
    let stream = Stream::new(900, 2);
    let mut prequential = Prequential::new(model());
    assert_eq!(prequential.watermark(), None);
    prequential.process(&stream.rows, &stream.event_time, Some(&stream.label_time), 3).unwrap();
    let counts = prequential.counts();
    let latest = stream.event_time.iter().max().unwrap() - 3;
    assert_eq!(prequential.watermark(), Some(latest));
    assert_eq!((counts.rows, counts.unlabelled_rows), (900, stream.rows.column(6).null_count() as u64));
    assert_eq!(counts.learned_rows + counts.unlabelled_rows + prequential.pending_rows() as u64, 900);
    let mut watermark = i64::MIN;
    let mut late = 0;
    for time in &stream.event_time {
        late += u64::from(*time < watermark);
        watermark = watermark.max(time - 3);
    }
    assert_eq!(counts.late_rows, late);
    assert!(late > 0);

    // The rows due at a time, and no others, are learned when it is reached.
    let due = |time: i64| {
        let known = |row: usize| match stream.label_time.is_null(row) {
            true => stream.event_time[row],
            false => stream.label_time.value(row),
        };
        (0..900).filter(|row| stream.rows.column(6).is_valid(*row) && known(*row) <= time).count() as u64
    };
    let middle = latest + 40;
    prequential.advance_to(middle);
    assert_eq!(prequential.counts().learned_rows, due(middle));
    prequential.advance_to(latest);
    assert_eq!(prequential.watermark(), Some(middle));
    assert!(prequential.state_bytes() > prequential.model().state_bytes());
}

#[test]
fn without_label_time_it_is_learn_predict() {
    let all = rows(0, 800, 7);
    let mut plain = model();
    let expected = plain.learn_predict(&all).unwrap();
    let mut timeless = Prequential::new(model());
    assert_eq!(timeless.process(&all, &[], None, 0).unwrap().predictions, expected);
    assert!(timeless.model().save() == plain.save());
    let times: Vec<i64> = (0..800).map(|i| 1000 - i).collect();
    let mut timed = Prequential::new(model());
    assert_eq!(timed.process(&all, &times, None, 0).unwrap().predictions, expected);
    assert!(timed.into_model().save() == plain.save());
}

#[test]
fn the_limit_on_waiting_rows_holds() {
    let all = rows(1, 100, 1000);
    let times: Vec<i64> = (0..100).collect();
    let known: Int64Array = times.iter().map(|time| Some(time + 10)).collect();
    let mut prequential = Prequential::new(model());
    prequential.set_pending_rows_max(Some(10));
    prequential.process(&all, &times, Some(&known), 0).unwrap();
    prequential.set_pending_rows_max(Some(9));
    let later: Vec<i64> = (100..200).collect();
    let known: Int64Array = later.iter().map(|time| Some(time + 10)).collect();
    let error = prequential.process(&all, &later, Some(&known), 0).unwrap_err().to_string();
    assert!(
        error.starts_with("more than 9 rows wait for their label at watermark 100: raise 'label.rows-waiting-max'"),
        "{error}"
    );
}

#[test]
fn misfitting_times_are_refused() {
    let mut prequential = Prequential::new(model());
    let error = prequential.process(&rows(0, 3, 7), &[1, 2], None, 0).unwrap_err().to_string();
    assert_eq!(error, "the batch has 3 rows, but 2 event times and 0 label times");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Stopped and resumed anywhere, it goes on as if nothing had been.
    #[test]
    fn restarts_change_nothing(seed in 3usize..50, cuts in prop::collection::vec(1usize..150, 1..10), delay in 0i64..30) {
        let total: usize = cuts.iter().sum();
        let stream = Stream::new(total, seed);
        let mut straight = Prequential::new(model());
        straight.set_version_points(POINTS.to_vec());
        let done = straight.process(&stream.rows, &stream.event_time, Some(&stream.label_time), delay).unwrap();
        let mut resumed = Prequential::new(model());
        resumed.set_version_points(POINTS.to_vec());
        let (mut found, mut versions, mut start) = (Vec::new(), Vec::new(), 0);
        for len in cuts {
            let (rows, times, known) = stream.slice(start, len);
            let part = resumed.process(&rows, times, Some(&known), delay).unwrap();
            found.extend(bits(&part.predictions, 1));
            versions.extend(part.versions.into_iter().map(|v| Snapshot { row: start + v.row, ..v }));
            resumed = Prequential::load(&resumed.save()).unwrap();
            start += len;
        }
        prop_assert_eq!(found, bits(&done.predictions, 1));
        prop_assert!(versions == done.versions);
        prop_assert!(resumed.save() == straight.save());
        prop_assert!(resumed.finish() == straight.finish());
        prop_assert!(resumed.save() == straight.save());
        prop_assert_eq!(resumed.counts(), straight.counts());
    }
}
