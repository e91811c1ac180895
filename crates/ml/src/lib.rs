//! Learners, transforms, selection and metrics over Arrow record batches.
//!
//! [`Model`] is the narrow waist of Tidegate: everything above it only moves batches, everything below it knows no SQL, no
//! files, no clock and no engine. A model is a [`ModelSpec`] (what `CREATE MODEL` says) plus learned state: transforms,
//! then a selection of features if wanted, then a learner. A batch of rows comes in as Arrow, is read into [`rows::Rows`], transformed into a [`block::Block`] of
//! features, and meets a [`learner::Learner`]; predictions leave as Arrow.
//!
//! ```text
//!  RecordBatch ──► rows ──► transform ──► block ──► learner ──► scores ──► RecordBatch
//!                (f64, ids)  (scale, encode)  (dense + sparse)
//! ```

mod balance;
pub mod block;
mod calibration;
pub mod drift;
pub mod error;
pub mod explain;
pub mod keyed;
pub mod keys;
pub mod learner;
pub mod metric;
pub mod model;
mod normal;
pub mod prequential;
mod rearrange;
pub mod replica;
pub mod replicas;
pub mod rows;
pub mod selection;
pub mod snapshot;
pub mod spec;
mod splitmix;
pub mod spread;
pub mod task;
pub mod training;
pub mod transform;
pub mod tuning;

pub use error::{DataFault, Error, Result};
pub use model::{Explanations, LearnReport, Model, ModelDescription};
pub use spec::{Expression, Input, InputKind, LabelKind, ModelSpec, Output, OutputRole, Transform};
pub use task::Task;
