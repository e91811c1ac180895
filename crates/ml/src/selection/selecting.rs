//! A learner that chooses its features: a learner that holds a learner.
//!
//! On a stream a learner of all features learns and predicts until `select.after` rows have been scored. Then the best are chosen, and
//! another learner takes its place that learns the rows kept from the features chosen, and from then on sees no others. Predictions
//! stay honest: a row is predicted by what was chosen and learned before it. Over history a first pass scores the rows and learns
//! nothing; the next begins anew with the features chosen.
//!
//! Training that goes on from a version scores `select.after` rows once more, while the learner goes on. If other features are chosen then,
//! by the margin, a new learner takes over that has learned those rows: what was learned before is of other features.
//!
//! Memory: the learner; until a choice is made two of them, what the [selector](super::SELECTORS) gathers, and the rows kept. Merges where
//! all have chosen the same features; it is not trained in parallel, where each replica would choose its own.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::explained::OfChosen;
use super::kept::Kept;
use super::{Selector, Settings};
use crate::block::Block;
use crate::explain::{Explainer, Importance};
use crate::learner::{FeatureKind, Learner, Shape, Weights, row_weights};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::Spread;
use crate::tuning::Trial;
use crate::{Error, Result};

/// More classes than any model has.
const CLASSES_MAX: u32 = 100_000;

/// Makes the learner that goes by the features chosen.
pub(crate) trait MakeLearner: std::fmt::Debug + Send + Sync {
    /// An untrained one.
    ///
    /// # Errors
    /// When its options are refused.
    fn make(&self, shape: Shape) -> Result<Box<dyn Learner>>;
}

/// A learner that chooses its features. See the [module](self).
#[derive(Debug)]
pub(crate) struct Selection {
    settings: Settings,
    makes: Box<dyn MakeLearner>,
    shape: Shape,
    /// Before classes were met.
    first_shape: Shape,
    kinds: Vec<FeatureKind>,
    spread: Option<Arc<dyn Spread + Send>>,
    /// Nothing: all features.
    choice: Option<Choice>,
    learner: Box<dyn Learner>,
    survey: Option<Survey>,
    /// Whether rows are those of a first pass over history.
    on_history: bool,
    /// Blocks of the features chosen.
    before: Block,
    after: Block,
}

/// Rows being scored.
#[derive(Debug)]
struct Survey {
    selector: Box<dyn Selector>,
    rows: u64,
    kept: Kept,
    /// What is to learn from the features chosen.
    next: Box<dyn Learner>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    classes: u32,
    choice: Option<Choice>,
    learner: Vec<u8>,
    survey: Option<SavedSurvey>,
    on_history: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedSurvey {
    selector: Vec<u8>,
    rows: u64,
    kept: Kept,
}

/// Rows to learn: see [`Learner::learn_predict`].
#[derive(Clone, Copy)]
struct Rows<'a> {
    before: &'a Block,
    after: &'a Block,
    y: &'a [f64],
    weights: &'a [f64],
}

fn part(block: &Block, start: usize, rows: usize) -> Cow<'_, Block> {
    match (start, rows) == (0, block.rows()) {
        true => Cow::Borrowed(block),
        false => Cow::Owned(block.part(start, rows)),
    }
}

impl Selection {
    /// One that has learned nothing.
    ///
    /// # Errors
    /// When the learner refuses its options.
    pub(crate) fn new(settings: Settings, makes: Box<dyn MakeLearner>, shape: Shape) -> Result<Self> {
        let mut selection = Self {
            settings,
            shape,
            first_shape: shape,
            kinds: Vec::new(),
            spread: None,
            choice: None,
            learner: makes.make(shape)?,
            survey: None,
            on_history: false,
            makes,
            before: Block::default(),
            after: Block::default(),
        };
        selection.survey = Some(selection.new_survey()?);
        Ok(selection)
    }

    fn new_survey(&self) -> Result<Survey> {
        let (selector, next) = (self.settings.selector(&self.kinds), self.makes.make(self.first_shape)?);
        Ok(Survey { selector, rows: 0, kept: Kept::default(), next })
    }

    /// Tells a learner that was just made what is known.
    fn tell(&self, learner: &mut dyn Learner, kinds: &[FeatureKind]) {
        learner.set_features(kinds);
        if let Some(spread) = &self.spread {
            learner.set_spread(Arc::clone(spread));
        }
        if let Shape::Classes { classes } = self.shape
            && self.shape != self.first_shape
        {
            learner.set_classes(classes);
        }
    }

    /// Scores rows, and learns them if they are of a stream.
    fn run(&mut self, rows: Rows<'_>, mut scores: Option<&mut Vec<f64>>) {
        let mut at = 0;
        while at < rows.y.len() {
            let left = rows.y.len() - at;
            let to_go = match &self.survey {
                Some(survey) if !self.on_history => self.settings.after.saturating_sub(survey.rows),
                _ => u64::MAX,
            };
            let len = left.min(usize::try_from(to_go).unwrap_or(usize::MAX));
            let after = part(rows.after, at, len);
            let before = match std::ptr::eq(rows.before, rows.after) {
                true => Cow::Borrowed(after.as_ref()),
                false => part(rows.before, at, len),
            };
            let weights = row_weights(rows.weights, at, len);
            let some = Rows { before: &before, after: &after, y: &rows.y[at..at + len], weights };
            if !self.on_history {
                self.learn_some(some, scores.as_deref_mut());
            } else if let Some(scores) = scores.as_deref_mut() {
                self.predict(some.before, scores);
            }
            if let Some(survey) = &mut self.survey {
                survey.selector.update(some.after, some.y, some.weights);
                survey.rows += len as u64;
                if !self.on_history {
                    survey.kept.push(some.after, some.y, some.weights);
                    if survey.rows >= self.settings.after {
                        self.choose();
                    }
                }
            }
            at += len;
        }
    }

    /// Learns rows from what is chosen so far.
    fn learn_some(&mut self, rows: Rows<'_>, scores: Option<&mut Vec<f64>>) {
        let Rows { before, after, y, weights } = rows;
        let (before, after) = match &self.choice {
            None => (before, after),
            Some(choice) => {
                choice.narrow(after, &mut self.after);
                if scores.is_none() || std::ptr::eq(before, after) {
                    (&self.after, &self.after)
                } else {
                    choice.narrow(before, &mut self.before);
                    (&self.before, &self.after)
                }
            }
        };
        match scores {
            Some(scores) => self.learner.learn_predict(before, after, y, weights, scores),
            None => self.learner.learn(after, y, weights),
        }
    }

    /// Chooses features by the rows scored, and ends that.
    fn choose(&mut self) {
        let Some(Survey { selector, kept, mut next, .. }) = self.survey.take() else { return };
        let choice = Choice::new(&selector.scores(), &self.settings, self.choice.as_ref());
        let stays = self.choice.as_ref().is_some_and(|before| before.is_as(&choice));
        if !stays {
            self.tell(next.as_mut(), &choice.kinds(&self.kinds));
            let (rows, y, weights) = kept.rows(self.kinds.len());
            if !y.is_empty() {
                choice.narrow(&rows, &mut self.after);
                next.learn(&self.after, &y, &weights);
            }
            self.learner = next;
        }
        self.choice = Some(choice);
    }
}

fn not_alike() -> Error {
    Error::Merge(
        "models that have chosen different features, or none yet, cannot be merged: leave 'select' out, or choose on history"
            .to_string(),
    )
}

impl Learner for Selection {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.learner.set_features(kinds);
        if let Some(survey) = &mut self.survey {
            survey.selector = self.settings.selector(kinds);
        }
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.learner.set_spread(Arc::clone(&spread));
        self.spread = Some(spread);
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        match &self.choice {
            None => self.learner.predict(x, scores),
            Some(choice) => {
                let mut chosen = Block::default();
                choice.narrow(x, &mut chosen);
                self.learner.predict(&chosen, scores);
            }
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.run(Rows { before: x, after: x, y, weights }, None);
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        self.run(Rows { before, after, y, weights }, Some(scores));
    }

    fn end_input(&mut self) {
        self.learner.end_input();
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
        }
        self.learner.set_classes(classes);
    }

    fn renumber(&mut self, _numbers: &[u32]) -> Result<()> {
        Err(Error::Merge(
            "the models met their categories in different orders, and have chosen some; give them as ARRAY[…]"
                .to_string(),
        ))
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        match &self.choice {
            None => Err(not_alike()),
            Some(choice) => match choice.dense.binary_search(&(feature as u32)) {
                Ok(own) => self.learner.renumber_categories(own, numbers),
                Err(_) => Ok(()),
            },
        }
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        if self.survey.is_some() {
            return Err(not_alike());
        }
        self.learner.renumber_classes(numbers, classes)
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let others = others.iter().map(|state| decode(state)).collect::<Result<Vec<Saved>, _>>()?;
        let alike = |saved: &Saved| match (&saved.choice, &self.choice) {
            (Some(theirs), Some(mine)) => saved.survey.is_none() && theirs.is_as(mine),
            _ => false,
        };
        if self.survey.is_some() || !others.iter().all(alike) {
            return Err(not_alike());
        }
        self.learner.merge(&others.iter().map(|saved| saved.learner.as_slice()).collect::<Vec<_>>())
    }

    fn merge_since(&mut self, _replicas: &[&[u8]]) -> Result<()> {
        Err(Error::Merge(
            "a model that chooses its features cannot be trained in parallel, where each replica would choose its own: leave out \
             'training.parallelism' or 'select'"
                .to_string(),
        ))
    }

    fn save(&self) -> Vec<u8> {
        let survey = self.survey.as_ref().map(|survey| SavedSurvey {
            selector: survey.selector.save(),
            rows: survey.rows,
            kept: survey.kept.clone(),
        });
        encode(&Saved {
            classes: if let Shape::Classes { classes } = self.shape { classes as u32 } else { 0 },
            choice: self.choice.clone(),
            learner: self.learner.save(),
            survey,
            on_history: self.on_history,
        })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state)?;
        let content = |what: &str| SnapshotError::Content(what.to_string());
        if saved.classes > CLASSES_MAX || saved.choice.as_ref().is_some_and(|choice| !choice.fits(&self.kinds)) {
            return Err(content("a choice of other features").into());
        }
        if let Shape::Classes { classes } = &mut self.shape {
            *classes = (*classes).max(saved.classes as usize);
        }
        let kinds = saved.choice.as_ref().map_or_else(|| self.kinds.clone(), |choice| choice.kinds(&self.kinds));
        let mut learner = self.makes.make(self.first_shape)?;
        self.tell(learner.as_mut(), &kinds);
        learner.load(&saved.learner)?;
        let survey = match saved.survey {
            None => None,
            Some(SavedSurvey { selector, rows, kept }) => {
                kept.check(self.kinds.len())?;
                let as_many = if saved.on_history { 0 } else { rows };
                if kept.len() as u64 != as_many {
                    return Err(content("rows scored were not kept").into());
                }
                let mut survey = Survey { rows, kept, ..self.new_survey()? };
                survey.selector.load(&selector)?;
                Some(survey)
            }
        };
        (self.choice, self.learner, self.survey, self.on_history) = (saved.choice, learner, survey, saved.on_history);
        Ok(())
    }

    fn weights(&self) -> Vec<Weights> {
        let weights = self.learner.weights();
        match &self.choice {
            None => weights,
            Some(choice) => weights.into_iter().map(|own| choice.widen(own, self.kinds.len())).collect(),
        }
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let explainer = self.learner.explainer()?;
        match &self.choice {
            None => Some(explainer),
            Some(choice) => Some(Box::new(OfChosen { explainer, choice: choice.clone() })),
        }
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let own = self.learner.importance()?;
        let Some(choice) = &self.choice else { return Some(own) };
        let mut all = vec![Importance::default(); self.kinds.len()];
        choice.dense.iter().zip(own).for_each(|(slot, importance)| all[*slot as usize] = importance);
        Some(all)
    }

    fn trials(&self) -> Vec<Trial> {
        self.learner.trials()
    }

    fn choice(&self) -> Option<&Choice> {
        self.choice.as_ref()
    }

    fn begin_history(&mut self) {
        self.on_history = self.survey.is_some();
    }

    fn go_on(&mut self) -> Result<()> {
        if self.survey.is_none() {
            self.survey = Some(self.new_survey()?);
        }
        Ok(())
    }

    fn needs_history(&self) -> bool {
        self.on_history || self.learner.needs_history()
    }

    fn end_pass(&mut self) -> Result<bool> {
        let again = if self.on_history {
            self.on_history = false;
            let any = self.survey.as_ref().is_some_and(|survey| survey.rows > 0);
            if any {
                // What is made now meets the classes that were not declared again.
                self.shape = self.first_shape;
                self.choose();
            }
            any
        } else {
            self.learner.end_pass()?
        };
        if again {
            self.shape = self.first_shape;
        }
        Ok(again)
    }

    fn state_bytes(&self) -> usize {
        let survey = self
            .survey
            .as_ref()
            .map_or(0, |survey| survey.selector.state_bytes() + survey.kept.state_bytes() + survey.next.state_bytes());
        let choice = self.choice.as_ref().map_or(0, |choice| 16 * choice.scores.len());
        size_of::<Self>() + self.kinds.len() + self.learner.state_bytes() + survey + choice
    }
}
