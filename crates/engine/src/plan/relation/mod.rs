//! Functions of the FROM clause become plan nodes: here the ML functions, in [`window`] those of windows;
//! in [`as_of`] tables as they were at a time; in [`drift`] what columns hold and how far they have moved; in [`feature_scores`] scores of
//! columns; in [`explain`] predictions with what explains them; in [`of_model`] what is known of a model alone; in [`report`] what is told of a model's predictions; in [`unnest`] the elements of
//! arrays. [`keys`] has what they have in common about PARTITION BY, [`signature`] what each takes.

mod as_of;
mod drift;
mod explain;
mod feature_scores;
mod keys;
mod of_model;
mod report;
mod signature;
mod unnest;
mod window;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use tidegate_ml::metric::ReportKind;
use tidegate_ml::{InputKind, ModelSpec, Task};
use tidegate_sql::call::{Bound, TableArgument, TableFunction};
use tidegate_sql::sqlparser::ast::{Ident, TableFactor};
use tidegate_sql::{Diagnostic, Span};

use crate::catalog::models::{Models, ReferenceError};
use crate::plan::attribute::{rowtime, to_milliseconds};
use crate::plan::event_time::with_marks;
use crate::plan::node::{LoadedModel, PredictNode, Same, TrainNode};
use crate::plan::temporal::join_versions;
use crate::plan::unnest::join_elements;
use crate::plan::window::WindowFunction;
pub use signature::TABLE_FUNCTIONS;
pub(crate) use signature::TRAINS;

/// Plans the functions of [`TABLE_FUNCTIONS`].
#[derive(Debug)]
pub(crate) struct TableFunctions {
    pub models: Arc<Models>,
}

impl RelationPlanner for TableFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { version: Some(_), .. } = &relation {
            return as_of::plan(relation, context);
        }
        if let TableFactor::UNNEST { .. } = &relation {
            return unnest::plan(relation, context);
        }
        let call = match TableFunction::from_factor(&relation) {
            None => return Ok(RelationPlanning::Original(Box::new(relation))),
            Some(call) => call.map_err(refused)?,
        };
        let Some(signature) = TABLE_FUNCTIONS.iter().find(|signature| signature.name == call.name) else {
            return match tidegate_options::nearest(&call.name, TABLE_FUNCTIONS.iter().map(|s| s.name)) {
                Some(near) => Err(refused(
                    Diagnostic::new(call.span, format!("there is no table function {}", call.name))
                        .with_help(format!("did you mean {near}?")),
                )),
                None => Ok(RelationPlanning::Original(Box::new(relation))),
            };
        };
        let bound = signature.bind(&call).map_err(refused)?;
        let mut planner = CallPlanner { models: &self.models, context, bound, span: call.span };
        let plan = match signature.name {
            "TUMBLE" => planner.window(WindowFunction::Tumble)?,
            "HOP" => planner.window(WindowFunction::Hop)?,
            "CUMULATE" => planner.window(WindowFunction::Cumulate)?,
            "SESSION" => planner.session()?,
            "ML_TRAIN" => planner.train(None)?,
            "ML_DETECT_ANOMALIES" => planner.train(Some(Task::AnomalyDetection))?,
            "ML_DETECT_CHANGE" => planner.train(Some(Task::ChangeDetection))?,
            "ML_PREDICT" => planner.predict(None)?.0,
            "ML_EXPLAIN_PREDICT" => planner.explain_predict()?,
            "ML_EVALUATE" => planner.report(ReportKind::Evaluation)?,
            "ML_CONFUSION_MATRIX" => planner.report(ReportKind::ConfusionMatrix)?,
            "ML_ROC_CURVE" => planner.report(ReportKind::RocCurve)?,
            "ML_RELIABILITY" => planner.reliability()?,
            "ML_BEST_THRESHOLD" => planner.best_threshold()?,
            "ML_FEATURE_IMPORTANCE" => planner.feature_importance()?,
            "ML_PERMUTATION_IMPORTANCE" => planner.permutation_importance()?,
            "ML_TRIAL_INFO" => planner.trials()?,
            "ML_FEATURE_SCORES" => planner.feature_scores()?,
            "ML_VALIDATE_DATA_DRIFT" => planner.drift()?,
            "ML_DESCRIBE_DATA" => planner.describe_data()?,
            _ => planner.weights()?,
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, call.alias))))
    }
}

/// A refusal with its place; [`crate::session`] joins it with the script.
pub(crate) fn refused(diagnostic: Diagnostic) -> DataFusionError {
    DataFusionError::External(Box::new(diagnostic))
}

fn extension(node: impl UserDefinedLogicalNodeCore) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

/// One call being planned.
struct CallPlanner<'a> {
    models: &'a Models,
    context: &'a mut dyn RelationPlannerContext,
    bound: Bound<'a>,
    span: Span,
}

impl CallPlanner<'_> {
    fn refuse<T>(&self, argument: &str, message: impl Into<String>) -> Result<T> {
        let span = self.bound.get(argument).map_or(self.span, |argument| argument.span);
        Err(refused(Diagnostic::new(span, message)))
    }

    fn refuse_model<T>(&self, error: ReferenceError) -> Result<T> {
        match error {
            ReferenceError::Wrong(message) => self.refuse("MODEL", message),
            ReferenceError::Registry(error) => Err(error.into()),
        }
    }

    /// The rows of a table argument, and the columns that it is partitioned by.
    fn input(&mut self, argument: &str) -> Result<(LogicalPlan, Vec<usize>)> {
        let Some(table) = self.bound.table(argument) else { return self.refuse(argument, "expected a table") };
        let input = self.table(argument, table)?;
        let keys = self.partition(argument, table, input.schema())?;
        Ok((input, keys))
    }

    /// The rows of a table argument, whatever it is partitioned by.
    fn table(&mut self, argument: &str, table: &TableArgument) -> Result<LogicalPlan> {
        let TableArgument { query, name, order_by, .. } = table;
        if !order_by.is_empty() {
            return self.refuse(argument, "ORDER BY is not supported here: rows are taken as they come");
        }
        let factor = match name {
            Some(name) => TableFactor::Table {
                name: name.clone(),
                alias: None,
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: false,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            },
            None => TableFactor::Derived { lateral: false, subquery: query.clone(), alias: None, sample: None },
        };
        with_marks(join_versions(join_elements(self.context.plan(factor)?)?)?)
    }

    /// The index of a column named by a DESCRIPTOR.
    fn column(&self, schema: &DFSchema, ident: &Ident) -> Result<usize> {
        let matches: Vec<usize> = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field.name() == &ident.value)
            .map(|(index, _)| index)
            .collect();
        let span = Span::from_parser(ident.span).unwrap_or(self.span);
        match matches.as_slice() {
            [index] => Ok(*index),
            [] => {
                let names = || schema.fields().iter().map(|field| field.name().as_str());
                let diagnostic = Diagnostic::new(span, format!("the input has no column '{}'", ident.value));
                Err(refused(match tidegate_options::nearest(&ident.value, names()) {
                    Some(near) => diagnostic.with_help(format!("did you mean '{near}'?")),
                    None => {
                        diagnostic.with_help(format!("its columns are: {}", names().collect::<Vec<_>>().join(", ")))
                    }
                }))
            }
            _ => Err(refused(Diagnostic::new(span, format!("the input has several columns '{}'", ident.value)))),
        }
    }

    fn single_column(&self, schema: &DFSchema, argument: &str) -> Result<Option<usize>> {
        match self.bound.column(argument).map_err(refused)? {
            Some(ident) => self.column(schema, ident).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Self::single_column`], of a parameter that not every function has that is planned here.
    fn column_if_declared(&self, schema: &DFSchema, argument: &str) -> Result<Option<usize>> {
        if self.bound.declares(argument) { self.single_column(schema, argument) } else { Ok(None) }
    }

    /// The columns given as ARGS, held against the model's INPUT.
    fn args(&self, schema: &DFSchema, spec: &ModelSpec) -> Result<Vec<usize>> {
        let names: Vec<Ident> = match self.bound.get("ARGS") {
            Some(_) => self.bound.descriptor("ARGS").to_vec(),
            None => spec.inputs.iter().map(|input| Ident::new(&input.name)).collect(),
        };
        if names.len() != spec.inputs.len() {
            let inputs: Vec<&str> = spec.inputs.iter().map(|input| input.name.as_str()).collect();
            let message = format!(
                "model '{}' takes {} columns ({}), but ARGS names {}",
                spec.name,
                inputs.len(),
                inputs.join(", "),
                names.len()
            );
            return self.refuse("ARGS", message);
        }
        let mut columns = Vec::with_capacity(names.len());
        for (name, input) in names.iter().zip(&spec.inputs) {
            let index = self.column(schema, name)?;
            let data_type = schema.field(index).data_type();
            if InputKind::of(data_type) != Some(input.kind) && *data_type != DataType::Null {
                let expected = match input.kind {
                    InputKind::Number => "a number",
                    InputKind::Flag => "BOOLEAN",
                    InputKind::Text => "STRING",
                };
                let span = Span::from_parser(name.span)
                    .or(self.bound.get("ARGS").map(|argument| argument.span))
                    .unwrap_or(self.span);
                let message = format!(
                    "model '{}': its input '{}' takes {expected}, but column '{}' is {}",
                    spec.name,
                    input.name,
                    name.value,
                    crate::types::sql_type(data_type)
                );
                return Err(refused(Diagnostic::new(span, message)));
            }
            columns.push(index);
        }
        Ok(columns)
    }

    /// A function that trains models, perhaps for one task only.
    fn train(&mut self, task: Option<Task>) -> Result<LogicalPlan> {
        let Some(reference) = self.bound.model("MODEL") else { return self.refuse("MODEL", "expected a model") };
        let (model, start) = match self.models.for_training(reference) {
            Ok(found) => found,
            Err(error) => return self.refuse_model(error),
        };
        if model.needs_history() {
            let message = format!(
                "model '{}' is tuned by 'tpe', which goes over history several times: train it with CREATE MODEL … AS SELECT, or tune it \
                 by 'racing' on the stream",
                model.name
            );
            return self.refuse("MODEL", message);
        }
        if let Some(task) = task.filter(|task| *task != model.spec.task) {
            let (name, own, wanted) = (&model.name, model.spec.task.name(), task.name());
            return self.refuse("MODEL", format!("model '{name}' is for '{own}'; expected one for '{wanted}'"));
        }
        let (input, keys) = self.keyed_input("INPUT")?;
        let schema = input.schema();
        let args = self.args(schema, &model.spec)?;
        if !keys.is_empty() && model.replicas() > 1 {
            return self.refuse(
                "MODEL",
                "'training.parallelism' has no meaning with PARTITION BY, where each key's model learns from its rows: leave it out",
            );
        }
        let label = self.label(schema, &model.spec)?;
        let label_time = self.column_if_declared(schema, "LABEL_TIME")?;
        let rowtime = rowtime(schema);
        if let Some(time) = label_time {
            if to_milliseconds(schema.field(time).data_type()).is_none() {
                return self.refuse("LABEL_TIME", "LABEL_TIME takes a TIMESTAMP column");
            }
            if rowtime.is_none() {
                return self.refuse(
                    "LABEL_TIME",
                    "LABEL_TIME needs an event time in the input: declare WATERMARK FOR … in its CREATE TABLE, and select that column",
                );
            }
        }
        if !keys.is_empty()
            && rowtime.is_none()
            && model.training.duration("keyed.ttl").is_some_and(|ttl| !ttl.is_zero())
        {
            return self.refuse(
                "MODEL",
                "'keyed.ttl' needs an event time in the input: declare WATERMARK FOR … in its CREATE TABLE, and select that column",
            );
        }
        let weight = self.column_if_declared(schema, "WEIGHT")?;
        if let Some(weight) = weight
            && !schema.field(weight).data_type().is_numeric()
        {
            return self.refuse("WEIGHT", "WEIGHT takes a column of numbers");
        }
        self.check_outputs(schema, model.output_fields().iter().map(|f| f.name().clone()))?;
        let shard_by =
            model.shard_by().into_iter().map(|name| self.shard_column(schema, name)).collect::<Result<_>>()?;
        let schema = TrainNode::output(&input, &model)?;
        Ok(extension(TrainNode {
            input,
            model: Same(model),
            start,
            args,
            label,
            label_time,
            weight,
            rowtime,
            shard_by,
            keys,
            schema,
        }))
    }

    /// The column of the label, which there is where the task has labels.
    fn label(&self, schema: &DFSchema, spec: &ModelSpec) -> Result<Option<usize>> {
        let task = spec.task.name();
        match (self.column_if_declared(schema, "LABEL")?, spec.task.has_labels()) {
            (Some(label), true) => self.check_label(schema, spec, label).map(|()| Some(label)),
            (None, false) if self.column_if_declared(schema, "LABEL_TIME")?.is_some() => self.refuse(
                "LABEL_TIME",
                format!("model '{}' is for '{task}', which has no labels: leave it out", spec.name),
            ),
            (None, false) => Ok(None),
            (None, true) => self.refuse(
                "LABEL",
                format!(
                    "model '{}' is for '{task}' and learns from a label: expected LABEL => DESCRIPTOR(column)",
                    spec.name
                ),
            ),
            (Some(_), false) => self.refuse(
                "LABEL",
                format!("model '{}' is for '{task}', which has no labels: leave LABEL out", spec.name),
            ),
        }
    }

    fn check_label(&self, schema: &DFSchema, spec: &ModelSpec, label: usize) -> Result<()> {
        let data_type = schema.field(label).data_type();
        if spec.label.takes(data_type) {
            return Ok(());
        }
        let predicted = spec.outputs.first().map(|output| output.name.as_str()).unwrap_or_default();
        let message = format!(
            "the label '{}' is {}, which does not fit model '{}', whose '{predicted}' is {}",
            schema.field(label).name(),
            crate::types::sql_type(data_type),
            spec.name,
            crate::types::sql_type(spec.output_schema().field(0).data_type()),
        );
        self.refuse("LABEL", message)
    }

    fn check_outputs(&self, schema: &DFSchema, outputs: impl Iterator<Item = String>) -> Result<()> {
        for output in outputs {
            if schema.fields().iter().any(|field| field.name() == &output) {
                let message = format!(
                    "the input already has a column '{output}', which the model would add: rename it in OUTPUT"
                );
                return self.refuse("MODEL", message);
            }
        }
        Ok(())
    }

    /// Predictions, with explanations of so many inputs at most if they are asked for.
    fn predict(&mut self, most: Option<usize>) -> Result<(LogicalPlan, Arc<LoadedModel>)> {
        let Some(reference) = self.bound.model("MODEL") else { return self.refuse("MODEL", "expected a model") };
        let model = match self.models.load(reference) {
            Ok(model) => model,
            Err(error) => return self.refuse_model(error),
        };
        let (input, keys) = self.keyed_input("INPUT")?;
        let schema = input.schema();
        let explanations = most.map(|most| self.explanations(&model, &keys, most)).transpose()?;
        self.check_keys(schema, &model, &keys)?;
        let args = self.args(schema, model.model.spec())?;
        let outputs = match explanations {
            Some(_) => model.model.explained_schema(),
            None => model.model.output_schema(),
        };
        self.check_outputs(schema, outputs.fields().iter().map(|field| field.name().clone()))?;
        let columns = |columns: Vec<usize>| -> Vec<Expr> {
            let column = |index| Expr::Column(Column::from(schema.qualified_field(index)));
            columns.into_iter().map(column).collect()
        };
        let (args, keys) = (columns(args), columns(keys));
        let node = PredictNode::try_new(input, Same(Arc::clone(&model)), explanations, args, keys)?;
        Ok((extension(node), model))
    }
}
