//! Formats of single messages, such as those of a topic: each message is a row, and where it ends is known.

use arrow::array::RecordBatch;

use super::BadRows;
use crate::Result;

/// Messages, one after the other in one buffer. Behind each stands a line feed that is not part of it, so that formats of
/// lines can take the buffer as it is.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Where each begins and ends in the buffer; `None` is a message without bytes, which is not an empty one.
    places: Vec<Option<(usize, usize)>>,
}

impl Messages {
    /// Adds a message.
    pub(crate) fn push(&mut self, message: Option<&[u8]>) {
        match message {
            Some(message) => self.push_with(|bytes| bytes.extend_from_slice(message)),
            None => self.places.push(None),
        }
    }

    /// Adds a message of the bytes that `write` adds to the buffer.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.places.push(Some((start, self.bytes.len())));
        self.bytes.push(b'\n');
    }

    /// Takes a buffer of lines, each a message.
    pub(crate) fn push_lines(&mut self, lines: &[u8]) {
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(lines);
        while let Some(length) = self.bytes[start..].iter().position(|byte| *byte == b'\n') {
            self.places.push(Some((start, start + length)));
            start += length + 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many bytes they have together, with the line feeds.
    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// A message; `None` if it has no bytes.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.places[index].map(|(start, end)| &self.bytes[start..end])
    }

    /// The whole buffer.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole buffer, and where in it a message begins and ends.
    pub(crate) fn place(&self, index: usize) -> (&[u8], usize, usize) {
        let (start, end) = self.places[index].unwrap_or_default();
        (&self.bytes, start, end)
    }

    /// Whether a message has no bytes.
    pub(crate) fn is_null(&self, index: usize) -> bool {
        self.places[index].is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Which messages a decoder reads: those with bytes that are not marked as bad.
    pub(crate) fn wanted(&self, bad: &BadRows) -> Vec<usize> {
        (0..self.len()).filter(|index| !self.is_null(*index) && !bad.is_bad(*index)).collect()
    }
}

/// Reads messages as rows.
pub(crate) trait MessageDecoder: Send {
    /// The rows of the messages that have bytes and are not marked in `bad`: not before, and not by this call, which marks those
    /// that it cannot read.
    ///
    /// # Errors
    /// What is needed to read messages, such as a registry of schemas, is not to be had. A message that cannot be read is no error.
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch>;
}

/// Writes rows as messages.
pub(crate) trait MessageEncoder: Send {
    /// Adds a message for each row of a batch, whose columns are those that the encoder was made for.
    ///
    /// # Errors
    /// A value has no form in the format, or a registry of schemas cannot be reached.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()>;
}
