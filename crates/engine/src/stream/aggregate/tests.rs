//! Windows that share panes give what windows with a pane each give.

use arrow::array::Int64Array;
use arrow::datatypes::{Field, Int64Type};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::Column;
use proptest::prelude::*;

use super::*;

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// Sums `v` by the end of the window and `k`.
fn operator(sessions: bool, shards: usize, early_ms: Option<i64>) -> WindowAggregate {
    let fields = [("window_end", TIME), ("k", DataType::Int64), ("v", DataType::Int64)];
    let input = Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, true)).to_vec()));
    let column = |name: &str, at: usize| Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>;
    let sum = AggregateExprBuilder::new(sum_udaf(), vec![column("v", 2)]).schema(Arc::clone(&input)).alias("v");
    let aggregate = Aggregate { function: Arc::new(sum.build().unwrap()), filter: None };
    WindowAggregate::new(
        vec![column("window_end", 0), column("k", 1)],
        Emission { window_end: Some(0), sessions, early_ms },
        vec![aggregate],
        input,
        shards,
        Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap()),
    )
}

fn batch(rows: &[(i64, i64, i64)]) -> RecordBatch {
    let ends = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0));
    let column =
        |of: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let columns = [("window_end", Arc::new(ends) as ArrayRef), ("k", column(|row| row.1)), ("v", column(|row| row.2))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn rows(batches: &[RecordBatch]) -> Vec<(i64, i64, i64)> {
    let values = |batch: &RecordBatch, at: usize| {
        cast(batch.column(at), &DataType::Int64).unwrap().as_primitive::<Int64Type>().values().to_vec()
    };
    let of = |batch: &RecordBatch| {
        let (ends, keys, sums) = (values(batch, 0), values(batch, 1), values(batch, 2));
        ends.into_iter().zip(keys).zip(sums).map(|((end, key), sum)| (end, key, sum)).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

/// What happens to an operator.
#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<(i64, i64, i64)>),
    Watermark(i64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (1i64..60, 0i64..4, 0i64..100);
    let step = prop_oneof![
        4 => prop::collection::vec(row, 1..12).prop_map(Step::Rows),
        3 => (0i64..60).prop_map(Step::Watermark),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..25)
}

/// Everything that comes out, in its order. Rows may come in batches of their own.
fn run(steps: &[Step], sessions: bool, one_by_one: bool) -> Vec<(i64, i64, i64)> {
    let mut operator = self::operator(sessions, 3, None);
    let mut out = Vec::new();
    for step in steps.iter().chain([&Step::Watermark(AFTER_ALL)]) {
        match step {
            Step::Rows(rows) if one_by_one => {
                rows.iter().for_each(|row| operator.process(0, batch(&[*row]), &mut out).unwrap());
            }
            Step::Rows(rows) => operator.process(0, batch(rows), &mut out).unwrap(),
            Step::Watermark(time) => drop(operator.watermark(*time, &mut out).unwrap()),
            Step::Restart => {
                let state = operator.snapshot().unwrap();
                operator = self::operator(sessions, 3, None);
                operator.restore(&state).unwrap();
            }
        }
    }
    rows(&out)
}

proptest! {
    #[test]
    fn shared_panes_give_what_panes_of_their_own_give(steps in steps()) {
        let own = run(&steps, false, false);
        for one_by_one in [false, true] {
            prop_assert_eq!(&run(&steps, true, one_by_one), &own);
        }
    }
}

#[test]
fn early_results_are_of_groups_with_new_rows_and_leave_them_as_they_are() {
    let mut operator = operator(false, 2, Some(10));
    let mut out = Vec::new();
    operator.watermark(3, &mut out).unwrap();
    operator.process(0, batch(&[(50, 1, 5), (50, 2, 6), (60, 1, 7)]), &mut out).unwrap();
    operator.watermark(9, &mut out).unwrap();
    assert_eq!(rows(&out), []);
    operator.watermark(10, &mut out).unwrap();
    let mut early = rows(&std::mem::take(&mut out));
    early.sort_unstable();
    assert_eq!(early, [(50, 1, 5), (50, 2, 6), (60, 1, 7)]);
    // Marks and states go through a checkpoint.
    operator.process(0, batch(&[(50, 2, 4)]), &mut out).unwrap();
    let state = operator.snapshot().unwrap();
    let mut operator = self::operator(false, 2, Some(10));
    operator.restore(&state).unwrap();
    operator.watermark(35, &mut out).unwrap();
    assert_eq!(rows(&std::mem::take(&mut out)), [(50, 2, 10)]);
    operator.watermark(AFTER_ALL, &mut out).unwrap();
    let mut last = rows(&out);
    last.sort_unstable();
    assert_eq!(last, [(50, 1, 5), (50, 2, 10), (60, 1, 7)]);
}
