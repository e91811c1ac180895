//! Scores of the columns of a table, without a model: rows in, one row a column out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidegate_options::resolve;

use super::{Evidence, Selector, SelectorDef, Setup, check_category, check_label, find};
use crate::block::Block;
use crate::learner::Features;
use crate::model::labels::Labels;
use crate::rows::Rows;
use crate::spec::MODEL_OPTIONS;
use crate::transform::{Pipeline, Scratch, Target};
use crate::{Error, Input, InputKind, LabelKind, ModelSpec, Result, Task};

/// Rows that are read into features together.
const ROWS_TOGETHER: usize = 256;

/// Most distinct texts of a column.
const CATEGORIES_MAX: u32 = 1_000_000;

/// What features may be: numbers and categories as they are, any of which may be missing.
const ANY: Features = Features::TABLE;

/// The columns of the report: the feature, its score, its p-value where the method has a test, and its rank from 1. A score that
/// does not exist is NULL.
pub fn feature_scores_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("feature", DataType::Utf8, false),
        Field::new("score", DataType::Float64, true),
        Field::new("p_value", DataType::Float64, true),
        Field::new("rank", DataType::Int64, false),
    ]))
}

/// Scores of columns, being taken.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch};
/// use arrow::datatypes::{DataType, Field, Float64Type, Schema};
/// use tidegate_ml::LabelKind;
/// use tidegate_ml::selection::FeatureScores;
///
/// let columns = Schema::new(vec![Field::new("visits", DataType::Float64, true)]);
/// let mut scores = FeatureScores::new("anova_f", &columns, LabelKind::Boolean, 16)?;
/// let visits: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0, 5.0]));
/// let bought: ArrayRef = Arc::new(BooleanArray::from(vec![false, false, true, true]));
/// scores.update(&RecordBatch::try_from_iter([("visits", visits), ("bought", bought)])?)?;
/// // Means 1.5 and 4.5: (9 / 1) / (1 / 2).
/// assert_eq!(scores.finish()?.column(1).as_primitive::<Float64Type>().value(0), 18.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FeatureScores {
    pipeline: Pipeline,
    labels: Labels,
    selector: Box<dyn Selector>,
    rows: Rows,
    y: Vec<f64>,
    block: Block,
    scratch: Scratch,
}

impl fmt::Debug for FeatureScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureScores").field("selector", &self.selector).finish_non_exhaustive()
    }
}

impl FeatureScores {
    /// Scores of no rows yet: by the way of this name, of these columns, by a label of this kind. `bins` is that of
    /// [`select.bins`](super::SELECTION_OPTIONS).
    ///
    /// # Errors
    /// [`Error::Spec`] when there is no such way, or it does not score such columns or by such a label.
    pub fn new(method: &str, columns: &Schema, label: LabelKind, bins: u32) -> Result<Self> {
        let def = find("METHOD", method)?;
        check_label("METHOD", def, label)?;
        let inputs = columns.fields().iter().map(|field| Self::input(def, field)).collect::<Result<Vec<_>>>()?;
        if inputs.is_empty() {
            return Err(Error::Spec("ARGS names no column".to_string()));
        }
        let task = if label == LabelKind::Number { Task::Regression } else { Task::Classification };
        let spec = ModelSpec {
            name: String::new(),
            task,
            inputs,
            transforms: Vec::new(),
            outputs: Vec::new(),
            label,
            options: BTreeMap::new(),
        };
        let pipeline = Pipeline::compile(&spec, CATEGORIES_MAX, ANY, Target::None)?;
        let options = [("provider", "tidegate"), ("task", task.name()), ("algorithm", "")];
        let kinds = pipeline.dense_kinds();
        let setup = Setup { kinds: &kinds, numbers: label == LabelKind::Number, bins };
        Ok(Self {
            labels: Labels::new(label, &resolve(&[MODEL_OPTIONS], options)?)?,
            selector: (def.make)(&setup),
            rows: Rows::new(pipeline.columns()),
            pipeline,
            y: Vec::new(),
            block: Block::default(),
            scratch: Scratch::default(),
        })
    }

    fn input(def: &SelectorDef, field: &Field) -> Result<Input> {
        let (name, data_type) = (field.name(), field.data_type());
        let kind = InputKind::of(data_type).ok_or_else(|| {
            Error::Spec(format!("'{name}' has type {data_type}; expected a number, BOOLEAN or STRING"))
        })?;
        if kind == InputKind::Text {
            check_category("METHOD", def, name)?;
        }
        Ok(Input { name: name.clone(), kind })
    }

    /// Takes rows in: the columns in their order, then the label if there is one. Rows whose label is NULL are left out.
    ///
    /// # Errors
    /// [`Error::Data`] for the first row with a number that no model takes, [`Error::Batch`] when columns do not fit.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.pipeline.columns().len();
        let arrays: &[ArrayRef] = batch.columns().get(..columns).ok_or_else(|| {
            Error::Batch(format!("the batch has {} columns; expected {columns}, then the label", batch.num_columns()))
        })?;
        self.rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        self.rows.faults(self.pipeline.columns(), arrays, &mut faults);
        self.y.clear();
        match batch.columns().get(columns) {
            Some(label) if self.labels.are_there() => {
                let name = batch.schema_ref().field(columns).name().clone();
                self.labels.read(label, &name, &mut self.y, &mut faults)?;
            }
            None if self.labels.are_there() => return Err(Error::Batch("the batch has no label".to_string())),
            _ => self.y.resize(batch.num_rows(), 0.0),
        }
        if let Some(fault) = faults.into_iter().min_by_key(|fault| fault.row) {
            return Err(fault.into());
        }
        self.pipeline.read_texts(&mut self.rows, arrays, &self.y);
        let labelled: Vec<u32> = (0..self.y.len() as u32).filter(|row| !self.y[*row as usize].is_nan()).collect();
        if labelled.len() < self.y.len() {
            self.rows.keep(&labelled);
            self.y.retain(|label| !label.is_nan());
        }
        if self.labels.are_there() && !self.labels.are_targets() {
            for label in &mut self.y {
                let class = self.labels.class(*label).unwrap_or_else(|| self.labels.activate(*label as u32));
                *label = f64::from(class);
            }
        }
        for at in (0..self.y.len()).step_by(ROWS_TOGETHER) {
            let len = ROWS_TOGETHER.min(self.y.len() - at);
            let y = &self.y[at..at + len];
            self.pipeline.learn(&self.rows, (at, y), None, &mut self.block, &mut self.scratch);
            self.selector.update(&self.block, y, &[]);
        }
        Ok(())
    }

    /// The report, best first: see [`feature_scores_schema`].
    ///
    /// # Errors
    /// None that is known of: Arrow checks the columns against the schema.
    pub fn finish(&self) -> Result<RecordBatch> {
        let scores = self.selector.scores().dense;
        let names: Vec<String> = self.pipeline.dense_features().map(|feature| feature.processed_input).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].strength.total_cmp(&scores[*a].strength));
        let number = |of: fn(&Evidence) -> Option<f64>| -> ArrayRef {
            Arc::new(order.iter().map(|i| of(&scores[*i])).collect::<Float64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(order.iter().map(|i| names[*i].as_str()))),
            number(|evidence| Some(evidence.score).filter(|score| !score.is_nan())),
            number(|evidence| evidence.p_value),
            Arc::new(Int64Array::from_iter_values(1..=order.len() as i64)),
        ];
        RecordBatch::try_new(feature_scores_schema(), columns).map_err(|error| Error::Batch(error.to_string()))
    }
}
