//! What a script has declared: tables and models.

pub(crate) mod bad_rows;
pub(crate) mod models;
pub(crate) mod monitor;
pub(crate) mod table;
