//! What is particular to Parquet: parts, pruning, conversions.

use std::fs::File;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{AsArray, DictionaryArray, LargeStringArray, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use tidegate_connectors::{ColumnFilter, CompareOp, Error};

use super::*;

/// 100 rows in ten row groups.
fn ten_groups(folder: &Path) -> (RecordBatch, Arc<dyn Table>) {
    let batch = numbered(0, 100);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
    let file = File::create(folder.join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = files(folder, &batch.schema(), "t.parquet", "parquet", &[]);
    (batch, table)
}

fn ids(table: &dyn Table, filters: Vec<ColumnFilter>) -> Vec<i64> {
    let request = ScanRequest { filters, ..ScanRequest::default() };
    let batch = read_with(table, &request).unwrap();
    let scan = table.scan(&request).unwrap();
    assert_eq!(scan.total_rows(), Some(batch.num_rows() as u64));
    assert_eq!(scan.parts(), 10, "the parts are the same with any filter");
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn row_groups_that_cannot_match_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_, table) = ten_groups(folder.path());
    let id = |op, value: i64| ColumnFilter { column: 0, op, value: Arc::new(Int64Array::from(vec![value])) };
    let range = |from: i64, to: i64| (from..to).collect::<Vec<_>>();
    assert_eq!(ids(&*table, vec![id(CompareOp::Eq, 57)]), range(50, 60));
    assert_eq!(ids(&*table, vec![id(CompareOp::Lt, 20)]), range(0, 20));
    assert_eq!(ids(&*table, vec![id(CompareOp::LtEq, 20)]), range(0, 30));
    assert_eq!(ids(&*table, vec![id(CompareOp::Gt, 79)]), range(80, 100));
    assert_eq!(ids(&*table, vec![id(CompareOp::GtEq, 79)]), range(70, 100));
    assert_eq!(ids(&*table, vec![id(CompareOp::NotEq, 5)]), range(0, 100));
    assert_eq!(ids(&*table, vec![id(CompareOp::Gt, 25), id(CompareOp::Lt, 42)]), range(20, 50));
    assert_eq!(ids(&*table, vec![id(CompareOp::Eq, 1000)]), range(0, 0));
    assert!(table.uses_filter(&id(CompareOp::Eq, 1)) && !table.uses_filter(&id(CompareOp::NotEq, 1)));
    let text = |op, value: &str| ColumnFilter { column: 1, op, value: Arc::new(StringArray::from(vec![value])) };
    assert_eq!(ids(&*table, vec![text(CompareOp::Lt, "row \"1")]), range(0, 10));
    // A comparison by order could hold for a NaN, which the statistics do not count.
    let value = |op, value: f64| ColumnFilter { column: 2, op, value: Arc::new(Float64Array::from(vec![value])) };
    assert_eq!(ids(&*table, vec![value(CompareOp::Gt, 1e9)]), range(0, 100));
    assert_eq!(ids(&*table, vec![value(CompareOp::Eq, 20.0 / 7.0)]), range(20, 30));
}

#[test]
fn a_filter_on_a_column_that_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (batch, table) = ten_groups(folder.path());
    let filter = ColumnFilter { column: 0, op: CompareOp::GtEq, value: Arc::new(Int64Array::from(vec![90])) };
    let request = ScanRequest { projection: Some(vec![2]), filters: vec![filter], ..ScanRequest::default() };
    assert_eq!(read_with(&*table, &request).unwrap(), batch.project(&[2]).unwrap().slice(90, 10));
}

#[test]
fn a_long_row_group_is_read_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 600_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        (
            "word",
            Arc::new(StringArray::from_iter((0..rows).map(|i| (i % 5 > 0).then(|| ["a", "b", "c"][i as usize % 3])))),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let file = File::create(folder.path().join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = files(folder.path(), &batch.schema(), "t.parquet", "parquet", &[]);
    let request = ScanRequest { batch_rows: 50_000, ..ScanRequest::default() };
    let scan = table.scan(&request).unwrap();
    assert_eq!((scan.parts(), scan.total_rows()), (3, Some(600_000)));
    assert_eq!(read_with(&*table, &request).unwrap(), batch);
    let mut last = scan.open(2, None).unwrap();
    assert_eq!(last.next().unwrap().unwrap().batch, batch.slice(2 << 18, 50_000));
    let chunks = chunks(&*table, &request).unwrap();
    assert_eq!(chunks.iter().map(|chunk| chunk.batch.num_rows()).sum::<usize>(), 600_000);
    let middle = &chunks[8];
    let rest = read_from(&*table, &request, &middle.position).unwrap();
    let done: usize = chunks[..=8].iter().map(|chunk| chunk.batch.num_rows()).sum();
    assert_eq!(rest, batch.slice(done, 600_000 - done));
}

#[test]
fn columns_become_what_is_declared_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dictionary: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("Big", Arc::new(Int64Array::from(vec![1, 70_000, 3]))),
        ("unsigned", Arc::new(UInt32Array::from(vec![1, u32::MAX, 3]))),
        ("large", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
        ("dictionary", Arc::new(dictionary)),
        ("nanos", Arc::new(TimestampNanosecondArray::from(vec![0, 1_500_000, -1]))),
        ("real", Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(folder.path().join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    let declared = schema(&[
        ("nanos", millis),
        ("dictionary", DataType::Utf8),
        ("big", DataType::Float64),
        ("unsigned", DataType::Int64),
        ("large", DataType::Utf8),
    ]);
    let read_batch = read(&*files(folder.path(), &declared, "t.parquet", "parquet", &[])).unwrap();
    assert_eq!(read_batch.schema(), declared);
    assert_eq!(read_batch.column(1).as_string::<i32>().value(2), "x");
    assert_eq!(read_batch.column(3).as_primitive::<Int64Type>().value(1), i64::from(u32::MAX));

    // A value that does not fit is a bad record.
    let narrow = schema(&[("real", DataType::Float64), ("big", DataType::Int16)]);
    let table = files(folder.path(), &narrow, "t.parquet", "parquet", &[("on-error", "skip")]);
    let chunks = chunks(&*table, &ScanRequest::default()).unwrap();
    assert_eq!(chunks[0].batch.num_rows(), 2);
    assert_eq!(chunks[0].bad[0].location, "t.parquet row 2");
    assert_eq!(chunks[0].bad[0].reason, "column 'big': the value does not fit into SMALLINT");
    let failure = read(&*files(folder.path(), &narrow, "t.parquet", "parquet", &[])).unwrap_err();
    assert!(matches!(failure, Error::BadRecord(_)));

    for (column, kind, expected) in [
        ("real", DataType::Int64, "t.parquet: its column 'real' is of type DOUBLE, which cannot be read as BIGINT"),
        ("large", DataType::Int64, "t.parquet: its column 'large' is of type STRING, which cannot be read as BIGINT"),
        ("big", DataType::Utf8, "t.parquet: its column 'big' is of type BIGINT, which cannot be read as STRING"),
        ("unsined", DataType::Int64, "t.parquet: it has no column 'unsined'; did you mean 'unsigned'?"),
    ] {
        let table = files(folder.path(), &schema(&[(column, kind)]), "t.parquet", "parquet", &[]);
        assert_eq!(table.scan(&ScanRequest::default()).unwrap_err().to_string(), expected);
    }
}
