//! What a model has become, for people.

use tidegate_options::OptionDef;

use super::Model;
use crate::Task;
use crate::transform::Feature;

/// The name of the constant among the weights, as BigQuery ML has it.
pub const INTERCEPT: &str = "__INTERCEPT__";

/// What a model is and has learned.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// Its name.
    pub name: String,
    /// What kind of question it answers.
    pub task: Task,
    /// The learner's name.
    pub algorithm: String,
    /// The version that it emits; 0 while none is registered.
    pub version: u64,
    /// All options with their values, given or by default, in the order of their declaration. An option without a value is
    /// left out.
    pub options: Vec<(String, String)>,
    /// The rows it has learned.
    pub rows_learned: u64,
    /// The classes of the label, in order; none for a number.
    pub classes: Vec<String>,
    /// How many dense features there are.
    pub dense_features: usize,
    /// How many sparse features there are so far.
    pub sparse_features: usize,
    /// Bytes of memory that it takes.
    pub state_bytes: usize,
    /// The features that it has chosen, the one of the highest score first; nothing where it goes by all.
    pub chosen: Option<Vec<ChosenFeature>>,
    /// Learned weights, where the learner has them.
    pub weights: Vec<WeightRow>,
}

/// A feature that a model has chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenFeature {
    /// The item of the `TRANSFORM` clause or the input column.
    pub processed_input: String,
    /// The category, for a feature that stands for one.
    pub category: Option<String>,
    /// Its score when it was chosen.
    pub score: f64,
}

/// One learned weight.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightRow {
    /// The item of the `TRANSFORM` clause or the input column; [`INTERCEPT`] for the constant.
    pub processed_input: String,
    /// The category, for a feature that stands for one.
    pub category: Option<String>,
    /// The class that it speaks for, where each class has weights of its own.
    pub class: Option<String>,
    /// The weight.
    pub weight: f64,
}

impl Model {
    /// What the model is and has learned.
    pub fn describe(&self) -> ModelDescription {
        let value = |def: &OptionDef| {
            let given = self.spec.options.get(def.name).map(String::as_str);
            Some((def.name.to_string(), given.or(def.default)?.to_string()))
        };
        ModelDescription {
            name: self.spec.name.clone(),
            task: self.spec.task,
            algorithm: self.spec.options.get("algorithm").cloned().unwrap_or_default(),
            version: self.version,
            options: self.algorithm.tables().iter().flat_map(|table| table.iter()).filter_map(value).collect(),
            rows_learned: self.rows_learned,
            classes: self.labels.names(),
            dense_features: self.pipeline.dense_width(),
            sparse_features: self.pipeline.sparse_count(),
            state_bytes: self.state_bytes(),
            chosen: self.chosen_features(),
            weights: self.weight_rows(),
        }
    }

    /// The features that it has chosen, the one of the highest score first; nothing where it goes by all, or by all so far.
    pub fn chosen_features(&self) -> Option<Vec<ChosenFeature>> {
        let choice = self.learner.choice()?;
        let names: Vec<Feature> = self.pipeline.dense_features().collect();
        let dense = choice.dense.iter().map(|slot| names.get(*slot as usize).cloned());
        let sparse = choice.sparse.iter().map(|number| self.pipeline.sparse_feature(*number));
        let features = dense.chain(sparse).zip(&choice.scores).filter_map(|(feature, score)| {
            let Feature { processed_input, category } = feature?;
            Some(ChosenFeature { processed_input, category, score: *score })
        });
        let mut features: Vec<ChosenFeature> = features.collect();
        features.sort_by(|a, b| b.score.total_cmp(&a.score));
        Some(features)
    }

    fn weight_rows(&self) -> Vec<WeightRow> {
        let sets = self.learner.weights();
        let of_classes = sets.len() > 1;
        let mut rows = Vec::new();
        for (class, weights) in sets.iter().enumerate() {
            let class = of_classes.then(|| self.labels.name(class));
            let row = |feature: Feature, weight| WeightRow {
                processed_input: feature.processed_input,
                category: feature.category,
                class: class.clone(),
                weight,
            };
            for (slot, feature) in self.pipeline.dense_features().enumerate() {
                rows.push(row(feature, weights.dense.get(slot).copied().unwrap_or(0.0)));
            }
            for (number, weight) in weights.sparse.iter().enumerate() {
                // Features never met have no weight worth telling; of hashed ones there may be millions.
                let feature = if *weight == 0.0 { None } else { self.pipeline.sparse_feature(number as u32) };
                rows.extend(feature.map(|feature| row(feature, *weight)));
            }
            let constant = Feature { processed_input: INTERCEPT.to_string(), category: None };
            rows.push(row(constant, weights.intercept));
        }
        rows
    }
}
