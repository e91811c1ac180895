//! What the whole-product tests share: the binary under test and what it answers, the data sets, the files it writes,
//! a Kafka broker, and a cluster of Apache Flink.

pub mod binary;
pub mod broker;
pub mod data;
pub mod files;
pub mod flink_cluster;
pub mod purchases;
pub mod running;

pub use binary::{Outcome, Workplace};
pub use broker::Broker;
pub use flink_cluster::FlinkCluster;
