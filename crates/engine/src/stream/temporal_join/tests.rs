//! The join held against its definition: for each row in time, the latest version in time that is not after it.

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMillisecondType};
use datafusion::logical_expr::Operator as Compare;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use proptest::prelude::*;

use super::*;
use crate::plan::attribute::Rowtime;
use crate::stream::in_time::InTime;
use crate::stream::join::Side;

const COLUMNS: [&str; 4] = ["number", "key", "time", "value"];

#[derive(Debug, Clone, Copy)]
struct Event {
    key: Option<i64>,
    time: i64,
    value: i64,
}

/// A stream, versions, and a way to join them.
#[derive(Debug, Clone)]
struct Case {
    left: Vec<Event>,
    right: Vec<Event>,
    delays: (i64, i64),
    ttl_ms: Option<i64>,
    outer: bool,
    /// Whether the value of the version must not be below that of the row.
    residual: bool,
    shards: usize,
    /// The batches: of which side, and how long. What is left over when they are used up comes in one.
    batches: Vec<(Side, usize)>,
    /// After which batches the join is saved and another one goes on.
    saved_after: Vec<usize>,
}

fn schema(side: &str, nullable: bool) -> Vec<Field> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let types = [DataType::Int64, DataType::Int64, time, DataType::Int64];
    let column = |(name, data_type): (&str, DataType)| {
        let nullable = nullable || name == "key";
        Field::new(format!("{side}_{name}"), data_type, nullable)
    };
    COLUMNS.into_iter().zip(types).map(column).collect()
}

fn rows(side: &str, events: &[Event], first: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values((first..first + events.len()).map(|n| n as i64));
    let keys: Int64Array = events.iter().map(|event| event.key).collect();
    let times = Int64Array::from_iter_values(events.iter().map(|event| event.time));
    let values = Int64Array::from_iter_values(events.iter().map(|event| event.value));
    let times = times.reinterpret_cast::<TimestampMillisecondType>();
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(keys), Arc::new(times), Arc::new(values)];
    RecordBatch::try_new(Arc::new(Schema::new(schema(side, false))), columns).unwrap()
}

/// What the join is defined to give: the numbers of the rows, in the order defined.
fn defined(case: &Case) -> Vec<(i64, Option<i64>)> {
    let in_time = |events: &[Event], delay: i64| {
        let mut latest = i64::MIN;
        let kept = events.iter().enumerate().filter(|(_, event)| {
            let in_time = event.time >= latest.saturating_sub(delay);
            latest = latest.max(event.time);
            in_time
        });
        kept.map(|(number, event)| (number as i64, *event)).collect::<Vec<_>>()
    };
    let (mut left, right) = (in_time(&case.left, case.delays.0), in_time(&case.right, case.delays.1));
    left.sort_by_key(|(_, row)| row.time);
    let version = |row: &Event| {
        let of_key = right.iter().filter(|(_, version)| row.key.is_some() && version.key == row.key);
        let latest = of_key.filter(|(_, version)| version.time <= row.time).max_by_key(|(n, v)| (v.time, *n));
        let lives = latest.filter(|(_, version)| case.ttl_ms.is_none_or(|ttl| row.time - version.time < ttl));
        lives.filter(|(_, version)| !case.residual || row.value <= version.value).map(|(number, _)| *number)
    };
    let joined = left.iter().map(|(number, row)| (*number, version(row)));
    joined.filter(|(_, version)| case.outer || version.is_some()).collect()
}

fn column(side: &str, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(&format!("{side}_{}", COLUMNS[place]), place))
}

fn join(case: &Case) -> TemporalJoin {
    let by = |side: &str| KeyAndTime { keys: vec![column(side, 1)], time: 2 };
    let residual = case.residual.then(|| {
        let columns = [schema("left", false)[3].clone(), schema("right", true)[3].clone()];
        let value = |side: &str, place| Arc::new(Column::new(&format!("{side}_value"), place)) as _;
        let predicate = Arc::new(BinaryExpr::new(value("left", 0), Compare::LtEq, value("right", 1)));
        Residual { predicate, left: vec![3], right: vec![3], schema: Arc::new(Schema::new(columns.to_vec())) }
    });
    let out = Arc::new(Schema::new([schema("left", false), schema("right", case.outer)].concat()));
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let table = Arc::new(Schema::new(schema("right", false)));
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let versions =
        Versions::new(by("right"), table, &time, case.ttl_ms, case.shards, Some(Arc::clone(&threads))).unwrap();
    TemporalJoin::new(Probe { by: by("left"), residual, outer: case.outer, schema: out }, versions, threads)
}

/// What a join gives, driven as a dataflow drives it; and the join when all is through.
fn given(case: &Case) -> (Vec<(i64, Option<i64>)>, TemporalJoin) {
    let side = |delay_ms| InTime::new(String::new(), Rowtime { column: 2, delay_ms });
    let mut in_time = [side(case.delays.0), side(case.delays.1)];
    let (mut operator, mut out) = (join(case), Vec::new());
    let mut next = [0usize; 2];
    let mut watermarks = [BEFORE_ALL; 2];
    let mut told = BEFORE_ALL;
    let rest = [(Side::Left, usize::MAX), (Side::Right, usize::MAX)];
    for (turn, (side, length)) in case.batches.iter().copied().chain(rest).enumerate() {
        let (input, name, events) = match side {
            Side::Left => (0, "left", &case.left),
            Side::Right => (1, "right", &case.right),
        };
        let from = next[input];
        let to = from.saturating_add(length).min(events.len());
        next[input] = to;
        let mut kept = Vec::new();
        if to > from {
            in_time[input].process(0, rows(name, &events[from..to], from), &mut kept).unwrap();
        }
        for batch in kept {
            operator.process(input, batch, &mut out).unwrap();
        }
        let watermark = if length == usize::MAX { AFTER_ALL } else { BEFORE_ALL };
        watermarks[input] = in_time[input].watermark(watermark, &mut Vec::new()).unwrap();
        let least = watermarks[0].min(watermarks[1]);
        if least > told {
            told = least;
            let passed_on = operator.watermark(least, &mut out).unwrap();
            assert!(passed_on < least || least == AFTER_ALL, "rows of the watermark's own time may follow");
        }
        if case.saved_after.contains(&turn) {
            let saved = operator.snapshot().unwrap();
            operator = join(case);
            operator.restore(&saved).unwrap();
        }
    }
    let numbers = |batch: &RecordBatch| {
        let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        number(0).into_iter().flatten().zip(number(4)).collect::<Vec<_>>()
    };
    (out.iter().flat_map(numbers).collect(), operator)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (proptest::option::weighted(0.9, 0..3i64), 0..12i64, 0..4i64);
    // Times go on by about 4 an event, and back by up to 8.
    proptest::collection::vec(event, 0..40).prop_map(|events| {
        let time = |place: usize, jitter: i64| place as i64 * 4 + jitter - 6;
        let event =
            |(place, (key, jitter, value)): (usize, (_, i64, i64))| Event { key, time: time(place, jitter), value };
        events.into_iter().enumerate().map(event).collect()
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let side = prop_oneof![Just(Side::Left), Just(Side::Right)];
    let rows = (events(), events(), (0..12i64, 0..12i64));
    let what = (proptest::option::of(1..60i64), any::<bool>(), any::<bool>());
    let how = (
        prop_oneof![Just(1usize), Just(5)],
        proptest::collection::vec((side, 1..9usize), 0..40),
        proptest::collection::vec(0..40usize, 0..3),
    );
    (rows, what, how).prop_map(|((left, right, delays), (ttl_ms, outer, residual), (shards, batches, saved_after))| {
        Case { left, right, delays, ttl_ms, outer, residual, shards, batches, saved_after }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_gives_what_the_definition_says_however_it_is_run(case in cases()) {
        let (results, mut operator) = given(&case);
        prop_assert_eq!(results, defined(&case));
        prop_assert_eq!(operator.rows.state_bytes(), 0);
        let kept = operator.versions.all().unwrap();
        let keys: std::collections::BTreeSet<_> = kept.column(1).as_primitive::<Int64Type>().iter().collect();
        prop_assert_eq!(kept.num_rows(), keys.len(), "of each key the latest version is left");
        prop_assert!(case.ttl_ms.is_none() || kept.num_rows() == 0);
    }
}

/// A row and a version a millisecond, of `keys` keys.
fn steady(rows: i64, keys: i64, ttl_ms: Option<i64>) -> Case {
    let events: Vec<Event> = (0..rows).map(|time| Event { key: Some(time % keys), time, value: 0 }).collect();
    Case {
        left: events.clone(),
        right: events,
        delays: (0, 0),
        ttl_ms,
        outer: true,
        residual: false,
        shards: 4,
        batches: (0..2 * rows / 100).map(|i| (if i % 2 == 0 { Side::Left } else { Side::Right }, 100)).collect(),
        saved_after: Vec::new(),
    }
}

#[test]
fn the_state_is_of_the_keys_not_of_the_stream() {
    let (results, long) = given(&steady(40_000, 10, None));
    let (_, short) = given(&steady(4_000, 10, None));
    assert_eq!(results.len(), 40_000);
    assert!(long.state_bytes_max < short.state_bytes_max * 3 / 2, "{} {}", long.state_bytes_max, short.state_bytes_max);
    // Keys that never come back go with their time to live.
    let (_, forgetting) = given(&steady(40_000, 40_000, Some(500)));
    let (_, keeping) = given(&steady(40_000, 40_000, None));
    assert!(
        forgetting.state_bytes_max * 5 < keeping.state_bytes_max,
        "{} {}",
        forgetting.state_bytes_max,
        keeping.state_bytes_max
    );
}

/// Times of two precisions are compared in the finer one.
#[test]
fn a_version_of_the_same_millisecond_may_still_be_later() {
    let micros = |times: &[i64]| Arc::new(arrow::array::TimestampMicrosecondArray::from(times.to_vec())) as ArrayRef;
    let key = |count: usize| Arc::new(Int64Array::from(vec![1; count])) as ArrayRef;
    let table = RecordBatch::try_from_iter([("key", key(2)), ("time", micros(&[5_000, 7_400]))]).unwrap();
    let by = KeyAndTime { keys: vec![Arc::new(Column::new("key", 0))], time: 1 };
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let mut versions = Versions::new(by, table.schema(), &time, None, 1, None).unwrap();
    versions.add(table).unwrap();
    let found = |times: &ArrayRef| versions.find(&[key(times.len())], times).unwrap();
    assert_eq!(found(&micros(&[4_999, 5_000, 7_399, 7_400])), [None, Some(0), Some(0), Some(1)]);
    let millis = Arc::new(arrow::array::TimestampMillisecondArray::from(vec![4, 5, 7, 8])) as ArrayRef;
    assert_eq!(found(&millis), [None, Some(0), Some(0), Some(1)]);
}
