//! What can go wrong in a run, by what the caller must do about it.

use std::path::PathBuf;

use datafusion::error::DataFusionError;
use tidegate_sql::SqlError;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The script is wrong: fix it. Names the place.
    #[error("{0}")]
    Script(Box<SqlError>),
    /// A setting or argument given from outside is wrong.
    #[error("{0}")]
    Usage(String),
    /// A query over an unbounded table holds something that has no end there. Becomes [`Error::Script`] once its place is known.
    #[error("{construct} over the unbounded table '{table}' has no end; {instead}")]
    Unstreamable {
        /// The construct, in SQL words.
        construct: &'static str,
        /// What to write instead.
        instead: &'static str,
        /// The unbounded table.
        table: String,
    },
    /// The data is wrong: fix it, or let the table's `on-error` pass over bad records.
    #[error("{0}")]
    Data(String),
    /// A file, a disk or the registry failed: mend it and run again; the job goes on from its last checkpoint.
    #[error("{0}")]
    Storage(String),
    /// What stores something could not be reached, or refused: the same may go well a moment later, so a job may be restarted.
    #[error("{0}")]
    Unavailable(String),
    /// Another job is using the same checkpoint folder.
    #[error("another job{} is using {}; wait for it, stop it, or give this one its own name with SET 'job.name'", pid_in_words(.pid), .folder.display())]
    Busy {
        /// The folder in use.
        folder: PathBuf,
        /// The other process, if it left its number.
        pid: Option<u32>,
    },
    /// The user asked the job to stop. It took a checkpoint where it could, and goes on when it is run again.
    #[error("stopped{}", if *.resumable { "; run the same script again to go on from here" } else { "" })]
    Stopped {
        /// Whether there is a checkpoint to go on from.
        resumable: bool,
    },
    /// The job was asked to stop with a savepoint, and has. Only the savepoint goes on from here.
    #[error("stopped; the savepoint is {}", .0.display())]
    Saved(PathBuf),
    /// A limit was exceeded; the message says which, and how to raise it.
    #[error("{0}")]
    Limit(String),
    /// A defect of Tidegate.
    #[error("internal error: {0}; this is a defect of Tidegate, please report it")]
    Internal(String),
}

fn pid_in_words(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Error {
    /// The exit code of a process that ends with this error.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 1 | internal error |
    /// | 2 | the script or the command line is wrong |
    /// | 3 | the data is wrong |
    /// | 4 | a file, a disk or the registry failed |
    /// | 5 | another job uses the same checkpoint folder |
    /// | 6 | a limit was exceeded |
    /// | 130 | stopped by the user |
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Internal(_) => 1,
            Self::Script(_) | Self::Usage(_) | Self::Unstreamable { .. } => 2,
            Self::Data(_) => 3,
            Self::Storage(_) | Self::Unavailable(_) => 4,
            Self::Busy { .. } => 5,
            Self::Limit(_) => 6,
            Self::Stopped { .. } | Self::Saved(_) => 130,
        }
    }

    /// Whether the same thing may go well a moment later, without anything being mended in a script or in data.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        Self::Script(Box::new(error))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    /// Sorts an error of DataFusion: one of ours that passed through comes out as it went in.
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => Error::Internal(other.to_string()),
            },
            DataFusionError::Context(_, inner) => Error::from(*inner),
            DataFusionError::Diagnostic(_, inner) => Error::from(*inner),
            DataFusionError::Shared(inner) => match inner.as_ref() {
                DataFusionError::External(e) => match e.downcast_ref::<Error>() {
                    Some(ours) => ours.duplicate(),
                    None => Error::Internal(e.to_string()),
                },
                other => Error::from_message(other),
            },
            DataFusionError::ArrowError(inner, context) => match *inner {
                arrow::error::ArrowError::ExternalError(e) => match e.downcast::<DataFusionError>() {
                    Ok(inner) => Error::from(*inner),
                    Err(e) => match e.downcast::<Error>() {
                        Ok(ours) => *ours,
                        Err(other) => Error::Data(other.to_string()),
                    },
                },
                other => Error::from_message(&DataFusionError::ArrowError(Box::new(other), context)),
            },
            other => Error::from_message(&other),
        }
    }
}

impl Error {
    fn from_message(error: &DataFusionError) -> Self {
        let message = error.strip_backtrace();
        match error {
            DataFusionError::ResourcesExhausted(_) => {
                Error::Limit(format!("{message}; raise SET 'execution.memory-limit'"))
            }
            DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => Error::Storage(message),
            DataFusionError::Internal(_) => Error::Internal(message),
            _ => Error::Data(message),
        }
    }

    /// The same error again, for the rare place where several ask for one.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Script(e) => Self::Script(e.clone()),
            Self::Unstreamable { construct, instead, table } => {
                Self::Unstreamable { construct, instead, table: table.clone() }
            }
            Self::Usage(m) => Self::Usage(m.clone()),
            Self::Data(m) => Self::Data(m.clone()),
            Self::Storage(m) => Self::Storage(m.clone()),
            Self::Unavailable(m) => Self::Unavailable(m.clone()),
            Self::Saved(path) => Self::Saved(path.clone()),
            Self::Busy { folder, pid } => Self::Busy { folder: folder.clone(), pid: *pid },
            Self::Stopped { resumable } => Self::Stopped { resumable: *resumable },
            Self::Limit(m) => Self::Limit(m.clone()),
            Self::Internal(m) => Self::Internal(m.clone()),
        }
    }
}

impl From<tidegate_training::Error> for Error {
    fn from(error: tidegate_training::Error) -> Self {
        use tidegate_training::Error as E;
        match error {
            E::BadRow(fault) => Self::Data(fault.to_string()),
            E::Data(message) => Self::Data(message),
            E::Storage(message) => Self::Storage(message),
            E::Limit(message) => Self::Limit(message),
            E::Internal(message) => Self::Internal(message),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}
