//! How important each input is to a model's predictions: by how much they get worse when the input is shuffled.
//!
//! **Idea.** A column whose values are given to other rows tells nothing any more, and all else is as it was (Breiman 2001, "Random
//! forests", section 10; for any model: Fisher, Rudin & Dominici 2019). It needs rows with labels, and no model is too strange for it.
//!
//! **Formula.** With the mean loss `L` of the rows as they are, and `L_r` that with the column in the `r`-th random order, the importance is
//! the mean of `L_r − L`; beside it the standard deviation of those. It is 0 exactly where the model does not look at the column. Columns
//! that say the same as others have little, since the others stay.
//!
//! **Memory.** Rows are shuffled within blocks of [`BLOCK_ROWS`], so that any number of them can be measured; two blocks are
//! held. **Cost a row.** `1 + repeats × inputs` predictions. What comes out depends on the rows, their order and the seed alone.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::{Buffers, Model, first};
use crate::explain::rows_with_scores;
use crate::rows::{Rows, Texts};
use crate::splitmix::mix;
use crate::tuning::{Objective, loss};
use crate::{Error, Result};

/// How many rows are shuffled together.
pub const BLOCK_ROWS: usize = 10_000;

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PermutationSettings {
    /// The loss by its name: `log_loss`, which it is if nothing is said, or `error_rate` of classes; `mse`, or `mae`, of numbers.
    pub metric: Option<String>,
    /// How many random orders of each input.
    pub repeats: usize,
    /// What orders are drawn by.
    pub seed: u64,
}

/// Importance of inputs being measured.
#[derive(Debug)]
pub struct PermutationImportance {
    objective: Objective,
    settings: PermutationSettings,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    blocks: u64,
    rows: u64,
    /// The sum of losses of rows as they are.
    sum: f64,
    /// The same with an input in one order, input by input.
    sums: Vec<f64>,
}

impl PermutationSettings {
    /// The loss that is asked for.
    fn objective(&self, model: &Model) -> Result<Objective> {
        let known = Objective::of(model.spec.task);
        let Some(objective) = known.first() else {
            let (name, task) = (&model.spec.name, model.spec.task.name());
            return Err(Error::Spec(format!("model '{name}' is for '{task}', which has no labels to measure it by")));
        };
        let plain = |name: &str| name.to_lowercase().replace('_', "");
        match &self.metric {
            None => Ok(*objective),
            Some(metric) => known.iter().copied().find(|own| plain(own.name()) == plain(metric)).ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|own| own.name()).collect();
                let task = model.spec.task.name();
                Error::Spec(format!("there is no metric '{metric}' for {task}; expected {}", names.join(" or ")))
            }),
        }
    }
}

impl PermutationImportance {
    /// Nothing measured yet.
    ///
    /// # Errors
    /// [`Error::Spec`] when the model has no labels, or the metric is none of its task.
    pub fn new(model: &Model, settings: PermutationSettings) -> Result<Self> {
        let objective = settings.objective(model)?;
        let sums = vec![0.0; model.spec.inputs.len() * settings.repeats];
        Ok(Self { objective, settings, waiting: Vec::new(), waiting_rows: 0, blocks: 0, rows: 0, sum: 0.0, sums })
    }

    /// The columns of the result.
    pub fn schema() -> SchemaRef {
        let number = |name: &str| Field::new(name, DataType::Float64, true);
        let feature = Field::new("feature", DataType::Utf8, false);
        Arc::new(Schema::new(vec![feature, number("importance"), number("importance_stddev"), number("baseline")]))
    }

    /// Takes in rows: the model's inputs, then the label. Rows without a label are passed over.
    ///
    /// # Errors
    /// [`Error::Data`] for the first row that cannot be predicted or whose label is wrong, [`Error::Batch`] when columns do not fit.
    pub fn update(&mut self, model: &Model, batch: &RecordBatch) -> Result<()> {
        let mut taken = 0;
        while taken < batch.num_rows() {
            let rows = (batch.num_rows() - taken).min(BLOCK_ROWS - self.waiting_rows);
            self.waiting.push(batch.slice(taken, rows));
            self.waiting_rows += rows;
            taken += rows;
            if self.waiting_rows == BLOCK_ROWS {
                self.measure(model)?;
            }
        }
        Ok(())
    }

    /// Measures the rows that wait.
    fn measure(&mut self, model: &Model) -> Result<()> {
        let Some(schema) = self.waiting.first().map(RecordBatch::schema) else { return Ok(()) };
        let block = concat_batches(&schema, &self.waiting).map_err(|error| Error::Batch(error.to_string()))?;
        self.waiting.clear();
        self.waiting_rows = 0;
        let inputs = model.inputs(&block)?.to_vec();
        let (targets, labelled) = model.targets(&block)?;
        let keep = |array: &ArrayRef| take(array, &labelled, None).map_err(|error| Error::Batch(error.to_string()));
        let inputs = inputs.iter().map(keep).collect::<Result<Vec<_>>>()?;
        self.sum += model.losses(&inputs, &targets, self.objective)?;
        self.rows += targets.len() as u64;
        let mut order: Vec<u32> = (0..targets.len() as u32).collect();
        for repeat in 0..self.settings.repeats {
            let seed = mix(self.settings.seed ^ mix(self.blocks ^ mix(repeat as u64)));
            order.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
            let order = UInt32Array::from(order.clone());
            for input in 0..inputs.len() {
                let mut shuffled = inputs.clone();
                shuffled[input] =
                    take(&inputs[input], &order, None).map_err(|error| Error::Batch(error.to_string()))?;
                let sum = model.losses(&shuffled, &targets, self.objective)?;
                self.sums[input * self.settings.repeats + repeat] += sum;
            }
        }
        self.blocks += 1;
        Ok(())
    }

    /// A row an input, in the order of `INPUT`: its importance, the standard deviation over the orders, and the loss of rows as they
    /// are. NULL where there was no row.
    ///
    /// # Errors
    /// As [`PermutationImportance::update`].
    pub fn finish(mut self, model: &Model) -> Result<RecordBatch> {
        self.measure(model)?;
        let (rows, repeats) = (self.rows as f64, self.settings.repeats as f64);
        let number = |value: f64| value.is_finite().then_some(value);
        let baseline = self.sum / rows;
        let (mut importances, mut deviations) = (Vec::new(), Vec::new());
        for sums in self.sums.chunks_exact(self.settings.repeats.max(1)) {
            // Sums first: where the column makes no difference it is none, to the bit.
            let rises: Vec<f64> = sums.iter().map(|sum| (sum - self.sum) / rows).collect();
            let mean = rises.iter().sum::<f64>() / repeats;
            let squares: f64 = rises.iter().map(|rise| (rise - mean) * (rise - mean)).sum();
            importances.push(number(mean));
            deviations.push(number((squares / repeats).sqrt()));
        }
        let names: StringArray = model.spec.inputs.iter().map(|input| Some(input.name.as_str())).collect();
        let baselines = Float64Array::from(vec![number(baseline); importances.len()]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(names),
            Arc::new(Float64Array::from(importances)),
            Arc::new(Float64Array::from(deviations)),
            Arc::new(baselines),
        ];
        RecordBatch::try_new(Self::schema(), columns).map_err(|error| Error::Batch(error.to_string()))
    }
}

impl Model {
    /// The target of each row that has a label, and which rows they are. A class that the model has not met is past all that it has.
    fn targets(&self, batch: &RecordBatch) -> Result<(Vec<f64>, UInt32Array)> {
        let place = self.spec.inputs.len();
        let label = batch.columns().get(place).ok_or_else(|| self.misfit(batch))?;
        let (mut labels, mut read, mut faults) = (self.labels.clone(), Vec::new(), Vec::new());
        labels.read(label, batch.schema_ref().field(place).name(), &mut read, &mut faults)?;
        first(faults)?;
        let labelled = (0..read.len() as u32).filter(|row| !read[*row as usize].is_nan());
        let target = |label: &f64| match self.labels.are_targets() {
            true => *label,
            false => self.labels.class(*label).map_or(f64::MAX, f64::from),
        };
        let targets = read.iter().filter(|label| !label.is_nan()).map(target).collect();
        Ok((targets, UInt32Array::from_iter_values(labelled)))
    }

    /// The sum of the losses of rows.
    fn losses(&self, arrays: &[ArrayRef], targets: &[f64], objective: Objective) -> Result<f64> {
        let mut rows = Rows::new(self.pipeline.columns());
        rows.read_numbers(self.pipeline.columns(), arrays, targets.len())?;
        let mut faults = Vec::new();
        rows.faults(self.pipeline.columns(), arrays, &mut faults);
        first(faults)?;
        rows.read_texts(self.pipeline.columns(), arrays, Texts::Find(self.pipeline.dictionaries()));
        let (mut sum, mut left) = (0.0, targets);
        let each = |buffers: &Buffers, len: usize| {
            let (targets, rest) = left.split_at(len);
            left = rest;
            if buffers.scores.is_empty() {
                // Nothing is predicted where no class was met.
                targets.iter().for_each(|target| sum += loss(objective, self.shape, &[], *target));
            } else {
                let scores = rows_with_scores(&buffers.after, &buffers.scores).map(|(_, scores)| scores);
                scores.zip(targets).for_each(|(scores, target)| sum += loss(objective, self.shape, scores, *target));
            }
        };
        let mut predictions = self.predictions(targets.len());
        self.predict_each(&rows, 0, targets.len(), &mut Buffers::default(), &mut predictions, each);
        Ok(sum)
    }
}
