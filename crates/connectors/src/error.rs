//! What can go wrong at a table's edge.

use std::io;
use std::path::{Path, PathBuf};

use tidegate_options::{OptionError, nearest};

use crate::BadRecord;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a table could not be opened, read or written, sorted by what the caller has to mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table names no connector.
    #[error("table '{table}': option 'connector' is missing; the connectors are: {known}")]
    MissingConnector {
        /// The table.
        table: String,
        /// Every connector's name.
        known: String,
    },
    /// The table names a connector that does not exist.
    #[error("table '{table}': unknown connector '{name}'{hint}")]
    UnknownConnector {
        /// The table.
        table: String,
        /// The name as given.
        name: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// An option of the table was refused.
    #[error("table '{table}': {source}")]
    Option {
        /// The table.
        table: String,
        /// What was wrong with it.
        source: OptionError,
    },
    /// The declaration of the table cannot work as it stands (options that contradict each other, a type that the format
    /// has no form for).
    #[error("table '{table}': {message}")]
    Declaration {
        /// The table.
        table: String,
        /// The option to look at, if it is about one.
        option: Option<String>,
        /// What is wrong and what was expected.
        message: String,
    },
    /// The connector does not do what was asked of it, such as reading from `print`.
    #[error("table '{table}': the connector '{connector}' {what}")]
    Unsupported {
        /// The table.
        table: String,
        /// The connector.
        connector: &'static str,
        /// What it cannot do.
        what: String,
    },
    /// Nothing is at the table's path.
    #[error("table '{table}': no file at '{path}'{hint}")]
    NoFile {
        /// The table.
        table: String,
        /// The path or pattern that was looked for.
        path: String,
        /// What was found near it.
        hint: String,
    },
    /// A declared column is not in the file, or cannot be read as its declared type.
    #[error("{path}: {message}")]
    Column {
        /// The file.
        path: String,
        /// Which column, and what the file has.
        message: String,
    },
    /// A record could not be read and the table's `on-error` is `fail`.
    #[error("{}: {}{}", .0.location, .0.reason, .0.quoted())]
    BadRecord(BadRecord),
    /// The file is not what its format says.
    #[error("{path}: {message}")]
    Corrupt {
        /// The file.
        path: String,
        /// What does not hold.
        message: String,
    },
    /// What a position or a prepared sink refers to is no longer as it was.
    #[error("{path}: {message}")]
    Changed {
        /// The file.
        path: String,
        /// What is different.
        message: String,
    },
    /// The operating system refused.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which file.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Arrow refused something that this crate handed it: a fault of the program, not of the data.
    #[error("{context}: {source}")]
    Arrow {
        /// What was being done.
        context: String,
        /// Arrow's own words.
        source: arrow::error::ArrowError,
    },
}

impl Error {
    /// The name of the option that has to be changed, if the error is about one, so that a caller who knows where it stands in
    /// a script can point at it.
    pub fn option(&self) -> Option<&str> {
        match self {
            Self::MissingConnector { .. } | Self::UnknownConnector { .. } => Some("connector"),
            Self::Option { source, .. } => Some(source.key()),
            Self::Declaration { option, .. } => option.as_deref(),
            Self::NoFile { .. } => Some("path"),
            _ => None,
        }
    }

    /// Whether the same thing may go well a moment later, without anything being mended in a script or in data: what stores the
    /// table could not be reached, or refused.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// An error of the operating system, with what was being done to which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }

    /// A declaration that cannot work.
    pub(crate) fn declaration(table: &str, option: Option<&str>, message: impl Into<String>) -> Self {
        Self::Declaration { table: table.to_string(), option: option.map(str::to_string), message: message.into() }
    }

    /// A sink that cannot be read.
    pub(crate) fn write_only(table: &str, connector: &'static str) -> Self {
        Self::Unsupported { table: table.to_string(), connector, what: "can only be written to".to_string() }
    }

    /// A refusal by Arrow of something that should have been right.
    pub(crate) fn arrow(context: impl Into<String>) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        let context = context.into();
        move |source| Self::Arrow { context, source }
    }

    /// A file that is not what its format says.
    pub(crate) fn corrupt(path: &Path, message: impl Into<String>) -> Self {
        Self::Corrupt { path: path.display().to_string(), message: message.into() }
    }

    /// A file that is no longer as it was.
    pub(crate) fn changed(path: &Path, message: impl Into<String>) -> Self {
        Self::Changed { path: path.display().to_string(), message: message.into() }
    }
}

/// The part of a message that follows an unknown name: the nearest one, or all of them.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, names.clone()) {
        Some(name) => format!("; did you mean '{name}'?"),
        None => format!("; there is: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The names in the folder of `path` that come nearest to its last part, for an error about a missing file.
pub(crate) fn nearby_files(path: &Path) -> String {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => return String::new(),
    };
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return format!("; the folder '{}' does not exist", folder.display());
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.'))
        .take(10_000)
        .collect();
    names.sort();
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean '{}'?", folder.join(name).display()),
        None if names.is_empty() => format!("; the folder '{}' is empty", folder.display()),
        None => {
            let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 5 { ", …" } else { "" };
            format!("; the folder '{}' has: {shown}{more}", folder.display())
        }
    }
}
