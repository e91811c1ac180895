//! The checkpoints of a step: the newest, and those before it that are kept.
//!
//! ```text
//! <step>/checkpoint        the newest
//! <step>/checkpoint-<n>    with 'execution.checkpointing.num-retained' above 1: earlier ones
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::decode_first;

use crate::checkpoint::{failed, read_sealed, write_sealed};
use crate::stream::state::DataflowState;
use crate::{Error, Result};

/// A checkpoint of a job. The number comes first: it is read alone where checkpoints are listed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub number: u64,
    /// All rows are through: what is left is to make them visible.
    pub ended: bool,
    /// Whether rows become visible at each checkpoint, rather than all at the end.
    pub shows_rows: bool,
    pub dataflow: DataflowState,
    /// The sinks of dead letters, by table.
    pub dead_letters: BTreeMap<String, Vec<u8>>,
    /// The hidden rows of the sinks came with a savepoint, and lie in the step's folder.
    pub carried: bool,
}

/// The checkpoints of a step.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    retained: usize,
    newest: Option<u64>,
}

/// The newest checkpoint that can be read.
pub(crate) struct Found {
    pub checkpoint: Checkpoint,
    /// A newer one is damaged: why.
    pub damaged: Option<String>,
    path: PathBuf,
}

impl Checkpoints {
    /// Keeps `retained` checkpoints in a step's folder.
    pub(crate) fn new(folder: &Path, retained: usize) -> Self {
        Self { folder: folder.to_path_buf(), retained, newest: None }
    }

    /// Whether a step's folder has a checkpoint.
    pub(crate) fn any(folder: &Path) -> bool {
        newest(folder).is_some()
    }

    /// The newest one, or if that is damaged the one before it.
    pub(crate) fn find(&mut self) -> Result<Option<Found>> {
        let mut damaged: Option<Error> = None;
        for path in all(&self.folder) {
            match read_sealed::<Checkpoint>(&path, "checkpoint") {
                Ok(Some(checkpoint)) => {
                    self.newest = Some(checkpoint.number);
                    let damaged = damaged.map(|error| error.to_string());
                    return Ok(Some(Found { checkpoint, damaged, path }));
                }
                Ok(None) => {}
                Err(error) => damaged = damaged.or(Some(error)),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// Keeps a checkpoint, and forgets those that are too many.
    pub(crate) fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.folder.join("checkpoint");
        if let Some(before) = self.newest.filter(|_| self.retained > 1 && path.exists()) {
            let kept = self.folder.join(format!("checkpoint-{before}"));
            let _ = fs::remove_file(&kept);
            // A second name for the same file: the first one is about to become another's.
            fs::hard_link(&path, &kept)
                .or_else(|_| fs::copy(&path, &kept).map(drop))
                .map_err(|error| failed("keep", &kept, error))?;
        }
        write_sealed(&path, "checkpoint", checkpoint)?;
        self.newest = Some(checkpoint.number);
        for old in all(&self.folder).into_iter().skip(self.retained) {
            fs::remove_file(&old).map_err(|error| failed("remove", &old, error))?;
        }
        Ok(())
    }
}

impl Found {
    /// Refuses to go back behind a damaged checkpoint where that would show rows twice.
    pub(crate) fn may_be_gone_on_with(&self, sinks: &[&str]) -> Result<()> {
        match &self.damaged {
            Some(damaged) if self.checkpoint.shows_rows => Err(Error::Storage(format!(
                "{damaged}\ncheckpoint {} is whole ({}), but what was written after it can be seen already in {}: going back to it would write that again",
                self.checkpoint.number,
                self.path.display(),
                sinks.join(", ")
            ))),
            _ => Ok(()),
        }
    }
}

/// The checkpoints of a step's folder, the newest first.
pub(crate) fn all(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse::<u64>().ok();
    let mut kept: Vec<(u64, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number(&entry.path())?, entry.path())))
        .collect();
    kept.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let newest = folder.join("checkpoint");
    newest.exists().then_some(newest).into_iter().chain(kept.into_iter().map(|(_, path)| path)).collect()
}

/// The newest checkpoint of a step's folder.
pub(crate) fn newest(folder: &Path) -> Option<PathBuf> {
    all(folder).into_iter().next()
}

/// The number of the checkpoint in a file, without reading all of it.
pub(crate) fn number(path: &Path) -> Option<u64> {
    use std::io::Read;
    let mut start = Vec::new();
    fs::File::open(path).ok()?.take(64).read_to_end(&mut start).ok()?;
    decode_first("checkpoint", &start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(number: u64, shows_rows: bool) -> Checkpoint {
        let dataflow = DataflowState {
            sources: Vec::new(),
            ended: Vec::new(),
            turn: 0,
            operators: Vec::new(),
            sinks: Vec::new(),
            identities: Default::default(),
            generations: BTreeMap::new(),
        };
        Checkpoint { number, ended: false, shows_rows, dataflow, dead_letters: BTreeMap::new(), carried: false }
    }

    #[test]
    fn the_last_ones_are_kept_and_stand_in_for_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::new(folder.path(), 3);
        for n in 1..=5 {
            checkpoints.save(&checkpoint(n, false)).unwrap();
        }
        let kept: Vec<Option<u64>> = all(folder.path()).iter().map(|path| number(path)).collect();
        assert_eq!(kept, [Some(5), Some(4), Some(3)]);

        fs::write(folder.path().join("checkpoint"), b"TDGT rubbish").unwrap();
        let found = Checkpoints::new(folder.path(), 3).find().unwrap().unwrap();
        assert_eq!(found.checkpoint.number, 4);
        assert!(found.damaged.as_ref().is_some_and(|reason| reason.contains("checkpoint")));
        found.may_be_gone_on_with(&["out"]).unwrap();
        fs::remove_file(folder.path().join("checkpoint-4")).unwrap();
        assert_eq!(Checkpoints::new(folder.path(), 3).find().unwrap().unwrap().checkpoint.number, 3);
        fs::remove_file(folder.path().join("checkpoint-3")).unwrap();
        assert!(Checkpoints::new(folder.path(), 3).find().is_err());
    }

    #[test]
    fn going_back_is_refused_where_rows_would_be_seen_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::new(folder.path(), 2);
        checkpoints.save(&checkpoint(1, true)).unwrap();
        checkpoints.save(&checkpoint(2, true)).unwrap();
        fs::write(folder.path().join("checkpoint"), b"rubbish").unwrap();
        let found = checkpoints.find().unwrap().unwrap();
        let error = found.may_be_gone_on_with(&["out"]).unwrap_err().to_string();
        assert!(error.contains("checkpoint 1 is whole") && error.contains("out"), "{error}");
    }

    #[test]
    fn one_is_kept_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::new(folder.path(), 1);
        (1..=3).for_each(|n| checkpoints.save(&checkpoint(n, false)).unwrap());
        assert_eq!(all(folder.path()).len(), 1);
        assert!(!Checkpoints::any(&folder.path().join("nothing")));
    }
}
