//! Messages that are one record of CSV each, without a header.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};

use super::Dialect;
use super::column::{Column, Fields, column};
use super::reader::ROWS_AT_ONCE;
use super::spans::Spans;
use super::split::{Found, Splitter};
use super::writer::CsvEncoder;
use crate::format::BadRows;
use crate::format::message::{MessageDecoder, MessageEncoder, Messages};
use crate::{Error, Result};

/// Reads messages of CSV.
pub(crate) struct CsvDecoder {
    dialect: Dialect,
    splitter: Splitter,
    schema: SchemaRef,
    spans: Spans,
}

impl CsvDecoder {
    /// For records whose fields are `fields`, of which the columns `wanted` are read; `schema` has those.
    pub(crate) fn new(dialect: &Dialect, fields: &Schema, wanted: &[usize], schema: SchemaRef) -> Self {
        let mut slots = vec![None; fields.fields().len()];
        for (slot, field) in wanted.iter().enumerate() {
            slots[*field] = Some(slot);
        }
        let splitter = Splitter::new(dialect, slots, wanted.len());
        Self { dialect: dialect.clone(), splitter, schema, spans: Spans::new(wanted.len()) }
    }

    /// Finds the fields of the message that ends with the text, or says why it is not one record.
    fn split(&mut self, text: &[u8], start: usize) -> Result<(), String> {
        if text.len() - start > self.dialect.record_bytes_max {
            return Err(format!("it is longer than 'csv.max-record-bytes' = {}", self.dialect.record_bytes_max));
        }
        let before = self.spans.first() + self.spans.records();
        match self.splitter.split(text, start, true, &mut None, &mut self.spans) {
            Found::Record { next, .. } if next == text.len() => Ok(()),
            Found::Record { .. } => {
                self.spans.truncate(before);
                Err("it has more than one record".to_string())
            }
            Found::Nothing { .. } | Found::Incomplete => Err("it has no record".to_string()),
            Found::Bad(reason) => Err(reason),
        }
    }

    /// Reads the fields that were found, and makes room for the next ones.
    fn read(&mut self, text: &[u8], columns: &mut [Box<dyn Column>], bad: &mut BadRows) {
        for (slot, (column, field)) in columns.iter_mut().zip(self.schema.fields()).enumerate() {
            let (spans, splitter, null) = (&self.spans, &self.splitter, self.dialect.null.as_slice());
            column.append(&Fields { text, spans, slot, splitter, null, field }, bad);
        }
        self.spans.advance();
    }
}

impl MessageDecoder for CsvDecoder {
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let wanted = messages.wanted(bad);
        let mut columns: Vec<_> =
            self.schema.fields().iter().map(|field| column(field.data_type(), wanted.len())).collect();
        // The rows so far, by message, and which of them cannot be read.
        let mut rows = Vec::with_capacity(wanted.len());
        let mut bad_rows = BadRows::new(wanted.len());
        self.spans.clear();
        for index in wanted {
            let (text, start, end) = messages.place(index);
            match self.split(&text[..end], start) {
                Ok(()) => rows.push(index),
                Err(reason) => bad.mark(index, || reason),
            }
            if self.spans.records() == ROWS_AT_ONCE {
                self.read(text, &mut columns, &mut bad_rows);
            }
        }
        self.read(messages.bytes(), &mut columns, &mut bad_rows);
        let finished = columns.into_iter().zip(self.schema.fields());
        let mut columns: Vec<ArrayRef> = finished.map(|(column, field)| column.finish(field.data_type())).collect();
        let mut count = rows.len();
        if !bad_rows.is_empty() {
            let good = bad_rows.good().slice(0, rows.len());
            count = good.true_count();
            let kept: Result<Vec<_>, _> = columns.iter().map(|column| filter(column, &good)).collect();
            columns = kept.map_err(Error::arrow("dropping bad messages"))?;
            for (row, reason) in bad_rows.into_reasons() {
                bad.mark(rows[row], || reason);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(Error::arrow("making a batch of messages of CSV"))
    }
}

impl MessageEncoder for CsvEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        self.encode_rows(batch, &mut text, |end| ends.push(end))?;
        let mut start = 0;
        for end in ends {
            // Without the line feed.
            out.push(Some(&text[start..end - 1]));
            start = end;
        }
        Ok(())
    }
}
