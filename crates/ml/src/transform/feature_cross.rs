//! Categories of several columns together.

use super::arguments::Call;
use super::feature_hasher::{bucket, mix};
use super::{Inputs, Output, Takes, TextForm, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::{Dictionary, NULL, NULL_HASH};

/// See its `doc`.
pub(super) static FEATURE_CROSS: TransformDef = TransformDef {
    name: "ML_FEATURE_CROSS",
    arguments: &["a, b, … [, buckets = 1024]"],
    doc: "The combination of several columns as one category, so that a linear learner can give each combination a weight of its \
          own. Combinations are hashed into a fixed number of buckets, which are the categories: ones that share a bucket are \
          not told apart, so let there be several times as many buckets as combinations. Takes texts, numbers and flags; \
          numbers by their value, so put them into buckets first (ML_BUCKETIZE). Missing where any part is. Gives a category, to \
          be encoded by an encoder, as in ML_TARGET_ENCODER(ML_FEATURE_CROSS(a, b)) OVER (), or hashed further; at the top \
          of an item it is one-hot encoded, a feature a bucket. Learns nothing. Memory: the names of the buckets. Cost: about \
          5 ns a row and column. xxHash64, the same everywhere.",
    takes: Takes { numbers: true, categories: true, together: true },
    make,
};

/// Most buckets that may be asked for.
const BUCKETS_MAX: u32 = 1 << 20;

/// What a combination begins with.
const SEED: u64 = 0x6372_6f73_735f_6f66;

#[derive(Debug)]
struct FeatureCross {
    /// Whether each column is a text.
    texts: Vec<bool>,
    buckets: u32,
    /// Names the buckets, by their numbers.
    dictionary: usize,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let buckets = call.whole_or("buckets", 1, BUCKETS_MAX, 1024)?;
    call.finish()?;
    if call.columns.len() < 2 {
        return Err(call.error("found one column; expected at least two, which are crossed"));
    }
    let mut names = Dictionary::default();
    for number in 0..buckets {
        names.intern(&number.to_string());
    }
    call.dictionaries.push(names);
    let texts = call.columns.iter().map(|column| column.dictionary.is_some()).collect();
    Ok(Box::new(FeatureCross { texts, buckets, dictionary: call.dictionaries.len() - 1 }))
}

impl Transform for FeatureCross {
    fn output(&self) -> Output {
        Output::Category(self.dictionary)
    }

    fn reads(&self) -> TextForm {
        TextForm::Hashes
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.hashes.clear();
        out.hashes.resize(x.rows(), SEED);
        for (column, text) in self.texts.iter().enumerate() {
            // Once a part is missing, the whole stays so: no hash of what is there is `NULL_HASH`.
            let cross = |whole: &mut u64, part: u64| {
                *whole = if *whole == NULL_HASH || part == NULL_HASH { NULL_HASH } else { mix(*whole, part).max(1) };
            };
            if *text {
                out.hashes.iter_mut().zip(x.hashes(column)).for_each(|(whole, hash)| cross(whole, *hash));
            } else {
                let numbers = out.hashes.iter_mut().zip(x.numbers(column));
                numbers.for_each(|(whole, number)| cross(whole, hash_number(*number)));
            }
        }
        out.ids.clear();
        let id = |hash: &u64| if *hash == NULL_HASH { NULL } else { bucket(*hash, self.buckets) };
        out.ids.extend(out.hashes.iter().map(id));
    }
}

/// The hash of a number; the two zeros are the same.
#[inline]
fn hash_number(number: f64) -> u64 {
    if number.is_nan() { NULL_HASH } else { mix(SEED, (number + 0.0).to_bits()).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::hash_text;

    #[test]
    fn numbers_hash_by_value() {
        assert_eq!((hash_number(0.0), hash_number(f64::NAN)), (hash_number(-0.0), NULL_HASH));
        assert_ne!(hash_number(1.0), hash_number(2.0));
        assert_ne!(mix(mix(SEED, hash_text("a")), hash_text("b")), mix(mix(SEED, hash_text("b")), hash_text("a")));
    }
}
