//! Tuning: an option's value may be a `range(…)` or a `choice(…)`, and the best of several trials is found while the model learns.
//!
//! ```text
//!                      ┌──► trial 0: learning_rate 0.0312, l2 0 ──────► loss ─┐
//!  rows ─► transforms ─┼──► trial 1: learning_rate 0.4401, l2 1e-6 ───► loss ─┼─► compared; the worse are dropped
//!          (once)      └──► trial 2: …                                        │   the leader predicts
//! ```
//! A [`Race`] is a learner that holds a learner a trial. So it learns wherever models do: from history, from a stream, a race a
//! key, in Flink; and what goes on when the others are dropped has missed no row. Trials are measured by test-then-train
//! (progressive validation: Blum, Kalai & Langford 1999), or each over the rows after an origin that moves on (rolling origin:
//! Tashman 2000): always on rows that come later than those learned.

mod comparison;
mod race;
mod search;
mod space;
mod tpe;

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

pub(crate) use race::{Race, loss};
pub(crate) use search::{Objective, Search};

/// Options of how a model is tuned. They need an option whose value is a `range(…)` or a `choice(…)`.
pub const TUNING_OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "tune.strategy",
        Kind::Choice(&["racing", "random", "tpe"]),
        "racing",
        "How options given as range(low, high[, log]) or choice(a, b, …) are tuned. racing: trials drawn at random learn side by side and are dropped when they are worse for certain. random: none is dropped. tpe: a tree-structured Parzen estimator, several passes over history.",
    ),
    OptionDef::new("tune.trials", Kind::Int { min: 1, max: 10_000 }, "16", "How many trials there are."),
    OptionDef::optional(
        "tune.objective",
        Kind::Choice(&["log_loss", "error_rate", "mse", "mae"]),
        "What is to be small. Left out: log_loss for classes, mse for numbers.",
    ),
    OptionDef::new("tune.seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What trials are drawn by."),
    OptionDef::new(
        "tune.confidence",
        Kind::Float { min: 1e-12, max: 0.5 },
        "0.05",
        "racing: the probability that the best trial is dropped, by paired tests over means of 100 rows.",
    ),
    OptionDef::new(
        "tune.tolerance",
        Kind::Float { min: 0.0, max: 1.0 },
        "0.005",
        "racing: a trial is also dropped when it cannot be better than the leader by more than this share of the leader's loss.",
    ),
    OptionDef::new(
        "tune.min-rows",
        Kind::Int { min: 1000, max: 1_000_000_000 },
        "1000",
        "racing: rows before the first trials are dropped. The next look is after twice as many further rows, and so on.",
    ),
    OptionDef::new(
        "tune.warmup",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "0",
        "Rows that trials learn before anything is held against them. Where labels are late those known first are not like the others: a household that came back is known before one that did not.",
    ),
    OptionDef::new(
        "tune.horizon",
        Kind::Int { min: 0, max: 1_000_000_000 },
        "0",
        "Rolling origin: after so many rows each trial is held as it is, and predicts as many rows to come. 0: each row is predicted just before it is learned.",
    ),
    OptionDef::new(
        "tune.parallel-trials",
        Kind::Int { min: 1, max: 1000 },
        "4",
        "tpe: trials that learn side by side in one pass over history, after a first pass with 10 at random.",
    ),
];

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It goes on.
    Running,
    /// It was dropped: worse for certain, or no better by more than the tolerance.
    Stopped,
    /// It was measured to the end.
    Succeeded,
}

impl Status {
    /// Its name, as in BigQuery ML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Succeeded => "SUCCEEDED",
        }
    }
}

/// A trial and how it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number, from 1.
    pub id: u64,
    /// The options that were tuned, with their values, in the order of their names.
    pub parameters: Vec<(String, String)>,
    /// What is to be small.
    pub objective: &'static str,
    /// Rows it was measured over.
    pub rows: u64,
    /// The mean of the objective over these, by their weights; NaN before there are any.
    pub loss: f64,
    /// What became of it.
    pub status: Status,
    /// Whether it leads, or has won.
    pub is_optimal: bool,
}
