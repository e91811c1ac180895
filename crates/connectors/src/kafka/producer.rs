//! Hands messages to the client.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};

use super::client::{Cluster, Listener};
use super::{KafkaTable, Partitioner};
use crate::Result;

/// A producer of one topic.
pub(super) struct Outlet {
    pub(super) client: BaseProducer<Listener>,
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    partitioner: Partitioner,
    partitions: Vec<i32>,
    turn: usize,
}

impl Outlet {
    /// Connects to the cluster, which has to have the topic.
    pub(super) fn open(table: &KafkaTable, config: &ClientConfig) -> Result<Self> {
        let cluster = Cluster::new(&table.name, &table.properties.servers, table.properties.patience);
        let client: BaseProducer<Listener> = config
            .create_with_context(cluster.listener.clone())
            .map_err(|source| cluster.failed("make a client of", source))?;
        let topic = table.topics[0].clone();
        let partitions = cluster.partitions_of(&client, &topic)?;
        Ok(Self { client, cluster, topic, partitioner: table.partitioner, partitions, turn: 0 })
    }

    /// Hands a message to the client, waiting for room as long as messages get through.
    pub(super) fn send(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> KafkaResult<()> {
        let partition = match self.partitioner {
            Partitioner::Default => None,
            Partitioner::Fixed => self.partitions.first().copied(),
            Partitioner::RoundRobin => {
                self.turn = (self.turn + 1) % self.partitions.len().max(1);
                self.partitions.get(self.turn).copied()
            }
        };
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic);
        (record.partition, record.key, record.payload) = (partition, key, value);
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                Err((source, _)) => return Err(source),
            }
            self.client.poll(Duration::from_millis(50));
            if let Some(lost) = self.cluster.listener.lost() {
                return Err(lost);
            }
        }
    }

    /// Lets the client tell what was delivered.
    pub(super) fn listen(&self) {
        self.client.poll(Duration::ZERO);
    }
}
