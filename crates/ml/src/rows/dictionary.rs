//! Texts as small numbers.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use twox_hash::XxHash64;

/// The id of NULL.
pub const NULL: u32 = u32::MAX;

/// The id of a text that the dictionary does not hold.
pub const UNKNOWN: u32 = u32::MAX - 1;

/// The hash of NULL, see [`hash_text`].
pub const NULL_HASH: u64 = 0;

/// Gives each distinct text of a column an id, from 0 in the order in which they are met.
///
/// Ids are handles within one process and are never saved: learned state keeps the texts themselves. So it does not matter
/// to any result in which order, or how early, a text got its id.
///
/// All texts lie end to end in one buffer; a text costs its bytes and about 20 more.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    /// Ids, by the hash of their text. Randomly seeded: nobody can prepare texts that all collide.
    ids: HashTable<u32>,
    seed: DefaultHashBuilder,
    bytes: String,
    ends: Vec<usize>,
}

impl Dictionary {
    /// The number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text with this id. Empty for [`NULL`], [`UNKNOWN`] and ids not given out.
    pub fn text(&self, id: u32) -> &str {
        text_of(&self.bytes, &self.ends, id)
    }

    /// The id of a text, or [`UNKNOWN`].
    pub fn find(&self, text: &str) -> u32 {
        let same = |id: &u32| text_of(&self.bytes, &self.ends, *id) == text;
        self.ids.find(self.seed.hash_one(text), same).copied().unwrap_or(UNKNOWN)
    }

    /// The id of a text, a new one if need be. [`UNKNOWN`] once all ids are given out.
    pub fn intern(&mut self, text: &str) -> u32 {
        let hash = self.seed.hash_one(text);
        if let Some(id) = self.ids.find(hash, |id| text_of(&self.bytes, &self.ends, *id) == text) {
            return *id;
        }
        let id = self.ends.len() as u32;
        if id >= UNKNOWN {
            return UNKNOWN;
        }
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends, seed) = (&self.bytes, &self.ends, &self.seed);
        self.ids.insert_unique(hash, id, |id| seed.hash_one(text_of(bytes, ends, *id)));
        id
    }

    /// Forgets the texts that came after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        while self.ends.len() > len {
            let id = (self.ends.len() - 1) as u32;
            let hash = self.seed.hash_one(text_of(&self.bytes, &self.ends, id));
            if let Ok(entry) = self.ids.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
            self.ends.pop();
            self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }

    /// Bytes of memory that it takes.
    pub fn state_bytes(&self) -> usize {
        self.ids.allocation_size() + self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

fn text_of<'a>(bytes: &'a str, ends: &[usize], id: u32) -> &'a str {
    let id = id as usize;
    let Some(&end) = ends.get(id) else { return "" };
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..end]
}

/// The hash of a text that hashing transforms use: xxHash64 with seed 0, never [`NULL_HASH`]. The same on every machine and
/// in every version, for it decides which weight a text has.
#[inline]
pub fn hash_text(text: &str) -> u64 {
    XxHash64::oneshot(0, text.as_bytes()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_given_in_order_and_taken_back() {
        let mut dictionary = Dictionary::default();
        let ids: Vec<u32> = ["b", "", "a", "b"].iter().map(|text| dictionary.intern(text)).collect();
        assert_eq!(ids, [0, 1, 2, 0]);
        assert_eq!((dictionary.find("a"), dictionary.find("c")), (2, UNKNOWN));
        assert_eq!((dictionary.text(1), dictionary.text(2), dictionary.text(NULL)), ("", "a", ""));
        dictionary.truncate(1);
        assert_eq!((dictionary.len(), dictionary.find("a"), dictionary.intern("c")), (1, UNKNOWN, 1));
    }

    #[test]
    fn many_texts_survive_growth() {
        let mut dictionary = Dictionary::default();
        for i in 0..10_000 {
            assert_eq!(dictionary.intern(&format!("text {i}")), i);
        }
        assert!(
            (0..10_000)
                .all(|i| dictionary.find(&format!("text {i}")) == i && dictionary.text(i) == format!("text {i}"))
        );
        assert!(dictionary.state_bytes() < 10_000 * 64);
    }

    /// Published test vectors of xxHash64 with seed 0.
    #[test]
    fn hashes_are_fixed() {
        assert_eq!(hash_text(""), 0xEF46_DB37_51D8_E999);
        assert_eq!(hash_text("abc"), 0x44BC_2CF5_AD77_0999);
    }
}
