//! Texts by how often they have each word.

use super::arguments::Call;
use super::feature_hasher::BUCKETS_MAX;
use super::words::{WordCounts, begin};
use super::{Inputs, Output, Takes, TextForm, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::Dictionary;

/// See its `doc`.
pub(super) static BAG_OF_WORDS: TransformDef = TransformDef {
    name: "ML_BAG_OF_WORDS",
    arguments: &["text [, buckets = 65536 [, ngrams = 1 [, norm = 'none' | 'l1' | 'l2']]]"],
    doc: "How often each word comes in a text: words are hashed into a fixed number of features (the hashing trick, Weinberger et \
          al. 2009, arXiv:0902.2206), whose values are counts. A word is a run of at least two letters, digits or underscores, \
          taken in lower case, as scikit-learn's vectorizers have it; with ngrams runs of up to so many words count too, up to \
          5. norm divides a row's values by their sum (l1) or their length (l2). A text of more than 4096 words is cut there; \
          NULL and a text without words have no entries. Takes a text column as it is. Features are sparse. Learns nothing and \
          remembers no word. Cost: about 60 ns a word, most of it for reading.",
    takes: Takes { numbers: false, categories: true, together: false },
    make,
};

#[derive(Debug)]
struct BagOfWords(WordCounts);

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    Ok(Box::new(BagOfWords(WordCounts::of(call, BUCKETS_MAX, "none")?)))
}

impl Transform for BagOfWords {
    fn output(&self) -> Output {
        Output::Words { features: self.0.buckets }
    }

    fn reads(&self) -> TextForm {
        TextForm::Words
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        begin(out);
        for row in 0..x.rows() {
            let start = self.0.count(x.words(0, row), &mut out.ids, &mut out.numbers);
            self.0.normalize(&mut out.numbers[start..]);
            out.ends.push(out.ids.len() as u32);
        }
    }

    fn category(&self, index: u32, _: &[Dictionary]) -> Option<String> {
        Some(index.to_string())
    }
}
