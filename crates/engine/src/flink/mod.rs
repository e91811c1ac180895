//! A script as jobs of Apache Flink.
//!
//! ```text
//!  script ──► what declares ──► this session, and kept ─┐
//!         ──► what shows ─────► runs here               ├──► Program: one step, with what it needs ──► a job of Flink
//!         ──► a step ───────────────────────────────────┘
//! ```
//! Tables, windows, joins and functions are Flink's; the language is its own (see `tidegate_sql::flink`). `ML_TRAIN` and `ML_PREDICT` become
//! operators over a query, with a view over what comes of them. Versions of models are those that the registry has when a step is
//! lowered, so that a step is lowered when the ones before it are done.
//!
//! | file | what it is |
//! |---|---|
//! | [`program`] | what a job is told |
//! | [`lowering`] | the way through a script |
//! | [`operator`] | ML functions as operators |
//! | [`table`] | tables and settings as Flink has them |

mod lowering;
mod operator;
mod program;
mod table;

pub use lowering::{Lowering, explain_for_flink};
pub use program::{Mode, Program};
