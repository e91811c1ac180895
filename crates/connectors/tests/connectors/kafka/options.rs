//! What is refused before anything runs, and what is said when there is no broker.

use tidegate_connectors::SinkRequest;

use super::super::{numbered, schema, sink_request};
use super::*;

fn refused(options: &[(&str, &str)]) -> String {
    let schema = schema(&[("id", DataType::Int64), ("name", DataType::Utf8), ("list", DataType::Boolean)]);
    let mut all = vec![("connector", "kafka"), ("topic", "t"), ("properties.bootstrap.servers", "localhost:1")];
    for (key, value) in options {
        all.retain(|(known, _)| known != key);
        all.push((key, value));
    }
    all.retain(|(_, value)| *value != "-");
    let spec = TableSpec {
        name: "t".to_string(),
        schema,
        options: all.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        base_dir: std::env::temp_dir(),
    };
    match open_table(&spec) {
        Ok(_) => panic!("{options:?} is not refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn wrong_options_are_refused_with_what_was_expected() {
    let json = ("format", "json");
    for (options, said) in [
        (&[json, ("topic", "-")][..], "option 'topic' is missing"),
        (&[json, ("properties.bootstrap.servers", "-")], "option 'properties.bootstrap.servers' is missing"),
        (&[json, ("topic", ";")], "'topic' names no topic"),
        (&[json, ("topic", "a;b;a")], "'topic' names 'a' twice"),
        (&[], "option 'format' is missing"),
        (&[("format", "xml")], "option 'format': 'xml' is not one of 'json', 'csv'"),
        (&[json, ("value.format", "csv")], "'value.format' is the same as 'format'"),
        (&[json, ("scan.startup.mod", "x")], "did you mean 'scan.startup.mode'?"),
        (&[json, ("sink.parallelism", "2")], "unknown option 'sink.parallelism'"),
        (&[json, ("json.max-record-byte", "9")], "did you mean 'json.max-record-bytes'?"),
        (&[json, ("csv.field-delimiter", ";")], "is for the format csv, but 'format' is 'json'"),
        (&[json, ("properties.fetch.max.byte", "1")], "did you mean 'properties.fetch.max.bytes'?"),
        (&[json, ("properties.fetch.max.bytes", "x")], "option 'properties.fetch.max.bytes': 'x' is not"),
        (&[json, ("properties.enable.auto.commit", "true")], "offsets are kept in checkpoints"),
        (&[json, ("properties.transactional.id", "x")], "it is made of 'sink.transactional-id-prefix'"),
        (&[json, ("properties.value.deserializer", "x")], "'format' says what values look like"),
        (&[json, ("properties.auto.offset.reset", "last")], "is not one of 'earliest', 'latest', 'none'"),
        (&[json, ("scan.startup.mode", "group-offsets")], "needs 'properties.group.id'"),
        (&[json, ("scan.startup.mode", "timestamp")], "needs 'scan.startup.timestamp-millis'"),
        (&[json, EARLIEST, ("scan.startup.timestamp-millis", "1")], "has a meaning only with"),
        (
            &[json, ("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "0:1")],
            "is not of the form 'partition:0,offset:42;partition:1,offset:300'",
        ),
        (&[json, ("key.format", "raw")], "'key.format' needs 'key.fields'"),
        (&[json, ("key.fields", "id")], "'key.fields' needs 'key.format'"),
        (&[json, ("key.format", "json"), ("key.fields", "nam")], "did you mean 'name'?"),
        (
            &[json, ("key.format", "raw"), ("key.fields", "id")],
            "raw takes a STRING or BYTES column, but 'id' is BIGINT",
        ),
        (
            &[json, ("key.format", "json"), ("key.fields", "id"), ("key.fields-prefix", "i")],
            "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'",
        ),
        (&[("format", "raw")], "raw takes one column"),
        (&[("format", "avro-confluent")], "needs 'avro-confluent.url'"),
        (&[("format", "avro-confluent"), ("avro-confluent.url", "https://x")], "not of the form http://host:port"),
        (
            &[json, ("key.format", "csv"), ("key.fields", "id"), ("key.json.max-record-bytes", "99")],
            "'key.format' is 'csv'",
        ),
        (&[json, ("on-error", "dead-letter")], "set 'dead-letter.path'"),
    ] {
        let error = refused(options);
        assert!(error.contains(said), "{options:?}: {error}");
        assert!(error.starts_with("table 't': "), "{error}");
    }
}

#[test]
fn reading_without_a_place_to_begin_is_refused() {
    let topic = Broker::shared().new_topic("nowhere", 1);
    let table = kafka(&ids_schema(), &topic, &[("format", "json")]);
    let said = table.scan(&ScanRequest::default()).err().unwrap().to_string();
    assert!(said.contains("where does reading begin? Set 'scan.startup.mode'"), "{said}");
}

#[test]
fn a_topic_that_does_not_exist_is_told_with_the_nearest() {
    let topic = Broker::shared().new_topic("visits-of-users", 1);
    let near = topic.replace("visits", "visit");
    let schema = numbered(0, 1).schema();
    let table = kafka(&schema, &near, &[("format", "json"), EARLIEST]);
    let read = table.scan(&ScanRequest::default()).err().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let request = SinkRequest { folder: folder.path().to_path_buf(), ..sink_request(&schema) };
    let written = table.sink(&request).err().unwrap();
    for error in [read, written] {
        assert_eq!(error.option(), Some("topic"));
        let said = error.to_string();
        assert!(said.contains(&format!("there is no topic '{near}'")), "{said}");
        assert!(said.contains(&format!("did you mean '{topic}'?")), "{said}");
    }
}

#[test]
fn a_broker_that_cannot_be_reached_is_told_soon() {
    let schema = numbered(0, 1).schema();
    // A port on which nobody listens: it was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut spec = spec(&schema, "t", &[("format", "json"), EARLIEST, ("properties.default.api.timeout.ms", "1500")]);
    for (key, value) in &mut spec.options {
        if key == "properties.bootstrap.servers" {
            value.clone_from(&address);
        }
    }
    let table = open_table(&spec).unwrap();
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let request = SinkRequest { folder: folder.path().to_path_buf(), ..sink_request(&schema) };
    for error in [table.scan(&ScanRequest::default()).err().unwrap(), table.sink(&request).err().unwrap()] {
        let said = error.to_string();
        assert!(said.contains(&format!("Kafka at '{address}'")), "{said}");
        assert!(said.contains("refused"), "{said}");
        assert!(said.contains("look at 'properties.bootstrap.servers'"), "{said}");
    }
    assert!(began.elapsed() < LIMIT, "it took {:?}", began.elapsed());
}

#[test]
fn what_a_topic_cannot_do_is_refused() {
    let topic = Broker::shared().new_topic("refused", 1);
    let schema = numbered(0, 1).schema();
    let folder = tempfile::tempdir().unwrap();
    let request = SinkRequest { folder: folder.path().to_path_buf(), ..sink_request(&schema) };
    let said = |options: &[(&str, &str)], topic: &str, request: &SinkRequest| {
        kafka(&schema, topic, &[&[("format", "json")], options].concat()).sink(request).err().unwrap().to_string()
    };
    let over = SinkRequest { overwrite: true, ..request.clone() };
    assert!(said(&[], &topic, &over).contains("INSERT OVERWRITE would have to delete"));
    assert!(said(&[], "a;b", &request).contains("only one can be written to"));
    let weak = [("properties.acks", "1")];
    assert!(said(&weak, &topic, &request).contains("does not go with 'sink.delivery-guarantee' = 'exactly-once'"));
    let short = [("properties.transaction.timeout.ms", "999999999")];
    let error = said(&short, &topic, &request);
    assert!(error.contains("'properties.transaction.timeout.ms'"), "{error}");
    // Without an end, a topic is not read one partition after the other.
    let table = kafka(&schema, &topic, &[("format", "json"), EARLIEST]);
    let error = table.scan(&ScanRequest::default()).unwrap().open(0, None).err().unwrap().to_string();
    assert!(error.contains("set 'scan.bounded.mode'"), "{error}");
}
