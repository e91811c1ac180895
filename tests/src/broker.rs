//! A Kafka broker of its own for tests: Apache Kafka without anything around it, on free ports of this machine.
//!
//! ```no_run
//! use tidegate_tests::Broker;
//!
//! let broker = Broker::shared();
//! let topic = broker.new_topic("visits", 3);
//! broker.produce(&topic, 0, Some("a"), Some(r#"{"id": 1}"#));
//! assert_eq!(broker.committed(&topic).len(), 1);
//! ```

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message};

use crate::data::data_set;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Starts the broker, and ends it when standard input does: when whoever holds the other end is gone, in whatever way.
const KEEPER: &str = r#"
exec 3<&0
"$@" >"$FOLDER/broker.log" 2>&1 &
broker=$!
{ cat <&3 >/dev/null; kill -9 "$broker"; } &
wait "$broker"
rm -rf "$FOLDER"
"#;

static SHARED: OnceLock<Broker> = OnceLock::new();

/// A broker. It is killed when this goes, also if it goes because the process was killed.
#[derive(Debug)]
pub struct Broker {
    address: String,
    /// The process that keeps it, unless another process started it.
    keeper: Option<Child>,
}

/// A message of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition that it is in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its key, as text.
    pub key: Option<String>,
    /// Its value, as text.
    pub value: Option<String>,
}

impl Broker {
    /// The broker that the tests of one process share. Topics of it have names of their own.
    ///
    /// # Panics
    /// If it does not start: see [`Broker::start`].
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// Lets the broker at an address be the shared one of this process: that of the process that started it.
    ///
    /// # Panics
    /// If there is a shared one already.
    pub fn use_at(address: &str) {
        let broker = Self { address: address.to_string(), keeper: None };
        assert!(SHARED.set(broker).is_ok(), "there is a shared broker already");
    }

    /// A broker for one test alone.
    ///
    /// # Panics
    /// If Java or the broker's files are not there, or it does not answer in time.
    pub fn start() -> Self {
        // Another process may take the ports between looking for them and using them.
        (0..3).find_map(|_| Self::try_start().ok()).unwrap_or_else(|| match Self::try_start() {
            Ok(broker) => broker,
            Err(log) => panic!("the broker does not start:\n{log}"),
        })
    }

    fn try_start() -> Result<Self, String> {
        let jars = data_set("kafka", &[".source"]).join("*");
        let folder = tempfile::Builder::new().prefix("tidegate-broker-").tempdir().expect("a temporary folder").keep();
        let (port, controller) = (free_port(), free_port());
        let address = format!("127.0.0.1:{port}");
        let settings = folder.join("server.properties");
        fs::write(&settings, server_properties(&folder, &address, controller)).expect("the broker's settings");
        let java = |main: &str| {
            // It starts faster if it compiles less.
            let flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
            let mut command: Vec<String> = vec!["java".to_string()];
            command.extend(flags.map(str::to_string));
            command.extend(["-cp".to_string(), jars.display().to_string(), main.to_string()]);
            command
        };
        let format = java("kafka.tools.StorageTool");
        let output = Command::new(&format[0])
            .args(&format[1..])
            .args(["format", "--cluster-id", "dGlkZWdhdGUtdGVzdHMtMQ", "--config"])
            .arg(&settings)
            .output()
            .unwrap_or_else(|error| panic!("java: {error}; `cargo xtask setup` installs it"));
        assert!(output.status.success(), "the broker's storage: {}", String::from_utf8_lossy(&output.stderr));

        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(java("kafka.Kafka"))
            .arg(&settings)
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            .stdout(File::create(folder.join("keeper.log")).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut broker = Self { address, keeper: None };
        let (began, log) = (Instant::now(), folder.join("broker.log"));
        let consumer = broker.consumer("broker-starts");
        loop {
            if let Ok(metadata) = consumer.fetch_metadata(None, Duration::from_secs(1))
                && !metadata.brokers().is_empty()
            {
                broker.keeper = Some(keeper);
                return Ok(broker);
            }
            // The log goes with its folder when the broker does.
            let log = fs::read_to_string(&log).unwrap_or_default();
            let ended = keeper.try_wait().expect("a process can be asked").is_some();
            if ended || began.elapsed() > LIMIT {
                let _ = keeper.kill();
                return Err(log);
            }
        }
    }

    /// What stands in `'properties.bootstrap.servers'`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "20");
        config.create().expect("a consumer")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    /// Makes a topic.
    ///
    /// # Panics
    /// If it cannot be made, because there is one of this name for example.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = block_on(self.admin().create_topics([&topic], &AdminOptions::new().operation_timeout(Some(LIMIT))));
        made.expect("an answer").remove(0).unwrap_or_else(|(topic, error)| panic!("the topic {topic}: {error}"));
        self.wait_for_partitions(name, partitions);
    }

    /// Makes a topic whose name begins with `name` and is no other one's.
    ///
    /// # Panics
    /// If it cannot be made.
    #[track_caller]
    pub fn new_topic(&self, name: &str, partitions: i32) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{name}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.create_topic(&name, partitions);
        name
    }

    /// Adds partitions to a topic until it has so many.
    ///
    /// # Panics
    /// If they cannot be added.
    #[track_caller]
    pub fn add_partitions(&self, topic: &str, partitions: i32) {
        let wanted = NewPartitions::new(topic, usize::try_from(partitions).expect("a count"));
        let made = block_on(self.admin().create_partitions([&wanted], &AdminOptions::new()));
        made.expect("an answer").remove(0).unwrap_or_else(|(topic, error)| panic!("the topic {topic}: {error}"));
        self.wait_for_partitions(topic, partitions);
    }

    /// Deletes the messages of a partition before an offset.
    ///
    /// # Panics
    /// If they cannot be deleted.
    #[track_caller]
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        block_on(self.admin().delete_records(&offsets, &AdminOptions::new())).expect("an answer");
    }

    #[track_caller]
    fn wait_for_partitions(&self, topic: &str, partitions: i32) {
        let consumer = self.consumer("partitions");
        let began = Instant::now();
        // A leader may be named a moment later than the topic.
        while self.leaders(&consumer, topic) != partitions {
            assert!(began.elapsed() < LIMIT, "the topic {topic} does not get its {partitions} partitions");
        }
    }

    fn leaders(&self, consumer: &BaseConsumer, topic: &str) -> i32 {
        let Ok(metadata) = consumer.fetch_metadata(None, LIMIT) else { return 0 };
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let led = found.map_or(0, |found| found.partitions().iter().filter(|p| p.leader() >= 0).count());
        i32::try_from(led).expect("a count")
    }

    /// Writes one message and waits until it is there.
    ///
    /// # Panics
    /// If it does not get there.
    #[track_caller]
    pub fn produce(&self, topic: &str, partition: i32, key: Option<&str>, value: Option<&str>) {
        self.produce_all(topic, partition, [(key, value)]);
    }

    /// Writes messages, as keys and values, and waits until they are there.
    ///
    /// # Panics
    /// If they do not get there.
    #[track_caller]
    pub fn produce_all<'a>(
        &self,
        topic: &str,
        partition: i32,
        messages: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>,
    ) {
        let bytes =
            |(key, value): (Option<&'a str>, Option<&'a str>)| (key.map(str::as_bytes), value.map(str::as_bytes));
        self.produce_bytes(topic, partition, messages.into_iter().map(bytes));
    }

    /// Writes messages that are not text.
    ///
    /// # Panics
    /// If they do not get there.
    #[track_caller]
    pub fn produce_bytes<'a>(
        &self,
        topic: &str,
        partition: i32,
        messages: impl IntoIterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
    ) {
        let producer: BaseProducer = self.config().set("linger.ms", "0").create().expect("a producer");
        for (key, value) in messages {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
            (record.key, record.payload) = (key, value);
            while let Err((error, back)) = producer.send(record) {
                assert!(matches!(error, KafkaError::MessageProduction(_)), "{error}");
                record = back;
                producer.poll(Duration::from_millis(10));
            }
        }
        producer.flush(LIMIT).expect("the messages arrive");
    }

    /// All messages of a topic that are committed, partition by partition.
    ///
    /// # Panics
    /// If they cannot be read.
    #[track_caller]
    pub fn committed(&self, topic: &str) -> Vec<Record> {
        let mut records: Vec<Record> = self.committed_bytes(topic, |partition, offset, key, value| {
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Record { partition, offset, key: text(key), value: text(value) }
        });
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The values of all committed messages of a topic, in order of the alphabet: for comparing sets of rows.
    ///
    /// # Panics
    /// If they cannot be read.
    #[track_caller]
    pub fn committed_values(&self, topic: &str) -> Vec<String> {
        let mut values: Vec<String> = self.committed(topic).into_iter().filter_map(|record| record.value).collect();
        values.sort();
        values
    }

    /// All committed messages of a topic, made into something.
    ///
    /// # Panics
    /// If they cannot be read.
    #[track_caller]
    pub fn committed_bytes<T>(
        &self,
        topic: &str,
        make: impl Fn(i32, i64, Option<&[u8]>, Option<&[u8]>) -> T,
    ) -> Vec<T> {
        let consumer = self.consumer("committed");
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT).expect("the topic");
        let mut open = 0;
        let mut assigned = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            assigned.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
            open += 1;
        }
        consumer.assign(&assigned).expect("partitions");
        let (began, mut made) = (Instant::now(), Vec::new());
        while open > 0 {
            assert!(began.elapsed() < LIMIT, "the topic {topic} does not come to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    made.push(make(message.partition(), message.offset(), message.key(), message.payload()));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => panic!("reading the topic {topic}: {error}"),
                None => {}
            }
        }
        made
    }

    /// The offset that a consumer group has committed of a partition.
    ///
    /// # Panics
    /// If it cannot be asked for.
    #[track_caller]
    pub fn group_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let found = self.consumer(group).committed_offsets(asked, LIMIT).expect("the group's offsets");
        match found.find_partition(topic, partition).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        }
    }

    /// Where the messages that a consumer of committed ones sees end: the offset after the last.
    ///
    /// # Panics
    /// If it cannot be asked for.
    #[track_caller]
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        self.consumer("ends").fetch_watermarks(topic, partition, LIMIT).expect("the ends of a partition").1
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The keeper sees the end of its input, kills the broker and removes its folder.
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn server_properties(folder: &Path, address: &str, controller: u16) -> String {
    let logs = folder.join("logs");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{address}
controller.listener.names=CONTROLLER
log.dirs={}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.enable=false
",
        logs.display()
    )
}
