//! Texts as words.

use super::dictionary::hash_text;

/// Most words of one text that are read; what follows is passed over.
pub(crate) const WORDS_MAX: usize = 4096;

/// The words of texts, text after text: of each the hash, by [`hash_text`], in lower case.
///
/// A word is a run of at least two letters, digits or underscores, as scikit-learn's vectorizers have it by default. Letters are
/// those of Unicode; a writing without spaces is thus one word from one punctuation mark to the next. Memory: 8 bytes a word, at
/// most 4096 words a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    hashes: Vec<u64>,
    /// Where each text ends.
    ends: Vec<usize>,
    /// The word at hand, in lower case.
    word: String,
}

impl Words {
    /// The words of a text.
    #[inline]
    pub fn of(&self, text: usize) -> &[u64] {
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        &self.hashes[start..self.ends[text]]
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a text.
    pub(crate) fn push_text(&mut self, text: &str) {
        let start = self.hashes.len();
        for run in text.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
            let mut letters = run.chars();
            if letters.next().is_none() || letters.next().is_none() {
                continue;
            }
            if self.hashes.len() - start == WORDS_MAX {
                break;
            }
            self.word.clear();
            if run.is_ascii() {
                self.word.push_str(run);
                self.word.make_ascii_lowercase();
            } else {
                self.word.extend(run.chars().flat_map(char::to_lowercase));
            }
            self.hashes.push(hash_text(&self.word));
        }
        self.ends.push(self.hashes.len());
    }

    /// Appends a text by its words.
    pub(crate) fn push(&mut self, hashes: &[u64]) {
        self.hashes.extend_from_slice(hashes);
        self.ends.push(self.hashes.len());
    }

    /// Appends texts without words until there are `texts`.
    pub(crate) fn fill_up(&mut self, texts: usize) {
        self.ends.resize(texts.max(self.ends.len()), self.hashes.len());
    }

    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        self.hashes.clear();
        self.ends.clear();
    }

    /// Keeps only these texts, which must ascend.
    pub(crate) fn keep(&mut self, texts: &[u32]) {
        let (mut filled, mut last) = (0, None);
        for (to, &from) in texts.iter().enumerate() {
            let from = from as usize;
            // The end before may already be that of what was kept.
            let start = match last {
                Some((row, end)) if row + 1 == from => end,
                _ if from == 0 => 0,
                _ => self.ends[from - 1],
            };
            let end = self.ends[from];
            self.hashes.copy_within(start..end, filled);
            filled += end - start;
            self.ends[to] = filled;
            last = Some((from, end));
        }
        self.hashes.truncate(filled);
        self.ends.truncate(texts.len());
    }

    /// Bytes of memory that they take.
    pub(crate) fn state_bytes(&self) -> usize {
        self.hashes.capacity() * 8 + self.ends.capacity() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Words {
        let mut words = Words::default();
        texts.iter().for_each(|text| words.push_text(text));
        words
    }

    fn hashes(words: &[&str]) -> Vec<u64> {
        words.iter().map(|word| hash_text(word)).collect()
    }

    #[test]
    fn words_are_runs_of_letters_digits_and_underscores() {
        let words = of(&["It's a SMALL-scale test_1: 42 Äpfel, ÉTÉ!", "", " x y ", "a1"]);
        assert_eq!(words.of(0), hashes(&["it", "small", "scale", "test_1", "42", "äpfel", "été"]));
        assert_eq!((words.len(), words.of(1), words.of(2)), (4, &[][..], &[][..]));
        assert_eq!(words.of(3), hashes(&["a1"]));
    }

    #[test]
    fn texts_are_cut_at_the_most_that_may_be() {
        let words = of(&[&"ab ".repeat(WORDS_MAX + 5), "cd"]);
        assert_eq!((words.of(0).len(), words.of(1)), (WORDS_MAX, &hashes(&["cd"])[..]));
    }

    #[test]
    fn some_texts_are_kept() {
        let texts = ["aa bb", "", "cc", "dd ee ff", "gg"];
        for kept in [&[0u32, 1, 2, 3, 4][..], &[1, 3], &[0, 4], &[2], &[3, 4], &[]] {
            let mut words = of(&texts);
            words.keep(kept);
            let expected = of(&kept.iter().map(|i| texts[*i as usize]).collect::<Vec<_>>());
            assert_eq!((&words.hashes, &words.ends), (&expected.hashes, &expected.ends), "{kept:?}");
        }
    }
}
