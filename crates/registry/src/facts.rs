//! What the registry keeps about a model and its versions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::name;

/// What the one who registers a version knows about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VersionFacts {
    /// Makes [`Registry::register`](crate::Registry::register) idempotent: within a model, one key is one version. A job
    /// that is resumed and saves again must use the key that it used before.
    pub key: String,
    /// The job that trained it.
    pub job: String,
    /// The model's specification, as the job saw it.
    pub spec: serde_json::Value,
    /// The job's parameters and options.
    pub parameters: BTreeMap<String, String>,
    /// Metrics by name. May grow later, by [`Registry::set_metrics`](crate::Registry::set_metrics).
    pub metrics: BTreeMap<String, f64>,
    /// Rows learned.
    pub rows: u64,
    /// A fingerprint of the training data, if the job took one.
    pub data_fingerprint: Option<String>,
    /// The event time up to which it was trained: milliseconds since 1970-01-01 UTC. `None` without event time.
    pub trained_until: Option<i64>,
}

/// A registered version. Only its metrics and the aliases that point at it ever change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Version {
    /// The model's name.
    pub model: String,
    /// The version's number, from 1. A number is never given twice, not even after a deletion.
    pub number: u64,
    /// When it was registered: milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// What its job said about it.
    #[serde(flatten)]
    pub facts: VersionFacts,
    /// SHA-256 of the artifact, in lower-case hexadecimal.
    pub artifact_sha256: String,
    /// Length of the artifact.
    pub artifact_bytes: u64,
    /// The aliases that point at it, in alphabetical order.
    pub aliases: Vec<String>,
}

/// A model and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelSummary {
    /// The model's name.
    pub name: String,
    /// When its first version was registered: milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// How many versions it has.
    pub versions: u64,
    /// The highest version number. `None` when every version was deleted.
    pub latest: Option<u64>,
    /// Each alias with the number of the version that it points at.
    pub aliases: BTreeMap<String, u64>,
}

impl ModelSummary {
    /// The version that [`VersionRef::Current`] means: alias `production` if set, else the latest.
    pub fn current(&self) -> Option<u64> {
        self.aliases.get(name::PRODUCTION).copied().or(self.latest)
    }
}

/// Which version of a model is meant: the part after the `$` in `MODEL intent$3` and `MODEL intent$candidate`.
///
/// ```
/// use tidegate_registry::VersionRef;
///
/// assert_eq!("3".parse::<VersionRef>()?, VersionRef::Number(3));
/// assert_eq!("candidate".parse::<VersionRef>()?, VersionRef::Alias("candidate".into()));
/// # Ok::<(), tidegate_registry::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// Alias `production` if it is set, else the latest version.
    #[default]
    Current,
    /// The version of this number.
    Number(u64),
    /// The version that this alias points at.
    Alias(String),
}

impl FromStr for VersionRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => name::check_alias(text).map(|()| Self::Alias(text.to_owned())),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("current"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Alias(alias) => f.write_str(alias),
        }
    }
}
