//! Numbers into bins.

use super::arguments::{Call, describe};
use super::{Inputs, Output, Takes, Transform, TransformDef, Values};
use crate::rows::{Dictionary, hash_text};
use crate::{Expression, Result};

/// See its `doc`.
pub(super) static BUCKETIZE: TransformDef = TransformDef {
    name: "ML_BUCKETIZE",
    arguments: &["value, ARRAY[split, …] [, ARRAY['name of the NULL bucket', 'name', …]]"],
    doc: "Sorts numbers into buckets: n ascending splits make n + 1 buckets, each from its split (included) to the next. \
          Missing values have a bucket of their own. Without names they are bin_NULL, bin_1, …, bin_n+1. Gives a category, \
          to be encoded by an encoder; at the top of an item it is one-hot encoded. Learns nothing.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

#[derive(Debug)]
struct Bucketizer {
    splits: Vec<f64>,
    /// The category and hash of each bucket, that of missing values first.
    buckets: Vec<(u32, u64)>,
    dictionary: usize,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let mut splits = Vec::new();
    for item in call.list("splits")? {
        match item {
            Expression::Number(split) if !split.is_nan() => splits.push(split),
            other => return Err(call.error(format!("splits hold {}; expected numbers", describe(&other)))),
        }
    }
    if splits.is_empty() || !splits.is_sorted() {
        return Err(call.error("splits must be numbers in ascending order, at least one"));
    }
    splits.dedup();
    let names = if call.is_done() {
        let numbered = (1..=splits.len() + 1).map(|i| format!("bin_{i}"));
        std::iter::once("bin_NULL".to_string()).chain(numbered).collect()
    } else {
        call.texts("names")?
    };
    call.finish()?;
    if names.len() != splits.len() + 2 {
        return Err(call.error(format!(
            "{} splits make {} buckets, that of NULL (named first) included; found {} names",
            splits.len(),
            splits.len() + 2,
            names.len()
        )));
    }
    let mut dictionary = Dictionary::default();
    let buckets = names.iter().map(|name| (dictionary.intern(name), hash_text(name))).collect();
    call.dictionaries.push(dictionary);
    Ok(Box::new(Bucketizer { splits, buckets, dictionary: call.dictionaries.len() - 1 }))
}

impl Transform for Bucketizer {
    fn output(&self) -> Output {
        Output::Category(self.dictionary)
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.ids.clear();
        out.hashes.clear();
        for x in x.numbers(0) {
            let bucket = if x.is_nan() { 0 } else { 1 + self.splits.partition_point(|split| split <= x) };
            out.ids.push(self.buckets[bucket].0);
            out.hashes.push(self.buckets[bucket].1);
        }
    }
}
