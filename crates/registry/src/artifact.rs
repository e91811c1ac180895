//! Artifact files, named by the SHA-256 of their bytes.
//!
//! Named by content, a file never changes, a rename of a model touches no file, and writing the same artifact again is
//! harmless. Every function that creates or removes a file expects its caller to hold the database's write lock: then one
//! name for the file being written is enough, and what no version names is an orphan that may go.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
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

    /// Copies a file as an artifact, a piece at a time; returns its digest and length. As [`Artifacts::write`] otherwise.
    pub(crate) fn copy(&self, from: &Path) -> Result<(String, u64)> {
        let incoming = self.folder.join(INCOMING);
        let mut source = File::open(from).map_err(Error::file("open", from))?;
        let mut file = File::create(&incoming).map_err(Error::file("create", &incoming))?;
        let (sha256, bytes) =
            pass(&mut source, |piece| file.write_all(piece)).map_err(Error::file("write", &incoming))?;
        file.sync_all().map_err(Error::file("write", &incoming))?;
        drop(file);
        let path = self.path(&sha256);
        fs::rename(&incoming, &path).map_err(Error::file("rename a file to", &path))?;
        sync_folder(&self.folder)?;
        Ok((sha256, bytes))
    }

    /// Opens the artifact of a version, and checks that it is what was registered.
    pub(crate) fn open_file(&self, version: &Version) -> Result<File> {
        let path = self.path(&version.artifact_sha256);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::MissingArtifact { model: version.model.clone(), number: version.number, path });
            }
            Err(error) => return Err(Error::file("open", &path)(error)),
        };
        let (sha256, bytes) = pass(&mut file, |_| Ok(())).map_err(Error::file("read", &path))?;
        if sha256 != version.artifact_sha256 {
            return Err(corrupt(version, path, bytes, sha256));
        }
        file.rewind().map_err(Error::file("read", &path))?;
        Ok(file)
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
            return Err(corrupt(version, path, bytes.len() as u64, sha256));
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

fn corrupt(version: &Version, path: PathBuf, bytes: u64, sha256: String) -> Error {
    Error::CorruptArtifact {
        model: version.model.clone(),
        number: version.number,
        path,
        bytes,
        sha256,
        bytes_expected: version.artifact_bytes,
        sha256_expected: version.artifact_sha256.clone(),
    }
}

/// Reads a file to its end, a piece at a time; returns the digest and the length.
fn pass(from: &mut File, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<(String, u64)> {
    let (mut piece, mut bytes, mut sha256) = (vec![0; 1 << 16], 0, Sha256::new());
    loop {
        let len = from.read(&mut piece)?;
        if len == 0 {
            return Ok((hexadecimal(&sha256.finalize()), bytes));
        }
        sha256.update(&piece[..len]);
        take(&piece[..len])?;
        bytes += len as u64;
    }
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
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
    fn a_file_is_copied_and_opened_as_if_it_were_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path().join("artifacts")).unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|i| i.wrapping_mul(i) as u8).collect();
        let from = folder.path().join("large");
        fs::write(&from, &bytes).unwrap();
        assert_eq!(artifacts.copy(&from).unwrap(), (digest(&bytes), 200_000));
        let version = Version {
            model: "m".into(),
            number: 1,
            created_at: 0,
            facts: crate::VersionFacts::default(),
            artifact_sha256: digest(&bytes),
            artifact_bytes: 200_000,
            aliases: Vec::new(),
        };
        let mut read = Vec::new();
        artifacts.open_file(&version).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        fs::write(artifacts.path(&version.artifact_sha256), b"else").unwrap();
        assert!(matches!(artifacts.open_file(&version), Err(Error::CorruptArtifact { bytes: 4, .. })));
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
