//! What a bounded step has written, kept before any of it can be seen.
//!
//! ```text
//! query ──► hidden rows, dead letters ──► <step>/written ──► they become visible ──► the step is done
//!                                         (from here on the query is not run again)
//! ```
//! A process that is killed between the last two would else write its rows a second time.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::checkpoint::{read_sealed, write_sealed};

/// What a bounded step has written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    pub output: Output,
    /// The sinks of dead letters, by table.
    pub dead_letters: BTreeMap<String, Vec<u8>>,
}

/// What a step leaves besides dead letters.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Output {
    /// Rows, and what their sink needs to make them visible.
    Rows { rows: u64, prepared: Vec<u8> },
    /// A version of a model, by its number.
    Version(u64),
}

const FILE: &str = "written";

impl Written {
    /// What the step in this folder has written, if it came so far.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>> {
        read_sealed(&folder.join(FILE), FILE)
    }

    /// Whether the step in this folder came so far.
    pub(crate) fn any(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Keeps it.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        write_sealed(&folder.join(FILE), FILE, self)
    }
}
