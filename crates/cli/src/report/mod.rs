//! A model's report: one page that says what a version is, what it goes by, and how good it is on rows it is asked about.
//!
//! ```text
//!   registry ──► version ─┐
//!                         ├─► gather: queries through a session ──► Findings ──► page: HTML with plots as SVG
//!   script ──► session ───┘
//! ```
//!
//! Every figure comes from a query that its reader could run as well; nothing is computed on the page.

mod answer;
mod findings;
mod gather;
mod page;
mod plot;

pub(crate) use gather::{Question, Subject, gather};
pub(crate) use page::page;
