//! Changes of a database's tables as Debezium writes them in JSON, as far as they only add rows.
//!
//! A message is an envelope with the row `before` and `after` and the kind of change. Rows that were inserted or were there when
//! the capture began are read; a change that would take a row back is a bad record, since tables are append only and leaving it
//! out in silence would give wrong results.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use tidegate_options::{Kind, OptionDef};

use super::BadRows;
use super::json::{JsonDecoder, JsonEncoder};
use super::message::{MessageDecoder, MessageEncoder, Messages};
use super::text::TextEncoder;
use crate::{Error, Result};

/// The options of the format.
pub(crate) const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "debezium-json.schema-include",
        Kind::Bool,
        "false",
        "Whether messages hold their schema, and the envelope as 'payload' beside it; for reading only.",
    ),
    OptionDef::new("debezium-json.ignore-parse-errors", Kind::Bool, "false", "The same as 'on-error' = 'skip'."),
];

/// The longest message that is read.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Reads the rows after insertions.
pub(crate) struct DebeziumDecoder {
    schema: SchemaRef,
    has_schema: bool,
    envelopes: JsonDecoder,
}

impl DebeziumDecoder {
    /// For rows of a schema, and so many messages at a time at the most.
    pub(crate) fn new(schema: SchemaRef, batch_rows: usize, has_schema: bool) -> Self {
        let mut fields = Fields::from(vec![
            Field::new("after", DataType::Struct(schema.fields().clone()), true),
            Field::new("op", DataType::Utf8, true),
        ]);
        if has_schema {
            fields = Fields::from(vec![Field::new("payload", DataType::Struct(fields), true)]);
        }
        let envelopes = JsonDecoder::new(Arc::new(Schema::new(fields)), batch_rows, MESSAGE_BYTES_MAX);
        Self { schema, has_schema, envelopes }
    }
}

impl MessageDecoder for DebeziumDecoder {
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let mut envelopes = self.envelopes.decode(messages, bad)?;
        let rows = messages.wanted(bad);
        if self.has_schema {
            let payload = envelopes.column(0).as_struct();
            let options = RecordBatchOptions::new().with_row_count(Some(payload.len()));
            // A row without a payload has no 'op' either.
            envelopes = RecordBatch::try_new_with_options(
                Arc::new(Schema::new(payload.fields().clone())),
                payload
                    .columns()
                    .iter()
                    .map(|column| mask(column, payload))
                    .collect::<Result<_, _>>()
                    .map_err(Error::arrow("taking envelopes out of their messages"))?,
                &options,
            )
            .map_err(Error::arrow("taking envelopes out of their messages"))?;
        }
        let (after, ops) = (envelopes.column(0), envelopes.column(1).as_string::<i32>());
        let reason = |row: usize| match ops.is_valid(row).then(|| ops.value(row)) {
            None => Some("it has no 'op': expected a change as Debezium writes it".to_string()),
            Some("c" | "r") if after.is_valid(row) => None,
            Some("c" | "r") => Some("it has no row 'after' the change".to_string()),
            Some(op @ ("u" | "d")) => {
                let what = if op == "u" { "changes" } else { "deletes" };
                Some(format!("it {what} a row (op '{op}'): tables are append only, no row can be taken back"))
            }
            Some(op) => Some(format!("its 'op' is '{op}'; expected 'c', 'r', 'u' or 'd'")),
        };
        let mut good = vec![true; rows.len()];
        for (row, index) in rows.iter().enumerate() {
            if let Some(reason) = reason(row) {
                good[row] = false;
                bad.mark(*index, || reason);
            }
        }
        let kept =
            filter_record_batch(&envelopes, &BooleanArray::from(good)).map_err(Error::arrow("dropping changes"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), kept.column(0).as_struct().columns().to_vec(), &options)
            .map_err(Error::arrow("taking rows out of their envelopes"))
    }
}

/// A field of a struct, NULL where the struct is.
fn mask(
    column: &arrow::array::ArrayRef,
    of: &arrow::array::StructArray,
) -> Result<arrow::array::ArrayRef, arrow::error::ArrowError> {
    match of.nulls() {
        Some(nulls) => arrow::compute::nullif(column, &BooleanArray::new(!nulls.inner(), None)),
        None => Ok(column.clone()),
    }
}

/// Writes rows as insertions.
#[derive(Default)]
pub(crate) struct DebeziumEncoder {
    lines: Vec<u8>,
}

impl MessageEncoder for DebeziumEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()> {
        self.lines.clear();
        JsonEncoder.encode(batch, &mut self.lines)?;
        for line in self.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            out.push_with(|bytes| {
                bytes.extend_from_slice(b"{\"before\":null,\"after\":");
                bytes.extend_from_slice(line);
                bytes.extend_from_slice(b",\"op\":\"c\"}");
            });
        }
        Ok(())
    }
}
