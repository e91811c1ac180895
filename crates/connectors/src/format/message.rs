//! Formats of single messages, such as those of a topic: each message is a row, and where it ends is known.

use arrow::array::RecordBatch;

use super::BadRows;
use crate::Result;

/// Messages, one after the other in one buffer. Behind each stands a line feed that is not part of it, so that formats of
/// lines can take the buffer as it is.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Where each begins and ends in the buffer; `None` is a message without bytes, which is not an empty one.
    places: Vec<Option<(usize, usize)>>,
}

impl Messages {
    /// Adds a message.
    pub(crate) fn push(&mut self, message: Option<&[u8]>) {
        match message {
            Some(message) => self.push_with(|bytes| bytes.extend_from_slice(message)),
            None => self.places.push(None),
        }
    }

    /// Adds a message of the bytes that `write` adds to the buffer.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.places.push(Some((start, self.bytes.len())));
        self.bytes.push(b'\n');
    }

    /// Takes a buffer of lines, each a message.
    pub(crate) fn push_lines(&mut self, lines: &[u8]) {
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(lines);
        while let Some(length) = self.bytes[start..].iter().position(|byte| *byte == b'\n') {
            self.places.push(Some((start, start + length)));
            start += length + 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many bytes they have together, with the line feeds.
    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// A message; `None` if it has no bytes.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.places[index].map(|(start, end)| &self.bytes[start..end])
    }

    /// The whole buffer.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole buffer, and where in it a message begins and ends.
    pub(crate) fn place(&self, index: usize) -> (&[u8], usize, usize) {
        let (start, end) = self.places[index].unwrap_or_default();
        (&self.bytes, start, end)
    }

    /// Whether a message has no bytes.
    pub(crate) fn is_null(&self, index: usize) -> bool {
        self.places[index].is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Which messages a decoder reads: those with bytes that are not marked as bad.
    pub(crate) fn wanted(&self, bad: &BadRows) -> Vec<usize> {
        (0..self.len()).filter(|index| !self.is_null(*index) && !bad.is_bad(*index)).collect()
    }
}

/// Reads messages as rows.
pub(crate) trait MessageDecoder: Send {
    /// The rows of the messages that have bytes and are not marked in `bad`: not before, and not by this call, which marks those
    /// that it cannot read.
    ///
    /// # Errors
    /// What is needed to read messages, such as a registry of schemas, is not to be had. A message that cannot be read is no error.
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch>;
}

/// Writes rows as messages.
pub(crate) trait MessageEncoder: Send {
    /// Adds a message for each row of a batch, whose columns are those that the encoder was made for.
    ///
    /// # Errors
    /// A value has no form in the format, or a registry of schemas cannot be reached.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::SchemaRef;
    use proptest::prelude::*;

    use super::*;
    use crate::format::avro::{AvroDecoder, AvroEncoder, Framing};
    use crate::format::csv::{self, CsvDecoder, CsvEncoder};
    use crate::format::debezium::{DebeziumDecoder, DebeziumEncoder};
    use crate::format::json::{JsonDecoder, JsonMessageEncoder};

    fn rows() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)])), true),
            ("name", Arc::new(StringArray::from(vec!["a", "", "x, \"y\""])), true),
            ("share", Arc::new(Float64Array::from(vec![0.5, -1.0, 1e300])), true),
            ("blob", Arc::new(BinaryArray::from_vec(vec![b"", b"\x00\xff", b"z"])), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn dialect() -> csv::Dialect {
        let options = tidegate_options::resolve(&[csv::OPTIONS], []).unwrap();
        csv::Dialect::new("t", &options).unwrap()
    }

    fn decoders(schema: &SchemaRef) -> Vec<Box<dyn MessageDecoder>> {
        let all = [0, 1, 2, 3];
        vec![
            Box::new(JsonDecoder::new(schema.clone(), 100, 1 << 20)),
            Box::new(CsvDecoder::new(&dialect(), schema, &all, schema.clone())),
            Box::new(AvroDecoder::new(Framing::Plain, schema, &all, schema.clone(), 100)),
            Box::new(DebeziumDecoder::new(schema.clone(), 100, false)),
        ]
    }

    /// The rows as messages of each format.
    fn messages(rows: &RecordBatch) -> Vec<Vec<Vec<u8>>> {
        let schema = rows.schema();
        let encoders: Vec<Box<dyn MessageEncoder>> = vec![
            Box::<JsonMessageEncoder>::default(),
            Box::new(CsvEncoder::new("t", &dialect(), &schema)),
            Box::new(AvroEncoder::new(Framing::Plain, String::new(), &schema)),
            Box::<DebeziumEncoder>::default(),
        ];
        let encode = |mut encoder: Box<dyn MessageEncoder>| {
            let mut out = Messages::default();
            encoder.encode(rows, &mut out).unwrap();
            (0..out.len()).map(|index| out.get(index).unwrap().to_vec()).collect()
        };
        encoders.into_iter().map(encode).collect()
    }

    proptest! {
        /// Damaged messages are refused one by one, or read as something; none of their neighbours is lost.
        #[test]
        fn damage_costs_the_damaged_message_alone(
            damage in proptest::collection::vec((0usize..3, 0usize..60, any::<u8>()), 0..3),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let rows = rows();
            for (mut decoder, mut of_format) in decoders(&rows.schema()).into_iter().zip(messages(&rows)) {
                let mut damaged = [false; 3];
                for (message, at, byte) in &damage {
                    let length = of_format[*message].len();
                    of_format[*message][at % length] = *byte;
                    damaged[*message] = true;
                }
                let mut all = Messages::default();
                for message in &of_format {
                    all.push(Some(message));
                    all.push(Some(&noise));
                    all.push(None);
                }
                let mut bad = BadRows::new(all.len());
                let batch = decoder.decode(&all, &mut bad).unwrap();
                prop_assert_eq!(batch.num_rows(), all.wanted(&bad).len());
                for (message, damaged) in damaged.into_iter().enumerate().filter(|(_, damaged)| !damaged) {
                    prop_assert!(!damaged);
                    let row = all.wanted(&bad).iter().position(|index| *index == 3 * message);
                    let row = row.expect("an undamaged message is read");
                    prop_assert_eq!(batch.slice(row, 1), rows.slice(message, 1));
                }
            }
        }
    }
}
