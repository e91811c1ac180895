//! From a file's columns to the declared ones.

use arrow::array::{Array, ArrayRef};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field};

use crate::format::zone::convert;
use crate::format::{BadRows, sql_type};
use crate::{Error, Result};

/// Where a wanted column comes from.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSource {
    /// Its place among the columns that are read.
    pub(crate) at: usize,
    /// What it is called, what it becomes, and whether it may hold NULL.
    pub(crate) declared: Field,
}

impl ColumnSource {
    /// Whether the file's column can become the declared one.
    pub(crate) fn check(label: &str, found: &Field, declared: &Field) -> Result<Self> {
        if !converts(found.data_type(), declared.data_type()) {
            let (name, found, declared) =
                (declared.name(), sql_type(found.data_type()), sql_type(declared.data_type()));
            let message = format!("its column '{name}' is of type {found}, which cannot be read as {declared}");
            return Err(Error::Column { path: label.to_string(), message });
        }
        Ok(Self { at: 0, declared: declared.clone() })
    }

    /// The column as declared. A value that does not fit, and a NULL where none may be, marks its row.
    pub(crate) fn convert(&self, column: &ArrayRef, bad: &mut BadRows) -> Result<ArrayRef> {
        let declared = self.declared.data_type();
        let converted = if column.data_type() == declared {
            column.clone()
        } else {
            let options = CastOptions { safe: true, ..Default::default() };
            let converted = convert(column, declared, &options).map_err(Error::arrow("converting a parquet column"))?;
            if converted.null_count() > column.null_count() {
                for row in (0..column.len()).filter(|row| converted.is_null(*row) && column.is_valid(*row)) {
                    bad.mark(row, || {
                        let (name, declared) = (self.declared.name(), sql_type(declared));
                        format!("column '{name}': the value does not fit into {declared}")
                    });
                }
            }
            converted
        };
        if !self.declared.is_nullable() && converted.null_count() > 0 {
            for row in (0..converted.len()).filter(|row| converted.is_null(*row)) {
                bad.mark(row, || format!("column '{}' is NOT NULL, but the value is NULL", self.declared.name()));
            }
        }
        Ok(converted)
    }
}

/// Whether every value of a type has one meaning in another, even if some may not fit.
fn converts(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    let text = |t: &DataType| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    let bytes = |t: &DataType| matches!(t, Binary | LargeBinary | BinaryView | FixedSizeBinary(_));
    match (from, to) {
        (Dictionary(_, values), _) => converts(values, to),
        (from, to) if from == to => true,
        (from, to) if from.is_integer() => to.is_integer() || to.is_floating() || matches!(to, Decimal128(_, _)),
        (from, to) if from.is_floating() => to.is_floating(),
        (Decimal32(_, _) | Decimal64(_, _) | Decimal128(_, _) | Decimal256(_, _), to) => {
            matches!(to, Decimal128(_, _)) || to.is_floating()
        }
        (Timestamp(_, _), Timestamp(_, _)) | (Date32 | Date64, Date32 | Timestamp(_, _)) => true,
        // Some writers do not mark text as such; it is checked to be UTF-8.
        (from, to) if text(from) || bytes(from) => text(to) && (text(from) || bytes(from)) || bytes(from) && bytes(to),
        (List(from) | LargeList(from), List(to)) => converts(from.data_type(), to.data_type()),
        (Map(from, _), Map(to, _)) => converts(from.data_type(), to.data_type()),
        (Struct(from), Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| converts(from.data_type(), to.data_type()))
        }
        _ => false,
    }
}
