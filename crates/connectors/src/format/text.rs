//! What the formats of text have in common on the writing side.

use arrow::array::RecordBatch;

use crate::Result;

/// Turns batches into text.
pub(crate) trait TextEncoder: Send {
    /// What stands at the top of a file; empty for formats without a header.
    fn header(&self) -> Vec<u8>;

    /// Adds a batch's rows. The batch has the columns that the encoder was made for.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Checks that the first line of a file that is to be continued is one that this encoder would have written.
    fn accepts_header(&self, first_line: &[u8]) -> Result<(), String>;
}
