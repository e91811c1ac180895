//! The words of a text, counted by bucket.

use super::Values;
use super::arguments::Call;
use super::feature_hasher::{bucket, mix};
use crate::Result;

/// Longest run of words that may be counted as one.
const NGRAMS_MAX: u32 = 5;

/// How words, and runs of up to so many words, are counted: each in the bucket of its hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct WordCounts {
    pub(super) buckets: u32,
    ngrams: u32,
    norm: Norm,
}

/// What a row's values are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Norm {
    /// 1.
    None,
    /// The sum of their magnitudes.
    L1,
    /// The root of the sum of their squares.
    L2,
}

impl WordCounts {
    /// Reads `[buckets [, ngrams [, norm]]]`.
    pub(super) fn of(call: &mut Call<'_>, buckets_max: u32, norm: &'static str) -> Result<Self> {
        let buckets = call.whole_or("buckets", 1, buckets_max, 1 << 16)?;
        let ngrams = call.whole_or("ngrams", 1, NGRAMS_MAX, 1)?;
        let norm = if call.is_done() { norm } else { call.word("norm", &["none", "l1", "l2"])? };
        let norm = match norm {
            "l1" => Norm::L1,
            "l2" => Norm::L2,
            _ => Norm::None,
        };
        call.finish()?;
        Ok(Self { buckets, ngrams, norm })
    }

    /// Appends the buckets of a text, ascending, to `ids`, and how many of its words and runs of words are in each to `numbers`.
    /// Returns where they begin.
    #[inline]
    pub(super) fn count(&self, words: &[u64], ids: &mut Vec<u32>, numbers: &mut Vec<f64>) -> usize {
        let start = ids.len();
        for (i, word) in words.iter().enumerate() {
            let mut run = *word;
            ids.push(bucket(run, self.buckets));
            for next in words[i + 1..].iter().take(self.ngrams as usize - 1) {
                run = mix(run, *next);
                ids.push(bucket(run, self.buckets));
            }
        }
        ids[start..].sort_unstable();
        let mut filled = start;
        for i in start..ids.len() {
            if filled > start && ids[filled - 1] == ids[i] {
                numbers[filled - 1] += 1.0;
            } else {
                ids[filled] = ids[i];
                numbers.push(1.0);
                filled += 1;
            }
        }
        ids.truncate(filled);
        start
    }

    /// Brings a row's values, all at least 0, to the norm.
    #[inline]
    pub(super) fn normalize(&self, values: &mut [f64]) {
        let size = match self.norm {
            Norm::None => return,
            Norm::L1 => values.iter().sum::<f64>(),
            Norm::L2 => values.iter().map(|value| value * value).sum::<f64>().sqrt(),
        };
        if size > 0.0 {
            values.iter_mut().for_each(|value| *value /= size);
        }
    }
}

/// Empties what entries are written to.
pub(super) fn begin(out: &mut Values) {
    out.ids.clear();
    out.numbers.clear();
    out.ends.clear();
}
