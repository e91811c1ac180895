//! Models that learned apart, put together.

use super::saved::Learned;
use super::{Algorithm, Model};
use crate::{Error, Result};

/// Whether numbers are those of before.
fn stay(numbers: &[u32]) -> bool {
    numbers.iter().enumerate().all(|(old, new)| old as u32 == *new)
}

impl Model {
    /// Takes in what other models of the same specification have learned from other rows. Statistics merge as their
    /// transforms say, weights as the learner says: most approximately, by averages.
    ///
    /// # Errors
    /// [`Error::Merge`] when specifications differ or the learner cannot merge. Then nothing has changed.
    pub fn merge(&mut self, others: &[&Self]) -> Result<()> {
        self.check_alike(others)?;
        let mut merged = Self::load(&self.save())?;
        let (mut classes, mut features) = (Vec::new(), Vec::new());
        for other in others {
            classes.push(merged.labels.merge(&other.labels)?);
            features.push(merged.pipeline.merge(&other.pipeline)?);
            merged.rows_learned = merged.rows_learned.saturating_add(other.rows_learned);
        }
        let states = merged.renumbered(others, &classes, &features)?;
        merged.learner.merge(&states.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        merged.version = self.version;
        *self = merged;
        Ok(())
    }

    /// Becomes what `replicas` make together: models that all were as this one is, and since [`Model::branch`] have learned
    /// from rows of their own. What they have in common counts once.
    ///
    /// # Errors
    /// [`Error::Merge`] when specifications differ, or the learner or a transform cannot be trained in parallel. Then this model
    /// is of no more use.
    pub fn merge_since(&mut self, replicas: &[&Self]) -> Result<()> {
        self.check_alike(replicas)?;
        let classes = replicas.iter().map(|replica| self.labels.merge(&replica.labels)).collect::<Result<Vec<_>>>()?;
        let features =
            self.pipeline.merge_since(&replicas.iter().map(|replica| &replica.pipeline).collect::<Vec<_>>())?;
        let before = self.rows_learned;
        for replica in replicas {
            let learned = replica.rows_learned.saturating_sub(before);
            self.rows_learned = self.rows_learned.saturating_add(learned);
        }
        let states = self.renumbered(replicas, &classes, &features)?;
        self.learner.merge_since(&states.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Goes on from what a model of the same specification has learned, apart from others that do so too: to be put together
    /// by [`Model::merge_since`].
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the models are declared differently.
    pub fn branch(&mut self, from: &Self) -> Result<()> {
        self.branch_from(&from.learned())
    }

    /// As [`Model::branch`].
    pub(crate) fn branch_from(&mut self, learned: &Learned) -> Result<()> {
        self.resume(learned)?;
        self.pipeline.branch();
        Ok(())
    }

    fn check_alike(&self, others: &[&Self]) -> Result<()> {
        let ours = &self.spec;
        for theirs in others.iter().map(|other| &other.spec) {
            let same = ours.task == theirs.task
                && ours.inputs == theirs.inputs
                && ours.transforms == theirs.transforms
                && ours.label == theirs.label
                && ours.options == theirs.options;
            if !same {
                return Err(Error::Merge(format!(
                    "the models '{}' and '{}' are declared differently",
                    ours.name, theirs.name
                )));
            }
        }
        Ok(())
    }

    /// The states of the learners of others, with classes and sparse features numbered as here. The learner here is told of
    /// new classes.
    fn renumbered(&mut self, others: &[&Self], classes: &[Vec<u32>], features: &[Vec<u32>]) -> Result<Vec<Vec<u8>>> {
        let grow = !self.labels.are_targets();
        let count = self.labels.count();
        if grow {
            self.learner.set_classes(count);
        }
        let of_other = |(other, (classes, features)): (&&Self, (&Vec<u32>, &Vec<u32>))| {
            let state = other.learner.save();
            let categories = self.pipeline.categories_of(&other.pipeline);
            if stay(classes) && stay(features) && categories.is_empty() && (!grow || classes.len() == count) {
                return Ok(state);
            }
            let (_, _, _, mut learner) = Algorithm::of(&self.spec, &|_| Ok(self.shape))?;
            learner.set_features(&self.pipeline.dense_kinds());
            if grow {
                learner.set_classes(other.labels.count());
            }
            learner.load(&state)?;
            if !stay(features) {
                learner.renumber(features)?;
            }
            for (feature, numbers) in &categories {
                learner.renumber_categories(*feature, numbers)?;
            }
            if !stay(classes) {
                learner.renumber_classes(classes, count)?;
            } else if grow {
                learner.set_classes(count);
            }
            Ok(learner.save())
        };
        others.iter().zip(classes.iter().zip(features)).map(of_other).collect()
    }
}
