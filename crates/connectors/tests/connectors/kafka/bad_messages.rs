//! Messages that cannot be read: each is found, and nothing else is lost.

use arrow::array::StringArray;
use tidegate_connectors::{Error, OnError, dead_letters};

use super::*;

fn mixed_topic() -> String {
    let broker = Broker::shared();
    let topic = broker.new_topic("bad", 4);
    produce_ids(&topic, 3, 0..17);
    broker.produce_all(&topic, 3, [(None, Some("{\"id\": \"x\"}")), (None, Some("{\"id\": 18}")), (None, None)]);
    produce_ids(&topic, 3, 20..30);
    broker.produce_all(&topic, 3, [(None, Some("{\"id\": 30} {\"id\": 31}")), (None, Some("[1]")), (None, Some(""))]);
    produce_ids(&topic, 3, 33..35);
    topic
}

const REASONS: [(usize, &str); 5] = [
    (17, "whilst decoding field 'id'"),
    (19, "it has no value (a tombstone)"),
    (30, "it has more than one JSON object"),
    (31, "it is not a JSON object"),
    (32, "it is not a JSON object"),
];

#[test]
fn are_skipped_with_partition_and_offset() {
    let topic = mixed_topic();
    for batch_rows in [1, 4, 8192] {
        let options = [("format", "json"), EARLIEST, TO_LATEST, ("on-error", "skip")];
        let table = kafka(&ids_schema(), &topic, &options);
        assert_eq!(table.on_error(), OnError::Skip);
        let taken = take_all_with(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        let expected: Vec<i64> = (0..17).chain([18]).chain(20..30).chain(33..35).collect();
        assert_eq!(taken.ids(3), expected);
        assert_eq!((taken.positions[&3].records, taken.positions[&3].rows), (35, 30));
        assert_eq!(taken.bad.len(), REASONS.len());
        for (bad, (offset, reason)) in taken.bad.iter().zip(REASONS) {
            assert_eq!(bad.location, format!("{topic} partition 3 offset {offset}"));
            assert!(bad.reason.contains(reason), "{}", bad.reason);
        }
        assert_eq!(taken.bad[0].raw, "{\"id\": \"x\"}");
    }
}

#[test]
fn stop_the_job_after_the_rows_before_them() {
    let topic = mixed_topic();
    for batch_rows in [1, 4, 8192] {
        let table = kafka(&ids_schema(), &topic, &[("format", "json"), EARLIEST, TO_LATEST]);
        let scan = table.scan(&ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        let mut reader = scan.open_all(&BTreeMap::new()).unwrap();
        let before = take_rows(&mut *reader, 17);
        assert_eq!(before.ids(3), (0..17).collect::<Vec<_>>());
        assert_eq!(before.positions[&3].offset, 17);
        match take_until(&mut *reader, &[], |_| false).err().unwrap() {
            Error::BadRecord(bad) => assert_eq!(bad.location, format!("{topic} partition 3 offset 17")),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn go_to_a_file_of_dead_letters() {
    let topic = mixed_topic();
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(&ids_schema(), &topic, &[("format", "json"), EARLIEST, TO_LATEST, ("on-error", "dead-letter")]);
    let said = open_table(&spec).err().unwrap().to_string();
    assert!(said.contains("set 'dead-letter.path'"), "{said}");
    spec.options.push(("dead-letter.path".to_string(), "dead.jsonl".to_string()));
    spec.base_dir = folder.path().to_path_buf();
    let table = open_table(&spec).unwrap();
    let bad = take_all(&*table).unwrap().bad;
    let request = super::super::sink_request(&tidegate_connectors::dead_letter_schema());
    let mut sink = table.dead_letter_sink(&request).unwrap().unwrap();
    sink.write(&dead_letters(&bad).unwrap()).unwrap();
    super::super::finish(&mut *sink);
    let text = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    assert_eq!(text.lines().count(), REASONS.len());
    assert!(text.starts_with(&format!("{{\"location\":\"{topic} partition 3 offset 17\",\"reason\":")), "{text}");
}

#[test]
fn of_csv_are_found_by_field_and_record() {
    let broker = Broker::shared();
    let topic = broker.new_topic("bad-csv", 1);
    let schema = super::super::schema(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
    let messages = ["1,a", "2", "x,b", "3,\"c\nd\"", "4,e\n5,f", "", "6,\"g", "7,h\n", "8,i"];
    broker.produce_all(&topic, 0, messages.map(|message| (None, Some(message))));
    let options = [("format", "csv"), EARLIEST, TO_LATEST, ("csv.ignore-parse-errors", "true")];
    let table = kafka(&schema, &topic, &options);
    for batch_rows in [1, 3, 8192] {
        let taken = take_all_with(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        assert_eq!(taken.ids(0), [1, 3, 7, 8]);
        let bad: Vec<_> = taken.bad.iter().map(|bad| (bad.location.clone(), bad.reason.clone())).collect();
        let at = |offset: u64| format!("{topic} partition 0 offset {offset}");
        let said = [
            (at(1), "it has 1 fields; expected 2".to_string()),
            (at(2), "column 'id': 'x' is not of type BIGINT".to_string()),
            (at(4), "it has more than one record".to_string()),
            (at(5), "it has no record".to_string()),
            (at(6), "the quote that opens field 2 is never closed".to_string()),
        ];
        assert_eq!(bad, said);
    }
}

#[test]
fn with_keys_that_cannot_be_read() {
    let broker = Broker::shared();
    let topic = broker.new_topic("bad-key", 1);
    let messages = [
        (Some("1"), Some("{\"name\": \"a\"}")),
        (Some("x"), Some("{\"name\": \"b\"}")),
        (None, Some("{\"name\": \"c\"}")),
        (Some("4"), Some("{\"name\": 4.5")),
        (Some("5"), Some("{\"name\": \"e\"}")),
    ];
    broker.produce_all(&topic, 0, messages);
    let schema = super::super::schema(&[("name", DataType::Utf8), ("k_id", DataType::Int64)]);
    let options = [
        ("value.format", "json"),
        ("key.format", "csv"),
        ("key.fields", "k_id"),
        ("key.fields-prefix", "k_"),
        ("value.fields-include", "EXCEPT_KEY"),
        EARLIEST,
        TO_LATEST,
        ("on-error", "skip"),
    ];
    let taken = take_all(&*kafka(&schema, &topic, &options)).unwrap();
    let batch = concat_batches(&schema, &taken.batches[&0]).unwrap();
    assert_eq!(batch.column(0).as_string::<i32>(), &StringArray::from(vec!["a", "c", "e"]));
    let ids: Vec<Option<i64>> = batch.column(1).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(ids, [Some(1), None, Some(5)], "a message without a key has NULL for its columns");
    let bad: Vec<&str> = taken.bad.iter().map(|bad| bad.location.rsplit(' ').next().unwrap()).collect();
    assert_eq!(bad, ["1", "3"]);
}
