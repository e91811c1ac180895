//! Compressed files, read and written as streams.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression as GzipLevel;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// The values of the option `compression`.
    pub(crate) const NAMES: &[&str] = &["none", "gzip", "zstd"];

    /// Reads one of [`Compression::NAMES`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the end of a file's name says.
    pub(crate) fn from_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Some(Self::Gzip),
            "zst" | "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the first bytes of a file say.
    pub(crate) fn from_magic(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What a file's name gets at its end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The plain bytes of `file`, which stands at its start.
    pub(crate) fn decoder(self, file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))),
            Self::Zstd => Box::new(zstd::Decoder::new(file)?),
        })
    }
}

/// Counts the bytes that go through it.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    pub(crate) inner: R,
    pub(crate) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.count.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Writes to the end of a file in members (gzip) or frames (zstd) that can be concatenated: [`Packer::flush_member`] ends one, so
/// that the file up to there is whole. A member begins with the first byte after that, so none is empty.
pub(crate) struct Packer {
    compression: Compression,
    state: Option<State>,
}

enum State {
    Between(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
}

impl Packer {
    /// `file` stands where the next byte goes.
    pub(crate) fn new(compression: Compression, file: File) -> Self {
        Self { compression, state: Some(State::Between(file)) }
    }

    /// Adds plain bytes.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let state = match self.state.take().ok_or_else(broken)? {
            State::Between(file) => match self.compression {
                Compression::None => State::Between(file),
                Compression::Gzip => State::Gzip(GzEncoder::new(file, GzipLevel::default())),
                Compression::Zstd => State::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
            },
            begun => begun,
        };
        match self.state.insert(state) {
            State::Between(file) => file.write_all(bytes),
            State::Gzip(encoder) => encoder.write_all(bytes),
            State::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Ends the member that was begun, if any, and gives the file, which now holds everything.
    pub(crate) fn flush_member(&mut self) -> io::Result<&mut File> {
        let file = match self.state.take().ok_or_else(broken)? {
            State::Between(file) => file,
            State::Gzip(encoder) => encoder.finish()?,
            State::Zstd(encoder) => encoder.finish()?,
        };
        match self.state.insert(State::Between(file)) {
            State::Between(file) => Ok(file),
            _ => Err(broken()),
        }
    }
}

/// After a failed write there is nothing to go on with.
fn broken() -> io::Error {
    io::Error::other("an earlier write to this file failed")
}
