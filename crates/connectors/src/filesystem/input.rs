//! A text file as a window of bytes that slides over it.

use std::fs::File;
use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compression::{Compression, Counted};
use crate::{Error, Result};

/// How much is asked of the file at a time.
const READ_BYTES: usize = 1 << 18;

/// The bytes of a file after decompression: a window that grows at its end and is cut at its start.
pub(crate) struct Input {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    /// The bytes taken from the file itself, packed as they are.
    taken: Arc<AtomicU64>,
    window: Vec<u8>,
    /// Where in the plain bytes the window begins.
    offset: u64,
    /// How many bytes were forgotten in the middle of the window.
    cut: u64,
    at_end: bool,
}

impl Input {
    /// Opens a file at its start. Without a compression given, the file's name and then its first bytes decide.
    pub(crate) fn open(path: &Path, compression: Option<Compression>) -> Result<Self> {
        Self::open_at(path, compression, 0)
    }

    /// Opens a file so that the window begins at an offset into the plain bytes.
    pub(crate) fn open_at(path: &Path, compression: Option<Compression>, offset: u64) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut head = [0; 4];
        let head_bytes = read_up_to(&mut file, &mut head).map_err(Error::io("read", path))?;
        let compression = match compression.or_else(|| Compression::from_extension(path)) {
            _ if head_bytes == 0 => Compression::None,
            Some(compression) => compression,
            None => Compression::from_magic(&head[..head_bytes]),
        };
        let seek_to = if compression == Compression::None { offset } else { 0 };
        file.seek(SeekFrom::Start(seek_to)).map_err(Error::io("read", path))?;
        let taken = Arc::new(AtomicU64::new(seek_to));
        let counted = Counted { inner: file, count: taken.clone() };
        let mut reader = compression.decoder(counted).map_err(Error::io("decompress", path))?;
        if compression != Compression::None && offset > 0 {
            let skipped =
                io::copy(&mut reader.by_ref().take(offset), &mut io::sink()).map_err(Error::io("decompress", path))?;
            if skipped < offset {
                return Err(Error::changed(
                    path,
                    format!("cannot continue at byte {offset}: the file now has only {skipped} bytes"),
                ));
            }
        }
        Ok(Self { path: path.to_path_buf(), reader, taken, window: Vec::new(), offset, cut: 0, at_end: false })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes that are at hand.
    pub(crate) fn window(&self) -> &[u8] {
        &self.window
    }

    /// Whether the window reaches the end of the file.
    pub(crate) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Where in the plain bytes the window begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes were taken from the file itself.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Lets the window grow by what the file gives next.
    pub(crate) fn grow(&mut self) -> Result<()> {
        let old = self.window.len();
        self.window.resize(old + READ_BYTES, 0);
        let read = read_up_to(&mut self.reader, &mut self.window[old..]);
        let bytes = read.as_ref().copied().unwrap_or(0);
        self.window.truncate(old + bytes);
        self.at_end = bytes < READ_BYTES;
        match read {
            Ok(_) => Ok(()),
            // What the decompressors say about damaged input.
            Err(source) if matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof | Other) => {
                let at = self.offset + old as u64;
                Err(Error::corrupt(&self.path, format!("cannot decompress the bytes after byte {at}: {source}")))
            }
            Err(source) => Err(Error::io("read", &self.path)(source)),
        }
    }

    /// Cuts off the mark that some programs put in front of UTF-8. The window stands at the start of the file.
    pub(crate) fn skip_byte_order_mark(&mut self) -> Result<()> {
        if self.window.is_empty() && !self.at_end {
            self.grow()?;
        }
        if self.window.starts_with(b"\xef\xbb\xbf") {
            self.consume(3);
        }
        Ok(())
    }

    /// Cuts off the first bytes of the window, and with them what was cut out among them.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.window.drain(..bytes);
        self.offset += bytes as u64 + std::mem::take(&mut self.cut);
    }

    /// Where the line that begins at `at` ends in the window. Of a very long line only its first `keep` bytes (and a few more)
    /// stay there; the others count as consumed when what is before them is.
    pub(crate) fn line_end(&mut self, at: usize, keep: usize) -> Result<usize> {
        let keep = at + keep + 1;
        let mut searched = at;
        loop {
            match self.window[searched..].iter().position(|byte| *byte == b'\n') {
                Some(length) => return Ok(searched + length + 1),
                None if self.at_end => return Ok(self.window.len()),
                None => {
                    if self.window.len() > keep {
                        self.cut += (self.window.len() - keep) as u64;
                        self.window.truncate(keep);
                    }
                    searched = self.window.len();
                    self.grow()?;
                }
            }
        }
    }
}

/// Fills `buffer` as far as the reader can, and says how far.
pub(crate) fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(source),
        }
    }
    Ok(filled)
}
