//! What became of a model in a job.

use serde::Serialize;

/// What a model learned.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModelReport {
    /// The model.
    pub model: String,
    /// Versions registered by this job, in order.
    pub versions: Vec<u64>,
    /// Rows predicted.
    pub rows_predicted: u64,
    /// Rows learned.
    pub rows_learned: u64,
    /// Rows that had no label, and were only predicted.
    pub rows_unlabelled: u64,
    /// Rows that the model does not take (NULL or infinite features, unknown labels), left out because `on-error` said so.
    pub rows_bad: u64,
    /// Most rows that waited for their label at one time.
    pub rows_waiting_max: u64,
    /// Bytes of state at the end.
    pub state_bytes: u64,
}
