//! The table that late rows are written to.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use tidegate_options::nearest;

use super::lateness::LATE_COLUMNS;
use crate::catalog::table::ConnectorTable;
use crate::types::sql_type;
use crate::{Error, Result};

/// The column that tells which operator left a row out.
const OPERATOR: &str = "operator";

/// The table that late rows of a job are written to.
pub(crate) struct LateRows {
    pub table: Arc<ConnectorTable>,
    /// How it is declared: rows that are not visible yet fit no other declaration.
    pub declared: String,
}

/// Checks that a table takes late rows: it has columns of known names, in any order, and may leave some out.
///
/// # Errors
/// In words, what about it is wrong.
pub(crate) fn check(table: &str, schema: &SchemaRef) -> std::result::Result<(), String> {
    let known = || [OPERATOR].into_iter().chain(LATE_COLUMNS);
    for field in schema.fields() {
        let expected = match field.name().as_str() {
            OPERATOR | "raw" => "STRING",
            "event_time" | "current_watermark" => "TIMESTAMP",
            other => {
                let near = nearest(other, known()).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                return Err(format!(
                    "table '{table}' is to take late rows, but has a column '{other}': it may have operator STRING, event_time \
                     TIMESTAMP(3), current_watermark TIMESTAMP(3) and raw STRING{near}"
                ));
            }
        };
        let fits = match field.data_type() {
            DataType::Utf8 => expected == "STRING",
            DataType::Timestamp(..) => expected == "TIMESTAMP",
            _ => false,
        };
        if !fits || !field.is_nullable() {
            return Err(format!(
                "table '{table}' is to take late rows: its column '{}' must be {expected}{}; it is {}",
                field.name(),
                if field.is_nullable() { "" } else { " without NOT NULL" },
                sql_type(field.data_type())
            ));
        }
    }
    Ok(())
}

/// What an operator tells of late rows (see [`super::lateness::Lateness::take_late`]), as rows of the table.
pub(crate) fn as_declared(operator: &str, late: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = late.num_rows();
    let columns = schema
        .fields()
        .iter()
        .map(|field| match (field.name().as_str(), late.column_by_name(field.name())) {
            (OPERATOR, _) => Ok(Arc::new(StringArray::from(vec![operator; rows])) as ArrayRef),
            (_, Some(column)) => Ok(cast(column, field.data_type())?),
            (_, None) => Ok(new_null_array(field.data_type(), rows)),
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema, TimeUnit};

    use super::*;

    fn checked(fields: &[(&str, DataType)]) -> std::result::Result<(), String> {
        let fields: Vec<Field> = fields.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect();
        check("late", &Arc::new(Schema::new(fields)))
    }

    #[test]
    fn a_table_has_the_columns_that_there_are() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(
            checked(&[("raw", DataType::Utf8), ("current_watermark", time), ("operator", DataType::Utf8)]),
            Ok(())
        );
        assert!(checked(&[("rav", DataType::Utf8)]).unwrap_err().ends_with("did you mean 'raw'?"));
        assert!(checked(&[("event_time", DataType::Int64)]).unwrap_err().contains("must be TIMESTAMP; it is BIGINT"));
    }
}
