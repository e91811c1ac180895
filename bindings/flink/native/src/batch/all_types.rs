//! Every type of a table's column goes to Java and back.

use arrow::array::{
    BinaryArray, Date32Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};

use super::*;

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
}

/// A column of each type, with the least and the greatest there is, and one that is NULL.
fn columns() -> Vec<ArrayRef> {
    const LONGEST: i128 = 10_i128.pow(38) - 1;
    let (least, most) = (Some(i64::MIN), Some(i64::MAX));
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        Arc::new(Int64Array::from(vec![least, None, most])),
        Arc::new(Float32Array::from(vec![Some(f32::MIN_POSITIVE), None, Some(f32::INFINITY)])),
        Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::MIN_POSITIVE)])),
        decimals(vec![Some(-999), None, Some(999)], 3, 2),
        decimals(vec![Some(-(10_i128.pow(18) - 1)), None, Some(10_i128.pow(18) - 1)], 18, 0),
        decimals(vec![Some(-1), None, Some(10_i128.pow(19) - 1)], 19, 4),
        decimals(vec![Some(-LONGEST), None, Some(LONGEST)], 38, 38),
        Arc::new(StringArray::from(vec![Some(""), None, Some("grün, 木")])),
        Arc::new(BinaryArray::from(vec![Some(&b""[..]), None, Some(&b"\x00\xff"[..])])),
        Arc::new(Date32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(DAY_MICROS - 1)])),
        Arc::new(TimestampMillisecondArray::from(vec![least, None, most])),
        Arc::new(TimestampMicrosecondArray::from(vec![least, None, most])),
        Arc::new(TimestampNanosecondArray::from(vec![least, None, most])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(1)]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1)]).with_timezone("UTC")),
    ]
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let field = |(i, array): (usize, &ArrayRef)| Field::new(format!("c{i}"), array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn every_type_comes_back_as_it_went() {
    let batch = batch(columns());
    for capacity in [3, 5] {
        let mut memory = vec![0xab; bytes(batch.num_columns(), capacity).unwrap()];
        let texts = write(&batch, &mut memory, capacity).unwrap();
        let read = read(&batch.schema(), &Rows { cells: &memory, texts: &texts, capacity, rows: 3 }).unwrap();
        assert_eq!(read, batch);
    }
}

#[test]
fn what_is_in_the_cells_of_nulls_is_of_no_matter() {
    let nulls = batch(columns().iter().map(|column| column.slice(1, 1)).collect());
    let mut memory = vec![0xff; bytes(nulls.num_columns(), 1).unwrap()];
    memory[..nulls.num_columns()].fill(0);
    let read = read(&nulls.schema(), &Rows { cells: &memory, texts: &[], capacity: 1, rows: 1 }).unwrap();
    assert_eq!(read, nulls);
}

#[test]
fn a_batch_without_columns_has_its_rows() {
    let options = RecordBatchOptions::new().with_row_count(Some(7));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    let mut memory = [0];
    assert!(write(&batch, &mut memory, 8).unwrap().is_empty());
    let read = read(&batch.schema(), &Rows { cells: &memory, texts: &[], capacity: 8, rows: 7 }).unwrap();
    assert_eq!(read.num_rows(), 7);
}

/// A cell that is read as a column of a type.
fn one(data_type: &DataType, cell: [u8; CELL], texts: &[u8]) -> Result<ArrayRef, Failure> {
    let schema = Arc::new(Schema::new(vec![Field::new("c", data_type.clone(), true)]));
    let memory = [&[1], &cell[..]].concat();
    Ok(Arc::clone(read(&schema, &Rows { cells: &memory, texts, capacity: 1, rows: 1 })?.column(0)))
}

#[test]
fn what_is_no_value_of_the_type_is_refused() {
    let refused = [
        (DataType::Int8, 128),
        (DataType::Int16, -32_769),
        (DataType::Int32, i64::MAX),
        (DataType::Date32, 1 << 31),
        (DataType::Time64(TimeUnit::Microsecond), -1),
        (DataType::Time64(TimeUnit::Microsecond), DAY_MICROS),
        (DataType::Decimal128(3, 2), 1_000),
        (DataType::Decimal128(18, 0), 10_i64.pow(18)),
    ];
    for (data_type, value) in refused {
        let error = one(&data_type, value.to_ne_bytes(), &[]).unwrap_err().to_string();
        assert!(error.contains(&value.to_string()) || error.contains("precision"), "{data_type}: {error}");
    }
    // Bytes that are not there, and decimals of too many or no bytes.
    assert!(one(&DataType::Binary, place(1, 3).unwrap(), &[0; 3]).is_err());
    let long = DataType::Decimal128(38, 0);
    assert!(one(&long, place(0, 17).unwrap(), &[0; 17]).is_err());
    assert!(one(&long, place(0, 0).unwrap(), &[]).is_err());
    assert!(one(&long, place(0, 16).unwrap(), &i128::MAX.to_be_bytes()).is_err(), "39 digits");
    // As short as Java writes them.
    let minus_two = one(&long, place(0, 1).unwrap(), &[0xfe]).unwrap();
    assert_eq!(minus_two.as_primitive::<Decimal128Type>().value(0), -2);
}
