//! Reads messages of Avro.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, concat_batches};
use arrow::datatypes::{Schema, SchemaRef};
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};

use super::registry::Registry;
use super::schema::{avro_schema, with_names_of};
use super::{MAGIC, PREFIX_BYTES};
use crate::format::message::{MessageDecoder, Messages};
use crate::format::zone::convert;
use crate::format::{BadRows, halves};
use crate::{Error, Result};

/// Which schema messages are written with.
#[derive(Debug, Clone)]
pub(crate) enum Framing {
    /// That of the table's columns.
    Plain,
    /// The one in the registry whose number they begin with.
    Registry(Registry),
}

/// What is known of a schema that messages are written with.
enum Writer {
    /// Its text, and a decoder at hand that met no bad message.
    Known(AvroSchema, Option<Box<Decoder>>),
    /// Rows of the table cannot be made of it, for this reason.
    Unusable(String),
}

/// Reads messages as rows of the table's columns, whatever schema they were written with as long as it fits.
pub(crate) struct AvroDecoder {
    framing: Framing,
    /// The schema of the table's columns.
    reader: AvroSchema,
    /// Which of the columns are wanted.
    wanted: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    writers: BTreeMap<u32, Writer>,
}

impl AvroDecoder {
    /// For messages of the columns `fields`, of which those in `wanted` are given; `schema` has them. So many messages at a time
    /// at the most.
    pub(crate) fn new(
        framing: Framing,
        fields: &Schema,
        wanted: &[usize],
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Self {
        let reader = AvroSchema::new(avro_schema(fields));
        let mut writers = BTreeMap::new();
        if matches!(framing, Framing::Plain) {
            writers.insert(0, Writer::Known(reader.clone(), None));
        }
        Self { framing, reader, wanted: wanted.to_vec(), schema, batch_rows, writers }
    }

    /// The number of a message's schema, which is asked for if it is new.
    fn writer_of(&mut self, message: &[u8]) -> Result<Result<u32, String>> {
        let Framing::Registry(registry) = &self.framing else { return Ok(Ok(0)) };
        let [MAGIC, a, b, c, d, ..] = *message else {
            let said = "it does not begin with a zero byte and the number of its schema; the format 'avro' has none";
            return Ok(Err(said.to_string()));
        };
        let id = u32::from_be_bytes([a, b, c, d]);
        if !self.writers.contains_key(&id) {
            let writer = match registry.schema(id)? {
                None => Writer::Unusable(format!("the registry has no schema {id}, with which it says it is written")),
                Some(text) => {
                    let schema = AvroSchema::new(text);
                    match self.build(id, &schema) {
                        Ok(decoder) => Writer::Known(schema, Some(Box::new(decoder))),
                        Err(reason) => Writer::Unusable(format!("it is written with schema {id}: {reason}")),
                    }
                }
            };
            self.writers.insert(id, writer);
        }
        Ok(match self.writers.get(&id) {
            Some(Writer::Unusable(reason)) => Err(reason.clone()),
            _ => Ok(id),
        })
    }

    fn build(&self, id: u32, writer: &AvroSchema) -> Result<Decoder, String> {
        let fingerprint = Fingerprint::Id(id);
        let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
        store.set(fingerprint, writer.clone()).map_err(|source| source.to_string())?;
        ReaderBuilder::new()
            .with_batch_size(self.batch_rows + 1)
            .with_reader_schema(AvroSchema::new(with_names_of(&self.reader.json_string, &writer.json_string)))
            .with_writer_schema_store(store)
            .with_active_fingerprint(fingerprint)
            .build_decoder()
            .map_err(|source| source.to_string())
    }

    /// The rows of some messages, each with the number of its schema, if all are whole.
    fn together(&mut self, messages: &Messages, wanted: &[(usize, u32)]) -> Result<RecordBatch, String> {
        let mut batches = Vec::new();
        for run in wanted.chunk_by(|(_, a), (_, b)| a == b) {
            let id = run[0].1;
            let (schema, at_hand) = match self.writers.get_mut(&id) {
                Some(Writer::Known(schema, decoder)) => (schema.clone(), decoder.take()),
                _ => return Err(format!("schema {id} is not known")),
            };
            let mut decoder = match at_hand {
                Some(decoder) => decoder,
                None => Box::new(self.build(id, &schema)?),
            };
            for (index, _) in run {
                let message = messages.get(*index).unwrap_or_default();
                self.read_one(&mut decoder, id, message)?;
            }
            let batch = decoder.flush().map_err(|source| source.to_string())?.ok_or("it has no record")?;
            if let Some(Writer::Known(_, at_hand)) = self.writers.get_mut(&id) {
                *at_hand = Some(decoder);
            }
            batches.push(self.conform(&batch)?);
        }
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(batch),
            Err(batches) => concat_batches(&self.schema, &batches).map_err(|source| source.to_string()),
        }
    }

    fn read_one(&self, decoder: &mut Decoder, id: u32, message: &[u8]) -> Result<(), String> {
        let before = decoder.capacity();
        let body = match self.framing {
            Framing::Registry(_) => &message[PREFIX_BYTES.min(message.len())..],
            Framing::Plain => message,
        };
        let mut prefix = [MAGIC; PREFIX_BYTES];
        prefix[1..].copy_from_slice(&id.to_be_bytes());
        decoder.decode(&prefix).map_err(|source| source.to_string())?;
        let taken = decoder.decode(body);
        // The decoder takes what comes after a record for another one.
        match (decoder.capacity() + 1 == before, taken) {
            (true, Ok(taken)) if taken == body.len() => Ok(()),
            (true, _) => Err("there are bytes behind its record".to_string()),
            (false, Ok(_)) => Err("it ends before its record does".to_string()),
            (false, Err(source)) => Err(source.to_string()),
        }
    }

    /// The wanted columns in the table's types.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, String> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = self.wanted.iter().zip(self.schema.fields()).map(|(column, field)| {
            convert(batch.column(*column), field.data_type(), &options)
                .map_err(|source| format!("column '{}': {source}", field.name()))
        });
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Result<_, _>>()?, &rows)
            .map_err(|source| source.to_string())
    }
}

impl MessageDecoder for AvroDecoder {
    fn decode(&mut self, messages: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let mut wanted = Vec::new();
        for index in messages.wanted(bad) {
            match self.writer_of(messages.get(index).unwrap_or_default())? {
                Ok(id) => wanted.push((index, id)),
                Err(reason) => bad.mark(index, || reason),
            }
        }
        let mut found = Vec::new();
        let mut together = |range: Range<usize>| self.together(messages, &wanted[range]);
        let batches = halves::decode(0..wanted.len(), false, &mut together, &mut found);
        for (row, reason) in found {
            bad.mark(wanted[row].0, || reason);
        }
        match <[RecordBatch; 1]>::try_from(batches) {
            Ok([batch]) => Ok(batch),
            Err(batches) => {
                concat_batches(&self.schema, &batches).map_err(Error::arrow("joining batches of Avro messages"))
            }
        }
    }
}
