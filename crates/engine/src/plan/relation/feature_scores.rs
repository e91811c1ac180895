//! ML_FEATURE_SCORES: which columns are scored, how, and by what.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use tidegate_ml::selection::{FeatureScores, SELECTORS};
use tidegate_ml::{Error, LabelKind};

use super::{CallPlanner, extension, refused};
use crate::plan::feature_scores::FeatureScoresNode;

/// Bins where none are asked for, as many as a model has by default.
const BINS: i64 = 16;

impl CallPlanner<'_> {
    pub(super) fn feature_scores(&mut self) -> Result<LogicalPlan> {
        let (input, keys) = self.input("INPUT")?;
        if !keys.is_empty() {
            return self.refuse("INPUT", "PARTITION BY has no meaning here: scores are of all rows");
        }
        let schema = input.schema();
        let label = self.single_column(schema, "LABEL")?;
        let args = match self.bound.get("ARGS") {
            Some(_) => {
                let names = self.bound.descriptor("ARGS").iter();
                names.map(|name| self.column(schema, name)).collect::<Result<Vec<_>>>()?
            }
            None => (0..schema.fields().len()).filter(|column| Some(*column) != label).collect(),
        };
        if let Some(label) = label.filter(|label| args.contains(label)) {
            let name = schema.field(label).name();
            return self.refuse("ARGS", format!("'{name}' is the label, which cannot be scored by itself"));
        }
        let method = self.bound.text("METHOD").map_err(refused)?.unwrap_or_default().to_string();
        let kind = match label {
            Some(label) => self.label_kind(schema.field(label), &method)?,
            None => LabelKind::None,
        };
        let bins = self.bound.integer("BINS").map_err(refused)?.unwrap_or(BINS);
        let Some(bins) = u32::try_from(bins).ok().filter(|bins| (2..=64).contains(bins)) else {
            return self.refuse("BINS", format!("BINS is {bins}; expected a number from 2 to 64"));
        };
        let fields: Vec<Field> = args.iter().map(|column| schema.field(*column).as_ref().clone()).collect();
        if let Err(error) = FeatureScores::new(&method, &Schema::new(fields), kind, bins) {
            let what = match error {
                Error::Spec(what) => what,
                other => other.to_string(),
            };
            let argument = if what.starts_with("METHOD") { "METHOD" } else { "ARGS" };
            return self.refuse(argument, what);
        }
        let column = |index| Expr::Column(Column::from(schema.qualified_field(index)));
        let columns = args.into_iter().chain(label).map(column).collect();
        let schema = FeatureScoresNode::output()?;
        Ok(extension(FeatureScoresNode { input, method, bins, kind, columns, schema }))
    }

    /// Whether the label is a class or a number.
    fn label_kind(&self, label: &Field, method: &str) -> Result<LabelKind> {
        let data_type = label.data_type();
        // What takes only one of both is asked for that.
        let takes = SELECTORS.iter().find(|def| def.name == method).map(|def| (def.takes.classes, def.takes.numbers));
        let by_type = match takes {
            _ if !data_type.is_integer() => data_type.is_numeric(),
            Some((classes, _)) => !classes,
            None => false,
        };
        let numbers = match self.bound.text("TASK").map_err(refused)? {
            None => by_type,
            Some("regression") => true,
            Some("classification") => false,
            Some(other) => {
                return self.refuse("TASK", format!("TASK is '{other}'; expected 'classification' or 'regression'"));
            }
        };
        match data_type {
            DataType::Boolean if !numbers => Ok(LabelKind::Boolean),
            other if other.is_string() && !numbers => Ok(LabelKind::Text),
            other if other.is_integer() && !numbers => Ok(LabelKind::Integer),
            other if other.is_numeric() && numbers => Ok(LabelKind::Number),
            other => self.refuse(
                "LABEL",
                format!(
                    "the label '{}' is {}; expected {}",
                    label.name(),
                    crate::types::sql_type(other),
                    if numbers { "a number" } else { "a class: BOOLEAN, STRING or an integer" }
                ),
            ),
        }
    }
}
