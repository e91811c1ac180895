//! What is computed OVER rows.

use arrow::array::ArrayRef;

use super::frame::Rows;
use crate::Result;

/// A function over the rows of a frame, for all keys of a shard. What it gives for a row depends on the earlier rows of the
/// row's key alone, never on which rows are emitted together.
pub(crate) trait OverFunction: Send {
    /// The results for some rows, in their order. `leaving` tells for each row how many of its key's rows leave the frame
    /// before it comes in; it is empty if none ever do.
    fn evaluate(&mut self, rows: &Rows<'_>, leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef>;

    /// Keeps some of the keys, which are numbered anew in the same order. The others have no row in any frame to come.
    fn retain(&mut self, kept: &[bool]);

    fn state_bytes(&self) -> usize;

    fn save(&mut self) -> Result<Vec<u8>>;

    fn restore(&mut self, bytes: &[u8]) -> Result<()>;
}
