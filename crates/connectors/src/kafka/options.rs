//! The options of tables over topics, named as in Flink.

use tidegate_options::{Kind, OptionDef};

/// What stands in front of the name of a setting of Kafka's client.
pub(super) const PROPERTIES: &str = "properties.";

/// The formats of messages.
pub(super) const FORMATS: &[&str] = &["json", "csv", "avro", "avro-confluent", "debezium-json", "raw"];

/// What both sides take.
pub(super) const OPTIONS: &[OptionDef] = &[
    OptionDef::required("topic", Kind::Text, "The topic; to read several, their names with ';' between them."),
    OptionDef::required(
        "properties.bootstrap.servers",
        Kind::Text,
        "Brokers of the cluster, as host:port with ',' between them.",
    ),
    OptionDef::optional(
        "properties.#",
        Kind::Text,
        "Any other setting of Kafka's client (librdkafka), such as 'properties.fetch.max.bytes' or 'properties.compression.type'.",
    ),
    OptionDef::optional("format", Kind::Choice(FORMATS), "The format of the messages' values."),
    OptionDef::optional("value.format", Kind::Choice(FORMATS), "The same as 'format'."),
    OptionDef::optional(
        "key.format",
        Kind::Choice(FORMATS),
        "The format of the messages' keys, if columns are in them.",
    ),
    OptionDef::optional("key.fields", Kind::Text, "The columns that are in the keys, with ';' between them."),
    OptionDef::new(
        "key.fields-prefix",
        Kind::Text,
        "",
        "What the names of the key's columns begin with in the table and not in the key.",
    ),
    OptionDef::new(
        "value.fields-include",
        Kind::Choice(&["ALL", "EXCEPT_KEY"]),
        "ALL",
        "Whether the values have all columns or those alone that are not in the key.",
    ),
];

/// What matters when a topic is read.
pub(super) const SOURCE_OPTIONS: &[OptionDef] = &[
    OptionDef::optional(
        "properties.group.id",
        Kind::Text,
        "The consumer group: where 'group-offsets' begins, and where checkpoints leave how far the job is.",
    ),
    OptionDef::new(
        "scan.startup.mode",
        Kind::Choice(&["earliest-offset", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
        "group-offsets",
        "Where reading begins when there is no checkpoint.",
    ),
    OptionDef::optional(
        "scan.startup.timestamp-millis",
        Kind::Int { min: 0, max: i64::MAX },
        "timestamp: begins with the first message of this time (milliseconds since 1970) or a later one.",
    ),
    OptionDef::optional(
        "scan.startup.specific-offsets",
        Kind::Text,
        "specific-offsets: where each partition begins, as 'partition:0,offset:42;partition:1,offset:300'.",
    ),
    OptionDef::new(
        "scan.bounded.mode",
        Kind::Choice(&["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
        "unbounded",
        "Where reading ends; what is latest, or the group's, is settled when the job begins.",
    ),
    OptionDef::optional(
        "scan.bounded.timestamp-millis",
        Kind::Int { min: 0, max: i64::MAX },
        "timestamp: ends before the first message of this time or a later one.",
    ),
    OptionDef::optional(
        "scan.bounded.specific-offsets",
        Kind::Text,
        "specific-offsets: the offset before which each partition ends, written as for 'scan.startup.specific-offsets'.",
    ),
    OptionDef::new(
        "scan.topic-partition-discovery.interval",
        Kind::Duration,
        "5 min",
        "How often the cluster is asked for new partitions, which are read from their start; '0 s' for never.",
    ),
];

/// What matters when a topic is written.
pub(super) const SINK_OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "sink.delivery-guarantee",
        Kind::Choice(&["exactly-once", "at-least-once", "none"]),
        "exactly-once",
        "How often a row is there after a crash for consumers with 'isolation.level' = 'read_committed'.",
    ),
    OptionDef::new(
        "sink.transactional-id-prefix",
        Kind::Text,
        "tidegate",
        "exactly-once: what the names of transactions begin with, which are also those of the groups that keep their numbers.",
    ),
    OptionDef::new(
        "sink.partitioner",
        Kind::Choice(&["default", "fixed", "round-robin"]),
        "default",
        "Which partition a row goes to: by the hash of its key (without one, to any), all to the first, or each in turn.",
    ),
];
