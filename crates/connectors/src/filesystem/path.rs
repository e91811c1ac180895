//! Which files a table's path stands for.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::input::read_up_to;
use crate::error::nearby_files;
use crate::{Error, Fingerprint, Result};

/// The ends of names that make a path one file rather than a folder.
const FILE_EXTENSIONS: &[&str] = &["csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet"];

/// How deep folders are followed, so that a loop of links ends.
const DEPTH_MAX: usize = 32;

/// How much of each end of a file goes into its fingerprint.
const FINGERPRINT_BYTES: usize = 4096;

/// A table's path against the folder of the script; `file:` URLs are paths too.
pub(crate) fn resolve(table: &str, path: &str, base_dir: &Path) -> Result<PathBuf> {
    let plain = match path.split_once("://") {
        Some(("file", rest)) => rest,
        Some((scheme, _)) => {
            let message = format!("'path' = '{path}': only local files can be read and written, not '{scheme}:'");
            return Err(Error::declaration(table, Some("path"), message));
        }
        None => path.strip_prefix("file:").unwrap_or(path),
    };
    if plain.trim().is_empty() {
        return Err(Error::declaration(table, Some("path"), "'path' is empty"));
    }
    Ok(base_dir.join(plain))
}

/// Whether a sink's path is one file (rather than a folder of them).
pub(crate) fn is_one_file(path: &Path) -> bool {
    if path.is_dir() {
        return false;
    }
    let mut name = path.to_path_buf();
    if super::compression::Compression::from_extension(&name).is_some() {
        name.set_extension("");
    }
    let extension = name.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    FILE_EXTENSIONS.contains(&extension.as_str())
}

/// The files that a source's path stands for, in the order in which they are read.
///
/// A folder stands for every file in it and below whose name, and whose folders' names, begin with neither `.` nor `_`.
pub(crate) fn list(table: &str, path: &Path) -> Result<Vec<PathBuf>> {
    let no_file = |hint: String| Error::NoFile { table: table.to_string(), path: path.display().to_string(), hint };
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    if path.is_dir() {
        let mut files = Vec::new();
        walk(path, 0, &mut files)?;
        files.sort();
        return Ok(files);
    }
    let pattern = path.to_string_lossy();
    if !pattern.contains(['*', '?', '[']) {
        return Err(match fs::metadata(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Error::io("open", path)(source),
            _ => no_file(nearby_files(path)),
        });
    }
    let matches = glob::glob(&pattern).map_err(|e| {
        Error::declaration(table, Some("path"), format!("'path' = '{pattern}' is not a pattern: {}", e.msg))
    })?;
    let mut files = Vec::new();
    for found in matches {
        let found = found.map_err(|e| Error::io("read the folder", e.path())(e.into()))?;
        if found.is_dir() {
            walk(&found, 0, &mut files)?;
        } else if !is_hidden(&found) {
            files.push(found);
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() { Err(no_file("; the pattern matches no file".to_string())) } else { Ok(files) }
}

/// As [`list`], of a folder or pattern that is watched: it may have no files yet.
pub(crate) fn list_watched(table: &str, path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        let message = format!(
            "'source.monitor-interval' is for a folder or a pattern, and '{}' is a file: name the folder that it is in",
            path.display()
        );
        return Err(Error::declaration(table, Some("source.monitor-interval"), message));
    }
    match list(table, path) {
        Err(Error::NoFile { .. }) if path.to_string_lossy().contains(['*', '?', '[']) => Ok(Vec::new()),
        files => files,
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']))
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::corrupt(folder, format!("folders are nested more than {DEPTH_MAX} deep")));
    }
    for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
        let path = entry.map_err(Error::io("read the folder", folder))?.path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// What the file looks like: its size and a hash of its two ends.
pub(crate) fn fingerprint(path: &Path) -> Result<Fingerprint> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let mut buffer = [0; FINGERPRINT_BYTES];
    let mut head = Hash::default();
    let filled = read_up_to(&mut file, &mut buffer).map_err(Error::io("read", path))?;
    head.add(&buffer[..filled]);
    if bytes > FINGERPRINT_BYTES as u64 {
        let tail = bytes.saturating_sub(FINGERPRINT_BYTES as u64).max(FINGERPRINT_BYTES as u64);
        file.seek(SeekFrom::Start(tail)).map_err(Error::io("read", path))?;
        let filled = read_up_to(&mut file, &mut buffer).map_err(Error::io("read", path))?;
        head.add(&buffer[..filled]);
    }
    Ok(Fingerprint { bytes, head: head.0, listing: 0 })
}

/// FNV-1a, which stays the same from one build to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash(pub(crate) u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// Makes a rename, a creation or a removal in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    // Only where a folder can be opened as a file.
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io("sync the folder", folder))?;
    }
    Ok(())
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
