//! ML_EXPLAIN_PREDICT, which is ML_PREDICT with what explains each prediction; ML_PERMUTATION_IMPORTANCE.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use tidegate_ml::Explanations;
use tidegate_ml::model::{PermutationImportance, PermutationSettings};

use super::{CallPlanner, extension, refused};
use crate::plan::node::{LoadedModel, Same};
use crate::plan::permutation::PermutationNode;

/// How many random orders there are where nothing else is said, as in scikit-learn, and most of them.
const REPEATS: usize = 5;
const REPEATS_MAX: usize = 1000;
/// How many inputs are told of a row where nothing else is said, as in BigQuery ML.
const TOP_K: usize = 5;

impl CallPlanner<'_> {
    /// ML_EXPLAIN_PREDICT.
    pub(super) fn explain_predict(&mut self) -> Result<LogicalPlan> {
        let most = match self.bound.integer("TOP_K").map_err(refused)? {
            None => TOP_K,
            Some(most) => match usize::try_from(most) {
                Ok(most) if most > 0 => most,
                _ => return self.refuse("TOP_K", format!("TOP_K is {most}; expected at least 1")),
            },
        };
        Ok(self.predict(Some(most))?.0)
    }

    /// ML_PERMUTATION_IMPORTANCE.
    pub(super) fn permutation_importance(&mut self) -> Result<LogicalPlan> {
        let model = self.version("importance of inputs")?;
        let spec = model.model.spec();
        let repeats = match self.bound.integer("REPEATS").map_err(refused)? {
            None => REPEATS,
            Some(repeats) => match usize::try_from(repeats) {
                Ok(repeats) if (1..=REPEATS_MAX).contains(&repeats) => repeats,
                _ => return self.refuse("REPEATS", format!("REPEATS is {repeats}; expected 1 to {REPEATS_MAX}")),
            },
        };
        let seed = match self.bound.integer("SEED").map_err(refused)? {
            None => 1,
            Some(seed) => match u64::try_from(seed) {
                Ok(seed) => seed,
                Err(_) => return self.refuse("SEED", format!("SEED is {seed}; expected at least 0")),
            },
        };
        let metric = self.bound.text("METRIC").map_err(refused)?.map(str::to_string);
        let settings = PermutationSettings { metric, repeats, seed };
        if let Err(error) = PermutationImportance::new(&model.model, settings.clone()) {
            let argument = if spec.task.has_labels() { "METRIC" } else { "MODEL" };
            return self.refuse(argument, error.to_string());
        }
        let (input, keys) = self.input("INPUT")?;
        if !keys.is_empty() {
            return self
                .refuse("INPUT", format!("'{}' is one model for all rows: leave PARTITION BY out", model.reference));
        }
        let schema = input.schema();
        let mut places = self.args(schema, spec)?;
        let Some(label) = self.single_column(schema, "LABEL")? else {
            return self.refuse("LABEL", "expected a column");
        };
        self.check_label(schema, spec, label)?;
        places.push(label);
        let column = |place| Expr::Column(Column::from(schema.qualified_field(place)));
        let columns = places.into_iter().map(column).collect();
        Ok(extension(PermutationNode::try_new(input, Same(model), settings, columns)?))
    }

    /// What explains the predictions of a model, where something does.
    pub(super) fn explanations(&self, model: &LoadedModel, keys: &[usize], most: usize) -> Result<Same<Explanations>> {
        if let Some(keyed) = &model.keyed {
            let wanted = keyed.header().key_columns.join(", ");
            return self.refuse(
                "MODEL",
                format!("'{}' has a model for each ({wanted}), whose predictions cannot be explained", model.reference),
            );
        }
        if !keys.is_empty() {
            return self.refuse(
                "INPUT",
                "predictions of models by key cannot be explained: leave PARTITION BY out, and take a model for all rows",
            );
        }
        match model.model.explanations(most) {
            Ok(explanations) => Ok(Same(Arc::new(explanations))),
            Err(error) => self.refuse("MODEL", error.to_string()),
        }
    }
}
