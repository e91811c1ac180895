//! Tests of the whole product: of the binary, as a user runs it, and of the engine on SQL files.

mod bad_input;
mod computed_time;
mod crash;
mod dead_before_done;
mod flink;
mod flink_catalog;
mod flink_cluster;
mod flink_faults;
mod flink_kafka;
mod flink_metrics;
mod flink_parallel;
mod flink_parity;
mod flink_tables;
mod golden;
mod jobs;
mod kafka;
mod keyed;
mod purchase_kafka;
mod purchase_stream;
mod readme;
mod reference;
mod reference_page;
mod shuffled;
mod side_by_side;
mod slt;
mod unbounded;
