//! How results, progress, summaries and errors look.

pub(crate) mod cell;
pub(crate) mod datetime;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod paint;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod table;
