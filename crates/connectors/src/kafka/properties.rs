//! Settings of Kafka's client: what users know from the Java client, as librdkafka takes it.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::time::Duration;
use tidegate_options::{OptionError, nearest};

use super::options::PROPERTIES;
use crate::{Error, Result, TableSpec};

/// Settings that would break what this connector promises, or that it makes itself.
const REFUSED: &[(&str, &str)] = &[
    ("enable.auto.offset.store", "offsets are kept in checkpoints"),
    ("enable.partition.eof", "the end of a partition is looked for where it is needed"),
    ("transactional.id", "it is made of 'sink.transactional-id-prefix' and the job's name"),
    ("key.serializer", "'key.format' says what keys look like"),
    ("key.deserializer", "'key.format' says what keys look like"),
    ("value.serializer", "'format' says what values look like"),
    ("value.deserializer", "'format' says what values look like"),
    ("partitioner", "it is 'sink.partitioner'"),
    ("partitioner.class", "it is 'sink.partitioner'"),
    ("statistics.interval.ms", "nobody would read them"),
];

/// Settings of the Java client that librdkafka has under another name.
const RENAMED: &[(&str, &str)] =
    &[("fetch.max.wait.ms", "fetch.wait.max.ms"), ("max.in.flight.requests.per.connection", "max.in.flight")];

/// Settings that only the Java client has, and that change no result.
const WITHOUT_EFFECT: &[&str] = &["max.poll.records", "max.block.ms", "auto.commit.interval.ms", "client.dns.lookup"];

/// Names that a wrong one may have been meant for.
const KNOWN: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "batch.size",
    "bootstrap.servers",
    "check.crcs",
    "client.id",
    "client.rack",
    "compression.type",
    "debug",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "enable.idempotence",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "isolation.level",
    "linger.ms",
    "max.partition.fetch.bytes",
    "max.request.size",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "security.protocol",
    "session.timeout.ms",
    "socket.timeout.ms",
    "transaction.timeout.ms",
];

/// How long a cluster may be silent before it counts as not to be reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings of a table, checked.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    pub(super) servers: String,
    /// Of a consumer group, if one is named.
    pub(super) group: Option<String>,
    /// Where reading begins if the group has no offset: `earliest`, `latest`, or nowhere.
    pub(super) offset_reset: Option<String>,
    /// How long to wait for an answer.
    pub(super) patience: Duration,
    /// What is handed to librdkafka.
    given: Vec<(String, String)>,
}

impl Properties {
    /// Checks the options that begin with `properties.`.
    pub(super) fn new(spec: &TableSpec) -> Result<Self> {
        let mut properties =
            Self { servers: String::new(), group: None, offset_reset: None, patience: PATIENCE, given: Vec::new() };
        let given = spec.options.iter().filter_map(|(key, value)| Some((key.strip_prefix(PROPERTIES)?, value, key)));
        for (name, value, key) in given {
            properties.take(&spec.name, name, value.trim(), key)?;
        }
        properties.check(&spec.name)?;
        Ok(properties)
    }

    fn take(&mut self, table: &str, name: &str, value: &str, key: &str) -> Result<()> {
        let refuse =
            |why: &str| Err(Error::declaration(table, Some(key), format!("option '{key}' cannot be set: {why}")));
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return refuse(why);
        }
        let bad_value = |expected: &str| {
            let (key, value, expected) = (key.to_string(), value.to_string(), expected.to_string());
            Error::Option { table: table.to_string(), source: OptionError::BadValue { key, value, expected } }
        };
        match name {
            "enable.auto.commit" if !value.eq_ignore_ascii_case("false") => {
                refuse("offsets are kept in checkpoints, which tell the group 'properties.group.id' of them")
            }
            "enable.auto.commit" => Ok(()),
            "group.id" if value.is_empty() => Err(bad_value("the name of a consumer group")),
            "group.id" => {
                self.group = Some(value.to_string());
                Ok(())
            }
            "bootstrap.servers" if value.is_empty() => Err(bad_value("host:port")),
            "bootstrap.servers" => {
                self.servers = value.to_string();
                Ok(())
            }
            "auto.offset.reset" => match value {
                "earliest" | "latest" => {
                    self.offset_reset = Some(value.to_string());
                    Ok(())
                }
                "none" => Ok(()),
                _ => Err(bad_value("one of 'earliest', 'latest', 'none'")),
            },
            "default.api.timeout.ms" => {
                let milliseconds = value.parse().ok().filter(|milliseconds| (1..=3_600_000).contains(milliseconds));
                self.patience =
                    Duration::from_millis(milliseconds.ok_or_else(|| bad_value("a whole number from 1 to 3600000"))?);
                Ok(())
            }
            "buffer.memory" => {
                let bytes: u64 = value.parse().map_err(|_| bad_value("a whole number of bytes"))?;
                self.given.push(("queue.buffering.max.kbytes".to_string(), (bytes / 1024).max(1).to_string()));
                Ok(())
            }
            _ if WITHOUT_EFFECT.contains(&name) => Ok(()),
            _ => {
                let name = RENAMED.iter().find(|(java, _)| *java == name).map_or(name, |(_, ours)| ours);
                self.given.push((name.to_string(), value.to_string()));
                Ok(())
            }
        }
    }

    /// Lets librdkafka look at what it will be given.
    fn check(&self, table: &str) -> Result<()> {
        let wrong = |source| Err(Error::Option { table: table.to_string(), source });
        match self.config().create_native_config() {
            Ok(_) => Ok(()),
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _)) => {
                let with_prefix = |name: &str| format!("{PROPERTIES}{name}");
                wrong(OptionError::Unknown {
                    key: with_prefix(&name),
                    nearest: nearest(&name, KNOWN.iter().copied()).map(with_prefix),
                    known: KNOWN.iter().map(|name| with_prefix(name)).collect(),
                })
            }
            Err(KafkaError::ClientConfig(_, expected, name, value)) => wrong(OptionError::BadValue {
                key: format!("{PROPERTIES}{name}"),
                value,
                expected: shortened(&expected),
            }),
            Err(source) => Err(Error::declaration(table, Some("properties.bootstrap.servers"), source.to_string())),
        }
    }

    /// Whether the user gave a setting, and which.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn config(&self) -> ClientConfig {
        let mut config: ClientConfig = self.given.iter().cloned().collect();
        config.set("bootstrap.servers", &self.servers);
        // Complaints about connections are heard, whatever the program itself logs.
        config.set_log_level(RDKafkaLogLevel::Error);
        config
    }

    /// Of a consumer; settings of the user's go before ours where both are possible.
    pub(super) fn consumer(&self, table: &str) -> ClientConfig {
        let mut config = self.config();
        self.default(&mut config, "isolation.level", "read_committed");
        // A queue a partition: together they stay small, and a full one is looked at again soon.
        self.default(&mut config, "queued.max.messages.kbytes", "16384");
        self.default(&mut config, "fetch.queue.backoff.ms", "20");
        // Where to begin is always said; an offset that is no longer there is told rather than passed over.
        config.set("auto.offset.reset", "error");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("allow.auto.create.topics", "false");
        // Without the name of a group librdkafka gives no messages; nothing is told to this one.
        config.set("group.id", self.group.clone().unwrap_or_else(|| format!("tidegate-{table}")));
        config
    }

    /// Of a producer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.config();
        self.default(&mut config, "linger.ms", "5");
        // As the Java client spreads keys.
        config.set("partitioner", "murmur2_random");
        config
    }

    pub(super) fn default(&self, config: &mut ClientConfig, name: &str, value: &str) {
        if self.get(name).is_none() {
            config.set(name, value);
        }
    }
}

/// What librdkafka says of a value: `Invalid value "x" for configuration property "y"`, as what was expected.
fn shortened(said: &str) -> String {
    format!("what the client takes ({})", said.trim_end_matches('.'))
}
