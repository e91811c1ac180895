//! Rows with their elements, as columns.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use crate::{Error, Result};

/// How rows are expanded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unnest {
    /// The column with the arrays or maps, which does not come out.
    pub collection: usize,
    /// Whether the place of the element follows it, counted from 1.
    pub ordinality: bool,
    /// Whether rows without elements are kept, with NULLs.
    pub outer: bool,
}

impl Unnest {
    /// The rows of a batch, each once for each of its elements.
    pub(crate) fn apply(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let collection = Collection::of(batch.column(self.collection))?;
        let (mut rows, mut elements, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let range = collection.range(row);
            if range.is_empty() && self.outer {
                rows.push(row as u32);
                elements.push(None);
                places.push(None);
            }
            rows.extend(std::iter::repeat_n(row as u32, range.len()));
            places.extend((1..=range.len() as i32).map(Some));
            elements.extend(range.map(|element| Some(element as u32)));
        }
        let rows = UInt32Array::from(rows);
        let own = batch.columns().iter().enumerate().filter(|(place, _)| *place != self.collection);
        let mut columns = own.map(|(_, column)| Ok(take(column, &rows, None)?)).collect::<Result<Vec<_>>>()?;
        match collection.values.as_struct_opt() {
            // A NULL among rows is a row of NULLs.
            Some(values) => {
                let elements: UInt32Array =
                    elements.into_iter().map(|element| element.filter(|e| values.is_valid(*e as usize))).collect();
                columns.extend(
                    values.columns().iter().map(|c| Ok(take(c, &elements, None)?)).collect::<Result<Vec<_>>>()?,
                );
            }
            _ => columns.push(take(&collection.values, &UInt32Array::from(elements), None)?),
        }
        if self.ordinality {
            columns.push(Arc::new(Int32Array::from(places)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }

    /// The rows cut into runs of about so many elements.
    pub(crate) fn runs(&self, batch: &RecordBatch, elements_a_run: usize) -> Result<Vec<Range<usize>>> {
        let collection = Collection::of(batch.column(self.collection))?;
        let (mut runs, mut from, mut elements) = (Vec::new(), 0, 0);
        for row in 0..batch.num_rows() {
            let here = collection.range(row).len().max(1);
            if elements > 0 && elements + here > elements_a_run {
                runs.push(from..row);
                (from, elements) = (row, 0);
            }
            elements += here;
        }
        runs.push(from..batch.num_rows());
        Ok(runs)
    }
}

/// Arrays or maps, one a row.
struct Collection<'a> {
    column: &'a ArrayRef,
    offsets: &'a OffsetBuffer<i32>,
    /// The elements; if they are rows, they come out in a column for each of their fields.
    values: ArrayRef,
}

impl<'a> Collection<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        if let Some(lists) = column.as_list_opt::<i32>() {
            return Ok(Self { column, offsets: lists.offsets(), values: Arc::clone(lists.values()) });
        }
        if let Some(maps) = column.as_map_opt() {
            let values = Arc::new(maps.entries().clone());
            return Ok(Self { column, offsets: maps.offsets(), values });
        }
        Err(Error::Internal(format!("UNNEST of {}", column.data_type())))
    }

    /// The places of a row's elements among all.
    fn range(&self, row: usize) -> Range<usize> {
        match self.column.is_null(row) {
            true => 0..0,
            false => self.offsets[row] as usize..self.offsets[row + 1] as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray, StructArray};
    use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};

    fn numbers(column: &ArrayRef) -> Vec<Option<i64>> {
        column.as_primitive::<Int64Type>().iter().collect()
    }

    fn batch(collection: ArrayRef) -> RecordBatch {
        let id = Arc::new(Int64Array::from_iter_values(0..collection.len() as i64)) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([("collection", collection, true), ("id", id, false)]).unwrap()
    }

    fn schema(elements: &[&str], ordinality: bool) -> SchemaRef {
        let elements = elements.iter().map(|name| Field::new(*name, DataType::Int64, true));
        let place = ordinality.then(|| Field::new("place", DataType::Int32, true));
        Arc::new(Schema::new(
            [Field::new("id", DataType::Int64, false)].into_iter().chain(elements).chain(place).collect::<Vec<_>>(),
        ))
    }

    #[test]
    fn a_row_for_each_element_also_of_a_part_of_a_batch() {
        let lists = [Some(vec![Some(7), None]), None, Some(vec![]), Some(vec![Some(9)])];
        let batch = batch(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)));
        let inner = Unnest { collection: 0, ordinality: true, outer: false };
        let out = inner.apply(&batch, &schema(&["x"], true)).unwrap();
        assert_eq!(numbers(out.column(0)), [Some(0), Some(0), Some(3)]);
        assert_eq!(numbers(out.column(1)), [Some(7), None, Some(9)]);
        assert_eq!(out.column(2).as_primitive::<Int32Type>().values(), &[1, 2, 1]);
        let outer = Unnest { ordinality: false, outer: true, ..inner };
        let out = outer.apply(&batch.slice(1, 3), &schema(&["x"], false)).unwrap();
        assert_eq!(numbers(out.column(0)), [Some(1), Some(2), Some(3)]);
        assert_eq!(numbers(out.column(1)), [None, None, Some(9)]);
        assert_eq!(inner.runs(&batch, 2).unwrap(), [0..1, 1..3, 3..4]);
        assert_eq!(inner.runs(&batch, 100).unwrap(), vec![0..4; 1]);
        assert_eq!(inner.runs(&batch, 1).unwrap(), [0..1, 1..2, 2..3, 3..4]);
    }

    #[test]
    fn a_null_among_rows_is_a_row_of_nulls() {
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let fields = vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)];
        let valid = arrow::buffer::NullBuffer::from(vec![true, false, true]);
        let rows = StructArray::new(fields.into(), vec![column(vec![1, 2, 3]), column(vec![4, 5, 6])], Some(valid));
        let element = Arc::new(Field::new("item", rows.data_type().clone(), true));
        let lists = ListArray::new(element, OffsetBuffer::from_lengths([2, 1]), Arc::new(rows), None);
        let unnest = Unnest { collection: 0, ordinality: false, outer: false };
        let out = unnest.apply(&batch(Arc::new(lists)), &schema(&["a", "b"], false)).unwrap();
        assert_eq!(numbers(out.column(1)), [Some(1), None, Some(3)]);
        assert_eq!(numbers(out.column(2)), [Some(4), None, Some(6)]);
    }
}
