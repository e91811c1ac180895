//! What a checkpoint holds of a dataflow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::source::Progress;

/// The state of all of it between two rounds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DataflowState {
    pub sources: Vec<Progress>,
    pub ended: Vec<bool>,
    pub turn: u64,
    pub operators: Vec<OperatorState>,
    pub sinks: Vec<SinkState>,
    pub identities: Identities,
    /// For each INSERT and each ML_TRAIN, in which version of the script it came: see `Compiler::resuming`.
    pub generations: BTreeMap<String, u32>,
}

/// The state of an operator, and the watermarks that it has come to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OperatorState {
    pub state: Vec<u8>,
    pub inputs: Vec<i64>,
    pub watermark: i64,
}

/// The state of a sink.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SinkState {
    pub key: String,
    /// What [`tidegate_connectors::Sink::prepare`] returned.
    pub prepared: Vec<u8>,
    pub rows: u64,
    /// Whether all of its rows are visible, so that there is nothing left to do for another run.
    pub is_visible: bool,
    /// The folder of a savepoint's files that has its hidden rows, if they have not been taken over yet.
    pub carried: Option<String>,
}

/// What the parts of a state are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identities {
    pub sources: Vec<Identity>,
    pub operators: Vec<Identity>,
    pub sinks: Vec<Identity>,
}
