//! Explanations of a learner of chosen features: nothing is due to the others.

use super::choice::Choice;
use crate::block::Row;
use crate::explain::{Explained, Explainer, Predicted};

/// Explains by the features chosen.
#[derive(Debug)]
pub(super) struct OfChosen {
    pub(super) explainer: Box<dyn Explainer>,
    pub(super) choice: Choice,
}

impl Explainer for OfChosen {
    fn explain(&self, x: Row<'_>, predicted: Predicted, explained: &mut Explained) -> bool {
        let own: Vec<f64> = self.choice.dense.iter().map(|slot| x.dense[*slot as usize]).collect();
        let number = |index: &u32| self.choice.sparse.binary_search(index).ok();
        let entries = x.indices.iter().zip(x.values).filter_map(|(index, value)| Some((number(index)? as u32, *value)));
        let (indices, values): (Vec<u32>, Vec<f64>) = entries.unzip();
        if !self.explainer.explain(Row { dense: &own, indices: &indices, values: &values }, predicted, explained) {
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
        let attribution = |index: &u32| match number(index) {
            Some(_) => entries.next().unwrap_or(0.0),
            None => 0.0,
        };
        explained.entries.extend(x.indices.iter().map(attribution));
        true
    }
}
