//! Topics of a real broker.

mod bad_messages;
mod formats;
mod options;
mod reading;
mod registry;
mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use tidegate_connectors::{
    BadRecord, PartEvent, PartsReader, Position, Result, ScanRequest, Table, TableSpec, open_table,
};
use tidegate_tests::Broker;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");
const TO_LATEST: (&str, &str) = ("scan.bounded.mode", "latest-offset");

fn spec(schema: &SchemaRef, topic: &str, more: &[(&str, &str)]) -> TableSpec {
    let address = Broker::shared().address();
    let mut options = vec![("connector", "kafka"), ("topic", topic), ("properties.bootstrap.servers", address)];
    options.extend_from_slice(more);
    TableSpec {
        name: "t".to_string(),
        schema: schema.clone(),
        options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        base_dir: std::env::temp_dir(),
    }
}

fn kafka(schema: &SchemaRef, topic: &str, more: &[(&str, &str)]) -> Arc<dyn Table> {
    open_table(&spec(schema, topic, more)).unwrap()
}

/// What the parts of a table gave.
#[derive(Default)]
struct Taken {
    batches: BTreeMap<u64, Vec<RecordBatch>>,
    /// Where to go on.
    positions: BTreeMap<u64, Position>,
    found: Vec<u64>,
    caught_up: Vec<u64>,
    ended: Vec<u64>,
    bad: Vec<BadRecord>,
    at_end: bool,
}

impl Taken {
    fn rows(&self) -> usize {
        self.batches.values().flatten().map(RecordBatch::num_rows).sum()
    }

    /// The numbers of one part's first column.
    fn ids(&self, part: u64) -> Vec<i64> {
        self.batches.get(&part).into_iter().flatten().flat_map(first_column).collect()
    }

    /// The numbers of all parts' first columns, in order.
    fn all_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.batches.values().flatten().flat_map(first_column).collect();
        ids.sort_unstable();
        ids
    }
}

fn first_column(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

/// Takes what a reader gives until it is at its end or `enough` says so.
fn take_until(reader: &mut dyn PartsReader, held: &[u64], mut enough: impl FnMut(&Taken) -> bool) -> Result<Taken> {
    let held: BTreeSet<u64> = held.iter().copied().collect();
    let (began, mut taken) = (Instant::now(), Taken::default());
    while !enough(&taken) {
        assert!(began.elapsed() < LIMIT, "{} rows came in {LIMIT:?}", taken.rows());
        match reader.next(Duration::from_millis(100), &held)? {
            PartEvent::Found(position) => {
                taken.found.push(position.part);
                taken.positions.insert(position.part, position);
            }
            PartEvent::Chunk(chunk) => {
                let part = chunk.position.part;
                taken.positions.insert(part, chunk.position);
                taken.batches.entry(part).or_default().push(chunk.batch);
                taken.bad.extend(chunk.bad);
            }
            PartEvent::CaughtUp(part) => taken.caught_up.push(part),
            PartEvent::Ended(part) => taken.ended.push(part),
            PartEvent::Nothing => {}
            PartEvent::End => {
                taken.at_end = true;
                break;
            }
        }
    }
    Ok(taken)
}

fn take_rows(reader: &mut dyn PartsReader, rows: usize) -> Taken {
    take_until(reader, &[], |taken| taken.rows() >= rows).unwrap()
}

/// Everything of a table that ends.
fn take_all_with(table: &dyn Table, request: &ScanRequest) -> Result<Taken> {
    let mut reader = table.scan(request)?.open_all(&BTreeMap::new())?;
    let taken = take_until(&mut *reader, &[], |_| false)?;
    assert!(taken.at_end);
    Ok(taken)
}

fn take_all(table: &dyn Table) -> Result<Taken> {
    take_all_with(table, &ScanRequest { batch_rows: 7, ..ScanRequest::default() })
}

/// All rows of a table that ends, whose topic has one partition.
fn rows_of(table: &dyn Table) -> RecordBatch {
    let taken = take_all(table).unwrap();
    let schema = table.scan(&ScanRequest::default()).unwrap().schema();
    concat_batches(&schema, taken.batches.values().flatten()).unwrap()
}

fn ids_schema() -> SchemaRef {
    super::schema(&[("id", DataType::Int64)])
}

/// Writes messages with these ids to a partition.
fn produce_ids(topic: &str, partition: i32, ids: impl IntoIterator<Item = i64>) {
    let messages: Vec<String> = ids.into_iter().map(|id| format!("{{\"id\": {id}}}")).collect();
    Broker::shared().produce_all(topic, partition, messages.iter().map(|message| (None, Some(message.as_str()))));
}
