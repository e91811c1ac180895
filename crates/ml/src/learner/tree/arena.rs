//! The nodes of a tree that changes its mind: whole branches are put in the place of others, or cut.
//!
//! Nodes are in one list and know each other by number. A node always comes after the one it hangs on. What was cut stays in the
//! list until [`Arena::tidy`] drops it.

use serde::{Deserialize, Serialize};

use super::split::Split;
use crate::explain::tree::Part;
use crate::snapshot::SnapshotError;

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Node<T> {
    /// The split, and the node of its first branch, which the others follow. `None`: a leaf.
    pub(super) split: Option<(Split, u32)>,
    /// A tree that may take this one's place.
    pub(super) alternate: Option<u32>,
    /// What the node knows.
    pub(super) data: T,
}

/// A tree; its root is node 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Arena<T>(Vec<Node<T>>);

impl<T> Arena<T> {
    /// A tree of one leaf.
    pub(super) fn new(data: T) -> Self {
        Self(vec![Node { split: None, alternate: None, data }])
    }

    /// A node.
    #[inline]
    pub(super) fn at(&self, node: u32) -> &Node<T> {
        &self.0[node as usize]
    }

    /// A node.
    #[inline]
    pub(super) fn at_mut(&mut self, node: u32) -> &mut Node<T> {
        &mut self.0[node as usize]
    }

    /// Where a row goes on from a node; `None` at a leaf.
    #[inline]
    pub(super) fn next(&self, node: u32, x: &[f64]) -> Option<u32> {
        let (split, first) = self.0[node as usize].split.as_ref()?;
        Some(first + split.branch(x))
    }

    /// The leaf that a row comes to from a node.
    #[inline]
    pub(super) fn leaf(&self, mut node: u32, x: &[f64]) -> u32 {
        while let Some(next) = self.next(node, x) {
            node = next;
        }
        node
    }

    /// A new node that hangs on nothing yet.
    pub(super) fn push(&mut self, data: T) -> u32 {
        self.0.push(Node { split: None, alternate: None, data });
        self.0.len() as u32 - 1
    }

    /// Gives a node a split, with leaves for its branches.
    pub(super) fn split(&mut self, node: u32, split: Split, branches: impl Iterator<Item = T>) {
        let first = self.0.len() as u32;
        self.0.extend(branches.map(|data| Node { split: None, alternate: None, data }));
        self.0[node as usize].split = Some((split, first));
    }

    /// All nodes, also those that were cut since the last [`Arena::tidy`].
    pub(super) fn iter(&self) -> impl Iterator<Item = &Node<T>> {
        self.0.iter()
    }

    /// All nodes.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node<T>> {
        self.0.iter_mut()
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The nodes as explanations take them; of leaves what is told by what they know. Nothing leads to alternates.
    pub(super) fn parts<L>(&self, leaf: impl Fn(&T) -> L) -> Vec<Part<Split, L>> {
        let part = |node: &Node<T>| match node.split {
            Some((split, first)) => Part::Split(split, first),
            None => Part::Leaf(leaf(&node.data)),
        };
        self.0.iter().map(part).collect()
    }

    /// Drops what was cut.
    pub(super) fn tidy(&mut self) {
        let mut places = vec![u32::MAX; self.0.len()];
        let mut order = vec![0u32];
        let mut at = 0;
        // Branches of a split stay side by side, since they are numbered together.
        while let Some(&node) = order.get(at) {
            places[node as usize] = at as u32;
            let node = &self.0[node as usize];
            if let Some((split, first)) = &node.split {
                order.extend(*first..first + split.branches());
            }
            order.extend(node.alternate);
            at += 1;
        }
        let mut old: Vec<Option<Node<T>>> = std::mem::take(&mut self.0).into_iter().map(Some).collect();
        for node in order {
            let Some(mut node) = old[node as usize].take() else { continue };
            if let Some((_, first)) = &mut node.split {
                *first = places[*first as usize];
            }
            node.alternate = node.alternate.map(|alternate| places[alternate as usize]);
            self.0.push(node);
        }
    }

    /// Checks nodes that were saved: each hangs on one before it, splits can be asked of rows this wide, and what each knows is
    /// right.
    ///
    /// # Errors
    /// When they are not.
    pub(super) fn check(&self, width: usize, knows: impl Fn(&Node<T>) -> bool) -> Result<(), SnapshotError> {
        let mut hangs = vec![false; self.0.len()];
        let mut hang = |at: usize, first: u32, branches: u32| {
            let first = first as usize;
            let places = first.checked_add(branches as usize).and_then(|end| hangs.get_mut(first..end));
            first > at && places.is_some_and(|places| places.iter_mut().all(|place| !std::mem::replace(place, true)))
        };
        let right = self.0.iter().enumerate().all(|(at, node)| {
            let split = node.split.is_none_or(|(split, first)| split.fits(width) && hang(at, first, split.branches()));
            split && node.alternate.is_none_or(|alternate| hang(at, alternate, 1)) && knows(node)
        });
        if right && !self.0.is_empty() && hangs[1..].iter().all(|hangs| *hangs) {
            return Ok(());
        }
        Err(SnapshotError::Content("a tree whose nodes do not fit".to_string()))
    }
}
