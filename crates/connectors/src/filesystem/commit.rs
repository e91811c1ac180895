//! How hidden files become visible ones, so that it can be repeated after a crash at any moment.
//!
//! ```text
//! segments written, synced ──► log written, synced ──► renames, removals ──► temporaries removed   … job done ──► `forget`
//!                               (from here on the outcome is settled)
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::path::{Hash, folder_of, sync_folder};
use crate::{Error, Result};

/// A job's name longer than this is replaced by a hash, since the names of files are limited.
const JOB_CHARS_MAX: usize = 64;

/// The names of a sink's temporary files: `.tidegate-<job>.<target>.<number>` and two more.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    folder: PathBuf,
    prefix: String,
}

impl Names {
    /// `target` is the file, or a file name in the folder, that the temporaries stand beside.
    pub(crate) fn new(job: &str, target: &Path) -> Self {
        // Without dots, so that the job's part of a name ends at the first one.
        let mut safe: String =
            job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect();
        if safe != job || safe.len() > JOB_CHARS_MAX {
            let mut hash = Hash::default();
            hash.add(job.as_bytes());
            safe.truncate(JOB_CHARS_MAX);
            safe = format!("{safe}-{:016x}", hash.0);
        }
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { folder: folder_of(target), prefix: format!(".tidegate-{safe}.{name}.") }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn segment(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{}{id}", self.prefix))
    }

    /// The number of a segment, by the name of its file.
    pub(super) fn segment_id(&self, path: &Path) -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// The file that is put together of segments.
    pub(crate) fn joined(&self) -> PathBuf {
        self.folder.join(format!("{}joined", self.prefix))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}commit", self.prefix))
    }

    fn log_draft(&self) -> PathBuf {
        self.folder.join(format!("{}commit-draft", self.prefix))
    }

    /// Removes this sink's temporaries except those that `keep` says yes to.
    pub(crate) fn clean(&self, keep: impl Fn(&Path) -> bool) -> Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::io("read the folder", &self.folder)(source)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("read the folder", &self.folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.strip_prefix(&self.prefix).is_some_and(|rest| {
                matches!(rest, "joined" | "commit" | "commit-draft") || rest.bytes().all(|byte| byte.is_ascii_digit())
            });
            if is_ours && !keep(&entry.path()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Removes the log of a commit that nobody will repeat: see [`Committed::log`](crate::Committed::log).
///
/// # Errors
/// It is not the name of such a log, or the storage refuses.
pub fn forget(log: &Path) -> Result<()> {
    let is_log = log
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(".tidegate-") && name.ends_with(".commit"));
    if !is_log {
        return Err(Error::corrupt(log, "it is not the log of a commit"));
    }
    remove(log)
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(source)),
        _ => Ok(()),
    }
}

/// What has to be done for the rows to be visible. Doing it again does nothing more. All paths are below the sink's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommitLog {
    version: u8,
    /// Old files that go.
    pub(super) remove: Vec<PathBuf>,
    /// A hidden file takes the place of a visible one.
    pub(super) replace: Option<(PathBuf, PathBuf)>,
    /// Hidden files become new visible ones.
    pub(super) publish: Vec<NewPart>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// A hidden file that becomes `part-<number><extension>`, or the next number that is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NewPart {
    pub(super) from: PathBuf,
    pub(super) number: u64,
    pub(super) extension: String,
}

const LOG_VERSION: u8 = 1;

impl CommitLog {
    pub(super) fn new(rows: u64, bytes: u64) -> Self {
        Self { version: LOG_VERSION, remove: Vec::new(), replace: None, publish: Vec::new(), rows, bytes }
    }

    /// Reads the log that an earlier process left.
    pub(super) fn load(names: &Names) -> Result<Option<Self>> {
        let path = names.log();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io("read", &path)(source)),
        };
        match postcard::from_bytes::<Self>(&bytes) {
            Ok(log) if log.version == LOG_VERSION => Ok(Some(log)),
            _ => Err(Error::corrupt(&path, "it is not a commit log of this version of Tidegate")),
        }
    }

    /// Writes the log. From here on the outcome is settled.
    pub(super) fn save(&self, names: &Names) -> Result<()> {
        let draft = names.log_draft();
        let bytes = postcard::to_stdvec(self)
            .map_err(|source| Error::corrupt(&draft, format!("the commit log cannot be encoded: {source}")))?;
        let mut file = File::create(&draft).map_err(Error::io("create", &draft))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &draft))?;
        fs::rename(&draft, names.log()).map_err(Error::io("rename", &draft))?;
        sync_folder(names.folder())
    }

    /// Does what the log says, as far as it is not done yet. Returns the files that are visible by it.
    pub(super) fn apply(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        for name in &self.remove {
            remove(&folder.join(name))?;
        }
        let mut files = Vec::new();
        if let Some((from, to)) = &self.replace {
            let (from, to) = (folder.join(from), folder.join(to));
            if from.exists() {
                fs::rename(&from, &to).map_err(Error::io("rename", &from))?;
            } else if !to.exists() {
                return Err(Error::changed(&to, "it was to be replaced, but what it was to be replaced with is gone"));
            }
            files.push(to);
        }
        for part in &self.publish {
            files.push(part.publish(folder)?);
        }
        sync_folder(folder)?;
        Ok(files)
    }
}

impl NewPart {
    /// Gives the file its visible name without ever replacing another job's.
    pub(super) fn publish(&self, folder: &Path) -> Result<PathBuf> {
        let from = folder.join(&self.from);
        let path = |number: u64| folder.join(format!("part-{number}{}", self.extension));
        if !from.exists() {
            // Done before, under this number or, if that was taken, a later one.
            let done = path(self.number);
            let lost = "its rows were written, but neither it nor its hidden file is there any more";
            return if done.exists() { Ok(done) } else { Err(Error::changed(&done, lost)) };
        }
        for to in (self.number..).map(path) {
            match fs::hard_link(&from, &to) {
                Ok(()) => {}
                Err(_) if to.exists() && is_same_file(&from, &to) => {}
                Err(_) if to.exists() => continue,
                // A file system without links.
                Err(_) => {
                    fs::rename(&from, &to).map_err(Error::io("rename", &from))?;
                    return Ok(to);
                }
            }
            remove(&from)?;
            return Ok(to);
        }
        Err(Error::changed(folder, "every number of a part is taken"))
    }
}

/// Whether two names are of one file: a link made by a process that then crashed.
#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(_a: &Path, _b: &Path) -> bool {
    false
}

/// The number after the highest one that a `part-<number>…` in a folder has.
pub(super) fn next_part_number(folder: &Path) -> Result<u64> {
    let mut next = 0;
    for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
        let name = entry.map_err(Error::io("read the folder", folder))?.file_name().to_string_lossy().into_owned();
        let digits = name.strip_prefix("part-").map(|rest| rest.split('.').next().unwrap_or_default());
        if let Some(number) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(next)
}
