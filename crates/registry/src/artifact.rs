//! Artifact files, named by the SHA-256 of their bytes.
//!
//! Named by content, a file never changes, a rename of a model touches no file, and writing the same artifact again is
//! harmless. Every function that creates or removes a file expects its caller to hold the database's write lock: then one
//! name for the file being written is enough, and what no version names is an orphan that may go.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::facts::Version;

/// The file being written. It is not a digest, so no artifact has this name.
const INCOMING: &str = "incoming.tmp";

/// The folder of artifacts.
#[derive(Debug)]
pub(crate) struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    pub(crate) fn open(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
        Ok(Self { folder })
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// Writes the artifact and returns its digest. It is on the disk, whole, when this returns.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<String> {
        let sha256 = digest(bytes);
        let incoming = self.folder.join(INCOMING);
        let path = self.path(&sha256);
        let mut file = File::create(&incoming).map_err(Error::file("create", &incoming))?;
        file.write_all(bytes).map_err(Error::file("write", &incoming))?;
        file.sync_all().map_err(Error::file("write", &incoming))?;
        drop(file);
        // Also over a file of that name: should it have been damaged, it is whole again.
        fs::rename(&incoming, &path).map_err(Error::file("rename a file to", &path))?;
        sync_folder(&self.folder)?;
        Ok(sha256)
    }

    /// Reads the artifact of a version and checks that it is what was registered.
    pub(crate) fn read(&self, version: &Version) -> Result<Vec<u8>> {
        let path = self.path(&version.artifact_sha256);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::MissingArtifact { model: version.model.clone(), number: version.number, path });
            }
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let sha256 = digest(&bytes);
        if sha256 != version.artifact_sha256 {
            return Err(Error::CorruptArtifact {
                model: version.model.clone(),
                number: version.number,
                path,
                bytes: bytes.len() as u64,
                sha256,
                bytes_expected: version.artifact_bytes,
                sha256_expected: version.artifact_sha256.clone(),
            });
        }
        Ok(bytes)
    }

    /// Removes an artifact. One that is gone already is no error.
    pub(crate) fn remove(&self, sha256: &str) -> Result<()> {
        let path = self.path(sha256);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::file("remove", &path)(error)),
        }
    }

    /// The files that no version names: what a crash left behind, or what another process is about to commit.
    pub(crate) fn orphans(&self, referenced: &HashSet<String>) -> Result<Vec<String>> {
        let unreadable = |error| Error::file("list", &self.folder)(error);
        let mut orphans = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let Some(name) = name.to_str() else { continue };
            // Only what this module wrote may be removed: a user's own file in the folder stays.
            let ours = name == INCOMING || (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()));
            if ours && !referenced.contains(name) {
                orphans.push(name.to_owned());
            }
        }
        Ok(orphans)
    }
}

/// Makes a rename last through a power failure. Folders can only be synced on Unix.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(Error::file("sync the folder", folder))?;
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_our_own_unreferenced_files_are_orphans() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path().to_owned()).unwrap();
        let kept = artifacts.write(b"kept").unwrap();
        let lost = artifacts.write(b"lost").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        fs::write(folder.path().join(INCOMING), "half an artif").unwrap();
        let mut orphans = artifacts.orphans(&HashSet::from([kept])).unwrap();
        orphans.sort();
        let mut expected = [lost, INCOMING.to_owned()];
        expected.sort();
        assert_eq!(orphans, expected);
    }
}
