//! A file that is there already and that rows are added to.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::compression::Compression;
use super::input::read_up_to;
use crate::{Error, Result};

/// The size of a file, 0 if there is none.
pub(super) fn file_size(path: &Path) -> Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(Error::io("read", path)(source)),
    }
}

/// Whether the last line of a file of text is ended. Of a compressed one that takes reading it all.
pub(super) fn ends_with_newline(path: &Path, compression: Compression) -> Result<bool> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    if compression == Compression::None {
        file.seek(SeekFrom::End(-1)).map_err(Error::io("read", path))?;
    }
    let mut plain = compression.decoder(file).map_err(Error::io("decompress", path))?;
    let mut buffer = vec![0; 1 << 16];
    let mut last = b'\n';
    loop {
        let bytes = read_up_to(&mut plain, &mut buffer)
            .map_err(|source| Error::corrupt(path, format!("rows cannot be added to it: {source}")))?;
        match buffer[..bytes].last() {
            Some(byte) => last = *byte,
            None => return Ok(last == b'\n'),
        }
    }
}
