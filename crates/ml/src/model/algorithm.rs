//! What a model's options say about its learner: which one it is, or a search for one.

use tidegate_options::{OptionDef, Options, nearest, resolve};

use crate::balance::{Balanced, Mode};
use crate::calibration::{Calibrated, Method};
use crate::learner::{Features, LEARNERS, Learner, LearnerDef, Shape};
use crate::selection::{MakeLearner, SELECTION_OPTIONS, Selection, Settings};
use crate::spec::MODEL_OPTIONS;
use crate::transform::Pipeline;
use crate::tuning::{Race, Search, TUNING_OPTIONS};
use crate::{Error, ModelSpec, Result};

/// What makes a model's learner.
#[derive(Debug)]
pub(super) enum Algorithm {
    /// One learner.
    One(&'static LearnerDef),
    /// Trials of several. The search itself is the learner's; these are the tables of its options.
    Tuned(Vec<&'static [OptionDef]>),
    /// One of these that goes by the best of the features.
    Selecting(Box<Algorithm>, Settings),
}

/// Makes the learner of a specification, which chooses no features.
#[derive(Debug)]
struct OfSpec(ModelSpec);

impl MakeLearner for OfSpec {
    fn make(&self, shape: Shape) -> Result<Box<dyn Learner>> {
        Ok(Algorithm::of(&self.0, &|_| Ok(shape))?.3)
    }
}

impl Algorithm {
    /// The learner of a specification, what its options are, and which features it takes.
    pub(super) fn of(
        spec: &ModelSpec,
        shape: &dyn Fn(&Options) -> Result<Shape>,
    ) -> Result<(Self, Options, Features, Box<dyn Learner>)> {
        if let Some(settings) = Settings::of(spec)? {
            let all = Settings::without(spec);
            let (algorithm, options, features, _) = Self::of(&all, shape)?;
            let learner = Box::new(Selection::new(settings, Box::new(OfSpec(all)), shape(&options)?)?);
            return Ok((Self::Selecting(Box::new(algorithm), settings), options, features, learner));
        }
        if let Some(search) = Search::of(spec, &|name| find_learner(spec, name))? {
            let given = spec.options.get("algorithm").map_or("", String::as_str);
            let (options, features) = (search.common_options(given)?, search.features());
            let tables = [MODEL_OPTIONS, TUNING_OPTIONS].into_iter().chain(search.tables()).collect();
            let shape = shape(&options)?;
            let learner = around(Box::new(Race::new(search, shape)?), &options, shape, spec)?;
            return Ok((Self::Tuned(tables), options, features, learner));
        }
        let def = find_learner(spec, spec.options.get("algorithm").map(String::as_str))?;
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        // None of these is given, but may be meant.
        let tables: Vec<_> = Self::One(def).tables().into_iter().chain([SELECTION_OPTIONS]).collect();
        let options = resolve(&tables, given)?;
        let shape = shape(&options)?;
        let learner = around((def.make)(&options, shape)?, &options, shape, spec)?;
        Ok((Self::One(def), options, def.features, learner))
    }

    /// The option tables of the model.
    pub(super) fn tables(&self) -> Vec<&'static [OptionDef]> {
        match self {
            Self::One(def) => std::iter::once(MODEL_OPTIONS).chain(def.options.iter().copied()).collect(),
            Self::Tuned(tables) => tables.clone(),
            Self::Selecting(algorithm, _) => algorithm.tables().into_iter().chain([SELECTION_OPTIONS]).collect(),
        }
    }

    /// Refuses features of which it cannot choose.
    pub(super) fn check(&self, pipeline: &Pipeline) -> Result<()> {
        match self {
            Self::Selecting(_, settings) => settings.check(pipeline),
            Self::One(_) | Self::Tuned(_) => Ok(()),
        }
    }
}

/// What a model's options put around its learner: balance within, calibration without.
fn around(
    mut learner: Box<dyn Learner>,
    options: &Options,
    shape: Shape,
    spec: &ModelSpec,
) -> Result<Box<dyn Learner>> {
    let classes = match shape {
        Shape::Binary => 2,
        Shape::Classes { classes } => classes,
        Shape::Number | Shape::Unlabelled => {
            let given = ["balance", "calibration"].into_iter().find(|option| options.text(option) != "none");
            return match given {
                None => Ok(learner),
                Some(option) => Err(Error::Spec(format!(
                    "model '{}': option '{option}' is for classification, and it does {}",
                    spec.name,
                    spec.task.name()
                ))),
            };
        }
    };
    if let Some(mode) = Mode::of(options.text("balance")) {
        learner = Box::new(Balanced::new(learner, mode, classes, options.int("balance-seed") as u64));
    }
    if let Some(method) = Method::of(options.text("calibration")) {
        learner = Box::new(Calibrated::new(learner, method, shape));
    }
    Ok(learner)
}

/// The learner that a specification names.
fn find_learner(spec: &ModelSpec, name: Option<&str>) -> Result<&'static LearnerDef> {
    let Some(name) = name else {
        // Tells that it is missing, in the words of all missing options.
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        resolve(&[MODEL_OPTIONS], given.filter(|(key, _)| MODEL_OPTIONS.iter().any(|def| def.name == *key)))?;
        return Err(Error::Spec(format!("model '{}': option 'algorithm' is missing", spec.name)));
    };
    let does = |def: &&LearnerDef| def.tasks.contains(&spec.task);
    let names = || LEARNERS.iter().copied().filter(does).map(|def| def.name).collect::<Vec<_>>().join(", ");
    match LEARNERS.iter().copied().find(|def| def.name == name) {
        Some(def) if does(&def) => Ok(def),
        Some(def) => Err(Error::Spec(format!(
            "model '{}': algorithm '{}' does not do {}; these do: {}",
            spec.name,
            def.name,
            spec.task.name(),
            names()
        ))),
        None => {
            let hint = match nearest(name, LEARNERS.iter().map(|def| def.name)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("known are: {}", names()),
            };
            Err(Error::Spec(format!("model '{}': unknown algorithm '{name}'; {hint}", spec.name)))
        }
    }
}
