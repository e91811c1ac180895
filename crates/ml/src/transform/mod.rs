//! Transforms: feature steps inside a model, between its inputs and its learner.
//!
//! A transform takes columns and gives columns. Some learn (`OVER ()` in SQL): their statistics grow with every row that
//! the model learns, and are frozen when it only predicts. Adding one is a file of its own and a line in [`TRANSFORMS`];
//! [`Pipeline`] puts together what a model's `TRANSFORM` clause says.
//!
//! A missing number is NaN, a missing text [`NULL`](crate::rows::NULL). Each transform's doc says what it makes of them.
//! Results of scalers saturate at ±[`LARGEST`](crate::rows::LARGEST).

use std::fmt::Debug;

use tidegate_options::nearest;

use crate::rows::{Dictionary, Rows};
use crate::snapshot::SnapshotError;
use crate::{Error, Result};

mod arguments;
mod bag_of_words;
mod bucketizer;
mod categories;
mod compile;
mod count_encoder;
mod cyclical;
mod feature_cross;
mod feature_hasher;
mod imputer;
mod label_encoder;
#[cfg(test)]
mod laws;
mod max_abs_scaler;
mod min_max_scaler;
mod normalizer;
mod one_hot_encoder;
mod pipeline;
mod polynomial_expand;
mod quantile_bucketizer;
mod quantiles;
mod robust_scaler;
mod scaler;
mod standard_scaler;
mod tallies;
mod target_encoder;
mod tf_idf;
mod words;

pub use arguments::{Call, Target};
pub use categories::{Categories, NONE};
pub use pipeline::{Feature, Pipeline, Scratch};
pub use quantiles::Quantiles;

/// All transforms, by their SQL name.
pub static TRANSFORMS: &[&TransformDef] = &[
    &bag_of_words::BAG_OF_WORDS,
    &bucketizer::BUCKETIZE,
    &count_encoder::COUNT_ENCODER,
    &cyclical::CYCLICAL,
    &feature_cross::FEATURE_CROSS,
    &feature_hasher::FEATURE_HASHER,
    &count_encoder::FREQUENCY_ENCODER,
    &imputer::IMPUTER,
    &label_encoder::LABEL_ENCODER,
    &label_encoder::ORDINAL_ENCODER,
    &max_abs_scaler::MAX_ABS_SCALER,
    &min_max_scaler::MIN_MAX_SCALER,
    &normalizer::NORMALIZER,
    &one_hot_encoder::ONE_HOT_ENCODER,
    &polynomial_expand::POLYNOMIAL_EXPAND,
    &quantile_bucketizer::QUANTILE_BUCKETIZE,
    &robust_scaler::ROBUST_SCALER,
    &standard_scaler::STANDARD_SCALER,
    &target_encoder::TARGET_ENCODER,
    &tf_idf::TF_IDF,
];

/// The declaration of a transform.
#[derive(Debug)]
pub struct TransformDef {
    /// Its SQL name, such as `ML_STANDARD_SCALER`.
    pub name: &'static str,
    /// Its arguments: the learned form, then the form with given statistics, whichever there are.
    pub arguments: &'static [&'static str],
    /// What it does: formula, missing values, bounds, merging, source.
    pub doc: &'static str,
    /// Which columns it takes.
    pub takes: Takes,
    /// Makes one that has learned nothing.
    pub make: fn(&mut Call<'_>) -> Result<Box<dyn Transform>>,
}

/// Which columns a transform takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// Numbers: number and flag inputs, and what transforms make of them.
    pub numbers: bool,
    /// Categories: text inputs, and what transforms make of them.
    pub categories: bool,
    /// Several columns together. Otherwise one; several are then each transformed on their own.
    pub together: bool,
}

/// What a transform gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// This many columns of numbers.
    Numbers(usize),
    /// One column of categories, named by the dictionary of this number.
    Category(usize),
    /// This many columns of sparse entries, which end an item: an index a row and column ([`NONE`]: no entry), and a value
    /// unless all are 1.
    Sparse {
        /// How many columns.
        columns: usize,
        /// How many features, where it is fixed. Otherwise they grow with the categories learned.
        features: Option<u32>,
        /// Whether there are values; otherwise all are 1.
        values: bool,
    },
    /// Any number of sparse entries a row, which end an item: each an index below `features` and a value.
    Words {
        /// How many features.
        features: u32,
    },
}

/// The form in which a transform reads texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// Ids of categories.
    Ids,
    /// Hashes of categories.
    Hashes,
    /// The words of an input column's texts.
    Words,
}

/// What a transform computed for some rows, one column after the other.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Numbers, or values of sparse entries.
    pub numbers: Vec<f64>,
    /// Ids of categories, or indices of sparse entries.
    pub ids: Vec<u32>,
    /// Hashes of categories.
    pub hashes: Vec<u64>,
    /// Where each row's entries end, of [`Output::Words`]. They lie row after row in `ids` and `numbers`.
    pub ends: Vec<u32>,
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An input column.
    Input(usize),
    /// A column of what an earlier transform gave.
    Step {
        /// Which transform.
        step: usize,
        /// Which of its columns.
        column: usize,
    },
}

/// What the steps of a pipeline have computed so far.
#[derive(Debug, Clone, Default)]
pub struct StepValues {
    /// With the statistics as they stood before each row. Empty where they are the same as `after`.
    before: Values,
    /// With the statistics that include each row, or frozen ones.
    after: Values,
    /// Whether `before` is to be read.
    differs: bool,
}

/// Columns that a transform takes, for some consecutive rows.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    sources: &'a [Source],
    rows: &'a Rows,
    start: usize,
    len: usize,
    steps: &'a [StepValues],
    before: bool,
    targets: &'a [f64],
}

impl<'a> Inputs<'a> {
    /// How many rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.len
    }

    /// How many columns.
    #[inline]
    pub fn columns(&self) -> usize {
        self.sources.len()
    }

    /// What the learner is to hit, a value a row: the label, or the number of its class. Empty where rows are not learned.
    #[inline]
    pub fn targets(&self) -> &'a [f64] {
        self.targets
    }

    /// Hashes of the words of a row's text. Only of an input column.
    #[inline]
    pub fn words(&self, column: usize, row: usize) -> &'a [u64] {
        match self.sources[column] {
            Source::Input(input) => self.rows.words(input).of(self.start + row),
            Source::Step { .. } => &[],
        }
    }

    fn values(&self, step: usize) -> &'a Values {
        let step = &self.steps[step];
        if self.before && step.differs { &step.before } else { &step.after }
    }

    /// Numbers of a column.
    #[inline]
    pub fn numbers(&self, column: usize) -> &'a [f64] {
        match self.sources[column] {
            Source::Input(input) => &self.rows.numbers(input)[self.start..self.start + self.len],
            Source::Step { step, column } => &self.values(step).numbers[column * self.len..(column + 1) * self.len],
        }
    }

    /// Category ids of a column.
    #[inline]
    pub fn ids(&self, column: usize) -> &'a [u32] {
        match self.sources[column] {
            Source::Input(input) => &self.rows.ids(input)[self.start..self.start + self.len],
            Source::Step { step, column } => &self.values(step).ids[column * self.len..(column + 1) * self.len],
        }
    }

    /// Whether a column of categories carries hashes: some transform further on hashes it.
    #[inline]
    pub fn has_hashes(&self, column: usize) -> bool {
        match self.sources[column] {
            Source::Input(input) => !self.rows.hashes(input).is_empty(),
            Source::Step { step, .. } => !self.values(step).hashes.is_empty(),
        }
    }

    /// Hashes of a column's categories.
    #[inline]
    pub fn hashes(&self, column: usize) -> &'a [u64] {
        match self.sources[column] {
            Source::Input(input) => &self.rows.hashes(input)[self.start..self.start + self.len],
            Source::Step { step, column } => &self.values(step).hashes[column * self.len..(column + 1) * self.len],
        }
    }
}

/// A step of a model's features.
pub trait Transform: Debug + Send + Sync {
    /// What it gives.
    fn output(&self) -> Output;

    /// Whether it learns from rows.
    fn learns(&self) -> bool {
        false
    }

    /// Whether it learns from labels: then rows must not be learned twice, for their features would tell their labels.
    fn learns_from_labels(&self) -> bool {
        false
    }

    /// How it reads texts.
    fn reads(&self) -> TextForm {
        TextForm::Ids
    }

    /// Whether its result is missing where an input is missing.
    fn passes_missing(&self) -> bool;

    /// Which of so many columns a column of what it gives is made of.
    fn origins(&self, _column: usize, columns: usize) -> Vec<usize> {
        (0..columns).collect()
    }

    /// Transforms rows with the statistics as they are. Fills in `out` the fields that belong to [`Transform::output`].
    fn apply(&self, x: Inputs<'_>, out: &mut Values);

    /// For each row in order: transforms `before.0` with the statistics so far into `before.1`, then takes the row of
    /// `after` in, then transforms it into `out`. Without `before` the first part is left out. A transform that learns from labels
    /// transforms the row before it takes its label in, so that no feature knows the row's own.
    ///
    /// Called only if [`Transform::learns`].
    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        if let Some((x, out)) = before {
            self.apply(x, out);
        }
        self.apply(after, out);
    }

    /// Whether it could take in one more category. Only for transforms that learn categories of texts.
    fn open(&self) -> bool {
        false
    }

    /// Whether it knows the category with this id. Only for transforms that take categories of texts.
    fn knows(&self, _id: u32) -> bool {
        false
    }

    /// The category that a sparse feature stands for, or the bucket.
    fn category(&self, _index: u32, _dictionaries: &[Dictionary]) -> Option<String> {
        None
    }

    /// How many sparse features there are now, for an output whose features grow.
    fn categories(&self) -> u32 {
        0
    }

    /// The index of the sparse feature with this category's name, as [`Transform::category`] gives it.
    fn index_of(&self, _category: &str, _dictionaries: &[Dictionary]) -> Option<u32> {
        None
    }

    /// The learned statistics as bytes.
    fn save(&self, _dictionaries: &[Dictionary]) -> Vec<u8> {
        Vec::new()
    }

    /// Replaces the statistics.
    ///
    /// # Errors
    /// When the bytes are not statistics of this transform.
    fn load(&mut self, state: &[u8], _dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        if state.is_empty() {
            Ok(())
        } else {
            Err(SnapshotError::Content("a transform that learns nothing has state".to_string()))
        }
    }

    /// Takes in statistics that another one of the same kind learned from other rows.
    ///
    /// # Errors
    /// When the bytes are not statistics of this transform.
    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.load(state, dictionaries)
    }

    /// From here on several go on apart, to be put together by [`Transform::merge_since`]: what is needed for that and does
    /// not follow from the statistics is kept apart.
    fn branch(&mut self) {}

    /// What was kept apart, as bytes.
    fn apart(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Replaces what was kept apart.
    ///
    /// # Errors
    /// When the bytes are not from [`Transform::apart`] of this transform.
    fn load_apart(&mut self, apart: &[u8]) -> Result<(), SnapshotError> {
        if apart.is_empty() {
            Ok(())
        } else {
            Err(SnapshotError::Content("a transform that keeps nothing apart has some of it".to_string()))
        }
    }

    /// Becomes what `replicas` make together, which all were as this one is and have learned from rows of their own since: what
    /// they have in common must count once.
    ///
    /// # Errors
    /// When the bytes are not statistics of this transform, or it cannot be trained in parallel.
    fn merge_since(&mut self, replicas: &[Replica], _dictionaries: &mut [Dictionary]) -> Result<()> {
        if replicas.iter().all(|replica| replica.state.is_empty()) {
            return Ok(());
        }
        Err(Error::Merge("a transform cannot be trained in parallel".to_string()))
    }

    /// Bytes of memory that the statistics take.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// What one of several has learned that go on apart, for [`Transform::merge_since`].
#[derive(Debug)]
pub struct Replica {
    /// Its statistics, by [`Transform::save`].
    pub state: Vec<u8>,
    /// What it has kept apart, by [`Transform::apart`].
    pub apart: Vec<u8>,
}

/// The transform with this name.
fn find(name: &str) -> Result<&'static TransformDef> {
    TRANSFORMS.iter().copied().find(|def| def.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let hint = match nearest(name, TRANSFORMS.iter().map(|def| def.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are: {}", TRANSFORMS.iter().map(|def| def.name).collect::<Vec<_>>().join(", ")),
        };
        Error::Spec(format!("unknown transform {name}; {hint}"))
    })
}
