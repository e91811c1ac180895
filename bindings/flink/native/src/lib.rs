//! What Java calls, a batch of rows at a time.
//!
//! ```text
//!  Java: open ──► handle ──► predict(handle, rows in memory that both see) ──► … ──► close
//!                                         │
//!                          [`batch`]: cells ──► RecordBatch ──► Model::predict ──► RecordBatch ──► cells
//! ```
//! Nothing unwinds into the virtual machine, which it would abort: each entry runs in [`exception::guarded`], and an error or a
//! panic becomes a Java exception with our message.

mod bad_rows;
mod batch;
mod entry;
mod exception;
mod kept_rows;
mod merger;
mod metric;
mod model;
mod predictor;
mod reporter;
mod table;
mod trainer;
