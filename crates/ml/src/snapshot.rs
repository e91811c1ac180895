//! The envelope around saved state: what it is, which version of its format, and a checksum.
//!
//! ```text
//!  "TDGT" | kind length u8 | kind | format version u8 | payload length u64 LE | payload | CRC-32 of all before, u32 LE
//! ```
//! A reader refuses what it does not know and never panics on corrupt bytes.
//!
//! ```
//! use tidegate_ml::snapshot::{open, seal};
//! let bytes = seal("example", 1, &[1, 2, 3]);
//! assert_eq!(open("example", 1, &bytes).unwrap(), &[1, 2, 3]);
//!
//! let mut corrupt = bytes.clone();
//! corrupt[22] ^= 1;
//! assert!(open("example", 1, &corrupt).unwrap_err().to_string().contains("checksum"));
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 4] = b"TDGT";

/// Why saved state cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does, or end too early.
    #[error("not a Tidegate snapshot, or cut short: {0}")]
    Malformed(&'static str),
    /// The bytes are a snapshot of something else.
    #[error("a snapshot of '{found}', where one of '{expected}' was expected")]
    Kind {
        /// What the snapshot holds.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The format is newer than this program.
    #[error("snapshot of '{kind}' has format {found}; this program reads up to {known}: use a newer Tidegate")]
    Version {
        /// What the snapshot holds.
        kind: String,
        /// The format it is in.
        found: u8,
        /// The newest format that this program reads.
        known: u8,
    },
    /// The checksum does not match.
    #[error("corrupt snapshot: the checksum does not match its content")]
    Checksum,
    /// The checksum matches but the content makes no sense.
    #[error("corrupt snapshot: {0}")]
    Content(String),
}

/// Wraps `payload` in an envelope.
pub fn seal(kind: &str, version: u8, payload: &[u8]) -> Vec<u8> {
    debug_assert!(kind.len() <= u8::MAX as usize);
    let mut bytes = Vec::with_capacity(payload.len() + kind.len() + 18);
    bytes.extend_from_slice(MAGIC);
    bytes.push(kind.len() as u8);
    bytes.extend_from_slice(kind.as_bytes());
    bytes.push(version);
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(payload);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks the envelope and returns the payload.
///
/// # Errors
/// When the bytes are not a snapshot of `kind`, are corrupt, or have a format above `version`.
pub fn open<'a>(kind: &str, version: u8, bytes: &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Malformed("the first four bytes are wrong"))?;
    let (&kind_length, rest) = rest.split_first().ok_or(SnapshotError::Malformed("no kind"))?;
    let (found, rest) = rest.split_at_checked(kind_length.into()).ok_or(SnapshotError::Malformed("no kind"))?;
    let (&found_version, rest) = rest.split_first().ok_or(SnapshotError::Malformed("no format version"))?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(SnapshotError::Malformed("no length"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (payload, rest) = rest.split_at_checked(length).ok_or(SnapshotError::Malformed("the content is cut short"))?;
    let crc = <[u8; 4]>::try_from(rest).map_err(|_| SnapshotError::Malformed("no checksum, or bytes after it"))?;
    if crc32fast::hash(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(crc) {
        return Err(SnapshotError::Checksum);
    }
    let found = String::from_utf8_lossy(found);
    if found != kind {
        return Err(SnapshotError::Kind { found: found.into_owned(), expected: kind.to_string() });
    }
    if found_version > version || found_version == 0 {
        return Err(SnapshotError::Version { kind: kind.to_string(), found: found_version, known: version });
    }
    Ok(payload)
}

/// Reads the first field of a value of `kind` from the first bytes of its snapshot, unchecked: for lists of snapshots that are
/// too large to be read whole.
pub fn decode_first<T: DeserializeOwned>(kind: &str, start: &[u8]) -> Option<T> {
    let rest = start.strip_prefix(MAGIC)?;
    let (&kind_length, rest) = rest.split_first()?;
    let (found, rest) = rest.split_at_checked(kind_length.into())?;
    // The version and the length come before the payload.
    let payload = rest.get(9..).filter(|_| found == kind.as_bytes())?;
    postcard::take_from_bytes(payload).ok().map(|(value, _)| value)
}

/// Turns a value into bytes without an envelope: for parts of a larger snapshot.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("state types serialize without fail: they hold no maps of unknown length")
}

/// Reads a value that [`encode`] wrote.
///
/// # Errors
/// When the bytes are not such a value, or more follow.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(SnapshotError::Content(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(SnapshotError::Content(error.to_string())),
    }
}
