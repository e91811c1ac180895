//! Explanations of a learner of chosen features: nothing is due to the others.

use super::choice::Choice;
use crate::block::{Block, Row};
use crate::explain::{Explained, Explainer, Predicted};

/// Explains by the features chosen.
#[derive(Debug)]
pub(super) struct OfChosen {
    pub(super) explainer: Box<dyn Explainer>,
    pub(super) choice: Choice,
}

impl Explainer for OfChosen {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        let mut whole = Block::default();
        whole.reset(1, x.dense.len());
        whole.dense.copy_from_slice(x.dense);
        whole.indices.extend_from_slice(x.indices);
        whole.values.extend_from_slice(x.values);
        whole.end_row();
        let mut chosen = Block::default();
        self.choice.narrow(&whole, &mut chosen);
        if !self.explainer.explain(chosen.row(0), predicted, explained) {
            return false;
        }
        let dense = std::mem::take(&mut explained.dense);
        explained.dense.resize(x.dense.len(), 0.0);
        for (slot, attribution) in self.choice.dense.iter().zip(dense) {
            explained.dense[*slot as usize] = attribution;
        }
        // Entries stand in the same order, those of features not chosen left out.
        let entries = std::mem::take(&mut explained.entries);
        let mut entries = entries.into_iter();
        let attribution = |index: &u32| match self.choice.sparse.binary_search(index) {
            Ok(_) => entries.next().unwrap_or(0.0),
            Err(_) => 0.0,
        };
        explained.entries.extend(x.indices.iter().map(attribution));
        true
    }
}
