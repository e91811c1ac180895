//! Messages that are one JSON object each.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;

use super::JsonEncoder;
use super::reader::{is_object, message};
use crate::format::message::{MessageDecoder, MessageEncoder, Messages};
use crate::format::text::TextEncoder;
use crate::format::{BadRows, halves, zone};
use crate::{Error, Result};

/// Reads messages of JSON.
pub(crate) struct JsonDecoder {
    schema: SchemaRef,
    batch_rows: usize,
    record_bytes_max: usize,
    /// At hand between batches; one that met a bad message is not used again.
    decoder: Option<Decoder>,
}

impl JsonDecoder {
    /// For rows of a schema, and so many messages at a time at the most.
    pub(crate) fn new(schema: SchemaRef, batch_rows: usize, record_bytes_max: usize) -> Self {
        Self { schema, batch_rows, record_bytes_max, decoder: None }
    }

    fn build(&self) -> Result<Decoder, ArrowError> {
        let builder = ReaderBuilder::new(zone::with_offsets(&self.schema)).with_coerce_primitive(true);
        builder.with_batch_size(self.batch_rows + 1).build_decoder()
    }

    /// The rows of some messages, if each is one object of the table's types.
    fn together(&mut self, messages: &Messages, wanted: &[usize]) -> Result<RecordBatch, String> {
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => self.build().map_err(|source| message(&source))?,
        };
        for (row, index) in wanted.iter().enumerate() {
            let text = messages.get(*index).unwrap_or_default().trim_ascii();
            if text.len() > self.record_bytes_max {
                return Err(format!("it is longer than 'json.max-record-bytes' = {}", self.record_bytes_max));
            }
            if !is_object(text) {
                return Err("it is not a JSON object".to_string());
            }
            decoder.decode(text).map_err(|source| message(&source))?;
            if decoder.has_partial_record() || decoder.len() != row + 1 {
                return Err("it has more than one JSON object, or not a whole one".to_string());
            }
        }
        let batch = decoder.flush().map_err(|source| message(&source))?;
        let batch = batch.ok_or("it is not a JSON object")?;
        self.decoder = Some(decoder);
        zone::with_zones_of(&batch, &self.schema).map_err(|source| message(&source))
    }
}

impl MessageDecoder for JsonDecoder {
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let wanted = messages.wanted(bad);
        let mut found = Vec::new();
        let mut together = |range: std::ops::Range<usize>| self.together(messages, &wanted[range]);
        let batches = halves::decode(0..wanted.len(), false, &mut together, &mut found);
        for (row, reason) in found {
            bad.mark(wanted[row], || reason);
        }
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(batch),
            Err(batches) => {
                concat_batches(&self.schema, &batches).map_err(Error::arrow("joining batches of JSON messages"))
            }
        }
    }
}

/// Writes rows as messages of JSON.
#[derive(Default)]
pub(crate) struct JsonMessageEncoder {
    lines: Vec<u8>,
}

impl MessageEncoder for JsonMessageEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()> {
        self.lines.clear();
        JsonEncoder.encode(batch, &mut self.lines)?;
        out.push_lines(&self.lines);
        Ok(())
    }
}
