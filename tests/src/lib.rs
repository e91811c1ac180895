//! What the whole-product tests share: the binary under test and what it answers, the data sets, the files it writes.

pub mod binary;
pub mod data;
pub mod files;
pub mod purchases;
pub mod running;

pub use binary::{Outcome, Workplace};
