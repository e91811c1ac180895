//! Ensembles whose members do not know of each other, and so can each take a whole block on a thread of its own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::member::{Answer, Member, Saved};
use super::settings::Settings;
use crate::block::Block;
use crate::explain::{Ensemble, Explainer, Forest, Importance};
use crate::learner::poisson::Poisson;
use crate::learner::tree::Tree;
use crate::learner::{FeatureKind, Learner, Shape};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::{InTurn, Spread, each};
use crate::{Error, Result};

/// An ensemble of trees that each see the rows by chance.
#[derive(Debug)]
pub(super) struct Bagging<T: Tree> {
    name: &'static str,
    shape: Shape,
    settings: Settings,
    poisson: Poisson,
    members: Vec<Member<T>>,
    features: usize,
    spread: Arc<dyn Spread + Send>,
}

/// The saved form.
#[derive(Serialize, Deserialize)]
struct SavedBagging<G> {
    name: String,
    classes: usize,
    members: Vec<Saved<G>>,
}

impl<T: Tree> Bagging<T> {
    /// `plant` makes a tree of a seed.
    pub(super) fn new(name: &'static str, shape: Shape, settings: Settings, plant: impl Fn(u64) -> T) -> Self {
        let answer = if shape == Shape::Number { Answer::Number } else { Answer::Class };
        let members = (0..settings.members).map(|number| Member::new(&settings, answer, number, &plant)).collect();
        let poisson = Poisson::new(settings.lambda);
        let mut bagging = Self { name, shape, settings, poisson, members, features: 0, spread: Arc::new(InTurn) };
        let classes = bagging.classes();
        bagging.members.iter_mut().for_each(|member| member.set_classes(classes));
        bagging
    }

    fn classes(&self) -> usize {
        match self.shape {
            Shape::Classes { classes } => classes,
            Shape::Binary => 2,
            Shape::Number | Shape::Unlabelled => 0,
        }
    }

    /// How many numbers a member says of a row.
    fn width(&self) -> usize {
        self.classes().max(1)
    }

    fn run(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64]) {
        let (width, settings, poisson) = (self.width(), &self.settings, &self.poisson);
        each(&*self.spread, &mut self.members, |member| {
            member.run(before, after, y, weights, width, settings, poisson);
        });
    }

    /// Puts together the votes on `rows` rows; `vote` gives a member's votes and the weight of its vote on a row.
    fn count<'a>(&self, rows: usize, vote: impl Fn(usize, usize) -> (&'a [f64], f64), scores: &mut Vec<f64>) {
        let mut sums = vec![0.0; self.width()];
        for row in 0..rows {
            // Where all members have always been wrong each counts alike.
            let total: f64 = (0..self.members.len()).map(|member| vote(member, row).1).sum();
            let (all, alike) = if total > 0.0 { (total, false) } else { (self.members.len() as f64, true) };
            sums.fill(0.0);
            for member in 0..self.members.len() {
                let (votes, weight) = vote(member, row);
                let weight = if alike { 1.0 } else { weight };
                sums.iter_mut().zip(votes).for_each(|(sum, vote)| *sum += weight * vote);
            }
            match self.shape {
                Shape::Binary => scores.push(sums[1] / all),
                _ => scores.extend(sums.iter().map(|sum| sum / all)),
            }
        }
    }
}

impl<T: Tree + 'static> Learner for Bagging<T> {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.features = kinds.len();
        self.members.iter_mut().for_each(|member| member.set_features(kinds));
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.spread = spread;
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let width = self.width();
        let mut ballots: Vec<(Vec<f64>, f64)> =
            self.members.iter().map(|_| (vec![0.0; x.rows() * width], 0.0)).collect();
        let mut work: Vec<_> = self.members.iter().zip(&mut ballots).collect();
        each(&*self.spread, &mut work, |(member, (votes, weight))| {
            *weight = member.predict(x, width, &self.settings, votes);
        });
        let vote = |member: usize, row: usize| {
            let (votes, weight) = &ballots[member];
            (&votes[row * width..(row + 1) * width], *weight)
        };
        self.count(x.rows(), vote, scores);
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.run(x, x, y, weights);
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        self.run(before, after, y, weights);
        let width = self.width();
        let vote = |member: usize, row: usize| {
            let member = &self.members[member];
            (&member.votes[row * width..(row + 1) * width], member.weights[row])
        };
        self.count(y.len(), vote, scores);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let trees = self.members.iter().map(|member| (member.vote_weight(&self.settings), member.tree.explained()));
        Some(Box::new(Forest(Ensemble::mean_of(trees.collect()))))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.features];
        self.members.iter().for_each(|member| member.tree.add_importance(&mut importance));
        Some(importance)
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
            let classes = *known;
            self.members.iter_mut().for_each(|member| member.set_classes(classes));
        }
    }

    fn merge(&mut self, _: &[&[u8]]) -> Result<()> {
        Err(Error::Merge(super::NO_MERGE.to_string()))
    }

    fn save(&self) -> Vec<u8> {
        let members = self.members.iter().map(Member::saved).collect();
        encode(&SavedBagging { name: self.name.to_string(), classes: self.classes(), members })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: SavedBagging<T::State> = decode(state)?;
        if saved.name != self.name {
            return Err(SnapshotError::Kind { found: saved.name, expected: self.name.to_string() }.into());
        }
        if saved.members.len() != self.members.len() || saved.classes < self.classes() {
            return Err(SnapshotError::Content("an ensemble of other size, or of other classes".to_string()).into());
        }
        self.set_classes(saved.classes);
        let members = self.members.iter_mut().zip(saved.members);
        Ok(members.into_iter().try_for_each(|(member, saved)| member.restore(saved))?)
    }

    fn state_bytes(&self) -> usize {
        let members = self.members.iter().map(|member| size_of::<Member<T>>() + member.heap_bytes());
        size_of::<Self>() + members.sum::<usize>()
    }
}
