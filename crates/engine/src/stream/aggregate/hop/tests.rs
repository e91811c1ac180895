//! Windows merged from slices held against their definition: each row in each window that is open when it comes.

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampMillisecondType};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::Column;
use proptest::prelude::*;

use super::*;
use crate::plan::window::WindowFunction;
use crate::stream::lateness::{Lateness, Origin};
use crate::stream::operator::AFTER_ALL;
use crate::stream::window::AssignWindows;

#[derive(Debug, Clone, Copy)]
struct Event {
    time: i64,
    key: i64,
    value: i64,
}

#[derive(Debug, Clone)]
struct Case {
    events: Vec<Event>,
    delay_ms: i64,
    step_ms: i64,
    steps: i64,
    shards: usize,
    batch: usize,
    /// After which batches the operators are saved and others go on.
    saved_after: Vec<usize>,
}

/// A window's start, end and last moment, the key, how many rows, and the greatest value.
type Row = [i64; 6];

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true)
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn windows(case: &Case) -> Windows {
    let size_ms = case.step_ms * case.steps;
    Windows { function: WindowFunction::Hop, step_ms: case.step_ms, size_ms, offset_ms: 0 }
}

fn operators(case: &Case) -> (AssignWindows, HopAggregate) {
    let edges = ["window_start", "window_end", "window_time"].map(time);
    let input = Arc::new(Schema::new([vec![time("t"), long("key"), long("value")], edges.to_vec()].concat()));
    let output = Schema::new([&edges[..], &["key", "count", "max"].map(long)[..]].concat());
    let lateness = Lateness::new(Origin::Rows { delay_ms: case.delay_ms });
    let assign = AssignWindows::new(Arc::new(Column::new("t", 0)), windows(case), lateness, Arc::clone(&input), None);
    let value = || vec![Arc::new(Column::new("value", 2)) as Arc<dyn PhysicalExpr>];
    let aggregate = |function, name: &str| {
        let built = AggregateExprBuilder::new(function, value()).schema(Arc::clone(&input)).alias(name).build();
        Aggregate { function: Arc::new(built.unwrap()), filter: None }
    };
    let groups = vec![
        GroupColumn::Edge(WindowEdge::Start),
        GroupColumn::Edge(WindowEdge::End),
        GroupColumn::Edge(WindowEdge::Last),
        GroupColumn::Key(Arc::new(Column::new("key", 1))),
    ];
    let aggregates = vec![aggregate(count_udaf(), "count"), aggregate(max_udaf(), "max")];
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let hop = HopAggregate::new(groups, (3, 4), windows(case), aggregates, Arc::new(output), case.shards, threads);
    (assign.sliced(), hop)
}

fn batch(events: &[Event]) -> RecordBatch {
    let times = TimestampMillisecondArray::from_iter_values(events.iter().map(|event| event.time));
    let longs = |of: fn(&Event) -> i64| Arc::new(Int64Array::from_iter_values(events.iter().map(of))) as ArrayRef;
    let columns = vec![Arc::new(times) as ArrayRef, longs(|event| event.key), longs(|event| event.value)];
    RecordBatch::try_new(Arc::new(Schema::new(vec![time("t"), long("key"), long("value")])), columns).unwrap()
}

fn given(case: &Case) -> (Vec<Row>, HopAggregate) {
    let ((mut assign, mut hop), mut out) = (operators(case), Vec::new());
    let mut through = |assign: &mut AssignWindows, hop: &mut HopAggregate, events: &[Event], last: i64| {
        let mut assigned = Vec::new();
        if !events.is_empty() {
            assign.process(0, batch(events), &mut assigned).unwrap();
        }
        for batch in assigned {
            hop.process(0, batch, &mut out).unwrap();
        }
        let watermark = assign.watermark(last, &mut Vec::new()).unwrap();
        hop.watermark(watermark, &mut out).unwrap();
    };
    for (turn, events) in case.events.chunks(case.batch).enumerate() {
        through(&mut assign, &mut hop, events, 0);
        if case.saved_after.contains(&turn) {
            let states = (assign.snapshot().unwrap(), hop.snapshot().unwrap());
            (assign, hop) = operators(case);
            assign.restore(&states.0).unwrap();
            hop.restore(&states.1).unwrap();
        }
    }
    through(&mut assign, &mut hop, &[], AFTER_ALL);
    let row = |batch: &RecordBatch, row: usize| {
        let time = |column: usize| batch.column(column).as_primitive::<TimestampMillisecondType>().value(row);
        let long = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        [time(0), time(1), time(2), long(3), long(4), long(5)]
    };
    (out.iter().flat_map(|batch| (0..batch.num_rows()).map(move |i| row(batch, i))).collect(), hop)
}

fn defined(case: &Case) -> Vec<Row> {
    let mut found: BTreeMap<(i64, i64, i64), (i64, i64)> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for Event { time, key, value } in &case.events {
        for (start, end) in windows(case).of(*time).filter(|(_, end)| end - 1 > watermark) {
            let (count, max) = found.entry((end, start, *key)).or_insert((0, i64::MIN));
            (*count, *max) = (*count + 1, (*max).max(*value));
        }
        watermark = watermark.max(time - case.delay_ms);
    }
    found.into_iter().map(|((end, start, key), (count, max))| [start, end, end - 1, key, count, max]).collect()
}

fn case() -> impl Strategy<Value = Case> {
    let event = (-5i64..8, 0i64..4, 0i64..100);
    let events = prop::collection::vec(event, 0..150).prop_map(|steps| {
        // Times that mostly go on, and now and then go back.
        let mut now = 0;
        let event = |(forth, key, value)| {
            now += forth;
            Event { time: now, key, value }
        };
        steps.into_iter().map(event).collect::<Vec<_>>()
    });
    let saved = prop::collection::vec(0usize..50, 0..4);
    (events, 0i64..10, 1i64..8, 2i64..6, 1usize..4, 1usize..40, saved).prop_map(
        |(events, delay_ms, step_ms, steps, shards, batch, saved_after)| Case {
            events,
            delay_ms,
            step_ms,
            steps,
            shards,
            batch,
            saved_after,
        },
    )
}

proptest! {
    #[test]
    fn windows_merged_from_slices_are_the_windows(case in case()) {
        let (mut rows, hop) = given(&case);
        prop_assert!(rows.is_sorted_by_key(|row| row[1]), "windows come by their ends");
        rows.sort_unstable_by_key(|[start, end, _, key, ..]| (*end, *start, *key));
        prop_assert_eq!(rows, defined(&case));
        prop_assert!(hop.shards.iter().all(|shard| shard.slices.is_empty() && shard.stragglers.is_empty()));
    }

    /// Which shard has a key decides nothing but the order within a window, and batches and checkpoints not even that.
    #[test]
    fn batches_and_checkpoints_do_not_matter(case in case()) {
        let plain = Case { batch: 1000, saved_after: Vec::new(), ..case.clone() };
        prop_assert_eq!(given(&case).0, given(&plain).0);
    }
}

#[test]
fn a_row_is_kept_once_however_many_windows_it_is_in() {
    let events = (0..1000).map(|i| Event { time: i, key: i, value: 0 }).collect();
    let mut case =
        Case { events, delay_ms: 0, step_ms: 1000, steps: 2, shards: 1, batch: 1000, saved_after: Vec::new() };
    let two = given(&case).1.state_bytes_max;
    case.steps = 100;
    assert_eq!(given(&case).1.state_bytes_max, two);
}
