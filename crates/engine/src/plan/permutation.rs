//! `ML_PERMUTATION_IMPORTANCE(…)`: how important each input is to a model, measured over all rows.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use tidegate_ml::model::{PermutationImportance, PermutationSettings};

use super::node::{LoadedModel, Same};

/// What is measured, and over which columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PermutationNode {
    pub input: LogicalPlan,
    pub model: Same<LoadedModel>,
    pub settings: PermutationSettings,
    /// One expression a column of the model's INPUT, in its order, then the label.
    pub columns: Vec<Expr>,
    pub schema: DFSchemaRef,
}

impl PermutationNode {
    pub(crate) fn try_new(
        input: LogicalPlan,
        model: Same<LoadedModel>,
        settings: PermutationSettings,
        columns: Vec<Expr>,
    ) -> Result<Self> {
        let fields = PermutationImportance::schema().fields().clone();
        let schema = Arc::new(DFSchema::from_unqualified_fields(fields, Default::default())?);
        Ok(Self { input, model, settings, columns, schema })
    }
}

impl PartialOrd for PermutationNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.model.0.reference.partial_cmp(&other.model.0.reference).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for PermutationNode {
    fn name(&self) -> &str {
        "ML_PERMUTATION_IMPORTANCE"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.columns.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> = self.columns.iter().map(|column| column.to_string()).collect();
        let (args, label) = columns.split_at(columns.len().saturating_sub(1));
        let reference = &self.model.0.reference;
        write!(f, "{}: model={reference} label={} args=[{}]", self.name(), label.join(", "), args.join(", "))
    }

    fn with_exprs_and_inputs(&self, columns: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self::try_new(inputs.remove(0), self.model.clone(), self.settings.clone(), columns)
    }
}
