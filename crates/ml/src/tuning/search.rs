//! What a model's options say about a search: the space, the strategy, and how a learner is made of a point.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use tidegate_options::{OptionDef, OptionError, Options, nearest, resolve};

use super::TUNING_OPTIONS;
use super::comparison::{BATCH_ROWS, Rules};
use super::space::{Dimension, Domain, Space, is_domain};
use super::tpe;
use crate::learner::{Features, Learner, LearnerDef, Shape};
use crate::selection::SELECTION_OPTIONS;
use crate::spec::MODEL_OPTIONS;
use crate::splitmix::mix;
use crate::{Error, ModelSpec, Result, Task};

/// Trials of the first pass of `tpe`.
const AT_RANDOM: usize = 10;
/// How often a point is drawn again that was tried before.
const DRAWN_AGAIN: usize = 64;

/// How trials are found and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Racing,
    Random,
    Tpe,
}

/// What is to be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objective {
    LogLoss,
    ErrorRate,
    SquaredError,
    AbsoluteError,
}

impl Objective {
    /// Those of a task, the one that is taken if nothing is said first.
    pub(crate) fn of(task: Task) -> &'static [Self] {
        match task {
            Task::Classification => &[Self::LogLoss, Self::ErrorRate],
            Task::Regression => &[Self::SquaredError, Self::AbsoluteError],
            _ => &[],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::ErrorRate => "error_rate",
            Self::SquaredError => "mse",
            Self::AbsoluteError => "mae",
        }
    }
}

/// A search over the options of a model.
#[derive(Debug)]
pub(crate) struct Search {
    pub(super) space: Space,
    /// The algorithms that trials may have.
    defs: Vec<&'static LearnerDef>,
    /// The options that are not searched for.
    fixed: BTreeMap<String, String>,
    pub(super) strategy: Strategy,
    pub(super) objective: Objective,
    pub(super) trials: usize,
    pub(super) together: usize,
    pub(super) seed: u64,
    pub(super) rules: Rules,
    pub(super) horizon: u64,
    warmup_rows: u64,
}

/// Finds the learner of a name that does a task; without a name it tells that there is none.
type Find<'a> = &'a dyn Fn(Option<&str>) -> Result<&'static LearnerDef>;

impl Search {
    /// The search that a specification asks for, if it asks for one. `find` looks algorithms up.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Option`] for what cannot be searched.
    pub(crate) fn of(spec: &ModelSpec, find: Find<'_>) -> Result<Option<Self>> {
        let (searched, fixed): (BTreeMap<_, _>, BTreeMap<_, _>) =
            spec.options.iter().map(|(k, v)| (k.clone(), v.clone())).partition(|(_, value)| is_domain(value));
        if searched.is_empty() {
            return match fixed.keys().find(|key| TUNING_OPTIONS.iter().any(|def| def.name == key.as_str())) {
                Some(key) => Err(Error::Spec(format!(
                    "option '{key}' is given, but no option is tuned: give one as range(low, high[, log]) or choice(a, b, …)"
                ))),
                None => Ok(None),
            };
        }
        if !spec.task.has_labels() {
            return Err(Error::Spec(format!(
                "{} has no labels, so there is nothing to tune '{}' by",
                spec.task.name(),
                searched.keys().next().map_or("", String::as_str)
            )));
        }
        let defs = match (searched.get("algorithm"), fixed.get("algorithm")) {
            (Some(domain), _) => match Domain::read("algorithm", domain, tidegate_options::Kind::Text)? {
                Domain::Choice(names) => names.iter().map(|name| find(Some(name))).collect::<Result<Vec<_>>>()?,
                Domain::Range { .. } => return Err(Error::Spec("option 'algorithm' takes choice(…)".to_string())),
            },
            (None, name) => vec![find(name.map(String::as_str))?],
        };
        let own =
            |key: &str| defs.iter().flat_map(|def| def.options.iter().copied().flatten()).find(|def| def.name == key);
        let common = |key: &str| MODEL_OPTIONS.iter().chain(TUNING_OPTIONS).find(|def| def.name == key);
        let mut dimensions = Vec::new();
        for (option, value) in &searched {
            let kind = match (option.as_str(), own(option)) {
                ("algorithm", _) => tidegate_options::Kind::Text,
                (_, Some(def)) => def.kind,
                (_, None) if common(option).is_some() => {
                    return Err(Error::Spec(format!(
                        "option '{option}' cannot be tuned: it is the model's, not the algorithm's"
                    )));
                }
                (_, None) => return Err(unknown(option, &defs)),
            };
            dimensions.push(Dimension { option: option.clone(), domain: Domain::read(option, value, kind)? });
        }
        if let Some(key) = fixed.keys().find(|key| own(key).is_none() && common(key).is_none()) {
            return Err(unknown(key, &defs));
        }
        let given = fixed.iter().filter(|(key, _)| TUNING_OPTIONS.iter().any(|def| def.name == key.as_str()));
        let options = resolve(&[TUNING_OPTIONS], given.map(|(key, value)| (key.as_str(), value.as_str())))?;
        let classes = spec.label != crate::LabelKind::Number;
        let objective = match (options.text_opt("tune.objective"), classes) {
            (Some("log_loss"), true) | (None, true) => Objective::LogLoss,
            (Some("error_rate"), true) => Objective::ErrorRate,
            (Some("mse"), false) | (None, false) => Objective::SquaredError,
            (Some("mae"), false) => Objective::AbsoluteError,
            (Some(other), _) => {
                let expected = if classes { "log_loss or error_rate" } else { "mse or mae" };
                return Err(Error::Spec(format!(
                    "option 'tune.objective': for {} it takes {expected}, not {other}",
                    spec.task.name()
                )));
            }
        };
        let strategy = match options.text("tune.strategy") {
            "random" => Strategy::Random,
            "tpe" => Strategy::Tpe,
            _ => Strategy::Racing,
        };
        let rules = Rules {
            first_epoch: (options.int("tune.min-rows") as u64 / BATCH_ROWS).max(2),
            confidence: options.float("tune.confidence"),
            tolerance: options.float("tune.tolerance"),
            drops: strategy == Strategy::Racing,
        };
        let search = Self {
            space: Space(dimensions),
            defs,
            fixed,
            strategy,
            objective,
            trials: options.int("tune.trials") as usize,
            together: options.int("tune.parallel-trials") as usize,
            seed: options.int("tune.seed") as u64,
            rules,
            horizon: options.int("tune.horizon") as u64,
            warmup_rows: options.int("tune.warmup") as u64,
        };
        // What each option takes by itself was checked; what a learner refuses of them together is told before there are rows.
        let shape = if classes { Shape::Classes { classes: 2 } } else { Shape::Number };
        search.learner(&vec![0.0; search.space.0.len()], shape)?;
        Ok(Some(search))
    }

    /// How many batches of rows trials learn before they are compared.
    pub(super) fn warmup(&self) -> u64 {
        self.warmup_rows.div_ceil(BATCH_ROWS)
    }

    /// The options of the model itself: those that are not searched for and are no learner's.
    pub(crate) fn common_options(&self, algorithm: &str) -> Result<Options> {
        let tables = [MODEL_OPTIONS, TUNING_OPTIONS];
        let is_common = |key: &str| tables.iter().any(|table| table.iter().any(|def| def.name == key));
        let given = self.fixed.iter().filter(|(key, _)| is_common(key) && *key != "algorithm");
        let given = given.map(|(key, value)| (key.as_str(), value.as_str())).chain([("algorithm", algorithm)]);
        Ok(resolve(&tables, given)?)
    }

    /// The tables of options that trials have.
    pub(crate) fn tables(&self) -> Vec<&'static [OptionDef]> {
        let mut tables: Vec<&'static [OptionDef]> = Vec::new();
        for table in self.defs.iter().flat_map(|def| def.options.iter().copied()) {
            if !tables.iter().any(|known| std::ptr::eq(*known, table)) {
                tables.push(table);
            }
        }
        tables
    }

    /// Which features all the algorithms take.
    pub(crate) fn features(&self) -> Features {
        let all = |of: fn(&Features) -> bool| self.defs.iter().all(|def| of(&def.features));
        Features { categories: all(|f| f.categories), missing: all(|f| f.missing), sparse: all(|f| f.sparse) }
    }

    /// A learner at a point.
    pub(super) fn learner(&self, point: &[f64], shape: Shape) -> Result<Box<dyn Learner>> {
        let values = self.space.values(point);
        let name = values.get("algorithm").or_else(|| self.fixed.get("algorithm"));
        let def = match self.defs.iter().find(|def| Some(def.name) == name.map(String::as_str)) {
            Some(def) => *def,
            None => self.defs[0],
        };
        let tables: Vec<_> = [MODEL_OPTIONS, TUNING_OPTIONS].into_iter().chain(def.options.iter().copied()).collect();
        // With several algorithms an option may be another one's.
        let takes = |key: &str| tables.iter().any(|table| table.iter().any(|def| def.name == key));
        let given = self.fixed.iter().filter(|(key, _)| !values.contains_key(*key)).chain(&values);
        let given = given.filter(|(key, _)| takes(key)).map(|(key, value)| (key.as_str(), value.as_str()));
        (def.make)(&resolve(&tables, given)?, shape)
    }

    /// The options at a point that the trial's algorithm takes.
    pub(super) fn parameters(&self, point: &[f64]) -> Vec<(String, String)> {
        let values = self.space.values(point);
        let def = values.get("algorithm").and_then(|name| self.defs.iter().find(|def| def.name == name));
        let of_def = |key: &str| match def {
            Some(def) => key == "algorithm" || def.options.iter().any(|table| table.iter().any(|def| def.name == key)),
            None => true,
        };
        values.into_iter().filter(|(key, _)| of_def(key)).collect()
    }

    /// Whether its trials need several passes over the rows.
    pub(super) fn needs_passes(&self) -> bool {
        self.strategy == Strategy::Tpe && self.space.all(self.trials).is_none()
    }

    /// The points of the first pass.
    pub(super) fn first_points(&self) -> Vec<Vec<f64>> {
        if let Some(points) = self.space.all(self.trials) {
            return points;
        }
        let count = if self.strategy == Strategy::Tpe { self.trials.min(AT_RANDOM) } else { self.trials };
        let random = &mut Pcg64Mcg::seed_from_u64(mix(self.seed));
        let mut met = BTreeSet::new();
        let new =
            |_| (0..DRAWN_AGAIN).map(|_| self.space.draw(random)).find(|point| met.insert(self.parameters(point)));
        (0..count).filter_map(new).collect()
    }

    /// The points of a further pass, given those tried with their losses; none when there are enough.
    pub(super) fn next_points(&self, tried: &[(Vec<f64>, f64)]) -> Vec<Vec<f64>> {
        if !self.needs_passes() {
            return Vec::new();
        }
        let count = self.trials.saturating_sub(tried.len()).min(self.together);
        let random = &mut Pcg64Mcg::seed_from_u64(mix(self.seed ^ mix(tried.len() as u64)));
        let mut met: BTreeSet<_> = tried.iter().map(|(point, _)| self.parameters(point)).collect();
        let suggest = |_| tpe::suggest(&self.space, tried, random);
        let suggested = (0..count * DRAWN_AGAIN).map(suggest).filter(|point| met.insert(self.parameters(point)));
        suggested.take(count).collect()
    }
}

/// The words for an option that no trial takes.
fn unknown(key: &str, defs: &[&LearnerDef]) -> Error {
    let own = defs.iter().flat_map(|def| def.options.iter().copied().flatten());
    let known: Vec<&str> =
        MODEL_OPTIONS.iter().chain(TUNING_OPTIONS).chain(SELECTION_OPTIONS).chain(own).map(|def| def.name).collect();
    Error::Option(OptionError::Unknown {
        key: key.to_string(),
        nearest: nearest(key, known.iter().copied()).map(str::to_string),
        known: known.iter().map(ToString::to_string).collect(),
    })
}
