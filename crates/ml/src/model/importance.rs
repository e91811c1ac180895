//! How much a model rests on each input.

use super::Model;
use crate::explain::{Importance, learners_with_importance};
use crate::{Error, Result};

/// How much a model rests on an input, by the splits of its trees: see [`Importance`].
#[derive(Debug, Clone, PartialEq)]
pub struct InputImportance {
    /// The column of `INPUT`.
    pub feature: String,
    /// How many splits are by features that are made of it. One that is made of several columns counts in parts.
    pub weight: f64,
    /// The mean gain of those; nothing where there are none.
    pub gain: Option<f64>,
    /// The mean cover of those; nothing where there are none.
    pub cover: Option<f64>,
}

impl Model {
    /// How much the model rests on each input, in the order of `INPUT`.
    ///
    /// # Errors
    /// [`Error::Spec`] when the algorithm has no such thing; it names those that have.
    pub fn importance(&self) -> Result<Vec<InputImportance>> {
        let Some(features) = self.learner.importance() else {
            let known: Vec<&str> = learners_with_importance().map(|def| def.name).collect();
            return Err(Error::Spec(format!(
                "model '{}': algorithm '{}' has no splits that tell how important a feature is; these have: {}",
                self.spec.name,
                self.spec.options.get("algorithm").map_or("", String::as_str),
                known.join(", ")
            )));
        };
        let mut inputs = vec![Importance::default(); self.spec.inputs.len()];
        for (feature, origins) in features.iter().zip(self.pipeline.origins().0) {
            let share = 1.0 / origins.len() as f64;
            for origin in origins {
                inputs[origin].splits += share * feature.splits;
                inputs[origin].gain += share * feature.gain;
                inputs[origin].cover += share * feature.cover;
            }
        }
        let input = |(input, sums): (&crate::Input, Importance)| InputImportance {
            feature: input.name.clone(),
            weight: sums.splits,
            gain: (sums.splits > 0.0).then(|| sums.gain / sums.splits),
            cover: (sums.splits > 0.0).then(|| sums.cover / sums.splits),
        };
        Ok(self.spec.inputs.iter().zip(inputs).map(input).collect())
    }
}
