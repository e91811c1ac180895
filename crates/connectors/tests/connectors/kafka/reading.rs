//! Where reading begins, goes on and ends.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::datatypes::DataType;
use tidegate_connectors::{Error, PartOrder, Position, ScanRequest};

use super::*;

const JSON: (&str, &str) = ("format", "json");

#[test]
fn the_rows_of_a_partition_come_in_their_order() {
    let topic = Broker::shared().new_topic("order", 3);
    for partition in 0..3 {
        produce_ids(&topic, partition, (0..100).map(|i| i * 3 + i64::from(partition)));
    }
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST, TO_LATEST]);
    assert!(table.is_bounded());
    for batch_rows in [1, 7, 8192] {
        let taken = take_all_with(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
        assert_eq!((taken.found.len(), taken.ended.len()), (3, 3));
        for part in 0..3 {
            assert_eq!(taken.ids(part), (0..100).map(|i| i * 3 + part as i64).collect::<Vec<_>>());
            let position = &taken.positions[&part];
            assert_eq!((position.offset, position.records, position.rows), (100, 100, 100));
        }
        assert!(taken.batches.values().flatten().all(|batch| batch.num_rows() <= batch_rows));
    }
    let scan = table.scan(&ScanRequest::default()).unwrap();
    assert_eq!((scan.parts(), scan.order()), (3, PartOrder::SideBySide));
    // What ends can be read part by part as well.
    let mut reader = scan.open(1, None).unwrap();
    let first = reader.next().unwrap().unwrap();
    let rest = scan.open(1, Some(&first.position)).unwrap().next().unwrap();
    let rest_rows = rest.map_or(0, |chunk| chunk.batch.num_rows());
    assert!(first.batch.num_rows() + rest_rows <= 100 && first_column(&first.batch)[0] == 1);
}

#[test]
fn another_reader_goes_on_where_one_stopped() {
    let topic = Broker::shared().new_topic("resume", 3);
    for partition in 0..3 {
        produce_ids(&topic, partition, (0..200).map(|i| i64::from(partition) * 200 + i));
    }
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST]);
    assert!(!table.is_bounded());
    let scan = table.scan(&ScanRequest { batch_rows: 16, ..ScanRequest::default() }).unwrap();
    let mut positions: BTreeMap<u64, Position> = BTreeMap::new();
    let mut ids = Vec::new();
    // A new reader every hundred rows.
    while ids.len() < 600 {
        let mut reader = scan.open_all(&positions).unwrap();
        let wanted = (600 - ids.len()).min(100);
        let taken = take_rows(&mut *reader, wanted);
        ids.extend(taken.all_ids());
        positions.extend(taken.positions);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..600).collect::<Vec<_>>());
}

#[test]
fn reading_begins_where_it_is_told() {
    let broker = Broker::shared();
    let topic = broker.new_topic("startup", 2);
    produce_ids(&topic, 0, 0..10);
    produce_ids(&topic, 1, 100..110);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 1;
    while SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() <= time {}
    produce_ids(&topic, 0, 10..20);
    produce_ids(&topic, 1, 110..120);
    let ids = |options: &[(&str, &str)]| {
        let options = [&[JSON, TO_LATEST], options].concat();
        take_all(&*kafka(&ids_schema(), &topic, &options)).unwrap().all_ids()
    };
    let range = |a: std::ops::Range<i64>, b: std::ops::Range<i64>| a.chain(b).collect::<Vec<_>>();
    assert_eq!(ids(&[EARLIEST]), range(0..20, 100..120));
    assert_eq!(ids(&[("scan.startup.mode", "latest-offset")]), Vec::<i64>::new());
    let time = time.to_string();
    let at = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", time.as_str())];
    assert_eq!(ids(&at), range(10..20, 110..120));
    let offsets = "partition:0,offset:18;partition:1,offset:3";
    let at = [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", offsets)];
    assert_eq!(ids(&at), range(18..20, 103..120));
    // The group has nothing yet.
    let group = ("properties.group.id", topic.as_str());
    let reset = |to: &'static str| ids(&[group, ("properties.auto.offset.reset", to)]);
    assert_eq!(reset("earliest").len(), 40);
    assert_eq!(reset("latest").len(), 0);
    let table = kafka(&ids_schema(), &topic, &[JSON, TO_LATEST, group]);
    let said = take_all(&*table).err().unwrap().to_string();
    assert!(said.contains("has no offset for partition 0"), "{said}");
    // A checkpoint tells the group.
    let scan = table.scan(&ScanRequest::default()).unwrap();
    let at = |part: u64, offset: u64| (part, Position { part, offset, ..Position::default() });
    scan.checkpointed(&[at(0, 5), at(1, 17)].into()).unwrap();
    drop(scan);
    assert_eq!((broker.group_offset(&topic, &topic, 0), broker.group_offset(&topic, &topic, 1)), (Some(5), Some(17)));
    assert_eq!(ids(&[group]), range(5..20, 117..120));
    // Without a group nothing is told to anybody.
    kafka(&ids_schema(), &topic, &[JSON, EARLIEST])
        .scan(&ScanRequest::default())
        .unwrap()
        .checkpointed(&[at(0, 1)].into())
        .unwrap();
    assert_eq!(broker.group_offset(&topic, &topic, 0), Some(5));
}

#[test]
fn reading_ends_where_it_is_told() {
    let broker = Broker::shared();
    let topic = broker.new_topic("bounded", 2);
    produce_ids(&topic, 0, 0..10);
    let ids = |options: &[(&str, &str)]| {
        let options = [&[JSON, EARLIEST], options].concat();
        take_all(&*kafka(&ids_schema(), &topic, &options)).unwrap().all_ids()
    };
    assert_eq!(ids(&[TO_LATEST]), (0..10).collect::<Vec<_>>());
    let offsets = "partition:0,offset:4;partition:1,offset:0";
    let at = [("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", offsets)];
    assert_eq!(ids(&at), (0..4).collect::<Vec<_>>());
    let at = [("scan.bounded.mode", "timestamp"), ("scan.bounded.timestamp-millis", "1000")];
    assert_eq!(ids(&at), Vec::<i64>::new());

    // What comes later does not belong to it, also for a reader that goes on from a position.
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST, TO_LATEST]);
    let scan = table.scan(&ScanRequest { batch_rows: 3, ..ScanRequest::default() }).unwrap();
    let mut reader = scan.open_all(&BTreeMap::new()).unwrap();
    produce_ids(&topic, 0, 10..20);
    let some = take_rows(&mut *reader, 3);
    drop(reader);
    let mut reader = scan.open_all(&some.positions).unwrap();
    let rest = take_until(&mut *reader, &[], |_| false).unwrap();
    assert_eq!(rest.all_ids(), (3..10).collect::<Vec<_>>());
}

#[test]
fn new_partitions_are_found_and_read_from_their_start() {
    let broker = Broker::shared();
    let topic = broker.new_topic("discovery", 1);
    produce_ids(&topic, 0, 0..5);
    let soon = ("scan.topic-partition-discovery.interval", "100 ms");
    let table = kafka(&ids_schema(), &topic, &[JSON, ("scan.startup.mode", "latest-offset"), soon]);
    let mut reader = table.scan(&ScanRequest::default()).unwrap().open_all(&BTreeMap::new()).unwrap();
    let before = take_until(&mut *reader, &[], |taken| !taken.found.is_empty()).unwrap();
    assert_eq!((before.rows(), before.found), (0, vec![0]));
    broker.add_partitions(&topic, 3);
    produce_ids(&topic, 2, 20..25);
    let after = take_rows(&mut *reader, 5);
    assert_eq!(after.found, [1, 2]);
    assert_eq!(after.ids(2), (20..25).collect::<Vec<_>>());
    // A reader that goes on from before they were there reads all of them too.
    let mut reader = table.scan(&ScanRequest::default()).unwrap().open_all(&before.positions).unwrap();
    assert_eq!(take_rows(&mut *reader, 5).ids(2), (20..25).collect::<Vec<_>>());
}

#[test]
fn a_partition_that_has_no_more_says_so_each_time() {
    let topic = Broker::shared().new_topic("caught-up", 3);
    produce_ids(&topic, 1, 0..50);
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST]);
    let scan = table.scan(&ScanRequest { batch_rows: 8, ..ScanRequest::default() }).unwrap();
    let mut reader = scan.open_all(&BTreeMap::new()).unwrap();
    let taken = take_until(&mut *reader, &[], |taken| taken.caught_up.len() == 3).unwrap();
    assert_eq!(taken.ids(1), (0..50).collect::<Vec<_>>(), "said after its rows");
    assert_eq!(taken.caught_up.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    produce_ids(&topic, 2, 50..60);
    let taken = take_until(&mut *reader, &[], |taken| !taken.caught_up.is_empty()).unwrap();
    assert_eq!((taken.rows(), taken.caught_up), (10, vec![2]));
}

#[test]
fn a_held_partition_gives_nothing_more() {
    let topic = Broker::shared().new_topic("held", 2);
    produce_ids(&topic, 0, 0..500);
    produce_ids(&topic, 1, 1000..1500);
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST]);
    let scan = table.scan(&ScanRequest { batch_rows: 10, ..ScanRequest::default() }).unwrap();
    let mut reader = scan.open_all(&BTreeMap::new()).unwrap();
    let both = take_until(&mut *reader, &[], |taken| taken.batches.len() == 2).unwrap();
    let first = both.ids(0).len();
    // Its queue is full by now, and it is left alone until the other one has given everything.
    let other = take_until(&mut *reader, &[0], |taken| taken.ids(1).len() + both.ids(1).len() == 500).unwrap();
    assert_eq!(other.ids(0), Vec::<i64>::new());
    let nothing = take_until(&mut *reader, &[0, 1], |_| true).unwrap();
    assert_eq!(nothing.rows(), 0);
    let rest = take_rows(&mut *reader, 500 - first);
    assert_eq!([both.ids(0), rest.ids(0)].concat(), (0..500).collect::<Vec<_>>());
}

#[test]
fn several_topics_are_one_table() {
    let broker = Broker::shared();
    let (a, b) = (broker.new_topic("several-a", 2), broker.new_topic("several-b", 1));
    produce_ids(&a, 0, [1, 2]);
    produce_ids(&a, 1, [3]);
    produce_ids(&b, 0, [4, 5]);
    let taken = take_all(&*kafka(&ids_schema(), &format!("{a}; {b}"), &[JSON, EARLIEST, TO_LATEST])).unwrap();
    assert_eq!(taken.found, [0, 1, 1 << 32]);
    assert_eq!((taken.ids(0), taken.ids(1), taken.ids(1 << 32)), (vec![1, 2], vec![3], vec![4, 5]));
    // With the topics in another order the parts are others.
    let table = kafka(&ids_schema(), &format!("{b};{a}"), &[JSON, EARLIEST, TO_LATEST]);
    let wrong = table.scan(&ScanRequest::default()).unwrap().open_all(&taken.positions).err().unwrap();
    assert!(matches!(&wrong, Error::Changed { .. }), "{wrong}");
}

#[test]
fn only_wanted_columns_and_rows_are_read() {
    let topic = Broker::shared().new_topic("projection", 1);
    Broker::shared().produce(&topic, 0, Some("k"), Some(r#"{"a": 1, "b": "x", "c": 2.5}"#));
    produce_ids(&topic, 0, 0..9);
    let schema = super::super::schema(&[("a", DataType::Int64), ("b", DataType::Utf8), ("c", DataType::Float64)]);
    let table = kafka(&schema, &topic, &[JSON, EARLIEST, TO_LATEST]);
    let request = ScanRequest { projection: Some(vec![2, 0]), limit: Some(1), ..ScanRequest::default() };
    let taken = take_all_with(&*table, &request).unwrap();
    assert_eq!(taken.rows(), 1);
    assert_eq!(taken.batches[&0][0].schema().fields()[0].name(), "c");
    let none = ScanRequest { projection: Some(Vec::new()), ..ScanRequest::default() };
    assert_eq!(take_all_with(&*table, &none).unwrap().rows(), 10);
}

#[test]
fn messages_that_were_deleted_are_not_passed_over() {
    let broker = Broker::shared();
    let topic = broker.new_topic("deleted", 1);
    produce_ids(&topic, 0, 0..10);
    let table = kafka(&ids_schema(), &topic, &[JSON, EARLIEST, TO_LATEST]);
    let scan = table.scan(&ScanRequest { batch_rows: 2, ..ScanRequest::default() }).unwrap();
    let some = take_rows(&mut *scan.open_all(&BTreeMap::new()).unwrap(), 2);
    broker.delete_records(&topic, 0, 6);
    let said = scan.open_all(&some.positions).err().unwrap().to_string();
    assert!(said.contains("the checkpoint is at offset 2, and messages before 6 were deleted"), "{said}");
    // A fresh start has what is left.
    assert_eq!(take_all(&*table).unwrap().all_ids(), (6..10).collect::<Vec<_>>());
    let beyond = Position { offset: 99, ..some.positions[&0].clone() };
    let said = scan.open_all(&[(0, beyond)].into()).err().unwrap().to_string();
    assert!(said.contains("the topic ends at 10: was it made anew?"), "{said}");
}
