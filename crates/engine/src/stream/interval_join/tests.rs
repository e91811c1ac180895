//! The join held against its definition: two nested loops over the rows that are in time.

use arrow::array::Int64Array;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator as Compare;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use proptest::prelude::*;

use super::*;
use crate::plan::attribute::Rowtime;
use crate::stream::in_time::InTime;

const COLUMNS: [&str; 4] = ["number", "key", "time", "value"];

#[derive(Debug, Clone, Copy)]
struct Event {
    key: Option<i64>,
    time: i64,
    value: i64,
}

/// A way to join two streams, and a way to run that.
#[derive(Debug, Clone)]
struct Case {
    left: Vec<Event>,
    right: Vec<Event>,
    delays: (i64, i64),
    interval: Interval,
    outer: bool,
    /// Whether the value of the right row must not be below that of the left one.
    residual: bool,
    /// Whether the key is computed, and not a column.
    computed: bool,
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
    let (left, right) = (in_time(&case.left, case.delays.0), in_time(&case.right, case.delays.1));
    let mut results = Vec::new();
    for (l, a) in &left {
        let mut found = false;
        for (r, b) in &right {
            let (from, to) = (a.time + case.interval.lower_ms, a.time + case.interval.upper_ms);
            let fits = a.key.is_some() && a.key == b.key && (from..=to).contains(&b.time);
            if fits && (!case.residual || a.value <= b.value) {
                found = true;
                results.push((a.time.max(b.time), *l, Some(*r)));
            }
        }
        if !found && case.outer {
            results.push((a.time.max(a.time + case.interval.upper_ms), *l, None));
        }
    }
    results.sort();
    results.into_iter().map(|(_, left, right)| (left, right)).collect()
}

fn column(side: &str, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(&format!("{side}_{}", COLUMNS[place]), place))
}

fn join(case: &Case) -> IntervalJoin {
    let input = |side: &str| {
        let key = match case.computed {
            false => column(side, 1),
            true => Arc::new(BinaryExpr::new(
                column(side, 1),
                Compare::Plus,
                Arc::new(Literal::new(ScalarValue::Int64(Some(7)))),
            )),
        };
        JoinInput { schema: Arc::new(Schema::new(schema(side, false))), time: 2, keys: vec![key] }
    };
    let residual = case.residual.then(|| {
        let columns = [schema("left", false)[3].clone(), schema("right", false)[3].clone()];
        let value = |side: &str, place| Arc::new(Column::new(&format!("{side}_value"), place)) as _;
        let predicate = Arc::new(BinaryExpr::new(value("left", 0), Compare::LtEq, value("right", 1)));
        Residual { predicate, left: vec![3], right: vec![3], schema: Arc::new(Schema::new(columns.to_vec())) }
    });
    let schema = Schema::new([schema("left", false), schema("right", case.outer)].concat());
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let inputs = (input("left"), input("right"));
    IntervalJoin::new(inputs, case.interval, residual, case.outer, Arc::new(schema), case.shards, threads).unwrap()
}

/// What a join gives, driven as a dataflow drives it; and the join when all is through.
fn given(case: &Case) -> (Vec<(i64, Option<i64>)>, IntervalJoin) {
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
            operator.watermark(least, &mut out).unwrap();
        }
        if case.saved_after.contains(&turn) {
            let saved = operator.snapshot().unwrap();
            operator = join(case);
            operator.restore(&saved).unwrap();
        }
    }
    let numbers = |batch: &RecordBatch| {
        let (left, right) = (batch.column(0).clone(), batch.column(4).clone());
        let number =
            |column: &ArrayRef| column.as_primitive::<arrow::datatypes::Int64Type>().iter().collect::<Vec<_>>();
        number(&left).into_iter().flatten().zip(number(&right)).collect::<Vec<_>>()
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
    let what = (-20..20i64, -20..20i64, any::<bool>(), any::<bool>(), any::<bool>());
    let how = (
        prop_oneof![Just(1usize), Just(5)],
        proptest::collection::vec((side, 1..9usize), 0..40),
        proptest::collection::vec(0..40usize, 0..3),
    );
    (rows, what, how).prop_map(
        |((left, right, delays), (lower_ms, upper_ms, outer, residual, computed), (shards, batches, saved_after))| {
            Case {
                left,
                right,
                delays,
                interval: Interval { lower_ms, upper_ms },
                outer,
                residual,
                computed,
                shards,
                batches,
                saved_after,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_gives_what_two_loops_give_however_it_is_run(case in cases()) {
        let (results, operator) = given(&case);
        prop_assert_eq!(results, defined(&case));
        prop_assert_eq!(operator.kept(Side::Left).unwrap().1.len() + operator.kept(Side::Right).unwrap().1.len(), 0);
        prop_assert_eq!(operator.left.buffer.bytes() + operator.right.buffer.bytes(), 0);
    }
}

/// One row a millisecond on each side, of ten keys; the interval holds `width` of them.
fn steady(rows: i64, width: i64) -> Case {
    let events: Vec<Event> = (0..rows).map(|time| Event { key: Some(time % 10), time, value: 0 }).collect();
    Case {
        left: events.clone(),
        right: events,
        delays: (0, 0),
        interval: Interval { lower_ms: -width, upper_ms: 0 },
        outer: true,
        residual: false,
        computed: false,
        shards: 4,
        batches: (0..2 * rows / 100).map(|i| (if i % 2 == 0 { Side::Left } else { Side::Right }, 100)).collect(),
        saved_after: Vec::new(),
    }
}

#[test]
fn the_state_is_of_the_interval_not_of_the_stream() {
    let (results, long) = given(&steady(40_000, 200));
    let (_, short) = given(&steady(4_000, 200));
    // Each row has 20 rows of its key before it and itself, but for those of the first 200.
    assert_eq!(results.len(), 40_000 * 21 - 10 * (1..=20).sum::<usize>());
    assert!(long.state_bytes_max < short.state_bytes_max * 3 / 2, "{} {}", long.state_bytes_max, short.state_bytes_max);
}

#[test]
fn results_are_never_later_than_their_delays_say() {
    for interval in [Interval { lower_ms: -30, upper_ms: 50 }, Interval { lower_ms: 5, upper_ms: 9 }] {
        let case = Case { interval, ..steady(1000, 0) };
        let (mut left_max, mut right_max) = (0, 0);
        for (left, right) in given(&case).0 {
            assert!(left >= left_max - interval.left_delay_ms());
            left_max = left_max.max(left);
            let Some(right) = right else { continue };
            assert!(right >= right_max - interval.right_delay_ms());
            right_max = right_max.max(right);
        }
    }
}
