//! A model: a specification and what was learned by it. The narrow waist of Tidegate.
//!
//! Batches are positional: the columns of the `INPUT` clause in their order; for learning then the label, if the task has one, and if
//! wanted a row weight (a number of at least 0). Predictions come back as the columns of the `OUTPUT` clause.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
//! use arrow::datatypes::{DataType, Field, Schema};
//! use tidegate_ml::{Model, ModelSpec, Task};
//!
//! let options = [("provider", "tidegate"), ("task", "classification"), ("algorithm", "logistic_regression")];
//! let spec = ModelSpec::new(
//!     "intent",
//!     Task::Classification,
//!     &Schema::new(vec![Field::new("visits", DataType::Float64, true)]),
//!     &Schema::new(vec![Field::new("buys", DataType::Boolean, true), Field::new("p", DataType::Float64, true)]),
//!     vec![],
//!     options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
//! )?;
//! let mut model = Model::new(spec)?;
//! let visits: ArrayRef = Arc::new(Float64Array::from(vec![-1.0, 1.0]));
//! let bought: ArrayRef = Arc::new(BooleanArray::from(vec![false, true]));
//! let batch = RecordBatch::try_from_iter([("visits", visits.clone()), ("bought", bought)])?;
//! assert_eq!(model.learn(&batch)?.learned, 2);
//!
//! let predictions = model.predict(&RecordBatch::try_from_iter([("visits", visits)])?)?;
//! assert_eq!(predictions.column(0).as_ref(), &BooleanArray::from(vec![false, true]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use tidegate_options::Options;

use crate::block::Block;
use crate::learner::{Learner, Shape, row_weights};
use crate::rows::{Rows, Texts};
use crate::spread::Spread;
use crate::transform::{Pipeline, Scratch, Target};
use crate::tuning::Trial;
use crate::{DataFault, Error, LabelKind, ModelSpec, Result, Task};

mod algorithm;
mod describe;
mod explain;
mod importance;
mod incoming;
pub(crate) mod labels;
mod merge;
mod permutation;
pub(crate) mod predictions;
pub(crate) mod saved;

use algorithm::Algorithm;
pub use describe::{ChosenFeature, INTERCEPT, ModelDescription, WeightRow};
pub use explain::{EXPLANATION, Explanations};
pub use importance::InputImportance;
pub(crate) use incoming::Incoming;
use incoming::{first, read_label_and_weight, targets_of};
use labels::Labels;
pub use permutation::{BLOCK_ROWS, PermutationImportance, PermutationSettings};
use predictions::Predictions;

/// A model. See the [module](self).
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    algorithm: Algorithm,
    options: Options,
    shape: Shape,
    /// The probability from which on the second of two classes is predicted.
    threshold: f64,
    pub(crate) labels: Labels,
    pub(crate) pipeline: Pipeline,
    learner: Box<dyn Learner>,
    rows_learned: u64,
    version: u64,
    /// Buffers for learning; kept so that a batch allocates little.
    incoming: Incoming,
    buffers: Buffers,
}

/// What a call of [`Model::learn`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LearnReport {
    /// Rows learned.
    pub learned: usize,
    /// Rows whose label is NULL: there is nothing to learn from them.
    pub unlabelled: usize,
}

/// What learning and predicting write in passing.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    scratch: Scratch,
    before: Block,
    after: Block,
    targets: Vec<f64>,
    scores: Vec<f64>,
}

impl Model {
    /// A model that has learned nothing.
    ///
    /// # Errors
    /// [`Error::Spec`] when the algorithm is unknown or does not do the task, or a transform is wrong; [`Error::Option`]
    /// when an option is.
    pub fn new(spec: ModelSpec) -> Result<Self> {
        let shape_of = |options: &Options| {
            let labels = Labels::new(spec.label, options)?;
            Ok(match (spec.label, labels.declared(), labels.count()) {
                (LabelKind::Number, ..) => Shape::Number,
                (LabelKind::None, ..) => Shape::Unlabelled,
                (_, true, 2) => Shape::Binary,
                (_, _, classes) => Shape::Classes { classes },
            })
        };
        let (algorithm, options, features, mut learner) = Algorithm::of(&spec, &shape_of)?;
        let task = spec.task.name();
        if options.text("task") != task {
            return Err(Error::Spec(format!(
                "model '{}': option 'task' is '{}', but its OUTPUT is that of {task}",
                spec.name,
                options.text("task")
            )));
        }
        let (labels, shape) = (Labels::new(spec.label, &options)?, shape_of(&options)?);
        let threshold = options.float_opt("decision-threshold");
        if threshold.is_some() && shape != Shape::Binary {
            return Err(Error::Spec(format!(
                "model '{}': option 'decision-threshold' needs two classes, declared by the option 'classes' or of a BOOLEAN label",
                spec.name
            )));
        }
        let categories_max = u32::try_from(options.int("max-categories")).unwrap_or(u32::MAX);
        let target = match shape {
            Shape::Number => Target::Number,
            Shape::Unlabelled => Target::None,
            Shape::Binary => Target::Classes(2),
            Shape::Classes { classes } if labels.declared() => Target::Classes(classes),
            Shape::Classes { .. } => Target::ClassesMet,
        };
        let pipeline = Pipeline::compile(&spec, categories_max, features, target).map_err(|error| match error {
            Error::Spec(what) => Error::Spec(format!("model '{}': {what}", spec.name)),
            other => other,
        })?;
        algorithm.check(&pipeline).map_err(|error| match error {
            Error::Spec(what) => Error::Spec(format!("model '{}': {what}", spec.name)),
            other => other,
        })?;
        if spec.task == Task::ChangeDetection && pipeline.dense_width() != 1 {
            return Err(Error::Spec(format!(
                "model '{}': changes are detected in one number, and there are {}; make one model each, or one number of them in \
                 TRANSFORM",
                spec.name,
                pipeline.dense_width()
            )));
        }
        learner.set_features(&pipeline.dense_kinds());
        let incoming = Incoming { rows: Rows::new(pipeline.columns()), ..Incoming::default() };
        Ok(Self {
            spec,
            algorithm,
            options,
            shape,
            threshold: threshold.unwrap_or(0.5),
            labels,
            pipeline,
            learner,
            rows_learned: 0,
            version: 0,
            incoming,
            buffers: Buffers::default(),
        })
    }

    /// The specification.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The options, checked and with defaults.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The columns that predictions have.
    pub fn output_schema(&self) -> SchemaRef {
        self.spec.output_schema()
    }

    /// The classes of the label so far, in order; none for a number.
    pub fn classes(&self) -> Vec<String> {
        self.labels.names()
    }

    /// The rows learned so far.
    pub fn rows_learned(&self) -> u64 {
        self.rows_learned
    }

    /// Sets the version that predictions carry. It is not saved: whoever keeps versions numbers them.
    pub fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Gives threads for what the learner can do at once. Results are the same with any.
    pub fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.learner.set_spread(spread);
    }

    /// Ends the input: what the learner fits only now and then it fits to all rows.
    pub(crate) fn end_input(&mut self) {
        self.learner.end_input();
    }

    /// The trials of a model that is tuned, in the order of their numbers; none of any other.
    pub fn trials(&self) -> Vec<Trial> {
        self.learner.trials()
    }

    /// The transform that learns from labels, if one does: then no row may be learned twice.
    pub fn learns_from_labels(&self) -> Option<&'static str> {
        self.pipeline.learns_from_labels()
    }

    /// Tells that rows are those of history: a model that chooses its features scores them in a first pass.
    pub fn begin_history(&mut self) {
        self.learner.begin_history();
    }

    /// Tells that training goes on from a version: a model that chooses its features looks at its choice again.
    ///
    /// # Errors
    /// None that is known of: the options of what is made anew were checked.
    pub fn go_on(&mut self) -> Result<()> {
        self.learner.go_on()
    }

    /// Whether it can only learn from history: its search, or the choice of its features, needs several passes.
    pub fn needs_history(&self) -> bool {
        self.learner.needs_history()
    }

    /// Ends a pass over history. If more is to be tried, the model is as if it had learned nothing, and another pass over the same rows
    /// is to follow; otherwise the search is over.
    ///
    /// # Errors
    /// When a trial is refused.
    pub(crate) fn end_pass(&mut self) -> Result<bool> {
        if !self.learner.end_pass()? {
            return Ok(false);
        }
        let mut anew = Self::new(self.spec.clone())?;
        std::mem::swap(&mut anew.learner, &mut self.learner);
        anew.version = self.version;
        *self = anew;
        Ok(true)
    }

    /// The version that predictions carry; 0 while none is set.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Bytes of memory that the model takes.
    pub fn state_bytes(&self) -> usize {
        self.pipeline.state_bytes() + self.labels.state_bytes() + self.learner.state_bytes()
    }

    /// Learns from every row whose label is not NULL, in order.
    ///
    /// # Errors
    /// [`Error::Data`] for the first row that cannot be learned, [`Error::Batch`] when columns do not fit. Then nothing was
    /// learned.
    pub fn learn(&mut self, batch: &RecordBatch) -> Result<LearnReport> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let report = self.read(batch, &mut incoming).map(|()| {
            let rows = incoming.rows.len();
            let labelled: Vec<u32> = (0..rows as u32).filter(|row| !incoming.labels[*row as usize].is_nan()).collect();
            if labelled.len() < rows {
                incoming.rows.keep(&labelled);
                for values in [&mut incoming.labels, &mut incoming.weights].into_iter().filter(|v| !v.is_empty()) {
                    *values = labelled.iter().map(|row| values[*row as usize]).collect();
                }
            }
            self.learn_rows(&incoming, 0, labelled.len());
            LearnReport { learned: labelled.len(), unlabelled: rows - labelled.len() }
        });
        self.incoming = incoming;
        report
    }

    /// Predicts every row. Columns after the inputs, such as a label, are not looked at.
    ///
    /// # Errors
    /// [`Error::Data`] for the first row that cannot be predicted, [`Error::Batch`] when columns do not fit.
    pub fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let arrays = self.inputs(batch)?;
        let mut rows = Rows::new(self.pipeline.columns());
        rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        rows.faults(self.pipeline.columns(), arrays, &mut faults);
        first(faults)?;
        rows.read_texts(self.pipeline.columns(), arrays, Texts::Find(self.pipeline.dictionaries()));
        let mut predictions = self.predictions(rows.len());
        self.predict_rows(&rows, 0, rows.len(), &mut Buffers::default(), &mut predictions);
        predictions.finish(&self.spec, &self.labels, self.version)
    }

    /// Predicts each row, then learns from it (if its label is not NULL) before the next is predicted: prequential
    /// evaluation. The same as calling [`Model::predict`] and [`Model::learn`] row by row, but fast.
    ///
    /// # Errors
    /// As [`Model::learn`].
    pub fn learn_predict(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let result = self.read(batch, &mut incoming).and_then(|()| {
            let rows = incoming.rows.len();
            let mut predictions = self.predictions(rows);
            let mut start = 0;
            while start < rows {
                let unlabelled = incoming.labels[start].is_nan();
                let end = incoming.labels[start..].iter().position(|label| label.is_nan() != unlabelled);
                let len = end.unwrap_or(rows - start);
                if unlabelled {
                    let mut buffers = std::mem::take(&mut self.buffers);
                    self.predict_rows(&incoming.rows, start, len, &mut buffers, &mut predictions);
                    self.buffers = buffers;
                } else {
                    self.learn_predict_rows(&incoming, start, len, &mut predictions);
                }
                start += len;
            }
            predictions.finish(&self.spec, &self.labels, self.version)
        });
        self.incoming = incoming;
        result
    }

    /// What is wrong with a batch: at most one fault a row, in the order of rows. The batch may hold inputs alone, or a
    /// label and weights too. Rows not named can be learned and predicted.
    ///
    /// # Errors
    /// [`Error::Batch`] when columns do not fit.
    pub fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        self.check_with(&self.labels, batch)
    }

    /// As [`Model::check`], with labels that were met elsewhere.
    pub(crate) fn check_with(&self, labels: &Labels, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        let arrays = self.inputs(batch)?;
        let mut rows = Rows::new(self.pipeline.columns());
        rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        rows.faults(self.pipeline.columns(), arrays, &mut faults);
        if batch.num_columns() > arrays.len() {
            read_label_and_weight(&mut labels.clone(), batch, arrays.len(), &mut Incoming::default(), &mut faults)?;
        }
        // Stable: of several faults of a row, the leftmost column's stays.
        faults.sort_by_key(|fault| fault.row);
        faults.dedup_by_key(|fault| fault.row);
        Ok(faults)
    }

    /// The input columns of a batch.
    fn inputs<'a>(&self, batch: &'a RecordBatch) -> Result<&'a [ArrayRef]> {
        let inputs = self.spec.inputs.len();
        batch.columns().get(..inputs).ok_or_else(|| self.misfit(batch))
    }

    fn misfit(&self, batch: &RecordBatch) -> Error {
        Error::Batch(format!(
            "the batch has {} columns; model '{}' takes {} input columns, and to learn {}if wanted a row weight",
            batch.num_columns(),
            self.spec.name,
            self.spec.inputs.len(),
            if self.spec.task.has_labels() { "then the label, then " } else { "then " }
        ))
    }

    pub(crate) fn predictions(&self, rows: usize) -> Predictions {
        Predictions::new(&self.spec, self.shape, self.threshold, rows)
    }

    pub(crate) fn finish(&self, predictions: Predictions) -> Result<RecordBatch> {
        predictions.finish(&self.spec, &self.labels, self.version)
    }

    /// Takes the labels of a batch in where classes are those that are met. For those who keep count for several models.
    ///
    /// # Errors
    /// The first row with one class too many.
    pub(crate) fn count_labels(&self, labels: &mut Labels, batch: &RecordBatch) -> Result<()> {
        let label = self.spec.inputs.len();
        let Some(column) = batch.columns().get(label).filter(|_| !labels.are_targets()) else { return Ok(()) };
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        labels.read(column, batch.schema_ref().field(label).name(), &mut read, &mut faults)?;
        first(faults)
    }

    /// A row of predictions that are all missing, but for the version.
    pub(crate) fn no_prediction(&self) -> Result<RecordBatch> {
        let mut predictions = self.predictions(1);
        predictions.push_nothing();
        self.finish(predictions)
    }

    /// Reads the input columns of a batch, taking every text in.
    pub(crate) fn read_inputs(&mut self, batch: &RecordBatch, incoming: &mut Incoming) -> Result<()> {
        let arrays = self.inputs(batch)?;
        incoming.rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        incoming.rows.faults(self.pipeline.columns(), arrays, &mut faults);
        first(faults)?;
        self.pipeline.read_texts(&mut incoming.rows, arrays, &[]);
        Ok(())
    }

    /// Reads a batch to learn from. On an error the model is as before.
    pub(crate) fn read(&mut self, batch: &RecordBatch, incoming: &mut Incoming) -> Result<()> {
        let arrays = self.inputs(batch)?;
        let columns = arrays.len() + usize::from(self.spec.task.has_labels());
        if !(columns..=columns + 1).contains(&batch.num_columns()) {
            return Err(self.misfit(batch));
        }
        incoming.rows.read_numbers(self.pipeline.columns(), arrays, batch.num_rows())?;
        let mut faults = Vec::new();
        incoming.rows.faults(self.pipeline.columns(), arrays, &mut faults);
        let mark = self.labels.mark();
        let read = read_label_and_weight(&mut self.labels, batch, arrays.len(), incoming, &mut faults);
        if let Err(error) = read.and_then(|()| first(faults)) {
            self.labels.forget(mark);
            return Err(error);
        }
        self.pipeline.read_texts(&mut incoming.rows, arrays, &incoming.labels);
        Ok(())
    }

    /// How many rows go through transforms and learner together: as many as their features stay in the first-level cache.
    fn rows_together(&self) -> usize {
        (4096 / self.pipeline.dense_width().max(1)).clamp(32, 512)
    }

    /// How many scores the learner gives each row.
    fn scores_a_row(&self) -> usize {
        match self.shape {
            Shape::Classes { .. } => self.labels.count(),
            other => other.scores(),
        }
    }

    /// Predicts rows `start .. start + len`.
    pub(crate) fn predict_rows(
        &self,
        rows: &Rows,
        start: usize,
        len: usize,
        buffers: &mut Buffers,
        out: &mut Predictions,
    ) {
        self.predict_each(rows, start, len, buffers, out, |_, _| {});
    }

    /// As [`Model::predict_rows`]. Tells of some rows after the others what was computed: features and scores of so many, or no scores
    /// where there is no prediction.
    fn predict_each(
        &self,
        rows: &Rows,
        start: usize,
        len: usize,
        buffers: &mut Buffers,
        out: &mut Predictions,
        mut each: impl FnMut(&Buffers, usize),
    ) {
        let untaught = matches!(self.shape, Shape::Classes { .. }) && self.rows_learned == 0;
        if untaught {
            buffers.scores.clear();
            out.push(&[], len, 0);
            each(buffers, len);
            return;
        }
        let end = start + len;
        let mut at = start;
        while at < end {
            let len = self.rows_together().min(end - at);
            self.pipeline.apply(rows, at, len, &mut buffers.after, &mut buffers.scratch);
            buffers.scores.clear();
            self.learner.predict(&buffers.after, &mut buffers.scores);
            out.push(&buffers.scores, len, self.scores_a_row());
            each(buffers, len);
            at += len;
        }
    }

    /// Learns rows `start .. start + len`, all of which have labels.
    pub(crate) fn learn_rows(&mut self, incoming: &Incoming, start: usize, len: usize) {
        let end = start + len;
        let mut at = start;
        while at < end {
            let mut len = self.rows_together().min(end - at);
            if !self.labels.are_targets() {
                len = self.rows_of_known_classes(&incoming.labels[at..at + len]);
                if len == 0 {
                    self.meet_class(incoming.labels[at]);
                    continue;
                }
            }
            self.learn_together(incoming, at, len);
            at += len;
        }
    }

    /// Predicts each of rows `start .. start + len`, all of which have labels, and learns it before the next.
    pub(crate) fn learn_predict_rows(&mut self, incoming: &Incoming, start: usize, len: usize, out: &mut Predictions) {
        let by_class = matches!(self.shape, Shape::Classes { .. });
        let end = start + len;
        let mut at = start;
        while at < end {
            let mut len = self.rows_together().min(end - at);
            if !self.labels.are_targets() {
                len = self.rows_of_known_classes(&incoming.labels[at..at + len]);
            }
            if len == 0 || (by_class && self.rows_learned == 0) {
                // The first row of all, or of a class, is predicted without the class, and learned with it.
                let mut buffers = std::mem::take(&mut self.buffers);
                self.predict_rows(&incoming.rows, at, 1, &mut buffers, out);
                self.buffers = buffers;
                self.learn_rows(incoming, at, 1);
                at += 1;
                continue;
            }
            self.learn_predict_together(incoming, at, len);
            out.push(&self.buffers.scores, len, self.scores_a_row());
            at += len;
        }
    }

    fn rows_of_known_classes(&self, labels: &[f64]) -> usize {
        labels.iter().position(|label| self.labels.class(*label).is_none()).unwrap_or(labels.len())
    }

    fn meet_class(&mut self, label: f64) {
        self.labels.activate(label as u32);
        self.learner.set_classes(self.labels.count());
    }

    fn learn_together(&mut self, incoming: &Incoming, at: usize, len: usize) {
        let Buffers { scratch, after, targets, .. } = &mut self.buffers;
        let y = targets_of(&self.labels, &incoming.labels[at..at + len], targets);
        self.pipeline.learn(&incoming.rows, (at, y), None, after, scratch);
        self.learner.learn(after, y, row_weights(&incoming.weights, at, len));
        self.rows_learned += len as u64;
    }

    fn learn_predict_together(&mut self, incoming: &Incoming, at: usize, len: usize) {
        let Buffers { scratch, before, after, targets, scores } = &mut self.buffers;
        let y = targets_of(&self.labels, &incoming.labels[at..at + len], targets);
        let weights = row_weights(&incoming.weights, at, len);
        scores.clear();
        if self.pipeline.learns() {
            self.pipeline.learn(&incoming.rows, (at, y), Some(before), after, scratch);
            self.learner.learn_predict(before, after, y, weights, scores);
        } else {
            self.pipeline.apply(&incoming.rows, at, len, after, scratch);
            self.learner.learn_predict(after, after, y, weights, scores);
        }
        self.rows_learned += len as u64;
    }
}
