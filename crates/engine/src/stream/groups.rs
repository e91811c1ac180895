//! The groups of a GROUP BY, numbered.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::Result;

/// Numbers groups from 0, in the order in which they are met.
pub(super) enum Groups {
    ByValue(Box<dyn GroupValues>),
    /// Without GROUP BY all rows are one group, which is there even if there are no rows.
    All,
}

impl Groups {
    pub(super) fn new(columns: &SchemaRef) -> Result<Self> {
        match columns.fields().is_empty() {
            true => Ok(Self::All),
            false => Ok(Self::ByValue(new_group_values(columns.clone(), &GroupOrdering::None)?)),
        }
    }

    /// Gives the group of each of `rows` rows.
    pub(super) fn intern(&mut self, columns: &[ArrayRef], rows: usize, groups: &mut Vec<usize>) -> Result<()> {
        match self {
            Self::ByValue(values) => values.intern(columns, groups)?,
            Self::All => {
                groups.clear();
                groups.resize(rows, 0);
            }
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::ByValue(values) => values.len(),
            Self::All => 1,
        }
    }

    /// The values of all groups, a column each, which are then gone.
    pub(super) fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        match self {
            Self::ByValue(values) => Ok(values.emit(EmitTo::All)?),
            Self::All => Ok(Vec::new()),
        }
    }

    /// Bytes of memory that the values take.
    pub(super) fn state_bytes(&self) -> usize {
        match self {
            Self::ByValue(values) => values.size(),
            Self::All => 0,
        }
    }
}
