//! Kafka's client, with what it says turned into errors that people understand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use tidegate_options::nearest;

use crate::{Error, Result};

/// So many topics are named where none has a name like the one that is missing.
const TOPICS_SHOWN: usize = 20;

/// What a client says beside its answers.
#[derive(Debug, Default, Clone)]
pub(super) struct Listener {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    /// The last complaint of the client's log, such as a refused connection.
    complaint: Option<String>,
    /// Why a message was not delivered; the first such reason.
    lost: Option<KafkaError>,
    /// How the last commit of offsets went.
    commit: Option<KafkaResult<()>>,
}

impl Listener {
    fn with<T>(&self, use_it: impl FnOnce(&mut Heard) -> T) -> T {
        use_it(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why a message was not delivered, if one was not.
    pub(super) fn lost(&self) -> Option<KafkaError> {
        self.with(|heard| heard.lost.clone())
    }

    /// Forgets that a message was not delivered: it is sent again.
    pub(super) fn forget_lost(&self) {
        self.with(|heard| heard.lost = None);
    }

    /// How the last commit of offsets went, once.
    pub(super) fn take_commit(&self) -> Option<KafkaResult<()>> {
        self.with(|heard| heard.commit.take())
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Lines look like `[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: Connect to … failed: Connection refused (…)`.
        if (level as i32) <= (RDKafkaLogLevel::Error as i32) && matches!(facility, "FAIL" | "ERROR" | "FATAL") {
            let said = message.split_once("]: ").map_or(message, |(_, said)| said);
            self.with(|heard| heard.complaint = Some(said.to_string()));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down says less than what was said of the last of them.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        self.with(|heard| heard.complaint = Some(reason.to_string()));
    }
}

impl ConsumerContext for Listener {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.with(|heard| heard.commit = Some(result));
    }
}

impl ProducerContext<NoCustomPartitioner> for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.with(|heard| heard.lost.get_or_insert_with(|| error.clone()).clone());
        }
    }
}

/// A client that can be asked what there is in the cluster.
pub(super) trait Speaks {
    /// All topics. If there is no answer, the listener has heard why.
    fn metadata(&self, patience: Duration) -> KafkaResult<Metadata>;
}

/// So many things may be waiting to be heard: each broker that is tried complains once or twice.
const COMPLAINTS_MAX: usize = 64;

impl Speaks for Connection {
    fn metadata(&self, patience: Duration) -> KafkaResult<Metadata> {
        self.fetch_metadata(None, patience).inspect_err(|_| {
            (0..COMPLAINTS_MAX).for_each(|_| drop(self.poll(Duration::ZERO)));
        })
    }
}

impl Speaks for BaseProducer<Listener> {
    fn metadata(&self, patience: Duration) -> KafkaResult<Metadata> {
        self.client().fetch_metadata(None, patience).inspect_err(|_| {
            (0..COMPLAINTS_MAX).for_each(|_| self.poll(Duration::ZERO));
        })
    }
}

/// A consumer that tells what it hears.
pub(super) type Connection = BaseConsumer<Listener>;

/// The cluster that a table is in.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) table: String,
    pub(super) servers: String,
    /// How long to wait for an answer.
    pub(super) patience: Duration,
    pub(super) listener: Listener,
}

impl Cluster {
    pub(super) fn new(table: &str, servers: &str, patience: Duration) -> Self {
        Self { table: table.to_string(), servers: servers.to_string(), patience, listener: Listener::default() }
    }

    /// A consumer of it.
    pub(super) fn consumer(&self, config: &ClientConfig) -> Result<Arc<Connection>> {
        let consumer = config.create_with_context(self.listener.clone());
        Ok(Arc::new(consumer.map_err(|source| self.failed("make a client of", source))?))
    }

    /// What went wrong with the cluster, in its words and, if it could not be reached, in those of the connection.
    pub(super) fn failed(&self, action: impl Into<String>, source: KafkaError) -> Error {
        let code = source.rdkafka_error_code();
        let mut message = match code {
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown) => {
                "no broker can be reached".to_string()
            }
            Some(RDKafkaErrorCode::OperationTimedOut) => format!("no answer in {:?}", self.patience),
            _ => match &source {
                KafkaError::Transaction(error) => error.string(),
                other => code.map_or_else(|| other.to_string(), said),
            },
        };
        let unreachable = matches!(
            code,
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::Resolve
            )
        );
        if let Some(complaint) = self.listener.with(|heard| heard.complaint.clone()).filter(|_| unreachable) {
            message.push_str(&format!(" ({complaint})"));
        }
        if unreachable {
            message.push_str("; look at 'properties.bootstrap.servers', and whether the brokers run");
        }
        self.refused(action, message)
    }

    /// What the cluster does not do.
    pub(super) fn refused(&self, action: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Service {
            table: self.table.clone(),
            service: format!("Kafka at '{}'", self.servers),
            action: action.into(),
            message: message.into(),
        }
    }

    /// The numbers of the partitions of a topic. `None`: it does not exist.
    pub(super) fn partitions(&self, client: &impl Speaks, topic: &str) -> Result<Option<Vec<i32>>> {
        let action = || format!("read the topic '{topic}' of");
        // The list of all topics, as asking for one by name may create it.
        let all = client.metadata(self.patience).map_err(|source| self.failed(action(), source))?;
        let Some(found) = all.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        if let Some(error) = found.error() {
            return Err(self.refused(action(), said(error.into())));
        }
        let mut partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        Ok(Some(partitions))
    }

    /// The numbers of the partitions of a topic, which has to exist.
    pub(super) fn partitions_of(&self, client: &impl Speaks, topic: &str) -> Result<Vec<i32>> {
        match self.partitions(client, topic)? {
            Some(partitions) => Ok(partitions),
            None => {
                let all = client.metadata(self.patience);
                let all = all.map_err(|source| self.failed("list the topics of", source))?;
                let names = all.topics().iter().map(|topic| topic.name()).filter(|name| !name.starts_with("__"));
                let mut names: Vec<&str> = names.collect();
                names.sort_unstable();
                let hint = match (nearest(topic, names.iter().copied()), names.len()) {
                    (Some(near), _) => format!("; did you mean '{near}'?"),
                    (None, 0) => "; it has none at all".to_string(),
                    (None, count) => {
                        let more = if count > TOPICS_SHOWN { ", …" } else { "" };
                        names.truncate(TOPICS_SHOWN);
                        format!("; there is: {}{more}", names.join(", "))
                    }
                };
                let message = format!("there is no topic '{topic}' at '{}'{hint}", self.servers);
                Err(Error::declaration(&self.table, Some("topic"), message))
            }
        }
    }

    /// The first offset of a partition and the one after its last.
    pub(super) fn ends(&self, client: &Connection, topic: &str, partition: i32) -> Result<(i64, i64)> {
        client.fetch_watermarks(topic, partition, self.patience).map_err(|source| {
            self.failed(format!("find the ends of partition {partition} of the topic '{topic}' of"), source)
        })
    }
}

/// What an error code means, without the client's own name in front.
fn said(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    let plain = text.split_once(" (").map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
    plain.trim_start_matches("Broker: ").trim_start_matches("Local: ").to_string()
}
