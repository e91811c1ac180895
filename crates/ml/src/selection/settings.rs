//! What a model's options say about its choice of features.

use tidegate_options::resolve;

use super::l1::FEATURES_MAX;
use super::{Evidence, SELECTION_OPTIONS, Selector, SelectorDef, Setup, check_category, check_label, find};
use crate::learner::FeatureKind;
use crate::transform::Pipeline;
use crate::{Error, LabelKind, ModelSpec, Result, Task};

/// How features are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(super) def: &'static SelectorDef,
    /// Whether the target is a number.
    numbers: bool,
    pub(super) count: usize,
    pub(super) threshold: f64,
    pub(super) after: u64,
    pub(super) margin: f64,
    bins: u32,
}

fn is_about_selection(key: &str) -> bool {
    SELECTION_OPTIONS.iter().any(|def| def.name == key)
}

impl Settings {
    /// What a specification says, if it has its model choose features.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Option`] for what cannot be.
    pub(crate) fn of(spec: &ModelSpec) -> Result<Option<Self>> {
        let pairs = || spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let given = || pairs().filter(|(key, _)| is_about_selection(key));
        if !spec.options.contains_key("select") {
            return match given().next() {
                Some((key, _)) => Err(Error::Spec(format!(
                    "model '{}': option '{key}' is given, but not 'select', which says how features are scored",
                    spec.name
                ))),
                None => Ok(None),
            };
        }
        let options = resolve(&[SELECTION_OPTIONS], given())?;
        let in_model = |error| match error {
            Error::Spec(what) => Error::Spec(format!("model '{}': {what}", spec.name)),
            other => other,
        };
        let def = find("option 'select'", options.text("select")).map_err(in_model)?;
        check_label("option 'select'", def, spec.label).map_err(in_model)?;
        if spec.task == Task::ChangeDetection {
            return Err(Error::Spec(format!(
                "model '{}': changes are detected in one number, so there is nothing to 'select'",
                spec.name
            )));
        }
        Ok(Some(Self {
            def,
            numbers: spec.label == LabelKind::Number,
            count: options.int("select.k") as usize,
            threshold: options.float_opt("select.threshold").unwrap_or(f64::NEG_INFINITY),
            after: options.int("select.after") as u64,
            margin: options.float("select.margin"),
            bins: options.int("select.bins") as u32,
        }))
    }

    /// What options say, for tests.
    #[cfg(test)]
    pub(super) fn of_options(options: &[(&str, &str)], numbers: bool) -> Self {
        let spec = ModelSpec {
            name: "m".to_string(),
            task: if numbers { Task::Regression } else { Task::Classification },
            inputs: Vec::new(),
            transforms: Vec::new(),
            outputs: Vec::new(),
            label: if numbers { LabelKind::Number } else { LabelKind::Boolean },
            options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        };
        Self::of(&spec).unwrap().unwrap()
    }

    /// The specification of the learner that goes by the features chosen.
    pub(crate) fn without(spec: &ModelSpec) -> ModelSpec {
        let mut spec = spec.clone();
        spec.options.retain(|key, _| !is_about_selection(key));
        spec
    }

    /// Refuses features that the way does not score.
    ///
    /// # Errors
    /// [`Error::Spec`] that names one.
    pub(crate) fn check(&self, pipeline: &Pipeline) -> Result<()> {
        for (kind, feature) in pipeline.dense_kinds().into_iter().zip(pipeline.dense_features()) {
            if kind == FeatureKind::Category {
                check_category("option 'select'", self.def, &feature.processed_input)?;
            }
        }
        if let Some(name) = pipeline.sparse_names().next().filter(|_| !self.def.takes.sparse) {
            return Err(Error::Spec(format!(
                "option 'select': '{}' scores dense features, and '{name}' is encoded; use another way, or leave it out",
                self.def.name
            )));
        }
        let width = pipeline.dense_width();
        if !self.def.takes.sparse && width > FEATURES_MAX {
            return Err(Error::Spec(format!(
                "option 'select': '{}' scores at most {FEATURES_MAX} features, and there are {width}",
                self.def.name
            )));
        }
        Ok(())
    }

    /// What scores features of these kinds.
    pub(super) fn selector(&self, kinds: &[FeatureKind]) -> Box<dyn Selector> {
        (self.def.make)(&Setup { kinds, numbers: self.numbers, bins: self.bins })
    }

    /// Whether a feature's score is enough.
    pub(super) fn takes(&self, evidence: Evidence) -> bool {
        evidence.strength > f64::NEG_INFINITY && evidence.score > self.threshold
    }
}
