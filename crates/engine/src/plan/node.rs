//! Plan nodes of our own: ML_TRAIN, ML_PREDICT, reports over predictions. Those of windows are in [`super::window`].
//!
//! DataFusion optimises around them. None lets a filter pass below it: a prediction must not depend on what is asked of it,
//! and a trained model must see every row.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use tidegate_ml::metric::ReportKind;
use tidegate_ml::{Explanations, Model, Task};

use super::attribute::{Rowtime, rowtime};
use tidegate_training::{KeyedVersion, ModelEntry};

/// The columns of `input`, unqualified ones and qualified ones as they are, followed by `added`.
fn extended(input: &LogicalPlan, added: impl IntoIterator<Item = Field>) -> Result<DFSchemaRef> {
    let mut fields: Vec<(Option<TableReference>, FieldRef)> =
        input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
    fields.extend(added.into_iter().map(|field| (None, Arc::new(field))));
    Ok(Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?))
}

/// Something compared by its identity: the models that nodes hold.
#[derive(Debug)]
pub(crate) struct Same<T>(pub Arc<T>);

impl<T> Clone for Same<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Same<T> {}

impl<T> Hash for Same<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// `ML_TRAIN(…)`: each row is predicted, and learned when its label is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TrainNode {
    pub input: LogicalPlan,
    pub model: Same<ModelEntry>,
    /// Where the run starts from: a version of the registry, or nothing learned yet.
    pub start: Option<u64>,
    /// The columns of the input given as ARGS, in the order of the model's INPUT.
    pub args: Vec<usize>,
    /// None where the task has no labels.
    pub label: Option<usize>,
    pub label_time: Option<usize>,
    pub weight: Option<usize>,
    pub rowtime: Option<Rowtime>,
    /// The columns by which rows are spread over replicas; none: in turn.
    pub shard_by: Vec<usize>,
    /// The columns whose values have a model each; none: one model for all rows.
    pub keys: Vec<usize>,
    pub schema: DFSchemaRef,
}

impl TrainNode {
    /// The schema of the output: the input's columns, then the model's.
    pub(crate) fn output(input: &LogicalPlan, model: &ModelEntry) -> Result<DFSchemaRef> {
        extended(input, model.output_fields())
    }

    /// The same over another input with the same columns, of which other ones may be event times.
    pub(crate) fn over(&self, input: LogicalPlan) -> Result<Self> {
        let schema = Self::output(&input, &self.model.0)?;
        Ok(Self { rowtime: rowtime(input.schema()), schema, input, ..self.clone() })
    }
}

impl PartialOrd for TrainNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.model.0.name.partial_cmp(&other.model.0.name).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for TrainNode {
    fn name(&self) -> &str {
        "ML_TRAIN"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = |i: &usize| self.input.schema().field(*i).name().as_str();
        write!(f, "ML_TRAIN: model={}", self.model.0.name)?;
        if let Some(label) = &self.label {
            write!(f, " label={}", column(label))?;
        }
        if let Some(time) = &self.label_time {
            write!(f, " label_time={}", column(time))?;
        }
        if !self.keys.is_empty() {
            write!(f, " keys=[{}]", self.keys.iter().map(column).collect::<Vec<_>>().join(", "))?;
        }
        write!(f, " args=[{}]", self.args.iter().map(column).collect::<Vec<_>>().join(", "))
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        self.over(inputs.remove(0))
    }
}

/// A model that predicts: one version, loaded.
#[derive(Debug)]
pub(crate) struct LoadedModel {
    /// What the script calls it, such as `intent$3`.
    pub reference: String,
    /// The model; of a keyed version, one that has learned nothing.
    pub model: Model,
    pub keyed: Option<KeyedVersion>,
    /// It stands in for a version that is not there yet, as a script is only checked.
    pub stands_in: bool,
}

/// `ML_PREDICT(…)`: each row with the model's predictions; `ML_EXPLAIN_PREDICT(…)`: and with what explains them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PredictNode {
    pub input: LogicalPlan,
    pub model: Same<LoadedModel>,
    pub explanations: Option<Same<Explanations>>,
    /// One expression a column of the model's INPUT, in its order.
    pub args: Vec<Expr>,
    /// What the key of a row is made of, for a version with a model a key.
    pub keys: Vec<Expr>,
    pub schema: DFSchemaRef,
}

impl PredictNode {
    pub(crate) fn try_new(
        input: LogicalPlan,
        model: Same<LoadedModel>,
        explanations: Option<Same<Explanations>>,
        args: Vec<Expr>,
        keys: Vec<Expr>,
    ) -> Result<Self> {
        let fields = match explanations {
            Some(_) => model.0.model.explained_schema(),
            None => model.0.model.output_schema(),
        };
        let schema = extended(&input, fields.fields().iter().map(|f| f.as_ref().clone()))?;
        Ok(Self { input, model, explanations, args, keys, schema })
    }

    /// The function that it is of.
    pub(crate) fn function(&self) -> &'static str {
        if self.explanations.is_some() { "ML_EXPLAIN_PREDICT" } else { "ML_PREDICT" }
    }

    /// The arguments, then the keys.
    pub(crate) fn columns(&self) -> Vec<Expr> {
        self.args.iter().chain(&self.keys).cloned().collect()
    }
}

impl PartialOrd for PredictNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.model.0.reference.partial_cmp(&other.model.0.reference).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for PredictNode {
    fn name(&self) -> &str {
        self.function()
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.columns()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.args.iter().map(|arg| arg.to_string()).collect();
        write!(f, "{}: model={} args=[{}]", self.function(), self.model.0.reference, args.join(", "))?;
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| key.to_string()).collect();
            write!(f, " keys=[{}]", keys.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, mut args: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let keys = args.split_off(self.args.len().min(args.len()));
        Self::try_new(inputs.remove(0), self.model.clone(), self.explanations.clone(), args, keys)
    }
}

/// `ML_EVALUATE`, `ML_CONFUSION_MATRIX`, `ML_ROC_CURVE`: a report over the predictions of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReportNode {
    pub kind: ReportKind,
    pub task: Task,
    pub input: LogicalPlan,
    /// The true label.
    pub label: Expr,
    /// The predicted class or value.
    pub predicted: Expr,
    /// The probability of the positive class, for two classes.
    pub probability: Option<Expr>,
    /// The classes, for the columns of a confusion matrix.
    pub classes: Vec<String>,
    pub schema: DFSchemaRef,
}

impl ReportNode {
    pub(crate) fn output(kind: ReportKind, classes: &[String]) -> Result<DFSchemaRef> {
        let schema = kind.schema(classes);
        Ok(Arc::new(DFSchema::from_unqualified_fields(schema.fields().clone(), Default::default())?))
    }
}

impl PartialOrd for ReportNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.kind.partial_cmp(&other.kind).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for ReportNode {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        [&self.label, &self.predicted].into_iter().chain(&self.probability).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: label={} predicted={}", self.name(), self.label, self.predicted)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let (label, predicted) = match (exprs.next(), exprs.next()) {
            (Some(label), Some(predicted)) => (label, predicted),
            _ => return datafusion::common::internal_err!("a report has a label and a prediction"),
        };
        Ok(Self { input: inputs.remove(0), label, predicted, probability: exprs.next(), ..self.clone() })
    }
}

/// `UNION ALL` in the order of event time: below what goes by that, put there when a streaming plan is compiled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MergeNode {
    pub inputs: Vec<LogicalPlan>,
    /// The column of the event time.
    pub time: usize,
    pub schema: DFSchemaRef,
}

impl PartialOrd for MergeNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.inputs.partial_cmp(&other.inputs).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for MergeNode {
    fn name(&self) -> &str {
        "MERGE"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MERGE: by {}", self.schema.field(self.time).name())
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { inputs, ..self.clone() })
    }
}

/// Late rows are left out: below a join in a streaming plan, put there when it is compiled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) struct InTimeNode {
    pub input: LogicalPlan,
    pub rowtime: Rowtime,
    /// What it is part of, for the report.
    pub name: String,
}

impl UserDefinedLogicalNodeCore for InTimeNode {
    fn name(&self) -> &str {
        "IN_TIME"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN_TIME: delay={} ms", self.rowtime.delay_ms)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: inputs.remove(0), ..self.clone() })
    }
}
