//! The inner nodes of a tree, in one list: a way down is a few jumps in it.

use serde::{Deserialize, Serialize};

use super::split::Split;
use crate::explain::tree::Part;
use crate::snapshot::SnapshotError;

/// A place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Node {
    /// A leaf, by its number.
    Leaf(u32),
    /// A split, whose branches are the nodes from `first` on.
    Split { split: Split, first: u32 },
}

/// The nodes of a tree whose leaves are kept elsewhere, by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Nodes(Vec<Node>);

/// Where a row came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    node: usize,
    pub(super) leaf: usize,
}

impl Nodes {
    /// A tree of one leaf, number 0.
    pub(super) fn new() -> Self {
        Self(vec![Node::Leaf(0)])
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The leaf that a row comes to.
    #[inline]
    pub(super) fn find(&self, x: &[f64]) -> Place {
        let mut node = 0;
        loop {
            match &self.0[node] {
                Node::Leaf(leaf) => return Place { node, leaf: *leaf as usize },
                Node::Split { split, first } => node = (first + split.branch(x)) as usize,
            }
        }
    }

    /// Puts a split in the place of a leaf. The first branch has the number of that leaf, the others the next ones after `leaves`
    /// that there are.
    pub(super) fn split(&mut self, place: Place, split: Split, leaves: usize) {
        self.0[place.node] = Node::Split { split, first: self.0.len() as u32 };
        self.0.push(Node::Leaf(place.leaf as u32));
        self.0.extend((1..split.branches()).map(|branch| Node::Leaf(leaves as u32 + branch - 1)));
    }

    /// The nodes as explanations take them; of leaves what is told by their number.
    pub(super) fn parts<L>(&self, leaf: impl Fn(usize) -> L) -> Vec<Part<Split, L>> {
        let part = |node: &Node| match node {
            Node::Leaf(number) => Part::Leaf(leaf(*number as usize)),
            Node::Split { split, first } => Part::Split(*split, *first),
        };
        self.0.iter().map(part).collect()
    }

    /// Checks nodes that were saved: each leaf of so many is there once, splits can be asked of rows this wide, and no way leads
    /// back.
    ///
    /// # Errors
    /// When they are not.
    pub(super) fn check(&self, leaves: usize, width: usize) -> Result<(), SnapshotError> {
        let wrong = || Err(SnapshotError::Content("a tree whose nodes do not fit".to_string()));
        let mut met = vec![false; leaves];
        for (at, node) in self.0.iter().enumerate() {
            match node {
                Node::Leaf(leaf) => match met.get_mut(*leaf as usize) {
                    Some(met) if !*met => *met = true,
                    _ => return wrong(),
                },
                Node::Split { split, first } => {
                    let first = *first as usize;
                    let there = first.checked_add(split.branches() as usize).is_some_and(|end| end <= self.0.len());
                    if first <= at || !there || !split.fits(width) {
                        return wrong();
                    }
                }
            }
        }
        if self.0.is_empty() || !met.iter().all(|met| *met) { wrong() } else { Ok(()) }
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Node>()
    }
}
