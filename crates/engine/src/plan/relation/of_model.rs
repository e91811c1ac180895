//! Functions of a model alone: what a version of it has learned, as a table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray,
    StringBuilder,
};
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use tidegate_ml::Model;

use super::CallPlanner;
use crate::plan::node::LoadedModel;

/// A table of these columns: name, whether it may be NULL, values.
fn table(name: &str, columns: Vec<(&str, bool, ArrayRef)>) -> Result<LogicalPlan> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, nullable, array)| Field::new(*name, array.data_type().clone(), *nullable)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, _, array)| array).collect())?;
    let table = MemTable::try_new(schema, vec![vec![batch]])?;
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None)?.build()
}

fn texts<'a>(column: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(column))
}

impl CallPlanner<'_> {
    /// The version that the argument MODEL names. `each` says what there is of each key, where keys have models of their own.
    pub(super) fn version(&self, each: &str) -> Result<Arc<LoadedModel>> {
        let Some(reference) = self.bound.model("MODEL") else { return self.refuse("MODEL", "expected a model") };
        let model = match self.models.load(reference) {
            Ok(model) => model,
            Err(error) => return self.refuse_model(error),
        };
        if let Some(keyed) = &model.keyed {
            let wanted = keyed.header().key_columns.join(", ");
            return self.refuse(
                "MODEL",
                format!("'{}' has a model for each ({wanted}), each with {each} of its own", model.reference),
            );
        }
        Ok(model)
    }

    /// ML_WEIGHTS.
    pub(super) fn weights(&mut self) -> Result<LogicalPlan> {
        let weights = self.version("weights")?.model.describe().weights;
        let mut columns = vec![
            ("processed_input", false, texts(weights.iter().map(|weight| Some(weight.processed_input.as_str())))),
            ("category", true, texts(weights.iter().map(|weight| weight.category.as_deref()))),
            (
                "weight",
                false,
                Arc::new(Float64Array::from_iter_values(weights.iter().map(|weight| weight.weight))) as _,
            ),
        ];
        if weights.iter().any(|weight| weight.class.is_some()) {
            columns.push(("class", true, texts(weights.iter().map(|weight| weight.class.as_deref()))));
        }
        table("ml_weights", columns)
    }

    /// ML_FEATURE_IMPORTANCE, with BigQuery ML's columns. What no split is by has no gain and no cover.
    pub(super) fn feature_importance(&mut self) -> Result<LogicalPlan> {
        let version = self.version("importance of inputs")?;
        let inputs = match version.model.importance() {
            Ok(inputs) => inputs,
            Err(error) => return self.refuse("MODEL", error.to_string()),
        };
        let weights = Float64Array::from_iter_values(inputs.iter().map(|input| input.weight));
        let gains = Float64Array::from_iter(inputs.iter().map(|input| input.gain));
        let covers = Float64Array::from_iter(inputs.iter().map(|input| input.cover));
        table(
            "ml_feature_importance",
            vec![
                ("feature", false, texts(inputs.iter().map(|input| Some(input.feature.as_str())))),
                ("importance_weight", false, Arc::new(weights) as _),
                ("importance_gain", true, Arc::new(gains) as _),
                ("importance_cover", true, Arc::new(covers) as _),
            ],
        )
    }

    /// ML_TRIAL_INFO, with BigQuery ML's columns, and how many rows each trial was measured over. What was lost on rows that were
    /// learned already, which nobody measures, is NULL.
    pub(super) fn trials(&mut self) -> Result<LogicalPlan> {
        let version = self.version("trials")?;
        let trials = Model::trials(&version.model);
        if trials.is_empty() {
            return self.refuse(
                "MODEL",
                format!("'{}' was not tuned: none of its options is a range(…) or a choice(…)", version.reference),
            );
        }
        let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
        let mut parameters = MapBuilder::new(Some(names.clone()), StringBuilder::new(), StringBuilder::new());
        let mut metrics = MapBuilder::new(Some(names), StringBuilder::new(), Float64Array::builder(trials.len()));
        for trial in &trials {
            for (option, value) in &trial.parameters {
                parameters.keys().append_value(option);
                parameters.values().append_value(value);
            }
            parameters.append(true)?;
            metrics.keys().append_value(trial.objective);
            metrics.values().append_option(Some(trial.loss).filter(|loss| !loss.is_nan()));
            metrics.append(true)?;
        }
        let loss = |trial: &tidegate_ml::tuning::Trial| Some(trial.loss).filter(|loss| !loss.is_nan());
        let nothing = vec![None::<f64>; trials.len()];
        table(
            "ml_trial_info",
            vec![
                ("trial_id", false, Arc::new(Int64Array::from_iter_values(trials.iter().map(|t| t.id as i64))) as _),
                ("hyperparameters", false, Arc::new(parameters.finish()) as _),
                ("hparam_tuning_evaluation_metrics", false, Arc::new(metrics.finish()) as _),
                ("training_loss", true, Arc::new(Float64Array::from(nothing)) as _),
                ("eval_loss", true, Arc::new(Float64Array::from_iter(trials.iter().map(loss))) as _),
                ("status", false, texts(trials.iter().map(|trial| Some(trial.status.name())))),
                ("error_message", true, texts(trials.iter().map(|_| None))),
                (
                    "is_optimal",
                    false,
                    Arc::new(BooleanArray::from_iter(trials.iter().map(|t| Some(t.is_optimal)))) as _,
                ),
                ("rows", false, Arc::new(Int64Array::from_iter_values(trials.iter().map(|t| t.rows as i64))) as _),
            ],
        )
    }
}
