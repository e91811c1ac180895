//! Made-up rows: the same ones each time, from any row on.

use arrow::array::{Array, AsArray};
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};

use super::*;

fn table(more: &[(&str, &str)]) -> (SchemaRef, Arc<dyn Table>) {
    let schema = schema(&[
        ("n", DataType::Int64),
        ("dice", DataType::Int32),
        ("x", DataType::Float64),
        ("word", DataType::Utf8),
        ("ts", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("day", DataType::Date32),
        ("flag", DataType::Boolean),
        ("money", DataType::Decimal128(10, 2)),
        ("any", DataType::Int64),
        ("bytes", DataType::Binary),
    ]);
    let mut options = vec![
        ("connector", "datagen"),
        ("rows-per-second", "1000000000"),
        ("fields.n.kind", "sequence"),
        ("fields.n.start", "1"),
        ("fields.n.end", "6000"),
        ("fields.dice.min", "1"),
        ("fields.dice.max", "6"),
        ("fields.x.min", "-1"),
        ("fields.x.null-rate", "0.25"),
        ("fields.word.length", "20"),
        ("fields.ts.max-past", "1 h"),
        ("fields.day.max-past", "10 d"),
        ("fields.money.max", "9.99"),
        ("fields.bytes.length", "9"),
    ];
    options.extend_from_slice(more);
    let table = open(Path::new("."), &schema, &options);
    (schema, table)
}

#[test]
fn rows_follow_the_rules() {
    let (_, table) = table(&[]);
    assert!(table.is_bounded());
    let batch = read_with(&*table, &ScanRequest::default()).unwrap();
    assert_eq!(batch.num_rows(), 6000);
    let n = batch.column(0).as_primitive::<Int64Type>().values();
    assert!(n.iter().copied().eq(1..=6000));
    let dice = batch.column(1).as_primitive::<Int32Type>();
    assert_eq!((min(dice), max(dice)), (Some(1), Some(6)));
    // 1000 expected for each face; five standard deviations are 144.
    for face in 1..=6 {
        let count = dice.values().iter().filter(|value| **value == face).count();
        assert!((856..=1144).contains(&count), "{face} came {count} times");
    }
    let x = batch.column(2).as_primitive::<Float64Type>();
    assert!(x.iter().flatten().all(|x| (-1.0..1.0).contains(&x)));
    let mean = x.iter().flatten().sum::<f64>() / (x.len() - x.null_count()) as f64;
    assert!(mean.abs() < 5.0 * 0.5774 / 4500f64.sqrt(), "{mean}");
    // 1500 expected; five standard deviations are 168.
    assert!((1332..=1668).contains(&x.null_count()), "{} are NULL", x.null_count());
    assert!(batch.column(3).as_string::<i32>().iter().flatten().all(|word| word.len() == 20));
    let start = 1_704_067_200_000;
    let ts = batch.column(4).as_primitive::<TimestampMillisecondType>();
    assert!(ts.values().iter().all(|ts| (start - 3_600_000..=start + 1).contains(ts)));
    let days = batch.column(5).as_primitive::<Date32Type>();
    assert_eq!((min(days), max(days)), (Some(19_713), Some(19_722)));
    let money = batch.column(7).as_primitive::<arrow::datatypes::Decimal128Type>();
    assert_eq!((min(money), max(money)), (Some(0), Some(999)));
    let any = batch.column(8).as_primitive::<Int64Type>();
    assert!(min(any).unwrap() < i64::MIN / 2 && max(any).unwrap() > i64::MAX / 2);
    assert!(batch.column(9).as_binary::<i32>().iter().flatten().all(|bytes| bytes.len() == 9));
}

#[test]
fn rows_do_not_depend_on_batches_and_go_on_from_any_row() {
    let (_, table) = table(&[("number-of-rows", "100")]);
    let whole = read_with(&*table, &ScanRequest::default()).unwrap();
    assert_eq!(whole.num_rows(), 100);
    let request = ScanRequest { batch_rows: 9, ..ScanRequest::default() };
    let chunks = chunks(&*table, &request).unwrap();
    let batches: Vec<_> = chunks.iter().map(|chunk| chunk.batch.clone()).collect();
    assert_eq!(concat_batches(&whole.schema(), &batches).unwrap(), whole);
    for chunk in &chunks {
        let at = chunk.position.rows as usize;
        let bytes = postcard::to_stdvec(&chunk.position).unwrap();
        let position: Position = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read_from(&*table, &ScanRequest::default(), &position).unwrap(), whole.slice(at, 100 - at));
    }
    let narrow = ScanRequest { projection: Some(vec![3, 1]), ..ScanRequest::default() };
    assert_eq!(read_with(&*table, &narrow).unwrap(), whole.project(&[3, 1]).unwrap());
}

#[test]
fn another_seed_gives_other_rows_and_is_no_place_to_go_on() {
    let (_, one) = table(&[("number-of-rows", "50")]);
    let (_, two) = table(&[("number-of-rows", "50"), ("seed", "1")]);
    let (a, b) = (read(&*one).unwrap(), read(&*two).unwrap());
    assert_ne!(a.column(1), b.column(1));
    assert_eq!(a.column(0), b.column(0));
    let position = chunks(&*one, &ScanRequest::default()).unwrap()[0].position.clone();
    let said = read_from(&*two, &ScanRequest::default(), &position).unwrap_err().to_string();
    assert_eq!(said, "table 't': cannot continue: the options of datagen changed since the checkpoint was taken");
}

#[test]
fn without_an_end_it_is_unbounded() {
    let schema = schema(&[("x", DataType::Float64)]);
    let table = open(Path::new("."), &schema, &[("connector", "datagen"), ("rows-per-second", "1000000000")]);
    assert!(!table.is_bounded());
    let scan = table.scan(&ScanRequest::default()).unwrap();
    assert_eq!((scan.total_rows(), scan.parts()), (None, 1));
    let mut reader = scan.open(0, None).unwrap();
    for batch in 1..4 {
        assert_eq!(reader.next().unwrap().unwrap().position.rows, batch * 8192);
    }
}
