//! Reports over the predictions of a model: rows in, one small table out.

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use tidegate_ml::metric::{Cost, Costs, RELIABILITY_BINS, RELIABILITY_BINS_MAX, ReportKind};
use tidegate_ml::{OutputRole, Task};
use tidegate_sql::literal;

use super::{CallPlanner, extension, refused};
use crate::plan::node::ReportNode;

impl CallPlanner<'_> {
    /// ML_RELIABILITY.
    pub(super) fn reliability(&mut self) -> Result<LogicalPlan> {
        let bins = self.bound.integer("BINS").map_err(refused)?.unwrap_or(RELIABILITY_BINS as i64);
        match u32::try_from(bins).ok().filter(|bins| (1..=RELIABILITY_BINS_MAX as u32).contains(bins)) {
            Some(bins) => self.report(ReportKind::Reliability { bins }),
            None => {
                self.refuse("BINS", format!("BINS is {bins}; expected a whole number from 1 to {RELIABILITY_BINS_MAX}"))
            }
        }
    }

    /// ML_BEST_THRESHOLD.
    pub(super) fn best_threshold(&mut self) -> Result<LogicalPlan> {
        let cost = |argument: &str| {
            let given = self.bound.number(argument).map_err(refused)?.unwrap_or(1.0);
            match Cost::new(given) {
                Ok(cost) => Ok(cost),
                Err(_) => self.refuse(argument, format!("{argument} is {given}; expected a number of at least 0")),
            }
        };
        let costs =
            Costs { false_positive: cost("FALSE_POSITIVE_COST")?, false_negative: cost("FALSE_NEGATIVE_COST")? };
        self.report(ReportKind::BestThreshold { costs })
    }

    /// A report of this kind.
    pub(super) fn report(&mut self, kind: ReportKind) -> Result<LogicalPlan> {
        let (input, model) = self.predict(None)?;
        let spec = model.model.spec();
        let schema = input.schema();
        if !spec.task.has_labels() {
            return self.refuse(
                "MODEL",
                format!(
                    "model '{}' is for '{}', which has no labels to measure it by; where you have some, use aggregates over \
                     ML_PREDICT, such as ML_ROC_AUC(label, score)",
                    spec.name,
                    spec.task.name()
                ),
            );
        }
        if kind != ReportKind::Evaluation && spec.task != Task::Classification {
            return self.refuse("MODEL", format!("model '{}' is not a classifier", spec.name));
        }
        if kind == ReportKind::Evaluation
            && let Some(task) = self.bound.get("TASK")
            && let tidegate_sql::call::ArgValue::Expr(expr) = &task.value
        {
            let wanted = literal::text(expr).unwrap_or_default().to_lowercase();
            let own = if spec.task == Task::Classification { "classification" } else { "regression" };
            if wanted != own {
                return self.refuse("TASK", format!("TASK is '{wanted}', but model '{}' does {own}", spec.name));
            }
        }
        let Some(label) = self.single_column(schema, "LABEL")? else {
            return self.refuse("LABEL", "expected a column");
        };
        self.check_label(schema, spec, label)?;
        let output = |role: OutputRole| {
            let output = spec.outputs.iter().find(|output| output.role == role)?;
            let index = schema.index_of_column_by_name(None, &output.name)?;
            Some(Expr::Column(Column::from(schema.qualified_field(index))))
        };
        let Some(predicted) = output(OutputRole::Predicted) else {
            return self.refuse("MODEL", "the model predicts nothing");
        };
        if kind == ReportKind::ConfusionMatrix && model.keyed.is_some() && model.model.classes().is_empty() {
            return self.refuse(
                "MODEL",
                "the classes of a model a key are not known beforehand: declare them with the option 'classes'",
            );
        }
        let two_classes = model.model.classes().len() == 2;
        let probability = output(OutputRole::Probability).filter(|_| two_classes);
        if kind.needs_probability() && probability.is_none() {
            return self.refuse(
                "MODEL",
                format!("{} needs a model of two classes whose OUTPUT has a probability (DOUBLE)", kind.name()),
            );
        }
        let classes = model.model.classes();
        let schema = ReportNode::output(kind, &classes)?;
        let label = Expr::Column(Column::from(input.schema().qualified_field(label)));
        Ok(extension(ReportNode { kind, task: spec.task, input, label, predicted, probability, classes, schema }))
    }
}
