//! Columns by which rows are told apart: PARTITION BY of a table argument, and shards of parallel training.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::LogicalPlan;
use tidegate_ml::keys::can_be_key;
use tidegate_sql::call::TableArgument;
use tidegate_sql::sqlparser::ast;

use super::CallPlanner;
use super::window::listed;
use crate::plan::node::LoadedModel;

impl CallPlanner<'_> {
    /// The columns that a table argument is partitioned by.
    pub(super) fn partition(&self, argument: &str, table: &TableArgument, schema: &DFSchema) -> Result<Vec<usize>> {
        let mut keys = Vec::new();
        for expr in table.partition_by.iter().flat_map(listed) {
            let ast::Expr::Identifier(key) = expr else {
                return self.refuse(argument, format!("PARTITION BY takes columns of the table; found {expr}"));
            };
            keys.push(self.column(schema, key)?);
        }
        Ok(keys)
    }

    /// The same, where the columns are the keys of models.
    pub(super) fn keyed_input(&mut self, argument: &str) -> Result<(LogicalPlan, Vec<usize>)> {
        let (input, keys) = self.input(argument)?;
        if let Some(key) = keys.iter().find(|key| !can_be_key(input.schema().field(**key).data_type())) {
            let field = input.schema().field(*key);
            let found = crate::types::sql_type(field.data_type());
            return self
                .refuse(argument, format!("PARTITION BY: {found} '{}' cannot be the key of a model", field.name()));
        }
        Ok((input, keys))
    }

    /// A column that the model's option 'training.shard-by' names.
    pub(super) fn shard_column(&self, schema: &DFSchema, name: &str) -> Result<usize> {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        let Some(index) = schema.fields().iter().position(|field| field.name() == name) else {
            let hint = match tidegate_options::nearest(name, names()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("its columns are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return self
                .refuse("MODEL", format!("option 'training.shard-by': the input has no column '{name}'; {hint}"));
        };
        if !can_be_key(schema.field(index).data_type()) {
            let found = crate::types::sql_type(schema.field(index).data_type());
            return self
                .refuse("MODEL", format!("option 'training.shard-by': rows cannot be spread by {found} '{name}'"));
        }
        Ok(index)
    }

    /// Whether the input is partitioned as the version is.
    pub(super) fn check_keys(&self, schema: &DFSchema, model: &LoadedModel, keys: &[usize]) -> Result<()> {
        let own = model.keyed.as_ref().map_or(&[][..], |keyed| &keyed.header().key_columns);
        let reference = &model.reference;
        if own.len() == keys.len() || model.stands_in {
            return Ok(());
        }
        if own.is_empty() {
            return self.refuse("INPUT", format!("'{reference}' is one model for all rows: leave PARTITION BY out"));
        }
        let names: Vec<&str> = keys.iter().map(|key| schema.field(*key).name().as_str()).collect();
        let found = if names.is_empty() { "no PARTITION BY".to_string() } else { format!("({})", names.join(", ")) };
        let wanted = own.join(", ");
        self.refuse("INPUT", format!("'{reference}' has a model for each ({wanted}), and the input {found}: write TABLE … PARTITION BY {wanted}"))
    }
}
