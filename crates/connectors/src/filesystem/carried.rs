//! Hidden rows of a sink, carried from one run to another in a savepoint.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::commit::Names;
use super::path::{is_one_file, sync_folder};
use super::prepared::Prepared;
use super::sink::Target;
use crate::{Error, Result, SinkRequest};

impl Names {
    /// Of the temporary files of a sink.
    pub(super) fn of(job: &str, target: &Target) -> Self {
        match is_one_file(&target.path) {
            true => Self::new(job, &target.path),
            false => Self::new(job, &target.path.join("part")),
        }
    }
}

/// Copies the segments of a `prepare` into a folder, each under its number.
pub(super) fn carry(names: &Names, target: &Path, prepared: &[u8], folder: &Path) -> Result<()> {
    let prepared = Prepared::decode(target, prepared)?;
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    for segment in &prepared.segments {
        copy(&names.segment(segment.id), &folder.join(segment.id.to_string()), segment.bytes)?;
    }
    sync_folder(folder)
}

/// Puts carried segments where the sink of a request looks for them.
pub(super) fn adopt(target: &Target, request: &SinkRequest, folder: &Path) -> Result<()> {
    let Some(prepared) = &request.restore else { return Ok(()) };
    let names = Names::of(&request.job, target);
    let prepared = Prepared::decode(&target.path, prepared)?;
    fs::create_dir_all(names.folder()).map_err(Error::io("create the folder", names.folder()))?;
    for segment in &prepared.segments {
        copy(&folder.join(segment.id.to_string()), &names.segment(segment.id), segment.bytes)?;
    }
    sync_folder(names.folder())
}

/// Copies the first bytes of a file: what it has beyond them was written later.
fn copy(from: &Path, to: &Path, bytes: u64) -> Result<()> {
    let read = File::open(from).map_err(Error::io("open", from))?;
    let mut write = File::create(to).map_err(Error::io("create", to))?;
    let copied = io::copy(&mut read.take(bytes), &mut write).map_err(Error::io("write", to))?;
    if copied < bytes {
        return Err(Error::changed(from, format!("it had {bytes} bytes and now has {copied}")));
    }
    write.sync_all().map_err(Error::io("sync", to))
}
