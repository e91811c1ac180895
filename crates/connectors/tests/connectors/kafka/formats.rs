//! What is written is read back, in every format.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};

use super::super::{finish, samples, sink_request};
use super::*;

/// Writes batches to a topic as one job.
pub(super) fn write(table: &dyn Table, batches: &[RecordBatch]) {
    let folder = tempfile::tempdir().unwrap();
    let job = format!("job-{}", folder.path().display());
    let request = tidegate_connectors::SinkRequest {
        folder: folder.path().to_path_buf(),
        job,
        ..sink_request(&batches[0].schema())
    };
    let mut sink = table.sink(&request).unwrap();
    for batch in batches {
        sink.write(batch).unwrap();
    }
    finish(&mut *sink);
}

#[test]
fn every_type_comes_back() {
    let batch = samples();
    for (format, options) in [
        ("json", &[][..]),
        ("csv", &[]),
        ("csv", &[("csv.field-delimiter", ";"), ("csv.null-literal", "NULL")]),
        ("avro", &[]),
        ("debezium-json", &[]),
    ] {
        let topic = Broker::shared().new_topic("round", 1);
        let options = [&[("format", format), EARLIEST, TO_LATEST], options].concat();
        let table = kafka(&batch.schema(), &topic, &options);
        write(&*table, &[batch.clone(), batch.slice(2, 3)]);
        let expected = concat_batches(&batch.schema(), [&batch, &batch.slice(2, 3)]).unwrap();
        assert_eq!(rows_of(&*table), expected, "{format}");
    }
}

#[test]
fn nested_types_in_json_and_avro() {
    let broker = Broker::shared();
    let topic = broker.new_topic("nested", 1);
    let item = Field::new_list_field(DataType::Int64, true);
    let row =
        DataType::Struct(vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Float64, true)].into());
    let schema =
        super::super::schema(&[("list", DataType::List(Arc::new(item))), ("row", row), ("bytes", DataType::Binary)]);
    let messages =
        [r#"{"list":[1,2,null],"row":{"a":"x","b":0.5},"bytes":"00ff"}"#, r#"{"list":[]}"#, r#"{"row":{"b":1}}"#];
    broker.produce_all(&topic, 0, messages.map(|message| (None, Some(message))));
    let batch = rows_of(&*kafka(&schema, &topic, &[("format", "json"), EARLIEST, TO_LATEST]));
    assert_eq!(batch.column(0).as_list::<i32>().value(0).as_primitive::<Int64Type>().value(1), 2);
    assert_eq!(batch.column(2).as_binary::<i32>().value(0), [0x00, 0xff]);
    for format in ["json", "avro"] {
        let topic = broker.new_topic("nested-copy", 1);
        let table = kafka(&schema, &topic, &[("format", format), EARLIEST, TO_LATEST]);
        write(&*table, std::slice::from_ref(&batch));
        assert_eq!(rows_of(&*table), batch, "{format}");
    }
}

#[test]
fn text_is_as_one_would_write_it() {
    let broker = Broker::shared();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef, true),
        ("name", Arc::new(StringArray::from(vec!["a,b", "c"])) as ArrayRef, true),
    ])
    .unwrap();
    for (format, expected) in [
        ("json", ["{\"id\":1,\"name\":\"a,b\"}", "{\"name\":\"c\"}"]),
        ("csv", ["1,\"a,b\"", ",c"]),
        (
            "debezium-json",
            [
                "{\"before\":null,\"after\":{\"id\":1,\"name\":\"a,b\"},\"op\":\"c\"}",
                "{\"before\":null,\"after\":{\"name\":\"c\"},\"op\":\"c\"}",
            ],
        ),
    ] {
        let topic = broker.new_topic("text", 1);
        write(&*kafka(&batch.schema(), &topic, &[("format", format)]), std::slice::from_ref(&batch));
        let values: Vec<String> = broker.committed(&topic).into_iter().filter_map(|record| record.value).collect();
        assert_eq!(values, expected, "{format}");
    }
}

#[test]
fn plain_avro_is_what_the_specification_says() {
    // A long is zigzag: 1 is 02; the branch of a union comes first: NULL is 00, the other one 02; a text follows its length.
    let broker = Broker::shared();
    let topic = broker.new_topic("avro-bytes", 1);
    let schema =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, -3])), Arc::new(StringArray::from(vec![Some("foo"), None]))];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let options = [("format", "avro"), EARLIEST, TO_LATEST];
    write(&*kafka(&schema, &topic, &options), std::slice::from_ref(&batch));
    let bytes: Vec<Vec<u8>> = broker.committed_bytes(&topic, |_, _, _, value| value.unwrap().to_vec());
    assert_eq!(bytes, [vec![0x02, 0x02, 0x06, b'f', b'o', b'o'], vec![0x05, 0x00]]);

    let bad: [&[u8]; 4] = [&[], &[0x02, 0x02, 0x06, b'f'], &[0x02, 0x00, 0x00], &[0x02, 0x02, 0x02, 0xff]];
    broker.produce_bytes(&topic, 0, bad.map(|message| (None, Some(message))));
    broker.produce_bytes(&topic, 0, [(None, Some(&[0x04, 0x00][..]))]);
    let table = kafka(&schema, &topic, &[&options[..], &[("on-error", "skip")]].concat());
    for batch_rows in [1, 8192] {
        let taken = take_all_with(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        assert_eq!(taken.ids(0), [1, -3, 2]);
        let offsets: Vec<&str> = taken.bad.iter().map(|bad| bad.location.rsplit(' ').next().unwrap()).collect();
        assert_eq!(offsets, ["3", "4", "5", "6"], "offset 2 is the mark of the transaction before them");
        assert_eq!(taken.bad[2].reason, "there are bytes behind its record");
    }
}

#[test]
fn debezium_gives_insertions_and_refuses_what_would_take_rows_back() {
    let broker = Broker::shared();
    let topic = broker.new_topic("debezium", 1);
    let messages = [
        r#"{"before":null,"after":{"id":1,"name":"a"},"source":{"db":"x"},"op":"r","ts_ms":1}"#,
        r#"{"before":null,"after":{"id":2,"name":"b"},"op":"c"}"#,
        r#"{"before":{"id":2,"name":"b"},"after":{"id":2,"name":"c"},"op":"u"}"#,
        r#"{"before":{"id":1,"name":"a"},"after":null,"op":"d"}"#,
        r#"{"id":3,"name":"plain"}"#,
        r#"{"before":null,"after":null,"op":"c"}"#,
        r#"{"before":null,"after":{"id":4},"op":"c"}"#,
    ];
    broker.produce_all(&topic, 0, messages.map(|message| (None, Some(message))));
    let schema = super::super::schema(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
    let options = [("format", "debezium-json"), EARLIEST, TO_LATEST, ("on-error", "skip")];
    let taken = take_all(&*kafka(&schema, &topic, &options)).unwrap();
    assert_eq!(taken.ids(0), [1, 2, 4]);
    let reasons: Vec<&str> = taken.bad.iter().map(|bad| bad.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "it changes a row (op 'u'): tables are append only, no row can be taken back",
            "it deletes a row (op 'd'): tables are append only, no row can be taken back",
            "it has no 'op': expected a change as Debezium writes it",
            "it has no row 'after' the change",
        ]
    );
    let wrapped = broker.new_topic("debezium-schema", 1);
    let messages: Vec<String> =
        messages[..2].iter().map(|m| format!("{{\"schema\":{{\"type\":1}},\"payload\":{m}}}")).collect();
    broker.produce_all(&wrapped, 0, messages.iter().map(|message| (None, Some(message.as_str()))));
    broker.produce(&wrapped, 0, None, Some("{\"payload\":null}"));
    let options = [&options[..], &[("debezium-json.schema-include", "true")]].concat();
    let taken = take_all(&*kafka(&schema, &wrapped, &options)).unwrap();
    assert_eq!((taken.ids(0), taken.bad.len()), (vec![1, 2], 1));
}

#[test]
fn keys_have_their_own_columns_and_format() {
    let broker = Broker::shared();
    let topic = broker.new_topic("keys", 3);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("value", Arc::new(Int64Array::from_iter_values(0..30)) as ArrayRef, true),
        (
            "k_user",
            Arc::new(StringArray::from_iter_values((0..30).map(|i| format!("user-{}", i % 5)))) as ArrayRef,
            true,
        ),
    ])
    .unwrap();
    let options = [
        ("value.format", "json"),
        ("key.format", "raw"),
        ("key.fields", "k_user"),
        ("key.fields-prefix", "k_"),
        ("value.fields-include", "EXCEPT_KEY"),
        EARLIEST,
        TO_LATEST,
    ];
    let table = kafka(&batch.schema(), &topic, &options);
    write(&*table, std::slice::from_ref(&batch));
    let records = broker.committed(&topic);
    assert_eq!(records.len(), 30);
    assert!(records.iter().any(|r| r.key.as_deref() == Some("user-3") && r.value.as_deref() == Some("{\"value\":8}")));
    // Where the Java client puts these keys: murmur2, its sign taken off, over three partitions.
    for record in &records {
        let expected = match record.key.as_deref() {
            Some(key) => (murmur2(key.as_bytes()) & 0x7fff_ffff) % 3,
            None => panic!("a message without a key"),
        };
        assert_eq!(record.partition as u32, expected, "{:?}", record.key);
    }
    let taken = take_all(&*table).unwrap();
    assert_eq!(taken.all_ids(), (0..30).collect::<Vec<_>>());
    for batch in taken.batches.values().flatten() {
        for row in 0..batch.num_rows() {
            let id = batch.column(0).as_primitive::<Int64Type>().value(row);
            assert_eq!(batch.column(1).as_string::<i32>().value(row), format!("user-{}", id % 5));
        }
    }
    // The key alone, where messages may have no value.
    let keys = super::super::schema(&[("k_user", DataType::Utf8)]);
    broker.produce(&topic, 0, Some("last"), None);
    assert_eq!(take_all(&*kafka(&keys, &topic, &options)).unwrap().rows(), 31);
}

/// The hash of Kafka's Java client, as its documentation describes it (murmur2 of Austin Appleby, seed 0x9747b28c).
fn murmur2(data: &[u8]) -> u32 {
    let m: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(m);
        k ^= k >> 24;
        hash = hash.wrapping_mul(m) ^ k.wrapping_mul(m);
    }
    for (at, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * at);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(m);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(m);
    hash ^ hash >> 15
}

#[test]
fn raw_values_are_text_or_bytes() {
    let broker = Broker::shared();
    let topic = broker.new_topic("raw", 1);
    broker.produce_bytes(
        &topic,
        0,
        [(None, Some(&b"text"[..])), (None, Some(&[0xff, 0x00][..])), (None, Some(&b""[..]))],
    );
    let options = [("format", "raw"), EARLIEST, TO_LATEST, ("on-error", "skip")];
    let bytes = rows_of(&*kafka(&super::super::schema(&[("v", DataType::Binary)]), &topic, &options));
    assert_eq!(bytes.column(0).as_binary::<i32>(), &BinaryArray::from_vec(vec![b"text", &[0xff, 0x00], b""]));
    let taken = take_all(&*kafka(&super::super::schema(&[("v", DataType::Utf8)]), &topic, &options)).unwrap();
    assert_eq!((taken.rows(), taken.bad.len()), (2, 1));
    assert_eq!(taken.bad[0].reason, "column 'v' is not UTF-8");
    assert_eq!(bytes.column(0).null_count(), 0);
}

#[test]
fn compressed_messages_are_read() {
    let batch = samples();
    for compression in ["gzip", "snappy", "lz4", "zstd"] {
        let topic = Broker::shared().new_topic(compression, 1);
        let options = [("format", "json"), EARLIEST, TO_LATEST, ("properties.compression.type", compression)];
        let table = kafka(&batch.schema(), &topic, &options);
        write(&*table, std::slice::from_ref(&batch));
        assert_eq!(rows_of(&*table), batch, "{compression}");
    }
}
