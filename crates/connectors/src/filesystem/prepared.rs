//! What a checkpoint keeps of a sink of files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::segment::Segment;
use crate::{Error, Result};

/// What a checkpoint keeps of a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    version: u8,
    /// The segments that are not visible yet.
    pub(super) segments: Vec<Segment>,
    /// Whether rows are added to the last one.
    pub(super) last_is_open: bool,
    pub(super) next_id: u64,
    /// What was made visible before.
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// With `EachCheckpoint` into one file: where the segments go. A fresh overwrite begins at 0.
    pub(super) offset: u64,
    /// With `EachCheckpoint`: the old content is still to be removed.
    pub(super) is_first: bool,
    /// With `EachCheckpoint` into a folder: old files to remove at the first commit, and the next part's number.
    pub(super) remove: Vec<PathBuf>,
    pub(super) next_part: u64,
}

const PREPARED_VERSION: u8 = 1;

impl Default for Prepared {
    /// Of a sink that has written nothing.
    fn default() -> Self {
        Self {
            version: PREPARED_VERSION,
            segments: Vec::new(),
            last_is_open: false,
            next_id: 0,
            rows: 0,
            bytes: 0,
            offset: 0,
            is_first: true,
            remove: Vec::new(),
            next_part: 0,
        }
    }
}

impl Prepared {
    /// Takes the segments for visible ones: others make them so, after all that was let go before.
    pub(super) fn let_go(&mut self, one_file: bool) {
        self.next_part += self.segments.len() as u64;
        for segment in std::mem::take(&mut self.segments) {
            if one_file {
                self.offset += segment.bytes - if self.offset > 0 { segment.header_bytes } else { 0 };
            }
            self.rows += segment.rows;
            self.bytes += segment.bytes;
        }
        self.last_is_open = false;
        self.is_first = false;
    }

    /// As bytes for the checkpoint. `target` is for messages.
    pub(super) fn encode(&self, target: &Path) -> Result<Vec<u8>> {
        postcard::to_stdvec(self)
            .map_err(|source| Error::corrupt(target, format!("the sink's state cannot be encoded: {source}")))
    }

    /// From the bytes of a checkpoint.
    pub(super) fn decode(target: &Path, bytes: &[u8]) -> Result<Self> {
        match postcard::from_bytes::<Self>(bytes) {
            Ok(state) if state.version == PREPARED_VERSION => Ok(state),
            _ => Err(Error::changed(target, "the checkpoint's state of this sink is not of this version of Tidegate")),
        }
    }
}
