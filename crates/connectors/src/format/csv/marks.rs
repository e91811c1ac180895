//! Where the special bytes of CSV text stand: delimiters, line ends, quotes and escape characters.

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// Hands out the places of the special bytes of a text, in order.
///
/// The text is looked at 64 bytes at a time, which leaves a mask with a bit for each of them. That costs the same however many
/// fields they hold, and nothing depends on what the processor can foresee. It holds for one state of a text only: when the
/// text grows, there have to be new marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    special: [u8; 4],
    /// All special bytes from here on are still to be handed out.
    place: usize,
    /// Where the block begins, and which of its special bytes are still to be handed out.
    block: usize,
    rest: u64,
}

impl Marks {
    /// The special bytes of `text` from a place on; of the four, some may be the same.
    pub(crate) fn new(special: [u8; 4], text: &[u8], from: usize) -> Self {
        Self { special, place: from, block: from, rest: mask(special, text, from) }
    }

    /// All special bytes from here on are still to be handed out.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// The place of the next special byte.
    #[inline]
    pub(crate) fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.rest == 0 {
            if self.block >= text.len() {
                return None;
            }
            self.block += BLOCK;
            self.rest = mask(self.special, text, self.block);
        }
        let found = self.block + self.rest.trailing_zeros() as usize;
        self.rest &= self.rest - 1;
        self.place = found + 1;
        Some(found)
    }

    /// Passes over the special bytes before `place`.
    #[inline]
    pub(crate) fn skip_to(&mut self, text: &[u8], place: usize) {
        if place < self.block + BLOCK {
            self.rest &= u64::MAX << place.saturating_sub(self.block);
            self.place = place;
        } else {
            *self = Self::new(self.special, text, place);
        }
    }
}

/// Which of the 64 bytes from `from` on are special. Bytes after the end of the text are not.
#[inline(never)]
fn mask(special: [u8; 4], text: &[u8], from: usize) -> u64 {
    let rest = text.get(from..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => block_mask(special, block),
        None => {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            block_mask(special, &block) & !(u64::MAX << rest.len())
        }
    }
}

/// Which bytes of a block are special. The comparisons become vector instructions, and each multiplication gathers the lowest
/// bits of eight bytes into one.
#[inline]
fn block_mask([a, b, c, d]: [u8; 4], block: &[u8; BLOCK]) -> u64 {
    let mut hits = [0u8; BLOCK];
    for (hit, byte) in hits.iter_mut().zip(block) {
        *hit = u8::from((*byte == a) | (*byte == b) | (*byte == c) | (*byte == d));
    }
    let mut mask = 0;
    for (i, eight) in hits.as_chunks().0.iter().enumerate() {
        mask |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8], from: usize) -> Vec<usize> {
        let mut marks = Marks::new(*b",\n\"\0", text, from);
        std::iter::from_fn(|| marks.next(text)).collect()
    }

    proptest! {
        #[test]
        fn every_special_byte_is_found_once(text in "[a,\n\"\u{0}ü]{0,300}|[a-z,]{0,300}", from in 0usize..300) {
            let text = text.as_bytes();
            let from = from.min(text.len());
            let expected: Vec<usize> = (from..text.len()).filter(|at| b",\n\"\0".contains(&text[*at])).collect();
            prop_assert_eq!(all(text, from), expected);
        }

        #[test]
        fn what_is_skipped_is_not_handed_out(text in "[a,]{0,300}", skips in prop::collection::vec(0usize..100, 0..20)) {
            let text = text.as_bytes();
            let mut marks = Marks::new([b','; 4], text, 0);
            for skip in skips {
                marks.skip_to(text, marks.place() + skip);
                let place = marks.place();
                let expected = (place..text.len()).find(|at| text[*at] == b',');
                prop_assert_eq!(marks.next(text), expected);
            }
        }
    }
}
