//! Which features were chosen, and blocks without the others.

use serde::{Deserialize, Serialize};

use super::{Evidence, Scores, Settings};
use crate::block::Block;
use crate::learner::{FeatureKind, Weights};
use crate::transform::NONE;

/// The features that a model has chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Slots of dense features, ascending.
    pub dense: Vec<u32>,
    /// Numbers of sparse features, ascending.
    pub sparse: Vec<u32>,
    /// Scores of the dense ones, then of the sparse ones.
    pub scores: Vec<f64>,
}

/// A feature among all others.
struct Ranked {
    strength: f64,
    newcomer: bool,
    sparse: bool,
    index: u32,
    evidence: Evidence,
}

impl Choice {
    /// The best features, at least one. Of equal ones those that were chosen before come first, then those of lower number, dense
    /// ones before sparse ones.
    pub(super) fn new(scores: &Scores, settings: &Settings, before: Option<&Self>) -> Self {
        let features = scores.dense.iter().enumerate().map(|(slot, evidence)| (false, slot as u32, *evidence));
        let features = features.chain(scores.sparse.iter().map(|(number, evidence)| (true, *number, *evidence)));
        let mut ranked: Vec<Ranked> = features
            .map(|(sparse, index, evidence)| {
                let newcomer = !before.is_some_and(|before| before.has(sparse, index));
                let bonus = match newcomer || evidence.strength.is_infinite() {
                    true => 0.0,
                    // Who is in is taken for better than it is by the margin.
                    false => evidence.strength.abs() * settings.margin,
                };
                Ranked { strength: evidence.strength + bonus, newcomer, sparse, index, evidence }
            })
            .collect();
        // Stable: what is equal in all of this stays as it was put in.
        ranked.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.newcomer.cmp(&b.newcomer)));
        let takes = |feature: &&Ranked| settings.takes(feature.evidence);
        let mut chosen: Vec<&Ranked> = ranked.iter().filter(takes).take(settings.count).collect();
        if chosen.is_empty() {
            // A learner without features could only say the same of all rows.
            chosen.extend(ranked.first());
        }
        chosen.sort_by_key(|feature| (feature.sparse, feature.index));
        let of = |sparse: bool| chosen.iter().filter(|f| f.sparse == sparse).map(|f| f.index).collect();
        Self { dense: of(false), sparse: of(true), scores: chosen.iter().map(|f| f.evidence.score).collect() }
    }

    fn has(&self, sparse: bool, index: u32) -> bool {
        let of = if sparse { &self.sparse } else { &self.dense };
        of.binary_search(&index).is_ok()
    }

    /// Whether the features are the same, whatever their scores.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.dense == other.dense && self.sparse == other.sparse
    }

    /// Whether it is one of features of these kinds.
    pub(super) fn fits(&self, kinds: &[FeatureKind]) -> bool {
        let ascending = |of: &[u32]| of.is_sorted_by(|a, b| a < b);
        ascending(&self.dense)
            && ascending(&self.sparse)
            && self.dense.last().is_none_or(|last| (*last as usize) < kinds.len())
            && self.sparse.last().is_none_or(|last| *last != NONE)
            && self.scores.len() == self.dense.len() + self.sparse.len()
    }

    /// The kinds of the dense features chosen.
    pub(super) fn kinds(&self, all: &[FeatureKind]) -> Vec<FeatureKind> {
        self.dense.iter().map(|slot| all[*slot as usize]).collect()
    }

    /// Writes the rows of a block with these features alone, numbered without gaps.
    pub(super) fn narrow(&self, from: &Block, to: &mut Block) {
        to.reset(from.rows(), self.dense.len());
        for row in 0..from.rows() {
            let features = from.row(row);
            let places = &mut to.dense[row * self.dense.len()..(row + 1) * self.dense.len()];
            places.iter_mut().zip(&self.dense).for_each(|(place, slot)| *place = features.dense[*slot as usize]);
            for (index, value) in features.indices.iter().zip(features.values) {
                if let Ok(number) = self.sparse.binary_search(index) {
                    to.indices.push(number as u32);
                    to.values.push(*value);
                }
            }
            to.offsets[row + 1] = to.indices.len() as u32;
        }
    }

    /// Weights of these features as weights of all; those not chosen have none.
    pub(super) fn widen(&self, weights: Weights, width: usize) -> Weights {
        let spread = |of: &[u32], own: &[f64], width: usize| {
            let mut all = vec![0.0; width];
            of.iter().zip(own).for_each(|(index, weight)| all[*index as usize] = *weight);
            all
        };
        let sparse = self.sparse.last().map_or(0, |last| *last as usize + 1);
        Weights {
            dense: spread(&self.dense, &weights.dense, width),
            sparse: spread(&self.sparse, &weights.sparse, sparse),
            intercept: weights.intercept,
        }
    }
}
