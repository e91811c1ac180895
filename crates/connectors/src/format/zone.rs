//! Points in time are kept in UTC under the name `UTC`. Arrow reads and prints them only with a database of time zones or with
//! the zone given as an offset; these functions go to the offset and back, which changes no value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

const OFFSET: &str = "+00:00";

/// The schema with the zone of every point in time as an offset.
pub(crate) fn with_offsets(schema: &SchemaRef) -> SchemaRef {
    let fields = fields_with_offsets(schema.fields());
    if fields == *schema.fields() { schema.clone() } else { Arc::new(Schema::new(fields)) }
}

fn fields_with_offsets(fields: &Fields) -> Fields {
    fields.iter().map(|field| Arc::new(field_with_offset(field))).collect()
}

fn field_with_offset(field: &Field) -> Field {
    let inner = |field: &Arc<Field>| Arc::new(field_with_offset(field));
    let data_type = match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some(OFFSET.into())),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields_with_offsets(fields)),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// The batch with the columns of another schema that differs in zones only.
pub(crate) fn with_zones_of(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns =
        batch.columns().iter().zip(schema.fields()).map(|(column, field)| convert(column, field.data_type(), &options));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_, _>>()?, &rows)
}

/// Arrow's cast, except that a timestamp without a zone that becomes a point in time is taken to be in UTC.
pub(crate) fn convert(column: &ArrayRef, to: &DataType, options: &CastOptions<'_>) -> Result<ArrayRef, ArrowError> {
    match (column.data_type(), to) {
        (from, to) if from == to => Ok(column.clone()),
        (DataType::Timestamp(_, Some(_)), _) | (_, DataType::Timestamp(_, None)) => {
            cast_with_options(column, to, options)
        }
        (_, DataType::Timestamp(unit, Some(_))) => {
            let local = cast_with_options(column, &DataType::Timestamp(*unit, None), options)?;
            Ok(make_array(local.to_data().into_builder().data_type(to.clone()).build()?))
        }
        _ => cast_with_options(column, to, options),
    }
}
