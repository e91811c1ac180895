//! A savepoint: all that a job needs to go on, in a folder that stands alone and may be moved.
//!
//! ```text
//! <folder>/savepoint       the script, and the state: see [`Savepoint`]
//! <folder>/stage-<hash>    rows that the step kept on disk
//! <folder>/keys-….redb     the states of keys of a model a key
//! <folder>/carried/…       hidden rows of sinks that show all of their rows at the end
//! ```
//! It is written under another name and renamed, so a folder that is there is whole. Sizes and checksums of all files are in
//! `savepoint`. A run that starts from it copies what it needs: the savepoint stays as it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::checkpoint::{ScriptFacts, failed, read_sealed, write_sealed};
use crate::job::checkpoints::Checkpoint;
use crate::{Error, Result};

/// The file that makes a folder a savepoint.
pub(crate) const FILE: &str = "savepoint";
/// The folder in it with the hidden rows of sinks.
pub(crate) const CARRIED: &str = "carried";

/// A savepoint as it is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Savepoint {
    /// Tells it from every other one.
    pub id: String,
    /// The job's name.
    pub job: String,
    pub script: ScriptFacts,
    /// The step of the script that was under way.
    pub step: u32,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    pub checkpoint: Checkpoint,
    files: Vec<FileFacts>,
}

/// A file of a savepoint beside `savepoint`.
#[derive(Debug, Serialize, Deserialize)]
struct FileFacts {
    /// Relative to the folder.
    path: PathBuf,
    bytes: u64,
    crc: u32,
}

impl Savepoint {
    pub(crate) fn new(job: &str, script: ScriptFacts, step: usize, checkpoint: Checkpoint) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{job}-{}-{:x}", checkpoint.number, now.as_micros());
        let taken_ms = now.as_millis() as u64;
        Self { id, job: job.to_string(), script, step: step as u32, taken_ms, checkpoint, files: Vec::new() }
    }

    /// Writes it into a new folder in `parent`, which is returned. `fill` puts the other files into the folder it is given, and
    /// may change the state to say so.
    pub(crate) fn write(
        mut self,
        parent: &Path,
        fill: impl FnOnce(&Path, &mut Checkpoint) -> Result<()>,
    ) -> Result<PathBuf> {
        fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
        // What a process left that was killed while it wrote one: this job has but one process.
        let prefix = format!(".savepoint-{}-", self.job);
        for entry in fs::read_dir(parent).map_err(|error| failed("read", parent, error))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && name.ends_with(".unfinished") {
                fs::remove_dir_all(entry.path()).map_err(|error| failed("remove", &entry.path(), error))?;
            }
        }
        let folder = parent.join(format!("savepoint-{}", self.id));
        let unfinished = parent.join(format!(".savepoint-{}.unfinished", self.id));
        fs::create_dir(&unfinished).map_err(|error| failed("create", &unfinished, error))?;
        let written = fill(&unfinished, &mut self.checkpoint).and_then(|()| {
            self.files = files(&unfinished)?;
            write_sealed(&unfinished.join(FILE), FILE, &self)?;
            fs::rename(&unfinished, &folder).map_err(|error| failed("write", &folder, error))?;
            sync(parent)
        });
        if let Err(error) = written {
            // The reason matters more than a failure to tidy up.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        Ok(folder)
    }

    /// Reads one, and checks that all of it is there.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let savepoint: Self = match read_sealed(&folder.join(FILE), FILE) {
            Ok(Some(savepoint)) => savepoint,
            Ok(None) if folder.join("run").exists() => {
                return Err(Error::Usage(format!(
                    "{0} is the folder of another job: a script goes on from it under that job's name, by -s job.name={1}",
                    folder.display(),
                    folder.file_name().unwrap_or_default().to_string_lossy()
                )));
            }
            Ok(None) => {
                return Err(Error::Usage(format!(
                    "{} is neither a savepoint nor the folder of a job: `tidegate jobs savepoint NAME` makes the one, `tidegate jobs list` shows the other",
                    folder.display()
                )));
            }
            Err(error) => return Err(error),
        };
        for facts in &savepoint.files {
            let path = folder.join(&facts.path);
            let (bytes, crc) = checksum(&path)?;
            if (bytes, crc) != (facts.bytes, facts.crc) {
                return Err(Error::Storage(format!(
                    "the savepoint is damaged: {} has {bytes} bytes with checksum {crc:08x}, but was written with {} and {:08x}",
                    path.display(),
                    facts.bytes,
                    facts.crc
                )));
            }
        }
        Ok(savepoint)
    }

    /// Copies its other files into the folder of a step.
    pub(crate) fn copy_files(&self, from: &Path, to: &Path) -> Result<()> {
        for facts in &self.files {
            let (from, to) = (from.join(&facts.path), to.join(&facts.path));
            copy(&from, &to)?;
        }
        Ok(())
    }
}

/// Copies a file durably, and makes the folders that it needs.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
    }
    let copied = File::open(from).and_then(|mut read| {
        let mut write = File::create(to)?;
        io::copy(&mut read, &mut write)?;
        write.sync_all()
    });
    copied.map_err(|error| failed("copy", from, error))
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<FileFacts>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|error| failed("read", &next, error))? {
            let path = entry.map_err(|error| failed("read", &next, error))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let (bytes, crc) = checksum(&path)?;
            let path = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
            found.push(FileFacts { path, bytes, crc });
        }
        sync(&next)?;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn checksum(path: &Path) -> Result<(u64, u32)> {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = 0;
    let mut piece = vec![0; 1 << 16];
    let mut file = File::open(path).map_err(|error| failed("open", path, error))?;
    loop {
        let read = file.read(&mut piece).map_err(|error| failed("read", path, error))?;
        if read == 0 {
            return Ok((bytes, hasher.finalize()));
        }
        bytes += read as u64;
        hasher.update(&piece[..read]);
    }
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("flush", folder, error))
}
