//! Transactions that say how far they are: with the rows of an epoch its number becomes visible, both or neither.
//!
//! The number is kept as the offset of a consumer group that has the transactions' own name, on the topic's partition 0. After a
//! crash it tells whether the transaction of the last checkpoint went through: the client cannot take up one that a process left
//! open, so its rows are written again if it did not.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer, PurgeConfig};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::KafkaTable;
use super::client::{Cluster, Connection};
use super::producer::Outlet;
use super::spool::Replay;
use crate::{Error, Result};

/// How long the cluster may take to settle what an earlier process left, and to commit.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a transaction is begun anew that the cluster has given up, and a request is sent again that it could not answer.
const TRIES: usize = 4;

/// Transactions of one name, of which only one process has them.
pub(super) struct Transactions {
    outlet: Outlet,
    id: String,
    /// The group that keeps the number.
    group: Arc<Connection>,
    metadata: ConsumerGroupMetadata,
    /// The number of the last epoch that is visible.
    committed: Option<u64>,
    /// A transaction was begun.
    is_open: bool,
    /// Why the open one cannot be committed.
    broken: Option<KafkaError>,
}

impl Transactions {
    /// Takes the name over: what an earlier process left open is given up, and it can write no more.
    pub(super) fn take_over(table: &KafkaTable, id: &str) -> Result<Self> {
        let properties = &table.properties;
        let mut config = properties.producer();
        config.set("transactional.id", id).set("enable.idempotence", "true").set("acks", "all");
        // The most that brokers allow unless told otherwise: a checkpoint has to come before it is over.
        properties.default(&mut config, "transaction.timeout.ms", "900000");
        let outlet = Outlet::open(table, &config)?;
        let group = keeper(table, &outlet.cluster, id)?;
        let metadata = group.group_metadata().ok_or_else(|| {
            outlet.cluster.refused("keep the number of what was written in", "the client gives no consumer group")
        })?;
        let mut transactions =
            Self { outlet, id: id.to_string(), group, metadata, committed: None, is_open: false, broken: None };
        transactions.again(|this| this.outlet.client.init_transactions(PATIENCE)).map_err(|source| {
            let mut error = transactions.failed("begin transactions in", source.clone());
            if let (Some(RDKafkaErrorCode::InvalidTransactionTimeout), Error::Service { message, .. }) =
                (source.rdkafka_error_code(), &mut error)
            {
                message.push_str("; set 'properties.transaction.timeout.ms' to what the brokers allow");
            }
            error
        })?;
        transactions.committed =
            read_number(&transactions.outlet.cluster, &transactions.group, &transactions.outlet.topic)?;
        Ok(transactions)
    }

    /// The number of the last epoch that is visible under a name, which whoever has it keeps.
    pub(super) fn look(table: &KafkaTable, id: &str) -> Result<Option<u64>> {
        let properties = &table.properties;
        let cluster = Cluster::new(&table.name, &properties.servers, properties.patience);
        let group = keeper(table, &cluster, id)?;
        read_number(&cluster, &group, &table.topics[0])
    }

    /// The number of the last epoch that is visible; `None` if there never was one.
    pub(super) fn committed(&self) -> Option<u64> {
        self.committed
    }

    /// Begins to count, if that was not done before: from here on the number is known.
    pub(super) fn begin_at(&mut self, number: u64) -> Result<()> {
        if self.committed == Some(number) {
            return Ok(());
        }
        self.open().and_then(|()| self.commit(number)).map_err(|source| self.failed("begin transactions in", source))
    }

    /// Whether messages were written that are not committed.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Writes a message in the open transaction, or in a new one. What goes wrong is found when it is committed.
    pub(super) fn send(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        if self.broken.is_some() {
            return;
        }
        if let Err(source) = self.open().and_then(|()| self.outlet.send(key, value)) {
            self.broken = Some(source);
        }
    }

    /// Lets the client tell what was delivered.
    pub(super) fn listen(&self) {
        self.outlet.listen();
    }

    /// Waits until the open transaction's messages have arrived, so that little is left to do when it is committed.
    pub(super) fn flush(&mut self) {
        if self.is_open && self.broken.is_none() {
            self.broken = self.outlet.client.flush(PATIENCE).err();
        }
    }

    /// Makes the open transaction's messages visible, and with them the number of their epoch. If the cluster has given it up,
    /// they are written again from `replay`.
    pub(super) fn commit_or_replay(&mut self, number: u64, replay: impl Fn() -> Result<Replay>) -> Result<()> {
        let action = "commit a transaction in";
        if self.is_open {
            let result = match self.broken.take() {
                Some(source) => Err(source),
                None => self.commit(number),
            };
            match result {
                Ok(()) => return Ok(()),
                Err(source) => self.give_up(action, source)?,
            }
        }
        for left in (0..TRIES).rev() {
            let mut replay = replay()?;
            while let Some((key, value)) = replay.next()? {
                self.send(key, value);
            }
            let result = match self.broken.take() {
                Some(source) => Err(source),
                None => self.open().and_then(|()| self.commit(number)),
            };
            match result {
                Ok(()) => return Ok(()),
                Err(source) if left == 0 => return Err(self.failed(action, source)),
                Err(source) => self.give_up(action, source)?,
            }
        }
        Ok(())
    }

    /// Gives up the open transaction, after what went wrong with it, if another one can be begun.
    fn give_up(&mut self, action: &str, source: KafkaError) -> Result<()> {
        let is_fatal = matches!(&source, KafkaError::Transaction(error) if error.is_fatal());
        if is_fatal || self.outlet.client.client().fatal_error().is_some() {
            return Err(self.failed(action, source));
        }
        self.abort()
    }

    /// Drops what was written and not committed.
    pub(super) fn abort(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_open) {
            // The client gives a transaction up only when somebody hears what became of its messages.
            self.outlet.client.purge(PurgeConfig::default().queue());
            let _ = self.outlet.client.flush(PATIENCE);
            let aborted = self.again(|this| this.outlet.client.abort_transaction(PATIENCE));
            aborted.map_err(|source| self.failed("give up a transaction in", source))?;
        }
        self.broken = None;
        self.outlet.cluster.listener.forget_lost();
        Ok(())
    }

    fn open(&mut self) -> KafkaResult<()> {
        if !self.is_open {
            self.outlet.client.begin_transaction()?;
            self.is_open = true;
        }
        Ok(())
    }

    fn commit(&mut self, number: u64) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::with_capacity(1);
        offsets.add_partition_offset(&self.outlet.topic, 0, Offset::Offset(number as i64))?;
        self.again(|this| this.outlet.client.send_offsets_to_transaction(&offsets, &this.metadata, PATIENCE))?;
        self.again(|this| this.outlet.client.commit_transaction(PATIENCE))?;
        self.is_open = false;
        self.committed = Some(number);
        Ok(())
    }

    /// Does something again as long as the client says that this may help.
    fn again<T>(&self, mut what: impl FnMut(&Self) -> KafkaResult<T>) -> KafkaResult<T> {
        let mut left = TRIES;
        loop {
            left -= 1;
            match what(self) {
                Err(KafkaError::Transaction(error)) if error.is_retriable() && left > 0 => {}
                result => return result,
            }
        }
    }

    fn failed(&self, action: &str, source: KafkaError) -> Error {
        let fenced =
            matches!(source.rdkafka_error_code(), Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced));
        if fenced {
            // Not a mishap of the network: whoever begins anew takes the other one's name away, and so on.
            let message = format!("another process has taken over '{}': does the same job run twice?", self.id);
            return Error::Changed { path: format!("topic '{}'", self.outlet.topic), message };
        }
        self.outlet.cluster.failed(action, source)
    }
}

/// A client of the group that keeps a name's number.
fn keeper(table: &KafkaTable, cluster: &Cluster, id: &str) -> Result<Arc<Connection>> {
    let mut config = table.properties.consumer(&table.name);
    // The number is asked for when no transaction with it is on its way.
    config.set("group.id", id).set("isolation.level", "read_committed");
    cluster.consumer(&config)
}

fn read_number(cluster: &Cluster, group: &Connection, topic: &str) -> Result<Option<u64>> {
    let mut asked = TopicPartitionList::with_capacity(1);
    asked.add_partition(topic, 0);
    let found = group.committed_offsets(asked, PATIENCE);
    let found = found.map_err(|source| cluster.failed("ask for the number of what was written in", source))?;
    Ok(match found.find_partition(topic, 0).map(|found| found.offset()) {
        Some(Offset::Offset(number)) => u64::try_from(number).ok(),
        _ => None,
    })
}
