//! ML_FEATURE_SCORES: how much each column of a table tells of another.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use tidegate_ml::LabelKind;
use tidegate_ml::selection::feature_scores_schema;

/// Scores of columns over all rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FeatureScoresNode {
    pub input: LogicalPlan,
    /// How they are scored.
    pub method: String,
    pub bins: u32,
    /// How the label is read.
    pub kind: LabelKind,
    /// The columns that are scored, then the label if there is one.
    pub columns: Vec<Expr>,
    pub schema: DFSchemaRef,
}

impl FeatureScoresNode {
    pub(crate) fn output() -> Result<DFSchemaRef> {
        let fields = feature_scores_schema().fields().clone();
        Ok(Arc::new(DFSchema::from_unqualified_fields(fields, Default::default())?))
    }
}

impl PartialOrd for FeatureScoresNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.method.partial_cmp(&other.method).filter(|order| *order != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for FeatureScoresNode {
    fn name(&self) -> &str {
        "ML_FEATURE_SCORES"
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
        let columns: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        write!(f, "ML_FEATURE_SCORES: method={} columns=[{}]", self.method, columns.join(", "))
    }

    fn with_exprs_and_inputs(&self, columns: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: inputs.remove(0), columns, ..self.clone() })
    }
}
