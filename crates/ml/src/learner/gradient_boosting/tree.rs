//! A tree that has been grown: questions to rows, and a number a leaf.

use serde::{Deserialize, Serialize};

use crate::explain::tree::{Leaf, Part, Question, ShapTree};
use crate::explain::{Importance, importance};

/// Bins that go to the first branch, a bit each.
pub(super) type BinSet = [u64; 4];

/// Whether a bin is in a set.
#[inline]
pub(super) fn holds(set: &BinSet, bin: u8) -> bool {
    set[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
}

/// The largest value of a leaf, so that sums of them are numbers.
const VALUE_MAX: f64 = 1e200;

/// A node. The branches of a split are side by side, from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Node {
    /// The end of a way.
    Leaf(f64),
    /// Is the number at most this? Then the first branch.
    AtMost { feature: u32, threshold: f64, missing_first: bool, first: u32 },
    /// Is the category's bin in this set of the tree's? Then the first branch.
    Among { feature: u32, set: u32, first: u32 },
}

/// A tree; its root is node 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) sets: Vec<BinSet>,
    /// Of each leaf how many rows came to it, of each split its gain.
    pub(super) facts: Vec<f64>,
}

/// What a split asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    AtMost { feature: u32, threshold: f64, missing_first: bool },
    Among { feature: u32, set: BinSet },
}

impl Question for Asked {
    fn feature(&self) -> u32 {
        match self {
            Self::AtMost { feature, .. } | Self::Among { feature, .. } => *feature,
        }
    }

    fn branches(&self) -> u32 {
        2
    }

    #[inline]
    fn branch(&self, x: &[f64]) -> u32 {
        let is_first = match self {
            Self::AtMost { feature, threshold, missing_first } => {
                let value = x[*feature as usize];
                value <= *threshold || (*missing_first && value.is_nan())
            }
            Self::Among { feature, set } => holds(set, x[*feature as usize] as u8),
        };
        u32::from(!is_first)
    }
}

impl Tree {
    /// What the tree says of a row, whose categories are given as bins.
    #[inline]
    pub(super) fn value(&self, x: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            let (is_first, first) = match &self.nodes[at] {
                Node::Leaf(value) => return *value,
                Node::AtMost { feature, threshold, missing_first, first } => {
                    let value = x[*feature as usize];
                    (value <= *threshold || (*missing_first && value.is_nan()), *first)
                }
                Node::Among { feature, set, first } => {
                    (holds(&self.sets[*set as usize], x[*feature as usize] as u8), *first)
                }
            };
            at = first as usize + usize::from(!is_first);
        }
    }

    /// It as it is explained.
    pub(super) fn explained(&self) -> ShapTree<Asked> {
        ShapTree::new(self.parts(|value, cover| Leaf { values: [value].into(), terms: Box::default(), cover }))
    }

    /// Adds what its splits have done, by feature.
    pub(super) fn add_importance(&self, into: &mut [Importance]) {
        importance::add(&self.parts(|_, rows| rows), |split, _| self.facts[split], into);
    }

    /// The nodes as explanations take them; of leaves what is told by their value and how many rows came.
    fn parts<L>(&self, leaf: impl Fn(f64, f64) -> L) -> Vec<Part<Asked, L>> {
        let part = |(node, fact): (&Node, &f64)| match *node {
            Node::Leaf(value) => Part::Leaf(leaf(value, *fact)),
            Node::AtMost { feature, threshold, missing_first, first } => {
                Part::Split(Asked::AtMost { feature, threshold, missing_first }, first)
            }
            Node::Among { feature, set, first } => {
                Part::Split(Asked::Among { feature, set: self.sets[set as usize] }, first)
            }
        };
        self.nodes.iter().zip(&self.facts).map(part).collect()
    }

    /// Whether it is a tree that can be asked of rows this wide.
    pub(super) fn fits(&self, width: usize) -> bool {
        let is_there = |at: usize, feature: u32, first: u32| {
            let first = first as usize;
            (feature as usize) < width && first > at && first + 1 < self.nodes.len()
        };
        let fits = |(at, node): (usize, &Node)| match node {
            Node::Leaf(value) => value.abs() <= VALUE_MAX,
            Node::AtMost { feature, threshold, first, .. } => !threshold.is_nan() && is_there(at, *feature, *first),
            Node::Among { feature, set, first } => (*set as usize) < self.sets.len() && is_there(at, *feature, *first),
        };
        !self.nodes.is_empty()
            && self.nodes.iter().enumerate().all(fits)
            && self.facts.len() == self.nodes.len()
            && self.facts.iter().all(|fact| *fact >= 0.0 && fact.is_finite())
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.facts.capacity() * size_of::<f64>()
            + self.sets.capacity() * size_of::<BinSet>()
    }
}
