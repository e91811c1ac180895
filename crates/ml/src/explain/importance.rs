//! How much trees rest on each feature, by what their splits have done.
//!
//! | what | is of the splits by a feature |
//! |---|---|
//! | weight | how many there are |
//! | gain | by how much the loss falls, in the mean: of boosted trees what the split took off it; of trees for classes the merit by their criterion, times the weight of the rows; of trees for numbers the squared errors from the mean |
//! | cover | the weight of the rows that came to them, in the mean |
//!
//! (Breiman, Friedman, Olshen & Stone 1984, section 5.3.4; the three are named as in XGBoost: Chen & Guestrin 2016.) What trees have in
//! common, such as features that say the same, is divided by chance: a feature with no weight may yet be one that tells much.

use super::tree::{Part, Question};

/// What the splits by a feature have done, over all trees.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Importance {
    /// How many splits there are.
    pub splits: f64,
    /// The sum of their gains.
    pub gain: f64,
    /// The sum of the weights of the rows that came to them.
    pub cover: f64,
}

/// What is known of the rows that came to a node.
pub(crate) trait Came: Clone {
    /// Takes in what came to another.
    fn join(&mut self, other: &Self);

    /// The weight of the rows.
    fn weight(&self) -> f64;
}

/// How many rows.
impl Came for f64 {
    fn join(&mut self, other: &Self) {
        *self += other;
    }

    fn weight(&self) -> f64 {
        *self
    }
}

/// The weight of each class.
impl Came for Vec<f64> {
    fn join(&mut self, other: &Self) {
        self.resize(self.len().max(other.len()), 0.0);
        self.iter_mut().zip(other).for_each(|(own, other)| *own += other);
    }

    fn weight(&self) -> f64 {
        self.iter().sum()
    }
}

/// Adds what the splits of a tree have done. `gain` is told the place of a split and what came to each of its branches.
pub(crate) fn add<Q: Question, S: Came>(
    parts: &[Part<Q, S>],
    gain: impl Fn(usize, &[S]) -> f64,
    importance: &mut [Importance],
) {
    let branches = |question: &Q, first: u32| first as usize..(first + question.branches()) as usize;
    let mut came: Vec<Option<S>> = vec![None; parts.len()];
    for (at, part) in parts.iter().enumerate().rev() {
        came[at] = match part {
            Part::Leaf(leaf) => Some(leaf.clone()),
            Part::Split(question, first) => {
                let mut all = came[branches(question, *first)].iter().flatten();
                let first = all.next().cloned();
                first.map(|first| {
                    all.fold(first, |mut sum, branch| {
                        sum.join(branch);
                        sum
                    })
                })
            }
        };
    }
    let mut reached = vec![0];
    while let Some(at) = reached.pop() {
        let Part::Split(question, first) = &parts[at] else { continue };
        let branches = branches(question, *first);
        let own: Vec<S> = came[branches.clone()].iter().flatten().cloned().collect();
        reached.extend(branches);
        if let Some(importance) = importance.get_mut(question.feature() as usize) {
            importance.splits += 1.0;
            importance.gain += gain(at, &own);
            importance.cover += own.iter().map(Came::weight).sum::<f64>();
        }
    }
}
