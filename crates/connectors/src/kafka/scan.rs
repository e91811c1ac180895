//! A topic about to be read.
//!
//! A part is a partition: its number, with the place of its topic among the table's in the upper half. The `offset` of its
//! position is that of the next message, and its fingerprint keeps the topic's name and where reading ends, so that a job that
//! is resumed ends where it would have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::bounds::{Bound, no_start};
use super::client::{Cluster, Connection};
use super::reader::{KafkaReader, Part, PartReader};
use super::rows::Rows;
use super::{KafkaTable, PartId};
use crate::filesystem::Hash;
use crate::{Error, Fingerprint, OnError, PartOrder, PartsReader, Position, Reader, Result, Scan, ScanRequest};

/// What both the scan and its readers need of the table and of the request.
pub(super) struct Plan {
    pub(super) table: Arc<KafkaTable>,
    pub(super) cluster: Cluster,
    /// Which columns are wanted, and their types.
    columns: Vec<usize>,
    schema: SchemaRef,
    pub(super) batch_rows: usize,
    pub(super) limit: u64,
    pub(super) on_error: OnError,
}

/// Topics about to be read.
pub(super) struct KafkaScan {
    plan: Arc<Plan>,
    client: Arc<Connection>,
    /// The partitions that there are.
    parts: Vec<PartId>,
}

impl fmt::Debug for KafkaScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaScan").field("topics", &self.plan.table.topics).field("parts", &self.parts).finish()
    }
}

impl KafkaScan {
    pub(super) fn new(table: &Arc<KafkaTable>, request: &ScanRequest) -> Result<Self> {
        if table.start.is_none() {
            return Err(no_start(&table.name));
        }
        let columns = request.projection.clone().unwrap_or_else(|| (0..table.schema.fields().len()).collect());
        let schema = Arc::new(table.schema.project(&columns).map_err(Error::arrow("the columns of a scan"))?);
        let properties = &table.properties;
        let cluster = Cluster::new(&table.name, &properties.servers, properties.patience);
        let client = cluster.consumer(&properties.consumer(&table.name))?;
        let plan = Plan {
            table: table.clone(),
            cluster,
            columns,
            schema,
            batch_rows: request.batch_rows.max(1),
            limit: request.limit.map_or(u64::MAX, |limit| limit as u64),
            on_error: table.on_error,
        };
        let mut parts = Vec::new();
        for topic in 0..table.topics.len() {
            let partitions = plan.cluster.partitions_of(client.as_ref(), &table.topics[topic])?;
            parts.extend(partitions.into_iter().map(|partition| PartId { topic, partition }));
        }
        Ok(Self { plan: Arc::new(plan), client, parts })
    }

    /// Where the partitions begin and end, except those that have a position already.
    fn positions(&self, parts: &[PartId], from: &BTreeMap<u64, Position>) -> Result<Vec<(Position, Option<i64>)>> {
        let mut fresh = Vec::new();
        for part in parts {
            match from.get(&part.number()) {
                Some(position) => self.check(*part, position)?,
                None => fresh.push(*part),
            }
        }
        // A partition that was not there when the checkpoint was taken is read from its start.
        let start = match &self.plan.table.start {
            _ if !from.is_empty() => &Bound::Earliest,
            Some(start) => start,
            None => return Err(no_start(&self.plan.table.name)),
        };
        let starts = self.resolve(&fresh, start, "scan.startup")?;
        let stops = match &self.plan.table.stop {
            Some(stop) => self.resolve(&fresh, stop, "scan.bounded")?.into_iter().map(Some).collect(),
            None => vec![None; fresh.len()],
        };
        let mut fresh = fresh.iter().zip(starts.into_iter().zip(stops));
        let position = |part: &PartId| match from.get(&part.number()) {
            Some(position) => (position.clone(), position.fingerprint.bytes.checked_sub(1).map(|stop| stop as i64)),
            None => {
                let (start, stop) = fresh.next().map_or((0, None), |(_, found)| found);
                (self.plan.position(*part, start, stop), stop)
            }
        };
        Ok(parts.iter().map(position).collect())
    }

    /// Refuses a position of another topic, or one whose messages are gone.
    fn check(&self, part: PartId, position: &Position) -> Result<()> {
        let topic = &self.plan.table.topics[part.topic];
        let changed = |message: String| {
            let path = format!("topic '{topic}' partition {}", part.partition);
            Err(Error::Changed { path, message: format!("cannot continue: {message}") })
        };
        if position.fingerprint.head != name_hash(topic) {
            return changed("the checkpoint was taken while another topic was read".to_string());
        }
        let (low, high) = self.plan.cluster.ends(&self.client, topic, part.partition)?;
        let next = position.offset as i64;
        if next > high {
            return changed(format!(
                "the checkpoint is at offset {next}, and the topic ends at {high}: was it made anew?"
            ));
        }
        if next < low {
            return changed(format!("the checkpoint is at offset {next}, and messages before {low} were deleted"));
        }
        Ok(())
    }

    /// The offsets of a bound.
    fn resolve(&self, parts: &[PartId], bound: &Bound, option: &str) -> Result<Vec<i64>> {
        let plan = &self.plan;
        let topic = |part: &PartId| plan.table.topics[part.topic].as_str();
        let ends = |part: &PartId| plan.cluster.ends(&self.client, topic(part), part.partition);
        let looked_up = |found: TopicPartitionList, part: &PartId| {
            found.find_partition(topic(part), part.partition).map(|found| found.offset())
        };
        let mut asked = TopicPartitionList::with_capacity(parts.len());
        let wrong = |message: String| Error::declaration(&plan.table.name, Some(&format!("{option}.mode")), message);
        match bound {
            Bound::Earliest => parts.iter().map(|part| Ok(ends(part)?.0)).collect(),
            Bound::Latest => parts.iter().map(|part| Ok(ends(part)?.1)).collect(),
            Bound::Timestamp(time) => {
                for part in parts {
                    let added = asked.add_partition_offset(topic(part), part.partition, Offset::Offset(*time));
                    added.map_err(|source| plan.cluster.failed("ask for offsets of", source))?;
                }
                let found = self.client.offsets_for_times(asked, plan.cluster.patience);
                let found = found.map_err(|source| plan.cluster.failed("find offsets by time in", source))?;
                let offset = |part: &PartId| match looked_up(found.clone(), part) {
                    Some(Offset::Offset(offset)) => Ok(offset),
                    // No message is that young.
                    _ => Ok(ends(part)?.1),
                };
                parts.iter().map(offset).collect()
            }
            Bound::Group { reset } => {
                parts.iter().for_each(|part| {
                    asked.add_partition(topic(part), part.partition);
                });
                let found = self.client.committed_offsets(asked, plan.cluster.patience);
                let found = found.map_err(|source| plan.cluster.failed("ask for the group's offsets in", source))?;
                let offset = |part: &PartId| match (looked_up(found.clone(), part), reset.as_deref()) {
                    (Some(Offset::Offset(offset)), _) => Ok(offset),
                    (_, Some("earliest")) => Ok(ends(part)?.0),
                    (_, Some(_)) => Ok(ends(part)?.1),
                    (_, None) => Err(wrong(format!(
                        "the group '{}' has no offset for partition {} of '{}'; set '{option}.mode' to another one, or \
                         'properties.auto.offset.reset' to 'earliest' or 'latest'",
                        plan.table.properties.group.as_deref().unwrap_or_default(),
                        part.partition,
                        topic(part)
                    ))),
                };
                parts.iter().map(offset).collect()
            }
            Bound::Offsets(offsets) => {
                if let Some(missing) =
                    offsets.keys().find(|known| !self.parts.iter().any(|part| part.partition == **known))
                {
                    let (topic, count) = (&plan.table.topics[0], self.parts.len());
                    return Err(wrong(format!(
                        "the topic '{topic}' has {count} partitions, and no partition {missing}"
                    )));
                }
                let offset = |part: &PartId| {
                    let (low, high) = ends(part)?;
                    match offsets.get(&part.partition) {
                        Some(offset) if option == "scan.bounded" || (low..=high).contains(offset) => Ok(*offset),
                        Some(offset) => Err(wrong(format!(
                            "partition {} of '{}' has no offset {offset}: it has {low} to {high}",
                            part.partition,
                            topic(part)
                        ))),
                        None if option == "scan.startup" => Ok(low),
                        None => Err(wrong(format!(
                            "'{option}.specific-offsets' names no end of partition {}",
                            part.partition
                        ))),
                    }
                };
                parts.iter().map(offset).collect()
            }
        }
    }

    fn reader(&self, parts: &[PartId], from: &BTreeMap<u64, Position>) -> Result<KafkaReader> {
        let positions = self.positions(parts, from)?;
        let plan = self.plan.clone();
        let consumer = plan.consumer()?;
        let mut reader = KafkaReader::new(plan, consumer)?;
        let parts = parts.iter().zip(positions);
        reader.add(parts.map(|(part, (position, stop))| Part::new(*part, position, stop)).collect())?;
        Ok(reader)
    }
}

impl Plan {
    pub(super) fn rows(&self) -> Result<Rows> {
        let (table, columns) = (&self.table, &self.columns);
        Rows::new(table.key.as_ref(), table.value.as_ref(), columns, self.schema.clone(), self.batch_rows)
    }

    /// A consumer that tells when it has come to the end that a partition has at the moment.
    fn consumer(&self) -> Result<Arc<Connection>> {
        let mut config = self.table.properties.consumer(&self.table.name);
        config.set("enable.partition.eof", "true");
        self.cluster.consumer(&config)
    }

    /// The place before a message. Where reading ends is kept with it.
    pub(super) fn position(&self, part: PartId, offset: i64, stop: Option<i64>) -> Position {
        let head = name_hash(&self.table.topics[part.topic]);
        let bytes = stop.map_or(0, |stop| stop as u64 + 1);
        let fingerprint = Fingerprint { bytes, head, listing: 0 };
        Position { part: part.number(), offset: offset as u64, fingerprint, ..Position::default() }
    }
}

fn name_hash(topic: &str) -> u64 {
    let mut hash = Hash::default();
    hash.add(topic.as_bytes());
    hash.0
}

impl Scan for KafkaScan {
    fn schema(&self) -> SchemaRef {
        self.plan.schema.clone()
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn open(&self, part: usize, from: Option<&Position>) -> Result<Box<dyn Reader>> {
        let table = &self.plan.table;
        let Some(id) = self.parts.get(part) else {
            let message = format!("there is no part {part}: the scan has {}", self.parts.len());
            return Err(Error::declaration(&table.name, None, message));
        };
        if table.stop.is_none() {
            let message = "a topic without an end is not read one partition after the other; set 'scan.bounded.mode'";
            return Err(Error::declaration(&table.name, Some("scan.bounded.mode"), message));
        }
        let from = from.map(|position| (id.number(), position.clone())).into_iter().collect();
        Ok(Box::new(PartReader(self.reader(&[*id], &from)?)))
    }

    fn total_bytes(&self) -> Option<u64> {
        None
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn order(&self) -> PartOrder {
        PartOrder::SideBySide
    }

    fn open_all(&self, from: &BTreeMap<u64, Position>) -> Result<Box<dyn PartsReader>> {
        if let Some(lost) = from.keys().find(|number| !self.parts.iter().any(|part| part.number() == **number)) {
            let PartId { topic, partition } = PartId::from_number(*lost);
            let topic = self.plan.table.topics.get(topic).map_or("another topic", String::as_str);
            let message = "cannot continue: the checkpoint was taken while it was read, and it is gone";
            return Err(Error::Changed {
                path: format!("{topic} partition {partition}"),
                message: message.to_string(),
            });
        }
        Ok(Box::new(self.reader(&self.parts, from)?))
    }

    fn checkpointed(&self, positions: &BTreeMap<u64, Position>) -> Result<()> {
        let (table, cluster) = (&self.plan.table, &self.plan.cluster);
        if table.properties.group.is_none() || positions.is_empty() {
            return Ok(());
        }
        let failed = |source| cluster.failed("tell the consumer group its offsets at", source);
        let mut offsets = TopicPartitionList::with_capacity(positions.len());
        for (number, position) in positions {
            let part = PartId::from_number(*number);
            let Some(topic) = table.topics.get(part.topic) else { continue };
            let offset = Offset::Offset(position.offset as i64);
            offsets.add_partition_offset(topic, part.partition, offset).map_err(failed)?;
        }
        // Nobody waits for the answer: how this goes is told with the next checkpoint, and the last one is waited for when the
        // client is closed.
        while let Some(Err(_)) = self.client.poll(Duration::ZERO) {}
        let before = cluster.listener.take_commit().unwrap_or(Ok(()));
        self.client.commit(&offsets, CommitMode::Async).map_err(failed)?;
        before.map_err(failed)
    }

    fn fingerprint(&self) -> Result<u64> {
        let mut hash = Hash::default();
        for topic in &self.plan.table.topics {
            hash.add(topic.as_bytes());
            hash.add(b";");
        }
        Ok(hash.0)
    }
}
