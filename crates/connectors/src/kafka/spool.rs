//! Messages in a local file, from which they can be written again.
//!
//! A message is its key and its value, each after its length plus one as four bytes; a length of 0 stands for no bytes.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::format::message::Messages;
use crate::{Error, Result};

const BUFFER_BYTES: usize = 1 << 18;

/// A file that messages are added to.
pub(super) struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Spool {
    /// Begins a file.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::with_capacity(BUFFER_BYTES, file), bytes: 0 })
    }

    /// Goes on after the first `bytes` of a file, dropping what is behind them.
    pub(super) fn reopen(path: &Path, bytes: u64) -> Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
        check_size(path, &file, bytes)?;
        file.set_len(bytes).map_err(Error::io("truncate", path))?;
        file.seek(SeekFrom::Start(bytes)).map_err(Error::io("write", path))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::with_capacity(BUFFER_BYTES, file), bytes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds messages, as many keys as values.
    pub(super) fn append(&mut self, keys: &Messages, values: &Messages) -> Result<()> {
        for row in 0..values.len() {
            for part in [keys.get(row), values.get(row)] {
                // The client refuses messages that are anything near this long.
                let length = part.map_or(0, |part| part.len() as u32 + 1);
                self.file.write_all(&length.to_le_bytes()).map_err(Error::io("write", &self.path))?;
                self.file.write_all(part.unwrap_or_default()).map_err(Error::io("write", &self.path))?;
                self.bytes += 4 + part.map_or(0, |part| part.len() as u64);
            }
        }
        Ok(())
    }

    /// Makes everything so far durable and returns the size.
    pub(super) fn sync(&mut self) -> Result<u64> {
        self.file.flush().map_err(Error::io("write", &self.path))?;
        self.file.get_ref().sync_all().map_err(Error::io("sync", &self.path))?;
        Ok(self.bytes)
    }
}

fn check_size(path: &Path, file: &File, bytes: u64) -> Result<()> {
    let found = file.metadata().map_err(Error::io("read", path))?.len();
    if found < bytes {
        return Err(Error::changed(path, format!("it had {bytes} bytes at the checkpoint and now has {found}")));
    }
    Ok(())
}

/// Reads messages again.
pub(super) struct Replay {
    path: PathBuf,
    file: BufReader<File>,
    /// The bytes read, and those to read.
    at: u64,
    bytes: u64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Replay {
    /// Reads the first `bytes` of a file.
    pub(super) fn open(path: &Path, bytes: u64) -> Result<Self> {
        Self::part(path, 0, bytes)
    }

    /// Reads from a place where a message begins to one where one ends.
    pub(super) fn part(path: &Path, start: u64, end: u64) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        check_size(path, &file, end)?;
        file.seek(SeekFrom::Start(start)).map_err(Error::io("read", path))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Self { path: path.to_path_buf(), file, at: start, bytes: end, key: Vec::new(), value: Vec::new() })
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The key and the value of the next message.
    #[expect(clippy::type_complexity, reason = "a message is a key and a value, and either may be missing")]
    pub(super) fn next(&mut self) -> Result<Option<(Option<&[u8]>, Option<&[u8]>)>> {
        if self.at >= self.bytes {
            return Ok(None);
        }
        let mut has = [false; 2];
        for (has, part) in has.iter_mut().zip([&mut self.key, &mut self.value]) {
            let mut length = [0; 4];
            self.file.read_exact(&mut length).map_err(Error::io("read", &self.path))?;
            let length = u64::from(u32::from_le_bytes(length));
            *has = length > 0;
            let length = length.saturating_sub(1);
            if length > self.bytes - self.at {
                return Err(Error::changed(&self.path, format!("its message at byte {} goes beyond its end", self.at)));
            }
            part.resize(length as usize, 0);
            self.file.read_exact(part).map_err(Error::io("read", &self.path))?;
            self.at += 4 + length;
        }
        Ok(Some((has[0].then_some(&self.key[..]), has[1].then_some(&self.value[..]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let (mut keys, mut values) = (Messages::default(), Messages::default());
        let written = [(Some("a"), Some("1")), (None, Some("")), (Some(""), None), (None, None)];
        for (key, value) in written {
            keys.push(key.map(str::as_bytes));
            values.push(value.map(str::as_bytes));
        }
        let mut spool = Spool::create(&path).unwrap();
        spool.append(&keys, &values).unwrap();
        let bytes = spool.sync().unwrap();
        // What comes after the checkpoint is dropped.
        spool.append(&keys, &values).unwrap();
        spool.sync().unwrap();
        assert_eq!(Spool::reopen(&path, bytes).unwrap().sync().unwrap(), bytes);

        let mut replay = Replay::open(&path, bytes).unwrap();
        let mut found = Vec::new();
        while let Some((key, value)) = replay.next().unwrap() {
            let text = |part: Option<&[u8]>| part.map(|part| String::from_utf8(part.to_vec()).unwrap());
            found.push((text(key), text(value)));
        }
        let expected: Vec<_> = written.iter().map(|(k, v)| (k.map(str::to_string), v.map(str::to_string))).collect();
        assert_eq!(found, expected);
        assert_eq!(replay.at(), bytes);
        assert!(Replay::open(&path, bytes + 1).err().unwrap().to_string().contains("bytes at the checkpoint"));
    }
}
