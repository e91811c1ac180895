//! Why training stops.

use tidegate_ml::DataFault;

/// Why training stops.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row that the model does not take. Nothing has changed: the batch may be given again without it.
    #[error("{0}")]
    BadRow(DataFault),
    /// The data is wrong, or does not fit the version that training was to go on from.
    #[error("{0}")]
    Data(String),
    /// A file, a disk or the registry failed.
    #[error("{0}")]
    Storage(String),
    /// A limit was exceeded; the message says which, and how to raise it.
    #[error("{0}")]
    Limit(String),
    /// A defect of Tidegate.
    #[error("{0}")]
    Internal(String),
}

/// What training gives, or why it stops.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<tidegate_registry::Error> for Error {
    fn from(error: tidegate_registry::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Data(error.to_string())
    }
}

/// A refusal of a model, by what must be done about it.
pub fn model_error(name: &str, error: tidegate_ml::Error) -> Error {
    match error {
        tidegate_ml::Error::Data(_) => Error::Data(format!("model '{name}': {error}")),
        tidegate_ml::Error::Store(_) => Error::Storage(format!("model '{name}': {error}")),
        tidegate_ml::Error::Limit(_) => Error::Limit(format!("model '{name}': {error}")),
        other => Error::Internal(format!("model '{name}': {other}")),
    }
}
