//! Learners: the algorithm that ends a model.
//!
//! A learner reads [`Block`]s of features and targets as f64 (a class index, or a number) and writes scores. Adding one is
//! a file of its own and a line in [`LEARNERS`].

use std::fmt::Debug;
use std::sync::Arc;

use tidegate_options::{OptionDef, Options};

use crate::block::Block;
use crate::explain::{Explainer, Importance};
use crate::selection::Choice;
use crate::spread::Spread;
use crate::tuning::Trial;
use crate::{Result, Task};

pub mod anomaly;
pub mod baseline;
pub mod bayes;
pub mod change;
pub mod ensemble;
pub mod factorization;
pub mod gradient_boosting;
pub mod kmeans;
pub mod linear;
pub mod neighbors;
pub mod neural;
mod poisson;
mod row_model;
pub mod streaming_gradient_boosting;
pub mod tree;

/// All learners, by their name in `'algorithm' = '…'`.
pub static LEARNERS: &[&LearnerDef] = &[
    &linear::LOGISTIC_REGRESSION,
    &linear::LINEAR_REGRESSION,
    &linear::LINEAR_SVM,
    &linear::PERCEPTRON,
    &linear::PASSIVE_AGGRESSIVE,
    &factorization::FACTORIZATION_MACHINE,
    &neural::MLP,
    &neighbors::KNN,
    &bayes::GAUSSIAN_NB,
    &bayes::MULTINOMIAL_NB,
    &bayes::COMPLEMENT_NB,
    &bayes::BERNOULLI_NB,
    &tree::HOEFFDING_TREE,
    &tree::HOEFFDING_ADAPTIVE_TREE,
    &tree::EFDT,
    &tree::HOEFFDING_TREE_REGRESSOR,
    &tree::FIMT_DD,
    &ensemble::ONLINE_BAGGING,
    &ensemble::ADAPTIVE_RANDOM_FOREST,
    &ensemble::ADAPTIVE_RANDOM_FOREST_REGRESSOR,
    &ensemble::LEVERAGING_BAGGING,
    &ensemble::ONLINE_BOOSTING,
    &ensemble::STREAMING_RANDOM_PATCHES,
    &gradient_boosting::GRADIENT_BOOSTING,
    &streaming_gradient_boosting::STREAMING_GRADIENT_BOOSTING,
    &kmeans::KMEANS,
    &anomaly::HALF_SPACE_TREES,
    &anomaly::ROBUST_Z_SCORE,
    &change::ADWIN,
    &change::DDM,
    &change::EDDM,
    &change::HDDM_A,
    &change::HDDM_W,
    &change::KSWIN,
    &change::PAGE_HINKLEY,
    &baseline::NO_CHANGE,
    &baseline::MAJORITY_CLASS,
    &baseline::MEAN,
];

/// The declaration of a learner.
#[derive(Debug)]
pub struct LearnerDef {
    /// Its name in `'algorithm' = '…'`.
    pub name: &'static str,
    /// One line of idea, then the source.
    pub doc: &'static str,
    /// What it can answer.
    pub tasks: &'static [Task],
    /// Which features it takes.
    pub features: Features,
    /// The options it takes besides [`crate::spec::MODEL_OPTIONS`].
    pub options: &'static [&'static [OptionDef]],
    /// Whether and how states merge, for the reference page.
    pub merge: &'static str,
    /// Makes an untrained one.
    pub make: fn(&Options, Shape) -> Result<Box<dyn Learner>>,
}

/// Which features a learner takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Texts as they are: a dense feature that is the number of a category. Otherwise texts are one-hot encoded.
    pub categories: bool,
    /// Missing numbers, which are NaN, and missing categories. Otherwise a row without a number is refused.
    pub missing: bool,
    /// Sparse features: what is one-hot encoded or hashed.
    pub sparse: bool,
}

impl Features {
    /// Numbers that are all there, and sparse features.
    pub const NUMBERS: Self = Self { categories: false, missing: false, sparse: true };
    /// Numbers and categories as they are, any of which may be missing.
    pub const TABLE: Self = Self { categories: true, missing: true, sparse: false };
}

/// What a dense feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// A number; NaN where it is missing.
    Number,
    /// The number of a category, 0, 1, … as they were met; NaN where it is missing or not known.
    Category,
}

/// What a learner is to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One of two classes; scores are the probability of class 1, one a row.
    Binary,
    /// One of `classes` classes so far (more may come: [`Learner::set_classes`]); scores are a probability a class.
    Classes {
        /// How many classes are known.
        classes: usize,
    },
    /// A number; scores are the number, one a row.
    Number,
    /// Nothing that rows tell: they have no labels, and targets are 0. Scores are two a row: a cluster and the distance to its
    /// centre; how unusual the row is, and 1 if it is an anomaly; or 1 if there is a change, and 1 if there is a change or a warning
    /// of one. NaN where there is no answer.
    Unlabelled,
}

impl Shape {
    /// How many scores a row has.
    pub fn scores(self) -> usize {
        match self {
            Self::Binary | Self::Number => 1,
            Self::Classes { classes } => classes,
            Self::Unlabelled => 2,
        }
    }
}

/// An algorithm that learns from rows and predicts. All of it is sequential and repeatable: rows one by one, in batches
/// of 7 or of 8192 give the same state, bit for bit.
pub trait Learner: Debug + Send + Sync {
    /// Tells what the dense features are. Called once, before anything else. Learners that take numbers only need not know.
    fn set_features(&mut self, _kinds: &[FeatureKind]) {}

    /// Gives threads for work that can be done at once. What comes out is the same with any.
    fn set_spread(&mut self, _spread: Arc<dyn Spread + Send>) {}

    /// Writes the scores of each row of `x`: `rows × scores-a-row`, row-major, appended to `scores`.
    fn predict(&self, x: &Block, scores: &mut Vec<f64>);

    /// Learns from each row of `x` in order. `y` has a target a row: the index of the class, or the number. `weights` has
    /// a weight a row, or is empty for all ones.
    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]);

    /// Predicts each row, then learns from it before the next. `before` holds the features as the transforms stood before
    /// the row was met, and is what is predicted; `after` holds them with the row taken in, and is what is learned.
    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>);

    /// Tells that the input has ended: what is fitted only now and then is fitted to all rows. Training may yet go on from a
    /// version that was saved.
    fn end_input(&mut self) {}

    /// Tells that there are now `classes` classes, no fewer than before.
    fn set_classes(&mut self, classes: usize);

    /// Tells that what was sparse feature `i` is from now on `numbers[i]`; `u32::MAX` means that it is gone. Called before
    /// states are merged whose models met their categories in different orders.
    ///
    /// # Errors
    /// [`crate::Error::Merge`] when the learner has weights and cannot.
    fn renumber(&mut self, _numbers: &[u32]) -> Result<()> {
        if self.weights().is_empty() {
            return Ok(());
        }
        Err(crate::Error::Merge(
            "the models met their categories in different orders; give them as ARRAY[…]".to_string(),
        ))
    }

    /// Tells that what was category `i` of a dense feature is from now on `numbers[i]`; `u32::MAX` means that it is gone. Called
    /// before states are merged whose models met their categories in different orders.
    ///
    /// # Errors
    /// [`crate::Error::Merge`] when the learner cannot.
    fn renumber_categories(&mut self, _feature: usize, _numbers: &[u32]) -> Result<()> {
        Err(crate::Error::Merge(
            "the models met their categories in different orders; give them as ML_LABEL_ENCODER(column, ARRAY[…])"
                .to_string(),
        ))
    }

    /// Tells that what was class `i` is from now on class `numbers[i]` of `classes`. Called before states are merged whose
    /// models met their classes in different orders.
    ///
    /// # Errors
    /// [`crate::Error::Merge`] when the learner cannot.
    fn renumber_classes(&mut self, _numbers: &[u32], _classes: usize) -> Result<()> {
        Err(crate::Error::Merge(
            "the models met their classes in different orders; declare them with the option 'classes'".to_string(),
        ))
    }

    /// Takes in the state of learners of the same kind, each trained on other rows; each state counts by the rows it has
    /// seen.
    ///
    /// # Errors
    /// When the states are of another kind or cannot be merged.
    fn merge(&mut self, others: &[&[u8]]) -> Result<()>;

    /// Becomes what `replicas` make together: learners that all were as this one is, and since then have learned from rows of
    /// their own. What they have in common must count once, not once a replica, and each counts by the rows it has learned
    /// since. It has to work for learners that have learned nothing: so it is found out whether it works.
    ///
    /// # Errors
    /// [`crate::Error::Merge`] when the states are of another kind, or the learner cannot be trained in parallel.
    fn merge_since(&mut self, _replicas: &[&[u8]]) -> Result<()> {
        Err(crate::Error::Merge("the algorithm cannot be trained in parallel".to_string()))
    }

    /// The whole state as bytes; [`Learner::load`] continues from it bit for bit.
    fn save(&self) -> Vec<u8>;

    /// Replaces the state.
    ///
    /// # Errors
    /// When the bytes are not a state of this learner.
    fn load(&mut self, state: &[u8]) -> Result<()>;

    /// Learned weights, where the learner has them: one set a class it scores (one in all for [`Shape::Binary`] and
    /// [`Shape::Number`]).
    fn weights(&self) -> Vec<Weights> {
        Vec::new()
    }

    /// What explains its predictions as it is now, where something does.
    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        None
    }

    /// How important each dense feature is to it, where it tells.
    fn importance(&self) -> Option<Vec<Importance>> {
        None
    }

    /// The trials of a search, where the learner is one.
    fn trials(&self) -> Vec<Trial> {
        Vec::new()
    }

    /// The features that it has chosen, where it chooses some.
    fn choice(&self) -> Option<&Choice> {
        None
    }

    /// Tells that rows are those of history, which is there for several passes, each ended by [`Learner::end_pass`].
    fn begin_history(&mut self) {}

    /// Tells that training goes on from a version that was saved: what is decided once may be looked at again.
    ///
    /// # Errors
    /// When what it needs for that is refused.
    fn go_on(&mut self) -> Result<()> {
        Ok(())
    }

    /// Whether it can only learn from history, which is there for several passes.
    fn needs_history(&self) -> bool {
        false
    }

    /// Tells that a first pass over history has ended. Says whether there is more to be tried in another pass, from the first row on;
    /// otherwise what has been found to be best goes on alone.
    ///
    /// # Errors
    /// When what is to be tried is refused.
    fn end_pass(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Bytes of memory that the state takes.
    fn state_bytes(&self) -> usize;
}

/// Weights of a linear score.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// A weight a dense feature. May be shorter than the features: the rest are zero.
    pub dense: Vec<f64>,
    /// A weight a sparse feature. May be shorter than the features: the rest are zero.
    pub sparse: Vec<f64>,
    /// The constant.
    pub intercept: f64,
}

/// Weights of some rows, where there are any.
#[inline]
pub(crate) fn row_weights(weights: &[f64], start: usize, len: usize) -> &[f64] {
    if weights.is_empty() { &[] } else { &weights[start..start + len] }
}

/// The weight of a row, where an empty list stands for all ones.
#[inline]
pub(crate) fn row_weight(weights: &[f64], row: usize) -> f64 {
    weights.get(row).copied().unwrap_or(1.0)
}
