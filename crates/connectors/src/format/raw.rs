//! A message that is one value as it stands: the bytes of a BYTES column, or the text of a STRING column.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, BinaryBuilder, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::message::{MessageDecoder, MessageEncoder, Messages};
use super::{BadRows, sql_type};
use crate::{Error, Result};

/// Refuses all but one column of text or bytes.
pub(crate) fn check_types(table: &str, option: &str, schema: &Schema) -> Result<()> {
    let said = match schema.fields().iter().map(|field| (field.name(), field.data_type())).collect::<Vec<_>>()[..] {
        [(_, DataType::Utf8 | DataType::Binary)] => return Ok(()),
        [(name, other)] => format!("raw takes a STRING or BYTES column, but '{name}' is {}", sql_type(other)),
        ref all => format!("raw takes one column, of STRING or BYTES, but there are {}", all.len()),
    };
    Err(Error::declaration(table, Some(option), said))
}

/// Reads messages as values of one column.
pub(crate) struct RawDecoder {
    /// The column, or no column if it is not wanted.
    pub(crate) schema: SchemaRef,
}

impl MessageDecoder for RawDecoder {
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let wanted = messages.wanted(bad);
        let of = |index: usize| messages.get(index).unwrap_or_default();
        let mut rows = wanted.len();
        let column: Option<ArrayRef> = self.schema.fields().first().map(|field| match field.data_type() {
            DataType::Binary => {
                let mut values = BinaryBuilder::with_capacity(wanted.len(), messages.bytes_len());
                wanted.iter().for_each(|index| values.append_value(of(*index)));
                Arc::new(values.finish()) as ArrayRef
            }
            _ => {
                let mut values = StringBuilder::with_capacity(wanted.len(), messages.bytes_len());
                for index in &wanted {
                    match std::str::from_utf8(of(*index)) {
                        Ok(text) => values.append_value(text),
                        Err(_) => bad.mark(*index, || format!("column '{}' is not UTF-8", field.name())),
                    }
                }
                let values = values.finish();
                rows = values.len();
                Arc::new(values) as ArrayRef
            }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), column.into_iter().collect(), &options)
            .map_err(Error::arrow("making a batch of raw messages"))
    }
}

/// Writes one column as messages; NULL is a message without bytes.
pub(crate) struct RawEncoder;

impl MessageEncoder for RawEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()> {
        let column = batch.column(0);
        match column.data_type() {
            DataType::Binary => column.as_binary::<i32>().iter().for_each(|value| out.push(value)),
            _ => column.as_string::<i32>().iter().for_each(|value| out.push(value.map(str::as_bytes))),
        }
        Ok(())
    }
}
