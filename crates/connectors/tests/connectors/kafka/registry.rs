//! Messages with the number of a schema in a registry.
//!
//! No registry that runs by itself is to be had from the places that packages come from, so this one is the test's own: it
//! answers the two requests that are made, as Confluent's documentation of them says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use super::formats::write;
use super::*;

/// Schemas by number, and which subject asked for each.
#[derive(Default)]
struct Registry {
    schemas: Mutex<BTreeMap<u64, (String, Value)>>,
}

impl Registry {
    /// Serves as long as the process runs. Returns the URL too.
    fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registry = Arc::new(Self::default());
        let serving = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        (registry, url)
    }

    fn add(&self, subject: &str, schema: &Value) -> u64 {
        let mut schemas = self.schemas.lock().unwrap();
        let known = schemas.iter().find(|(_, (of, known))| of == subject && known == schema).map(|(id, _)| *id);
        known.unwrap_or_else(|| {
            // Not from 1: a number is four bytes, and all of them matter.
            let id = 70_000 + schemas.len() as u64;
            schemas.insert(id, (subject.to_string(), schema.clone()));
            id
        })
    }

    /// GET /schemas/ids/{id} and POST /subjects/{subject}/versions.
    fn answer(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, &parts[..]) {
            ("GET", ["schemas", "ids", id]) => {
                match id.parse().ok().and_then(|id: u64| self.schemas.lock().unwrap().get(&id).cloned()) {
                    Some((_, schema)) => (200, json!({"schema": schema.to_string()})),
                    None => (404, json!({"error_code": 40403, "message": "Schema not found"})),
                }
            }
            ("POST", ["subjects", subject, "versions"]) => {
                let request: Value = serde_json::from_str(body).unwrap();
                match serde_json::from_str(request["schema"].as_str().unwrap_or_default()) {
                    Ok(schema) => (200, json!({"id": self.add(subject, &schema)})),
                    Err(_) => (422, json!({"error_code": 42201, "message": "Invalid schema"})),
                }
            }
            _ => (404, json!({"error_code": 404, "message": "HTTP 404 Not Found"})),
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let request: Vec<String> = line.split(' ').map(str::to_string).collect();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                if header.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = header.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, answer) = self.answer(&request[0], &request[1], &String::from_utf8(body).unwrap());
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            reader.get_mut().write_all((head + &answer).as_bytes()).unwrap();
        }
    }
}

#[test]
fn rows_are_written_with_a_registered_schema_and_read_with_it() {
    let broker = Broker::shared();
    let (registry, url) = Registry::start();
    let topic = broker.new_topic("confluent", 1);
    let batch = super::super::samples();
    let options = [
        ("value.format", "avro-confluent"),
        ("value.avro-confluent.url", url.as_str()),
        ("key.format", "avro-confluent"),
        ("key.avro-confluent.url", url.as_str()),
        ("key.fields", "id"),
        EARLIEST,
        TO_LATEST,
    ];
    let table = kafka(&batch.schema(), &topic, &options);
    write(&*table, std::slice::from_ref(&batch));
    assert_eq!(rows_of(&*table), batch);
    let subjects: Vec<String> = registry.schemas.lock().unwrap().values().map(|(subject, _)| subject.clone()).collect();
    assert_eq!(subjects, [format!("{topic}-key"), format!("{topic}-value")]);
    // A zero byte, then the number: 70000 and 70001 are 0x011170 and 0x011171.
    let prefixes: Vec<_> =
        broker.committed_bytes(&topic, |_, _, key, value| (key.unwrap()[..5].to_vec(), value.unwrap()[..5].to_vec()));
    assert!(prefixes.iter().all(|(key, value)| key == &[0, 0, 1, 0x11, 0x70] && value == &[0, 0, 1, 0x11, 0x71]));
    let of_value = registry.schemas.lock().unwrap()[&70_001].1.clone();
    assert_eq!(of_value["fields"][9]["type"], json!(["null", {"type": "long", "logicalType": "timestamp-millis"}]));
}

/// Bytes of a message: the prefix, then Avro's.
fn message(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}

#[test]
fn messages_of_other_schemas_are_read_as_the_table_says() {
    let broker = Broker::shared();
    let (registry, url) = Registry::start();
    let topic = broker.new_topic("evolution", 1);
    let fields = |fields: Value| json!({"type": "record", "name": "visit", "fields": fields});
    let id = |schema: Value| registry.add("visits", &schema) as u32;
    // The columns in another order, one more in front, an int for the long, no union; the number column is missing.
    let old = id(fields(json!([
        {"name": "extra", "type": "string"}, {"name": "name", "type": "string"}, {"name": "id", "type": "int"}
    ])));
    let new = id(fields(json!([
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"], "default": null},
        {"name": "amount", "type": ["double", "null"]}
    ])));
    let other = id(fields(json!([{"name": "id", "type": {"type": "array", "items": "string"}}])));
    let double = 2.5f64.to_le_bytes();
    let messages = [
        message(old, &[2, b'x', 2, b'a', 14]),
        message(new, &[&[16, 2, 2, b'b', 0][..], &double].concat()),
        message(old, &[0, 2, b'c', 18]),
        message(other, &[0]),
        message(999, &[0]),
        vec![1, 0, 0, 0, 1, 0],
        vec![0, 0],
        message(new, &[20, 0, 2, 99]),
        message(new, &[22, 0, 2]),
    ];
    broker.produce_bytes(&topic, 0, messages.iter().map(|message| (None, Some(&message[..]))));
    let schema =
        super::super::schema(&[("id", DataType::Int64), ("name", DataType::Utf8), ("amount", DataType::Float64)]);
    let options =
        [("format", "avro-confluent"), ("avro-confluent.url", url.as_str()), EARLIEST, TO_LATEST, ("on-error", "skip")];
    for batch_rows in [1, 2, 8192] {
        let request = ScanRequest { batch_rows, ..ScanRequest::default() };
        let taken = take_all_with(&*kafka(&schema, &topic, &options), &request).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![7, 8, 9, 11])),
            Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("c"), None])),
            Arc::new(Float64Array::from(vec![None, Some(2.5), None, None])),
        ];
        let expected = RecordBatch::try_new(schema.clone(), columns).unwrap();
        assert_eq!(concat_batches(&schema, &taken.batches[&0]).unwrap(), expected);
        let bad: Vec<_> = taken.bad.iter().map(|bad| (bad.location.rsplit(' ').next().unwrap(), &bad.reason)).collect();
        let expected = [
            ("3", "it is written with schema 70002"),
            ("4", "the registry has no schema 999"),
            ("5", "it does not begin with a zero byte"),
            ("6", "it does not begin with a zero byte"),
            ("7", "there are bytes behind its record"),
        ];
        assert_eq!(bad.len(), expected.len(), "{bad:?}");
        for ((offset, reason), (expected_offset, part)) in bad.iter().zip(expected) {
            assert_eq!(*offset, expected_offset);
            assert!(reason.contains(part), "{reason}");
        }
    }
}

#[test]
fn a_registry_that_cannot_be_reached_is_told() {
    let topic = Broker::shared().new_topic("no-registry", 1);
    Broker::shared().produce_bytes(&topic, 0, [(None, Some(&[0, 0, 0, 0, 1, 2][..]))]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options =
        [("format", "avro-confluent"), ("avro-confluent.url", url.as_str()), EARLIEST, TO_LATEST, ("on-error", "skip")];
    let table = kafka(&ids_schema(), &topic, &options);
    let said = take_all(&*table).err().unwrap().to_string();
    assert!(said.contains(&format!("cannot get schema 1 from the schema registry at {url}")), "{said}");
}
