//! The join held against its definition: two nested loops over the rows of each window.

use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use datafusion::logical_expr::Operator as Compare;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use proptest::prelude::*;

use super::*;
use crate::stream::operator::AFTER_ALL;

const COLUMNS: [&str; 5] = ["number", "key", "start", "end", "value"];

#[derive(Debug, Clone, Copy)]
struct Event {
    key: Option<i64>,
    start: i64,
    end: i64,
    value: i64,
}

/// A way to join two streams of windows, and a way to run that.
#[derive(Debug, Clone)]
struct Case {
    /// By the ends of their windows.
    left: Vec<Event>,
    right: Vec<Event>,
    kind: Kind,
    /// Whether the value of the right row must not be below that of the left one.
    residual: bool,
    /// The batches: of which side, and how long. What is left over when they are used up comes in one.
    batches: Vec<(Side, usize)>,
    /// After which batches the join is saved and another one goes on.
    saved_after: Vec<usize>,
}

type Results = Vec<(Option<i64>, Option<i64>)>;

fn schema(side: &str) -> Schema {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let types = [DataType::Int64, DataType::Int64, time.clone(), time, DataType::Int64];
    let column = |(name, data_type): (&str, DataType)| Field::new(format!("{side}_{name}"), data_type, true);
    Schema::new(COLUMNS.into_iter().zip(types).map(column).collect::<Vec<_>>())
}

fn rows(side: &str, events: &[Event], first: usize) -> RecordBatch {
    let time = |of: fn(&Event) -> i64| Arc::new(TimestampMillisecondArray::from_iter_values(events.iter().map(of)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((first..first + events.len()).map(|n| n as i64))),
        Arc::new(events.iter().map(|event| event.key).collect::<Int64Array>()),
        time(|event| event.start),
        time(|event| event.end),
        Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event.value))),
    ];
    RecordBatch::try_new(Arc::new(schema(side)), columns).unwrap()
}

/// What the join is defined to give: the numbers of the rows, in the order defined.
fn defined(case: &Case) -> Results {
    let mut ends: Vec<i64> = case.left.iter().chain(&case.right).map(|event| event.end).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut results = Vec::new();
    for end in ends {
        let of = |events: &[Event]| -> Vec<(i64, Event)> {
            (0..).zip(events.iter().copied()).filter(|(_, event)| event.end == end).collect()
        };
        let (left, right) = (of(&case.left), of(&case.right));
        let fits = |a: &Event, b: &Event| {
            a.start == b.start && a.key.is_some() && a.key == b.key && (!case.residual || a.value <= b.value)
        };
        let has_match = |a: &Event| right.iter().any(|(_, b)| fits(a, b));
        let alone = left.iter().filter(|(_, a)| match case.kind {
            Kind::Pairs { left, .. } => left && !has_match(a),
            Kind::Matched => has_match(a),
            Kind::Unmatched => !has_match(a),
            // True for each value of the window: another key, both known.
            Kind::NotIn => right
                .iter()
                .filter(|(_, b)| a.start == b.start)
                .all(|(_, b)| a.key.is_some() && b.key.is_some() && a.key != b.key),
        });
        if let Kind::Pairs { .. } = case.kind {
            for (l, a) in &left {
                results.extend(right.iter().filter(|(_, b)| fits(a, b)).map(|(r, _)| (Some(*l), Some(*r))));
            }
        }
        results.extend(alone.map(|(l, _)| (Some(*l), None)));
        if let Kind::Pairs { right: true, .. } = case.kind {
            let alone = right.iter().filter(|(_, b)| !left.iter().any(|(_, a)| fits(a, b)));
            results.extend(alone.map(|(r, _)| (None, Some(*r))));
        }
    }
    results
}

fn join(case: &Case) -> WindowJoin {
    let input = |side: &str| {
        let key = Arc::new(Column::new(&format!("{side}_key"), 1));
        WindowedInput { schema: Arc::new(schema(side)), start: 2, end: 3, keys: vec![key] }
    };
    let residual = case.residual.then(|| {
        let columns = [schema("left").field(4).clone(), schema("right").field(4).clone()];
        let value = |side: &str, place| Arc::new(Column::new(&format!("{side}_value"), place)) as _;
        let predicate = Arc::new(BinaryExpr::new(value("left", 0), Compare::LtEq, value("right", 1)));
        Residual { predicate, left: vec![4], right: vec![4], schema: Arc::new(Schema::new(columns.to_vec())) }
    });
    let fields = match case.kind {
        Kind::Pairs { .. } => [schema("left").fields().to_vec(), schema("right").fields().to_vec()].concat(),
        _ => schema("left").fields().to_vec(),
    };
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    WindowJoin::new(input("left"), input("right"), residual, case.kind, Arc::new(Schema::new(fields)), threads)
}

/// What a join gives, driven as windows drive it; and the join when all is through.
fn given(case: &Case) -> (Results, WindowJoin) {
    let (mut operator, mut out) = (join(case), Vec::new());
    let mut next = [0usize; 2];
    let rest = [(Side::Left, usize::MAX), (Side::Right, usize::MAX)];
    for (turn, (side, length)) in case.batches.iter().copied().chain(rest).enumerate() {
        let (input, name, events) = match side {
            Side::Left => (0, "left", &case.left),
            Side::Right => (1, "right", &case.right),
        };
        let from = next[input];
        let to = from.saturating_add(length).min(events.len());
        next[input] = to;
        if to > from {
            operator.process(input, rows(name, &events[from..to], from), &mut out).unwrap();
        }
        // Each side promises that no window up to the next one's end is missing a row.
        let promised = [&case.left, &case.right].into_iter().zip(next);
        let promised = promised.map(|(events, next)| events.get(next).map_or(AFTER_ALL, |event| event.end - 2)).min();
        operator.watermark(promised.unwrap(), &mut out).unwrap();
        if case.saved_after.contains(&turn) {
            let state = operator.snapshot().unwrap();
            operator = join(case);
            operator.restore(&state).unwrap();
        }
    }
    let number = |batch: &RecordBatch, name: &str| -> Vec<Option<i64>> {
        match batch.column_by_name(name) {
            Some(column) => column.as_primitive::<Int64Type>().iter().collect(),
            None => vec![None; batch.num_rows()],
        }
    };
    let of = |batch: &RecordBatch| number(batch, "left_number").into_iter().zip(number(batch, "right_number"));
    (out.iter().flat_map(|batch| of(batch).collect::<Vec<_>>()).collect(), operator)
}

fn event() -> impl Strategy<Value = Event> {
    let key = prop_oneof![1 => Just(None), 9 => (0i64..4).prop_map(Some)];
    (key, 0i64..8, any::<bool>(), 0i64..10).prop_map(|(key, end, long, value)| {
        let end = 10 * end;
        // Two windows may end together and begin apart.
        Event { key, start: end - if long { 20 } else { 10 }, end, value }
    })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..60).prop_map(|mut events| {
        events.sort_by_key(|event| event.end);
        events
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let pairs = (any::<bool>(), any::<bool>()).prop_map(|(left, right)| Kind::Pairs { left, right });
    prop_oneof![4 => pairs, 1 => Just(Kind::Matched), 1 => Just(Kind::Unmatched), 1 => Just(Kind::NotIn)]
}

fn case() -> impl Strategy<Value = Case> {
    let side = any::<bool>().prop_map(|left| if left { Side::Left } else { Side::Right });
    let batches = prop::collection::vec((side, 0usize..20), 0..20);
    let saved = prop::collection::vec(0usize..20, 0..3);
    (events(), events(), kind(), any::<bool>(), batches, saved).prop_map(
        |(left, right, kind, residual, batches, saved_after)| {
            let residual = residual && kind != Kind::NotIn;
            Case { left, right, kind, residual, batches, saved_after }
        },
    )
}

proptest! {
    #[test]
    fn it_gives_what_it_is_defined_to_give(case in case()) {
        let (results, operator) = given(&case);
        prop_assert_eq!(results, defined(&case));
        prop_assert!(operator.windows.is_empty());
        prop_assert_eq!((operator.state_bytes, operator.rows_late), (0, 0));
    }
}

fn plain(left: Vec<Event>, right: Vec<Event>) -> Case {
    let kind = Kind::Pairs { left: false, right: false };
    Case { left, right, kind, residual: false, batches: Vec::new(), saved_after: Vec::new() }
}

#[test]
fn many_pairs_of_one_key_are_joined_piece_by_piece() {
    let one = |value| Event { key: Some(1), start: 0, end: 10, value };
    let case = plain((0..300).map(one).collect(), (0..300).map(one).collect());
    let (results, _) = given(&case);
    assert_eq!(results.len(), 90_000);
    assert_eq!(results, defined(&case));
}

#[test]
fn rows_of_a_window_that_was_joined_are_counted_and_dropped() {
    let event = Event { key: Some(1), start: 0, end: 10, value: 0 };
    let mut operator = join(&plain(Vec::new(), Vec::new()));
    let mut out = Vec::new();
    operator.watermark(8, &mut out).unwrap();
    operator.process(0, rows("left", &[event], 0), &mut out).unwrap();
    operator.watermark(9, &mut out).unwrap();
    operator.process(1, rows("right", &[event, Event { end: 11, ..event }], 0), &mut out).unwrap();
    assert_eq!(out.len(), 0);
    assert_eq!((operator.rows_late, operator.windows.len()), (1, 1));
}

#[test]
fn small_batches_are_put_together_and_freed_with_their_window() {
    let mut operator = join(&plain(Vec::new(), Vec::new()));
    let mut out = Vec::new();
    for number in 0..1000 {
        let event = Event { key: Some(number), start: 0, end: 10, value: 0 };
        operator.process(0, rows("left", &[event], 0), &mut out).unwrap();
    }
    assert!(operator.windows[&10].left.pieces.len() <= 11);
    assert!(operator.state_bytes >= 40_000);
    operator.watermark(9, &mut out).unwrap();
    assert_eq!((operator.state_bytes, operator.windows.len()), (0, 0));
    assert!(operator.state_bytes_max >= 40_000);
}

#[test]
fn a_state_of_another_join_is_refused() {
    let mut operator = join(&plain(Vec::new(), Vec::new()));
    let other = rows("left", &[Event { key: Some(1), start: 0, end: 10, value: 0 }], 0).project(&[0, 1]).unwrap();
    let bytes = batch_to_bytes(&other).unwrap();
    let saved = Saved { watermark: 0, rows_late: 0, state_bytes_max: 0, windows: vec![(10, bytes.clone(), bytes)] };
    assert!(operator.restore(&encode(&saved)).is_err());
    assert!(operator.restore(b"nonsense").is_err());
}
