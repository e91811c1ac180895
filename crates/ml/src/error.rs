//! What can go wrong in a model, by what the caller must do about it.

use tidegate_options::OptionError;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a model, a transform, a learner or a metric.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification is wrong: fix the `CREATE MODEL` statement.
    #[error("{0}")]
    Spec(String),
    /// An option of the model is wrong: fix the `WITH` clause.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A row cannot be learned from or predicted: fix the data, or let `on-error` skip such rows. Nothing was learned from
    /// the batch that held it.
    #[error("{0}")]
    Data(#[from] DataFault),
    /// The batch does not have the columns that the model takes: fix the call.
    #[error("{0}")]
    Batch(String),
    /// Saved state cannot be read.
    #[error(transparent)]
    Snapshot(#[from] crate::snapshot::SnapshotError),
    /// A bound that an option sets was reached; the message says which, and how to raise it.
    #[error("{0}")]
    Limit(String),
    /// What keeps the states of keys has failed.
    #[error("{0}")]
    Store(String),
    /// The models or metrics cannot be merged.
    #[error("cannot merge: {0}")]
    Merge(String),
}

/// A row that the model does not take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("row {row}, column '{column}': {reason}")]
pub struct DataFault {
    /// The row within the batch, from 0.
    pub row: usize,
    /// The input or label column at fault.
    pub column: String,
    /// What is wrong with the value, and what was expected.
    pub reason: String,
}
