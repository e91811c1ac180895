//! Planning and running: bounded queries on DataFusion, streaming ones in rounds over operators of our own.
//!
//! ```text
//!   statement ──► plan ──► bounded: DataFusion ────────────────► rows, or a sink
//!                   │
//!                   └────► streaming: source ─► operators ─► sink   (one batch a round, a checkpoint between rounds)
//! ```
//!
//! [`Session`] holds what a script has declared so far and runs statements; [`run_script`] runs a whole script with its
//! checkpoint history.

mod batch;
mod catalog;
mod checkpoint;
mod error;
mod execution;
pub mod flink;
mod function;
mod job;
mod jobs;
mod plan;
mod queue;
mod report;
mod requests;
mod savepoint;
mod script;
mod session;
mod stopwatch;
mod stream;
mod types;

pub use error::{Error, Result};
pub use jobs::{CheckpointInfo, JobInfo, JobStatus, find_job, list_jobs};
pub use plan::relation::TABLE_FUNCTIONS;
pub use report::{Backpressure, Done, JobReport, Observer, OperatorReport, Progress, Silent, SinkReport, SourceReport};
pub use requests::{Answer, Request, ask};
pub use script::{CheckReport, RunOptions, ScriptReport, check_script, explain_script, run_script};
pub use session::{Names, Session, SessionConfig};
pub use tidegate_training::{ModelReport, TRAINING_OPTIONS};
