//! What a cluster is given to run: a step of a script, lowered to what Flink's planner accepts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::script::ScriptText;

/// A job, as the main class of the archive reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    /// The job's name.
    pub(crate) name: String,
    /// Whether it comes to an end by itself, or goes on.
    pub(crate) mode: Mode,
    /// Flink's configuration.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// What comes before the INSERT statements, in order.
    #[serde(default)]
    pub(crate) statements: Vec<Value>,
    /// The INSERT statements. Several are one job together.
    pub(crate) inserts: Vec<String>,
}

/// How Flink runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Row by row, with checkpoints.
    Streaming,
    /// Stage by stage, over bounded tables.
    Batch,
}

/// The programs of a script, one a step.
pub(crate) fn programs_of(script: &ScriptText) -> Result<Vec<Program>, Failure> {
    let read = match script.text.trim_start().starts_with('[') {
        true => serde_json::from_str(&script.text),
        false => serde_json::from_str(&script.text).map(|program| vec![program]),
    };
    read.map_err(|error| Failure::command(format!("{} is not a program, nor a list of programs: {error}", script.name)))
}
