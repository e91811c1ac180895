//! Numbers into bins that hold as many rows each.

use serde::{Deserialize, Serialize};

use super::arguments::Call;
use super::quantiles::Quantiles;
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::{Dictionary, hash_text};
use crate::snapshot::{SnapshotError, decode, encode};

/// See its `doc`.
pub(super) static QUANTILE_BUCKETIZE: TransformDef = TransformDef {
    name: "ML_QUANTILE_BUCKETIZE",
    arguments: &["value, buckets) OVER ("],
    doc: "Sorts numbers into buckets that hold about as many rows each: between them lie the quantiles 1/n, 2/n, … of the rows \
          learned so far, each of which belongs to the bucket above it. Where values repeat, some buckets stay empty. Missing \
          values have a bucket of their own and count nowhere. The buckets are named bin_NULL, bin_1, …, bin_n; before the \
          first row all is in bin_1. Gives a category, to be encoded by an encoder; at the top of an item it is one-hot \
          encoded. Quantiles are those of ML_ROBUST_SCALER: exact for the first 512 values, then of a t-digest (Dunning and \
          Ertl 2019, arXiv:1902.04023), renewed every 512 values. State: at most 16 KiB. Cost: about 100 ns a row. Merges up to \
          the sketch's error, in parallel training as ML_ROBUST_SCALER does.",
    takes: Takes { numbers: true, categories: false, together: false },
    make,
};

/// Most buckets that the sketch can tell apart well.
const BUCKETS_MAX: u32 = 100;

#[derive(Debug)]
struct QuantileBucketizer {
    quantiles: Quantiles,
    /// The ranks of the splits.
    ranks: Vec<f64>,
    splits: Vec<f64>,
    /// The category and hash of each bucket, that of missing values first.
    buckets: Vec<(u32, u64)>,
    dictionary: usize,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    quantiles: Quantiles,
    splits: Vec<f64>,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.must_learn()?;
    let count = call.whole("buckets", 2, BUCKETS_MAX)?;
    call.finish()?;
    let mut dictionary = Dictionary::default();
    let names = std::iter::once("bin_NULL".to_string()).chain((1..=count).map(|i| format!("bin_{i}")));
    let buckets = names.map(|name| (dictionary.intern(&name), hash_text(&name))).collect();
    call.dictionaries.push(dictionary);
    Ok(Box::new(QuantileBucketizer {
        quantiles: Quantiles::default(),
        ranks: (1..count).map(|i| f64::from(i) / f64::from(count)).collect(),
        splits: Vec::new(),
        buckets,
        dictionary: call.dictionaries.len() - 1,
    }))
}

impl QuantileBucketizer {
    #[inline]
    fn put(&self, x: f64, out: &mut Values) {
        let bucket = if x.is_nan() { 0 } else { 1 + self.splits.partition_point(|split| *split <= x) };
        out.ids.push(self.buckets[bucket].0);
        out.hashes.push(self.buckets[bucket].1);
    }

    fn renew(&mut self) {
        self.quantiles.at(&self.ranks, &mut self.splits);
    }
}

impl Transform for QuantileBucketizer {
    fn output(&self) -> Output {
        Output::Category(self.dictionary)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        out.ids.clear();
        out.hashes.clear();
        x.numbers(0).iter().for_each(|x| self.put(*x, out));
    }

    fn learn(&mut self, mut before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        out.ids.clear();
        out.hashes.clear();
        if let Some((_, out)) = &mut before {
            out.ids.clear();
            out.hashes.clear();
        }
        for (row, x) in after.numbers(0).iter().enumerate() {
            if let Some((before, out)) = &mut before {
                self.put(before.numbers(0)[row], out);
            }
            if !x.is_nan() && self.quantiles.update(*x) {
                self.renew();
            }
            self.put(*x, out);
        }
    }

    fn save(&self, _: &[Dictionary]) -> Vec<u8> {
        encode(&(&self.quantiles, &self.splits))
    }

    fn load(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved: Saved = decode(state)?;
        let fits = saved.splits.is_empty() || saved.splits.len() == self.ranks.len();
        if !fits || !saved.splits.is_sorted() {
            return Err(SnapshotError::Content("splits do not fit their buckets".to_string()));
        }
        (self.quantiles, self.splits) = (saved.quantiles, saved.splits);
        Ok(())
    }

    fn merge(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        let saved: Saved = decode(state)?;
        self.quantiles.merge(&saved.quantiles);
        self.renew();
        Ok(())
    }

    fn branch(&mut self) {
        self.quantiles.branch();
    }

    fn apart(&self) -> Vec<u8> {
        self.quantiles.apart().map(encode).unwrap_or_default()
    }

    fn load_apart(&mut self, apart: &[u8]) -> Result<(), SnapshotError> {
        if !apart.is_empty() {
            self.quantiles.set_apart(decode(apart)?);
        }
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[Replica], _: &mut [Dictionary]) -> Result<()> {
        for replica in replicas.iter().filter(|replica| !replica.apart.is_empty()) {
            self.quantiles.merge(&decode(&replica.apart)?);
        }
        self.renew();
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.quantiles.state_bytes() + self.splits.capacity() * 8
    }
}
