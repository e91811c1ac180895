//! Feature selection: scores of features, and models that go by the best of them.
//!
//! ```text
//!  rows ─► transforms ─► block ─┬─► scores of all features ─► the best k, once
//!                               └─► those chosen, without gaps ─► learner
//! ```
//! A [`Selector`] takes rows in and says how much each feature tells of the target; its state merges exactly, so a score does not
//! depend on how rows were cut. Adding one is a file of its own and a line in [`SELECTORS`]. [`FeatureScores`] reports scores of the
//! columns of a table; `Selection` puts a choice between the transforms of a model and its learner, as its option `select` says:
//! it is a learner that holds a learner, and so it is there wherever models learn.

use std::fmt::Debug;
use std::marker::PhantomData;

use tidegate_options::{Kind, OptionDef, nearest};

use crate::block::Block;
use crate::learner::FeatureKind;
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Error, LabelKind, Result};

mod anova_f;
mod chi_square;
mod choice;
mod correlation;
mod explained;
mod f_regression;
mod feature_scores;
mod features;
#[cfg(test)]
mod golden;
mod grid;
mod kept;
mod l1;
#[cfg(test)]
mod laws;
mod moments;
mod mutual_info;
mod probability;
mod selecting;
mod settings;
mod variance;

pub use choice::Choice;
pub use feature_scores::{FeatureScores, feature_scores_schema};
use features::{Each, Statistic};
pub(crate) use selecting::{MakeLearner, Selection};
pub(crate) use settings::Settings;

/// All ways to score features, by their name in `'select' = '…'`.
pub static SELECTORS: &[&SelectorDef] = &[
    &anova_f::ANOVA_F,
    &chi_square::CHI_SQUARE,
    &correlation::CORRELATION,
    &f_regression::F_REGRESSION,
    &l1::L1,
    &mutual_info::MUTUAL_INFO,
    &variance::VARIANCE,
];

/// Options of a model that learns from some of its features.
pub const SELECTION_OPTIONS: &[OptionDef] = &[
    OptionDef::optional(
        "select",
        Kind::Text,
        "How features are scored, of which the model then learns from the best: anova_f, chi_square, correlation, f_regression, l1, mutual_info or variance. Left out: from all.",
    ),
    OptionDef::new("select.k", Kind::Int { min: 1, max: 1_000_000 }, "20", "How many features are chosen, at most."),
    OptionDef::optional(
        "select.threshold",
        Kind::Float { min: f64::MIN, max: f64::MAX },
        "A feature is chosen only if its score is above it.",
    ),
    OptionDef::new(
        "select.after",
        Kind::Int { min: 10, max: 1_000_000 },
        "1000",
        "On a stream: rows that the choice waits for. Until then a learner of all features predicts; the rows are kept, and learned again from the features chosen. History is gone over first, whole.",
    ),
    OptionDef::new(
        "select.margin",
        Kind::Float { min: 0.0, max: 1000.0 },
        "0.1",
        "When training goes on from a version, what was chosen is looked at again: a feature takes the place of one that was chosen before only if it is better by more than this share.",
    ),
    OptionDef::new(
        "select.bins",
        Kind::Int { min: 2, max: 64 },
        "16",
        "mutual_info: bins of about the same weight that numbers are put into.",
    ),
];

/// The declaration of a way to score features.
#[derive(Debug)]
pub struct SelectorDef {
    /// Its name in `'select' = '…'` and `METHOD => '…'`.
    pub name: &'static str,
    /// What it computes: formula, limits, source.
    pub doc: &'static str,
    /// What it can score.
    pub takes: Takes,
    /// Makes one that has seen no rows.
    pub make: fn(&Setup<'_>) -> Box<dyn Selector>,
}

/// What a selector can score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// Features of rows whose label is a class.
    pub classes: bool,
    /// Features of rows whose label is a number.
    pub numbers: bool,
    /// Features of rows without labels.
    pub no_label: bool,
    /// Categories as they are, besides numbers.
    pub categories: bool,
    /// Sparse features: what is one-hot encoded or hashed.
    pub sparse: bool,
}

/// What a selector is made for.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The dense features.
    pub kinds: &'a [FeatureKind],
    /// Whether the target is a number; otherwise it is the index of a class.
    pub numbers: bool,
    /// The option `select.bins`.
    pub bins: u32,
}

/// What is gathered from rows to score their features. All of it is sequential: rows one by one or in batches give the same.
pub trait Selector: Debug + Send + Sync {
    /// Takes rows in. `y` has a target a row: the index of the class, or the number; `weights` a weight a row, or is empty for all
    /// ones.
    fn update(&mut self, x: &Block, y: &[f64], weights: &[f64]);

    /// Takes in the rows that another one of the same kind has seen, by what it saved.
    ///
    /// # Errors
    /// When the bytes are not of such a selector over the same features.
    fn merge(&mut self, state: &[u8]) -> Result<()>;

    /// How much each feature tells.
    fn scores(&self) -> Scores;

    /// All of it as bytes.
    fn save(&self) -> Vec<u8>;

    /// Replaces it.
    ///
    /// # Errors
    /// When the bytes are not of such a selector over the same features.
    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError>;

    /// Bytes of memory that it takes.
    fn state_bytes(&self) -> usize;
}

/// What is known of all features.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// By slot.
    pub dense: Vec<Evidence>,
    /// Of those that were met, with their numbers, ascending.
    pub sparse: Vec<(u32, Evidence)>,
}

/// How much a feature tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The method's score; NaN if there is none.
    pub score: f64,
    /// The probability of such a score or a larger one, were the feature of no use; where the method has a test.
    pub p_value: Option<f64>,
    /// What features are put in order by: the score, or what makes features of different kinds comparable. −∞ if there is none.
    pub strength: f64,
}

impl Evidence {
    /// Nothing is known.
    pub(crate) const NONE: Self = Self { score: f64::NAN, p_value: None, strength: f64::NEG_INFINITY };

    /// A score that features are put in order by.
    fn of_score(score: f64, p_value: Option<f64>) -> Self {
        if score.is_nan() {
            return Self::NONE;
        }
        Self { score, p_value: p_value.filter(|p| !p.is_nan()), strength: score }
    }
}

/// A method that scores each feature by itself.
trait Method: Debug + Send + Sync + 'static {
    /// What is gathered of a feature.
    type Statistic: Statistic + Debug + Send + Sync;

    /// What it comes to. `bins` is the option `select.bins`.
    fn evidence(feature: &Self::Statistic, bins: u32) -> Evidence;
}

/// What a [`Method`] gathers.
#[derive(Debug)]
struct Gathering<M: Method> {
    each: Each<M::Statistic>,
    kinds: Vec<FeatureKind>,
    bins: u32,
    method: PhantomData<M>,
}

impl<M: Method> Gathering<M> {
    fn new(setup: &Setup<'_>) -> Self {
        let Setup { kinds, bins, .. } = *setup;
        Self { each: Each::new(kinds), kinds: kinds.to_vec(), bins, method: PhantomData }
    }

    fn read(&self, state: &[u8]) -> Result<Each<M::Statistic>, SnapshotError> {
        let each: Each<M::Statistic> = decode(state)?;
        each.indexed(&self.kinds).ok_or_else(|| SnapshotError::Content("scores of other features".to_string()))
    }
}

impl<M: Method> Selector for Gathering<M> {
    fn update(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.each.update(x, y, weights);
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let other = self.read(state)?;
        self.each.merge(&other);
        Ok(())
    }

    fn scores(&self) -> Scores {
        self.each.scores(|feature| M::evidence(feature, self.bins))
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.each)
    }

    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.each = self.read(state)?;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.each.state_bytes()
    }
}

/// The way with this name. `argument` is what names it, in messages.
fn find(argument: &str, name: &str) -> Result<&'static SelectorDef> {
    SELECTORS.iter().copied().find(|def| def.name == name).ok_or_else(|| {
        let hint = match nearest(name, SELECTORS.iter().map(|def| def.name)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("known are: {}", SELECTORS.iter().map(|def| def.name).collect::<Vec<_>>().join(", ")),
        };
        Error::Spec(format!("{argument}: unknown way to score features '{name}'; {hint}"))
    })
}

/// Refuses a way that does not score features by such a label.
fn check_label(argument: &str, def: &SelectorDef, label: LabelKind) -> Result<()> {
    let takes = |def: &SelectorDef| match label {
        LabelKind::Number => def.takes.numbers,
        LabelKind::None => def.takes.no_label,
        LabelKind::Boolean | LabelKind::Integer | LabelKind::Text => def.takes.classes,
    };
    if takes(def) {
        return Ok(());
    }
    let what = match label {
        LabelKind::Number => "a label that is a number",
        LabelKind::None => "rows without labels",
        LabelKind::Boolean | LabelKind::Integer | LabelKind::Text => "a label that is a class",
    };
    let others = SELECTORS.iter().copied().filter(|def| takes(def)).map(|def| def.name).collect::<Vec<_>>().join(", ");
    Err(Error::Spec(format!("{argument}: '{}' does not score features by {what}; these do: {others}", def.name)))
}

/// Refuses a way that does not score categories, when `name` is one.
fn check_category(argument: &str, def: &SelectorDef, name: &str) -> Result<()> {
    if def.takes.categories {
        return Ok(());
    }
    let all = SELECTORS.iter().filter(|def| def.takes.categories);
    Err(Error::Spec(format!(
        "{argument}: '{}' scores numbers, and '{name}' is a category; these score both: {}",
        def.name,
        all.map(|def| def.name).collect::<Vec<_>>().join(", ")
    )))
}
