//! Any number of categories in a fixed number of features.

use super::arguments::Call;
use super::categories::NONE;
use super::{Inputs, Output, Takes, TextForm, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::{NULL_HASH, hash_text};
use crate::splitmix;

/// See its `doc`.
pub(super) static FEATURE_HASHER: TransformDef = TransformDef {
    name: "ML_FEATURE_HASHER",
    arguments: &["value, … , buckets [, signed = TRUE]"],
    doc: "Hashes column and category into one of a fixed number of features (the hashing trick, Weinberger et al. 2009, \
          arXiv:0902.2206). A text has the value 1 at the feature of its column and text; a number is the value of the one \
          feature of its column. Signed, half of them (by hash) count negatively, so that collisions cancel out on \
          average. Missing values have no feature. Nothing is remembered, so nothing is unknown: unseen texts hash like \
          any other. Takes several columns; two that fall on one feature of a row add up. Learns nothing. xxHash64, the \
          same everywhere.",
    takes: Takes { numbers: true, categories: true, together: true },
    make,
};

/// Most features that may be asked for.
pub(super) const BUCKETS_MAX: u32 = 1 << 28;

#[derive(Debug)]
struct FeatureHasher {
    columns: Vec<HashedColumn>,
    buckets: u32,
    signed: bool,
}

#[derive(Debug)]
struct HashedColumn {
    /// Tells columns apart: the hash of the name.
    name_hash: u64,
    is_text: bool,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let buckets = call.whole("buckets", 1, BUCKETS_MAX)?;
    let signed = call.flag_or("signed", true)?;
    call.finish()?;
    let columns = call
        .columns
        .iter()
        .map(|column| HashedColumn { name_hash: hash_text(&column.name), is_text: column.dictionary.is_some() })
        .collect();
    Ok(Box::new(FeatureHasher { columns, buckets, signed }))
}

/// Mixes two hashes, such as those of a column's name and of a text: the finalizer of SplitMix64. Their order counts.
#[inline]
pub(super) fn mix(first: u64, second: u64) -> u64 {
    splitmix::mix(first.rotate_left(31) ^ second)
}

/// The bucket of a hash, by its upper 32 bits.
#[inline]
pub(super) fn bucket(hash: u64, buckets: u32) -> u32 {
    (((hash >> 32) * u64::from(buckets)) >> 32) as u32
}

impl FeatureHasher {
    /// The feature, and the sign by the lowest bit.
    #[inline]
    fn place(&self, hash: u64) -> (u32, f64) {
        (bucket(hash, self.buckets), if self.signed && hash & 1 == 1 { -1.0 } else { 1.0 })
    }
}

impl Transform for FeatureHasher {
    fn output(&self) -> Output {
        Output::Sparse { columns: self.columns.len(), features: Some(self.buckets), values: true }
    }

    fn reads(&self) -> TextForm {
        TextForm::Hashes
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn origins(&self, column: usize, _: usize) -> Vec<usize> {
        vec![column]
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        let rows = x.rows();
        out.ids.resize(rows * self.columns.len(), NONE);
        out.numbers.resize(rows * self.columns.len(), 0.0);
        for (i, column) in self.columns.iter().enumerate() {
            let places = out.ids[i * rows..].iter_mut().zip(&mut out.numbers[i * rows..]);
            if column.is_text {
                for ((id, value), hash) in places.zip(x.hashes(i)) {
                    let (bucket, sign) = self.place(mix(column.name_hash, *hash));
                    (*id, *value) = if *hash == NULL_HASH { (NONE, 0.0) } else { (bucket, sign) };
                }
            } else {
                let (bucket, sign) = self.place(mix(column.name_hash, NULL_HASH));
                for ((id, value), x) in places.zip(x.numbers(i)) {
                    (*id, *value) = if x.is_nan() { (NONE, 0.0) } else { (bucket, sign * x) };
                }
            }
        }
    }

    fn category(&self, index: u32, _: &[crate::rows::Dictionary]) -> Option<String> {
        Some(index.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_spread_evenly_and_signs_balance() {
        let hasher = FeatureHasher { columns: Vec::new(), buckets: 100, signed: true };
        let mut counts = [0u32; 100];
        let mut sum = 0.0;
        for i in 0..100_000 {
            let (bucket, sign) = hasher.place(mix(hash_text("city"), hash_text(&format!("text {i}"))));
            counts[bucket as usize] += 1;
            sum += sign;
        }
        // 1000 a bucket; five standard deviations are 160, and of the sum of signs 1600.
        assert!(counts.iter().all(|count| (840..=1160).contains(count)), "{counts:?}");
        assert!(f64::abs(sum) < 1600.0, "{sum}");
    }
}
