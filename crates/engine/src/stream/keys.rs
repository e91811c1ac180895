//! Keys numbered in the order in which they first came.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, Result};

/// The keys of one shard, or the groups of one window: 0, 1, 2 …
pub(crate) struct Keys {
    schema: SchemaRef,
    values: Box<dyn GroupValues>,
    numbers: Vec<usize>,
    /// Without key columns there is one key.
    any: bool,
}

/// The schema of some expressions over the columns of another.
pub(crate) fn key_schema(exprs: &[Arc<dyn PhysicalExpr>], input: &Schema) -> Result<SchemaRef> {
    let field =
        |(i, expr): (usize, &Arc<dyn PhysicalExpr>)| Ok(Field::new(format!("k{i}"), expr.data_type(input)?, true));
    Ok(Arc::new(Schema::new(exprs.iter().enumerate().map(field).collect::<Result<Vec<_>>>()?)))
}

impl Keys {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let values = new_group_values(Arc::clone(schema), &GroupOrdering::None)?;
        Ok(Self { schema: Arc::clone(schema), values, numbers: Vec::new(), any: false })
    }

    pub(crate) fn len(&self) -> usize {
        if self.schema.fields().is_empty() { usize::from(self.any) } else { self.values.len() }
    }

    /// Numbers the keys of some rows; unknown keys get the next numbers.
    pub(crate) fn number(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        if self.schema.fields().is_empty() {
            self.any |= rows > 0;
            self.numbers.clear();
            self.numbers.resize(rows, 0);
        } else if rows > 0 {
            self.values.intern(columns, &mut self.numbers)?;
        } else {
            self.numbers.clear();
        }
        Ok(())
    }

    /// The number of each row's key, and how many keys there are.
    pub(crate) fn numbers(&self) -> (&[usize], usize) {
        (&self.numbers, self.len())
    }

    /// Forgets all keys but these; they are numbered anew, in the same order.
    pub(crate) fn retain(&mut self, kept: &BooleanArray) -> Result<()> {
        if self.schema.fields().is_empty() {
            self.any &= kept.true_count() > 0;
            return Ok(());
        }
        let columns = self.emit()?.iter().map(|column| Ok(filter(column, kept)?)).collect::<Result<Vec<_>>>()?;
        self.renumber(&columns)
    }

    /// Numbers distinct keys from 0, in a new table: one that keys were taken out of is not fit for use.
    fn renumber(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.values = new_group_values(Arc::clone(&self.schema), &GroupOrdering::None)?;
        self.values.intern(columns, &mut self.numbers)?;
        // The table numbers keys in their order, unless two of them share all 64 bits of their hash.
        match self.numbers.iter().enumerate().all(|(place, number)| place == *number) {
            true => Ok(()),
            false => Err(Error::Internal("keys could not be numbered as before".into())),
        }
    }

    pub(crate) fn state_bytes(&self) -> usize {
        self.values.size()
    }

    pub(crate) fn save(&mut self) -> Result<Vec<u8>> {
        if self.len() == 0 || self.schema.fields().is_empty() {
            return Ok(vec![u8::from(self.any)]);
        }
        let columns = self.emit()?;
        self.renumber(&columns)?;
        batch_to_bytes(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        if let [any] = bytes {
            self.any = *any != 0;
            return Ok(());
        }
        self.renumber(batch_from_bytes(bytes)?.columns())
    }

    /// Takes all keys out, a column each. What is left is not fit for use.
    pub(crate) fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        if self.schema.fields().is_empty() {
            return Ok(Vec::new());
        }
        // They may come back in a sibling type (a view for a string).
        let columns = self.values.emit(EmitTo::All)?.into_iter().zip(self.schema.fields());
        columns.map(|(column, field)| Ok(cast(&column, field.data_type())?)).collect()
    }
}
