//! Reads the partitions of topics side by side.
//!
//! One consumer fetches all of them, each into a queue of its own. A partition that is held is one whose queue is left alone:
//! when it is full, the client fetches no more of it, and nothing that was fetched is thrown away.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::PartId;
use super::client::{Connection, Listener};
use super::rows::Rows;
use super::scan::Plan;
use crate::format::message::Messages;
use crate::format::{BadRows, stop_at};
use crate::{BadRecord, Chunk, Error, PartEvent, PartsReader, Position, Reader, Result};

/// A batch ends after this many bytes even if it has few rows.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// When no broker has answered for so long, the job stops rather than waits on.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a reader of one partition waits at a time.
const PATIENCE: Duration = Duration::from_secs(1);

/// A partition that is read.
pub(super) struct Part {
    id: PartId,
    queue: Option<PartitionQueue<Listener>>,
    position: Position,
    /// The offset before which it ends.
    stop: Option<i64>,
    /// The bytes of the messages that this reader has taken.
    bytes: u64,
    ended: bool,
}

impl Part {
    pub(super) fn new(id: PartId, position: Position, stop: Option<i64>) -> Self {
        Self { id, queue: None, position, stop, bytes: 0, ended: false }
    }
}

/// Wakes whoever waits for messages.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until it is rung, and silences it.
    fn wait(&self, patience: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, patience, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// Some messages of one partition.
#[derive(Default)]
struct Gathered {
    keys: Messages,
    values: Messages,
    offsets: Vec<i64>,
}

/// Reads partitions side by side.
pub(super) struct KafkaReader {
    // Queues go before the consumer that they are of.
    parts: Vec<Part>,
    consumer: Arc<Connection>,
    plan: Arc<Plan>,
    rows: Rows,
    bell: Arc<Bell>,
    gathered: Gathered,
    /// What is told before anything else.
    news: VecDeque<PartEvent>,
    /// What to stop with at the next call: the rows before it went out first.
    failure: Option<Error>,
    /// The part that is looked at first, so that each gets its turn.
    turn: usize,
    looked_for_parts: Instant,
    /// Since when no broker answers.
    silent_since: Option<Instant>,
}

impl KafkaReader {
    pub(super) fn new(plan: Arc<Plan>, consumer: Arc<Connection>) -> Result<Self> {
        Ok(Self {
            parts: Vec::new(),
            consumer,
            rows: plan.rows()?,
            plan,
            bell: Arc::default(),
            gathered: Gathered::default(),
            news: VecDeque::new(),
            failure: None,
            turn: 0,
            looked_for_parts: Instant::now(),
            silent_since: None,
        })
    }

    /// Begins to read further partitions.
    pub(super) fn add(&mut self, parts: Vec<Part>) -> Result<()> {
        let mut assigned = TopicPartitionList::with_capacity(parts.len());
        for mut part in parts {
            self.news.push_back(PartEvent::Found(part.position.clone()));
            part.ended = part.stop.is_some_and(|stop| part.position.offset as i64 >= stop);
            if !part.ended {
                let topic = &self.plan.table.topics[part.id.topic];
                // The queue is split off before the partition is assigned, so that all its messages go there.
                let queue = self.consumer.split_partition_queue(topic, part.id.partition);
                let mut queue = queue
                    .ok_or_else(|| self.failed(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition)))?;
                let bell = self.bell.clone();
                queue.set_nonempty_callback(move || bell.ring());
                part.queue = Some(queue);
                let offset = Offset::Offset(part.position.offset as i64);
                assigned
                    .add_partition_offset(topic, part.id.partition, offset)
                    .map_err(|source| self.failed(source))?;
            } else {
                self.news.push_back(PartEvent::Ended(part.id.number()));
            }
            self.parts.push(part);
        }
        if assigned.count() > 0 {
            self.consumer.incremental_assign(&assigned).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: KafkaError) -> Error {
        self.plan.cluster.failed("read from", source)
    }

    /// What the client says that is not about one partition.
    fn listen(&mut self) -> Result<()> {
        match self.consumer.poll(Duration::ZERO) {
            None => {}
            Some(Err(source)) => self.hear(source, None)?,
            Some(Ok(message)) => {
                let message = format!("a message of partition {} came out of its queue", message.partition());
                return Err(self.plan.cluster.refused("read from", message));
            }
        }
        if let Some(since) = self.silent_since
            && since.elapsed() > SILENCE_MAX
        {
            // Connections may be closed for want of work; only one that cannot be made is an error.
            let answer = self.consumer.fetch_metadata(Some(&self.plan.table.topics[0]), self.plan.cluster.patience);
            answer.map_err(|source| self.failed(source))?;
            self.silent_since = None;
        }
        Ok(())
    }

    /// Decides about an error of the client: it goes on by itself after those of connections.
    fn hear(&mut self, source: KafkaError, part: Option<usize>) -> Result<()> {
        let code = source.rdkafka_error_code();
        let place = part.map(|part| {
            let part = &self.parts[part];
            (self.plan.table.topics[part.id.topic].clone(), part.id.partition, part.position.offset)
        });
        match (code, place) {
            (
                Some(
                    RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::Resolve,
                ),
                _,
            ) => {
                self.silent_since.get_or_insert_with(Instant::now);
                Ok(())
            }
            (
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange),
                Some((topic, partition, at)),
            ) => {
                let message = format!(
                    "there is no message at offset {at} or after it that was to be read next: messages were deleted, or the \
                     topic was made anew"
                );
                Err(Error::Changed { path: format!("topic '{topic}' partition {partition}"), message })
            }
            (_, Some((topic, partition, _))) => {
                let action = format!("read partition {partition} of the topic '{topic}' of");
                Err(self.plan.cluster.failed(action, source))
            }
            (_, None) => Err(self.failed(source)),
        }
    }

    /// Looks for partitions that were added to the topics. What goes wrong is tried again the next time.
    fn look_for_parts(&mut self) -> Result<()> {
        let interval = match self.plan.table.discovery {
            Some(interval) if self.plan.table.stop.is_none() => interval,
            _ => return Ok(()),
        };
        if self.looked_for_parts.elapsed() < interval {
            return Ok(());
        }
        self.looked_for_parts = Instant::now();
        let mut found = Vec::new();
        for (index, topic) in self.plan.table.topics.iter().enumerate() {
            let Ok(Some(partitions)) = self.plan.cluster.partitions(self.consumer.as_ref(), topic) else { continue };
            for partition in partitions {
                let id = PartId { topic: index, partition };
                if !self.parts.iter().any(|part| part.id == id) {
                    // New ones are read from their start.
                    let Ok((start, _)) = self.plan.cluster.ends(&self.consumer, topic, partition) else { continue };
                    found.push(Part::new(id, self.plan.position(id, start, None), None));
                }
            }
        }
        self.add(found)
    }

    /// Takes what has arrived of a partition, up to a batch, and says whether it has no more at this moment.
    fn gather(&mut self, index: usize) -> Result<bool> {
        let Gathered { keys, values, offsets } = &mut self.gathered;
        keys.clear();
        values.clear();
        offsets.clear();
        let reads_keys = self.rows.reads_keys();
        let part = &mut self.parts[index];
        let left = usize::try_from(self.plan.limit.saturating_sub(part.position.rows)).unwrap_or(usize::MAX);
        let rows_max = self.plan.batch_rows.min(left);
        let (mut error, mut caught_up) = (None, false);
        part.ended |= left == 0;
        while !part.ended && offsets.len() < rows_max && values.bytes_len() + keys.bytes_len() < BATCH_BYTES_MAX {
            let Some(polled) = part.queue.as_ref().and_then(|queue| queue.poll(Duration::ZERO)) else { break };
            match polled {
                Ok(message) => {
                    let offset = message.offset();
                    if part.stop.is_some_and(|stop| offset >= stop) {
                        part.ended = true;
                        break;
                    }
                    if reads_keys {
                        keys.push(message.key());
                    }
                    values.push(message.payload());
                    offsets.push(offset);
                    part.bytes += (message.payload_len() + message.key_len()) as u64;
                    part.ended = part.stop.is_some_and(|stop| offset + 1 >= stop);
                }
                // Behind the last message there may be marks of transactions, so that its offset does not tell.
                Err(KafkaError::PartitionEOF(_)) => {
                    part.ended = part.stop.is_some();
                    caught_up = true;
                    break;
                }
                Err(source) => {
                    error = Some(source);
                    break;
                }
            }
        }
        if !offsets.is_empty() {
            self.silent_since = None;
        }
        if let Some(source) = error {
            self.hear(source, Some(index))?;
        }
        Ok(caught_up)
    }

    /// The rows of what was gathered.
    fn chunk(&mut self, index: usize) -> Result<Chunk> {
        let Gathered { keys, values, offsets } = &self.gathered;
        let mut bad_rows = BadRows::new(offsets.len());
        let mut batch: RecordBatch = self.rows.make(keys, values, &mut bad_rows)?;
        let part = &self.parts[index];
        let topic = &self.plan.table.topics[part.id.topic];
        let record = |(row, reason): (usize, String)| {
            let location = format!("{topic} partition {} offset {}", part.id.partition, offsets[row]);
            (row, BadRecord::new(location, values.get(row).unwrap_or_default(), reason))
        };
        let mut bad: Vec<_> = bad_rows.into_reasons().into_iter().map(record).collect();
        let (mut records, mut next) = (offsets.len(), offsets.last().map_or(0, |last| last + 1));
        if let Some((row, failure)) = stop_at(self.plan.on_error, &mut bad) {
            // The rows before the bad record go out first, so that what comes out does not depend on the size of batches.
            if row == 0 {
                return Err(failure);
            }
            batch = batch.slice(0, row);
            (records, next) = (row, offsets[row]);
            self.failure = Some(failure);
        }
        let part = &mut self.parts[index];
        part.position.offset = next as u64;
        part.position.records += records as u64;
        part.position.rows += batch.num_rows() as u64;
        let bad = bad.into_iter().map(|(_, record)| record).collect();
        Ok(Chunk { batch, position: part.position.clone(), bytes: part.bytes, bad })
    }

    /// What the parts that are not held have, looking at each once.
    fn look(&mut self, held: &BTreeSet<u64>) -> Result<Option<PartEvent>> {
        let count = self.parts.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let number = self.parts[index].id.number();
            if self.parts[index].ended || held.contains(&number) {
                continue;
            }
            let caught_up = self.gather(index)?;
            if self.parts[index].ended {
                self.parts[index].queue = None;
                self.news.push_back(PartEvent::Ended(number));
            } else if caught_up {
                self.news.push_back(PartEvent::CaughtUp(number));
            }
            if !self.gathered.offsets.is_empty() {
                self.turn = (index + 1) % count;
                return self.chunk(index).map(|chunk| Some(PartEvent::Chunk(chunk)));
            }
            if let Some(news) = self.news.pop_front() {
                return Ok(Some(news));
            }
        }
        Ok(None)
    }
}

impl PartsReader for KafkaReader {
    fn next(&mut self, patience: Duration, held: &BTreeSet<u64>) -> Result<PartEvent> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let deadline = Instant::now() + patience;
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            self.listen()?;
            self.look_for_parts()?;
            if !self.news.is_empty() {
                continue;
            }
            if let Some(event) = self.look(held)? {
                return Ok(event);
            }
            let may_end = self.plan.table.stop.is_some() || self.plan.limit < u64::MAX;
            if may_end && self.parts.iter().all(|part| part.ended) {
                return Ok(PartEvent::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(PartEvent::Nothing);
            }
            // Not longer than it takes to notice new partitions and what the client says.
            self.bell.wait(left.min(Duration::from_millis(100)));
        }
    }
}

/// Reads one partition to its end.
pub(super) struct PartReader(pub(super) KafkaReader);

impl Reader for PartReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            match self.0.next(PATIENCE, &BTreeSet::new())? {
                PartEvent::Chunk(chunk) => return Ok(Some(chunk)),
                PartEvent::End => return Ok(None),
                PartEvent::Found(_) | PartEvent::CaughtUp(_) | PartEvent::Ended(_) | PartEvent::Nothing => {}
            }
        }
    }
}
