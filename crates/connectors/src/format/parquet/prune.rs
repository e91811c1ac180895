//! Which row groups need not be read, by the smallest and largest values that the footer has of their columns.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::CastOptions;
use arrow::compute::kernels::cmp;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::file::ParquetFile;
use super::guarded;
use crate::format::ReadPlan;
use crate::format::zone::convert;
use crate::{ColumnFilter, CompareOp, Result};

/// Whether filters with these operators on a column of this type can leave out row groups.
///
/// The statistics leave out NaN, which SQL orders above (or, with its sign set, below) all numbers: a comparison by order could
/// hold for a NaN though the statistics say that no value passes. Equality with a number cannot.
pub(crate) fn prunes(data_type: &DataType, op: CompareOp) -> bool {
    match op {
        CompareOp::NotEq => false,
        CompareOp::Eq => !data_type.is_nested(),
        _ => !data_type.is_floating() && !data_type.is_nested(),
    }
}

/// For each row group, whether some filter holds for none of its rows. `roots` has the place in the file of each column of the
/// table.
pub(crate) fn row_groups(
    file: &ParquetFile,
    plan: &ReadPlan,
    filters: &[ColumnFilter],
    roots: &[usize],
) -> Result<Vec<bool>> {
    let groups = file.metadata.metadata().row_groups();
    let mut pruned = vec![false; groups.len()];
    for filter in filters {
        let Some((root, field)) = roots.get(filter.column).zip(plan.table.fields().get(filter.column)) else {
            continue;
        };
        if !prunes(field.data_type(), filter.op) || filter.value.len() != 1 || filter.value.is_null(0) {
            continue;
        }
        let Ok(value) = convert(&filter.value, field.data_type(), &CastOptions::default()) else { continue };
        let parquet = file.metadata.parquet_schema();
        let Some(leaf) = (0..parquet.num_columns()).find(|leaf| parquet.get_column_root_idx(*leaf) == *root) else {
            continue;
        };
        // Old files ordered the bytes of texts as signed numbers.
        let deprecated = groups.iter().any(|group| {
            group.columns().get(leaf).and_then(|column| column.statistics()).is_some_and(|s| s.is_min_max_deprecated())
        });
        if deprecated && !field.data_type().is_integer() {
            continue;
        }
        let bounds = guarded(&file.label, || {
            let converter = StatisticsConverter::from_column_index(leaf, file.metadata.schema().field(*root), parquet)?;
            Ok((converter.row_group_mins(groups)?, converter.row_group_maxes(groups)?))
        });
        let Ok((mins, maxes)) = bounds else { continue };
        for (group, pruned) in pruned.iter_mut().enumerate() {
            *pruned |= no_row_passes(&mins.slice(group, 1), &maxes.slice(group, 1), filter.op, &value);
        }
    }
    Ok(pruned)
}

/// Whether no value from `min` to `max` passes. The bounds are of the file's type; going from there to the declared type keeps
/// their order.
fn no_row_passes(min: &ArrayRef, max: &ArrayRef, op: CompareOp, value: &ArrayRef) -> bool {
    let options = CastOptions::default();
    let (Ok(min), Ok(max)) = (convert(min, value.data_type(), &options), convert(max, value.data_type(), &options))
    else {
        return false;
    };
    let holds = |result: Result<BooleanArray, _>| result.is_ok_and(|truth| truth.is_valid(0) && truth.value(0));
    match op {
        CompareOp::Eq => holds(cmp::lt(value, &min)) || holds(cmp::gt(value, &max)),
        CompareOp::Lt => holds(cmp::gt_eq(&min, value)),
        CompareOp::LtEq => holds(cmp::gt(&min, value)),
        CompareOp::Gt => holds(cmp::lt_eq(&max, value)),
        CompareOp::GtEq => holds(cmp::lt(&max, value)),
        CompareOp::NotEq => false,
    }
}
