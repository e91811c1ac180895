//! Why the command did not do what it was asked to.

use std::path::PathBuf;

use tidegate_engine::Error;
use tidegate_sql::SqlError;

/// An error as the user is told of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The engine says why.
    #[error("{0}")]
    Engine(Error),
    /// The command line is wrong: an argument names what is not there.
    #[error("{message}")]
    Command {
        /// What was wrong and what was expected.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// A file, a disk or the registry failed.
    #[error("{0}")]
    Storage(String),
    /// A cluster does not answer, or not what it was asked for.
    #[error("{message}")]
    Cluster {
        /// What went wrong, and where the cluster is.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// A job on a cluster failed.
    #[error("job '{name}' failed: {message}")]
    Job {
        /// Its name.
        name: String,
        /// Why.
        message: String,
        /// Whether its data is to blame, rather than the cluster.
        of_data: bool,
    },
    /// The user stopped the job, and can have it go on: the help says how.
    #[error("stopped at a checkpoint")]
    Stopped {
        /// The command that goes on from there.
        resume: String,
    },
    /// The job was asked to stop with a savepoint: the help says how to go on from it.
    #[error("stopped; the savepoint is {}", .savepoint.display())]
    Saved {
        /// Its folder.
        savepoint: PathBuf,
        /// The command that goes on from there.
        resume: String,
    },
}

impl Failure {
    /// A wrong command line.
    pub(crate) fn command(message: impl Into<String>) -> Self {
        Self::Command { message: message.into(), help: None }
    }

    /// A cluster that does not do what it should.
    pub(crate) fn cluster(message: impl Into<String>) -> Self {
        Self::Cluster { message: message.into(), help: None }
    }

    /// Adds what to do about it, to a wrong command line or a failure of a cluster.
    pub(crate) fn with_help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Command { message, .. } => Self::Command { message, help: Some(text.into()) },
            Self::Cluster { message, .. } => Self::Cluster { message, help: Some(text.into()) },
            other => other,
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Engine(error) => error.exit_code(),
            Self::Command { .. } => 2,
            Self::Job { of_data: true, .. } => 3,
            Self::Storage(_) | Self::Cluster { .. } | Self::Job { .. } => 4,
            Self::Stopped { .. } | Self::Saved { .. } => 130,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Command { help, .. } | Self::Cluster { help, .. } => help.clone(),
            Self::Stopped { resume } => Some(format!("`{resume}` goes on from here; add --fresh to start over")),
            Self::Saved { resume, .. } => Some(format!("`{resume}` goes on from there")),
            Self::Engine(_) | Self::Storage(_) | Self::Job { .. } => None,
        }
    }

    /// The error of a script, which has a place.
    pub(crate) fn script_error(&self) -> Option<&SqlError> {
        match self {
            Self::Engine(Error::Script(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether nothing went wrong: the user asked for the end.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Stopped { .. } | Self::Saved { .. } | Self::Engine(Error::Stopped { .. } | Error::Saved(_))
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<tidegate_registry::Error> for Failure {
    fn from(error: tidegate_registry::Error) -> Self {
        use tidegate_registry::Error as E;
        match error {
            E::InvalidName { .. }
            | E::UnknownModel { .. }
            | E::UnknownVersion { .. }
            | E::UnknownAlias { .. }
            | E::NoVersion { .. }
            | E::VersionInUse { .. }
            | E::ModelExists { .. } => Self::command(error.to_string()),
            other => Self::Storage(other.to_string()),
        }
    }
}
