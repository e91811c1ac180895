//! Declared models that learn from streams.
//!
//! ```text
//!  CREATE MODEL ──► ModelEntry ─┐
//!                               ├──► Trainer: rows ──► predictions, and versions in the registry
//!  a version to go on from ─────┘       │
//!                                       ├── one model, or replicas of it   (tidegate_ml::training)
//!                                       └── a model a key, on disk past a limit
//! ```
//! What runs a stream, the embedded engine or Apache Flink, gives a [`Trainer`] batches and keeps its snapshots. It knows no SQL and
//! starts no thread of its own: [`Threads`] are given.

mod error;
mod keyed;
mod keyed_version;
mod learning;
mod merger;
mod model;
mod open_registry;
mod report;
mod start;
mod store;
mod threads;
mod trainer;

pub use error::{Error, Result, model_error};
pub use keyed::{Place, Snapshots};
pub use keyed_version::KeyedVersion;
pub use merger::Merger;
pub use model::{ModelEntry, Refusal, TRAINING_OPTIONS};
pub use open_registry::OpenRegistry;
pub use report::ModelReport;
pub use start::{keyed_version, version_bytes};
pub use store::is_store;
pub use threads::Threads;
pub use trainer::{Run, Trainer, TrainerRows, batch_of};
