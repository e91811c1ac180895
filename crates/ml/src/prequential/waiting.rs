//! Rows that wait for their label.

use crate::model::Incoming;
use crate::rows::Rows;
use crate::transform::Pipeline;
use crate::{Error, Result};

/// A store of rows with a slot each, in one block of memory. Row-major, unlike all else here: rows come and go one by one, and
/// a row that lies in one piece is a cache line or two.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `label | weight | the row, packed` for each slot.
    words: Vec<u64>,
    /// Words of a slot.
    stride: usize,
    /// Words of the texts of each slot, where models read words.
    texts: Option<Vec<Vec<u64>>>,
    /// Bytes that they take.
    text_bytes: usize,
    /// Slots to be filled again.
    free: Vec<u32>,
}

impl Waiting {
    pub(super) fn new(pipeline: &Pipeline) -> Self {
        let rows = Rows::new(pipeline.columns());
        Self {
            words: Vec::new(),
            stride: 2 + rows.packed_words(),
            texts: rows.have_words().then(Vec::new),
            text_bytes: 0,
            free: Vec::new(),
        }
    }

    /// Keeps a row; returns its slot.
    pub(super) fn put(&mut self, incoming: &Incoming, row: usize) -> Result<u32> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.words.len() / self.stride)
                    .map_err(|_| Error::Batch("more than 4 billion rows wait for their label".to_string()))?;
                self.words.resize(self.words.len() + self.stride, 0);
                slot
            }
        };
        let words = self.slot_mut(slot);
        words[0] = incoming.labels[row].to_bits();
        words[1] = incoming.weights.get(row).copied().unwrap_or(1.0).to_bits();
        incoming.rows.pack(row, &mut words[2..]);
        if let Some(texts) = &mut self.texts {
            texts.resize_with(texts.len().max(slot as usize + 1), Vec::new);
            let text = &mut texts[slot as usize];
            let before = text.capacity();
            text.clear();
            incoming.rows.words_of(row, text);
            self.text_bytes += (text.capacity() - before) * 8;
        }
        Ok(slot)
    }

    /// Appends the row of a slot to others, and frees the slot.
    pub(super) fn take(&mut self, slot: u32, weighted: bool, to: &mut Incoming) {
        self.copy(slot, weighted, to);
        self.free.push(slot);
    }

    /// Lets a row go.
    pub(super) fn free(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Appends the row of a slot to others.
    pub(super) fn copy(&self, slot: u32, weighted: bool, to: &mut Incoming) {
        let words = &self.words[slot as usize * self.stride..][..self.stride];
        to.labels.push(f64::from_bits(words[0]));
        if weighted {
            to.weights.push(f64::from_bits(words[1]));
        }
        let texts = self.texts.as_ref().and_then(|texts| texts.get(slot as usize));
        to.rows.push_packed(&words[2..], texts.map(Vec::as_slice).unwrap_or_default());
    }

    fn slot_mut(&mut self, slot: u32) -> &mut [u64] {
        &mut self.words[slot as usize * self.stride..][..self.stride]
    }

    pub(super) fn state_bytes(&self) -> usize {
        let texts = self.texts.as_ref().map_or(0, |texts| texts.capacity() * size_of::<Vec<u64>>() + self.text_bytes);
        self.words.capacity() * 8 + texts + self.free.capacity() * 4
    }
}
